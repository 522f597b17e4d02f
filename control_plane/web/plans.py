"""Plans: the last one, one by its digest, a new one, and the yes to one. The worker carries it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.errors import ControlPlaneError, Rejected, UnsafePlan
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door, jobs
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
    return _page(digest)


@pages.post("/console/plans/<digest>/apply")
@needs(Act.APPLY)
def apply(digest: str) -> Any:
    """The yes to it, with the word that its guards ask for."""
    found = door.client().get_plan(digest)
    typed = request.form.get("confirm", "").strip()
    try:
        job = jobs.place("apply", found["digest"][:8], digest=found["digest"], confirm=typed)
    except (Rejected, UnsafePlan) as error:
        return _page(digest, error, typed), 422
    return jobs.follow(job)


def _page(digest: str, error: ControlPlaneError | None = None, typed: str = "") -> Any:
    client = door.client()
    found = client.get_plan(digest)
    filters = {name: request.args.get(name, "") for name in ("tenant", "action", "part")}
    chosen = [c for c in found["changes"] if all(not wanted or c[name] == wanted for name, wanted in filters.items())]
    shown = chosen if request.args.get("all") else chosen[:SHOWN]
    return render_template(
        "plan.html",
        plan=found,
        changes=[{**change, "lines": difference(change)} for change in shown],
        hidden=len(chosen) - len(shown),
        tenants=sorted(Counter(change["tenant"] for change in found["changes"]).items()),
        parts=sorted(Counter(change["part"] for change in found["changes"]).items()),
        **filters,
        steps=sum(1 for change in found["changes"] if change["action"] != "conflict"),
        word=_word(found),
        runs=[run for run in client.runs(limit=SHOWN) if run["digest"] == found["digest"]],
        error=error,
        typed=typed,
        signs=SIGNS,
        words=WORDS,
    )


def _word(plan: Mapping[str, Any]) -> str | None:
    """The word that is to be typed: the guards' own, where they agree on one, else the digest's beginning."""
    words = {guard["confirm"] for guard in plan["guards"] if guard["confirm"]}
    return next(iter(words)) if len(words) == 1 else plan["digest"][:8] if words else None


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
