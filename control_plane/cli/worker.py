"""`gasp worker`: what goes on by itself: rollouts, measurements, collecting."""

from __future__ import annotations

import gc
import signal

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, option
from control_plane.cli.consent import consent_options, rehearsed
from control_plane.cli.errors import FAILED, Stop
from control_plane.cli.listing import Column, listing_options, print_table, show_one
from control_plane.cli.terminal import sentence
from control_plane.model.errors import NotFound
from control_plane.model.text import t

COLUMNS = (
    Column("name", t("CHORE")),
    Column("every", t("EVERY (s)")),
    Column("state", t("STATE"), show="state"),
    Column("succeeded_at", t("LAST SUCCESS"), show="time"),
    Column("failures", t("FAILURES")),
    Column("error", t("ERROR")),
    Column("started_at", t("STARTED"), wide=True, show="time"),
    Column("ended_at", t("ENDED"), wide=True, show="time"),
)

#: A process that lives for weeks looks for cycles more often than a command.
COLLECTOR = (100_000, 50, 50)

worker = Group(
    name="worker",
    sentence=t("The background worker: status, start, stop."),
    examples=(
        ("gasp worker status", t("whether it runs, and how its chores are")),
        ("gasp worker run --once", t("every chore once, in the foreground")),
    ),
)


@worker.verb(
    "status",
    sentence=t("Show whether the worker runs and how its chores went; exit code 1 when one fails."),
    examples=(
        ("gasp worker status", t("a line a chore")),
        ("gasp worker status -o json", t("for a program")),
    ),
)
@listing_options
@click.pass_obj
def status(app: App) -> None:
    """`gasp worker status`."""
    answer = app.client.worker.status()

    def draw() -> None:
        if answer["chores"]:
            print_table(app, answer["chores"], COLUMNS)
        if answer["signals"]:
            app.out(sentence(t("{text}", text=answer["signals"])))
        said = t("The worker runs as process {pid}.", pid=answer["pid"])
        app.note(
            said if answer["running"] else t("The worker does not run. Next: {command}", command="gasp worker start")
        )

    show_one(answer, draw, rows="chores", name="name", columns=COLUMNS)
    if any(chore["state"] in ("failed", "late") for chore in answer["chores"]):
        raise Stop(FAILED)


@worker.verb(
    "run",
    sentence=t("Do the chores in the foreground until Ctrl-C; each by itself, none ends the others."),
    examples=(
        ("gasp worker run", t("until Ctrl-C, a line for each thing that is done")),
        ("gasp worker run --once --chore rollouts", t("one chore once")),
    ),
)
@option("--once", help=t("Every chore once, one after the other; exit code 1 when one failed."), is_flag=True)
@option("--chore", "names", help=t("Only this chore; may be given again."), multiple=True, metavar="NAME")
@option("--log", help=t("Form of the log lines."), type=click.Choice(["plain", "json"]), default="plain")
@click.pass_obj
def run(app: App, once: bool, names: tuple[str, ...], log: str) -> None:
    """`gasp worker run`."""
    from control_plane import wiring
    from control_plane.workflow.worker import Worker, json_log, plain_log

    wiring.lab()  # joins the lab's mounts, which only a process without threads can
    known = wiring.chores()
    for name in names:
        if name not in [c.name for c in known]:
            raise NotFound(
                t("There is no chore “{name}”.", name=name),
                t("Known are: {names}.", names=", ".join(c.name for c in known)),
            )
    chosen = [c for c in known if not names or c.name in names]
    log_line = json_log if log == "json" else plain_log
    made = Worker(wiring.store(), chosen, wiring.renew, log_line, wiring.signals().listen)
    if once:
        if not made.once():
            raise Stop(FAILED)
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: made.stop())
    gc.set_threshold(*COLLECTOR)
    made.run()


@worker.verb(
    "start",
    sentence=t("Start the worker in the background, unless it runs. make up does this too."),
    examples=(
        ("gasp worker start", t("start it")),
        ("gasp worker start --dry-run", t("say what it would do")),
    ),
)
@consent_options()
@click.pass_obj
def start(app: App, dry_run: bool, yes: bool) -> None:
    """`gasp worker start`."""
    from control_plane import wiring

    app.here()
    if rehearsed(dry_run, t("The worker would be started.")):
        return
    app.context()
    app.out(sentence(t("The worker runs as process {pid}.", pid=wiring.start_worker())))


@worker.verb(
    "stop",
    sentence=t("Stop the worker; what it is doing on a host is finished first. gasp lab down does this too."),
    examples=(
        ("gasp worker stop", t("nothing goes on by itself then")),
        ("gasp worker stop --dry-run", t("say what it would do")),
    ),
)
@consent_options()
@click.pass_obj
def stop(app: App, dry_run: bool, yes: bool) -> None:
    """`gasp worker stop`."""
    from control_plane import wiring

    app.here()
    if rehearsed(dry_run, t("The worker would be stopped.")):
        return
    app.context()
    app.out(sentence(t("The worker is stopped.") if wiring.stop_worker() else t("The worker did not run.")))


@worker.verb(
    "keep",
    sentence=t("Keep a worker running in this process; gasp worker start begins one in the background."),
    examples=(
        ("gasp worker keep", t("what gasp worker start starts")),
        ("gasp worker start", t("the same in the background")),
    ),
    hidden=True,
)
@click.pass_obj
def keep(app: App) -> None:
    """`gasp worker keep`."""
    from control_plane import wiring

    wiring.keep_worker()
