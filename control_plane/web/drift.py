"""Hand-made changes and the three answers to them. The page shows the last look with its time; a look is asked for,
because it takes a while."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, redirect, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.plans import difference
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("drift", __name__)
LOOK = "drift:estate"
ACTIONS: dict[str, Text] = {
    "create": t("is missing"),
    "update": t("was changed"),
    "delete": t("is too much"),
    "conflict": t("is in the way"),
    "kept": t("is kept"),
    "unmeasured": t("could not be seen"),
}
COLUMNS = (
    Column("label", t("What"), "text", draw=show.label),
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("offering", t("Service"), "service", filter=True),
    Column("part", t("Where"), "part", filter=True),
    Column("action", t("What is found"), filter=True, words=ACTIONS),
    Column("kept_until", t("Kept until"), "time"),
)
ANSWERS = ("keep", "accept", "revert")


@pages.get("/console/drift")
@needs(Act.SEE_ESTATE)
def drift() -> Any:
    """The last look."""
    return _page()


def _table(rows: list[Json]) -> Table:
    return Table(
        COLUMNS,
        rows,
        request.args,
        caption=t("Hand-made changes"),
        empty=t("No hand-made changes: everything is as it was last written."),
        now=services().clock(),
    )


def _page(error: Any = None) -> Any:
    look = services().looks.last(LOOK)
    rows = list(look[2]) if look else []
    unseen = [row for row in rows if row["action"] == "unmeasured"]
    table = _table([row for row in rows if row["action"] != "unmeasured"])
    newest = door.client().runs(limit=1)
    # a drift row has what should be as `before`; a reader of a difference wants what was found to come second
    details = [{**row, "lines": difference(row) if row["action"] != "kept" else []} for row in table.rows]
    return exporting.page(
        "drift.html",
        table,
        look=look,
        old=look and newest and datetime.fromisoformat(newest[0]["started_at"]) > look[0],
        unseen=unseen,
        details=details,
        error=error,
        actions=ACTIONS,
        chosen=request.form.getlist("id"),
    )


@pages.post("/console/drift")
@needs(Act.PLAN)
def look() -> Any:
    """Look at the real systems now."""
    rows = door.client().drift("estate")
    services().looks.keep(LOOK, services().clock(), door.person().display, rows)
    return redirect(url_for("drift.drift"), 303)


@pages.post("/console/drift/answer")
@needs(Act.DRIFT)
def answer() -> Any:
    """Keep, accept or revert what was chosen, or all that fits the filter."""
    form, found = request.form, services().looks.last(LOOK)
    ids = form.getlist("id")
    if form.get("everything") and found:
        ids = _all_that_fit([row for row in found[2] if row["action"] != "unmeasured"])
    kind, reason, until = form.get("answer", ""), form.get("reason", "").strip(), form.get("until", "").strip()
    given: Json = {"ids": ids}
    if kind != "revert":
        given["reason"] = reason
    if kind == "keep":
        given["until"] = until
    try:
        if kind not in ANSWERS:
            problem = Problem("no-answer", t("No answer is chosen."), t("Keep, accept or revert."), field="answer")
            raise Invalid([problem])
        subject = ids[0] + (f" + {len(ids) - 1}" if len(ids) > 1 else "") if ids else ""
        job = jobs.place(f"drift_{kind}", subject, **given)
    except Rejected as error:
        return _page(error), 422
    if kind == "revert":
        return jobs.follow(job)
    if job["error"]:
        return _page(job["error"]), 422
    _answered(kind, set(job["answer"]["ids"]), until)
    return jobs.there(job, "drift.drift")


def _all_that_fit(rows: list[Json]) -> list[str]:
    table = _table(rows)
    return [row["id"] for row in rows if table.fits(row)]


def _answered(kind: str, ids: set[str], until: str) -> None:
    """What the last look found is answered: it is kept now, or no drift any more."""
    found = services().looks.last(LOOK)
    if found is None:
        return
    kept = {"action": "kept", "kept_until": f"{until}T15:59:59+00:00", "after": None}
    rows = [{**row, **kept} if row["id"] in ids else row for row in found[2] if kind == "keep" or row["id"] not in ids]
    services().looks.keep(LOOK, found[0], found[1], rows)
