"""People of the departments' directory, as declared. Passwords are never read."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("accounts", __name__)
COLUMNS = (
    Column("uid", t("Login name"), "code"),
    Column("name", t("Name"), draw=lambda row: show.foreign(row["name"])),
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("groups", t("Groups"), filter=True),
    Column("uid_number", t("Number"), "id"),
    Column("status", t("State"), "state"),
)


@pages.get("/console/accounts")
@needs(Act.SEE_TENANT)
def accounts() -> Any:
    """The list."""
    table = Table(
        COLUMNS,
        door.rows("accounts"),
        request.args,
        caption=t("Accounts"),
        empty=t("There are no people here."),
        now=services().clock(),
    )
    return exporting.page("list.html", table, title=t("Accounts"))
