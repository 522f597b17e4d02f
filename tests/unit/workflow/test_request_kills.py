"""Killed at any event of a request, or of the run that makes it real: the next turn goes on, nothing is doubled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from control_plane.model.errors import ControlPlaneError
from control_plane.model.request import RequestEvent, RequestState
from control_plane.model.run import EventType
from control_plane.workflow import fault
from control_plane.workflow.request_tick import AGAIN_SECONDS
from tests.unit.workflow.asking import Office

BOTH = ("chief", "operator")


class Killed(BaseException):
    """The process ends here; systems and database stay as they are."""


@pytest.mark.parametrize("event", [*RequestEvent, *EventType])
def test_killed_at_any_event_the_next_turn_finishes(
    make_centre: Any, monkeypatch: pytest.MonkeyPatch, event: RequestEvent | EventType
) -> None:
    deaths = []

    def kill(pid: int, number: int) -> None:
        deaths.append(number)
        if len(deaths) == 1:
            raise Killed

    monkeypatch.setattr(fault.os, "kill", kill)
    centre = make_centre(fault=f"kill:{event}")
    office = Office(centre, fault=f"kill:{event}")

    def until_done(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Killed:
            try:
                return act()
            except ControlPlaneError:
                return None  # it was done before the process ended

    number = until_done(lambda: office.of("clerk").draft("fgw", "toy"))["id"]
    until_done(lambda: office.of("clerk").save(number, spec={"names": ["a"]}))
    until_done(lambda: office.of("clerk").submit(number))
    until_done(lambda: office.of("operator").comment(number, text="hello"))
    until_done(lambda: office.of("operator").send_back(number, reason="which?"))
    until_done(lambda: office.of("clerk").answer(number, text="this"))
    for who in BOTH:
        until_done(lambda who=who: office.sign(who, {"id": number}))
    for _ in range(6):
        until_done(office.ticker.tick)
        centre.clock.advance(AGAIN_SECONDS + 1)
    assert office.state({"id": number}) == "live"
    assert {i for d in centre.drivers for part in d.things.values() for i in part} == {"dns.rrset/a", "web.vhost/a"}
    types = [e["type"] for e in office.of("clerk").events(number)]
    for once in (RequestEvent.DRAFTED, RequestEvent.SUBMITTED, RequestEvent.APPROVED, RequestEvent.LIVE):
        assert types.count(once.value) == 1, types
    assert types.count(RequestEvent.SIGNED.value) == 2
    assert len(centre.store.estate.revisions("fgw/toy")) == 1
    assert centre.store.requests.list(states=[RequestState.APPLYING]) == []
