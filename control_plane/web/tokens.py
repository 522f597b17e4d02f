"""My tokens: what programs sign in with in my name. A value is on the one page that answers the form, nowhere else."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, Problem
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.workflow import access

pages = Blueprint("tokens", __name__)
COLUMNS = (
    Column("id", t("Token"), "id"),
    Column("state", t("State"), "state", filter=True),
    Column("name", t("Name")),
    Column("hint", t("Ends with"), "code"),
    Column("scopes", t("Scopes"), filter=True),
    Column("tenant", t("Tenant"), "code"),
    Column("expires_at", t("Until"), "time"),
    Column("used_at", t("Last use"), "time"),
    Column("used_from", t("From"), "code"),
    Column("end_reason", t("Why it ended")),
)


@pages.get("/console/me/tokens")
@needs(Act.SIGNED_IN)
def tokens() -> Any:
    """Those that live, the form, and those that ended."""
    return _page()


@pages.post("/console/me/tokens")
@needs(Act.SIGNED_IN)
def create() -> Any:
    """Make one and show its value."""
    form = request.form
    try:
        made = door.client().tokens.create(
            name=form.get("name", ""), scopes=form.getlist("scopes"), until=form.get("until", "").strip() or None,
            tenant=form.get("tenant", "").strip() or None, once=form.get("once") or None,
        )  # fmt: skip
    except ControlPlaneError as error:
        return _page(error), 422
    return _page(made=made)


@pages.post("/console/me/tokens/end")
@needs(Act.SIGNED_IN)
def end() -> Any:
    """End one of mine."""
    number = request.form.get("number", "")
    if not number:
        text, remedy = t("Nothing is chosen."), t("Use the button of a token.")
        return _page(Invalid([Problem("no-choice", text, remedy)])), 422
    door.client().tokens.revoke(int(number) if number.isdecimal() and len(number) < 10 else 0)
    return redirect(url_for("tokens.tokens", said="ended"), 303)


def _page(error: ControlPlaneError | None = None, made: Json | None = None) -> Any:
    client = door.client().tokens
    rows = client.list(ended=True)
    table = Table(
        COLUMNS, rows, request.args, caption=t("My tokens"), empty=t("You have no tokens."), now=services().clock()
    )
    return exporting.page(
        "tokens.html",
        table,
        living=[row for row in rows if row["state"] == "valid"],
        scopes=client.scopes(),
        chosen=request.form.getlist("scopes") if error else [],
        bound=len(access.tenants_in_sight(door.person()) or "") != 1,
        error=error,
        made=made,
        ended=request.args.get("said") == "ended",
    )
