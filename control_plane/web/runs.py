"""Runs with their events. A page of a run that is at work looks again by itself; without scripts by its link."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.people import Act
from control_plane.model.run import FINAL, RunState
from control_plane.model.telling import telling
from control_plane.model.text import Text, t
from control_plane.web import door, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.states import word
from control_plane.web.tables import Column, Table

pages = Blueprint("runs", __name__)
LIMIT = 500
WORKING = frozenset(state.value for state in frozenset(RunState) - FINAL)
COLUMNS = (
    Column("id", t("Run"), "id", lambda row: url_for("runs.run", number=row["id"])),
    Column("state", t("State"), "state", filter=True),
    Column("kind", t("Kind"), filter=True),
    Column("scope", t("Scope"), "code"),
    Column("who", t("Who"), filter=True),
    Column("started_at", t("Started"), "time"),
    Column("took", t("Took")),
    Column("changed", t("Changed"), "number"),
    Column("failed", t("Failed"), "number"),
)


def flat(run: Json) -> Json:
    """A run with the fields that lists show."""
    counts = run["counts"]
    return {
        **run,
        "who": run["actor"]["name"],
        "took": show.duration(run["started_at"], run["finished_at"]),
        "changed": counts.get("applied", 0),
        "failed": sum(counts.get(state, 0) for state in ("failed", "refused", "unknown")),
    }


@pages.get("/console/runs")
@needs(Act.SEE_ESTATE)
def runs() -> Any:
    """The list, newest first."""
    table = Table(
        COLUMNS,
        [flat(run) for run in door.client().runs(limit=LIMIT)],
        request.args,
        caption=t("Runs"),
        empty=t("Nothing was carried out yet. A run begins when a plan is applied: gasp apply"),
        now=services().clock(),
    )
    return render_template("list.html", title=t("Runs"), table=table)


@pages.get("/console/runs/<int:number>")
@needs(Act.SEE_ESTATE)
def run(number: int) -> Any:
    """One run: what was asked, what happened, what failed."""
    client = door.client()
    found = client.run(number)
    lines = [{**event, "text": sentence(event)} for event in client.run_events(number)]
    return render_template("run.html", run=flat(found), events=lines, working=found["state"] in WORKING)


def sentence(event: Json) -> Text | str:
    """An event in words, as on the command line; also those that it passes over."""
    kind, data = event["type"], event["data"]
    told = telling(kind, data, word)
    if told is not None:
        return told
    match kind:
        case "run.leased":
            return t("its turn has come")
        case "plan.confirmed":
            return t("the plan is agreed on: {steps} changes", steps=data.get("steps", 0))
        case "run.finished":
            return t("finished: {state}", state=word(str(data.get("state"))))
        case other:
            return str(other)
