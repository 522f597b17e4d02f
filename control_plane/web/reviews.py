"""Reviews of departments' people: who has not confirmed yet, and who is to be moved. Departments see their own."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from control_plane.model.errors import ControlPlaneError
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, jobs
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("reviews", __name__)


COLUMNS = (
    Column("tenant", t("Tenant"), "code", tenant_link),
    Column("quarter", t("Quarter"), "code", filter=True),
    Column("state", t("State"), "state", filter=True),
    Column("due_at", t("To be done by"), "time"),
    Column("stays", t("Stay"), "number"),
    Column("left", t("Left"), "number"),
    Column("moved", t("Moved"), "number"),
    Column("groups", t("Other groups"), "number"),
    Column("decided_at", t("Done"), "time"),
    Column("decided_by", t("By"), "code"),
)


@pages.get("/console/reviews")
@needs(Act.SEE_ESTATE)
def reviews() -> Any:
    """The list, those that are late first."""
    return _page()


@pages.post("/console/reviews/<int:number>/move")
@needs(Act.APPLY)
def move(number: int) -> Any:
    """Move those whose new department is known."""
    try:
        return jobs.follow(jobs.place("review_move", str(number), review=number))
    except ControlPlaneError as error:
        return _page(error), 422


def _page(error: ControlPlaneError | None = None) -> str:
    rows = door.client().reviews.list(everything=True)
    table = Table(
        COLUMNS,
        [_row(row) for row in rows],
        request.args,
        caption=t("Reviews of people"),
        empty=t("No department was asked yet; that begins with the next quarter."),
        now=services().clock(),
    )
    return render_template("reviews.html", table=table, moves=[row for row in rows if row["moves"]], error=error)


def _row(row: Row) -> Row:
    return {**row, **{name: row["counts"].get(name) for name in ("stays", "left", "moved", "groups")}}
