"""Machines of the centre and of its tenants, as the lab reports them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for

from control_plane.model.errors import NotFound
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("hosts", __name__)
COLUMNS = (
    Column("name", t("Host"), "code", lambda row: url_for("hosts.host", name=row["name"])),
    Column("shown", t("State"), "state", filter=True),
    Column("role", t("Role"), filter=True),
    Column("zone", t("Zone"), filter=True),
    Column("tenant", t("Tenant"), "code", tenant_link),
    Column("ipv4", t("IPv4"), "code"),
    Column("ipv6", t("IPv6"), "code"),
)


def _rows() -> list[dict[str, Any]]:
    #: a host that runs is up; the word “running” is for runs
    return [
        {**row, "shown": {"running": "up", "stopped": "down"}.get(row["state"], row["state"])}
        for row in door.client().hosts()
    ]


@pages.get("/console/hosts")
@needs(Act.SEE_ESTATE)
def hosts() -> Any:
    """The list."""
    table = Table(
        COLUMNS,
        _rows(),
        request.args,
        caption=t("Hosts"),
        empty=t("There are no hosts. Bring the lab up: gasp lab up"),
        now=services().clock(),
    )
    return render_template("list.html", title=t("Hosts"), table=table)


@pages.get("/console/hosts/<name>")
@needs(Act.SEE_ESTATE)
def host(name: str) -> Any:
    """One machine."""
    found = next((row for row in _rows() if row["name"] == name), None)
    if found is None:
        raise NotFound(t("There is no host “{name}”.", name=name))
    return render_template("host.html", host=found)
