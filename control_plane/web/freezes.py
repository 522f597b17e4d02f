"""Freezes: what must not be changed now, who said so and why; to set one takes one person, to lift it another one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from control_plane.model.errors import Rejected
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting, jobs
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table

pages = Blueprint("freezes", __name__)
COLUMNS = (
    Column("id", t("Freeze"), "id"),
    Column("state", t("State"), "state", filter=True),
    Column("scope", t("Scope"), "scope", filter=True),
    Column("reason", t("Reason")),
    Column("by", t("Set by"), "who", filter=True),
    Column("at", t("Since"), "time"),
    Column("lifted_at", t("Lifted"), "time"),
    Column("lifted_by", t("Lifted by"), "who"),
    Column("second", t("Agreed by"), "who"),
    Column("lift_reason", t("Reason of the lift")),
)


@pages.get("/console/freezes")
@needs(Act.SEE_ESTATE)
def freezes() -> Any:
    """All of them; those in force first, each with its sentence."""
    return _page()


@pages.post("/console/freezes")
@needs(Act.FREEZE)
def freeze() -> Any:
    """Freeze a scope from now on."""
    scope, reason = request.form.get("scope", "").strip(), request.form.get("reason", "").strip()
    try:
        job = jobs.place("freeze", scope, scope=scope, reason=reason)
    except Rejected as error:
        return _page(error), 422
    return (_page(job["error"]), 422) if job["error"] else jobs.there(job, "freezes.freezes")


@pages.post("/console/freezes/<int:number>/lift")
@needs(Act.LIFT)
def lift(number: int) -> Any:
    """Lift one, as another person than who set it."""
    reason = request.form.get("lift_reason", "").strip()
    try:
        job = jobs.place("lift", str(number), freeze=number, reason=reason)
    except Rejected as error:
        return _page(error, number), 422
    return (_page(job["error"], number), 422) if job["error"] else jobs.there(job, "freezes.freezes")


def _page(error: Any = None, lifting: int | None = None) -> Any:
    found = [
        {**row, "state": "lifted" if row["lifted_at"] else "in_force"}
        for row in door.client().freezes.list(lifted=True)
    ]
    table = Table(
        COLUMNS,
        sorted(found, key=lambda row: (row["state"] == "lifted", -row["id"])),
        request.args,
        caption=t("Freezes"),
        empty=t("Nothing was ever frozen."),
        now=services().clock(),
    )
    active = [row for row in found if row["state"] == "in_force"]
    mine = door.person().name
    return exporting.page("freezes.html", table, active=active, error=error, lifting=lifting, mine=mine)
