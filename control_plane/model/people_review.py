"""The review of a department's people: once a quarter somebody says of everybody whether they are still there.

Pure rules: when one begins, until when it is to be done, what may be said of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from control_plane.model.text import Text, t
from control_plane.model.windows import ZONE

#: So long a department has time.
PERIOD = timedelta(days=21)
#: So many letters of what is said beside a decision.
MOST_WORDS = 200


class Decision(StrEnum):
    """What is said of a person."""

    STAYS = "stays"
    LEFT = "left"
    MOVED = "moved"
    GROUPS = "groups"


#: What it is called for people.
TITLES: Mapping[Decision, Text] = {
    Decision.STAYS: t("stays"),
    Decision.LEFT: t("has left"),
    Decision.MOVED: t("has moved to another department"),
    Decision.GROUPS: t("has other groups"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of one person. `more`: of who moved, where to, in words; of other groups, their names."""

    what: Decision
    more: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """One of a department. `quarter` is such as 2026Q4; `counts`: how many of each decision; `moves`: who moved, and
    where to in the words of the department, by uid. `decided_at` None: it is still to be done."""

    id: int
    tenant: str
    tenant_id: str
    quarter: str
    opened_at: datetime
    due_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    counts: Mapping[str, int]
    moves: Mapping[str, str]

    def state(self, now: datetime) -> str:
        """`done`, `overdue` or `due`."""
        return "done" if self.decided_at is not None else "overdue" if now > self.due_at else "due"


def quarter_of(moment: datetime) -> str:
    """The quarter of a moment, in the city's time."""
    day = moment.astimezone(ZONE).date()
    return f"{day.year}Q{(day.month + 2) // 3}"


def begin_of(moment: datetime) -> datetime:
    """The first moment of that quarter."""
    day = moment.astimezone(ZONE).date()
    first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return datetime(first.year, first.month, first.day, tzinfo=ZONE)
