"""When a machine is scanned by itself, when signatures are fetched, and when a rollout of them may begin."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from control_plane.model.by_itself import (
    ByItself,
    ScanRecord,
    counts,
    fetch_due,
    goes_on,
    rollout_begins,
    scan_due,
    urgency,
)
from control_plane.model.machine import Machine, Ring
from control_plane.model.text import t
from control_plane.model.windows import ZONE, chinese_calendar

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=ZONE)  # a Tuesday, in the window of workstations
MORNING = NOON.replace(hour=10)
RULES = ByItself()
PC = Machine("m_1", "fgw", "fgw", Ring.PILOT, "fgw", True, "centre", None, NOON)
DONE = ScanRecord("m_1", files=9, tried_at=NOON, scanned_at=NOON, ended_at=NOON)


def word(record: ScanRecord | None, now: datetime = NOON, machine: Machine = PC, rules: ByItself = RULES) -> str:
    return scan_due(machine, record, now, chinese_calendar(), rules).word


def test_a_machine_is_scanned_in_its_window_and_again_after_the_interval() -> None:
    assert word(None) == "now"
    found = scan_due(PC, None, MORNING, chinese_calendar(), RULES)
    assert (found.word, found.at) == ("window", NOON.replace(hour=12, minute=0))
    assert word(None, MORNING, rules=replace(RULES, scan_in_window=False)) == "now"
    assert word(None, rules=replace(RULES, scan_every=None)) == "off"
    assert word(None, machine=replace(PC, ring=Ring.SERVERS)) == "window"
    assert word(DONE, NOON + timedelta(days=2)) == "later"
    assert word(DONE, NOON + timedelta(days=3)) == "now"


def test_what_is_under_way_goes_on_and_what_broke_off_is_tried_again() -> None:
    going = ScanRecord("m_1", began_at=NOON, cursor="x", tried_at=NOON, scanned_at=NOON, ended_at=NOON)
    assert word(going) == "now"
    failed = replace(going, error=t("It gave no answer."))
    assert word(failed, NOON + timedelta(minutes=59)) == "again"
    assert word(replace(failed, silent=True), NOON + timedelta(minutes=9)) == "again"
    assert word(replace(failed, silent=True), NOON + timedelta(minutes=10)) == "now"
    assert goes_on(going, NOON + timedelta(days=2))
    assert not goes_on(going, NOON + timedelta(days=4)), "what it saw first is too long ago"
    assert not goes_on(None, NOON)
    never, long_ago = ScanRecord("m_2"), replace(DONE, ended_at=NOON - timedelta(days=9))
    assert sorted([DONE, long_ago, never, going], key=urgency) == [going, never, long_ago, DONE]


@pytest.mark.parametrize(
    ("ago", "fine"),
    [
        (timedelta(0), True),
        (timedelta(days=7), True),
        (timedelta(days=7, seconds=1), False),
        (-timedelta(hours=1), False),
    ],
)
def test_a_scan_counts_for_a_while_and_none_from_the_future(ago: timedelta, fine: bool) -> None:
    assert counts(NOON - ago, NOON, RULES.scan_counts) is fine
    assert not counts(None, NOON, RULES.scan_counts)


def test_failed_fetches_are_repeated_later_and_later() -> None:
    day = timedelta(days=1)
    assert fetch_due(None, None, 0, day) < NOON
    assert fetch_due(NOON, None, 0, day) == NOON + day
    pauses = [fetch_due(NOON, NOON, n, day) - NOON for n in (1, 2, 3, 9, 500)]
    assert [p / timedelta(minutes=15) for p in pauses] == [1, 2, 4, 16, 16]


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        ("2026-11-24T09:00", None),
        ("2026-11-24T14:59", None),
        ("2026-11-24T08:00", "2026-11-24T09:00"),
        ("2026-11-24T15:00", "2026-11-25T09:00"),
        ("2026-11-27T16:00", "2026-11-30T09:00"),  # Friday: over the weekend workstations are off
        ("2026-09-30T18:00", "2026-10-08T09:00"),  # the long holiday of October
    ],
)
def test_a_rollout_of_signatures_begins_when_workstations_are_on(now: str, begins: str | None) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=ZONE).astimezone(UTC)
    found = rollout_begins(moment, chinese_calendar())
    assert (found and found.strftime("%Y-%m-%dT%H:%M")) == begins
