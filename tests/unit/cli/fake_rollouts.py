"""Canned answers about rollouts, freezes and the worker."""

from __future__ import annotations

from typing import Any

AT = "2026-11-24T15:08:41+00:00"
WAVE = {
    "number": 1,
    "title": "pilot",
    "ring": "pilot",
    "before": "p20261101-174819",
    "started_at": AT,
    "published_at": AT,
    "settled_at": None,
    "finished_at": None,
    "run": None,
    "counts": {"failed": 1, "untouched": 1},
    "names": ["fgw", "czj"],
}
ITEM = {
    "id": "m_abc",
    "name": "fgw",
    "tenant": "fgw",
    "ring": "pilot",
    "wave": 1,
    "state": "failed",
    "sentence": "E: post-installation script returned 1",
    "fault": "dpkg-interrupted",
    "touched": True,
    "at": AT,
}
SUMMARY = {
    "id": 4,
    "kind": "patches",
    "title": "p20261128-174819",
    "snapshot": "p20261128-174819",
    "state": "stopped",
    "sentence": (
        "Stopped by itself in wave 1 of 3; it waits for a person to release, abort or roll back, with no time set:"
        " 1 of 2 machines failed: 50 % is over 2 %."
    ),
    "wave": 1,
    "waves_total": 3,
    "counts": {"failed": 1, "untouched": 1},
    "total": 2,
    "actor": "local:root",
    "created_at": AT,
    "finished_at": None,
}
LIMITS = {"success": "90", "errors": "2", "error_count": "10", "reached": "50", "soak": "86400"}
SHOWN = {
    **SUMMARY,
    "reason": "December",
    "ignore_windows": None,
    "not_before": None,
    "thresholds": LIMITS,
    "waves": [WAVE],
    "items": [ITEM],
    "replaced": [],
}
PREVIEW = {
    "kind": "patches",
    "title": "p20261128-174819",
    "thresholds": LIMITS,
    "not_before": None,
    "waves": [WAVE],
    "items": [ITEM],
    "replaced": [],
}
FREEZE = {
    "id": 3,
    "scope": "estate",
    "reason": "storm warning",
    "by": "local:root",
    "at": AT,
    "lifted_at": None,
    "lifted_by": None,
    "second": None,
    "second_verified": None,
    "lift_reason": None,
    "sentence": "the whole estate is frozen by root (on the machine itself) since 2026-11-24 23:08: storm warning",
    "hint": "Two people lift it: gasp freezes lift 3 --second NAME --reason WHY",
}
LIFTED = {
    **FREEZE,
    "lifted_at": AT,
    "lifted_by": "local:root",
    "second": "local:li",
    "second_verified": False,
    "lift_reason": "over",
    "hint": None,
}
CHORE = {
    "name": "rollouts",
    "every": 3,
    "state": "waiting",
    "started_at": AT,
    "ended_at": AT,
    "succeeded_at": AT,
    "error": None,
    "failures": 0,
}
ROLLOUTS: dict[str, Any] = {
    "rollouts.list": [SUMMARY],
    **dict.fromkeys((f"rollouts.{verb}" for verb in ("show", "create", "release", "pause", "resume")), SHOWN),
    **dict.fromkeys(("rollouts.abort", "rollouts.rollback"), SHOWN),
    "rollouts.preview": PREVIEW,
    "rollouts.rehearse": None,
    "rollouts.events": [
        {
            "rollout": 4,
            "number": 1,
            "at": AT,
            "type": "rollout.created",
            "actor": "local:root",
            "data": {"kind": "patches"},
        }
    ],
    "freezes.list": [FREEZE],
    "freezes.set": FREEZE,
    "freezes.lift": LIFTED,
    "worker.status": {"running": True, "pid": 4711, "signals": None, "chores": [CHORE]},
}
#: Those that change something.
_VERBS = ("create", "release", "pause", "resume", "abort", "rollback")
ACTS = (*(f"rollouts.{verb}" for verb in _VERBS), "freezes.set", "freezes.lift")
