"""Snapshots of packages and sets of signatures, and which ring has which: what the repository host says. What is asked
for here the worker does.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request
from markupsafe import Markup

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, Problem, TemporaryError
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, jobs, show
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
    Column("octets", t("Size"), "number", draw=lambda row: show.octets(row["octets"]), unit=t("octets")),
    Column("source", t("Source"), words={"medium": t("a medium")}),
)


@pages.get("/console/snapshots")
@needs(Act.SEE_ESTATE)
def snapshots() -> Any:
    """The list, newest first."""
    return _page()


@pages.post("/console/snapshots")
@needs(Act.ROLLOUTS)
def act() -> Any:
    """Say how much would be fetched or deleted; fetch, import, give to a ring, or delete old ones."""
    form = {key: value.strip() for key, value in request.form.items()}
    wanted, kind = form.get("act", ""), form.get("kind", "")
    try:
        if wanted in ("estimate", "preview"):
            return _page(**_look(wanted, form))
        if wanted == "sync":
            job = jobs.place("snapshots_sync", str(KINDS.get(kind, t("all"))), depot=kind if kind in KINDS else None)
        elif wanted == "take":
            job = jobs.place("snapshots_take", form.get("medium", ""), medium=form.get("medium", ""))
        elif wanted == "publish":
            wish = form.get("snapshot", "")
            given = {"snapshot": wish, "ring": _number(form.get("ring", ""), -1), "sure": bool(form.get("sure"))}
            job = jobs.place("snapshots_publish", wish, **given)
        elif wanted == "prune":
            given = {"depot": _kind(kind), "keep": _number(form.get("keep", ""), 0) or None}
            job = jobs.place("snapshots_prune", str(KINDS[kind]), removed=form.get("removed", "").split(), **given)
        else:
            raise Invalid([Problem("no-act", t("No act is chosen."), t("Use one of the buttons."))])
    except TemporaryError:
        raise
    except ControlPlaneError as error:
        return _page(wrong=error), 422
    return jobs.follow(job)


def _look(wanted: str, form: Json) -> Json:
    """What a fetch would need, or which old ones would go."""
    client, kind = door.client().snapshots, form.get("kind", "")
    if wanted == "estimate":
        return {"needs": client.estimate(kind if kind in KINDS else None)}
    keep = _number(form.get("keep", ""), 0) or None
    return {"old": {**client.prune(_kind(kind), keep, dry_run=True), "keep": keep}}


def _kind(text: str) -> Any:
    if text not in KINDS:
        raise Invalid([Problem("no-kind", t("No kind is chosen."), t("Choose one of the list."), field="old-kind")])
    return text


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else otherwise


def _page(wrong: ControlPlaneError | None = None, needs: list[Json] | None = None, old: Json | None = None) -> Any:
    acts = {"wrong": wrong, "needs": needs, "old": old, "rings": RINGS, "kinds": KINDS}
    try:
        seen, found = door.recent("snapshots", door.client().snapshots.all)
    except TemporaryError as error:
        return render_template("snapshots.html", error=error, table=None, seen=None, **acts)
    table = Table(
        COLUMNS,
        [{**row, "rings": [str(ring) for ring in row["rings"]]} for row in found],
        request.args,
        caption=t("Snapshots"),
        empty=t("There are no snapshots yet; fetch the first."),
        now=services().clock(),
    )
    return exporting.page(
        "snapshots.html",
        table,
        error=None,
        seen=seen,
        rows=[(row["id"], row["id"]) for row in found],
        media=[(row["name"], row["name"]) for row in door.client().snapshots.media()],
        **acts,
    )
