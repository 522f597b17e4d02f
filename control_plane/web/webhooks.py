"""Webhooks: who is told what happened, and the log of it. A secret is on the one page that follows the form."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, NotFound
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting, shown_once
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table

pages = Blueprint("webhooks", __name__)
COLUMNS = (
    Column("id", t("Delivery"), "id"),
    Column("state", t("State"), "state", filter=True),
    Column("name", t("Webhook"), filter=True),
    Column("type", t("What"), "code"),
    Column("tries", t("Tries"), "number"),
    Column("status", t("Answer"), "code"),
    Column("made_at", t("Made"), "time"),
    Column("sent_at", t("Sent"), "time"),
    Column("error", t("Last error")),
)
#: States of deliveries in the words of pages.
SHOWN = {"sent": "done"}
DONE = {"ended": t("It is told nothing any more."), "resent": t("It is sent again within seconds.")}


@pages.get("/console/webhooks")
@needs(Act.WEBHOOKS)
def webhooks() -> Any:
    """Those that are told, the form, and the log."""
    return _page(made=shown_once.taken())


@pages.post("/console/webhooks")
@needs(Act.WEBHOOKS)
def create() -> Any:
    """Make one and show its secret."""
    form = request.form
    given = {name: form.get(name, "").strip() for name in ("name", "url", "tenant")}
    tenant = given.pop("tenant") or None
    try:
        made = door.client().webhooks.create(**given, families=form.getlist("families"), tenant=tenant)
    except ControlPlaneError as error:
        return _page(error), 422
    return shown_once.after(redirect(url_for("webhooks.webhooks"), 303), _of(made))


@pages.post("/console/webhooks/<int:number>/rotate")
@needs(Act.WEBHOOKS)
def rotate(number: int) -> Any:
    """A new secret, shown once."""
    try:
        made = door.client().webhooks.rotate(number)
    except NotFound:
        raise
    except ControlPlaneError as error:
        return _page(error), 422
    return shown_once.after(redirect(url_for("webhooks.webhooks"), 303), _of(made))


@pages.post("/console/webhooks/<int:number>/end")
@needs(Act.WEBHOOKS)
def end(number: int) -> Any:
    """Tell it nothing any more."""
    return _did(lambda: door.client().webhooks.end(number), "ended")


@pages.post("/console/webhooks/deliveries/<int:number>/resend")
@needs(Act.WEBHOOKS)
def resend(number: int) -> Any:
    """Tell it again."""
    return _did(lambda: door.client().webhooks.resend(number), "resent")


def _of(made: Json) -> Json:
    return {name: made[name] for name in ("name", "secret")}


def _did(act: Any, said: str) -> Any:
    try:
        act()
    except NotFound:
        raise
    except ControlPlaneError as error:
        return _page(error), 422
    return redirect(url_for("webhooks.webhooks", said=said), 303)


def _page(error: ControlPlaneError | None = None, made: Json | None = None) -> Any:
    client = door.client().webhooks
    rows = client.deliveries()
    living = client.list()
    known = {row["id"] for row in living}
    table = Table(
        COLUMNS,
        [{**row, "state": SHOWN.get(row["state"], row["state"])} for row in rows],
        request.args,
        caption=t("What was told"),
        empty=t("Nothing was told yet."),
        now=services().clock(),
    )
    return exporting.page(
        "webhooks.html",
        table,
        living=living,
        failed=[row for row in rows if row["state"] == "failed" and row["webhook"] in known][:5],
        families=client.families(),
        targets=client.targets(),
        chosen=request.form.getlist("families") if error else [],
        error=error,
        made=made,
        notice=DONE.get(request.args.get("said", "")),
    )
