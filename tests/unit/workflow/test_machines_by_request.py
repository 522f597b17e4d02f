"""Machines that a department asks protection for: met, enrolled, set up by its request; their rings, in one place."""

from __future__ import annotations

from typing import Any

from control_plane.model.machine import Ring
from tests.web.world import World

CODE = "fgw"


def asked(world: World, *machines: dict[str, Any], action: str = "change") -> str:
    """A clerk's request with these machines, signed by all whom it needs; its reference."""
    clerk = world.client.acting_as(f"directory:{world.person('clerk')}").requests
    draft = clerk.draft(CODE, "security", action)
    if action != "end":
        clerk.save(draft["id"], spec={"machines": list(machines)}, note="we got new machines")
    row = clerk.submit(draft["id"])
    for need in row["needs"]:
        signer = world.client.acting_as(f"directory:{world.person(need['role'])}").requests
        signer.sign(row["id"], digest=signer.show(row["id"])["digest"])
    return str(row["reference"])


def state(world: World, reference: str) -> tuple[str, str]:
    world.work()
    row = world.client.requests.show(reference)
    return row["state"], str(row["why"] or "")


def rings(world: World) -> dict[str, int]:
    return {m.name: int(m.ring) for m in world.store.machines.all() if m.managed and m.tenant == CODE}


def stated(world: World) -> list[Any]:
    row = world.store.estate.subscription(f"{CODE}/security")
    assert row is not None
    return list(row.spec.get("machines", ()))


def test_a_machine_that_is_named_is_enrolled_and_set_up(world: World) -> None:
    world.client.machines.retire("fgw")
    reference = asked(world, {"name": "fgw", "ring": 2})
    assert rings(world) == {}, "nobody is enrolled before all have signed"
    assert state(world, reference) == ("live", "")
    assert rings(world) == {"fgw": Ring.BROAD}
    assert world.client.plan(f"subscription:{CODE}/security")["changes"] == []
    events = [e["type"] for e in world.client.requests.events(reference)]
    assert "request.replanned" not in events, "what the machine gets was signed with its name"
    made = world.store.runs.changes(world.client.requests.show(reference)["run"])
    assert [(change.tenant, change.state) for change in made] == [(CODE, "applied")]


def test_one_that_is_off_is_waited_for_and_one_of_others_is_named(world: World) -> None:
    world.client.machines.retire("fgw")
    world.rooms.hands.off.add("fgw")
    waits = asked(world, {"name": "fgw", "ring": 2})
    world.clock.advance(60)
    found, why = state(world, waits)
    assert (found, "No route to host" in why) == ("approved", True), (found, why)
    assert rings(world) == {}
    world.rooms.hands.off.clear()
    world.clock.advance(600)
    assert state(world, waits)[0] == "live"
    wrong = asked(world, {"name": "fgw", "ring": 2}, {"name": "web"})
    found, why = state(world, wrong)
    assert (found, "web is no machine of a department" in why) == ("failed", True), (found, why)
    assert rings(world) == {"fgw": Ring.BROAD}


def test_a_ring_that_is_changed_is_in_the_plan_and_in_the_inventory(world: World) -> None:
    assert rings(world) == {"fgw": Ring.PILOT}
    draft = world.client.acting_as(f"directory:{world.person('clerk')}").requests.draft(CODE, "security", "change")
    clerk = world.client.acting_as(f"directory:{world.person('clerk')}").requests
    clerk.save(draft["id"], spec={"machines": [{"name": "fgw", "ring": 3}]}, note="no volunteer")
    assert clerk.preview(draft["id"])["words"] == ["Changed: protection of a machine fgw."]
    assert rings(world) == {"fgw": Ring.PILOT}, "a preview changes nothing"
    clerk.withdraw(draft["id"])
    assert state(world, asked(world, {"name": "fgw", "ring": 3}))[0] == "live"
    assert rings(world) == {"fgw": Ring.ALL}
    assert world.client.plan(f"subscription:{CODE}/security")["changes"] == []


def test_enrolling_into_another_ring_stands_in_the_document_too(world: World) -> None:
    assert state(world, asked(world, {"name": "fgw", "ring": 3}))[0] == "live"
    world.client.machines.enrol("fgw", CODE, 1)
    assert rings(world) == {"fgw": Ring.PILOT}
    assert stated(world) == [{"name": "fgw", "ring": 1}]
    (change,) = world.client.plan(f"subscription:{CODE}/security")["changes"]
    assert change["action"] == "update"
    cause = world.store.estate.revisions(f"{CODE}/security")[-1].cause
    assert cause == "enrol fgw"
    world.client.machines.enrol("fgw", CODE, 1)
    assert len(world.store.estate.revisions(f"{CODE}/security")) == 3, "the same again writes nothing"
