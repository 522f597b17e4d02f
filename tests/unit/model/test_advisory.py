"""The table of deadlines, row by row."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from control_plane.model.advisory import Advisory, deadline, deadline_table, worst

DAY = date(2026, 11, 1)


def advisory(severity: Any = "low", **facts: bool) -> Advisory:
    return Advisory("A-1", "gasp-demo", "1.1", severity, DAY, **facts)


@pytest.mark.parametrize(
    ("found", "exposed", "days"),
    [
        (advisory("low", known_exploited=True, automatable=True), True, 3),
        (advisory("critical", known_exploited=True, automatable=True, total_control=True), True, 3),
        (advisory("low", known_exploited=True, automatable=True), False, 14),
        (advisory("low", known_exploited=True), True, 14),
        (advisory("critical", automatable=True, total_control=True), True, 14),
        (advisory("critical", automatable=True, total_control=True), False, 15),
        (advisory("critical"), True, 15),
        (advisory("high", automatable=True), True, 30),
        (advisory("medium"), True, 60),
        (advisory("low"), True, None),
        (advisory("low", total_control=True), False, None),
    ],
)
def test_days_follow_the_facts(found: Advisory, exposed: bool, days: int | None) -> None:
    assert deadline(found, exposed) == (None if days is None else DAY + timedelta(days=days))


def test_the_table_is_data_and_ends_with_a_row_for_everything_else() -> None:
    assert set(deadline_table()[-1]) == {"days"}
    assert deadline(advisory("low"), False, [{"severity": "low", "days": 7}]) == date(2026, 11, 8)


def test_forms_and_the_worst() -> None:
    row = {
        "id": "x",
        "package": "p",
        "fixed": "2",
        "severity": "high",
        "published": "2026-11-01T08:00:00Z",
        "cves": ["c"],
    }
    assert Advisory.from_json(row) == Advisory("x", "p", "2", "high", DAY, cves=("c",))
    assert worst([advisory("low"), advisory("high"), advisory("medium")]) == "high"
    assert worst([]) is None
