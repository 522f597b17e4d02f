"""Freezes: scopes, two people, and that no driver writes under one."""

from __future__ import annotations

import pytest

from control_plane.model.errors import Invalid, NotFound, Rejected
from control_plane.model.freeze import Frozen, check_scope
from control_plane.model.machine import Ring
from control_plane.model.run import RunState
from control_plane.workflow.applying import Order
from control_plane.workflow.freezes import Freezes
from control_plane.workflow.runs import resume


@pytest.fixture
def freezes(centre) -> Freezes:
    return Freezes(centre.store, lambda: centre.actor)


@pytest.mark.parametrize(
    ("given", "scope"),
    [("estate", "estate"), (" Estate ", "estate"), ("tenant:fgw", "tenant:fgw"), ("ring:1", "ring:pilot"),
     ("ring:SERVERS", "ring:servers"), ("system:dns", "system:dns"), ("system:patches", "system:patches")],
)  # fmt: skip
def test_scopes(given: str, scope: str):
    assert check_scope(given) == scope


@pytest.mark.parametrize(
    "given", ["", "all", "tenant:", "ring:9", "ring:", "system:windows", "tenant:fgw,tenant:czj", "host:web"]
)
def test_what_is_no_scope_is_refused(given: str):
    with pytest.raises(Invalid):
        check_scope(given)


def test_setting_needs_a_reason_and_a_tenant_that_exists(centre, freezes: Freezes):
    with pytest.raises(Invalid):
        freezes.set("estate", reason=" ")
    with pytest.raises(NotFound):
        freezes.set("tenant:nobody", reason="x")


def test_lifting_needs_a_second_person(centre, freezes: Freezes):
    made = freezes.set("estate", reason="storm")
    for second in ("test", "local:test"):
        with pytest.raises(Rejected, match="second person"):
            freezes.lift(made["id"], second=second, reason="over")
    with pytest.raises(Invalid):
        freezes.lift(made["id"], second=" ", reason="over")
    lifted = freezes.lift(made["id"], second="li", reason="over")
    assert (lifted["second"], lifted["second_verified"]) == ("local:li", False)
    assert freezes.list() == []
    assert [f["id"] for f in freezes.list(lifted=True)] == [made["id"]]
    with pytest.raises(Rejected, match="before"):
        freezes.lift(made["id"], second="li", reason="again")
    with pytest.raises(NotFound):
        freezes.lift(99, second="li", reason="x")


def test_who_sets_it_cannot_be_the_second_of_another(centre, freezes: Freezes):
    """Li sets it; somebody else lifts it and names Li as the second: that is one person too few."""
    freeze = centre.store.freezes.set("estate", "x", centre.store.actors.get("local:li"))
    with pytest.raises(Rejected, match="second person"):
        freezes.lift(freeze.id, second="li", reason="over")


def test_a_frozen_estate_starts_nothing(centre, freezes: Freezes):
    centre.tenant("fgw", names=["a"])
    made = freezes.set("estate", reason="storm")
    with pytest.raises(Frozen, match="storm") as refused:
        centre.applier.apply(Order("estate"), centre.actor)
    assert "gasp freezes lift" in str(refused.value.hint)
    assert centre.store.runs.list() == []
    freezes.lift(made["id"], second="li", reason="over")
    assert centre.store.runs.get(centre.applier.apply(Order("estate"), centre.actor)).state is RunState.DONE


def test_what_a_freeze_covers_is_held_and_the_rest_is_done(centre, freezes: Freezes):
    centre.tenant("fgw", names=["a"])
    centre.tenant("czj", names=["b"])
    made = freezes.set("tenant:fgw", reason="audit")
    run = centre.applier.apply(Order("estate"), centre.actor)
    assert centre.store.runs.get(run).state is RunState.PARTLY
    held = {c.tenant for c in centre.store.runs.changes(run) if c.state == "held"}
    assert held == {"fgw"}
    assert {r.id for r in centre.web.things["web:web"].values()} == {"web.vhost/b"}
    with pytest.raises(Frozen):
        centre.applier.apply(Order("tenant:fgw"), centre.actor)
    freezes.lift(made["id"], second="li", reason="over")
    assert centre.store.runs.get(centre.applier.apply(Order("estate"), centre.actor)).state is RunState.DONE


def test_a_system_may_be_frozen_alone(centre, freezes: Freezes):
    centre.tenant("fgw", people=["p1"], names=["a"])
    freezes.set("system:directory", reason="moving it")
    centre.applier.apply(Order("estate"), centre.actor)
    assert not centre.directory.things["directory:tenants"]
    assert centre.dns.things["dns:qingdao.test"]


def test_a_freeze_in_the_middle_stops_before_the_next_write(centre, freezes: Freezes):
    centre.tenant("fgw", names=[f"n{i}" for i in range(20)])
    frozen = []

    def follow(event) -> None:
        if event.type.value == "part.started" and not frozen:
            frozen.append(freezes.set("estate", reason="storm"))

    run = centre.applier.apply(Order("estate"), centre.actor, follow)
    row = centre.store.runs.get(run)
    assert row.state is RunState.STOPPED
    assert "storm" in str(row.sentence)
    assert sum(d.writes for d in centre.drivers) == 0
    freezes.lift(frozen[0]["id"], second="li", reason="over")
    again = resume(run, centre.store, centre.applier, centre.actor, None)
    assert centre.store.runs.get(again).state is RunState.DONE


def test_a_fence_for_others(centre, freezes: Freezes):
    fence = centre.store.freezes.fence(tenant="fgw", ring=Ring.PILOT, system="patches")
    fence()
    freezes.set("ring:2", reason="x")
    fence()
    freezes.set("ring:pilot", reason="y")
    with pytest.raises(Frozen):
        fence()
