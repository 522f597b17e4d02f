"""A small world for rollouts: a repository host, machines and a person, all in memory; the store is a real one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from control_plane.model.errors import CouldNotMeasureError, NotFound, TemporaryError
from control_plane.model.machine import Installed, Machine, MachineLook, MachineState, Pending, Proceed, Ring
from control_plane.model.ports import Probe, ProbeResult, ProbeState
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.store.repository import Store
from control_plane.workflow.rollout_carriers import MachineCarrier
from control_plane.workflow.rollout_making import RolloutMaker
from control_plane.workflow.rollout_tick import Ticker
from control_plane.workflow.rollouts import Rollouts

MADE = datetime(2026, 11, 1, tzinfo=UTC)
QUICK = {"soak": "0"}


class Clock:
    """A time that tests turn; Tuesday 10:00 in Qingdao to begin with."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def machine(name: str, ring: Ring, tenant: str | None = None) -> Machine:
    return Machine(f"m_{name}", name, tenant or name, ring, name, True, "centre", None, MADE)


@dataclass
class World:
    """`has` is what each machine has; `bad` machines refuse a snapshot; `off` do not answer; `blind` install and
    then cannot be measured; `bare` ones have no baseline. `seen` is what a look finds besides, `promised` how a
    tenant's site does, `asked` whose promises were measured. `cut`: the gateway does not answer. `touched` counts
    in order. `before_touch` lets a test act in the middle.
    """

    store: Store
    clock: Clock
    machines: list[Machine]
    rings: dict[Ring, str | None] = field(default_factory=dict)
    has: dict[str, str] = field(default_factory=dict)
    bad: Mapping[str, str] = field(default_factory=dict)
    off: set[str] = field(default_factory=set)
    blind: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    touched: list[str] = field(default_factory=list)
    published: list[tuple[Ring, str]] = field(default_factory=list)
    unseen: bool = False
    cut: bool = False
    seen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    promised: Mapping[str, ProbeState] = field(default_factory=dict)
    asked: list[frozenset[str]] = field(default_factory=list)
    before_touch: Callable[[str], None] = lambda name: None

    def prepared(self) -> set[str]:
        return {one.id for one in self.machines if one.name not in self.bare}

    # Repository

    def published_now(self, what: str) -> Mapping[Ring, str | None]:
        if self.unseen:
            raise CouldNotMeasureError(t("The repository host does not answer."))
        return {ring: self.rings.get(ring, "1.0") for ring in Ring}

    def publish(self, what: str, ring: Ring, snapshot: str) -> None:
        if snapshot not in ("1.0", "1.1", "1.2"):
            raise NotFound(t("There is no snapshot."))
        self.rings[ring] = snapshot
        self.published.append((ring, snapshot))

    def snapshots(self, what: str) -> Sequence[Mapping[str, Any]]:
        return [{"id": name} for name in ("1.2", "1.1", "1.0")]

    # the way of all

    def way(self) -> None:
        if self.cut:
            raise TemporaryError(t("No route to gateway."))

    # Installer

    def install(self, machines: Sequence[Machine], what: str, proceed: Proceed) -> Iterator[Installed]:
        for one in machines:
            if one.name in self.off:
                yield Installed(one.id, "unreachable", "no route")
                continue
            self.before_touch(one.name)
            if not proceed(one.id):
                yield Installed(one.id, "untouched")
                continue
            self.touched.append(one.name)
            wanted = self.rings.get(one.ring) or "1.0"
            if self.bad.get(one.name) == wanted:
                self.has[one.name] = f"{wanted} (half)"
                yield Installed(one.id, "failed", "post-installation script returned 1", "dpkg-interrupted")
                continue
            state = "already" if self.has.get(one.name, "1.0") == wanted else "changed"
            self.has[one.name] = wanted
            yield Installed(one.id, state)  # type: ignore[arg-type]

    def ready(self, machines: Sequence[Machine], what: str) -> AbstractContextManager[None]:
        return nullcontext()

    # Measurer

    def measure(self, machines: Sequence[Machine]) -> Mapping[str, MachineLook]:
        looks: dict[str, MachineLook] = {}
        for one in machines:
            if one.name in self.off | self.blind:
                looks[one.id] = CouldNotMeasure(f"machine:{one.name}", self.clock(), t("no answer"))
                continue
            wanted, found = self.rings.get(one.ring) or "1.0", self.has.get(one.name, "1.0")
            pending = [Pending("demo", found, wanted)] if found != wanted else []
            now = self.clock()
            state = MachineState(one.id, now, {"demo": found}, pending, now, False, None, None, None)
            looks[one.id] = replace(state, **self.seen.get(one.name, {}))
        return looks

    # Prober

    def promises(self, tenants: Collection[str]) -> Sequence[ProbeResult]:
        self.asked.append(frozenset(tenants))
        found = []
        for tenant in sorted(tenants):
            state = self.promised.get(tenant, "passed")
            probe = Probe(f"{tenant}/site", "http", "citizen", tenant, "public_site", t("The site answers"), {})
            found.append(ProbeResult(probe, state, self.clock(), 0.1, t("HTTP 500")))
            engine = replace(probe, id=f"{tenant}/engine", kind="engine", vantage="another")
            found.append(ProbeResult(engine, "unmeasured", self.clock(), None, t("It is off")))
        return found


class Office:
    """Everything a person and the worker use, over a world."""

    def __init__(self, world: World, fault: str | None = None) -> None:
        self.world = world
        repository = _Repository(world)
        carrier = MachineCarrier(
            "patches", lambda: world.machines, world.prepared, repository, world, world.measure, world.promises
        )
        self.ticker = Ticker(world.store, {"patches": carrier}, chinese_calendar(), world.clock, fault, world.way)
        self.actor = world.store.actors.get("local:test")
        maker = RolloutMaker(world.store, None, lambda: world.machines, lambda: repository, world.clock)  # type: ignore[arg-type]
        self.rollouts = Rollouts(world.store, lambda: maker, lambda: self.actor, world.clock)

    def begin(self, snapshot: str = "1.1", windows: bool = False, **thresholds: str) -> int:
        order = {"kind": "patches", "reason": "test", "snapshot": snapshot, "thresholds": {**QUICK, **thresholds}}
        made = self.rollouts.create(**order, ignore_windows=None if windows else "test")
        return int(self.rollouts.release(made["id"])["id"])

    def run(self, rollout: int, ticks: int = 12) -> dict[str, Any]:
        """Tick until nothing moves any more; returns how it stands."""
        before = None
        for _ in range(ticks):
            self.ticker.tick()
            now = self.rollouts.show(rollout)
            if now == before:
                break
            before = now
        return now

    def states(self, rollout: int) -> dict[str, str]:
        return {i["name"]: i["state"] for i in self.rollouts.show(rollout)["items"]}


class _Repository:
    def __init__(self, world: World) -> None:
        self.world = world
        self.publish = world.publish
        self.snapshots = world.snapshots

    def published(self, what: str) -> Mapping[Ring, str | None]:
        return self.world.published_now(what)


def retire(world: World, name: str) -> None:
    world.machines = [replace(m, retired_at=MADE) if m.name == name else m for m in world.machines]
