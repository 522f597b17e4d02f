"""What is done about a request is in the audit trail: who, on whose signoffs, and everything done because of it."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.model.audit import AuditAct
from control_plane.model.request import RequestEvent
from control_plane.model.text import t
from control_plane.store.audit import BY_ITSELF
from control_plane.store.requests import PRIVATE
from control_plane.workflow.audit import Audit
from control_plane.workflow.explain import Explainer
from tests.unit.workflow.asking import Office


@pytest.fixture
def office(centre: Any) -> Office:
    return Office(centre)


def trail(office: Office, request: dict[str, Any]) -> list[dict[str, Any]]:
    return Audit(office.centre.store).list({"subject": f"request:{request['reference']}"})[::-1]


def test_from_the_form_to_live_on_whose_signoffs(office: Office) -> None:
    request = office.signed("clerk", "fgw", ("chief", "operator"), names=["a.qingdao.test"])
    office.ticker.tick()
    assert office.state(request) == "live"
    rows = trail(office, request)
    assert [row["act"] for row in rows] == [
        *("request.submitted", "request.signed", "request.signed", "request.approved", "request.started"),
        *("run.began", "service.changed", "run.ended", "request.applied", "request.live"),
    ]
    assert [row["actor"]["name"] for row in rows[:3]] == ["directory:clerk", "directory:chief", "directory:operator"]
    done = {row["act"]: row["actor"]["name"] for row in rows[3:]}
    assert done.pop("service.changed") == "directory:operator", "whose signature was the last"
    assert set(done.values()) == {BY_ITSELF}, "nobody on the machine did it"
    assert rows[0]["roles"] == ["clerk (fgw)"]
    for row in rows[3:]:
        assert {s["name"]: s["role"] for s in row["signoffs"]} == {
            "directory:chief": "approver",
            "directory:operator": "operator",
        }
    assert all(row["tenants"] == ["fgw"] for row in rows)
    assert Audit(office.centre.store).verify()["ok"]


def test_a_draft_is_its_askers_own(office: Office) -> None:
    office.of("clerk").draft("fgw", "toy", "new")
    assert Audit(office.centre.store).list({"act": "request"}) == []


def test_every_act_of_a_person(office: Office) -> None:
    clerk, chief, operator = office.of("clerk"), office.of("chief"), office.of("operator")
    request = office.ask("clerk", "fgw", names=["a.qingdao.test"])
    number = request["id"]
    clerk.comment(number, text="by Friday?")
    chief.send_back(number, reason="which colour?")
    clerk.answer(number, text="blue")
    office.sign("chief", request)
    operator.refuse(number, reason="no blue here")
    taken = office.ask("clerk", "fgw", names=["b.qingdao.test"])
    clerk.withdraw(taken["id"], reason="not needed")
    failing = office.signed("clerk2", "gaj", ("chief2", "operator"), names=["c.qingdao.test"])
    office.centre.dns.refuse["dns.rrset/c.qingdao.test"] = t("no space left")
    office.ticker.tick()
    office.centre.dns.refuse.clear()
    assert office.state(failing) == "failed"
    operator.retry(failing["id"])
    acts = {row["act"]: row for row in Audit(office.centre.store).list({"act": "request"}, limit=None)[::-1]}
    people = {
        "commented": "clerk",
        "returned": "chief",
        "answered": "clerk",
        "signed": "operator",
        "refused": "operator",
    }
    people |= {"withdrawn": "clerk", "retried": "operator"}
    for act, name in people.items():
        assert acts[f"request.{act}"]["actor"]["name"] == f"directory:{name}", act
    assert acts["request.refused"]["reason"] == "no blue here"
    assert acts["request.returned"]["reason"] == "which colour?"


def test_every_event_of_a_request_is_an_act() -> None:
    assert {e.value for e in set(RequestEvent) - PRIVATE} == {
        a.value for a in AuditAct if a.value.startswith("request.")
    }


def test_who_asked_for_a_thing_is_who_asked_for_it_not_who_signed_it_last(office: Office) -> None:
    office.signed("clerk", "fgw", ("chief", "operator"), names=["a.qingdao.test"])
    office.ticker.tick()
    (found,) = Explainer(office.centre.planner, office.centre.store).explain("a.qingdao.test")["matches"][:1]
    assert found["asked_by"]["actor"] == "directory:clerk"
