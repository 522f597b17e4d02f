"""What stands behind the newer pages: machines that answer from tables, a repository host, a gateway that counts.

The store, the rules and the sentences are real. Machines of the small estate, each in another condition: fgw has all,
czj lacks patches and has a fault and a finding, gaj is silent, jyj has old signatures, sjj is only enrolled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from control_plane.model.attachment import Scan
from control_plane.model.errors import CouldNotMeasureError, NotFound, TemporaryError
from control_plane.model.machine import (
    Fingerprint,
    Found,
    Installed,
    Machine,
    MachineLook,
    MachineState,
    Pending,
    Ring,
    Scanned,
    Snapshots,
)
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.workflow.local import LocalClient
from control_plane.workflow.rollout_carriers import MachineCarrier
from control_plane.workflow.rollout_promises import Promises
from control_plane.workflow.rollout_tick import Ticker

WORKSTATIONS = ("fgw", "czj", "gaj", "jyj", "sjj", "shinan")
SILENT, BROKEN, OLD = "gaj", "czj", "jyj"


def workstation(number: int, code: str) -> dict[str, Any]:
    """Its row as the lab says it."""
    named = {"name": code, "role": "workstation", "zone": "tenant", "tenant": code}
    place = {"ipv4": f"10.94.{number}.10", "ipv6": f"fd94:0:2:{number}::10", "mgmt": f"10.95.1.{number}"}
    return {**named, **place, "state": "running", "restarts": 0}


@dataclass
class Hands:
    """Answers for machines; `SILENT` does not, and those that are `off` say not even who they are."""

    clock: Callable[[], datetime]
    off: set[str] = field(default_factory=set)

    def fingerprints(self, hosts: Sequence[str]) -> Mapping[str, Fingerprint | CouldNotMeasure]:
        silent = {host: CouldNotMeasure(host, self.clock(), t("No route to host")) for host in self.off & {*hosts}}
        return {**{host: Fingerprint(f"id-{host}", f"key-{host}") for host in hosts}, **silent}

    def measure(self, machines: Sequence[Machine]) -> Mapping[str, MachineLook]:
        return {m.id: self._look(m) for m in machines}

    def _look(self, machine: Machine) -> MachineLook:
        now = self.clock()
        if machine.name == SILENT:
            return CouldNotMeasure(machine.id, now, t("No route to host"))
        lacks = machine.name == BROKEN
        since, made = now - timedelta(days=9), now - timedelta(days=30 if machine.name == OLD else 0)
        pending = [
            Pending("gasp-demo", "1.0", "1.1", "critical", True, since, now - timedelta(days=2)),
            Pending("bash", "5.2", "5.3", "low", held=True, held_since=since, held_by="pin /etc/apt/preferences.d/own"),
        ]
        return MachineState(
            machine.id, now, {"gasp-demo": "1.0" if lacks else "1.1"}, pending if lacks else [], now, lacks,
            "s20261124-020000", made, True, {"disk-full": "/var: 0 MB"} if lacks else {},
        )  # fmt: skip

    def refresh_signatures(
        self, machines: Sequence[Machine], proceed: Callable[[str], bool] = lambda _: True
    ) -> Iterator[Installed]:
        yield from (Installed(m.id, "already", "") for m in machines if proceed(m.id))

    def mend(self, machine: Machine, faults: Sequence[str]) -> Sequence[Any]:
        return []

    def scan(
        self, machine: Machine, paths: Sequence[str], after: str | None = None, seconds: float | None = None
    ) -> Iterator[Any]:
        yield Scanned(machine.id, 0, (), at=self.clock())

    def ready(self, machines: Sequence[Machine], what: str) -> AbstractContextManager[None]:
        return nullcontext()

    def install(
        self, machines: Sequence[Machine], what: str, proceed: Callable[[str], bool]
    ) -> Iterator[Installed]:  # fmt: skip
        for machine in machines:
            if machine.name == SILENT:
                yield Installed(machine.id, "unreachable", "no route")
            elif proceed(machine.id):
                bad = machine.name == BROKEN
                yield Installed(machine.id, "failed" if bad else "changed", "no space left" if bad else "")


@dataclass
class Repository:
    """The repository host; `away` is what it raises."""

    away: Exception | None = None
    enough: bool = True
    old: str = "p20261101-020000"
    rings: dict[Ring, str | None] = field(default_factory=lambda: dict.fromkeys(Ring, "p20261123-020000"))

    def _answer(self) -> None:
        if self.away is not None:
            raise self.away

    def published(self, what: str) -> Mapping[Ring, str | None]:
        self._answer()
        return self.rings

    def publish(self, what: str, ring: Ring, snapshot: str) -> bool:
        self.rings[ring] = snapshot
        return True

    def sync(self, what: str, tell: Any = None) -> Mapping[str, Any]:
        self._answer()
        return {"snapshot": None, "latest": "p20261124-020000", "octets": 0, "advisories_changed": False}

    def medium_holds(self, path: Any, what: str | None = None) -> Sequence[str]:
        return ["patches"]

    def take(self, what: str, path: Any, tell: Any = None) -> Mapping[str, Any]:
        return self.sync(what)

    def prune(self, what: str, keep: int, dry_run: bool = False) -> Mapping[str, Any]:
        removed = [self.old] if what == "patches" else []
        return {"removed": removed, "kept": ["p20261124-020000"], "octets": 1000}

    def estimate(self, what: str) -> Mapping[str, Any]:
        self._answer()
        sizes = {"need": 3_000_000, "fetch": 1_000_000, "free": 9_000_000, "reserve": 0, "total": 3_000_000}
        return {**sizes, "packages": 3, "first": False, "enough": self.enough}

    def show(self, snapshot: str) -> Mapping[str, Any]:
        if snapshot not in {row["id"] for what in ("patches", "signatures") for row in self.snapshots(what)}:
            raise NotFound(t("There is no snapshot “{name}”.", name=snapshot))
        return {"signer": "Debian", "contents": {"hello amd64": "2.10"}, "advisories": []}

    def look(self, what: str) -> Snapshots:
        return Snapshots(self.snapshots(what), self.rings, dict.fromkeys(Ring, self.old))

    def snapshots(self, what: str) -> Sequence[Mapping[str, Any]]:
        self._answer()
        count, letter = ("packages", "p") if what == "patches" else ("signatures", "s")
        return [
            {
                "id": f"{letter}202611{day}-020000",
                "made_at": f"2026-11-{day}T02:00:00+00:00",
                "source": "upstream",
                count: 3,
                "octets": 1_952_000,
                "rings": [int(r) for r, has in self.rings.items() if (has or "")[1:] == f"202611{day}-020000"],
            }
            for day in (24, 23)
        ]


@dataclass
class Gateway:
    """How much each tenant used; `away`: it does not answer."""

    away: bool = False

    def __call__(self) -> Mapping[str, Mapping[str, Any]]:
        if self.away:
            raise CouldNotMeasureError(t("No route to host"))
        return {
            "fgw": {
                "month": "2026-11",
                "up": 10**9,
                "down": 41 * 10**9,
                "warned": None,
                "throttled": None,
                "slowed": False,
            },
            "czj": {
                "month": "2026-11",
                "up": 10**9,
                "down": 10**12,
                "warned": "2026-11-20T09:00:00+08:00",
                "throttled": "2026-11-21T16:30:00+08:00",
                "slowed": True,
            },
        }

    def refused(self, tenant: str) -> Sequence[Any]:
        if self.away:
            raise CouldNotMeasureError(t("No route to host"))
        rows = {"fgw": [("www.casino.test", "centre-gambling"), ("film.test", "centre-video"), ("<b>x", "otherwise")]}
        common = {"encrypted": True, "count": 2, "owner": "x", "since": "2026-11-01", "reason_zh": "禁止"}
        return [
            {"at": "2026-11-24T01:00:00+00:00", "host": host, "rule": rule, "reason_en": "Not <i>allowed</i>", **common}
            for host, rule in rows.get(tenant, [(f"{tenant}.elsewhere.test", "otherwise")])
        ]


@dataclass
class Scanner:
    """Finds the words EVIL and `bad`; `away`: it does not answer."""

    away: bool = False
    bad: bytes = b"EVIL"
    signatures: str = "s20261124-020000"

    def scan(self, contents: Mapping[str, bytes]) -> Mapping[str, Scan]:
        if self.away:
            raise TemporaryError(t("No route to host"))
        found = {
            name: "Test.Evil" if b"EVIL" in content or self.bad in content else None
            for name, content in contents.items()
        }
        return {name: Scan(what, self.signatures) for name, what in found.items()}


class OpenPath:
    """Opens any address."""

    def ask(self, *_: Any) -> dict[str, Any]:
        found = {"addresses": ["192.0.2.7"], "status": 200, "seconds": 0.1, "remote": "192.0.2.7"}
        unknown = ("resolve_error", "connect_status", "error", "proxy_said", "title", "refusal")
        return {**dict.fromkeys(unknown), **found}


@dataclass
class Rooms:
    hands: Hands
    scanner: Scanner = field(default_factory=Scanner)
    repository: Repository = field(default_factory=Repository)
    gateway: Gateway = field(default_factory=Gateway)
    tester: Any = field(default_factory=OpenPath)


def furnish(client: LocalClient, rooms: Rooms) -> None:
    """Enrol and measure machines, find something, freeze something, and send out a change that goes wrong."""
    machines = client.machines
    machines.enrol_wanted(lambda code: code if code in WORKSTATIONS else None)
    machines.measure()
    store, clock = client.store, rooms.hands.clock
    broken = next(m for m in store.machines.all() if m.name == BROKEN)
    store.machines.report(broken, [Found("/home/会议/a.exe", "Eicar-Test")], clock())
    machines.scan("fgw", ())
    going = next(m for m in store.machines.all() if m.name == "sjj")
    store.scans.begin(going.id)
    store.scans.came_to(going.id, "x", 41_200, 0)
    store.signature_turns.enter("nothing", "s20261124-020000")
    order: dict[str, Any] = {"kind": "patches", "snapshot": "p20261124-020000", "ignore_windows": "test"}
    made = client.rollouts.create(**order, reason="November's patches", thresholds={"soak": "0"})
    client.rollouts.release(made["id"])
    promises = Promises(client.planner.catalogue, client.prober)
    carrier = MachineCarrier(
        "patches",
        store.machines.all,
        store.machines.prepared,
        rooms.repository,  # type: ignore[arg-type]
        rooms.hands,
        rooms.hands.measure,
        promises.of_tenants,
    )
    ticker = Ticker(store, {"patches": carrier}, chinese_calendar(), clock, None)
    for _ in range(8):
        ticker.tick()
    client.rollouts.create(**order, reason="a second one, not begun")
    ended = client.freezes.set("tenant:czj", reason="an audit of files")
    client.freezes.lift(ended["id"], second="somebody", reason="the audit is over")
    client.freezes.set("ring:servers", reason="the annual accounts are being closed")
