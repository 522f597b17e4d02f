"""Canned answers about machines, with the same forms as the real ones."""

from __future__ import annotations

from typing import Any

AT = "2026-11-24T15:08:41+00:00"
ROW: dict[str, Any] = {
    "name": "fgw",
    "role": "workstation",
    "zone": "tenant",
    "tenant": "fgw",
    "ipv4": "10.94.1.10",
    "ipv6": "fd94:0:2:1::10",
    "mgmt": "10.94.255.1",
    "state": "running",
    "restarts": 0,
    "machine": "m_3k7",
    "ring": 2,
    "managed": True,
    "source": "enrolled",
    "patch_state": "pending",
    "pending": 1,
    "overdue": 1,
    "held": 1,
    "waiting": 1,
    "reboot_required": False,
    "protection": "unprotected",
    "signature_set": "s20261124-080000",
    "signature_age_seconds": 25721,
    "findings": 1,
    "faults": ["engine-dead"],
    "lists_at": AT,
    "last_contact": AT,
    "measured_at": AT,
    "silent_because": None,
    "notes": ["clone"],
}
NOT_ENROLLED: dict[str, Any] = {
    **dict.fromkeys([*ROW][[*ROW].index("machine") :]),
    **{"managed": False, "ring": 0, "patch_state": "unmanaged", "faults": [], "notes": []},
}
MISSING = {
    "package": "gasp-demo",
    "installed": "1.0",
    "candidate": "1.1",
    "severity": "critical",
    "security": True,
    "since": AT,
    "deadline": AT,
    "held": False,
    "held_by": None,
    "held_since": None,
    "kept_back": False,
    "waiting": False,
}
SHOWN = {
    **ROW,
    "packages": {"gasp-demo": "1.0"},
    "missing": [
        MISSING,
        {**MISSING, "held": True, "held_by": "the machine's own administrator", "held_since": AT},
        {**MISSING, "security": False, "kept_back": True, "waiting": True, "deadline": None},
        {**MISSING, "package": "gasp-kept", "security": False, "kept_back": True, "deadline": None},
    ],
    "fault_details": [
        {
            "fault": "engine-dead",
            "text": "The antivirus engine does not run.",
            "found": "killed by signal 9",
            "remedy": "gasp hosts mend fgw: it starts the engine again.",
            "mends": "start the antivirus engine again",
        }
    ],
    "silent_remedy": None,
    "history": [{"at": AT, "what": "enrolled", "actor": "local:root", "tenant": "fgw", "ring": 2}],
    "facts": {"kernel": "6.1.0"},
    "fingerprint": "0123 4567",
    "baseline": "machine:m_3k7/baseline",
}
TENANT = {
    "tenant": "fgw",
    "machines": 3,
    "clean": 1,
    "old_signatures": 1,
    "silent": 1,
    "unprotected": 0,
    "with_findings": 0,
    "findings": 0,
    "patched": 1,
    "pending": 0,
    "held": 1,
    "waiting": 0,
    "restart": 0,
    "unknown": 1,
    "overdue": 0,
    "sentence": "1 of 3 patched, 1 unknown",
}
FINDING = {
    "id": "f_3k7",
    "state": "open",
    "tenant": "fgw",
    "machine": "fgw",
    "host": "fgw",
    "path": "/home/zhang/报告.com",
    "signature": "Lab.Eicar-MD5.UNOFFICIAL",
    "found_at": AT,
    "reported_at": AT,
    "last_seen": AT,
    "cleared_at": None,
    "reason": None,
}
IMPORT = {
    "file": "list.csv",
    "encoding": "gb18030",
    "columns": {"name": "计算机名", "tenant": "部门"},
    "rows": 1,
    "create": 1,
    "update": 0,
    "machines": [{"name": "win-7", "tenant": "czj", "facts": {"操作系统": "Windows 7"}}],
}
ACT = {"fault": "engine-dead", "text": "start the antivirus engine again"}
ANSWERS: dict[str, Any] = {
    "machines.show": SHOWN,
    "machines.enrol": SHOWN,
    "machines.retire": {"machine": "fgw", "run": 482, "waiting": True, "left": []},
    "machines.give_up": {"machine": "fgw", "run": None, "waiting": False, "left": ["machine:m_3k7/baseline"]},
    "machines.transfer": SHOWN,
    "machines.preview_import": IMPORT,
    "machines.import_machines": IMPORT,
    "machines.measure": {
        "scope": "estate",
        "seconds": 1.2,
        "measured": 1,
        "silent": 0,
        "patches": "0 of 1 patched, 0 unknown",
        "tenants": [TENANT],
        "machines": [ROW],
    },
    "machines.preview_mend": {
        "machine": "fgw",
        "acts": [ACT],
        "left": [{"fault": "dpkg-locked", "text": "Somebody holds the lock.", "remedy": "Wait."}],
    },
    "machines.mend": {"machine": "fgw", "acts": [{**ACT, "done": True}], "row": SHOWN},
    "machines.security": [TENANT],
    "machines.scan": {
        "target": "fgw",
        "files": 12,
        "machines": [{"machine": "fgw", "tenant": "fgw", "files": 12, "found": [], "error": None}],
        "findings": [],
    },
    "machines.refresh_signatures": {
        "changed": 1,
        "already": 0,
        "failed": 0,
        "unreachable": 1,
        "untouched": 0,
        "machines": [
            {"machine": "czj", "tenant": "czj", "state": "unreachable", "text": "No route to host"},
            {"machine": "fgw", "tenant": "fgw", "state": "changed", "text": "s20261124-080000"},
        ],
    },
    "machines.findings": [FINDING],
    "machines.clear_findings": [{**FINDING, "state": "cleared", "cleared_at": AT, "reason": "deleted"}],
}
ACTS = frozenset(
    f"machines.{verb}"
    for verb in (
        "enrol",
        "retire",
        "give_up",
        "transfer",
        "import_machines",
        "mend",
        "refresh_signatures",
        "clear_findings",
    )
)
