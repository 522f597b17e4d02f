"""A request as the real control plane shows it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
AT = "2026-11-24T15:08:41+00:00"
DIGEST = "7f3a9c1e" + "0" * 56
NEED: Json = {
    "role": "operator",
    "title": "operator",
    "by": "directory:wangwei",
    "by_name": "王伟",
    "at": AT,
    "note": "",
    "for_name": None,
    "letter": None,
}
ROW: Json = {
    "id": 147,
    "reference": "R-2026-0147",
    "tenant": "fgw",
    "tenant_name": "市发展和改革委员会",
    "offering": "public_site",
    "title": "Public website",
    "action": "new",
    "action_title": "new service",
    "tier": "S",
    "note": "for the census",
    "state": "review",
    "state_title": "under review",
    "sentence": "Some have signed; it waits for the others.",
    "steps": [
        {"title": "submitted", "state": "done"},
        {"title": "reviewed", "state": "now"},
        {"title": "approved", "state": "next"},
        {"title": "live", "state": "next"},
    ],
    "has_it": {"names": ["directory:lina"], "roles": ["approver"], "text": "department approver: 李娜"},
    "next": "It is made real once these have signed: department approver.",
    "due": "2026-12-01T17:00:00+08:00",
    "due_provisional": False,
    "due_paused": False,
    "overdue": False,
    "lead_days": 5,
    "class": "wide",
    "class_title": "wide change",
    "needs": [NEED, {**NEED, "role": "approver", "by": None, "by_name": None, "at": None, "note": None}],
    "asker": "directory:zhang",
    "asker_name": "张三",
    "created_at": AT,
    "submitted_at": AT,
    "changed_at": AT,
    "finished_at": None,
    "run": None,
    "why": None,
    "mine": False,
    "acts": ["comment", "sign", "letter", "return", "refuse"],
}
PROBLEM: Json = {
    "code": "taken",
    "where": "fgw/public_site",
    "line": None,
    "pointer": "sites[0].names.main",
    "detail": "“a” is already taken by gaj.",
    "remedy": "Choose another one.",
    "severity": "error",
}
WORDS = ["New: name census.fgw.qingdao.test.", "New: website census.fgw.qingdao.test."]
REQUEST: Json = {
    **ROW,
    "spec": {"sites": []},
    "base": None,
    "version": 3,
    "problems": [PROBLEM],
    "digest": DIGEST,
    "plan_digest": DIGEST,
    "words": WORDS,
    "summary": {"create": 2, "update": 0, "delete": 0, "conflict": 0},
    "affected": ["fgw"],
    "lost": [],
    "reasons": ["Everybody on the internet can see census.fgw.qingdao.test."],
    "sign_as": ["approver"],
    "signoffs": [
        {
            **NEED,
            "digest": DIGEST,
            "stands_for": None,
            "for": None,
            "holds": True,
            "void_at": None,
            "void_reason": None,
        }
    ],
    "conversation": [
        {
            "number": 1,
            "at": AT,
            "type": "request.submitted",
            "title": "submitted it",
            "by": "directory:zhang",
            "by_name": "张三",
            "text": "",
            "system": False,
            "about": {"block": "web:web/web.vhost/fgw", "title": "website · web:web · fgw", "now": False},
        }
    ],
}
BLOCK: Json = {
    "block": "web:web/web.vhost/fgw",
    "title": "website · web:web · fgw",
    "tenant": "fgw",
    "part": "web:web",
    "kind": "web.vhost",
    "content": DIGEST,
    "counts": {"delete": 0, "conflict": 0, "update": 0, "create": 1},
    "changes": [1],
    "viewed": True,
    "viewed_at": AT,
    "changed_since": False,
}
ROWS: Json = {
    **{"request": "R-2026-0147", "action": "change", "list": "people"},
    **{"added": 30, "changed": 1, "same": 0},
}
PREVIEW: Json = {
    "words": WORDS,
    "summary": REQUEST["summary"],
    "affected": ["fgw"],
    "lost": [],
    "digest": DIGEST,
    "class": "wide",
    "class_title": "wide change",
    "class_sentence": "It is public, takes something away for good, or reaches many; further people sign.",
    "reasons": REQUEST["reasons"],
    "needs": [{"role": "operator", "title": "operator", "names": ["王伟"]}],
    "due": "2026-12-01T17:00:00+08:00",
    "due_provisional": False,
    "lead_days": 5,
    "warnings": [],
}
WRITING = ("draft", "save", "submit", "withdraw", "answer", "comment", "sign", "letter", "send_back", "refuse", "retry")
ANSWERS: Json = {
    "requests.list": [ROW],
    "requests.show": REQUEST,
    "requests.check": [PROBLEM],
    "requests.blocks": [BLOCK],
    "requests.mark": [BLOCK],
    "requests.check_rows": ROWS,
    "requests.take_rows": ROWS,
    "requests.preview": PREVIEW,
    **{f"requests.{name}": REQUEST for name in WRITING},
}
ACTS = tuple(f"requests.{name}" for name in (*WRITING, "mark", "take_rows"))
