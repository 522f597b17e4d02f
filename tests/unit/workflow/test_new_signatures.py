"""Signatures that move by themselves: fetched once, out once, never two at once, and told when they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from control_plane.model.audit import AuditAct, AuditQuery
from control_plane.model.by_itself import ByItself
from control_plane.model.errors import TemporaryError
from control_plane.model.machine import Ring
from control_plane.model.notice import NoticeKind
from control_plane.model.rollout import RolloutState
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.workflow.new_signatures import NewSignatures
from control_plane.workflow.rollout_making import RolloutMaker
from control_plane.workflow.rollouts import Rollouts
from tests.unit.workflow.conftest import Centre
from tests.unit.workflow.rolling import Clock


@dataclass
class Depot:
    """The repository host and the part `snapshots` of the client in one; `fault` is what a fetch raises."""

    store: Any
    sets: list[str] = field(default_factory=lambda: ["s1"])
    upstream: str = "s1"
    rings: dict[Ring, str | None] = field(default_factory=lambda: dict.fromkeys(Ring, "s1"))
    fault: Exception | None = None
    fetched: int = 0
    pruned: int = 0

    def published(self, what: str) -> Mapping[Ring, str | None]:
        return dict(self.rings)

    def snapshots(self, what: str) -> Sequence[Mapping[str, Any]]:
        return [{"id": name} for name in reversed(self.sets)]

    def sync(self, kind: str, **_: Any) -> Any:
        self.store.freezes.check(None, None, "snapshots")
        self.fetched += 1
        if self.fault is not None:
            raise self.fault
        new = self.upstream not in self.sets
        self.sets += [self.upstream] if new else []
        return {"snapshot": self.upstream if new else None, "latest": self.sets[-1]}

    def publish(self, snapshot: str, ring: int) -> Any:
        self.store.freezes.check(None, Ring(ring), "snapshots")
        self.rings[Ring(ring)] = snapshot
        return {"changed": True}

    def prune(self, kind: str, **_: Any) -> Any:
        self.pruned += 1
        return {"removed": []}


@dataclass
class World:
    centre: Centre
    clock: Clock
    depot: Depot
    rollouts: Rollouts
    chore: NewSignatures

    def tomorrow(self) -> str | None:
        self.clock.advance(86400)
        return self.chore.turn()

    def move(self, rollout: int, state: RolloutState) -> None:
        row = self.centre.store.rollouts.get(rollout)
        assert self.centre.store.rollouts.move(rollout, [row.state], state)

    def state(self) -> str:
        return str(self.chore.status()["state"])

    def told(self) -> int:
        entries = self.centre.store.audit.find(AuditQuery(act=AuditAct.SIGNATURES_STUCK))
        return len(entries)


@pytest.fixture
def world(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> World:
    clock, store, actor = Clock(), centre.store, centre.actor
    monkeypatch.setattr(store.signature_turns, "_clock", clock)
    for name in ("czj", "fgw"):
        centre.tenant(name)
        ring = Ring.PILOT if name == "fgw" else Ring.BROAD
        store.machines.add(actor, name, name, ring, host=name, managed=True, source="centre", fingerprint=name)
    depot = Depot(store)
    maker = RolloutMaker(store, None, store.machines.all, lambda: depot, clock)  # type: ignore[arg-type, return-value]
    rollouts = Rollouts(store, lambda: maker, lambda: actor, clock)
    chore = NewSignatures(
        store,
        depot,
        lambda: depot,
        rollouts,
        ByItself(),
        lambda: True,
        chinese_calendar,
        clock,
        lambda: actor,  # type: ignore[arg-type, return-value]
    )
    return World(centre, clock, depot, rollouts, chore)


def test_a_new_set_goes_out_once_and_then_to_rings_without_a_machine(world: World) -> None:
    assert world.chore.turn() == "nothing new"
    assert world.state() == "idle"
    assert world.chore.turn() is None, "a day is not over"
    world.depot.upstream = "s2"
    assert world.tomorrow() == "rollout 1"
    row = world.rollouts.show(1)
    assert (row["kind"], row["snapshot"], row["state"]) == ("signatures", "s2", "scheduled")
    assert row["thresholds"]["soak"] == "3600"
    assert row["not_before"] is None, "it is ten in the morning of a working day"
    assert [w["ring"] for w in row["waves"]] == ["pilot", "broad"]
    assert world.chore.turn() is None
    assert world.state() == "running"
    world.move(1, RolloutState.CATCHING_UP)
    assert world.chore.turn() == "s2 is in all rings"
    assert [world.depot.rings[r] for r in (Ring.CENTRE, Ring.ALL, Ring.SERVERS)] == ["s2"] * 3
    assert (world.depot.rings[Ring.PILOT], world.depot.pruned) == ("s1", 1)
    assert world.chore.turn() is None
    assert world.tomorrow() == "nothing new"
    assert len(world.rollouts.list()) == 1


def test_never_two_at_once_and_one_that_waits_for_machines_that_are_off_makes_way(world: World) -> None:
    world.chore.turn()
    world.depot.upstream = "s2"
    world.tomorrow()
    world.move(1, RolloutState.STOPPED)
    assert world.state() == "stuck"
    world.depot.upstream = "s3"
    assert world.tomorrow() == "fetched s3"
    said = world.chore.status()
    assert (said["state"], said["rollout"]) == ("waiting", 1)
    assert "never two at once" in said["sentence"]
    world.depot.upstream = "s4"
    world.tomorrow()
    assert len(world.rollouts.list()) == 1
    world.move(1, RolloutState.ROLLED_BACK)
    assert world.chore.turn() == "rollout 2"
    assert world.rollouts.show(2)["snapshot"] == "s4", "the newest one; s3 is left out"
    world.move(2, RolloutState.CATCHING_UP)
    world.chore.turn()
    world.depot.upstream = "s5"
    assert world.tomorrow() == "rollout 3"
    old = world.rollouts.show(2)
    assert old["state"] == "aborted"
    assert "s5 takes its place" in old["sentence"]


def test_what_people_stopped_or_took_back_is_not_begun_again(world: World) -> None:
    world.chore.turn()
    world.depot.upstream = "s2"
    world.tomorrow()
    world.rollouts.abort(1, reason="it is bad")
    assert world.chore.turn() is None
    assert world.tomorrow() == "nothing new"
    assert len(world.rollouts.list()) == 1


def test_a_set_that_a_person_fetched_goes_out_and_a_rollout_that_a_person_made_is_theirs(world: World) -> None:
    world.chore.turn()
    world.depot.sets.append("s2")
    world.depot.upstream = "s2"
    assert world.tomorrow() == "rollout 1"
    world.move(1, RolloutState.DONE)
    world.chore.turn()
    world.depot.sets.append("s3")
    world.depot.upstream = "s3"
    made = world.rollouts.create(kind="signatures", reason="now", snapshot="s3")
    world.rollouts.release(made["id"])
    assert world.tomorrow() == "nothing new"
    assert len(world.rollouts.list()) == 2


def test_killed_after_a_fetch_it_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    world.chore.turn()
    world.depot.upstream = "s2"
    with monkeypatch.context() as patch:
        patch.setattr(world.centre.store.signature_turns, "enter", killed)
        with pytest.raises(Killed):
            world.tomorrow()
    assert world.depot.sets == ["s1", "s2"]
    with monkeypatch.context() as patch:
        patch.setattr(world.centre.store.signature_turns, "rolls", killed)
        with pytest.raises(Killed):
            world.chore.turn()
    assert world.rollouts.list() == [], "made and released in one transaction"
    said = world.chore.turn()
    assert [f"rollout {row['id']}" for row in world.rollouts.list()] == [said]


def test_a_failure_is_told_once_a_day_and_tried_again_later_and_later(world: World) -> None:
    world.depot.fault = TemporaryError(t("The upstream's signature is wrong."))
    assert "signature is wrong" in (world.chore.turn() or "")
    said = world.chore.status()
    assert said["state"] == "failed"
    assert "signature is wrong" in said["sentence"]
    assert world.told() == 1
    for minutes, tries in ((14, 1), (1, 2), (29, 2), (1, 3)):
        world.clock.advance(60 * minutes)
        world.chore.turn()
        assert world.depot.fetched == tries
    assert world.told() == 1
    world.clock.advance(86400)
    world.chore.turn()
    assert world.told() == 2
    notices = [stored.notice for stored in world.centre.store.mail.unaddressed()]
    assert [(n.kind, tuple(n.roles)) for n in notices] == [(NoticeKind.SIGNATURES_STUCK, ("operator",))] * 2
    world.depot.fault = None
    world.clock.advance(86400)
    assert world.chore.turn() == "nothing new"
    assert world.state() == "idle"


def test_a_freeze_holds_the_fetch_the_rollout_and_the_rest(world: World) -> None:
    store, actor, other = world.centre.store, world.centre.actor, world.centre.store.actors.get("local:other")

    def lift() -> None:
        for freeze in store.freezes.list():
            store.freezes.lift(freeze.id, actor, other, False, "over")

    store.freezes.set("system:snapshots", "a move", actor)
    assert world.chore.turn() is None
    assert (world.state(), world.depot.fetched) == ("frozen", 0)
    assert "a move" in world.chore.status()["sentence"]
    lift()
    world.depot.upstream = "s2"
    store.freezes.set("system:signatures", "a vote", actor)
    assert world.chore.turn() == "fetched s2"
    assert (world.state(), world.rollouts.list()) == ("frozen", [])
    lift()
    assert world.chore.turn() == "rollout 1"
    world.move(1, RolloutState.DONE)
    store.freezes.set("ring:servers", "a vote", actor)
    assert world.chore.turn() is None
    assert world.depot.rings[Ring.SERVERS] == "s1"
    lift()
    assert world.chore.turn() == "s2 is in all rings"
    assert world.told() == 0


def test_outside_working_hours_a_rollout_waits_for_the_morning(world: World) -> None:
    world.chore.turn()
    world.depot.upstream = "s2"
    world.clock.advance(10 * 3600)
    world.tomorrow()
    assert world.rollouts.show(1)["not_before"] == "2026-11-26T01:00:00+00:00"


def test_without_machines_all_rings_get_it_and_switched_off_nothing_is_done(world: World) -> None:
    store, actor = world.centre.store, world.centre.actor
    world.chore.turn()
    store.machines.retire(actor, store.machines.all())
    world.depot.upstream = "s2"
    assert world.tomorrow() == "s2 is in all rings"
    assert set(world.depot.rings.values()) == {"s2"}
    world.chore.upstream = lambda: False
    assert world.tomorrow() is None
    assert (world.state(), world.depot.fetched) == ("off", 2)
