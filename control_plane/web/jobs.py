"""What people asked for on pages: the list, and one with its outcome. Also how every page that acts places a job."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.people import Act
from control_plane.model.run import FINAL, RunState
from control_plane.model.text import t
from control_plane.web import door, exporting
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table

pages = Blueprint("jobs", __name__)
LIMIT = 500
WORKING = frozenset(state.value for state in frozenset(RunState) - FINAL)
COLUMNS = (
    Column("id", t("Act"), "id", lambda row: url_for("jobs.job", number=row["id"])),
    Column("state", t("State"), "state", filter=True),
    Column("title", t("What")),
    Column("sentence", t("How it stands")),
    Column("actor", t("Who"), "who", filter=True),
    Column("run", t("Run"), "id", lambda row: url_for("runs.run", number=row["run"]) if row["run"] else None),
    Column("at", t("Since"), "time"),
)


def place(kind: str, subject: str, **given: Any) -> Json:
    """Ask for something with the form that was sent; see `JobsClient.place`."""
    return door.client().jobs.place(kind, given, subject=subject, once=request.form.get("once", ""))


def there(job: Json, page: str, **values: Any) -> Any:
    """To a page that says what was done."""
    return redirect(url_for(page, done=job["id"], **values), 303)


def follow(job: Json) -> Any:
    """To the page of a job that takes its time."""
    return redirect(url_for("jobs.job", number=job["id"]), 303)


@pages.get("/console/jobs")
@needs(Act.SEE_ESTATE)
def jobs() -> Any:
    """The list, newest first."""
    table = Table(
        COLUMNS,
        door.client().jobs.list(LIMIT),
        request.args,
        caption=t("Acts"),
        empty=t("Nothing was asked for on these pages yet."),
        now=services().clock(),
    )
    return exporting.page("list.html", table, title=t("Acts"))


@pages.get("/console/jobs/<int:number>")
@needs(Act.SEE_ESTATE)
def job(number: int) -> Any:
    """One: what was asked for and what came of it; one with a run leads to it."""
    client = door.client()
    found = client.jobs.show(number)
    if found["run"]:
        return redirect(url_for("runs.run", number=found["run"], done=number))
    open_ = found["state"] in ("waiting", "running")
    worker = client.worker.status()["running"] if open_ else True
    ahead = next((run for run in client.runs(limit=20) if run["state"] in WORKING), None) if open_ else None
    return render_template("job.html", job=found, working=open_, worker=worker, ahead=ahead)
