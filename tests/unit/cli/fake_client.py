"""A control plane made of canned answers, with the same forms as the real one. It records what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from control_plane.model.errors import ControlPlaneError, NotFound, UnsafePlan
from control_plane.model.text import t

from . import fake_machines, fake_requests, fake_signing, fake_staff
from .fake_rollouts import ACTS as ROLLOUT_ACTS
from .fake_rollouts import ROLLOUTS

Json = dict[str, Any]
DIGEST = "7f3a9c1e" + "0" * 56
AT = "2026-11-24T15:08:41+00:00"


def change(action: str, number: int = 1, **more: Any) -> Json:
    before = None if action in ("create", "conflict") else {"name": f"n{number}", "ttl": 300, "values": ["10.94.0.5"]}
    after = None if action == "delete" else {"name": f"n{number}", "ttl": 60, "values": ["10.94.0.9"]}
    return {
        "action": action,
        "kind": "dns.rrset",
        "id": f"dns:n{number}.qingdao.test/A",
        "label": f"n{number}.qingdao.test A",
        "system": "dns",
        "part": "dns:qingdao.test",
        "tenant": "dagj",
        "offering": "public_site",
        "reason": {"create": "new", "update": "changed", "delete": "removed"}.get(action, "foreign-in-the-way"),
        "destroys_data": False,
        "hand_made": False,
        "in_the_way": "TXT dagj (hand-made)" if action == "conflict" else None,
        "before": before,
        "after": after,
        "before_hash": None if before is None else "a" * 64,
        "after_hash": None if after is None else "b" * 64,
        **more,
    }


def plan(*changes: Json, **more: Any) -> Json:
    counts = {action: sum(c["action"] == action for c in changes) for action in ("create", "update", "delete")}
    return {
        "digest": DIGEST,
        "observed_at": AT,
        "scope": "tenant:dagj",
        "summary": {
            **counts,
            "conflict": sum(c["action"] == "conflict" for c in changes),
            "unchanged": 2,
            "kept": 0,
            "retiring": 0,
            "waiting": 0,
            "foreign": 0,
            "unmeasured": 0,
        },
        "affected_tenants": ["dagj"] if changes else [],
        "reloads": [],
        "changes": list(changes),
        "foreign": [],
        "unmeasured": [],
        "broken": [],
        "waiting": [],
        "kept": [],
        "retiring": [],
        "guards": [],
        **more,
    }


GUARD = {"code": "destroys-data", "detail": "1 deletion destroys data of dagj: old.admin.", "confirm": "dagj"}


INTERNET = {
    "tenant": "fgw",
    "name": "市发展和改革委员会",
    "enabled": True,
    "tier": "M",
    "state": "warned",
    "used_octets": 200 * 2**30,
    "month_octets": 200 * 2**30,
    "used_percent": 100.0,
    "warned_at": "2026-11-20T09:00:00+08:00",
    "throttled_at": None,
    "until": "2026-12-01T00:00:00+08:00",
    "rules": 1,
    "direct": 1,
    "peers": [],
    "policy": 3,
}
POLICY = {
    **{"number": 3, "state": "going_out", "at": AT, "by": "local:root", "reason": "new betting sites"},
    **{"tenants": ["fgw"], "count": 1, "rollouts": [4], "digest": "7f" * 32},
}
POLICY_CHANGES = [{"field": "categories.gambling", "sentence": "Category gambling: 1 more: .betting.test"}]

UNSEEN_DRIFT = {
    **dict.fromkeys(("kind", "tenant", "offering", "before", "after", "kept_until")),
    **{"id": "dns:qingdao.test", "label": "dns:qingdao.test", "part": "dns:qingdao.test"},
    **{"action": "unmeasured", "reason": "SERVFAIL"},
}


def run(state: str = "done", **more: Any) -> Json:
    return {
        "id": 482,
        "kind": "apply",
        "state": state,
        "sentence": "3 changes done.",
        "exit_code": 0,
        "scope": "tenant:dagj",
        "digest": DIGEST,
        "actor": {"key": "a1", "name": "local:root"},
        "started_at": AT,
        "finished_at": "2026-11-24T15:08:46.100000+00:00",
        "counts": {"applied": 3, "total": 3},
        "failures": [],
        "affected_tenants": ["dagj"],
        "verified": state == "done",
        "unmeasured": [],
        **more,
    }


FAILURE = {
    "change_id": "web:web/vhost/fgw.qingdao.test",
    "tenant": "fgw",
    "state": "failed",
    "text": "unexpected “}”",
    "file": "fgw.qingdao.test.conf",
    "line": 18,
}
EVENTS = [
    ("run.created", {"scope": "tenant:dagj", "actor": "a1", "kind": "apply"}),
    ("run.leased", {"token": 7}),
    ("plan.observed", {"digest": DIGEST, "summary": {"create": 3}, "reads": 6, "unmeasured": []}),
    ("plan.confirmed", {"digest": DIGEST, "steps": 3, "affected_tenants": ["dagj"], "generations": {}}),
    ("part.started", {"part": "dns:qingdao.test", "changes": 3}),
    ("part.progress", {"done": 2, "total": 3, "parts": {"dns:qingdao.test": [2, 3]}}),
    (
        "change.failed",
        {
            "id": "x",
            "tenant": "fgw",
            "state": "failed",
            "text": {"msgid": "Refused by {who}.", "params": {"who": "ns1"}},
        },
    ),
    ("change.held", {"ids": ["y"], "count": 1, "why": {"msgid": "Waits.", "params": {}}}),
    ("part.done", {"part": "dns:qingdao.test", "done": 3, "total": 3}),
    ("verify.started", {"parts": ["dns:qingdao.test"]}),
    ("verify.done", {"empty": True, "left": []}),
    ("run.finished", {"state": "done", "verified": True, "counts": {"applied": 3}, "sentence": {"msgid": "x"}}),
]


def events() -> list[Json]:
    return [
        {"run": 482, "number": number, "at": AT, "type": kind, "data": data}
        for number, (kind, data) in enumerate(EVENTS, 1)
    ]


ANSWERS: dict[str, Any] = {
    "plan": plan(change("create", 1), change("update", 2), change("delete", 3)),
    "get_plan": plan(change("create", 1), change("update", 2), change("delete", 3)),
    "apply": run(),
    "runs": [run(), run("failed", id=481, counts={"failed": 2, "total": 2})],
    "run": run(failures=[FAILURE]),
    "run_events": events(),
    "stop_run": run("stopping", finished_at=None),
    "resume_run": run(kind="resume"),
    "undo_run": plan(
        change("update"), restores=[{"subscription": "dagj/public_site", "from_generation": 3, "to_generation": 2}]
    ),
    "restores.plan": plan(
        change("update"),
        restores=[{"subscription": "dagj/public_site", "from_generation": 3, "to_generation": 1}],
        left=[{"subscription": "dagj/intranet", "sentence": "It was not wanted then and stays."}],
    ),
    "drift": [
        {
            "id": "dns:fgw.qingdao.test/A",
            "kind": "dns.rrset",
            "label": "fgw.qingdao.test A",
            "tenant": "fgw",
            "offering": "public_site",
            "part": "dns:qingdao.test",
            "action": "update",
            "before": {"values": ["10.94.0.9"]},
            "after": {"values": ["192.0.2.1"]},
            "kept_until": None,
            "reason": "drift",
        }
    ],
    "drift_revert": run(kind="revert"),
    "explain": {
        "subject": "fgw.qingdao.test",
        "matches": [
            {
                "type": "dns.rrset",
                "id": "dns:fgw.qingdao.test/A",
                "title": "fgw.qingdao.test A",
                "tenant": "fgw",
                "offering": "public_site",
                "asked_by": {"actor": "local:root", "cause": "import", "at": AT},
                "desired": {"values": ["10.94.0.9"], "ttl": 300},
                "observed": {"values": ["192.0.2.1"], "ttl": 300},
                "since": AT,
                "state": "drift",
                "last_change": {"run": 482, "at": AT, "actor": "local:root", "action": "create"},
                "next": "gasp plan subscription:fgw/public_site",
            }
        ],
        "more": 0,
    },
    "status": {
        "version": "0.1.0",
        "estate": "qingdao",
        "tenants": {"served": 82, "network_only": 12, "listed": 19},
        "subscriptions": {"total": 300, "pending": 2, "by_offering": {"directory": 94}},
        "hosts": {"running": 104},
        "last_run": {
            k: v for k, v in run().items() if k not in ("failures", "affected_tenants", "verified", "unmeasured")
        },
        "last_plan": {"digest": DIGEST, "scope": "estate", "created_at": AT, "summary": {"create": 1}},
        "busy": False,
        "drift_kept": 0,
        "console_url": "https://localhost:8443/",
    },
    "doctor": [
        {"check": "state", "state": "passed", "detail": "/var/lib/gasp, mode 0700", "remedy": None},
        {"check": "disk", "state": "warning", "detail": "900 MB are free.", "remedy": "Free some space."},
    ],
    "hosts": [
        fake_machines.ROW,
        {
            "name": "web",
            "role": "web",
            "zone": "core",
            "tenant": None,
            "ipv4": "10.94.0.14",
            "ipv6": "fd94:0:0:1::14",
            "mgmt": "10.94.254.14",
            "state": "running",
            "restarts": 0,
            **fake_machines.NOT_ENROLLED,
        },
    ],
    "accounts": [
        {
            "uid": "zhangsan",
            "tenant": "fgw",
            "name": "张三",
            "uid_number": 10001,
            "status": "active",
            "groups": ["staff"],
        }
    ],
    "probes": [
        {
            "id": "fgw/public_site/home",
            "kind": "http",
            "vantage": "citizen",
            "tenant": "fgw",
            "offering": "public_site",
            "title": "The home page answers.",
        }
    ],
    "tenants": [
        {
            "code": "fgw",
            "id": "t_k3",
            "name_zh": "市发展和改革委员会",
            "name_en": "Development and Reform Commission",
            "kind": "government_department",
            "status": "served",
            "network_index": 17,
            "subscriptions": ["directory", "public_site"],
            "short_zh": "市发展改革委",
            "pending": [],
        },
        {
            "code": "sjj",
            "id": "t_k4",
            "name_zh": "市审计局",
            "name_en": "Audit Bureau",
            "kind": "government_department",
            "status": "listed",
            "network_index": None,
            "subscriptions": [],
            "short_zh": None,
            "pending": [],
        },
    ],
    "tenant": {
        "code": "fgw",
        "names": {"zh": "市发展和改革委员会", "short_zh": "市发展改革委", "en": "Development and Reform Commission"},
        "kind": "government_department",
        "status": "served",
        "region_code": "370200",
        "parent": None,
        "valid_from": None,
        "valid_to": None,
        "network": {"index": 17},
        "contacts": [{"name": "王工", "phone": None, "email": None, "role": "liaison"}],
        "id": "t_k3",
        "subscriptions": [
            {"offering": "directory", "tier": "M", "generation": 2, "observed_generation": 1, "state": "pending"}
        ],
    },
    "preview_import": {
        "digest": "c" * 64,
        "encoding": "UTF-8",
        "encodings": {"fgw.yaml": "GB18030"},
        "create": ["dagj"],
        "update": [{"code": "fgw", "fields": ["names.en"]}],
        "unchanged": ["sjj"],
        "end": [],
        "absent": ["czj"],
        "estate": {},
        "warnings": [
            {
                "code": "main-name",
                "where": "fgw.yaml",
                "line": 3,
                "pointer": "names",
                "detail": "No Chinese name.",
                "remedy": None,
            }
        ],
    },
    "export_tenants": {"folder": "/tmp/x", "files": ["fgw.yaml"]},
    "preview_offboard": {
        "code": "dagj",
        "plan": plan(change("delete")),
        "subscriptions": ["dagj/public_site"],
        "people": 12,
        "sites": 1,
        "releases": 1,
        "retiring_seconds": 300,
    },
    "offboard": {
        "code": "dagj",
        "tenant_id": "t_k9",
        "run": 482,
        "archive": "dagj.tar.gz",
        "archive_sha256": "d" * 64,
        "remaining": [],
        "left_on_lost": [{"id": "machine:m_3k7/baseline", "machine": "pc-17", "reason": "stolen"}],
        "others_changed": [],
        "issued_at": AT,
    },
    "sites": [
        {
            "site": "fgw.qingdao.test",
            "name": "fgw.qingdao.test",
            "tenant": "fgw",
            "offering": "public_site",
            "title": "市发展改革委",
            "names": ["fgw.qingdao.test"],
            "release": "3f9a12",
            "preview": None,
            "releases": 2,
            "state": "live",
            "url": "https://fgw.qingdao.test/",
        }
    ],
    "publish_release": {
        "release": "3f9a12",
        "site": "fgw.qingdao.test",
        "files": 40,
        "bytes": 123456,
        "new": True,
        "check": "waiting",
        "warnings": ["No index.html in docs/."],
        "next": "gasp sites preview fgw.qingdao.test 3f9a12",
    },
    "releases": [],
    "preview_release": {
        "site": "fgw.qingdao.test",
        "release": "3f9a12",
        "run": 482,
        "url": "https://preview-fgw.intra.qingdao.test/",
    },
    "activate_release": {
        "site": "fgw.qingdao.test",
        "release": "3f9a12",
        "previous": "starter",
        "run": 482,
        "url": "https://fgw.qingdao.test/",
    },
    "internet.list": [INTERNET],
    "internet.show": {
        **INTERNET,
        "name_zh": "市发展和改革委员会",
        "name_en": "Development and Reform Commission",
        "v4": "10.94.1.0/24",
        "v6": "fd94:0:2:1::/64",
        "rates": {"up_kbit": 50000, "down_kbit": 50000, "throttle_kbit": 1000},
        "warn_percent": 80,
        "otherwise": "allow",
        "rules": [
            {
                "id": "fgw-10",
                "action": "block",
                "hosts": [".games.test"],
                "category": None,
                "hours": {"days": "MTWHF", "begin": "08:00", "end": "18:00"},
                "owner": "tenant",
                "since": "2026-11-20",
                "reason_zh": "与工作无关",
                "reason_en": "Not for work",
            }
        ],
        "direct": [{"source": "10.94.1.0/24", "to": "time.example.test", "protocol": "udp", "ports": "123"}],
        "peers": [{"tenant": "gaj", "agreed": False}],
        "contact": {"name": "信息科", "phone": "8123", "email": ""},
        "proxy": "gateway.core.qingdao.test:3128",
        "pac_url": "http://why.intra.qingdao.test/proxy.pac",
        "why_url": "http://why.intra.qingdao.test/",
        "notes": [
            {
                "code": "peer-not-agreed",
                "where": None,
                "line": None,
                "pointer": "peers[0]",
                "detail": "gaj has not agreed yet.",
                "remedy": None,
                "severity": "warning",
            }
        ],
    },
    "policies.list": [POLICY],
    "policies.show": {**POLICY, "policy": {"first": [], "categories": {}}, "changes": POLICY_CHANGES},
    "policies.preview": {"based_on": 2, "changes": POLICY_CHANGES, "tenants": ["fgw", "czj"]},
    "policies.add": {**POLICY, "policy": {"first": [], "categories": {}}, "changes": POLICY_CHANGES},
    "internet.test": {
        "tenant": "fgw",
        "host": "fgw",
        "url": "http://www.games.test/",
        "reachable": True,
        "verdict": "open",
        "way": "proxy",
        "proxy": "gateway.core.qingdao.test:3128",
        "addresses": [],
        "remote": "10.94.0.254",
        "status": 403,
        "seconds": 0.02,
        "title": "拦截",
        "expected_rule": "fgw-10",
        "policy": 3,
        "rule": "fgw-10",
        "owner": "Development and Reform Commission",
        "since": "2026-11-20",
        "reason_zh": "与工作无关",
        "reason_en": "Not for work",
        "sees": "The page that explains the refusal.",
        "needs": "A change of the rule.",
    },
    "internet.refusals": [
        {
            "at": AT,
            "host": "www.games.test",
            "encrypted": False,
            "count": 3,
            "rule": "fgw-10",
            "owner": "Development and Reform Commission",
            "since": "2026-11-20",
            "reason_zh": "与工作无关",
            "reason_en": "Not for work",
            "reason": "与工作无关 · Not for work",
            "opens": True,
        }
    ],
    "internet.pac": "function FindProxyForURL(url, host) { return 'DIRECT'; }\n",
    "internet.sheet": b"sheet\n",
    "internet.preview": plan(change("update", 2), guards=[{"code": "x", "detail": "Cut.", "confirm": "7f3a9c1e"}]),
    "internet.change": {"tenant": "fgw", "enabled": True, "rules": 1, "notes": [], "run": 482},
    "maintenance": {"site": "fgw.qingdao.test", "maintenance": True, "run": 482},
    "database": {
        "url": "sqlite:////var/lib/gasp/gasp.db",
        "kind": "sqlite",
        "revision": "0001",
        "tables": [{"table": "actors", "rows": 3}],
    },
    "config": {
        name: {"value": value, "from": "default", "variable": f"GASP_{name.upper()}", "help": "A setting."}
        for name, value in {"state": "/var/lib/gasp", "lab": "lab", "estate": "/srv/tenants/qingdao"}.items()
    },
}
SNAPSHOT = {
    "id": "p20261128-174819",
    "kind": "patches",
    "made_at": AT,
    "source": "lab",
    "content": 3,
    "octets": 1952,
    "rings": [0, 1],
}
SYNCED = {
    "kind": "patches",
    "snapshot": "p20261128-174819",
    "latest": "p20261128-174819",
    "octets": 1952,
    "advisories_changed": True,
}
ADVISORY = {
    "id": "LAB-2026-1",
    "package": "gasp-demo",
    "fixed": "1.1",
    "severity": "critical",
    "published": "2026-11-20",
    "known_exploited": True,
    "automatable": True,
    "total_control": True,
    "cves": ["CVE-2026-10001"],
}
ANSWERS |= {
    "snapshots.all": [SNAPSHOT, {**SNAPSHOT, "id": "s20261128-174822", "kind": "signatures", "rings": []}],
    "snapshots.show": {
        **SNAPSHOT,
        "before_in": [2],
        "signer": "606410D7B0506B0220ABE3C4350381841515A929",
        "contents": [{"name": "gasp-demo", "architecture": "all", "version": "1.0"}],
        "files": [],
        "advisories": [ADVISORY],
    },
    "snapshots.estimate": [
        {"kind": "patches", "content": 3, "fetch": 1952, "need": 6048, "free": 10**9, "reserve": 10**6, "total": 1952,
         "first": True, "enough": True}
    ],
    "snapshots.sync": SYNCED,
    "snapshots.take": [SYNCED],
    "snapshots.preview_take": ["patches"],
    "snapshots.preview_publish": {"snapshot": "p20261128-174819", "kind": "patches", "ring": 1, "before": None,
                                  "changed": True},
    "snapshots.publish": {
        "snapshot": "p20261128-174819", "kind": "patches", "ring": 1, "before": "p20261127-174819", "changed": True,
    },
    "snapshots.prune": {"kind": "patches", "removed": ["p20261101-174819"], "kept": ["p20261128-174819"], "octets": 9},
}  # fmt: skip
ANSWERS |= ROLLOUTS
ANSWERS["drift_keep"] = ANSWERS["drift_accept"] = ANSWERS["drift"]
ANSWERS["rollback_release"] = ANSWERS["activate_release"]
ANSWERS["import_tenants"] = {**ANSWERS["preview_import"], "import": 7}
ANSWERS["diff_tenants"] = {
    **ANSWERS["preview_import"],
    "differences": [
        {"code": "fgw", "field": "names.en", "before": "DRC", "after": "Development and Reform Commission"}
    ],
}
ANSWERS |= fake_machines.ANSWERS
ANSWERS["run_probes"] = [{**ANSWERS["probes"][0], "state": "passed", "at": AT, "seconds": 0.12, "detail": "200"}]


HOLD = {
    "number": 3,
    "case": "Q-118",
    "reason": "court order",
    "from": AT,
    "to": AT,
    "tenant": None,
    "set_by": "local:root",
    "set_at": AT,
    "state": "active",
    "lifted_second": None,
    "lifted_reason": None,
    "lifted_at": None,
}
GAP = {"source": "direct", "from": AT, "to": AT, "seconds": 3700.0, "reason": "killed", "sentence": "It.", "detail": ""}
SPOOL = {"host": "gateway", "state": "running", "waiting": 1, "octets": 200, "free": 9, "warning": None, "reason": None}
COLLECTED = {
    "host": "gateway",
    "state": "done",
    "segments": 1,
    "lines": 7,
    "damaged": 0,
    "gaps": [GAP],
    "warning": None,
}
LINE = {
    **{"time": AT, "since": AT, "kind": "direct", "event": "opened", "tenant": "fgw", "address": "10.94.1.10"},
    **{"port": 50000, "nat": "198.51.100.254", "nat_port": 40112, "host": None, "server": "198.51.100.10"},
    **{"server_port": 443, "protocol": "tcp", "octets_up": 0, "octets_down": 0, "verdict": "allowed", "rule": None},
    **{"machine": "PC-17", "person": "王伟"},
}
SEARCH = {"number": 9, "case": "Q-118", "reason": "police", "from": AT, "to": AT, "asked": {"nat_port": 40112}}
REGISTERED = {
    **{"id": 1, "tenant": "fgw", "address": "10.94.1.10", "machine": "PC-17", "person": "王伟", "from": AT, "to": None},
    **{"source": "handover", "recorded_at": AT},
}
PURGE = {
    "before": AT,
    "retention_days": 200,
    "days": [{"day": "2026-05-01", "lines": 7, "files": 1, "octets": 900, "held_by": []}],
    "lines": 7,
    "number": None,
}
RECORD: Json = {
    "collect": {"state": "done", "hosts": [{**COLLECTED, "reason": None}], "merged": 0, "problems": []},
    "status": {
        "oldest": AT,
        "newest": AT,
        "silent_seconds": 12.5,
        "lines": 7,
        "days": 1,
        "retention_days": 200,
        "disk": {"octets": 900, "octets_a_day": 900, "estimate": 180_000},
        "gaps": [GAP],
        "short_gaps": 2,
        "gap_seconds": 3710.0,
        "holds": 1,
        "purge_due": 1,
        "hosts": [SPOOL],
    },
    "log": {
        **SEARCH,
        "lines": [LINE],
        "cut": False,
        "complete": False,
        "unrecorded": [GAP],
        "remarks": ["There are more."],
    },
    "searches": [{**SEARCH, "at": AT, "actor": {"key": "a_1", "name": "local:root"}, "lines": 1, "cut": False}],
    "register": [REGISTERED],
    "preview_register": {"encoding": "UTF-8", "rows": [REGISTERED], "warnings": [], "count": 1},
    "add_to_register": {"new": 1, "same": 0},
    "preview_purge": PURGE,
    "purge": {**PURGE, "number": 12},
    "verify": {"ok": True, "segments": 5, "files": 1, "entries": 9, "head": "e" * 64, "problems": []},
    "holds": [HOLD],
    "hold": HOLD,
    "lift": {**HOLD, "state": "lifted", "lifted_second": "Wang Wei", "lifted_at": AT},
}
ANSWERS |= {f"record.{name}": answer for name, answer in RECORD.items()}
GRANT = {"role": "operator", "tenant": None, "since": AT, "until": None, "by": "local:root", "reason": "new"}
GRANT |= {"stands_for": None}
USER: Json = {
    "person": "directory:wangwei",
    "name": "王伟",
    "tenant": "fgw",
    "roles": [GRANT, {**GRANT, "role": "clerk", "tenant": "fgw"}],
    "second_factor": True,
    "last_sign_in": AT,
}
TOKEN: Json = {
    **{"id": 12, "person": "directory:wangwei", "name": "backup", "hint": "x4Qz", "scopes": ["tenants:read"]},
    **{"tenant": None, "made_at": AT, "made_by": "local:root", "expires_at": AT, "used_at": AT},
    **{"used_from": "10.94.1.9", "state": "valid", "ended_at": None, "end_reason": None},
}
PERSON: Json = {
    **USER,
    "sessions": [{"since": AT, "seen": AT, "expires": AT, "address": "127.0.0.1", "agent": "browser"}],
    "history": [{**GRANT, "revoked_at": AT, "revoked_by": "local:root", "revoked_reason": "moved"}],
}
ENTRY: Json = {
    **{"number": 7, "at": AT, "act": "freeze.lifted", "sentence": "lifted a freeze", "outcome": "done", "digest": None},
    **{"actor": {"key": "a_1", "name": "local:root"}, "roles": ["operator"], "tenants": ["fgw"], "requests": []},
    **{"signoffs": [{"key": "a_2", "name": "local:li", "role": "second", "verified": False}], "reason": "all well"},
    **{
        "subjects": [{"kind": "freeze", "value": "3", "name": "3"}],
        "detail": {"scope": "tenant:fgw"},
        "hash": "e" * 64,
    },
}
ANSWERS |= {
    "audit.list": [ENTRY],
    "audit.export": "number,at\r\n7,now\r\n",
    "audit.verify": {"ok": True, "entries": 7, "head": "e" * 64, "problems": []},
}
MAIL: Json = {
    **{"id": 12, "address": "lina@qingdao.test", "name": "李娜", "language": "zh_CN", "kinds": ["live"], "notices": 1},
    **{"state": "failed", "tries": 60, "made_at": AT, "next_at": AT, "sent_at": None, "error": "No such user."},
    "message_id": "<n_1.g_2@qingdao.test>",
}
ANSWERS |= {"mail.list": [MAIL], "mail.retry": {**MAIL, "state": "waiting"}}
SECRET_FILE = "/var/lib/gasp/secrets/sign-in-night"
ANSWERS |= {
    "room": {
        **{"site": "fgw.qingdao.test", "tenant": "fgw", "used": 7, "limit": 9, "keep": 3, "rule": "Newest 3 stay."},
        "prunable": ["3f9a12" + "0" * 26],
    },
    "prune_releases": {"site": "fgw.qingdao.test", "removed": ["3f9a12" + "0" * 26], "octets": 7},
}
ATTACHMENT: Json = {
    **{"id": 12, "request": "R-2026-0147", "name": "会议.pdf", "kind": "pdf", "type_title": "PDF", "octets": 9},
    **{"sha256": "a" * 64, "state": "clean", "sentence": "It was checked.", "found": None, "why": None},
    **{"checked_at": AT, "by": "directory:lina", "at": AT, "mine": True},
}
ANSWERS |= {
    "attachments.list": [ATTACHMENT],
    "attachments.add": ATTACHMENT,
    "attachments.remove": [ATTACHMENT],
    "attachments.fetch": ("会议.pdf", "application/pdf", b"%PDF-"),
    "attachments.scan": {"clean": 1, "infected": 0, "waiting": 0, "odd": 0, "error": None},
}
POST_FILE = {
    "name": "安排.pdf",
    "kind": "pdf",
    "octets": 9,
    "state": "clean",
    "sentence": "ok",
    "found": None,
    "why": None,
}
POST: Json = {
    **{"id": 12, "site": "fgw.qingdao.test", "column": "notices/", "title": "放假通知", "day": "2026-11-24"},
    **{"text": "国庆节", "file": POST_FILE, "withdrawn": False, "version": 0},
    **{"changed_at": AT, "changed_by": "directory:lina", "page": "https://fgw.qingdao.test/notices/12.html"},
}
ANSWERS |= {
    "posts.list": {
        **{"site": "fgw.qingdao.test", "tenant": "fgw", "offering": "public_site", "takes": True, "why": None},
        **{"columns": [{"id": "notices/", "zh": "通知公告", "en": "Notices"}], "shown": None, "unpublished": True},
        "posts": [POST],
    },
    "posts.save": POST,
    "posts.withdraw": {**POST, "withdrawn": True},
    "posts.build": {
        **{"release": "3f9a12" + "0" * 26, "site": "fgw.qingdao.test", "posts": 1, "new": True},
        "next": "gasp sites preview fgw.qingdao.test 3f9a1200",
    },
}
WEBHOOK: Json = {
    **{"id": 3, "name": "tickets", "url": "https://hooks.example.test/", "tenant": None, "families": ["run"]},
    **{"state": "active", "made_at": AT, "made_by": "local:root", "ended_at": None, "rotated_until": None},
    **{"waiting": 0, "failed": 1},
}
DELIVERY: Json = {
    **{"id": 12, "message": "msg_12", "webhook": 3, "name": "tickets", "type": "run.ended", "state": "failed"},
    **{"tries": 18, "made_at": AT, "next_at": AT, "sent_at": None, "status": 500, "error": None, "body": "{}"},
}
ANSWERS |= {
    "webhooks.list": [WEBHOOK],
    "webhooks.create": {**WEBHOOK, "secret": "whsec_eA=="},
    "webhooks.rotate": {**WEBHOOK, "secret": "whsec_eA==", "rotated_until": AT},
    "webhooks.end": {**WEBHOOK, "state": "ended", "ended_at": AT},
    "webhooks.deliveries": [DELIVERY],
    "webhooks.resend": {**DELIVERY, "state": "waiting"},
}
ANSWERS |= {
    "tokens.list": [TOKEN],
    "tokens.create": {**TOKEN, "token": "gasp_" + "0" * 38},
    "tokens.revoke": {**TOKEN, "state": "ended", "ended_at": AT, "end_reason": "lost"},
    "people.list": [USER],
    "people.show": PERSON,
    "people.grant": PERSON,
    "people.revoke": PERSON,
    "people.add": {"person": "account:night", "password_file": SECRET_FILE},
    "people.reset": {"person": "account:night", "sessions_ended": 2, "password_file": SECRET_FILE},
}
ANSWERS |= fake_requests.ANSWERS | fake_signing.ANSWERS | fake_staff.ANSWERS
ANSWERS["requests.preview"]["plan"] = plan(change("create", 1))
ANSWERS["groups.preview"] = {**fake_staff.CHANGED, "digest": "ab" * 32, "plan": plan(change("create", 1))}


class Area:
    """The part of the client that is about one service, such as `client.internet`; its calls are `internet.list`."""

    def __init__(self, client: FakeClient, name: str) -> None:
        self._client, self._name = client, name

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._client.method(f"{self._name}.{name}")


class FakeClient:
    """Answers from a table; an answer that is an exception is raised, one that is callable is called."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {**deepcopy(ANSWERS), **answers}
        self.answers["rollouts.ready"] = lambda **order: lambda: self.method("rollouts.create")(**order)
        self.calls: list[tuple[str, tuple[Any, ...], Mapping[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if any(answer.startswith(f"{name}.") for answer in self.__dict__.get("answers", ())):
            return Area(self, name)
        if name.startswith("_") or name not in self.answers:
            raise AttributeError(name)
        return self.method(name)

    def rehearse(self, act: Callable[[], object]) -> None:
        """Nothing is refused ahead here: `test_rehearsals.py` has the real one."""

    def method(self, name: str) -> Callable[..., Any]:

        def method(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            if on_event := kwargs.get("on_event"):
                for event in events():
                    on_event(event)
            answer = self.answers[name]
            if isinstance(answer, BaseException):
                raise answer
            return answer(*args, **kwargs) if callable(answer) else deepcopy(answer)

        return method

    def called(self, name: str) -> list[tuple[tuple[Any, ...], Mapping[str, Any]]]:
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]

    @property
    def acted(self) -> bool:
        """Whether anything was asked that changes something."""
        acts = ("apply", "resume_run", "drift_", "import_tenants", "export_tenants", "offboard", "publish_release")
        more = (
            "internet.change",
            "record.purge",
            "snapshots.sync",
            "snapshots.take",
            "snapshots.publish",
            "record.hold",
            "record.lift",
            "record.add_to_register",
            *fake_requests.ACTS,
            *fake_signing.ACTS,
            *fake_staff.ACTS,
            "webhooks.create",
            "webhooks.rotate",
            "webhooks.end",
            "webhooks.resend",
            "tokens.create",
            "tokens.revoke",
            "people.grant",
            "people.revoke",
            "people.add",
            "people.reset",
            "mail.retry",
            "prune_releases",
            "attachments.add",
            "attachments.remove",
            "attachments.scan",
            "posts.save",
            "posts.withdraw",
            "posts.build",
            "preview_release",
            "activate_release",
            "rollback_release",
            "maintenance",
            "stop_run",
        )
        pruned = any(name == "snapshots.prune" and not how.get("dry_run") for name, _, how in self.calls)
        known = (*more, *fake_machines.ACTS, *ROLLOUT_ACTS)
        return pruned or any(name.startswith(acts) or name in known for name, _, _ in self.calls)


def guarded_apply(target: str, *, confirm: str | None = None, on_event: Any = None, wait: float = 0) -> Json:
    if confirm != "dagj":
        raise UnsafePlan(t("Destroys data."), t("Pass --confirm={word}.", word="dagj"))
    return run()


def not_found(*_: Sequence[Any], **__: Any) -> Json:
    error: ControlPlaneError = NotFound(
        t("There is no tenant “{code}”.", code="fgx"), t("Did you mean {near}?", near="fgw")
    )
    raise error


def archive(folder: Path) -> Path:
    path = folder / "site.zip"
    path.write_bytes(b"PK")
    return path
