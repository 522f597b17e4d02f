"""Machines of tenants and of the centre: who they are, which ring they are in, and what was measured on them.

Pure data. What is not known is None and never reads as good; `CouldNotMeasure` stands for a machine that is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import Text

Proceed = Callable[[str], bool]
"""Whether the machine with this id may be touched now; asked right before it is, in the caller's thread."""
BASELINE = "machine.baseline"
"""Kind of what we put on an enrolled machine: package source, keyring, settings of the engine. One a machine."""
MACHINES_PART = "security:machines"
"""The part that all machines are: one look covers them, and a machine that is off waits in it."""


SERVICE = "security"
"""The offering whose subscriptions name machines."""


def stated_rings(spec: Mapping[str, Any]) -> dict[str, Ring]:
    """The rings that a subscription to `SERVICE` states, by name of the machine; the rest is the inventory's to say."""
    return {item["name"]: Ring(item["ring"]) for item in spec.get("machines", ()) if "ring" in item}


def baseline_id(machine: str) -> str:
    """Resource id of a machine's baseline."""
    return f"machine:{machine}/baseline"


class Ring(IntEnum):
    """In which order changes reach machines."""

    CENTRE = 0
    """The centre's own hosts."""
    PILOT = 1
    """One volunteer machine in a few tenants."""
    BROAD = 2
    """About half of the machines."""
    ALL = 3
    """The rest of the machines."""
    SERVERS = 4
    """Servers, in their window."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of the inventory. `id` is opaque and survives a transfer; `host` is what SSH reaches it by.

    `managed`: whether we install on it; else it is only observed (`source` says by whose list). `fingerprint` is
    what told it apart at enrolment (machine-id and SSH host key), to recognise clones.
    """

    id: str
    name: str
    tenant: str
    ring: Ring
    host: str | None
    managed: bool
    source: str
    fingerprint: str | None
    enrolled_at: datetime
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """One package that a machine lacks. `held`: kept at its version there, `held_since` when the centre first saw that,
    `held_by` how: `hold` (by apt-mark) or `pin FILE` (by a pin in that file); the centre does neither.
    `kept_back`: apt does not take it; `phased`: because it is given to a share of machines first, nothing else.
    """

    package: str
    installed: str
    candidate: str
    severity: Literal["critical", "high", "medium", "low", "unknown"] = "unknown"
    security: bool = False
    since: datetime | None = None
    deadline: datetime | None = None
    held: bool = False
    kept_back: bool = False
    phased: bool = False
    held_since: datetime | None = None
    held_by: str | None = None


