"""Machines whose protection begins get the signatures of their ring without a rollout and without a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from control_plane.model.machine import Fingerprint, Ring
from control_plane.workflow.first_signatures import AGAIN, FirstSignatures
from control_plane.workflow.machines import Machines
from tests.unit.workflow.conftest import Centre
from tests.unit.workflow.test_machine_work import FakeHands


@dataclass
class World:
    centre: Centre
    hands: FakeHands
    chore: FirstSignatures
    rings: dict[Ring, str | None] = field(default_factory=lambda: dict.fromkeys(Ring, "s1"))
    prepared: set[str] = field(default_factory=set)

    def begin(self, name: str, ring: Ring = Ring.BROAD) -> None:
        """A machine whose baseline was just written; its engine has no signatures."""
        machine = self.centre.store.machines.add(
            self.centre.actor, name, name, ring, host=name, managed=True, source="centre", fingerprint=name
        )
        self.prepared.add(machine.id)
        self.hands.who[name] = Fingerprint(name, name)
        self.hands.faults[name] = {"signatures-missing": "the engine has no set of the centre"}

    def later(self) -> str | None:
        self.centre.clock.advance(AGAIN.total_seconds())
        return self.chore.turn()


@pytest.fixture
def world(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> World:
    store, hands = centre.store, FakeHands(centre.clock)
    for code in ("czj", "fgw"):
        centre.tenant(code)
    machines = Machines(store, hands, centre.applier, list, lambda: centre.actor, centre.clock)

    def published() -> Mapping[Ring, str | None]:
        return made.rings

    made = World(centre, hands, FirstSignatures(store, hands, machines.look, published, centre.clock))
    monkeypatch.setattr(store.machines, "prepared", lambda: made.prepared)
    hands.after_refresh = lambda name: hands.faults.pop(name, None)
    return made


def test_a_machine_whose_protection_begins_gets_them_once(world: World) -> None:
    assert world.chore.turn() is None
    world.begin("fgw")
    assert world.chore.turn() == "first signatures: fgw changed"
    assert world.later() is None
    assert world.hands.refreshed == ["fgw"]


def test_one_that_is_found_without_is_tried_again_and_not_at_every_turn(world: World) -> None:
    world.begin("fgw")
    world.hands.after_refresh = lambda name: None
    world.chore.turn()
    assert world.chore.turn() is None
    world.hands.after_refresh = lambda name: world.hands.faults.pop(name, None)
    assert world.later() == "first signatures: fgw changed"
    assert world.later() is None


def test_nobody_else_is_asked(world: World) -> None:
    world.begin("fgw", Ring.ALL)
    world.rings[Ring.ALL] = None
    world.begin("czj")
    world.prepared.clear()
    assert world.later() is None
    assert world.hands.refreshed == []


@pytest.mark.parametrize("scope", ["estate", "tenant:fgw", "ring:broad", "system:signatures"])
def test_a_freeze_holds_it(world: World, scope: str) -> None:
    world.begin("fgw")
    freeze = world.centre.store.freezes.set(scope, "storm", world.centre.actor)
    assert world.later() is None
    second = world.centre.store.actors.get("local:li")
    world.centre.store.freezes.lift(freeze.id, world.centre.actor, second, False, "over")
    assert world.chore.turn() == "first signatures: fgw changed"


def test_a_silent_machine_waits_until_it_is_measured(world: World) -> None:
    world.begin("fgw")
    who = world.hands.who.pop("fgw")
    world.chore.look(world.centre.store.machines.all())
    assert world.later() is None
    world.hands.who["fgw"] = who
    world.chore.look(world.centre.store.machines.all())
    world.centre.clock.advance(timedelta(minutes=1).total_seconds())
    assert world.chore.turn() is None
    assert world.later() == "first signatures: fgw changed"
