"""Plans: the last one, one by its digest, and a new one. Planning only looks; nothing is carried out from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.errors import ControlPlaneError
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door
from control_plane.web.door import needs

pages = Blueprint("plans", __name__)
SIGNS = {"delete": "-", "conflict": "!", "update": "~", "create": "+"}
WORDS: dict[str, Text] = {
    "delete": t("delete"),
    "conflict": t("conflict"),
    "update": t("update"),
    "create": t("create"),
}
#: Changes a page shows at once; the others are counted and one click away.
SHOWN = 200


@pages.get("/console/plans")
@needs(Act.SEE_ESTATE)
def plans() -> Any:
    """The last plan, and the form for a new one."""
    last = door.client().status()["last_plan"]
    return render_template("plans.html", last=last, scope=request.args.get("scope", "estate"), error=None)


@pages.post("/console/plans")
@needs(Act.PLAN)
def plan_now() -> Any:
    """Look at the real systems and compare."""
    scope = request.form.get("scope", "").strip() or "estate"
    try:
        plan = door.client().plan(scope)
    except ControlPlaneError as error:
        last = door.client().status()["last_plan"]
        return render_template("plans.html", last=last, scope=scope, error=error), 422
    return redirect(url_for("plans.plan", digest=plan["digest"]), 303)


@pages.get("/console/plans/<digest>")
@needs(Act.SEE_ESTATE)
def plan(digest: str) -> Any:
    """One plan: summary first, destructive first, what is folded is counted."""
    found = door.client().get_plan(digest)
    tenant, action = request.args.get("tenant", ""), request.args.get("action", "")
    chosen = [
        change
        for change in found["changes"]
        if (not tenant or change["tenant"] == tenant) and (not action or change["action"] == action)
    ]
    shown = chosen if request.args.get("all") else chosen[:SHOWN]
    return render_template(
        "plan.html",
        plan=found,
        changes=[{**change, "lines": difference(change)} for change in shown],
        hidden=len(chosen) - len(shown),
        tenants=sorted(Counter(change["tenant"] for change in found["changes"]).items()),
        tenant=tenant,
        action=action,
        signs=SIGNS,
        words=WORDS,
    )


def difference(change: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(sign, field, value) of everything that differs, `-` before `+`."""
    before, after = change.get("before") or {}, change.get("after") or {}
    lines: list[tuple[str, str, str]] = []
    for field in sorted({*before, *after}):
        old, new = before.get(field), after.get(field)
        if old == new:
            continue
        lines += [("-", field, line) for line in _lines(old)] + [("+", field, line) for line in _lines(new)]
    return lines


def _lines(value: Any) -> list[str]:
    match value:
        case None:
            return []
        case str():
            return value.splitlines() or [""]
        case list() | tuple():
            return [str(item) for item in value]
        case dict():
            return [f"{key}: {item}" for key, item in value.items()]
        case _:
            return [str(value)]