Fault = Literal[
    "dpkg-interrupted", "dpkg-locked", "disk-full", "clock-wrong", "release-expired", "lists-stale", "source-missing",
    "engine-dead", "signatures-missing", "signatures-not-loaded", "not-enrolled-here",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class MachineState:
    """What one look at a machine found. `faults` is empty on a healthy one; each has a sentence and a remedy.

    `packages`: name → installed version of what the centre's repository offers. `signature_set` is the id of the set
    that the running engine has loaded (asked of the engine itself), `signature_at` when that set was made. A fault's
    value is what was found, in the machine's own words.
    """

    machine: str
    at: datetime
    packages: Mapping[str, str]
    pending: Sequence[Pending]
    lists_at: datetime | None
    reboot_required: bool
    signature_set: str | None
    signature_at: datetime | None
    engine_running: bool | None
    faults: Mapping[Fault, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


MachineLook = MachineState | CouldNotMeasure


class Measurer(Protocol):
    """Looks at machines, many at once."""

    def measure(self, machines: Sequence[Machine]) -> Mapping[str, MachineLook]:
        """By machine id: one look each, never fewer; a machine that does not answer is `CouldNotMeasure`."""
        ...


@dataclass(frozen=True, slots=True)
class Installed:
    """What became of one machine in an installation. failed: it said no, `text` says what, `fault` when known.
    unreachable: it is off or did not answer; it catches up later. untouched: stopped before it was its turn."""

    machine: str
    state: Literal["changed", "already", "failed", "unreachable", "untouched"]
    text: str = ""
    fault: Fault | None = None


class Installer(Protocol):
    """Brings machines to what their ring may have now."""

    def install(
        self, machines: Sequence[Machine], what: Literal["patches", "signatures"], proceed: Proceed
    ) -> Iterator[Installed]:
        """One result a machine, as they come. `proceed` is asked before each machine is touched, never in the
        middle of a package; one that does not answer is not asked about. Patches: exactly what the ring's
        suite offers, going back to older versions too."""
        ...

    def ready(
        self, machines: Sequence[Machine], what: Literal["patches", "signatures"]
    ) -> AbstractContextManager[None]:
        """Within, `install` of the same on the same machines begins sooner. Connects at most; touches nothing."""
        ...


Depot = Literal["patches", "signatures"]
"""What the repository host holds: snapshots of packages, or sets of signatures."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """One look at a depot. `rows`: see `Repository.snapshots`; `published`: what each ring has now; `before`: what it
    had before that, which is where a roll-back leads."""

    rows: Sequence[Mapping[str, Any]]
    published: Mapping[Ring, str | None]
    before: Mapping[Ring, str | None]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one real machine from another, read on it."""

    machine_id: str
    host_key: str

    @property
    def text(self) -> str:
        """As the inventory keeps it."""
        return f"{self.machine_id} {self.host_key}"


def shared(one: str | None, other: str | None) -> bool:
    """Whether two fingerprints, as the inventory keeps them, have the machine-id or the host key in common: copies of
    a disk often get new host keys and keep the machine-id."""
    return bool(set((one or "").split()) & set((other or "").split()))


@dataclass(frozen=True, slots=True)
class Found:
    """One infected file that an engine named."""

    path: str
    signature: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A scan has come so far: `files` were looked into by this call; `cursor` is where another call would go on."""

    files: int
    cursor: str


@dataclass(frozen=True, slots=True)
class Scanned:
    """The end of a scan on one machine. `files` were looked into; `error` when it did not end well, `silent` when that
    is because the machine did not answer. `at`: when everything was looked into, by the machine's clock; None when
    something is left."""

    machine: str
    files: int
    found: Sequence[Found]
    error: Text | None = None
    at: datetime | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Mended:
    """One act of mending: what was done, or what it would do, and whether it helped."""

    fault: Fault
    done: bool
    text: Text


class Hands(Measurer, Protocol):
    """All that is done on machines besides their baseline. Many at once, one command a machine."""

    def fingerprints(self, hosts: Sequence[str]) -> Mapping[str, Fingerprint | CouldNotMeasure]:
        """Who answers by each host name."""
        ...

    def refresh_signatures(self, machines: Sequence[Machine], proceed: Proceed = lambda _: True) -> Iterator[Installed]:
        """Let machines fetch their ring's set now and load it. One result a machine, as they come. `proceed` is asked
        before each begins: False begins no more, and those not begun are `untouched`."""
        ...

    def mend(self, machine: Machine, faults: Sequence[Fault]) -> Sequence[Mended]:
        """Mend what can be mended without harm. Raises CouldNotMeasureError when the machine does not answer."""
        ...

    def scan(
        self, machine: Machine, paths: Sequence[str], after: str | None = None, seconds: float | None = None
    ) -> Iterator[Found | Seen | Scanned]:
        """Scan with the machine's own engine: what it finds and how far it is, as it goes; last the end. `after`: go on
        behind this cursor; `seconds`: end soon after so long. Closing the iterator ends the scan on the machine."""
        ...


class Repository(Protocol):
    """The centre's repository host: snapshots of packages and sets of signatures, published by ring.

    Ids are opaque; later ones sort after earlier ones of their kind. All may be killed and repeated. Looking raises
    CouldNotMeasureError. `tell(done, total, what)` hears of octets done; total 0 where it is not known.
    """

    def published(self, what: Depot) -> Mapping[Ring, str | None]:
        """Which snapshot (set) each ring has now."""
        ...

    def publish(self, what: Depot, ring: Ring, snapshot: str) -> bool:
        """Give a ring a snapshot (set), older ones too; False when it has it already. Raises NotFound."""
        ...

    def snapshots(self, what: Depot) -> Sequence[Mapping[str, Any]]:
        """Newest first: [{id, made_at, source, packages | signatures, octets, rings}]."""
        ...

    def look(self, what: Depot) -> Snapshots:
        """Both of the above in one look, and what rings had before."""
        ...

    def show(self, snapshot: str) -> Mapping[str, Any]:
        """One of them with all that is known: patches have `contents` ({"NAME ARCHITECTURE": version}) and
        `advisories`, sets have `files` ({name: {sha256, octets}}). Raises NotFound."""
        ...

    def advisories(self, snapshot: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Security faults as known when a snapshot was made, or now: forms of `model.advisory.Advisory`."""
        ...

    def public_key(self) -> str:
        """The key that signs all that is published, armoured."""
        ...

    def estimate(self, what: Depot) -> Mapping[str, Any]:
        """Octets that a sync needs: {fetch, need, free, reserve, total, packages, first, enough}; `need` includes
        indexes, `enough` is whether it would be refused."""
        ...

    def sync(self, what: Depot, tell: Callable[[int, int, str], None] | None = None) -> Mapping[str, Any]:
        """Fetch from the upstream: {snapshot: new id | None (nothing new), latest, octets, advisories_changed}.
        Nothing unverified, expired or partial becomes a snapshot; nothing is published."""
        ...

    def take(self, what: Depot, medium: Path, tell: Callable[[int, int, str], None] | None = None) -> Mapping[str, Any]:
        """The same from a folder or archive that was carried here. Raises Invalid for bad entries."""
        ...

    def medium_holds(self, medium: Path, what: Depot | None = None) -> Sequence[Depot]:
        """What a folder or archive could be taken for; `what`: that alone. Raises Invalid for bad entries, or when it
        does not hold it."""
        ...

    def prune(self, what: Depot, keep: int, dry_run: bool = False) -> Mapping[str, Any]:
        """Delete all but the newest `keep` and what a ring has or had before: {removed, kept, octets}."""
        ...
