"""Due dates in real working days: holidays off, make-up days on, and a clock that can be stopped.

The day of the submission is day 0; after 17:00 or on a day off it counts as handed in on the next working day. A date
that reaches a year without a notice is provisional, and another one once the notice is there: it is never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from control_plane.model.windows import ZONE, Calendar

CLOSES = time(17)


@dataclass(frozen=True, slots=True)
class Due:
    """When something is due (17:00 of a working day, aware), and whether a missing notice may still move it."""

    at: datetime
    provisional: bool


def due(since: datetime, working_days: int, calendar: Calendar) -> Due:
    """The end of the so-manieth working day after `since`; 0 means the same working day."""
    day = _day_zero(since, calendar)
    known = calendar.known(day)
    for _ in range(working_days):
        day = _next(day, calendar)
        known = known and calendar.known(day)
    return Due(datetime.combine(day, CLOSES, ZONE), not known)


def used(since: datetime, until: datetime, calendar: Calendar) -> int:
    """Working days that began between two moments, by the same count: how much of the time is gone."""
    day, last, count = _day_zero(since, calendar), until.astimezone(ZONE).date(), 0
    while (day := _next(day, calendar)) <= last:
        count += 1
    return count


def _day_zero(since: datetime, calendar: Calendar) -> date:
    local = since.astimezone(ZONE)
    if calendar.day_off(local.date()) or local.time() >= CLOSES:
        return _next(local.date(), calendar)
    return local.date()


def _next(day: date, calendar: Calendar) -> date:
    day += timedelta(days=1)
    while calendar.day_off(day):
        day += timedelta(days=1)
    return day
