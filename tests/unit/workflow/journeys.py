"""Ways of a request from a draft to its end. Together they reach everything that can happen to one.

A journey does each step through `act`, which may do it twice: the process was ended on the way. Returns the request's
number and the state in which it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from control_plane.model.emergency import STANDS
from control_plane.model.request import RequestEvent
from control_plane.model.run import EventType
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.emergencies import PAUSE
from control_plane.workflow.request_tick import AGAIN_SECONDS, KEPT_SECONDS
from tests.unit.workflow.asking import Office

BOTH = ("chief", "operator")
LETTER = {"number": "青发改〔2026〕14号", "date": "2026-01-02", "brought_by": "李娜"}
Act = Callable[[Callable[[], Any]], Any]
Journey = Callable[[Office, Act, pytest.MonkeyPatch], tuple[int, str]]


def asked(office: Office, act: Act, action: str = "new", **spec: Any) -> int:
    clerk = office.of("clerk")
    number = int(act(lambda: clerk.draft("fgw", "toy", action))["id"])
    act(lambda: clerk.save(number, spec=spec or {"names": ["a"]}, note="please"))
    act(lambda: clerk.submit(number))
    return number


def signed(office: Office, act: Act, number: int) -> None:
    for who in BOTH:
        act(lambda who=who: office.sign(who, {"id": number}))


def turns(office: Office, act: Act, count: int = 4, seconds: float = AGAIN_SECONDS + 1) -> None:
    for _ in range(count):
        act(office.ticker.tick)
        office.centre.clock.advance(seconds)


def imported(office: Office, **spec: Any) -> None:
    change = SubscriptionChange("fgw", "toy", "S", spec)
    office.centre.store.estate.change(office.centre.actor, "import 2", [change], {("fgw", "toy"): []})


def answered(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    act(lambda: office.of("operator").comment(number, text="hello"))
    act(lambda: office.of("operator").send_back(number, reason="which?"))
    act(lambda: office.of("clerk").answer(number, text="this"))
    signed(office, act, number)
    turns(office, act)
    return number, "live"


def refused(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    act(lambda: office.of("operator").refuse(number, reason="no"))
    turns(office, act)
    return number, "refused"


def withdrawn(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    act(lambda: office.of("clerk").withdraw(number))
    turns(office, act)
    return number, "withdrawn"


def by_letter(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    operator = office.of("operator")
    act(lambda: operator.letter(number, digest=operator.show(number)["digest"], **LETTER))
    act(lambda: office.sign("local:night", {"id": number}, role="operator", reason="nobody else is there"))
    turns(office, act)
    return number, "live"


def planned_again(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    imported(office, names=["a"])
    number = asked(office, act, "change", names=["a", "b"])
    signed(office, act, number)
    imported(office, names=["a"], internet=True)
    turns(office, act)
    return number, "live"


def signer_gone(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    signed(office, act, number)
    people = office.centre.store.people
    people.revoke(people.find("directory:operator").grants[0].id, "moved away", office.centre.actor)
    act(office.ticker.tick)
    act(lambda: office.sign("local:night", {"id": number}, role="operator", reason="nobody else is left"))
    turns(office, act)
    return number, "live"


def other_table(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    table = office.classes("operator").show()["table"]
    table["lines"]["otherwise"]["signs"] = ["approver", "security_officer"]
    made = office.classes("operator").propose(table, reason="the rules of 2027")
    act(lambda: office.classes("officer").sign(made["number"], digest=made["digest"]))
    for who in ("chief", "officer"):
        act(lambda who=who: office.sign(who, {"id": number}))
    turns(office, act)
    return number, "live"


def emergency(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    digest = office.of("clerk").show(number)["digest"]
    act(lambda: office.emergencies("operator").apply(number, digest=digest, reason="the line is cut"))
    one = office.emergencies("operator").list()[0]["id"]
    act(lambda: office.emergencies("officer").review(one, text="seen"))
    office.centre.clock.advance(STANDS.total_seconds() + 1)
    for _ in range(4):
        act(office.emergencies("local:worker").tick)
        office.centre.clock.advance(PAUSE.total_seconds() + 1)
    assert office.emergencies("operator").list(everything=True)[0]["state"] == "gone_back"
    return number, "submitted"


def broken_promise(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    signed(office, act, number)
    office.prober.broken.add("fgw")
    turns(office, act, seconds=KEPT_SECONDS + 1)
    office.prober.broken.clear()
    act(lambda: office.of("operator").retry(number))
    turns(office, act)
    return number, "live"


def full_disk(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    signed(office, act, number)
    office.centre.web.refuse["web.vhost/a"] = t("the disk is full")
    turns(office, act)
    office.centre.web.refuse.clear()
    act(lambda: office.of("operator").retry(number))
    turns(office, act)
    return number, "live"


def waiting_systems(office: Office, act: Act, _: pytest.MonkeyPatch) -> tuple[int, str]:
    number = asked(office, act)
    signed(office, act, number)
    office.centre.web.blind["web:web"] = t("no answer")
    turns(office, act)
    office.centre.web.blind.clear()
    turns(office, act, 6, 301)
    return number, "live"


def stopped(office: Office, act: Act, patch: pytest.MonkeyPatch) -> tuple[int, str]:
    from tests.unit.workflow.test_request_troubles import stopping

    number = asked(office, act)
    signed(office, act, number)
    with patch.context() as patched:
        store, actor = office.centre.store, office.centre.actor
        stopping(office, patched, lambda run: store.runs.request_stop(run, actor))
        act(office.ticker.tick)
    turns(office, act)
    if office.state({"id": number}) == "failed":
        act(lambda: office.of("operator").retry(number))
    turns(office, act)
    return number, "live"


#: By what can happen: the journey on which it does.
REACHED: Mapping[Journey, tuple[RequestEvent | EventType, ...]] = {
    answered: (
        *(RequestEvent.DRAFTED, RequestEvent.SAVED, RequestEvent.SUBMITTED, RequestEvent.COMMENTED),
        *(RequestEvent.RETURNED, RequestEvent.ANSWERED, RequestEvent.SIGNED, RequestEvent.APPROVED),
        *(RequestEvent.STARTED, RequestEvent.APPLIED, RequestEvent.LIVE),
        *(EventType.CREATED, EventType.LEASED, EventType.OBSERVED, EventType.CONFIRMED, EventType.PART_STARTED),
        *(EventType.NOTICE, EventType.PROGRESS, EventType.PART_DONE, EventType.VERIFYING, EventType.VERIFIED),
        EventType.FINISHED,
    ),
    refused: (RequestEvent.REFUSED,),
    withdrawn: (RequestEvent.WITHDRAWN,),
    by_letter: (RequestEvent.LETTER,),
    planned_again: (RequestEvent.REPLANNED,),
    signer_gone: (RequestEvent.VOIDED,),
    other_table: (RequestEvent.RECLASSIFIED,),
    emergency: (RequestEvent.EMERGENCY, RequestEvent.REVIEWED, RequestEvent.GOES_BACK, RequestEvent.WENT_BACK),
    waiting_systems: (RequestEvent.WAITING,),
    broken_promise: (RequestEvent.FAILED, RequestEvent.RETRIED),
    full_disk: (EventType.CHANGE_FAILED, EventType.HELD),
    stopped: (EventType.STOPPED,),
}
