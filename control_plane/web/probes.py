"""Promises: what was promised, how it is measured, and the last measurement that somebody asked for here."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, request, url_for

from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("probes", __name__)
COLUMNS = (
    Column("title", t("Promise")),
    Column("state", t("State"), "state", filter=True),
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("offering", t("Service"), "service", filter=True),
    Column("vantage", t("Seen from"), "code"),
    Column("detail", t("Found")),
    Column("at", t("Measured"), "time"),
)


@pages.get("/console/probes")
@needs(Act.SEE_TENANT)
def probes() -> Any:
    """The list, with the last measurement."""
    look = services().looks.last("probes:estate")
    measured = {row["id"]: row for row in look[2]} if look else {}
    rows = [{**row, **measured.get(row["id"], {"state": None})} for row in door.rows("probes")]
    table = Table(
        COLUMNS,
        rows,
        request.args,
        caption=t("Promises"),
        empty=t("Nothing is promised here."),
        now=services().clock(),
    )
    return exporting.page("probes.html", table, look=look)


@pages.post("/console/probes")
@needs(Act.PLAN)
def measure() -> Any:
    """Measure every promise now, from where its users are."""
    rows = door.client().run_probes()
    services().looks.keep("probes:estate", services().clock(), door.person().display, rows)
    return redirect(url_for("probes.probes"), 303)
