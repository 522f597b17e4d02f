"""The calendar's notices, and when machines may be changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.model import windows
from control_plane.model.machine import Ring
from control_plane.model.windows import ZONE, chinese_calendar, day_words, is_open, read_calendar, window_at

CALENDAR = chinese_calendar()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def test_the_notices_of_two_years():
    assert CALENDAR.years == {2025, 2026}
    assert sum(day.year == 2026 for day in CALENDAR.workdays) == 6
    assert sum(day.year == 2025 for day in CALENDAR.workdays) == 5
    assert all(day.weekday() >= 5 for day in CALENDAR.workdays)
    assert sum(h.days for h in CALENDAR.holidays if h.first.year == 2026) == 33


@pytest.mark.parametrize(
    ("day", "off"),
    [
        ("2026-10-01", True), ("2026-10-08", False), ("2026-10-10", False), ("2026-10-11", True),
        ("2026-02-14", False), ("2026-02-23", True), ("2026-11-28", True), ("2026-11-27", False),
        ("2027-01-01", False),  # a year without a notice knows weekends only
    ],
)  # fmt: skip
def test_days_off(day: str, off: bool):
    assert CALENDAR.day_off(date.fromisoformat(day)) is off


#: ring, local time, open
WINDOWS = [
    (Ring.PILOT, "2026-11-24T11:59", False),
    (Ring.PILOT, "2026-11-24T12:00", True),
    (Ring.BROAD, "2026-11-24T13:29", True),
    (Ring.BROAD, "2026-11-24T13:30", False),
    (Ring.ALL, "2026-11-24T18:00", True),
    (Ring.ALL, "2026-11-24T23:59", True),
    (Ring.ALL, "2026-11-25T00:00", False),
    (Ring.SERVERS, "2026-11-24T20:00", False),
    (Ring.SERVERS, "2026-11-28T19:59", False),
    (Ring.SERVERS, "2026-11-28T20:00", True),
    (Ring.SERVERS, "2026-11-29T05:59", True),
    (Ring.SERVERS, "2026-11-29T06:00", False),
    (Ring.CENTRE, "2026-11-28T20:00", True),
    (Ring.SERVERS, "2026-10-10T21:00", False),  # a make-up working day
    (Ring.SERVERS, "2026-09-19T21:00", False),  # the Sunday that follows is one
    (Ring.SERVERS, "2026-02-14T21:00", False),  # make-up, and the day before the Spring Festival
    (Ring.SERVERS, "2025-01-25T21:00", False),  # three days before the Spring Festival
    (Ring.SERVERS, "2026-10-03T21:00", True),  # within a holiday nobody works
    (Ring.SERVERS, "2026-04-04T21:00", True),  # a short holiday is no reason
]


@pytest.mark.parametrize(("ring", "when", "opened"), WINDOWS)
def test_windows(ring: Ring, when: str, opened: bool):
    assert is_open(ring, at(when), CALENDAR) is opened
    assert is_open(ring, at(when).astimezone(UTC), CALENDAR) is opened


def test_the_next_window_is_named():
    window = window_at(Ring.SERVERS, at("2026-02-10T09:00"), CALENDAR)
    assert window is not None
    assert window.opens == at("2026-02-21T20:00"), "the Saturday before is a make-up day"
    assert not window.provisional


@pytest.mark.parametrize(
    ("when", "provisional"), [("2026-11-24T09:00", False), ("2026-12-30T09:00", True), ("2027-06-01T09:00", True)]
)
def test_a_year_without_a_notice_is_provisional_and_no_crash(when: str, provisional: bool):
    window = window_at(Ring.PILOT, at(when), CALENDAR)
    assert window is not None
    assert window.provisional is provisional


def test_every_saturday_for_three_years_has_an_answer():
    now = at("2025-01-01T00:00")
    for _ in range(3 * 365):
        assert window_at(Ring.SERVERS, now, CALENDAR) is not None
        now += timedelta(days=1)


def test_no_notice_at_all():
    assert is_open(Ring.PILOT, at("2026-11-24T12:30"), read_calendar({}))


def test_there_is_one_clock() -> None:
    room = Path(windows.__file__).parents[1]
    assert [f.name for f in room.rglob("*.py") if "ZoneInfo(" in f.read_text("utf-8")] == ["windows.py"]


def test_a_day_is_the_citys() -> None:
    assert day_words("2027-01-30T16:00:00+00:00") == "2027-01-31"
    assert day_words(datetime(2027, 1, 31, 15, 59, 59, tzinfo=UTC)) == "2027-01-31"
