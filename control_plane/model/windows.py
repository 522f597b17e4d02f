"""When machines may be changed: working days from yearly notices (data), and windows by ring.

A year without a notice knows no moved days: its answers are provisional and say so. Times are Asia/Shanghai.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from control_plane.model.machine import Ring
from control_plane.model.text import Text, t

ZONE = ZoneInfo("Asia/Shanghai")
FOLDER = Path(__file__).parent.parent / "calendar" / "cn"
#: A holiday of this many days counts as long: no server is changed in the days before it.
LONG_HOLIDAY = 5
QUIET_DAYS = 3
#: Windows are looked for this many days ahead; the longest time without a server window is three weeks.
HORIZON = 60


def moment_words(at: datetime | str | None) -> str:
    """A time (aware, or ISO 8601) for people, to the minute; a dash for none."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M}" if moment else "–"


def day_words(at: datetime | str) -> str:
    """The day of a time (aware, or ISO 8601) for people."""
    return moment_words(at)[:10]


def span_words(seconds: float | str) -> Text:
    """A length of time in its largest whole unit: `24 h`, `90 min`, `45 s`; what is no number as it is."""
    try:
        whole = int(float(seconds))
    except ValueError:
        return Text(str(seconds))
    if whole and whole % 3600 == 0:
        return t("{hours} h", hours=whole // 3600)
    if whole and whole % 60 == 0:
        return t("{minutes} min", minutes=whole // 60)
    return t("{seconds} s", seconds=whole)


@dataclass(frozen=True, slots=True)
class Holiday:
    """Days off in a row, both ends included."""

    name: str
    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class Calendar:
    """Holidays and make-up working days of the years that have a notice."""

    years: frozenset[int]
    holidays: Sequence[Holiday] = ()
    workdays: frozenset[date] = frozenset()

    def known(self, day: date) -> bool:
        """Whether there is a notice for the day's year; if not, every answer about it is provisional."""
        return day.year in self.years

    def day_off(self, day: date) -> bool:
        """Whether people are off: a holiday, or a weekend that was not made a working day."""
        if any(h.first <= day <= h.last for h in self.holidays):
            return True
        return day.weekday() >= 5 and day not in self.workdays

    def make_up(self, day: date) -> bool:
        """Whether it is a weekend day on which people work."""
        return day in self.workdays

    def before_long_holiday(self, day: date) -> bool:
        """Whether a long holiday begins within the next three days."""
        return any(
            h.days >= LONG_HOLIDAY and timedelta(0) < h.first - day <= timedelta(days=QUIET_DAYS) for h in self.holidays
        )


def read_calendar(documents: Mapping[int, Mapping[str, Any]]) -> Calendar:
    """A calendar from the yearly documents (see the files in `control_plane/calendar/cn`)."""
    holidays = [Holiday(h["name"], h["first"], h["last"]) for d in documents.values() for h in d["holidays"]]
    workdays = frozenset(day for d in documents.values() for day in d["workdays"])
    return Calendar(frozenset(documents), tuple(sorted(holidays, key=lambda h: h.first)), workdays)


@cache
def chinese_calendar() -> Calendar:
    """The years whose notices this release carries."""
    import yaml

    return read_calendar({int(f.stem): yaml.safe_load(f.read_text("utf-8")) for f in FOLDER.glob("*.yml")})


@dataclass(frozen=True, slots=True)
class Window:
    """From `opens` to `closes` (not included), aware. `provisional`: a year without a notice is concerned."""

    opens: datetime
    closes: datetime
    provisional: bool


def windows(ring: Ring, first: date, calendar: Calendar) -> Iterable[Window]:
    """Windows of a ring that open on `first` or later, in order, as far as `HORIZON`.

    Clients (and the pilots among them): each day 12:00 to 13:30 and from 18:00 to midnight. Servers, the centre's own
    too: Saturday 20:00 to Sunday 06:00, unless either day is a make-up working day, or a long holiday is near.
    """
    for number in range(HORIZON):
        day = first + timedelta(days=number)
        following = day + timedelta(days=1)
        provisional = not (calendar.known(day) and calendar.known(day + timedelta(days=QUIET_DAYS + 1)))
        if ring not in (Ring.SERVERS, Ring.CENTRE):
            yield Window(_at(day, 12), _at(day, 13, 30), provisional)
            yield Window(_at(day, 18), _at(following, 0), provisional)
        elif day.weekday() == 5:
            both = (day, following)
            if not any(calendar.make_up(d) or calendar.before_long_holiday(d) for d in both):
                yield Window(_at(day, 20), _at(following, 6), provisional)


def window_at(ring: Ring, now: datetime, calendar: Calendar) -> Window | None:
    """The window that is open now, or the next one; None when there is none within the horizon."""
    local = now.astimezone(ZONE)
    return next((w for w in windows(ring, local.date() - timedelta(days=1), calendar) if now < w.closes), None)


def is_open(ring: Ring, now: datetime, calendar: Calendar) -> bool:
    """Whether machines of a ring may be changed now."""
    window = window_at(ring, now, calendar)
    return window is not None and window.opens <= now


def _at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), ZONE)
