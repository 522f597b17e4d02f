"""Who stands in for whom: each names a substitute for their own roles; operators do so for departments."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, NotFound
from control_plane.model.people import ROLES, Act
from control_plane.model.text import t
from control_plane.web import door, exporting, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.workflow import access
from control_plane.workflow.substitutes import NAMED_BY_OPERATORS

pages = Blueprint("substitutes", __name__)
COLUMNS = (
    Column("id", t("Substitution"), "id"),
    Column("state", t("State"), "state", filter=True),
    Column("name", t("Substitute"), draw=lambda row: show.foreign(row["name"])),
    Column("stands_for_name", t("For"), draw=lambda row: show.foreign(row["stands_for_name"])),
    Column("title", t("Role"), filter=True),
    Column("tenant", t("Tenant"), "code"),
    Column("since", t("First day"), "time"),
    Column("until", t("Last day"), "time"),
    Column("reason", t("Reason")),
    Column("ended_reason", t("Why it ended")),
)
#: What was just done, as the address of the page says.
DONE = {
    "named": t("The substitute is named; both are told by mail."),
    "ended": t("The substitution has ended; both are told by mail."),
}


@pages.get("/console/substitutes")
@needs(Act.SEE_TENANT)
def substitutes() -> Any:
    """Those in force and to come, and the forms."""
    return _page()


@pages.post("/console/substitutes")
@needs(Act.SEE_TENANT)
def name() -> Any:
    """Name one."""
    form = request.form
    role, _, tenant = form.get("role", "").partition("/")
    given = {field: form.get(field, "").strip() for field in ("person", "since", "until", "reason", "stands_for")}
    try:
        door.client().substitutes.name(
            given["person"], role, tenant=tenant or form.get("tenant", "").strip() or None,
            since=given["since"] or None, until=given["until"], reason=given["reason"],
            stands_for=given["stands_for"] or None,
        )  # fmt: skip
    except ControlPlaneError as error:
        return _page(error), 422
    return redirect(url_for("substitutes.substitutes", said="named"), 303)


@pages.post("/console/substitutes/<int:number>/end")
@needs(Act.SEE_TENANT)
def end(number: int) -> Any:
    """End one before its time."""
    try:
        door.client().substitutes.end(number, reason=request.form.get("reason", ""))
    except NotFound:
        raise
    except ControlPlaneError as error:
        return _page(error, number), 422
    return redirect(url_for("substitutes.substitutes", said="ended"), 303)


def _page(error: ControlPlaneError | None = None, ending: int | None = None) -> Any:
    client, person = door.client().substitutes, door.person()
    rows = client.list(ended=True)
    mine = client.mine()
    others = access.holds(person, "operator", None)
    living: list[Json] = [row for row in rows if row["state"] in ("coming", "in_force")]
    table = Table(
        COLUMNS, rows, request.args, caption=t("Substitutes"), empty=t("Nobody stands in for anybody."),
        now=services().clock(),
    )  # fmt: skip
    return exporting.page(
        "substitutes.html",
        table,
        living=living,
        roles=[(f"{r['role']}/{r['tenant'] or ''}", f"{r['title']} {r['tenant'] or ''}".strip()) for r in mine],
        others=[(name, ROLES[name].title) for name in ROLES if name in NAMED_BY_OPERATORS] if others else [],
        error=error,
        ending=ending,
        notice=DONE.get(request.args.get("said", "")),
        staffing=client.staffing() if access.allows(person, Act.SEE_ESTATE) else [],
    )
