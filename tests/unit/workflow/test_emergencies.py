"""Emergencies: real at once, back by themselves without signatures, reviewed by a second person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.model.audit import AuditAct, AuditQuery
from control_plane.model.emergency import STANDS
from control_plane.model.errors import Invalid, NotFound, Rejected, StalePlan, TemporaryError
from control_plane.model.freeze import Frozen
from control_plane.model.notice import NoticeKind
from control_plane.model.request import RequestEvent, RequestState
from control_plane.model.text import in_language
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.leases import Holder
from control_plane.workflow.emergencies import LEASE, PAUSE, Emergencies
from control_plane.workflow.process import boot_id, process_alive, start_time
from tests.unit.workflow.asking import Office


class Night:
    """An office at night."""

    def __init__(self, centre: Any) -> None:
        self.office, self.centre, self.store = Office(centre), centre, centre.store

    def of(self, who: str) -> Emergencies:
        full = who if ":" in who else f"directory:{who}"
        worker = self.office.of("local:worker")
        return Emergencies(
            self.store, worker, self.centre.applier, self.centre.clock, lambda: self.store.actors.get(full)
        )

    def apply(self, request: Any, who: str = "operator", **more: Any) -> Any:
        digest = self.office.of("clerk").show(request["id"])["digest"]
        return self.of(who).apply(request["id"], **{"digest": digest, "reason": "the line is cut", **more})

    def substitute(self, name: str) -> None:
        self.store.people.ensure(f"directory:{name}", name.title())
        until = (self.centre.clock() + STANDS * 9).date().isoformat()
        self.office.substitutes("operator").name(name, "operator", until=until, reason="on leave")

    def live(self, *names: str) -> Any:
        request = self.office.signed("clerk", "fgw", ("chief", "operator"), names=list(names))
        self.office.ticker.tick()
        return request


@pytest.fixture
def night(centre: Any) -> Iterator[Night]:
    with in_language("en"):
        yield Night(centre)


def desired(night: Night) -> Any:
    row = night.store.estate.subscription("fgw/toy")
    return row.spec.get("names") if row is not None and row.state == "active" else None


def test_one_operator_makes_it_real_at_once_and_it_waits_for_its_signatures(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    row = night.apply(request)
    assert (row["state"], row["request_state"], row["why"]) == ("stands", "submitted", None)
    assert desired(night) == ["a"]
    assert night.store.runs.get(row["run"]).kind == "emergency"
    assert [e["id"] for e in night.of("clerk").list()] == [row["id"]]
    assert night.of("clerk2").list() == [], "it is another department's"
    entry = night.store.audit.find(AuditQuery(act=AuditAct.REQUEST_EMERGENCY))[0]
    assert (entry.reason, entry.requests) == ("the line is cut", [request["reference"]])
    wrote = night.store.audit.find(AuditQuery(act=AuditAct.SERVICE_CHANGED))[0]
    assert wrote.requests == [request["reference"]]
    assert [(s.role, s.verified) for s in wrote.signoffs] == [("operator", False)]


def test_without_signatures_it_goes_back_by_itself(night: Night) -> None:
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["a", "b"])
    row = night.apply(request)
    assert desired(night) == ["a", "b"]
    night.centre.clock.advance(STANDS.total_seconds() - 60)
    assert night.of("local:worker").tick() == []
    night.centre.clock.advance(120)
    assert night.of("local:worker").tick() == [row["id"]]
    assert desired(night) == ["a"]
    assert night.office.state(request) == "submitted", "it is an ordinary request now"
    again = night.of("clerk").list()[0]
    assert (again["state"], again["reviewed_at"]) == ("gone_back", None)
    assert again["back_run"] != again["run"]
    assert night.of("local:worker").tick() == []
    for who in ("chief", "local:night"):
        night.office.sign(who, request, **({"role": "operator", "reason": "drill"} if who != "chief" else {}))
    night.office.ticker.tick()
    assert (night.office.state(request), desired(night)) == ("live", ["a", "b"])


def test_a_new_service_that_nobody_signed_is_ended(night: Night) -> None:
    night.apply(night.office.ask("clerk", "fgw", names=["a"]))
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    night.of("local:worker").tick()
    assert desired(night) is None


def test_while_it_stands_its_request_says_so_and_names_nobody_who_may_not_sign_it(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    before = night.office.of("clerk").show(request["id"])
    assert "directory:operator" in before["has_it"]["names"]
    assert before["next"].startswith("It is made real once these have signed")
    night.apply(request)
    after = night.office.of("clerk").show(request["id"])
    assert "directory:operator" not in after["has_it"]["names"], "who did it does not sign it"
    assert "directory:chief" in after["has_it"]["names"]
    assert after["next"].startswith("It is real already, and goes back unless these sign in time")


def test_what_one_may_do_instead_is_said_in_the_readers_language(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    with pytest.raises(Rejected) as refused:
        night.office.of("chief").retry(request["id"])
    assert refused.value.hint is not None
    assert str(refused.value.hint).endswith("write, sign it, ask back, not approve it")
    with in_language("zh_CN"):
        with pytest.raises(Rejected) as refused:
            night.office.of("chief").retry(request["id"])
        said = str(refused.value.hint)
    assert not re.search("[a-z]", said), said


def test_what_everybody_signed_stays(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    row = night.apply(request)
    night.office.sign("chief", request)
    with pytest.raises(Rejected):
        night.office.sign("operator", request)
    night.office.sign("local:night", request, role="operator", reason="the second operator")
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    assert night.of("local:worker").tick() == [], "it is decided, so nothing goes back"
    night.office.ticker.tick()
    assert night.office.state(request) == "live"
    assert night.of("local:worker").tick() == [row["id"]]
    assert (night.of("clerk").list()[0]["state"], desired(night)) == ("kept", ["a"])


@pytest.mark.parametrize("act", ["refuse", "withdraw"])
def test_what_is_refused_or_withdrawn_goes_back_at_once(night: Night, act: str) -> None:
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["b"])
    night.apply(request)
    getattr(night.office.of("chief" if act == "refuse" else "clerk"), act)(request["id"], reason="no")
    night.of("local:worker").tick()
    assert desired(night) == ["a"]


def test_a_second_person_reviews_it(night: Night) -> None:
    row = night.apply(night.office.ask("clerk", "fgw", names=["a"]))
    for who in ("operator", "chief", "auditor"):
        with pytest.raises(Rejected):
            night.of(who).review(row["id"], text="fine")
    with pytest.raises(NotFound):
        night.of("clerk2").review(row["id"], text="fine")
    with pytest.raises(Invalid):
        night.of("officer").review(row["id"], text=" ")
    assert night.of("officer").list()[0]["acts"] == ["review"]
    done = night.of("officer").review(row["id"], text="the line was cut indeed")
    assert done["reviewed_by"] == "directory:officer"
    entry = night.store.audit.find(AuditQuery(act=AuditAct.REQUEST_REVIEWED))[0]
    assert (entry.reason, entry.requests) == ("the line was cut indeed", [done["request"]])
    assert night.of("officer").list()[0]["state"] == "stands", "it waits for signatures still"
    with pytest.raises(Rejected, match="before"):
        night.of("deputy").review(row["id"], text="again")
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    night.of("local:worker").tick()
    assert night.of("officer").list() == []
    assert len(night.of("officer").list(everything=True)) == 1


def test_a_review_that_is_late_says_so(night: Night) -> None:
    night.apply(night.office.ask("clerk", "fgw", names=["a"]))
    assert night.of("officer").list()[0]["overdue"] is False
    night.centre.clock.advance(6 * 86400)
    assert night.of("officer").list()[0]["overdue"] is True


def test_the_machine_itself_needs_no_sign_in(night: Night) -> None:
    request = night.office.ask("local:root", "fgw", names=["a"])
    row = night.apply(request, "local:root")
    assert row["by"] == "local:root"
    with pytest.raises(Rejected):
        night.of("local:root").review(row["id"], text="I was right")
    assert night.of("local:night").review(row["id"], text="as it should be")["reviewed_by"] == "local:night"


@pytest.mark.parametrize("who", ["clerk", "chief", "officer", "deputy", "auditor"])
def test_nobody_but_operators(night: Night, who: str) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    with pytest.raises(Rejected):
        night.apply(request, who)
    assert desired(night) is None


def test_what_is_refused_at_the_door(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", people=["p"])
    with pytest.raises(Invalid):
        night.apply(request, reason=" ")
    with pytest.raises(StalePlan):
        night.apply(request, digest="0" * 64)
    for who in ("chief", "operator"):
        night.office.sign(who, request)
    with pytest.raises(Rejected, match="approved"):
        night.apply(request)
    night.office.ticker.tick()
    gone = night.office.ask("clerk", "fgw", "change", people=[])
    with pytest.raises(Rejected, match="deletes data"):
        night.apply(gone)


def test_a_freeze_stops_it_and_nothing_is_written(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    night.store.freezes.set("estate", "storm", night.centre.actor)
    with pytest.raises(Frozen):
        night.apply(request)
    assert desired(night) is None
    assert night.of("officer").list() == [], "nothing was changed, so nothing is to be reviewed"
    failed = night.of("officer").list(everything=True)[0]
    assert (failed["state"], failed["acts"]) == ("failed", [])
    assert "storm" in failed["why"]


def test_what_somebody_else_changed_since_is_left_alone(night: Night) -> None:
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["a", "b"])
    night.apply(request)
    row = night.store.estate.subscription("fgw/toy")
    change = SubscriptionChange("fgw", "toy", row.tier, {"names": ["c"]}, row.generation)
    night.store.estate.change(night.centre.actor, "by hand", [change], {("fgw", "toy"): []})
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    night.of("local:worker").tick()
    assert (night.of("operator").list()[0]["state"], desired(night)) == ("overtaken", ["c"])


def test_what_cannot_go_back_now_is_tried_again(night: Night) -> None:
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["b"])
    night.apply(request)
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    freeze = night.store.freezes.set("estate", "storm", night.centre.actor)
    assert night.of("local:worker").tick() == []
    assert night.of("operator").list()[0]["state"] == "going_back"
    other = night.store.actors.get("local:other")
    night.store.freezes.lift(freeze.id, night.centre.actor, other, False, "over")
    assert night.of("local:worker").tick() == []
    night.centre.clock.advance(PAUSE.total_seconds() + 1)
    assert len(night.of("local:worker").tick()) == 1
    assert desired(night) == ["a"]


def test_a_killed_command_is_finished_by_the_worker(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    operator = night.store.actors.get("directory:operator")
    begun = night.store.emergencies.begin(request["id"], operator, "cut", STANDS)
    assert night.of("local:worker").tick() == [begun.id]
    row = night.of("operator").list()[0]
    assert (row["state"], row["by"], desired(night)) == ("stands", "directory:operator", ["a"])
    again = night.apply(request)
    assert (again["id"], again["run"]) == (row["id"], row["run"]), "given again it is the same one"
    with pytest.raises(Rejected, match="before"):
        night.apply(request, "local:root")


def test_a_killed_return_is_finished(night: Night) -> None:
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["b"])
    night.apply(request)
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    worker = night.of("local:worker")
    night.centre.applier.apply, whole = (
        (lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)),
        night.centre.applier.apply,
    )
    with pytest.raises(KeyboardInterrupt):
        worker.tick()
    night.centre.applier.apply = whole
    night.centre.clock.advance(PAUSE.total_seconds() + 1)
    assert len(worker.tick()) == 1
    assert desired(night) == ["a"]


def test_one_is_carried_out_at_a_time(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    alive = Holder(1, start_time(1) or 0, boot_id())
    assert night.store.leases.acquire(LEASE, alive, process_alive) is not None
    with pytest.raises(TemporaryError):
        night.apply(request)
    assert night.of("local:worker").tick() == []
    assert night.store.emergencies.moving() == []


def test_everybody_who_signs_is_told_and_told_again_at_the_end(night: Night) -> None:
    night.apply(night.office.ask("clerk", "fgw", names=["a"]))
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    night.of("local:worker").tick()
    told = {s.notice.kind: s.notice for s in night.store.mail.unaddressed()}
    clerk, operator = (night.store.people.find(f"directory:{who}") for who in ("clerk", "operator"))
    assert clerk is not None
    assert operator is not None
    begun, ended = told[NoticeKind.EMERGENCY], told[NoticeKind.EMERGENCY_ENDED]
    assert [*begun.people] == [*ended.people] == [clerk.key]
    assert {*begun.roles} >= {"operator", "security_officer", "approver"}
    assert operator.key in begun.without, "who did it knows"


def test_of_a_department_that_was_ended_nothing_goes_back_to_whoever_has_its_code(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    row = night.apply(request)
    store, actor = night.store, night.centre.actor
    service = store.estate.subscription("fgw/toy")
    store.estate.change(
        actor, "end", [SubscriptionChange("fgw", "toy", "S", None, service.generation)], {("fgw", "toy"): []}
    )
    store.estate.end_tenant("fgw", actor)
    store.estate.put_tenants(actor, "import 2", [night.centre.document("fgw")])
    change = SubscriptionChange("fgw", "toy", "S", {"names": ["z"]}, 0)
    store.estate.change(actor, "import 2", [change], {("fgw", "toy"): []})
    night.office.ticker.tick()
    assert night.of("local:worker").tick() == [row["id"]]
    assert desired(night) == ["z"]
    assert store.emergencies.get(row["id"]).state == "gone_back"


def test_what_stands_is_not_changed_on_the_way(night: Night) -> None:
    """Asked back, changed to less and answered, its signers would sign less than what stands."""
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["a", "b"])
    row = night.apply(request)
    assert "return" not in night.office.of("chief").show(request["id"])["acts"]
    for who in ("chief", "officer", "local:other"):
        with pytest.raises(Rejected):
            night.office.of(who).send_back(request["id"], reason="why?")
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    assert night.of("local:worker").tick() == [row["id"]]
    night.office.of("chief").send_back(request["id"], reason="now it can be changed")
    night.office.of("clerk").save(request["id"], spec={"names": ["a", "c"]})


def test_what_stands_and_is_handed_back_by_itself_stays_as_it_is(night: Night) -> None:
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["a", "b"])
    night.apply(request)
    found = night.store.requests.get(request["id"])
    night.office.of("clerk").journal.step(
        found, RequestEvent.RETURNED, None, {"text": "a clash"}, values={"state": RequestState.RETURNED}
    )
    for act in (
        lambda: night.office.of("clerk").save(request["id"], spec={"names": ["a"]}),
        lambda: night.office.of("clerk").answer(request["id"], text="less"),
    ):
        with pytest.raises(Rejected, match="stays as it is"):
            act()


def test_nothing_else_is_asked_for_a_service_of_which_an_emergency_stands(night: Night) -> None:
    """What is written by another request would keep the emergency from going back."""
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["a", "b"])
    night.apply(request)
    night.office.of("clerk").withdraw(request["id"], reason="never mind")
    with pytest.raises(Rejected, match="An emergency of"):
        night.office.ask("clerk", "fgw", "change", names=["a", "c"])
    night.of("local:worker").tick()
    assert desired(night) == ["a"]
    draft = night.office.of("clerk").draft("fgw", "toy", "change")
    night.office.of("clerk").withdraw(draft["id"])
    assert night.office.ask("clerk", "fgw", "change", names=["a", "c"])["state"] == "submitted"


def test_what_went_back_is_not_done_again(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    night.apply(request)
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    night.of("local:worker").tick()
    for who in ("operator", "local:root"):
        with pytest.raises(Rejected, match="was taken back"):
            night.apply(request, who)


def test_who_signed_does_not_make_it_real_ahead_of_the_others(night: Night) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    night.office.sign("operator", request)
    with pytest.raises(Rejected, match="Who has signed"):
        night.apply(request)
    assert desired(night) is None


def test_what_was_signed_while_it_could_not_go_back_stays(night: Night) -> None:
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["b"])
    night.apply(request)
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    night.store.freezes.set("estate", "storm", night.centre.actor)
    night.of("local:worker").tick()
    assert night.of("operator").list()[0]["state"] == "going_back"
    night.office.sign("chief", request)
    night.office.sign("local:night", request, role="operator", reason="the second operator")
    freeze = night.store.freezes.list()[0]
    night.store.freezes.lift(freeze.id, night.centre.actor, night.store.actors.get("local:other"), False, "over")
    night.centre.clock.advance(PAUSE.total_seconds() + 1)
    night.of("local:worker").tick()
    night.office.ticker.tick()
    assert (night.office.state(request), desired(night)) == ("live", ["b"])
    night.of("local:worker").tick()
    assert (night.of("operator").list()[0]["state"], desired(night)) == ("kept", ["b"])


def test_signed_in_the_very_moment_of_going_back_it_stays(night: Night) -> None:
    night.live("a")
    request = night.office.ask("clerk", "fgw", "change", names=["b"])
    night.apply(request)
    night.office.sign("chief", request)
    night.centre.clock.advance(STANDS.total_seconds() + 1)
    whole = night.centre.applier.apply

    def apply(*given: Any, **more: Any) -> Any:
        night.office.sign("local:night", request, role="operator", reason="the second operator")
        return whole(*given, **more)

    night.centre.applier.apply = apply
    night.of("local:worker").tick()
    night.centre.applier.apply = whole
    assert desired(night) == ["b"], "it was decided before anything was written"
    night.of("local:worker").tick()
    night.office.ticker.tick()
    night.of("local:worker").tick()
    assert night.of("operator").list()[0]["state"] == "kept"


@pytest.mark.parametrize("late", [True, False])
def test_a_killed_command_is_not_finished_when_nobody_wants_it_any_more(night: Night, late: bool) -> None:
    request = night.office.ask("clerk", "fgw", names=["a"])
    operator = night.store.actors.get("directory:operator")
    begun = night.store.emergencies.begin(request["id"], operator, "cut", STANDS)
    if late:
        night.centre.clock.advance(STANDS.total_seconds() + 1)
    else:
        night.office.of("clerk").withdraw(request["id"], reason="never mind")
    assert night.of("local:worker").tick() == [begun.id]
    assert (night.store.emergencies.get(begun.id).state, desired(night)) == ("failed", None)


def test_a_substitute_and_who_they_stand_in_for_are_one(night: Night) -> None:
    night.substitute("helper")
    request = night.office.ask("clerk", "fgw", names=["a"])
    row = night.apply(request, "helper")
    with pytest.raises(Rejected):
        night.of("operator").review(row["id"], text="fine")
    with pytest.raises(Rejected):
        night.office.sign("operator", request)


def test_a_letter_that_a_substitute_recorded_is_the_operators_act_too(night: Night) -> None:
    night.substitute("helper")
    request = night.office.ask("clerk", "fgw", names=["a"])
    day = night.centre.clock().date().isoformat()
    night.office.of("helper").letter(
        request["id"], digest=request["digest"], number="〔2026〕14", date=day, brought_by="Li Na"
    )
    with pytest.raises(Rejected):
        night.office.sign("operator", request)
