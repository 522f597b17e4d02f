"""What goes wrong on the way of a request: freezes, stopped runs, people who come and go, others who were quicker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from control_plane.model.errors import NotFound
from control_plane.model.request import RequestEvent, RequestState
from control_plane.model.run import Event, EventType, RunState
from control_plane.model.text import in_language, t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.requests_tables import requests
from control_plane.workflow.applying import Order
from control_plane.workflow.audit import Audit
from control_plane.workflow.request_plans import lacking_of
from control_plane.workflow.request_tick import AGAIN_SECONDS, KEPT_SECONDS, SELDOM_SECONDS
from tests.unit.workflow.asking import Office
from tests.waiting import wait_until

BOTH = ("chief", "operator")
BOTH2 = ("chief2", "operator")


@pytest.fixture
def office(make_centre: Any) -> Iterator[Office]:
    with in_language("en"):
        yield Office(make_centre())


def things(office: Office) -> set[str]:
    return {i for driver in office.centre.drivers for part in driver.things.values() for i in part}


def imported(office: Office, code: str, spec: dict[str, Any] | None) -> None:
    change = SubscriptionChange(code, "toy", "S", spec)
    office.centre.store.estate.change(office.centre.actor, "import 2", [change], {(code, "toy"): []})


def turns(office: Office, count: int, seconds: float = AGAIN_SECONDS + 1) -> None:
    for _ in range(count):
        office.ticker.tick()
        office.centre.clock.advance(seconds)


def types(office: Office, request: Any) -> list[str]:
    return [e["type"] for e in office.of("local:look").events(request["id"])]


# --- made real, or not -----------------------------------------------------------------------------------------------
def test_what_was_undone_and_asked_again_is_written_again(office: Office) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    office.prober.broken.add("fgw")
    office.ticker.tick()
    office.centre.clock.advance(KEPT_SECONDS + 1)
    office.ticker.tick()
    assert office.state(asked) == "failed"
    imported(office, "fgw", None)
    office.centre.applier.apply(Order("estate"), office.centre.actor)
    office.prober.broken.clear()
    office.of("operator").send_back(asked["id"], reason="which one?")
    answered = office.of("clerk").answer(asked["id"], text="this one")
    for who in BOTH if answered["state"] != "approved" else ():
        office.sign(who, asked)
    office.ticker.tick()
    assert office.state(asked) == "live"
    assert things(office) >= {"dns.rrset/a", "web.vhost/a"}
    assert types(office, asked).count(RequestEvent.APPLIED) == 2


def test_a_fault_of_one_makes_no_other_applied(office: Office) -> None:
    bad = office.signed("clerk", "fgw", BOTH, names=["a"])
    unseen = office.signed("clerk2", "gaj", BOTH2, internet=True)
    office.centre.web.refuse["web.vhost/a"] = t("the disk is full")
    office.centre.gateway.blind["gateway:gateway"] = t("no answer")
    turns(office, 4)
    assert (office.state(bad), office.state(unseen)) == ("failed", "applying")
    assert RequestEvent.APPLIED not in types(office, unseen)
    assert "gateway.network/gaj" not in things(office)
    office.centre.gateway.blind.clear()
    turns(office, 4, SELDOM_SECONDS + 1)
    assert office.state(unseen) == "live"
    assert "gateway.network/gaj" in things(office)


PLANNED = [
    {"id": "dns.rrset/a", "tenant": "fgw", "offering": "toy", "action": "create"},
    {"id": "dns.rrset/b", "tenant": "gaj", "offering": "toy", "action": "create"},
]


@pytest.mark.parametrize(
    ("done", "left", "unmeasured", "broken", "lacking"),
    [
        (["dns.rrset/a"], ["dns.rrset/b"], [], [], {"gaj/toy"}),
        (["dns.rrset/a", "dns.rrset/b"], ["dns.rrset/b"], [], [], {"gaj/toy"}),
        (["dns.rrset/a", "dns.rrset/b"], [], [], [{"subscription": "jyj/toy"}], {"jyj/toy"}),
        (["dns.rrset/a", "dns.rrset/b"], ["dns:qingdao.test"], [], [], None),
        (["dns.rrset/a", "dns.rrset/b"], [], [{"part": "web:web"}], [], None),
        (["dns.rrset/a", "dns.rrset/b"], None, [], [], None),
    ],
)
def test_what_a_run_lacks_is_known_by_service_or_not_at_all(
    done: Any, left: Any, unmeasured: Any, broken: Any, lacking: Any
) -> None:
    plan = {"changes": PLANNED, "unmeasured": unmeasured, "broken": broken}
    seen = [Event(1, 1, datetime.now(UTC), EventType.VERIFIED, {"left": left})] if left is not None else []
    assert lacking_of(plan, done, seen) == lacking


def stopping(office: Office, monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """While the web server is changed something happens; what comes after it is not begun before it is seen."""
    store, apply = office.centre.store, office.centre.web.apply

    def slow(part: str, changes: Any, fence: Any) -> Any:
        act(store.runs.list(1)[0].id)
        seen = iter(apply(part, changes, fence))
        wait_until(lambda: _stopped(fence), 60)
        yield from seen

    monkeypatch.setattr(office.centre.web, "apply", slow)


def _stopped(fence: Callable[[], None]) -> bool:
    try:
        fence()
    except Exception:
        return True
    return False


def test_a_run_that_a_person_stopped_stays_so_until_a_person_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [office.signed("clerk", "fgw", BOTH, names=["a"]), office.signed("clerk2", "gaj", BOTH2, names=["b"])]
    with monkeypatch.context() as patched:
        stopping(office, patched, lambda run: office.centre.store.runs.request_stop(run, office.centre.actor))
        office.ticker.tick()
    assert [row.state for row in office.centre.store.runs.list(9)] == [RunState.STOPPED]
    turns(office, 3)
    assert [office.state(request) for request in asked] == ["failed"] * 2
    assert office.of("clerk").show(asked[0]["id"])["why"] == "Its run was stopped on request."
    assert len(office.centre.store.runs.list(9)) == 1
    for request in asked:
        office.of("operator").retry(request["id"])
    office.ticker.tick()
    assert [office.state(request) for request in asked] == ["live"] * 2


# --- waiting ---------------------------------------------------------------------------------------------------------
def test_a_freeze_of_a_system_is_said_once_and_begins_no_run(office: Office) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    other = office.signed("clerk2", "gaj", BOTH2, internet=True)
    freeze = office.centre.store.freezes.set("system:web", "an inspection", office.centre.actor)
    turns(office, 5)
    assert (office.state(asked), office.state(other)) == ("approved", "live")
    assert len(office.centre.store.runs.list(9)) == 1
    assert types(office, asked).count(RequestEvent.WAITING) == 1
    assert len(Audit(office.centre.store).list({"act": "request.waiting"})) == 1
    lift(office, freeze.id)
    office.ticker.tick()
    assert office.state(asked) == "live"


def lift(office: Office, number: int) -> None:
    second, third = (office.centre.store.actors.get(f"directory:{name}") for name in ("officer", "deputy"))
    office.centre.store.freezes.lift(number, second, third, True, "over")


def test_a_system_that_stays_away_is_tried_less_and_less(office: Office) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    for driver in office.centre.drivers:
        driver.blind[driver.parts()[0]] = t("no answer")
    turns(office, 60, 61)
    assert 10 <= len(office.centre.store.runs.list(100)) <= 16  # after 1, 2, 4 minutes, then every 5 of the hour
    assert types(office, asked).count(RequestEvent.WAITING) == 1
    assert office.of("clerk").show(asked["id"])["run"] is None
    for driver in office.centre.drivers:
        driver.blind.clear()
    turns(office, 2, SELDOM_SECONDS + 1)
    assert office.state(asked) == "live"


@pytest.mark.parametrize("when", ["before", "at the apply", "while it is changed"])
@pytest.mark.parametrize("scope", ["estate", "tenant:fgw", "system:web"])
def test_departments_are_not_told_who_froze_and_why(
    office: Office, monkeypatch: pytest.MonkeyPatch, when: str, scope: str
) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    frozen: list[int] = []

    def freeze(run: int = 0) -> None:
        if not frozen:
            frozen.append(office.centre.store.freezes.set(scope, "a secret inspection", office.centre.actor).id)

    with monkeypatch.context() as patched:
        if when == "before":
            freeze()
        elif when == "at the apply":
            apply = office.centre.applier.apply
            patched.setattr(office.centre.applier, "apply", lambda *given: (freeze(), apply(*given))[1])
        else:
            stopping(office, patched, freeze)
        office.ticker.tick()
    assert office.state(asked) in ("approved", "applying")
    for client in (office.of("clerk"), office.of("chief")):
        told = json.dumps([client.show(asked["id"]), client.list(), client.events(asked["id"])])
        assert "The centre has frozen what it would change." in told
        assert "secret" not in told
        assert office.centre.actor.name not in told
    assert "secret" not in json.dumps(Audit(office.centre.store).list({"act": "request"}))
    lift(office, frozen[0])
    turns(office, 2)
    office.ticker.tick()
    assert office.state(asked) == "live"


# --- others were quicker ---------------------------------------------------------------------------------------------
def test_what_is_handed_back_keeps_the_work_of_others(office: Office) -> None:
    imported(office, "fgw", {"names": ["a1"], "people": ["b1"]})
    asked = office.signed("clerk", "fgw", BOTH, "change", names=["a2"], people=["b1"])
    imported(office, "fgw", {"names": ["a3"], "people": ["b5"]})
    office.ticker.tick()
    assert office.state(asked) == "returned"
    assert office.of("clerk").show(asked["id"])["spec"] == {"names": ["a2"], "people": ["b5"]}
    office.of("clerk").answer(asked["id"], text="ours, please")
    for who in BOTH:
        office.sign(who, asked)
    office.ticker.tick()
    assert office.state(asked) == "live"
    assert office.centre.store.estate.subscriptions()[0].spec == {"names": ["a2"], "people": ["b5"]}


# --- seeing ----------------------------------------------------------------------------------------------------------
def test_what_waits_for_somebody_is_found_however_many_came_after_it(office: Office) -> None:
    old = office.ask("clerk", "fgw", names=["a"])
    gone = office.ask("clerk2", "gaj", names=["b"])
    office.of("clerk2").withdraw(gone["id"])
    names = ", ".join(f'"{column.name}"' for column in requests.columns if column.name != "id")
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)"
    copies = f"INSERT INTO requests ({names}) {many} SELECT {names} FROM n, requests WHERE requests.id = :id"
    with office.centre.store.database.write() as connection:
        connection.execute(text(copies), {"id": gone["id"]})
    waiting = office.of("operator").list(waiting_for_me=True)
    assert [row["reference"] for row in waiting] == [old["reference"]]
    assert office.of("operator").list(waiting_for_me=True, states=["live", "failed"]) == []


def test_a_draft_that_is_taken_back_was_never_anybody_elses(office: Office) -> None:
    draft = office.of("clerk").draft("fgw", "toy")
    office.of("clerk").withdraw(draft["id"])
    assert office.of("clerk").show(draft["id"])["state"] == RequestState.WITHDRAWN
    for who in ("chief", "operator", "auditor", "local:desk"):
        assert office.of(who).list() == []
        with pytest.raises(NotFound):
            office.of(who).show(draft["id"])
    assert Audit(office.centre.store).list({"act": "request"}) == []


# --- signoffs --------------------------------------------------------------------------------------------------------
def test_who_lost_the_role_has_not_signed(office: Office) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    people = office.centre.store.people
    for person in people.all():
        if person.name == "directory:operator":
            people.revoke(person.grants[0].id, "moved away", office.centre.actor)
    office.ticker.tick()
    shown = office.of("clerk").show(asked["id"])
    assert (shown["state"], things(office)) == ("review", set())
    assert {s["role"]: s["holds"] for s in shown["signoffs"]} == {"approver": True, "operator": False}
    assert shown["why"] == "Somebody who signed it does not hold the role any more."
    office.sign("local:night", asked, role="operator", reason="nobody else is left")
    office.ticker.tick()
    assert office.state(asked) == "live"


def test_another_purpose_wants_new_signoffs(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    office.sign("chief", asked)
    office.of("operator").send_back(asked["id"], reason="what for?")
    office.of("clerk").save(asked["id"], note="for something else altogether")
    answered = office.of("clerk").answer(asked["id"], text="for that")
    assert (answered["state"], [s["holds"] for s in answered["signoffs"]]) == ("submitted", [False])
