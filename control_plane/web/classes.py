"""The table of classes: who signs what; one person proposes another table, a second one signs it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, request, url_for

from control_plane.model.change_class import CLASSES, CONDITION_TITLES, SIGNING_ORDER
from control_plane.model.class_table import LARGEST, MOST_HOSTS, MOST_TENANTS, NOT_STANDARD
from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, NotFound, StalePlan
from control_plane.model.people import ROLES, Act
from control_plane.model.text import t
from control_plane.web import door, exporting
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table

pages = Blueprint("classes", __name__)
COLUMNS = (
    Column("number", t("Proposal"), "id"),
    Column("state", t("State"), "state", filter=True),
    Column("at", t("Proposed"), "time"),
    Column("by", t("By"), "who"),
    Column("reason", t("Reason")),
    Column("changes", t("What differs")),
    Column("signed_by", t("Signed by"), "who"),
    Column("signed_at", t("Signed"), "time"),
    Column("ended_reason", t("Why it ended")),
)
DONE = {
    "proposed": t("It is proposed. It changes nothing before another person has signed it."),
    "sign": t("It is in force. Requests on their way are asked of the people who sign now."),
    "refuse": t("The proposal has ended; the table stays as it is."),
}


@pages.get("/console/classes")
@needs(Act.SEE_ESTATE)
def classes() -> Any:
    """The table in force, the proposal that waits, the form, and what was before."""
    return _page()


@pages.post("/console/classes")
@needs(Act.PROPOSE_CLASSES)
def propose() -> Any:
    """Propose another table."""
    form = request.form
    try:
        door.client().classes.propose(_table(), reason=form.get("reason", ""))
    except ControlPlaneError as error:
        return _page(error), 422
    return redirect(url_for("classes.classes", said="proposed"), 303)


@pages.post("/console/classes/<int:number>")
@needs(Act.PROPOSE_CLASSES)
def decide(number: int) -> Any:
    """Sign a proposal, refuse it, or withdraw one's own."""
    client, form = door.client().classes, request.form
    act = "sign" if form.get("act") == "sign" else "refuse"
    try:
        if act == "sign":
            client.sign(number, digest=form.get("digest", ""))
        else:
            client.refuse(number, reason=form.get("why", ""))
    except NotFound:
        raise
    except StalePlan as error:
        return _page(error), 409
    except ControlPlaneError as error:
        return _page(error), 422
    return redirect(url_for("classes.classes", said=act), 303)


def _table() -> Json:
    """The table of the form."""
    form = request.form
    return {
        **{name: _number(form.get(name, "")[:20]) for name in LARGEST},
        "not_standard": form.getlist("not_standard"),
        "lines": {
            name: {"class": form.get(f"class:{name}"), "signs": form.getlist(f"signs:{name}")}
            for name in CONDITION_TITLES
        },
    }


def _number(text: str) -> int | str:
    """What was typed, as a number if it is one."""
    return int(text) if text.isdecimal() else text


def _page(error: ControlPlaneError | None = None) -> Any:
    client = door.client().classes
    now = client.show()
    rows = [
        {**row, "changes": "; ".join(f"{d['title']}: {d['before']} → {d['after']}" for d in row["differences"])}
        for row in client.history()
    ]
    table = Table(
        COLUMNS, rows, request.args, caption=t("Former tables and proposals"),
        empty=t("No other table was proposed yet."), now=services().clock(),
    )  # fmt: skip
    typed = request.method == "POST" and "most_tenants" in request.form
    return exporting.page(
        "classes.html",
        table,
        now=now,
        proposal=now["proposal"],
        form=_table() if typed else now["table"],
        numbers=(("most_tenants", MOST_TENANTS), ("most_hosts", MOST_HOSTS)),
        not_standard=NOT_STANDARD,
        conditions=CONDITION_TITLES,
        kinds=[(name, CLASSES[name].title) for name in ("ordinary", "wide")],
        roles=[(name, ROLES[name].title) for name in SIGNING_ORDER],
        offerings=sorted(name for name, one in services().catalogue.items() if one.asking is not None),
        error=error,
        notice=DONE.get(request.args.get("said", "")),
    )
