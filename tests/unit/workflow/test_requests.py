"""A request from the draft to the live service: duties, signoffs bound to what was shown, the clock, many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from control_plane.model.audit import AuditAct, AuditQuery
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Rejected, StalePlan
from control_plane.model.request import RequestEvent, RequestState
from control_plane.model.text import in_language, t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.request_tick import AGAIN_SECONDS, KEPT_SECONDS
from tests.unit.workflow.asking import Office

BOTH = ("chief", "operator")


@pytest.fixture
def office(make_centre: Any) -> Any:
    with in_language("en"):
        yield Office(make_centre())


def things(office: Office) -> set[str]:
    return {i for driver in office.centre.drivers for part in driver.things.values() for i in part}


def imported(office: Office, code: str, **spec: Any) -> None:
    office.centre.store.estate.change(
        office.centre.actor, "import 2", [SubscriptionChange(code, "toy", "S", spec)], {(code, "toy"): []}
    )


# --- the way ---------------------------------------------------------------------------------------------------------
def test_from_a_draft_to_a_live_service(office: Office) -> None:
    draft = office.of("clerk").draft("fgw", "toy")
    assert (draft["state"], draft["acts"]) == ("draft", ["save", "submit", "withdraw"])
    assert office.of("clerk").draft("fgw", "toy")["id"] == draft["id"]
    office.of("clerk").save(draft["id"], spec={"names": ["a"]}, note="for the citizens")
    seen = office.of("clerk").preview(draft["id"])
    assert seen["words"] == ["New: name a.", "New: website a."]
    assert [need["names"] for need in seen["needs"]] == [["Both", "Chief"], ["Operator"]]
    asked = office.of("clerk").submit(draft["id"], digest=seen["digest"])
    assert asked["state"] == "submitted"
    assert asked["has_it"]["text"] == "department approver: Both, Chief; operator: Operator"
    assert office.of("clerk").submit(draft["id"], digest=seen["digest"])["id"] == draft["id"]
    assert office.sign("chief", asked)["state"] == "review"
    assert office.sign("operator", asked)["state"] == "approved"
    assert office.centre.store.estate.subscriptions() == []
    assert office.ticker.tick() == [draft["reference"]]
    done = office.of("clerk").show(draft["id"])
    assert (done["state"], done["run"]) == ("live", 1)
    assert [s["state"] for s in done["steps"]] == ["done"] * 4
    assert things(office) == {"dns.rrset/a", "web.vhost/a"}
    assert office.centre.store.estate.revisions("fgw/toy")[-1].cause == f"request {draft['id']}"
    numbers = [e["number"] for e in office.of("clerk").events(draft["id"])]
    assert numbers == list(range(1, len(numbers) + 1))
    assert office.ticker.tick() == []


def test_two_of_one_name_are_told_apart(office: Office) -> None:
    for login in ("clerk", "operator"):
        office.centre.store.people.ensure(f"directory:{login}", "刘洋")
    shown = office.of("chief").show(office.ask("clerk", "fgw", names=["a.qingdao.test"])["id"])
    assert shown["asker_name"] == "刘洋 (clerk)"
    assert "刘洋 (operator)" in shown["has_it"]["text"]
    assert "Chief;" in f"{shown['has_it']['text']};", "who is the only one of a name is called by it alone"


def test_a_change_and_an_end(office: Office) -> None:
    imported(office, "fgw", names=["a"])
    office.centre.applier.apply(_estate(), office.centre.actor)
    office.signed("clerk", "fgw", BOTH, "change", names=["a", "b"])
    office.ticker.tick()
    assert things(office) == {"dns.rrset/a", "web.vhost/a", "dns.rrset/b", "web.vhost/b"}
    end = office.signed("clerk", "fgw", BOTH, "end")
    assert end["words"][0] == "Taken away: name a, b."
    office.ticker.tick()
    assert office.state(end) == "live", office.of("clerk").show(end["id"])["why"]
    assert office.centre.store.estate.subscriptions() == []


def _estate() -> Any:
    from control_plane.workflow.applying import Order

    return Order("estate")


def test_classes_follow_from_what_is_asked_and_planned(office: Office) -> None:
    imported(office, "fgw", names=["a"], people=["p1", "p2"])
    office.centre.applier.apply(_estate(), office.centre.actor)
    quick = office.ask("clerk", "fgw", "change", names=["a"], people=["p1", "p2", "p3"])
    assert (quick["class"], quick["state"], quick["needs"]) == ("standard", "approved", [])
    office.ticker.tick()
    assert office.state(quick) == "live"
    lost = office.ask("clerk", "fgw", "change", names=["a"], people=["p1"])
    assert [n["role"] for n in lost["needs"]] == ["approver", "operator", "deputy_director"]
    assert sorted(lost["lost"]) == ["p2", "p3"]
    public = office.ask("clerk2", "gaj", names=["open-data"])
    assert (public["class"], [n["role"] for n in public["needs"]]) == ("wide", ["approver", "security_officer"])


def test_all_problems_come_at_once_with_field_and_remedy(office: Office) -> None:
    imported(office, "gaj", names=["taken"])
    claims = {("gaj", "toy"): [_claim("taken")]}
    office.centre.store.estate.change(
        office.centre.actor, "import 3", [SubscriptionChange("gaj", "toy", "S", {"names": ["taken"]})], claims
    )
    draft = office.of("clerk").draft("fgw", "toy")
    shown = office.of("clerk").save(draft["id"], spec={"names": 3, "people": "x", "colour": "red"})
    assert [p["pointer"] for p in shown["problems"]] == ["names", "people", "colour"]
    assert all(p["remedy"] for p in shown["problems"])
    with pytest.raises(Invalid) as caught:
        office.of("clerk").submit(draft["id"])
    assert len(caught.value.problems) == 3
    found = office.of("clerk").check("fgw", "toy", "new", {"names": ["good", "taken"]})
    assert [(p["code"], p["pointer"]) for p in found] == [("taken", "names[1]")]
    assert office.of("clerk").check("fgw", "toy", "new", {"names": ["good"]}, "L")[0]["pointer"] == "tier"
    assert office.centre.store.estate.allocations() == {("dns_name", "taken"): "taken"}


def test_what_is_written_out_as_it_is_anyway_changes_nothing(office: Office) -> None:
    imported(office, "gaj", names=["there"])
    clerk, said = office.of("clerk2"), {"names": ["there"], "people": [], "internet": False}
    assert [p["code"] for p in clerk.check("gaj", "toy", "change", said)] == ["nothing-changes"]
    assert clerk.check("gaj", "toy", "change", {**said, "internet": True}) == []
    draft = clerk.save(clerk.draft("gaj", "toy", "change")["id"], spec=said, note="x")
    with pytest.raises(Invalid, match="there already"):
        clerk.submit(draft["id"])


def _claim(name: str) -> Any:
    from control_plane.model.offering import Claim

    return Claim("dns_name", name, "names[0]")


@pytest.mark.parametrize(
    "spec", [["names"], "x", {"names": 2**70}, {"names": ["\ud800"]}, {3: "x"}, {"names": object()}]
)
def test_what_cannot_be_kept_is_refused(office: Office, spec: Any) -> None:
    draft = office.of("clerk").draft("fgw", "toy")
    for act in (
        lambda: office.of("clerk").save(draft["id"], spec=spec),
        lambda: office.of("clerk").check("fgw", "toy", "new", spec),
    ):
        with pytest.raises(Invalid):
            act()
    assert office.of("clerk").show(draft["id"])["spec"] == {}


def test_a_preview_names_what_was_changed_by_hand(office: Office) -> None:
    imported(office, "fgw", names=["a"], internet=True)
    office.centre.applier.apply(_estate(), office.centre.actor)
    things_ = office.centre.gateway.things["gateway:gateway"]
    seen = things_["gateway.network/fgw"]
    things_["gateway.network/fgw"] = replace(seen, attributes={**seen.attributes, "ttl": 9})
    draft = office.of("clerk").draft("fgw", "toy", "end")
    found = office.of("clerk").preview(draft["id"])
    assert [w["code"] for w in found["warnings"]] == ["changed-by-hand"]


# --- duties ----------------------------------------------------------------------------------------------------------
def test_who_asked_never_signs_and_nobody_signs_twice(office: Office) -> None:
    own = office.ask("both", "fgw", names=["a"])
    assert "sign" not in own["acts"]
    with pytest.raises(Rejected, match="never signs"):
        office.sign("both", own)
    office.sign("chief", own)
    with pytest.raises(Rejected, match="one person signs once"):
        office.sign("chief", own)
    for name in ("clerk", "chief2", "officer", "auditor", "deputy"):
        with pytest.raises(ControlPlaneError):
            office.sign(name, own)
    assert office.state(own) == "review"


def test_a_local_operator_stands_in_with_a_reason_and_never_for_a_request_of_their_own(office: Office) -> None:
    asked = office.ask("local:root", "fgw", names=["a"])
    with pytest.raises(Rejected, match="never signs"):
        office.sign("local:root", asked, reason="alone")
    with pytest.raises(Invalid):
        office.sign("local:night", asked, role="operator")
    signed = office.sign("local:night", asked, role="operator", reason="drill")
    assert signed["signoffs"][0]["stands_for"] == "drill"
    with pytest.raises(Rejected, match="signs once"):
        office.sign("local:night", asked, role="approver", reason="drill")
    assert office.sign("chief", asked)["state"] == "approved"


def test_a_standard_change_that_a_local_operator_types_in_wants_the_department(office: Office) -> None:
    imported(office, "fgw", names=["a"])
    quick = office.ask("local:root", "fgw", "change", names=["a"], people=["p"])
    assert (quick["class"], quick["state"], [n["role"] for n in quick["needs"]]) == (
        "standard", "submitted", ["approver"],
    )  # fmt: skip
    office.sign("chief", quick)
    office.ticker.tick()
    assert office.state(quick) == "live"


def test_what_a_department_asked_for_ends_with_it(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    office.centre.store.estate.end_tenant("fgw", office.centre.actor)
    assert office.ticker.tick() == [asked["reference"]]
    document = office.centre.document("fgw")
    office.centre.store.estate.put_tenants(office.centre.actor, "import 3", [document])
    assert office.of("clerk").list() == []
    assert office.state(asked) == "withdrawn"


def test_others_see_nothing_of_a_department(office: Office) -> None:
    draft = office.of("clerk").draft("fgw", "toy")
    asked = office.ask("clerk2", "gaj", names=["a"])
    assert [r["id"] for r in office.of("clerk").list()] == [draft["id"]]
    absent = _said(lambda: office.of("clerk").show(999))
    assert _said(lambda: office.of("clerk").show(asked["id"])).replace(str(asked["id"]), "999") == absent
    assert _said(lambda: office.of("operator").show(draft["id"])).replace(str(draft["id"]), "999") == absent
    assert _said(lambda: office.of("clerk").draft("gaj", "toy")) == _said(
        lambda: office.of("clerk").draft("none", "toy")
    ).replace("none", "gaj")
    with pytest.raises(Rejected):
        office.of("auditor").draft("fgw", "toy")
    assert [r["reference"] for r in office.of("auditor").list()] == [asked["reference"]]
    assert office.of("nobody").list() == []


def _said(act: Callable[[], Any]) -> str:
    with pytest.raises(NotFound) as caught:
        act()
    return str(caught.value)


def test_only_one_request_for_a_service_at_a_time(office: Office) -> None:
    first = office.ask("clerk", "fgw", names=["a"])
    with pytest.raises(Rejected, match=first["reference"]):
        office.ask("both", "fgw", names=["b"])
    office.of("clerk").withdraw(first["id"])
    assert office.ask("both", "fgw", names=["b"])["state"] == "submitted"


def test_a_draft_saved_in_two_windows_is_not_overwritten(office: Office) -> None:
    draft = office.of("clerk").draft("fgw", "toy")
    office.of("clerk").save(draft["id"], spec={"names": ["a"]}, version=draft["version"])
    with pytest.raises(StalePlan):
        office.of("clerk").save(draft["id"], spec={"names": ["b"]}, version=draft["version"])


def test_an_older_draft_is_put_on_top_of_what_is_there_now(office: Office) -> None:
    imported(office, "fgw", names=["a"])
    draft = office.of("clerk").draft("fgw", "toy", "change")
    office.of("clerk").save(draft["id"], spec={"names": ["a", "b"]})
    imported(office, "fgw", names=["a"], people=["p"])
    opened = office.of("clerk").draft("fgw", "toy", "change")
    assert opened["spec"] == {"names": ["a", "b"], "people": ["p"]}
    assert opened["base"]["spec"] == {"names": ["a"], "people": ["p"]}
    assert opened["problems"] == []
    imported(office, "fgw", names=["c"])
    clash = office.of("clerk").draft("fgw", "toy", "change")
    assert [p["code"] for p in clash["problems"]] == ["changed-meanwhile"]


# --- at once ---------------------------------------------------------------------------------------------------------
def test_of_decisions_at_once_each_role_has_one(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    digest = asked["digest"]
    acts: list[Callable[[], Any]] = [
        lambda: office.of("chief").sign(asked["id"], digest=digest),
        lambda: office.of("both").sign(asked["id"], digest=digest),
        lambda: office.of("operator").sign(asked["id"], digest=digest),
        lambda: office.of("local:night").refuse(asked["id"], reason="no"),
        lambda: office.of("chief").send_back(asked["id"], reason="why"),
        lambda: office.of("clerk").withdraw(asked["id"]),
    ]
    gate = threading.Barrier(len(acts))

    def go(act: Callable[[], Any]) -> bool:
        gate.wait()
        try:
            act()
        except ControlPlaneError:
            return False
        return True

    with ThreadPoolExecutor(len(acts)) as pool:
        assert any(pool.map(go, acts))
    stored = office.centre.store.requests.get(asked["id"])
    roles = [s.role for s in stored.signoffs]
    assert len(roles) == len(set(roles))
    ends = {RequestEvent.REFUSED, RequestEvent.WITHDRAWN, RequestEvent.APPROVED, RequestEvent.RETURNED}
    assert sum(e["type"] in ends for e in office.of("chief").events(asked["id"])) <= 1
    numbers = [e["number"] for e in office.of("chief").events(asked["id"])]
    assert numbers == list(range(1, len(numbers) + 1))


def test_who_signs_at_once_with_others_is_never_told_that_it_moved(office: Office) -> None:
    imported(office, "fgw", names=["a"], people=["p1", "p2"])
    office.centre.applier.apply(_estate(), office.centre.actor)
    asked = office.ask("clerk", "fgw", "change", names=["a", "open-data"], people=["p1"])
    signers = {"approver": "chief", "operator": "operator", "deputy_director": "deputy", "security_officer": "officer"}
    names = [signers[need["role"]] for need in asked["needs"]]
    assert len(names) >= 3
    digest, talkers = asked["digest"], ("clerk", "both", "auditor", "operator") * 3
    acts: list[Callable[[], Any]] = [
        *(lambda n=name: office.of(n).sign(asked["id"], digest=digest) for name in names),  # type: ignore[misc]
        *(lambda n=name: office.of(n).comment(asked["id"], text="well") for name in talkers if name != "auditor"),  # type: ignore[misc]
    ]
    gate = threading.Barrier(len(acts))

    def go(act: Callable[[], Any]) -> None:
        gate.wait()
        act()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(go, acts))  # nobody is refused
    assert office.state(asked) == "approved"
    events = office.of("chief").events(asked["id"])
    assert [e["number"] for e in events] == list(range(1, len(events) + 1))
    assert sum(e["type"] == RequestEvent.SIGNED for e in events) == len(names)
    assert sum(e["type"] == RequestEvent.COMMENTED for e in events) == len(acts) - len(names)


def test_a_form_handed_in_three_times_at_once_is_one_request(office: Office) -> None:  # open-18
    row = office.of("clerk").draft("fgw", "toy", "new")
    office.of("clerk").save(row["id"], spec={"names": ["a"]}, note="for a test")
    digest = office.of("clerk").preview(row["id"])["digest"]
    gate = threading.Barrier(3)

    def press(_: int) -> Any:
        gate.wait()
        return office.of("clerk").submit(row["id"], digest=digest)

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(press, range(3)))
    again = office.of("clerk").submit(row["id"], digest=digest)
    assert {a["reference"] for a in [*answers, again]} == {row["reference"]}
    assert {a["state"] for a in [*answers, again]} == {"submitted"}
    types = [e["type"] for e in office.of("clerk").events(row["id"])]
    assert types.count(RequestEvent.SUBMITTED.value) == 1
    assert len(office.centre.store.audit.find(AuditQuery(act=AuditAct.REQUEST_SUBMITTED.value))) == 1
    assert len(office.of("clerk").list()) == 1, "one number is used"


def test_a_message_that_comes_three_times_counts_once(office: Office) -> None:  # open-16
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: office.ticker.tick(), range(3)))
    assert office.state(asked) == "live"
    assert len(office.centre.store.runs.list(10)) == 1


# --- the world moves -------------------------------------------------------------------------------------------------
def test_what_others_changed_meanwhile_is_kept(office: Office) -> None:
    imported(office, "fgw", names=["a"])
    asked = office.signed("clerk", "fgw", BOTH, "change", names=["a", "b"])
    imported(office, "fgw", names=["a"], internet=True)
    office.ticker.tick()
    assert office.state(asked) == "live"
    spec = office.centre.store.estate.subscriptions()[0].spec
    assert (sorted(spec["names"]), spec["internet"]) == (["a", "b"], True)
    shown = office.of("clerk").show(asked["id"])
    said = next(line for line in shown["conversation"] if line["type"] == "request.replanned")
    assert said["text"] == "The world moved since it was planned: gateway.network/fgw."
    kept = next(e["data"] for e in office.of("clerk").events(asked["id"]) if e["type"] == "request.replanned")
    assert (kept["moved"], kept["count"], kept["signoffs_hold"]) == (["gateway.network/fgw"], 1, True)
    assert all(s["holds"] for s in shown["signoffs"])


def test_a_clash_goes_back_to_the_department(office: Office) -> None:
    imported(office, "fgw", names=["a"])
    asked = office.signed("clerk", "fgw", BOTH, "change", names=["a", "b"])
    imported(office, "fgw", names=["c"])
    office.ticker.tick()
    shown = office.of("clerk").show(asked["id"])
    assert (shown["state"], shown["due"], shown["due_paused"]) == ("returned", None, True)
    assert "names" in shown["why"]
    assert not any(s["holds"] for s in shown["signoffs"])
    assert office.centre.store.estate.subscriptions()[0].spec == {"names": ["c"]}


def test_signoffs_are_void_when_more_is_lost(office: Office) -> None:
    imported(office, "fgw", names=["a"], people=["p"])
    office.centre.applier.apply(_estate(), office.centre.actor)
    end = office.ask("clerk", "fgw", "end")
    for signer in ("chief", "operator", "deputy"):
        end = office.sign(signer, end)
    imported(office, "fgw", names=["a"], people=["p", "q"])
    office.centre.applier.apply(_estate(), office.centre.actor)
    office.ticker.tick()
    shown = office.of("clerk").show(end["id"])
    assert (shown["state"], sorted(shown["lost"])) == ("submitted", ["p", "q"])
    assert [s["holds"] for s in shown["signoffs"]] == [False] * 3
    assert len(things(office)) == 4
    for signer in ("chief", "operator", "deputy"):
        office.sign(signer, end)
    office.ticker.tick()
    assert office.state(end) == "live"


def test_a_changed_content_wants_new_signoffs(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    old = asked["digest"]
    office.sign("chief", asked)
    office.of("operator").send_back(asked["id"], reason="which one?")
    same = office.of("clerk").answer(asked["id"], text="this one")
    assert (same["state"], [s["holds"] for s in same["signoffs"]]) == ("review", [True])
    office.of("operator").send_back(asked["id"], reason="sure?")
    office.of("clerk").save(asked["id"], spec={"names": ["b"]})
    other = office.of("clerk").answer(asked["id"], text="that one")
    assert (other["state"], [s["holds"] for s in other["signoffs"]]) == ("submitted", [False])
    with pytest.raises(StalePlan):
        office.of("chief").sign(asked["id"], digest=old)


# --- failing ---------------------------------------------------------------------------------------------------------
def test_a_failed_one_names_a_person_and_is_tried_again(office: Office) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    office.centre.web.refuse["web.vhost/a"] = t("the disk is full")
    office.ticker.tick()
    failed = office.of("operator").show(asked["id"])
    assert (failed["state"], failed["has_it"]["names"]) == ("failed", ["directory:operator"])
    assert "disk is full" in failed["why"]
    assert "retry" in failed["acts"]
    with pytest.raises(Rejected, match="only be tried again"):
        office.of("operator").send_back(asked["id"], reason="no")
    office.centre.web.refuse.clear()
    office.of("operator").retry(asked["id"])
    office.ticker.tick()
    assert office.state(asked) == "live"


def test_live_means_that_promises_are_kept(office: Office) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    office.prober.broken.add("fgw")
    office.ticker.tick()
    assert office.state(asked) == "applying"
    office.centre.clock.advance(KEPT_SECONDS + 1)
    office.ticker.tick()
    assert office.state(asked) == "failed"
    office.prober.broken.clear()
    office.of("operator").retry(asked["id"])
    office.ticker.tick()
    assert office.state(asked) == "live"


def test_a_system_that_does_not_answer_is_waited_for(office: Office) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    for driver in office.centre.drivers:
        driver.blind[driver.parts()[0]] = t("no answer")
    office.ticker.tick()
    waiting = office.of("clerk").show(asked["id"])
    assert (waiting["state"], waiting["why"] is not None) == ("applying", True)
    runs = len(office.centre.store.runs.list(10))
    office.ticker.tick()
    assert len(office.centre.store.runs.list(10)) == runs
    for driver in office.centre.drivers:
        driver.blind.clear()
    office.centre.clock.advance(AGAIN_SECONDS + 1)
    office.ticker.tick()
    assert office.state(asked) == "live"


def test_a_freeze_holds_it_and_its_end_lets_it_go(office: Office) -> None:
    asked = office.signed("clerk", "fgw", BOTH, names=["a"])
    freeze = office.centre.store.freezes.set("tenant:fgw", "audit", office.centre.actor)
    office.ticker.tick()
    assert office.state(asked) == "approved"
    assert office.centre.store.estate.subscriptions() == []
    second = office.centre.store.actors.get("directory:officer")
    third = office.centre.store.actors.get("directory:deputy")
    office.centre.store.freezes.lift(freeze.id, second, third, True, "over")
    office.centre.clock.advance(AGAIN_SECONDS + 1)
    office.ticker.tick()
    assert office.state(asked) == "live"


def test_of_many_at_once_one_is_broken_and_the_others_are_live_in_one_run(make_centre: Any) -> None:
    codes = [f"t{n}" for n in range(12)]
    office = Office(make_centre(), tenants=codes)
    asked = []
    for code in codes:
        drafted = office.of("local:desk").draft(code, "toy")
        office.of("local:desk").save(drafted["id"], spec={"names": [f"n{code}"]})
        request = office.of("local:desk").submit(drafted["id"])
        for role, who in (("approver", "local:a"), ("operator", "local:b")):
            request = office.sign(who, request, role=role, reason="drill")
        asked.append(request)
    # what was sound when it was signed is not any more, and another host refuses one
    stored = office.centre.store.requests.get(asked[3]["id"])
    office.of("x").journal.step(stored, RequestEvent.SAVED, None, values={"spec": {"names": ["x"], "fail": True}})
    office.centre.web.refuse["web.vhost/nt7"] = t("refused")
    office.ticker.tick()
    states = {r["tenant"]: office.state(r) for r in asked}
    assert {code for code, state in states.items() if state == "failed"} == {"t3", "t7"}
    assert set(states.values()) == {"live", "failed"}
    assert len(office.centre.store.runs.list(10)) == 1
    why = office.of("local:desk").show(asked[3]["id"])["why"]
    assert "cannot be computed" in why


def test_a_fault_of_our_own_in_one_form_stops_no_other(make_centre: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(make_centre(), tenants=("fgw", "gaj"))
    good = office.signed("clerk", "fgw", BOTH, names=["good"])
    bad = office.signed("clerk2", "gaj", ("chief2", "operator"), names=["bad"])

    def claims(view: Any, estate: Any) -> Any:
        if view.tenant.code == "gaj":
            raise ZeroDivisionError("our own fault")
        return []

    offerings = office.centre.planner.catalogue.offerings
    monkeypatch.setitem(offerings, "toy", replace(offerings["toy"], claims=claims))
    office.ticker.tick()
    assert (office.state(good), office.state(bad)) == ("live", "failed")
    assert "our own fault" in office.of("clerk2").show(bad["id"])["why"]


def test_words_are_in_nobodys_way(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    stored = office.centre.store.requests.get(asked["id"])
    office.of("clerk").comment(asked["id"], text="one more thing")
    office.of("x").journal.step(stored, RequestEvent.STARTED, None, values={"note": "moved"})
    with pytest.raises(StalePlan):
        office.of("x").journal.step(stored, RequestEvent.STARTED, None, values={"note": "again"})


# --- the clock -------------------------------------------------------------------------------------------------------
def test_the_clock_counts_working_days_and_stops_while_it_waits_for_the_department(make_centre: Any) -> None:
    centre = make_centre()
    centre.clock.now = datetime(2026, 9, 24, 2, 0, tzinfo=UTC)  # Thursday; 25 to 27 and 1 to 7 October are off
    office = Office(centre)
    asked = office.ask("clerk", "fgw", names=["a"])
    assert (asked["due"], asked["lead_days"]) == ("2026-10-09T17:00:00+08:00", 5)
    office.centre.clock.now = datetime(2026, 9, 29, 2, 0, tzinfo=UTC)  # two working days later
    assert office.of("operator").send_back(asked["id"], reason="which?")["due"] is None
    office.centre.clock.now = datetime(2026, 10, 9, 2, 0, tzinfo=UTC)
    again = office.of("clerk").answer(asked["id"], text="this")
    assert again["due"] == "2026-10-13T17:00:00+08:00"  # Saturday the 10th is a working day
    office.centre.clock.now = datetime(2026, 10, 13, 10, 0, tzinfo=UTC)
    assert office.of("clerk").show(asked["id"])["overdue"]
    office.centre.clock.now = datetime(2026, 12, 30, 2, 0, tzinfo=UTC)
    assert office.ask("clerk2", "gaj", names=["b"])["due_provisional"]


def test_an_answer_has_the_time_that_its_content_takes(make_centre: Any) -> None:
    centre = make_centre()
    centre.clock.now = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)  # Monday; no day off is near
    office = Office(centre)
    asked = office.ask("clerk", "fgw", names=["a"])
    stored = centre.store.requests.get(asked["id"])
    # agreed on beforehand: nothing was left of its time when it failed
    standard = {"change_class": "standard", "lead_days": 0, "clock_days": 0, "state": RequestState.FAILED}
    centre.store.requests.step(stored, RequestEvent.FAILED, None, {}, values=standard)
    office.of("operator").send_back(asked["id"], reason="rather another")
    office.of("clerk").save(asked["id"], spec={"names": ["b"]})
    seen = office.of("clerk").preview(asked["id"])
    again = office.of("clerk").answer(asked["id"], text="so")
    assert (seen["due"], seen["lead_days"]) == (again["due"], 5)
    assert again["due"] == "2026-11-09T17:00:00+08:00"
    centre.clock.now = datetime(2026, 11, 4, 2, 0, tzinfo=UTC)
    assert office.of("chief").preview(asked["id"])["due"] == again["due"], "it runs on, and looking moves nothing"
    office.of("operator").send_back(asked["id"], reason="which?")
    assert office.of("clerk").preview(asked["id"])["due"] == "2026-11-09T17:00:00+08:00", "two days are used up"


# --- who left --------------------------------------------------------------------------------------------------------
def let_go(office: Office, name: str) -> None:
    store = office.centre.store
    for grant in store.people.find(f"directory:{name}").grants:
        store.people.revoke(grant.id, "left", office.centre.actor)


def test_what_somebody_left_behind_is_answered_by_another_who_then_asks_for_it(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    office.of("operator").send_back(asked["id"], reason="what for?")
    assert office.of("both").show(asked["id"])["acts"] == ["comment", "refuse"], "it is still theirs"
    let_go(office, "clerk")
    assert office.of("operator").show(asked["id"])["acts"] == ["comment", "refuse"]
    seen = office.of("both").show(asked["id"])
    assert seen["acts"] == ["save", "answer", "withdraw", "comment", "refuse"]
    assert (seen["has_it"]["names"], seen["has_it"]["text"]) == (["directory:both"], "clerk: Both")
    assert [row["id"] for row in office.of("both").list(waiting_for_me=True)] == [asked["id"]]
    answered = office.of("both").answer(asked["id"], text="for the citizens")
    assert answered["asker"] == "directory:both"
    said = answered["conversation"][-1]
    assert (said["by"], said["text"]) == ("directory:both", "It was taken over from Clerk. for the citizens")
    assert answered["sign_as"] == [] and "sign" not in answered["acts"], "whoever asks never signs it"
    assert office.sign("chief", answered)["state"] == "review"


def test_what_somebody_left_behind_is_changed_or_taken_back(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    office.of("operator").send_back(asked["id"], reason="what for?")
    let_go(office, "clerk")
    saved = office.of("chief").save(asked["id"], spec={"names": ["b"]})
    assert (saved["asker"], saved["conversation"][-1]["text"]) == ("directory:chief", "It was taken over from Clerk.")
    assert office.of("both").show(asked["id"])["acts"] == ["comment", "refuse"], "somebody has it again"
    let_go(office, "chief")
    assert office.of("both").withdraw(asked["id"], reason="not needed")["state"] == "withdrawn"
    assert office.ask("both", "fgw", names=["c"])["state"] == "submitted"


def test_who_signed_it_takes_nothing_over(office: Office) -> None:
    asked = office.signed("clerk", "fgw", ["both"], names=["a"])
    let_go(office, "clerk")
    assert "withdraw" not in office.of("both").show(asked["id"])["acts"]
    with pytest.raises(Rejected):
        office.of("both").withdraw(asked["id"])
    assert "withdraw" in office.of("chief").show(asked["id"])["acts"]


LETTER = {"number": "青发改〔2026〕14号", "date": "2026-01-02", "brought_by": "李娜"}


def record(office: Office, who: str, request: Any, **more: Any) -> Any:
    client = office.of(who)
    return client.letter(request["id"], digest=client.show(request["id"])["digest"], **{**LETTER, **more})


def test_a_stamped_letter_stands_for_the_approver_and_says_so(office: Office) -> None:
    request = office.ask("clerk", "fgw", names=["a"])
    shown = record(office, "operator", request)
    assert shown["state"] == "review"
    assert shown["signoffs"][0]["letter"] == LETTER
    need = next(n for n in shown["needs"] if n["role"] == "approver")
    assert LETTER["number"] in need["letter"]
    assert need["by"] == "directory:operator", "who recorded it"
    assert LETTER["number"] in shown["conversation"][-1]["text"]
    done = office.sign("local:night", request, role="operator", reason="the other operator is away")
    assert done["state"] == "approved"
    office.ticker.tick()
    assert office.state(request) == "live"
    entries = office.centre.store.audit.find(AuditQuery(act="request.letter"))
    assert entries[0].detail["letter"] == {"number": LETTER["number"], "date": LETTER["date"]}
    assert LETTER["brought_by"] not in entries[0].body(), "the trail holds no names"
    assert [s.verified for s in entries[0].signoffs] == [False]


def test_who_records_a_letter_signs_nothing_else_of_it(office: Office) -> None:
    request = office.ask("clerk", "fgw", names=["a"])
    record(office, "operator", request)
    with pytest.raises(Rejected, match="one person signs once"):
        office.sign("operator", request)
    with pytest.raises(Rejected):
        office.sign("chief", request)
    with pytest.raises(Rejected):
        record(office, "local:root", request)


@pytest.mark.parametrize("who", ["clerk", "chief", "officer", "deputy", "auditor"])
def test_only_operators_record_letters(office: Office, who: str) -> None:
    request = office.ask("clerk", "fgw", names=["a"])
    with pytest.raises(Rejected):
        record(office, who, request)


def test_who_asked_or_signed_records_no_letter(office: Office) -> None:
    mine = office.ask("local:root", "fgw", names=["a"])
    with pytest.raises(Rejected):
        record(office, "local:root", mine)
    office.of("local:root").withdraw(mine["id"])
    request = office.ask("clerk", "fgw", names=["a"])
    office.sign("operator", request)
    with pytest.raises(Rejected):
        record(office, "operator", request)


def test_a_letter_is_checked_whole_and_bound_to_what_was_seen(office: Office) -> None:
    request = office.ask("clerk", "fgw", names=["a"])
    with pytest.raises(Invalid) as caught:
        record(office, "operator", request, number=" ", date="2999-01-01", brought_by="\n")
    assert {p.field for p in caught.value.problems} == {"number", "date", "brought_by"}
    with pytest.raises(StalePlan):
        office.of("operator").letter(request["id"], digest="0" * 64, **LETTER)
    assert office.of("clerk").show(request["id"])["signoffs"] == []


def test_a_list_that_is_full_leads_on_to_older_ones(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_plane.workflow.request_desk.MOST_LISTED", 3)
    for _ in range(4):
        office.of("clerk").withdraw(office.ask("clerk", "fgw", names=["a"])["id"])
    others = office.of("chief").draft("fgw", "toy")
    mine = office.of("clerk")
    first = [row["id"] for row in mine.list()]
    assert others["id"] not in first, "a draft of somebody else fills no place"
    assert len(first) == 3
    rest = [row["id"] for row in mine.list(before=first[-1])]
    assert rest
    assert max(rest) < min(first)
    assert mine.list(before=f"R-2026-{rest[-1]:04d}") == []
    assert len(mine.list(states=["submitted"])) == 0
    with pytest.raises(NotFound):
        mine.list(before="nonsense")
