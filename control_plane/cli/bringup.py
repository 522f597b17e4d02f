"""`gasp bringup`, what `make up` calls: day 0 with live progress, and a last page that says what is up."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from control_plane.cli.app import App
from control_plane.cli.base import Command
from control_plane.cli.terminal import duration
from control_plane.model.text import t

if TYPE_CHECKING:
    from control_plane.workflow.bringup import Progress

#: On a log, a running phase says where it stands this often (seconds).
PLAIN_EVERY = 15.0


class View:
    """One moving line on a terminal; plain lines in a log."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._last = 0.0
        self._phase = ""

    def __call__(self, step: Progress) -> None:
        """Show one step."""
        head = f"[{step.number}/{step.phases}] {step.phase.title}"
        count = f" {step.done}/{step.total}" if step.total and not step.finished else ""
        times = str(
            t("{elapsed} elapsed, about {rest} left", elapsed=duration(step.elapsed), rest=duration(step.remaining))
        )
        if step.finished:
            self._clear()
            took = str(t("{elapsed} elapsed", elapsed=duration(step.elapsed)))
            click.echo(f"{head}: {step.message or t('done')}  ({took})", err=True)
            return
        if self.live:
            click.echo(f"\r\x1b[K{head}{count}  {times}  {step.message[:40]}", err=True, nl=False, color=True)
        elif step.phase.name != self._phase or time.monotonic() - self._last >= PLAIN_EVERY:
            click.echo(f"{head}{count}  {times}", err=True)
            self._last = time.monotonic()
        self._phase = step.phase.name

    def _clear(self) -> None:
        if self.live:
            click.echo("\r\x1b[K", err=True, nl=False, color=True)


@click.command(
    "bringup",
    cls=Command,
    sentence=t("Boot the lab, set up its servers, import the estate, apply and verify. Run again after a kill."),
    examples=(
        ("gasp bringup", t("bring everything up, or carry on where it was killed")),
        ("GASP_LANG=zh gasp bringup", t("the same in Chinese")),
    ),
)
@click.pass_obj
def bringup(app: App) -> None:
    """`gasp bringup`."""
    from control_plane import day_zero, wiring
    from control_plane.workflow.bringup import bring_up

    app.here()
    view = View()
    try:
        took = bring_up(day_zero.phases(), wiring.settings().state / "bringup.json", view)
    except KeyboardInterrupt:
        app.note(str(t("Stopped. Run it again; it carries on.")))
        raise
    status = app.client.status()
    tenants = status["tenants"]
    lines = [
        t("The estate “{name}” is up after {seconds}.", name=status["estate"], seconds=duration(sum(took.values()))),
        t(
            "  {hosts} hosts run; {served} departments served, {network} districts on the network, {listed} listed.",
            hosts=status["hosts"].get("running", 0),
            served=tenants.get("served", 0),
            network=tenants.get("network_only", 0),
            listed=tenants.get("listed", 0),
        ),
        t(
            "  State: {state}. First passwords: {file}",
            state=wiring.settings().state,
            file=day_zero.first_passwords_file(),
        ),
    ]
    if wiring.console_url():
        lines.append(t("  Console: {url}", url=wiring.console_url()))
        first = wiring.people().first()
        if first is not None:
            lines.append(t("  First sign-in: name “{name}”, one-time password in {file}", name="first", file=first))
    lines.append(t("Three things to try:"))
    tries = (
        (".venv/bin/gasp lab run citizen -- curl -sI https://fgw.qingdao.test/", t("look at a site as a citizen")),
        (".venv/bin/gasp explain fgw.qingdao.test", t("who asked, what is, since when")),
        (".venv/bin/gasp plan", t("nothing to change: what is real is what is desired")),
    )
    for line in lines:
        click.echo(str(line))
    for command, why in tries:
        click.echo(f"  {command:<70}  {why}")
