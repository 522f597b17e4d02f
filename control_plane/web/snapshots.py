"""Snapshots of packages and sets of signatures, and which ring has which: what the repository host says."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request
from markupsafe import Markup

from control_plane.model.errors import TemporaryError
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door, show
from control_plane.web.door import needs
from control_plane.web.hosts import RINGS
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table

pages = Blueprint("snapshots", __name__)
KINDS: dict[str, Text] = {"patches": t("patches"), "signatures": t("signatures")}


def _rings(row: Row) -> Markup:
    return show.plain([str(RINGS.get(ring, ring)) for ring in row["rings"]])


COLUMNS = (
    Column("id", t("Snapshot"), "code"),
    Column("kind", t("Kind"), filter=True, words=KINDS),
    Column("rings", t("Rings that have it"), filter=True, draw=_rings, words=RINGS),
    Column("made_at", t("Made"), "time"),
    Column("content", t("Packages or signatures"), "number"),
    Column("octets", t("Size"), "number", draw=lambda row: show.octets(row["octets"])),
    Column("source", t("Source")),
)


@pages.get("/console/snapshots")
@needs(Act.SEE_ESTATE)
def snapshots() -> Any:
    """The list, newest first."""
    try:
        seen, found = door.recent("snapshots", door.client().snapshots.all)
    except TemporaryError as error:
        return render_template("snapshots.html", error=error, table=None, seen=None)
    table = Table(
        COLUMNS,
        [{**row, "rings": [str(ring) for ring in row["rings"]]} for row in found],
        request.args,
        caption=t("Snapshots"),
        empty=t("There are no snapshots yet. Fetch the first: gasp snapshots sync"),
        now=services().clock(),
    )
    return render_template("snapshots.html", error=None, table=table, seen=seen)
