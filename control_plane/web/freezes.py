"""Freezes: what must not be changed now, who said so and why, and what was lifted by whom."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table

pages = Blueprint("freezes", __name__)
COLUMNS = (
    Column("id", t("Freeze"), "id"),
    Column("state", t("State"), "state", filter=True),
    Column("scope", t("Scope"), "code", filter=True),
    Column("reason", t("Reason")),
    Column("by", t("Set by"), filter=True),
    Column("at", t("Since"), "time"),
    Column("lifted_at", t("Lifted"), "time"),
    Column("lifted_by", t("Lifted by")),
    Column("second", t("Agreed by")),
    Column("lift_reason", t("Reason of the lift")),
)


@pages.get("/console/freezes")
@needs(Act.SEE_ESTATE)
def freezes() -> Any:
    """All of them; those in force first, each with its sentence."""
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
    return render_template("freezes.html", table=table, active=[row for row in found if row["state"] == "in_force"])
