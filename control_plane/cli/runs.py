"""`gasp runs`: what was done, by whom, with what outcome; stop, resume, undo."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.errors import INTERRUPTED, TEMPORARY, Stop
from control_plane.cli.listing import Column, listing_options, show_list
from control_plane.cli.plans import apply_and_show, consent_to, note_plan, show_plan
from control_plane.cli.run_view import Follower, carry_out, end, finish, show_run
from control_plane.model.run import FINAL, RunState
from control_plane.model.scope import scope_words
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("RUN"), show="id"),
    Column("state", t("STATE"), show="state"),
    Column("kind", t("KIND")),
    Column("scope", t("SCOPE"), show="scope"),
    Column("actor.name", t("WHO")),
    Column("started_at", t("STARTED"), show="time"),
    Column("counts.applied", t("CHANGED")),
    Column("counts.failed", t("FAILED")),
    Column("finished_at", t("FINISHED"), wide=True, show="time"),
    Column("digest", t("PLAN"), wide=True),
    Column("sentence", t("OUTCOME"), wide=True),
)
POLL_SECONDS = 0.3

runs = Group(
    name="runs",
    sentence=t("Runs: list, show, follow, stop, resume, undo."),
    examples=(
        ("gasp runs list", t("the last fifty runs")),
        ("gasp runs undo 482", t("the plan that brings back what was desired before a run")),
    ),
)
run_argument = argument("run_id", help=t("Number of the run."), type=click.IntRange(1), metavar="RUN")


@runs.verb(
    "list",
    sentence=t("List runs, newest first."),
    examples=(
        ("gasp runs list --state failed", t("runs that failed")),
        ("gasp runs list --limit 5 -o wide", t("the last five with their outcome")),
    ),
)
@option(
    "--state",
    help=t("Only runs in this state."),
    type=click.Choice([state.value for state in RunState]),
    metavar="STATE",
)
@listing_options
@click.pass_obj
def list_runs(app: App, state: str | None) -> None:
    """`gasp runs list`."""
    rows = app.client.runs(limit=app.listing.limit or 50, state=state)
    show_list(rows, COLUMNS, empty=t("There were no runs yet. Try: gasp plan"), name="id")


@runs.verb(
    "show",
    sentence=t("Show one run: who, what, what failed and for whom."),
    examples=(
        ("gasp runs show 482", t("one run")),
        ("gasp runs show 482 -o csv", t("what failed in it, for a spreadsheet")),
    ),
)
@run_argument
@listing_options
@click.pass_obj
def show(app: App, run_id: int) -> None:
    """`gasp runs show RUN`."""
    show_run(app, app.client.run(run_id), rows="failures")


@runs.verb(
    "follow",
    sentence=t(
        "Follow a run until it ends; the exit code is the run's.\n"
        "Ctrl-C only stops following: the run goes on. Events come as JSON lines with -o json."
    ),
    examples=(
        ("gasp runs follow 482", t("what a run does, as it happens")),
        ("gasp runs follow 482 --from 1 -o json", t("all its events, one JSON object a line")),
    ),
)
@run_argument
@option("--from", "first", help=t("Number of the first event to show."), type=click.IntRange(1), default=1)
@option("--timeout", help=t("Stop following after this many seconds; exit code 6."), type=click.FloatRange(0))
@option("-o", "--output", help=t("Form of the answer."), type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def follow(app: App, run_id: int, first: int, timeout: float | None, output: str) -> None:
    """`gasp runs follow RUN`."""
    import json

    follower = Follower(app, began=datetime.fromisoformat(app.client.run(run_id)["started_at"]))
    follower.live = False
    deadline = None if timeout is None else time.monotonic() + timeout
    seen, pause = first - 1, threading.Event()
    try:
        while True:
            run = app.client.run(run_id)
            for event in app.client.run_events(run_id, seen):
                seen = event["number"]
                if output == "json":
                    app.out(json.dumps(event, ensure_ascii=True, default=str))
                else:
                    follower(event)
            if run["state"] in FINAL:
                break
            if deadline is not None and time.monotonic() >= deadline:
                app.note(t("Run {run} still goes on: gasp runs follow {run}", run=run_id))
                raise Stop(TEMPORARY)
            pause.wait(POLL_SECONDS)
    except KeyboardInterrupt:
        app.note(t("Run {run} still goes on: gasp runs follow {run}", run=run_id))
        raise Stop(INTERRUPTED) from None
    if output == "json":
        end(run["state"])
    else:
        finish(app, run)


@runs.verb(
    "stop",
    sentence=t("Ask a run to stop at the next boundary. What it has done stays; resume or undo follows."),
    examples=(
        ("gasp runs stop 482", t("stop a run")),
        ("gasp runs stop 482 && gasp runs follow 482", t("and watch it end")),
    ),
)
@run_argument
@consent_options()
@listing_options
@click.pass_obj
def stop(app: App, run_id: int, dry_run: bool, yes: bool) -> None:
    """`gasp runs stop RUN`."""
    # Stopping is always allowed and destroys nothing, so nobody is asked.
    act = partial(app.client.stop_run, run_id)
    if rehearsed(dry_run, t("Run {run} would be asked to stop.", run=run_id), act):
        return
    app.context()
    show_run(app, act())


@runs.verb(
    "resume",
    sentence=t("Finish a stopped or interrupted run: its remaining changes only."),
    examples=(
        ("gasp runs resume 482", t("finish a run")),
        ("gasp runs resume 482 --dry-run", t("see what the run was about")),
    ),
)
@run_argument
@consent_options()
@listing_options
@click.pass_obj
def resume(app: App, run_id: int, dry_run: bool, yes: bool) -> None:
    """`gasp runs resume RUN`."""
    run = app.client.run(run_id)
    if dry_run:
        show_run(app, run)
        rehearsed(True, t("The remaining changes of run {run} would be carried out.", run=run_id))
        return
    app.context()
    ask(
        t("Carry out the remaining changes of run {run} (scope {scope})?", run=run_id, scope=scope_words(run["scope"])),
        yes,
    )
    finish(app, carry_out(app, lambda on_event: app.client.resume_run(run_id, on_event=on_event)))


@runs.verb(
    "undo",
    sentence=t(
        "Make the plan that brings back what was desired before a run.\n"
        "Only the plan is made and shown. Carry it out with gasp apply, or at once with --yes or --confirm."
    ),
    examples=(
        ("gasp runs undo 482", t("show the plan that undoes a run")),
        ("gasp runs undo 482 --yes", t("undo it at once")),
    ),
)
@run_argument
@consent_options(word=True)
@listing_options
@click.pass_obj
def undo(app: App, run_id: int, dry_run: bool, yes: bool, confirm: str | None) -> None:
    """`gasp runs undo RUN`."""
    plan = app.client.undo_run(run_id)
    if dry_run or not (yes or confirm):
        show_plan(app, plan)
        return
    app.context()
    note_plan(app, plan)
    apply_and_show(app, plan["digest"], consent_to(plan, confirm, yes), 600.0)
