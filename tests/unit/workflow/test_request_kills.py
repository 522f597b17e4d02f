"""Killed at any event of a request, or of the run that makes it real: the next turn goes on, nothing is doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.errors import ControlPlaneError
from control_plane.model.request import RequestEvent, RequestState
from control_plane.model.run import EventType
from control_plane.workflow import fault
from control_plane.workflow.applying import Order
from tests.unit.workflow.asking import Office
from tests.unit.workflow.journeys import REACHED, Journey

EVENTS = [*RequestEvent, *EventType]
#: Of a try that was killed nobody takes back that it began, or what it waited for.
TRIES = (RequestEvent.STARTED, RequestEvent.WAITING)
KILLS = [(journey, event) for journey, events in REACHED.items() for event in events]


class Killed(BaseException):
    """The process ends here; systems and database stay as they are."""


def test_every_event_has_a_journey_that_reaches_it() -> None:
    assert Counter(event for _, event in KILLS) == Counter(EVENTS)


@dataclass(frozen=True)
class Told:
    """What is left of a journey: its end, what was said of it (how often it was tried apart), what is real, and how
    often it was wanted."""

    state: str
    said: Counter[str]
    real: frozenset[str]
    revisions: int


def told(office: Office, number: int) -> Told:
    events = office.of("local:look").events(number)
    office.centre.clock.advance(3600)  # until what was withdrawn may be removed
    office.centre.applier.apply(Order("tenant:fgw"), office.centre.actor)
    real = frozenset(i for d in office.centre.drivers for part in d.things.values() for i in part)
    revisions = len(office.centre.store.estate.revisions("fgw/toy"))
    said = Counter(e["type"] for e in events if e["type"] not in TRIES)
    return Told(office.state({"id": number}), said, real, revisions)


@pytest.fixture(scope="module")
def undisturbed() -> dict[Journey, Told]:
    """What journeys end with when nothing is killed, once they were made."""
    return {}


@pytest.mark.parametrize(("journey", "event"), KILLS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_killed_at_any_event_the_next_turn_finishes(
    make_centre: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[Journey, Told],
    journey: Journey,
    event: RequestEvent | EventType,
) -> None:
    if journey not in undisturbed:
        (folder := tmp_path / "undisturbed").mkdir()
        usual = Office(make_centre(folder=folder))
        number, end = journey(usual, lambda act: act(), monkeypatch)
        undisturbed[journey] = told(usual, number)
        assert undisturbed[journey].state == end
    deaths = []

    def kill(pid: int, signal: int) -> None:
        deaths.append(signal)
        if len(deaths) == 1:
            raise Killed

    def until_done(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Killed:
            try:
                return act()
            except ControlPlaneError:
                return None  # it was done before the process ended

    monkeypatch.setattr(fault.os, "kill", kill)
    office = Office(make_centre(fault=f"kill:{event}"), fault=f"kill:{event}")
    number, _ = journey(office, until_done, monkeypatch)
    assert deaths, "nothing was killed"
    assert told(office, number) == undisturbed[journey]
    assert office.centre.store.requests.list(states=[RequestState.APPLYING]) == []
