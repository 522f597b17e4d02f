"""`gasp web`: the console's web server."""

from __future__ import annotations

import os

import click

from control_plane.cli.app import App
from control_plane.cli.base import Command, option
from control_plane.cli.consent import consent_options, rehearsed
from control_plane.cli.terminal import sentence
from control_plane.model.errors import Rejected
from control_plane.model.text import t


@click.command(
    "web",
    cls=Command,
    sentence=t("Serve the console over HTTPS on this machine, in the foreground until Ctrl-C or in the background."),
    examples=(
        ("gasp web --background", t("start it in the background, unless it runs")),
        ("gasp web --stop", t("end the one in the background")),
    ),
)
@option("--background", help=t("Start it in the background, unless it runs."), is_flag=True)
@option("--stop", help=t("End the one in the background."), is_flag=True)
@option("--keep", help=t("Keep one running from this process: what --background starts."), is_flag=True, hidden=True)
@consent_options()
@click.pass_obj
def web(app: App, background: bool, stop: bool, keep: bool, dry_run: bool, yes: bool) -> None:
    """`gasp web`."""
    from control_plane import wiring

    if stop or background:
        app.here()
    if stop:
        if rehearsed(dry_run, t("The console would be stopped.")):
            return
        app.context()
        app.out(sentence(t("The console is stopped.") if wiring.stop_console() else t("The console did not run.")))
        return
    url = wiring.console_url()
    if url is None:
        raise Rejected(t("This centre has no console: GASP_WEB_PORT is 0."), t("Set another port."))
    if rehearsed(dry_run, t("The console would be started.")):
        return
    if keep:
        wiring.keep_console()
    wiring.lab()  # joins the lab's mount namespace first, if that is another one
    if background:
        app.context()
        app.out(sentence(t("The console runs as process {pid}: {url}", pid=wiring.start_console(), url=url)))
        return
    app.note(t("Console: {url}  Ctrl-C ends it.", url=url))
    command = wiring.web_command()
    os.execve(command[0], command, {**os.environ, **wiring.web_environment()})
