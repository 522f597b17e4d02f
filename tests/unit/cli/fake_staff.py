"""Answers about people of departments, and of somebody who leaves the centre."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
AT = "2026-11-28T09:50:00+00:00"
PERSON: Json = {
    **{"uid": "zhangsan", "tenant": "fgw", "name": "张三", "status": "active", "left_on": None, "removed_on": None},
    **{"uid_number": 10001, "groups": ["all"], "family_name": "张", "given_name": "三", "pinyin": None},
    **{"employee_number": "000001", "mail": None, "title": "科员", "phone": None},
}
STEP: Json = {
    **{"row": 2, "uid": "zhangsan", "name": "张三", "tenant": "czj", "from": "fgw", "what": "moves"},
    "columns": ["groups"],
}
SEEN: Json = {
    **{"digest": "ab" * 32, "encoding": "UTF-8", "rows": 1, "tenants": ["czj", "fgw"], "lines": [STEP]},
    "counts": {"joins": 0, "moves": 1, "returns": 0, "changes": 0, "leaves": 0, "same": 0},
    **{"warnings": [], "sentence": "1 moves.", "confirm": None},
}
SHEET: Json = {
    **{"id": 12, "tenant": "fgw", "people": 1, "uids": ["zhangsan"], "reason": "new", "state": "ready", "made_at": AT},
    **{"made_by": "local:root", "expires_at": AT, "opened_at": None, "opened_by": None},
}
GROUP: Json = {
    **{"id": "fgw/leaders", "tenant": "fgw", "name": "leaders", "zh": "领导", "en": "Leaders", "gid": 20001},
    **{"people": ["zhangsan"], "count": 1},
}
CHANGED: Json = {"tenant": "fgw", "name": "leaders", "sentence": "fgw gets the group leaders (领导)."}
REVIEW: Json = {
    **{"id": 7, "tenant": "fgw", "quarter": "2026Q4", "state": "due", "opened_at": AT, "due_at": AT},
    **{"decided_at": None, "decided_by": None, "counts": {}, "moves": {}},
}
DECIDED: Json = {
    **{"tenant": "fgw", "quarter": "2026Q4", "counts": {"stays": 1, "left": 1, "moved": 0, "groups": 0}},
    **{"moves": {}, "locked": True, "request": None},
}
ANSWERS: Json = {
    "groups.list": [GROUP],
    "groups.show": {**GROUP, "members": [{"uid": "zhangsan", "name": "张三"}]},
    "groups.change": {**CHANGED, "run": 482},
    "reviews.list": [REVIEW],
    "reviews.show": {
        **REVIEW,
        "people": [{"uid": "zhangsan", "name": "张三", "title": None, "groups": ["all"]}],
    },
    "reviews.decide": DECIDED,
    "reviews.move": {"id": 7, "moved": ["zhangsan"], "left": [], "run": 482},
    "staff.cut": {"people": 1, "sessions": 1, "tokens": 0, "grants": 1, "locked": True},
    "staff.settle": {"tenant": "fgw", "run": 482},
    "staff.show": PERSON,
    "staff.check": SEEN,
    "staff.joining": SEEN,
    "staff.take": {**SEEN, "run": 482, "cut": {"people": 0, "sessions": 0, "tokens": 0}},
    "staff.add": {"uid": "zhangsan", "tenant": "fgw", "run": 482},
    "staff.leave": {
        **{"uid": "zhangsan", "tenant": "fgw", "left_on": "2026-11-28", "removed_on": "2026-12-28"},
        **{"sessions": 1, "tokens": 0, "grants": 1, "run": 482},
    },
    "sheets.issue": SHEET,
    "sheets.list": [SHEET],
    "sheets.open": {
        **{"id": 12, "tenant": "fgw", "expires_at": AT},
        "rows": [{"uid": "zhangsan", "name": "张三", "password": "never-to-be-printed"}],
    },
    "people.leave": {
        **{"person": "directory:wangwei", "name": "王伟", "at": AT, "by": "local:root", "reason": "x", "to": None},
        **{"roles": [{"role": "operator", "tenant": None}], "sessions": 1, "tokens": 2, "second_factor": True},
        **{"password": False, "substitutions": 0, "requests": [], "drafts": 0, "entry": 812},
        "next": "gasp accounts leave wangwei --reason …",
    },
}
FOUND: Json = {
    **{"person": "directory:zhangsan", "known": True, "status": "left", "digest": "cd" * 32, "confirm": "cdcdcdcd"},
    **{"erased": [{"table": "people", "rows": 1}], "keys": 3, "blocked": [], "sentence": "1 row is erased."},
    "kept": [{"table": "audit_entries", "rows": 2, "why": "It only grows.", "until": None}],
    "files": [{"file": "web.log", "fate": "kept", "why": "A log."}],
}
ANSWERS |= {
    "persons.find": FOUND,
    "persons.export": {
        **{"person": "directory:zhangsan", "at": AT, "by": "local:root", "reason": "x", "account": PERSON},
        **{"directory": {"uid": ["zhangsan"]}, "tables": {"people": [{"display": "张三"}]}, "record": None},
        **{"files": [], "remarks": ["Content of websites is not searched."]},
    },
    "persons.erase": {**FOUND, "run": 482, "entry": 813, "left": {**FOUND, "erased": [], "confirm": None}},
}
ACTS = (
    *("persons.erase", "groups.change", "reviews.decide", "reviews.move", "staff.settle"),
    *("staff.take", "staff.add", "staff.leave", "sheets.issue", "sheets.open", "people.leave"),
)
