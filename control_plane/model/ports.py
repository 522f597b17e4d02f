"""Protocols between the engine and the outside: what a driver, a prober and an issuer promise.

`workflow` knows these and nothing of the implementations; `wiring` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from control_plane.model.plan import Change
from control_plane.model.resource import Kind, Look
from control_plane.model.text import Text

OutcomeState = Literal["applied", "already", "refused", "failed", "held", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change.

    applied: written by us just now. already: found as wanted (a lost answer, a second writer with the
    same content). refused: a precondition failed, the world moved. failed: the system said no; `text`
    says what it said, `file`/`line` where. held (by the engine): not tried, because what it depends on
    did not succeed. unknown: no answer; only a new look can tell.
    """

    change_id: str
    state: OutcomeState
    text: Text | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A boundary inside a driver's work (`archive.sent`, `check.passed`, …), recorded as an event."""

    stage: str
    detail: Mapping[str, Any] = field(default_factory=dict)


Fence = Callable[[], None]
"""Raises when this process no longer holds the writer's lease; a driver calls it before each write."""


class Driver(Protocol):
    """One outside system.

    Must: observe a part wholly or return `CouldNotMeasure`; make every write conditional on what the
    plan saw (`Change.before_hash`/`token`), so that a late or second writer is refused; yield exactly
    one `Outcome` a change; leave the system with its last good configuration when its check fails; let
    one tenant's bad change stop no other tenant's.
    May: work in batches and in any order that respects `Change.phase`; yield `Notice`s in between.
    Must not: touch anything without our owner marker; raise for a fault of one change.
    `observe` and `apply` may be called from different threads, `apply` once at a time a part.
    """

    kinds: Sequence[Kind]
    stages: Sequence[str]

    def parts(self) -> Sequence[str]:
        """All parts of this system, e.g. `dns:qingdao.test`, `directory:tenants`, `web:web`."""
        ...

    def observe(self, part: str, tenants: frozenset[str] | None = None) -> Look:
        """Look at one part. `tenants` (codes): a hint that only these tenants' things are needed."""
        ...

    def apply(self, part: str, changes: Sequence[Change], fence: Fence) -> Iterator[Outcome | Notice]:
        """Carry out changes of one part."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """One promise and how it is measured.

    `vantage` is a host name (`citizen`, a workstation); `kind` names the check (`http`, `dns`,
    `directory`, `http_closed`); `spec` its parameters (JSON values).
    """

    id: str
    kind: str
    vantage: str
    tenant: str
    offering: str
    title: Text
    spec: Mapping[str, Any]


ProbeState = Literal["passed", "warning", "failed", "unmeasured"]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One measurement; `unmeasured` says that the vantage point or the prober failed, not the service."""

    probe: Probe
    state: ProbeState
    at: datetime
    seconds: float | None
    text: Text


class Prober(Protocol):
    """Carries out probes; Must return one result a probe and never raise for a failed one."""

    def run(self, probes: Sequence[Probe]) -> list[ProbeResult]:
        """Measure all, grouped by vantage host."""
        ...


CertificateState = Literal["valid", "due", "unknown"]


class CertificateStore(Protocol):
    """Issued certificates: the driver asks which one is current and for a new one when there is none."""

    def describe(self, found: Sequence[tuple[str, Sequence[str]]], now: datetime) -> list[CertificateState]:
        """What each certificate found on a host, given by fingerprint and names, is: ours and current, ours and due
        for renewal, or unknown."""
        ...

    def together(self) -> AbstractContextManager[Any]:
        """What is obtained inside, by this thread, is recorded as one step. Keep it short: nobody else can write."""
        ...

    def obtain(self, names: Sequence[str], now: datetime) -> tuple[bytes, Path]:
        """PEM chain of the current certificate for `names`, issued if needed, and the path of its key."""
        ...


class CheckedArchive(Protocol):
    """A department's archive that passed every check."""

    release_id: str
    sha256: str
    files: int
    bytes: int
    warnings: Sequence[Text]


class Staged(Protocol):
    """A content that lies whole beside its place; nobody finds it until it is placed, and unplaced it goes."""

    def place(self) -> None:
        """Bring it to its place in one step, over what is there. To be called in the transaction that writes the row
        of it, as its last act."""
        ...


class StagedRelease(Staged, Protocol):
    """A release that lies whole beside its place."""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Path and content of each file, one after the other."""
        ...


class ContentStore(Protocol):
    """Contents by name. `workflow/contents.py` alone calls `drop` and `tidy`."""

    def names(self) -> Iterable[str]:
        """What is there."""
        ...

    def drop(self, name: str, /) -> None:
        """Delete the content; one that is not there stays so."""
        ...

    def tidy(self) -> int:
        """Delete what was begun more than a day ago and never placed; how many those were."""
        ...


class FileStore(ContentStore, Protocol):
    """Files that people bring in, by the hash (SHA-256, hex) of their content."""

    def staged(self, content: bytes) -> AbstractContextManager[Staged]:
        """Write a content beside its place."""
        ...

    def get(self, digest: str) -> bytes:
        """The content. Raises NotFound when it is not there, or not what it was."""
        ...


class ReleaseStore(ContentStore, Protocol):
    """Content of sites by release id: normalised tar archives kept by the centre."""

    def take(
        self, archive: Path, limit_bytes: int | None
    ) -> AbstractContextManager[tuple[CheckedArchive, StagedRelease]]:
        """Check an uploaded archive whole and write it beside its place. Raises Invalid with every bad entry."""
        ...

    def take_files(
        self, files: Mapping[str, bytes], limit_bytes: int | None
    ) -> AbstractContextManager[tuple[CheckedArchive, StagedRelease]]:
        """The same with files that were made here, path → content."""
        ...

    def id_of(self, files: Mapping[str, bytes], known: Mapping[str, tuple[int, str]]) -> str:
        """The id that a release of these files would have; `known`: path → (octets, hash) of files whose content need
        not be read."""
        ...

    def files(self, release: str) -> Iterator[tuple[str, bytes]]:
        """Path and content of each file of a stored release, one after the other; of one beyond `LARGEST_CHECKED` its
        beginning. Raises NotFound."""
        ...

    def open_archive(self, source: Mapping[str, Any]) -> bytes:
        """The normalised tar of a release; `source` is `Resource.payload['source']`."""
        ...
