"""Canned answers about who signs: substitutes, roles that lack people."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
AT = "2026-11-24T15:08:41+00:00"
SUBSTITUTION: Json = {
    **{"id": 12, "role": "approver", "title": "department approver", "tenant": "fgw", "state": "in_force"},
    **{"person": "directory:lina", "name": "李娜", "stands_for": "directory:wangwei", "stands_for_name": "王伟"},
    **{"since": AT, "until": "2026-12-31T15:59:59+00:00", "by": "directory:wangwei", "reason": "on leave"},
    **{"ended_at": None, "ended_by": None, "ended_reason": None, "may_end": True},
}
ENDED: Json = {**SUBSTITUTION, "state": "ended", "ended_at": AT, "ended_by": "local:root", "ended_reason": "back"}
SHORT: Json = {
    **{"role": "operator", "title": "operator", "tenants": [], "have": 1, "need": 2, "state": "warning"},
    "sentence": "1 of 2 people hold the role operator.",
}
ANSWERS: dict[str, Any] = {
    "substitutes.list": [SUBSTITUTION],
    "substitutes.name": SUBSTITUTION,
    "substitutes.end": ENDED,
    "substitutes.staffing": [SHORT],
}
ACTS = ("substitutes.name", "substitutes.end")
