"""The access record: who reached what and when. Its lines, the segments they arrive in, and what is asked of it.

Pure data and the protocols of what gathers, keeps and seals it. A time that was not recorded is a `Gap`, never an
absence of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from control_plane.model.text import Text, t

FIRST = "0" * 64
"""What stands for the hash before the first of a chain."""
OPEN_EVERY = timedelta(minutes=10, seconds=30)
"""An open direct connection has a line at least this often: one that lasts is found near any moment of its life. A
session of the proxy has one line only, when it ends."""
COLUMNS = (
    *("time", "since", "kind", "event", "tenant", "address", "port", "nat", "nat_port", "host", "server"),
    *("server_port", "protocol", "octets_up", "octets_down", "verdict", "rule"),
)
"""Of a line. `kind`: proxy or direct; `event`: request, opened, open, closed; `since`: when it began, as far as known;
`nat`, `nat_port`: address and port outside; octets are those of the client's side, and 0 when something opens."""
FIELDS = (
    *("kind", "time", "since", "event", "protocol", "address", "port", "nat", "nat_port", "host", "server"),
    *("server_port", "octets_up", "octets_down", "verdict", "rule"),
)
"""Of a line as the gateway writes it."""

GAPS: Mapping[str, Text] = {
    "began": t("The record began."),
    "stopped": t("The spool was stopped in order."),
    "killed": t("The spool was ended by force."),
    "host-restarted": t("The gateway was restarted."),
    "events-stopped": t("The kernel's events could not be read."),
    "events-lost": t("More connections came than could be written."),
    "disk-full": t("The gateway's disk was full."),
    "log-lost": t("The proxy's log was rotated away before it was read."),
    "log-truncated": t("The proxy's log was cut by somebody."),
    "no-log": t("The proxy wrote no log."),
    "unreadable": t("Lines of the proxy's log could not be read."),
    "clock-moved": t("The gateway's clock was moved."),
    "segments-missing": t("Segments were lost on the way."),
    "chain-began-anew": t("The gateway began a new record."),
    "damaged": t("A segment is damaged."),
    "not-collected": t("Nothing was collected from this time, or not yet."),
}
"""Every reason of a gap has one sentence."""
REMARKS = frozenset({"began", "clock-moved"})
"""Reasons that are told but lose nothing."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a source (`proxy`, `direct`, `all`) was not recorded; one moment for what cannot be dated."""

    source: str
    begin: datetime
    end: datetime
    reason: str
    detail: str = ""

    @property
    def seconds(self) -> float:
        """How long."""
        return (self.end - self.begin).total_seconds()

    def as_json(self) -> dict[str, Any]:
        """For answers."""
        return {
            "source": self.source,
            "from": self.begin.isoformat(),
            "to": self.end.isoformat(),
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
            "sentence": str(GAPS.get(self.reason, Text(self.reason))),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Segment:
    """A closed segment of a gateway's spool. `lines` are tab-separated `FIELDS`; `former` and `hash` make the chain."""

    chain: str
    sequence: int
    former: str
    hash: str
    opened: datetime
    closed: datetime
    octets: int
    gaps: Sequence[Gap]
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Damaged:
    """What came under a segment's name and is none."""

    sequence: int
    reason: str
    content: bytes


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What a gateway says of its spool: segments and octets that wait, octets free, when it would warn."""

    waiting: int
    octets: int
    free: int
    warn_octets: int
    running: bool
    at: datetime

    @property
    def warning(self) -> Text | None:
        """Why somebody should look, if so. Segments are never deleted before they were collected."""
        if not self.running:
            return t("Nobody records on the gateway now.")
        if self.octets > self.warn_octets:
            return t("{size} MB wait on the gateway to be collected.", size=self.octets >> 20)
        if self.free < self.warn_octets:
            return t("The gateway's disk has {size} MB left; what waits to be collected stays.", size=self.free >> 20)
        return None


class Spool(Protocol):
    """The record on one gateway, before it is collected."""

    host: str

    def fetch(
        self,
        confirmed: Sequence[tuple[int, str]] = (),
        skipped: Sequence[int] = (),
        limit: int = 64 << 20,
        close: bool = False,
    ) -> tuple[SpoolState, Sequence[Segment | Damaged]]:
        """Delete there what is `confirmed` (sequence, hash) and bring closed segments, oldest first, up to `limit`
        octets (at least one, unless it is 0) and none of `skipped`; `close` closes the open one first, so that what
        is recorded now comes too. Raises TemporaryError."""
        ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of lines of one day. `counts`: how many lines are of which segment (its number in the database)."""

    name: str
    day: date
    level: int
    lines: int
    octets: int
    sha256: str
    counts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: connections that were there in a window. Fields that are None do not restrict.

    `addresses` is a list of (address, from, to): a person had this address then.
    """

    begin: datetime
    end: datetime
    tenant: str | None = None
    addresses: Sequence[tuple[str, datetime, datetime]] | None = None
    nat_address: str | None = None
    nat_port: int | None = None
    host: str | None = None
    limit: int = 10_000


class Archive(Protocol):
    """The collected record: immutable files by day, below one folder."""

    def write(self, day: date, name: str, rows: Sequence[str]) -> StoredFile:
        """Keep lines durably: tab-separated tenant, segment number and `FIELDS`."""
        ...

    def merge(self, day: date, name: str, files: Sequence[StoredFile], level: int) -> StoredFile:
        """Make one file of several, durably; the old ones stay. Raises PermanentError when one is not what it was."""
        ...

    def search(self, question: Question, names: Sequence[str]) -> tuple[list[dict[str, Any]], bool]:
        """Lines of these files that fit, by time, and whether there are more than the limit."""
        ...

    def earliest(self, names: Sequence[str], before: datetime) -> datetime | None:
        """When the longest of the proxy's sessions in these files that began before a time began; None when none did.
        Of files that cannot be read nothing is known, so that it is the least time there is."""
        ...

    def fault(self, file: StoredFile) -> str | None:
        """`missing` or `changed`, or None when the file is what was written."""
        ...

    def counts(self, names: Sequence[str]) -> Mapping[int, int]:
        """How many lines of which segment are in these files now."""
        ...

    def discard(self, names: Sequence[str]) -> None:
        """Delete files; those that are gone already do not matter."""
        ...

    def names(self) -> Sequence[str]:
        """Every file that is there."""
        ...

    def keep_damaged(self, name: str, content: bytes) -> bool:
        """Keep what came instead of a segment, as evidence; False when it is there already."""
        ...


class Seal(Protocol):
    """Signs entries of the ledger."""

    def sign(self, digest: str) -> str:
        """A signature in hex."""
        ...

    def holds(self, digest: str, signature: str) -> bool:
        """Whether it is ours."""
        ...


TenantAt = Callable[[str, datetime], str]
"""Code of the tenant whose network an address was in at a time; empty for none."""
