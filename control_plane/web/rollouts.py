"""Rollouts: the list, a new one with its preview, and one with its waves, its machines and what a person may do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.people import Act
from control_plane.model.rollout import ACTS, ITEM_STATES, KINDS, MOVING
from control_plane.model.scope import RINGS
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("rollouts", __name__)
EVENTS: dict[str, Text] = {
    "rollout.created": t("made"),
    "rollout.released": t("released"),
    "wave.started": t("a wave began"),
    "wave.publishing": t("its ring is being given the change"),
    "wave.published": t("its ring has the change"),
    "item.touching": t("one is being changed"),
    "item.done": t("one was changed"),
    "wave.measured": t("the wave was measured"),
    "wave.judged": t("the wave was judged"),
    "wave.settled": t("the wave has settled"),
    "wave.finished": t("the wave is finished"),
    "item.caught_up": t("one that was off has caught up"),
    "wave.opened": t("a ring to which machines came has a wave of its own"),
    "item.joined": t("one that came since goes with it"),
    "rollout.paused": t("paused"),
    "rollout.resumed": t("goes on"),
    "rollout.waiting": t("waits for a person"),
    "rollout.stopped": t("stopped"),
    "rollout.aborted": t("aborted"),
    "rollback.started": t("it is being rolled back"),
    "rollback.published": t("its ring has again what it had"),
    "rollback.item": t("one has again what it had"),
    "rollout.ended": t("the rollout has ended"),
}
WORKING = frozenset(state.value for state in MOVING)
COLUMNS = (
    Column("id", t("Rollout"), "id", lambda row: url_for("rollouts.rollout", number=row["id"])),
    Column("state", t("State"), "state", filter=True),
    Column("kind", t("Kind"), filter=True, words=KINDS),
    Column("brought", t("What")),
    Column("progress", t("Wave")),
    Column("good", t("In order")),
    Column("sentence", t("How it stands")),
    Column("actor", t("Who"), "who", filter=True),
    Column("created_at", t("Made"), "time"),
)
MACHINES = (
    Column("name", t("Name"), "code"),
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("wave", t("Wave"), "id", filter=True),
    Column("ring", t("Ring"), filter=True, words=RINGS),
    Column("state", t("State"), "state", filter=True),
    Column("sentence", t("What became of it")),
    Column("fault", t("Fault"), "code"),
    Column("at", t("Since"), "time"),
)


def flat(row: Json) -> Json:
    """A rollout with the fields that lists show."""
    counts = row["counts"]
    good = counts.get("ok", 0) + counts.get("returned", 0)
    return {
        **row,
        "brought": show.brought(row),
        "progress": str(t("{wave} of {waves}", wave=row["wave"], waves=row["waves_total"])),
        "good": str(t("{wave} of {waves}", wave=good, waves=row["total"])),
    }


@pages.get("/console/rollouts")
@needs(Act.SEE_ESTATE)
def rollouts() -> Any:
    """The list, newest first."""
    table = Table(
        COLUMNS,
        [flat(row) for row in door.client().rollouts.list()],
        request.args,
        caption=t("Rollouts"),
        empty=t("There are no rollouts yet. Make one: gasp rollouts create"),
        now=services().clock(),
    )
    return exporting.page("rollouts.html", table)


@pages.get("/console/rollouts/<int:number>")
@needs(Act.SEE_ESTATE)
def rollout(number: int) -> Any:
    """One: how it stands, wave by wave, machine by machine, and what happened. At work it looks again by itself."""
    return _page(number)


@pages.post("/console/rollouts/<int:number>")
@needs(Act.ROLLOUTS)
def act(number: int) -> Any:
    """Release, resume, abort or roll back."""
    wanted = request.form.get("act", "")
    given: Json = {"rollout": number}
    if wanted != "resume":
        given["reason"] = request.form.get("reason", "").strip()
    if wanted in ("release", "go_on"):
        given |= {"go_on": wanted == "go_on", "confirm": request.form.get("confirm", "").strip()}
    return _do("release" if wanted == "go_on" else wanted, number, given)


@pages.post("/console/rollouts/<int:number>/pause")
@needs(Act.FREEZE)
def pause(number: int) -> Any:
    """Touch nothing more until it is resumed."""
    return _do("pause", number, {"rollout": number, "reason": request.form.get("reason", "").strip()})


def _do(wanted: str, number: int, given: Json) -> Any:
    door.client().rollouts.show(number)
    try:
        if wanted not in ACTS:
            raise Invalid([Problem("no-act", t("No act is chosen."), t("Use one of the buttons."))])
        job = jobs.place(f"rollout_{wanted}", str(number), **given)
    except Rejected as error:
        return _page(number, error), 422
    return (_page(number, job["error"]), 422) if job["error"] else jobs.there(job, "rollouts.rollout", number=number)


def _page(number: int, error: Any = None) -> Any:
    client = door.client().rollouts
    found = client.show(number)
    items = [{**item, "state": ITEM_STATES.get(item["state"], item["state"])} for item in found["items"]]
    table = Table(
        MACHINES,
        items,
        request.args,
        caption=t("What became of each"),
        empty=t("This rollout touches nothing."),
        now=services().clock(),
    )
    return exporting.page(
        "rollout.html",
        table,
        rollout=flat(found),
        revision=found["policy"],
        kind=KINDS.get(found["kind"], found["kind"]),
        rings=RINGS,
        items=ITEM_STATES,
        events=[{**event, "text": EVENTS.get(event["type"], event["type"])} for event in client.events(number)],
        working=found["state"] in WORKING,
        thresholds=found["thresholds"],
        acts={name for name, states in ACTS.items() if found["state"] in states},
        error=error,
    )
