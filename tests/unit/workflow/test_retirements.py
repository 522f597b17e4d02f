"""A removed website answers "gone" for a while; afterwards nothing of it is left, without anybody's help."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from control_plane.model.plan import Plan
from control_plane.model.scope import parse_scope
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.applying import Order
from control_plane.workflow.retirements import AGAIN, Retirements
from tests.unit.workflow.conftest import Centre

SITE = "web.vhost/old.fgw.qingdao.test"


@pytest.fixture
def centre(make_centre: Callable[..., Centre]) -> Centre:
    """A department whose second site was just removed: it answers "gone" for a minute."""
    made = make_centre()
    made.tenant("fgw", names=["www.fgw.qingdao.test", "old.fgw.qingdao.test"])
    made.applier.apply(Order("estate"), made.actor)
    made.wish("fgw", names=["www.fgw.qingdao.test"])
    made.applier.apply(Order("estate"), made.actor)
    assert made.web.things["web:web"][SITE].retiring_until is not None
    return made


@pytest.fixture
def chore(centre: Centre) -> Retirements:
    return Retirements(centre.store, centre.applier, centre.clock, lambda: centre.actor)


def plan(centre: Centre) -> Plan:
    return centre.planner.picture(parse_scope("tenant:fgw")).plan


def test_it_stays_for_its_time_and_is_gone_afterwards(centre: Centre, chore: Retirements) -> None:
    assert chore.tick() == []
    assert SITE in centre.web.things["web:web"]
    runs = len(centre.store.runs.list())
    assert chore.tick() == [] and len(centre.store.runs.list()) == runs
    centre.clock.advance(61)
    assert [change.id for change in plan(centre).steps] == [SITE]
    assert chore.tick() == [SITE]
    assert SITE not in centre.web.things["web:web"] and plan(centre).empty
    assert centre.store.runs.list(1)[0].kind == "retire"
    centre.clock.advance(10 * AGAIN.total_seconds())
    assert centre.store.retirements.due(centre.clock()) == []


def test_nothing_else_of_the_service_is_touched(centre: Centre, chore: Retirements) -> None:
    centre.clock.advance(61)
    centre.wish("fgw", names=["www.fgw.qingdao.test", "new.fgw.qingdao.test"])
    assert chore.tick() == [SITE]
    assert sorted(change.action for change in plan(centre).steps) == ["create", "create"]


def test_what_is_wanted_again_stays(centre: Centre, chore: Retirements) -> None:
    centre.wish("fgw", names=["www.fgw.qingdao.test", "old.fgw.qingdao.test"])
    centre.clock.advance(61)
    assert chore.tick() == []
    assert centre.store.retirements.due(centre.clock.now + 2 * AGAIN) == []
    assert centre.web.things["web:web"][SITE].retiring_until is not None, "a wish is somebody else's to make real"
    centre.applier.apply(Order("estate"), centre.actor)
    assert centre.web.things["web:web"][SITE].retiring_until is None and plan(centre).empty


@pytest.mark.parametrize("trouble", ["blind", "refused", "frozen"])
def test_what_does_not_go_is_tried_again(centre: Centre, chore: Retirements, trouble: str) -> None:
    centre.clock.advance(61)
    if trouble == "blind":
        centre.web.blind["web:web"] = t("No answer.")
    elif trouble == "refused":
        centre.web.refuse[SITE] = t("No room.")
    else:
        frozen = centre.store.freezes.set("estate", "holidays", centre.actor)
    assert chore.tick() == []
    assert SITE in centre.web.things["web:web"]
    centre.web.blind.clear()
    centre.web.refuse.clear()
    if trouble == "frozen":
        centre.store.freezes.lift(frozen.id, centre.actor, centre.store.actors.get("local:other"), False, "over")
    assert chore.tick() == [], "not in every turn"
    centre.clock.advance(AGAIN.total_seconds() + 1)
    assert chore.tick() == [SITE]
    assert plan(centre).empty


def test_an_ended_service_and_an_ended_department(make_centre: Callable[..., Centre]) -> None:
    made = make_centre()
    for code in ("fgw", "czj"):
        made.tenant(code, names=[f"old.{code}.qingdao.test"])
    made.applier.apply(Order("estate"), made.actor)
    ends = [SubscriptionChange(code, "toy", "S", None) for code in ("fgw", "czj")]
    made.store.estate.change(made.actor, "import 2", ends, {})
    made.applier.apply(Order("estate"), made.actor)
    made.store.estate.end_tenant("czj", made.actor)
    chore = Retirements(made.store, made.applier, made.clock, lambda: made.actor)
    made.clock.advance(61)
    assert chore.tick() == [SITE], "an offboarding takes its own away"
    assert chore.tick() == [] and made.store.retirements.due(made.clock.now + 2 * AGAIN) == []
