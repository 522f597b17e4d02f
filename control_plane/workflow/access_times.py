"""Times of the access record: what people type, the days it is kept in, and which tenant an address was then.

Days and times without an offset are those of Asia/Shanghai.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network

from control_plane.model.errors import Problem
from control_plane.model.network import AddressPlan
from control_plane.model.text import t
from control_plane.model.windows import ZONE

Span = tuple[str, datetime | None, datetime | None]
_DAY = re.compile(r"\d{4}-\d\d-\d\d|\d{8}", re.ASCII)


def day_of(moment: datetime) -> date:
    """The day a time belongs to."""
    return moment.astimezone(ZONE).date()


def end_of(day: date) -> datetime:
    """When a day is over."""
    return datetime.combine(day + timedelta(days=1), time(), ZONE)


def read_moment(text: str, field: str, *, end: bool = False) -> tuple[datetime | None, list[Problem]]:
    """A time as people type it; a day alone is its beginning, or with `end` its end."""
    try:
        if _DAY.fullmatch(text.strip()):
            day = date.fromisoformat(text.strip())
            found = end_of(day) if end else datetime.combine(day, time(), ZONE)
        else:
            found = datetime.fromisoformat(text.strip())
        found = found.replace(tzinfo=ZONE) if found.tzinfo is None else found
        return found.astimezone(UTC), []
    except (ValueError, OverflowError):
        fault = t("“{text}” is no time.", text=text)
        remedy = t("Write a day such as 2026-11-24, or a time such as 2026-11-24T09:30 or 2026-11-24T01:30:00Z.")
        return None, [Problem("bad-time", fault, remedy, field=field)]


def read_window(begin: str, end: str, longest: timedelta | None = None) -> tuple[datetime, datetime, list[Problem]]:
    """From and to; the times mean nothing when there are problems."""
    first, faults = read_moment(begin, "from")
    last, more = read_moment(end, "to", end=True)
    problems = [*faults, *more]
    if first is None or last is None:
        return datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), problems
    if last <= first:
        fault = t("The window ends before it begins.")
        problems.append(Problem("bad-window", fault, t("Give --to a later time than --from."), field="to"))
    elif longest is not None and last - first > longest:
        fault = t("The window is longer than {days} days.", days=longest.days)
        remedy = t("Ask for a shorter one; a case that needs more asks several times.")
        problems.append(Problem("window-too-long", fault, remedy, field="to"))
    return first, last, problems


def tenant_finder(
    plan: AddressPlan, history: Sequence[tuple[str, int, datetime | None, datetime | None]]
) -> Callable[[str, datetime], str]:
    """Which tenant's network an address was in at a time; empty for none."""
    networks: dict[tuple[int, int, int], list[Span]] = {}
    lengths: set[tuple[int, int]] = set()
    for code, index, begin, end in history:
        segment = plan.tenant(index)
        for network in (segment.v4, segment.v6):
            lengths.add((network.version, network.prefixlen))
            key = (network.version, network.prefixlen, int(network.network_address))
            networks.setdefault(key, []).append((code, begin, end))

    @lru_cache(maxsize=1 << 16)
    def spans(address: str) -> tuple[Span, ...]:
        try:
            found = ip_address(address)
        except ValueError:
            return ()
        every: list[Span] = []
        for version, length in lengths:
            if version == found.version:
                network = ip_network((int(found), length), strict=False) if version == 4 else None
                first = int(network.network_address) if network else int(found) >> (128 - length) << (128 - length)
                every += networks.get((version, length, first), [])
        return tuple(every)

    def at(address: str, moment: datetime) -> str:
        for code, begin, end in spans(address):
            if (begin is None or begin <= moment) and (end is None or moment < end):
                return code
        return ""

    return at
