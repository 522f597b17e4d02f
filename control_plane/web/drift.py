"""Hand-made changes. The page shows the last look with its time; a look is asked for, because it takes a while."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door
from control_plane.web.door import needs
from control_plane.web.plans import difference
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("drift", __name__)
ACTIONS: dict[str, Text] = {
    "create": t("is missing"),
    "update": t("was changed"),
    "delete": t("is too much"),
    "conflict": t("is in the way"),
    "kept": t("is kept"),
    "unmeasured": t("could not be seen"),
}
COLUMNS = (
    Column("label", t("What"), "text"),
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("offering", t("Service"), "service", filter=True),
    Column("part", t("Where"), "code", filter=True),
    Column("action", t("What is found"), filter=True, words=ACTIONS),
    Column("kept_until", t("Kept until"), "time"),
)


@pages.get("/console/drift")
@needs(Act.SEE_ESTATE)
def drift() -> Any:
    """The last look."""
    look = services().looks.last("drift:estate")
    rows = list(look[2]) if look else []
    unseen = [row for row in rows if row["action"] == "unmeasured"]
    seen = [row for row in rows if row["action"] != "unmeasured"]
    table = Table(
        COLUMNS,
        seen,
        request.args,
        caption=t("Hand-made changes"),
        empty=t("No hand-made changes: everything is as it was last written."),
        now=services().clock(),
    )
    # a drift row has what should be as `before`; a reader of a difference wants what was found to come second
    details = [{**row, "lines": difference(row)} for row in table.rows if row["action"] != "kept"]
    return render_template("drift.html", look=look, table=table, unseen=unseen, details=details)


@pages.post("/console/drift")
@needs(Act.PLAN)
def look() -> Any:
    """Look at the real systems now."""
    rows = door.client().drift("estate")
    services().looks.keep("drift:estate", services().clock(), door.person().display, rows)
    return redirect(url_for("drift.drift"), 303)
