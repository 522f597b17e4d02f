"""Runs with their events. A page of a run that is at work looks again by itself; without scripts by its link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.people import Act
from control_plane.model.run import FINAL, RunState
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
    """An event in words, the same as on the command line."""
    data = event["data"]
    match event["type"]:
        case "run.created":
            return t("begun, scope {scope}", scope=data.get("scope", "estate"))
        case "run.leased":
            return t("its turn has come")
        case "plan.observed":
            counts = {name: data.get("summary", {}).get(name, 0) for name in ("delete", "update", "create")}
            return t("looked: {delete} to delete, {update} to update, {create} to create", **counts)
        case "plan.confirmed":
            return t("the plan is agreed on: {steps} changes", steps=data.get("steps", 0))
        case "part.started":
            return t("{part}: {count} changes", part=data.get("part"), count=data.get("changes"))
        case "part.notice":
            return t("{part}: {stage}", part=data.get("part"), stage=data.get("stage"))
        case "part.progress":
            return t("{done} of {total} changes", done=data.get("done"), total=data.get("total"))
        case "part.done":
            return t("{part}: {done} of {total} done", **{k: data.get(k) for k in ("part", "done", "total")})
        case "change.failed":
            place = ":".join(str(data[k]) for k in ("file", "line") if data.get(k)) or "–"
            facts = {"mark": word(str(data.get("state") or "failed")), "id": data.get("id"), "place": place}
            facts |= {"tenant": data.get("tenant"), "text": _stored(data.get("text"))}
            return t("{mark} {id} of {tenant}: {text} ({place})", **facts)
        case "change.held":
            return t("{count} changes held back: {why}", count=data.get("count"), why=_stored(data.get("why")))
        case "verify.started":
            return t("verifying")
        case "verify.done":
            return (
                t("verified: planning again finds nothing") if data.get("empty") else t("verified: something is left")
            )
        case "run.stopped":
            return t("stopped on request")
        case "run.finished":
            return t("finished: {state}", state=word(str(data.get("state"))))
        case other:
            return str(other)


def _stored(value: Any) -> Text | str:
    """A sentence as events keep it: its msgid and parameters, or plain text."""
    return Text.from_json(value) if isinstance(value, Mapping) else str(value or "–")
