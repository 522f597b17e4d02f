"""Runs with their events, and what may be done with one: stop, resume, undo, plan the same again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Rejected
from control_plane.model.naming import RUN_KINDS
from control_plane.model.people import Act
from control_plane.model.run import RESUMABLE
from control_plane.model.telling import telling
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.states import word
from control_plane.web.tables import Column, Table

pages = Blueprint("runs", __name__)
LIMIT = 500
WORKING = jobs.WORKING
COLUMNS = (
    Column("id", t("Run"), "id", lambda row: url_for("runs.run", number=row["id"])),
    Column("state", t("State"), "state", filter=True),
    Column("kind", t("Kind"), filter=True, words=RUN_KINDS),
    Column("scope", t("Scope"), "scope"),
    Column("who", t("Who"), "who", filter=True),
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
    return exporting.page("list.html", table, title=t("Runs"))


@pages.get("/console/runs/<int:number>")
@needs(Act.SEE_ESTATE)
def run(number: int) -> Any:
    """One run: what was asked, what happened, what failed."""
    return _page(number)


def _page(number: int, error: ControlPlaneError | None = None) -> Any:
    return render_template("run.html", error=error, **surroundings(number))


def surroundings(number: int) -> dict[str, Any]:
    """What the page of a run shows; its head is drawn from this again and again while it is at work."""
    client = door.client()
    found, events = client.run(number), client.run_events(number)
    job = client.jobs.of_run(number)
    return {
        "run": flat(found),
        "events": [{**event, "text": sentence(event)} for event in events],
        "progress": progress(events),
        "working": found["state"] in WORKING,
        "resumable": found["state"] in RESUMABLE and any(event["type"] == "plan.confirmed" for event in events),
        "undoable": found["state"] not in WORKING and any(event["data"].get("generations") for event in events),
        "job": job,
    }


def progress(events: list[Json]) -> Json:
    """{done, total, parts: [{part, done, total, state}]}: how far each system is."""
    parts: dict[str, Json] = {}
    for event in events:
        data = event["data"]
        match event["type"]:
            case "part.started":
                known = parts.get(data["part"], {"done": 0, "total": 0})
                done, total = known["done"], known["total"] + data["changes"]
                parts[data["part"]] = {"done": done, "before": done, "total": total, "state": "running"}
            case "part.done" if data["part"] in parts:
                part = parts[data["part"]]
                part |= {"done": part["before"] + data["done"]}
                part["state"] = "done" if part["done"] == part["total"] else "partly"
    steps = next((event["data"]["steps"] for event in events if event["type"] == "plan.confirmed"), None)
    now = [event["data"] for event in events if event["type"] == "part.progress"]
    done = max(sum(part["done"] for part in parts.values()), now[-1]["done"] if now else 0)
    return {"done": done, "total": steps, "parts": [{"part": n, **p} for n, p in sorted(parts.items())]}


@pages.get("/console/runs/<int:number>/log")
@needs(Act.SEE_ESTATE)
def log(number: int) -> Any:
    """All of it as text, for a file."""
    events = door.client().run_events(number)
    lines = "".join(
        f"{show.stamp(event['at'])}\t{event['number']}\t{event['type']}\t{sentence(event)}\n" for event in events
    )
    return Response(lines, mimetype="text/plain", headers={"Content-Disposition": f"inline; filename=run-{number}.log"})


@pages.post("/console/runs/<int:number>/stop")
@needs(Act.FREEZE)
def stop(number: int) -> Any:
    """Ask it to end at its next boundary."""
    return _act("stop", number)


@pages.post("/console/runs/<int:number>/resume")
@needs(Act.APPLY)
def resume(number: int) -> Any:
    """Finish what it left."""
    return _act("resume", number)


def _act(kind: str, number: int) -> Any:
    door.client().run(number)
    try:
        job = jobs.place(kind, str(number), run=number)
    except Rejected as error:
        return _page(number, error), 422
    if kind == "resume":
        return jobs.follow(job)
    return (_page(number, job["error"]), 422) if job["error"] else jobs.there(job, "runs.run", number=number)


@pages.post("/console/runs/<int:number>/undo")
@needs(Act.PLAN)
def undo(number: int) -> Any:
    """The plan that brings back what was wanted before it; nothing is changed yet."""
    door.client().run(number)
    try:
        plan = door.client().undo_run(number)
    except ControlPlaneError as error:
        return _page(number, error), 422
    return redirect(url_for("plans.plan", digest=plan["digest"]), 303)


def sentence(event: Json) -> Text | str:
    """An event in words, as on the command line; also those that it passes over."""
    kind, data = event["type"], event["data"]
    told = telling(kind, data, word, services().offerings)
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
