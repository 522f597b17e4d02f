"""`gasp web`: the console's web server."""

from __future__ import annotations

import os

import click

from control_plane.cli.app import App
from control_plane.cli.base import Command, option
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
@click.pass_obj
def web(app: App, background: bool, stop: bool) -> None:
    """`gasp web`."""
    from control_plane import wiring

    if stop:
        app.note(t("The console was stopped.") if wiring.stop_console() else t("No console runs in the background."))
        return
    url = wiring.console_url()
    if url is None:
        raise Rejected(t("This centre has no console: GASP_WEB_PORT is 0."), t("Set another port."))
    wiring.lab()  # joins the lab's mount namespace first, if that is another one
    if background:
        wiring.start_console()
        app.note(t("Console: {url}", url=url))
        return
    app.note(t("Console: {url}  Ctrl-C ends it.", url=url))
    command = wiring.web_command()
    os.execve(command[0], command, {**os.environ, **wiring.web_environment()})
