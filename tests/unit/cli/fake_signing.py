"""Canned answers about who signs: substitutes, roles that lack people, the table of classes."""

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
TABLE: Json = {
    **{"most_tenants": 20, "most_hosts": 50, "not_standard": []},
    "lines": {
        name: {"class": "wide", "signs": ["approver", "operator"]}
        for name in ("public", "destroys", "many", "otherwise")
    },
}
PROPOSED: Json = {
    **{"number": 3, "state": "proposed", "at": AT, "by": "directory:wangwei", "reason": "two more departments"},
    **{"signed_at": None, "signed_by": None, "stands_for": None, "ended_at": None, "ended_by": None},
    **{"ended_reason": None, "digest": "d" * 64},
    "differences": [{"field": "most_tenants", "title": "many departments", "before": "20", "after": "22"}],
}
PROPOSAL: Json = {**PROPOSED, "table": TABLE, "acts": ["sign", "refuse"]}
SHOWN: Json = {
    **{"number": 0, "table": TABLE, "since": None, "by": None, "signed_by": None, "reason": None, "proposal": PROPOSAL},
    "lines": [
        {
            **{"name": "public", "title": "what everybody can see", "class": "wide", "class_title": "wide change"},
            **{"signs": ["approver", "operator"], "sign_titles": ["department approver", "operator"]},
        }
    ],
}
SIGNED: Json = {**PROPOSAL, "state": "in_force", "signed_at": AT, "signed_by": "directory:li", "acts": []}
EMERGENCY: Json = {
    **{"id": 3, "request": "R-2026-0147", "tenant": "fgw", "tenant_name": "发改委", "offering": "internet"},
    **{"title": "internet access", "class_title": "emergency", "state": "stands", "sentence": "It is real."},
    **{
        "by": "local:root",
        "by_name": "local:root",
        "at": AT,
        "reason": "the line is cut",
        "expires_at": AT,
        "run": 482,
    },
    **{"back_run": None, "why": None, "request_state": "submitted", "review_due": AT, "overdue": False},
    **{"reviewed_at": None, "reviewed_by": None, "review": None, "acts": ["review"]},
}
ANSWERS: dict[str, Any] = {
    "substitutes.list": [SUBSTITUTION],
    "substitutes.name": SUBSTITUTION,
    "substitutes.end": ENDED,
    "substitutes.staffing": [SHORT],
    "emergencies.list": [EMERGENCY],
    "emergencies.apply": EMERGENCY,
    "emergencies.review": {**EMERGENCY, "reviewed_at": AT, "reviewed_by": "local:li", "review": "yes", "acts": []},
    "classes.show": SHOWN,
    "classes.history": [PROPOSED],
    "classes.propose": PROPOSAL,
    "classes.sign": {**SIGNED, "requests": 2},
    "classes.refuse": {**PROPOSAL, "state": "refused", "acts": []},
}
ACTS = (
    "substitutes.name",
    "substitutes.end",
    "classes.propose",
    "classes.sign",
    "classes.refuse",
    "emergencies.apply",
    "emergencies.review",
)
