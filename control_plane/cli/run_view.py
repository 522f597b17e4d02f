"""Follow a run: a progress line on a terminal, plain lines elsewhere, a last line that says what was done.

The first Ctrl-C asks the run to stop at its next boundary. The second one ends this process at once: with it the run
(which is safe: the next apply finishes the work), unless that is at a control plane elsewhere, where it goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

import click

from control_plane.cli.app import App
from control_plane.cli.errors import FAILED, INTERRUPTED, Stop
from control_plane.cli.listing import Column, show_one
from control_plane.cli.terminal import clean, duration, sentence, state_mark
from control_plane.model.client import Json, OnEvent
from control_plane.model.errors import ControlPlaneError
from control_plane.model.run import EXIT_CODES, RunState
from control_plane.model.scope import part_words
from control_plane.model.telling import failure, telling
from control_plane.model.text import Text, t, tn

FAILURE_COLUMNS = (
    Column("change_id", t("CHANGE")),
    Column("tenant", t("TENANT")),
    Column("text", t("PROBLEM")),
    Column("file", t("FILE")),
    Column("line", t("LINE")),
)
#: Kinds of event that get a line of their own; the others only move the progress line.
LOUD = frozenset({"change.failed", "change.held", "run.stopped"})


class Follower:
    """Shows the events of one run as they come and stops it when asked."""

    def __init__(
        self, app: App, shown: Callable[[str], str] | None = None, began: datetime | None = None
    ) -> None:  # fmt: skip
        """`shown` gives the plan with a digest as text; it is shown before the run's first write. `began`: when the
        run did; otherwise its first event says."""
        self.app = app
        self.shown = shown
        self.run_id: int | None = None
        self.presses = 0
        self.began = began
        self.live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and app.can_ask()
        self._progress: Any = None
        self._task: Any = None

    def __call__(self, event: Json) -> None:
        """Take one event."""
        self.run_id = event.get("run", self.run_id)
        at = datetime.fromisoformat(event["at"])
        self.began = self.began or at
        kind, data = event["type"], event.get("data", {})
        line = telling(kind, data, _mark)
        if kind == "plan.confirmed" and self.shown is not None:
            self._block(self.shown(data["digest"]))
        if self.live:
            self._move(kind, data, line)
        elif line is not None:
            passed = duration((at - self.began).total_seconds())
            self.app.note(t("Run {run}  {elapsed}  {what}", run=self.run_id, elapsed=passed, what=line))

    def _block(self, text: str) -> None:
        if self._progress is None:
            click.echo(text, err=True, color=True)
        else:
            from rich.text import Text as Painted

            self._progress.console.print(Painted.from_ansi(text), soft_wrap=True)

    def _move(self, kind: str, data: Mapping[str, Any], line: Text | None) -> None:
        if kind in LOUD and line is not None:
            self._progress.console.print(sentence(line), markup=False, highlight=False, soft_wrap=True)
        changes: dict[str, Any] = {"description": sentence(line)} if line is not None else {}
        if "total" in data and kind == "part.progress":
            changes |= {"total": data["total"], "completed": data["done"]}
        if self.run_id is not None:
            changes["run"] = self.run_id
        if changes:
            self._progress.update(self._task, **changes)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Own Ctrl-C and the progress line for the time of a run."""
        if self.live:
            self._start_progress()
        on_main = threading.current_thread() is threading.main_thread()
        previous = signal.signal(signal.SIGINT, self._pressed) if on_main else None
        try:
            yield
        finally:
            if on_main:
                signal.signal(signal.SIGINT, previous)
            if self._progress is not None:
                self._progress.stop()

    def _start_progress(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True, no_color=not self.app.paint_note("x", "bold").startswith("\x1b"))
        self._progress = Progress(
            TextColumn(sentence(t("Run {run}", run="{task.fields[run]}")), markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(sentence(t("looking")), total=None, run="–")
        self._progress.start()

    def _pressed(self, number: int, frame: FrameType | None) -> None:
        self.presses += 1
        if self.run_id is None:
            raise KeyboardInterrupt
        if self.presses == 1:
            run = self.run_id
            # In a thread of its own: this handler may have interrupted the store in the middle of a write.
            threading.Thread(target=self._stop, args=(run,), daemon=True).start()
            self._say(
                t("Run {run} stops at the next boundary. Press Ctrl-C again to follow it no longer.", run=run)
                if self.app.place is not None
                else t(
                    "Run {run} stops at the next boundary. Press Ctrl-C again to end at once;"
                    " then gasp runs resume {run} finishes it.",
                    run=run,
                )
            )
            return
        if self._progress is not None:
            self._progress.stop()
        self._say(
            t("Followed no longer. What becomes of run {run}: gasp runs show {run}", run=self.run_id)
            if self.app.place is not None
            else t("Ended at once. What run {run} had done stays: gasp runs show {run}", run=self.run_id)
        )
        sys.stderr.flush()
        os._exit(INTERRUPTED)

    def _stop(self, run: int) -> None:
        try:
            self.app.client.stop_run(run)
        except ControlPlaneError as error:
            self._say(error.text)

    def _say(self, text: Text) -> None:
        if self._progress is not None:
            self._progress.console.print(sentence(text), markup=False, highlight=False, soft_wrap=True)
        else:
            self.app.note(text)


def _mark(state: str) -> str:
    return state_mark(state)[0]


def carry_out(
    app: App,
    act: Callable[[OnEvent], Json],
    *,
    stopped: Callable[[App, Json], None] = lambda app, run: show_run(app, run),
    shown: Callable[[str], str] | None = None,
) -> Json:
    """Do something that reports events. When Ctrl-C stopped it, show the answer by `stopped` and end with 130."""
    follower = Follower(app, shown)
    with follower.watching():
        answer = act(follower)
    if follower.presses:
        stopped(app, answer)
        raise Stop(INTERRUPTED)
    return answer


def finish(app: App, run: Json) -> None:
    """Show a run that ended and end the command with its exit code."""
    show_run(app, run)
    end(run["state"])


def end(state: str) -> None:
    """End the command with the exit code of a run's state."""
    if code := EXIT_CODES.get(RunState(state), FAILED):
        raise Stop(code)


def show_run(app: App, run: Json, *, rows: str | None = None) -> None:
    """A run in the form that was asked for; `rows="failures"` makes CSV a list of what failed."""
    columns = FAILURE_COLUMNS if rows else ()
    name = "change_id" if rows else "id"
    show_one(run, lambda: app.out("\n".join(run_lines(app, run))), rows=rows, name=name, columns=columns)


def run_lines(app: App, run: Json) -> Iterator[str]:
    """What a run did, what failed and for whom, and the way back."""
    counts = run.get("counts", {})
    mark, style = state_mark(run["state"])
    took = _took(run)
    yield app.paint(sentence(t("Run {run}  {state}{took}", run=run["id"], state=mark, took=took)), style)
    if run.get("sentence"):
        yield f"  {sentence(run['sentence'])}"
    words = {
        "applied": t("{count} changed", count=counts.get("applied", 0)),
        "already": t("{count} already as wanted", count=counts.get("already", 0)),
        "failed": t("{count} failed", count=counts.get("failed", 0)),
        "refused": t("{count} refused, the world had moved", count=counts.get("refused", 0)),
        "held": t("{count} held back", count=counts.get("held", 0)),
        "unknown": t("{count} without an answer", count=counts.get("unknown", 0)),
    }
    said = [str(text) for name, text in words.items() if counts.get(name) or name in ("applied", "failed")]
    if run.get("verified"):
        said.append(str(t("verified: planning again finds nothing")))
    yield "  " + " · ".join(said)
    failures = run.get("failures") or []
    for item in failures[:50]:
        yield app.paint("  " + sentence(failure({**item, "id": item["change_id"]}, _mark)), "red")
    if len(failures) > 50:
        yield "  " + sentence(
            t("… and {count} more: gasp runs show {run} -o csv", count=len(failures) - 50, run=run["id"])
        )
    for item in run.get("unmeasured") or []:
        yield "  " + sentence(
            t("Could not measure {part}: {reason}", part=part_words(item["part"]), reason=item["reason"])
        )
    if run.get("affected_tenants"):
        names = run["affected_tenants"]
        text = ", ".join(clean(n) for n in names[:12]) + (" …" if len(names) > 12 else "")
        yield "  " + sentence(
            tn("Affects {count} tenant: {names}", "Affects {count} tenants: {names}", count=len(names), names=text)
        )
    if run["state"] in ("stopped", "interrupted", "partly", "failed", "could_not_measure"):
        yield sentence(t("Next: {command}", command=f"gasp runs resume {run['id']}"))
    if counts.get("applied") and run.get("kind") in (None, "apply", "resume"):
        yield sentence(t("Undo: {command}", command=f"gasp runs undo {run['id']}"))


def _took(run: Json) -> str:
    from datetime import datetime

    if not (run.get("started_at") and run.get("finished_at")):
        return ""
    seconds = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])
    return "  " + str(t("in {seconds} s", seconds=f"{seconds.total_seconds():.1f}"))
