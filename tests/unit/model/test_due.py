"""Due dates: the moved days of 2007, evenings, days off, years without a notice, and how much of the time is gone."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.model.due import CLOSES, due, used
from control_plane.model.windows import ZONE, Calendar, Holiday, chinese_calendar

AUTUMN = Calendar(
    frozenset({2007}),
    (Holiday("国庆节", date(2007, 10, 1), date(2007, 10, 7)),),
    frozenset({date(2007, 9, 29), date(2007, 9, 30)}),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("since", "days", "until"),
    [
        ("2007-09-28 10:00", 5, "2007-10-10"),  # Saturday and Sunday are made up, the week after is off
        ("2007-09-28 17:00", 5, "2007-10-11"),  # after hours: handed in on the next working day
        ("2007-10-03 09:00", 1, "2007-10-09"),  # on a day off
        ("2007-10-08 16:59", 0, "2007-10-08"),
    ],
)
def test_due_on_the_right_day(since: str, days: int, until: str) -> None:
    found = due(at(since), days, AUTUMN)
    assert found.at == at(f"{until} 17:00")
    assert not found.provisional


def test_a_year_without_a_notice_is_provisional() -> None:
    assert due(at("2007-12-27 10:00"), 5, AUTUMN).provisional
    assert due(at("2026-12-30 10:00"), 3, chinese_calendar()).provisional
    assert not due(at("2026-12-28 10:00"), 3, chinese_calendar()).provisional


@given(st.datetimes(datetime(2025, 1, 1), datetime(2026, 10, 1)), st.integers(0, 30), st.integers(0, 10))
def test_what_is_used_and_what_is_left_add_up(since: datetime, days: int, later: int) -> None:
    calendar, start = chinese_calendar(), since.replace(tzinfo=ZONE)
    whole = due(start, days + later, calendar).at
    middle = due(start, days, calendar).at.replace(hour=CLOSES.hour - 1)
    assert used(start, middle, calendar) == days
    assert due(middle, later, calendar).at == whole
    assert not calendar.day_off(whole.date())
