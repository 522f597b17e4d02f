"""The month's volume of internet access: its marks, when it is there again, and what that means for the department.

Pure. The gateway counts, warns and throttles by itself (`model.internet.Usage`); here is what people are told of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control_plane.model.text import Text, t
from control_plane.model.windows import ZONE, moment_words

MARKS = ("warned", "throttled")
FULL = 100
#: How often the gateway looks at the volumes and slows or releases by them; counted is whenever somebody asks.
LOOK_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """A share of a month's volume that was reached: `mark` of `MARKS`, `percent` of `month_octets`, `at` (ISO 8601)."""

    month: str
    mark: str
    percent: int
    month_octets: int
    throttle_kbit: int
    at: str

    def key(self, tenant_id: str) -> str:
        """Names it for good: one tenant reaches one mark of one limit once a month."""
        return f"volume/{tenant_id}/{self.month}/{self.month_octets}/{self.mark}"


def month_end(month: str) -> datetime:
    """The first moment after `month` (YYYY-MM)."""
    year, number = int(month[:4]), int(month[5:7])
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=ZONE)


def marks(usage: Mapping[str, Any]) -> Iterator[Mark]:
    """Marks that a tenant has reached, in this month and in the one before, which may have ended unseen."""
    closed = usage.get("closed") or {}
    months = [(max(closed), closed[max(closed)])] if closed else []
    for month, row in [*months, (usage["month"], usage)]:
        for mark in MARKS:
            if row.get(mark) and row.get("month_octets"):
                percent = FULL if mark == "throttled" else int(row["warn_percent"])
                limits = int(row["month_octets"]), int(row["throttle_kbit"])
                yield Mark(month, mark, percent, *limits, str(row[mark]))


def volume_words(octets: int) -> str:
    """`50 GiB`, as tiers are named."""
    size, unit = float(octets), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:,.1f}".removesuffix(".0") + f" {unit}"


def rate_words(kbit: int) -> str:
    """`1 Mbit/s`."""
    return f"{kbit / 1000:g} Mbit/s"


def what_next(row: Mapping[str, Any]) -> Text | None:
    """What the volume of a tenant means now, and what comes next; None below the first mark. `row` as in
    `InternetClient.show`."""
    if row["state"] not in MARKS or not row["until"]:
        return None
    rate, until = rate_words(row["rates"]["throttle_kbit"]), moment_words(row["until"])
    if row["state"] == "throttled" and not row["throttled_at"]:
        return t("There is volume again. Both directions are still slowed to {rate}, until the gateway's next look "
                 "within {seconds} s.", rate=rate, seconds=LOOK_SECONDS)  # fmt: skip
    if row["state"] == "warned" and row["throttled_at"]:
        return t(
            "The month's volume was used up on {at}. At the gateway's next look, within {seconds} s, both directions "
            "are slowed to {rate}, never cut, until {until}. For more, ask for a larger tier: the department in the "
            "portal, under “Change this service”.",
            at=moment_words(row["throttled_at"]), rate=rate, until=until, seconds=LOOK_SECONDS,
        )  # fmt: skip
    if row["state"] == "throttled":
        return t(
            "The month's volume was used up on {at}. Both directions are slowed to {rate}, never cut, until {until}. "
            "For more, ask for a larger tier: the department in the portal, under “Change this service”.",
            at=moment_words(row["throttled_at"]), rate=rate, until=until,
        )  # fmt: skip
    return t(
        "{percent} % of the month's volume was used on {at}. When all of it is, both directions are slowed to {rate}, "
        "never cut, until {until}. For more, ask for a larger tier: the department in the portal, under “Change this "
        "service”.",
        percent=row["warn_percent"], at=moment_words(row["warned_at"]), rate=rate, until=until,
    )  # fmt: skip
