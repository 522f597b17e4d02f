"""What `gasp doctor` says of antivirus and of the access record: what was not seen is never counted as good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from control_plane.model.by_itself import ByItself
from control_plane.model.machine import MachineState, Ring
from control_plane.model.record import Gap
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.workflow import by_itself
from control_plane.workflow.by_itself import ByItselfStatus
from control_plane.workflow.scans import Scans
from tests.unit.workflow.conftest import Centre


@dataclass
class World:
    centre: Centre
    status: ByItselfStatus

    def enrol(self, name: str, hours: float | None) -> str:
        """A machine whose signatures are so old; None: it was silent."""
        store, now = self.centre.store, self.centre.clock()
        machine = store.machines.add(
            self.centre.actor, name, "fgw", Ring.ALL, host=name, managed=True, source="centre", fingerprint=name
        )
        state = MachineState(machine.id, now, {}, (), now, False, "s1", now, True)
        if hours is None:
            store.machines.save_look(machine.id, CouldNotMeasure(machine.id, now, t("No route to host")))
        else:
            store.machines.save_look(machine.id, replace(state, signature_at=now - timedelta(hours=hours)))
        return machine.id


@pytest.fixture
def world(centre: Centre) -> World:
    centre.tenant("fgw")
    nothing: Any = None
    scans = Scans(centre.store, nothing, ByItself(), chinese_calendar, centre.clock)
    return World(centre, ByItselfStatus(centre.store, scans, nothing, ByItself(), centre.clock))


def test_old_signatures_are_counted_and_what_was_not_seen_is_said(world: World) -> None:
    assert world.status.check_signatures()[0] == "passed"
    world.enrol("silent", None)
    assert world.status.check_signatures()[0] == "warning", "nothing was seen at all"
    world.enrol("fresh", 1)
    state, said, _ = world.status.check_signatures()
    assert (state, said.params["unknown"]) == ("passed", 1)
    world.enrol("aging", 49)
    state, said, remedy = world.status.check_signatures()
    assert (state, said.params["aging"], said.params["old"]) == ("warning", 1, 0)
    assert "gasp security status" in str(remedy)
    world.enrol("old", 73)
    state, said, _ = world.status.check_signatures()
    assert (state, said.params["aging"], said.params["old"], said.params["total"]) == ("failed", 1, 1, 4)


def test_machines_that_were_never_scanned_are_counted(world: World) -> None:
    one, two = world.enrol("one", 1), world.enrol("two", 1)
    store = world.centre.store
    store.scans.begin(one)
    state, said, _ = world.status.check_scans()
    assert (state, said.params["never"], said.params["long_ago"]) == ("warning", 2, 0)
    for machine in (one, two):
        store.scans.ended(machine, world.centre.clock(), 9, 0)
    assert world.status.check_scans()[0] == "passed"
    world.centre.clock.advance(8 * 86400)
    state, said, _ = world.status.check_scans()
    assert (state, said.params["never"], said.params["long_ago"]) == ("warning", 0, 2)


def test_gaps_of_the_access_record_longer_than_an_hour_are_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now, access = world.centre.clock(), world.centre.store.access
    assert world.status.check_record()[0] == "warning", "nothing was recorded"
    monkeypatch.setattr(access, "span", lambda: SimpleNamespace(first_at=now - timedelta(days=90), last_at=now))
    asked: list[Any] = []
    gaps: list[Gap] = []

    def recorded(store: Any, begin: Any, end: Any) -> list[Gap]:
        asked.append((begin, end))
        return gaps

    monkeypatch.setattr(by_itself, "not_recorded", recorded)
    gaps.append(Gap("all", now - timedelta(days=2), now - timedelta(days=2) + timedelta(minutes=59), "killed"))
    assert world.status.check_record()[0] == "passed"
    assert asked[-1] == (now - timedelta(days=7), now)
    gaps.append(Gap("all", now - timedelta(days=1), now - timedelta(hours=20), "killed"))
    state, said, remedy = world.status.check_record()
    assert (state, said.params["count"]) == ("warning", 1)
    assert "gasp record status" in str(remedy)
    gaps.append(Gap("all", now - timedelta(hours=3), now, "not-collected"))
    state, said, _ = world.status.check_record()
    assert (state, said.params["count"]) == ("failed", 2), "it goes on"


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("idle", "passed"),
        ("running", "passed"),
        ("off", "warning"),
        ("frozen", "warning"),
        ("waiting", "warning"),
        ("failed", "failed"),
        ("stuck", "failed"),
    ],
)
def test_what_should_move_by_itself_and_does_not_is_a_line(world: World, state: str, line: str) -> None:
    row = {"name": "signatures", "state": state, "sentence": "It waits.", "rollout": 4}
    world.status.signatures = SimpleNamespace(status=lambda: row)  # type: ignore[assignment]
    assert world.status.check_going()[0] == line
    assert [r["title"] for r in world.status.status()] == ["Scans of machines", "New signatures"]
