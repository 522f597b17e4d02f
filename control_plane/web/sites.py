"""Websites with the release that is live."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from markupsafe import Markup

from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("sites", __name__)


def _address(row: Row) -> Markup:
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(row["url"], show.name_both(row["site"]))


COLUMNS = (
    Column("site", t("Site"), draw=_address),
    Column("title", t("Title"), draw=lambda row: show.foreign(row["title"])),
    Column("state", t("State"), "state", filter=True),
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("offering", t("Service"), "service", filter=True),
    Column("release", t("Release"), "code", words=show.RELEASES),
    Column("releases", t("Releases kept"), "number", total=show.plain),
)


@pages.get("/console/sites")
@needs(Act.SEE_TENANT)
def sites() -> Any:
    """The list."""
    table = Table(
        COLUMNS,
        door.rows("sites"),
        request.args,
        caption=t("Websites"),
        empty=t("There are no sites yet."),
        now=services().clock(),
    )
    return exporting.page("list.html", table, title=t("Websites"))
