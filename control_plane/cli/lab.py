"""`gasp lab`: the real hosts on this machine: up, down, look, run a command, try faults."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.errors import Stop
from control_plane.cli.listing import listing_options, print_table, show_one
from control_plane.cli.looking import HOST_COLUMNS, unknown
from control_plane.cli.terminal import duration
from control_plane.model.text import Text, t, tn

if TYPE_CHECKING:
    from lab.lab import Progress

PHASES = {
    "image": t("building images"),
    "network": t("network"),
    "disks": t("disks"),
    "boot": t("hosts that answer"),
    "stop": t("stopping hosts"),
    "remove": t("removing"),
}

lab = Group(
    name="lab",
    sentence=t("The lab of real hosts: up, down, run, stop, cut."),
    examples=(
        ("gasp lab status", t("which hosts run")),
        ("gasp lab run citizen -- curl -s https://fgw.qingdao.test/", t("look at a site as a citizen does")),
    ),
)
host_argument = argument("host", help=t("Name of the host."))
hosts_argument = argument("hosts", help=t("Names of the hosts."), nargs=-1, required=True, metavar="HOST...")


class Report:
    """Shows progress: one moving line on a terminal, one line a finished phase elsewhere."""

    def __init__(self, app: App) -> None:
        self.app, self.began, self.last = app, time.monotonic(), ""
        self.live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def __call__(self, step: Progress) -> None:
        """Take one step of the lab."""
        phase = str(PHASES.get(step.phase, step.phase))
        elapsed = duration(time.monotonic() - self.began)
        line = f"{elapsed}  {phase}  {step.done}/{step.total}  {step.message}".rstrip()
        if self.live:
            click.echo(f"\r\x1b[K{line[:100]}", err=True, nl=False, color=True)
        elif step.done == step.total and phase != self.last:
            self.app.note(line)
            self.last = phase

    def end(self) -> None:
        """Clear the moving line."""
        if self.live:
            click.echo("\r\x1b[K", err=True, nl=False, color=True)


def _known(app: App, host: str) -> None:
    names = [h.name for h in app.lab.topology.hosts]
    if host not in names:
        raise unknown(t("There is no host “{name}”.", name=host), host, names, "gasp lab status")


def _status(app: App) -> dict[str, Any]:
    from lab.lab import as_json

    return {
        "name": app.lab.topology.name,
        "supervised": app.lab.supervised,
        "hosts": [as_json(host) for host in app.lab.status()],
    }


def _long_act(app: App, act: Callable[[Report], None]) -> None:
    report = Report(app)
    try:
        act(report)
    finally:
        report.end()


@lab.verb(
    "up",
    sentence=t("Bring every host up. Killed and run again, it carries on."),
    examples=(
        ("gasp lab up", t("build images if needed, boot all hosts")),
        ("gasp lab up --dry-run", t("say what it would do")),
    ),
)
@consent_options()
@listing_options
@click.pass_obj
def up(app: App, dry_run: bool, yes: bool) -> None:
    """`gasp lab up`."""
    if rehearsed(
        dry_run,
        tn(
            "{count} host would be brought up.", "{count} hosts would be brought up.", count=len(app.lab.topology.hosts)
        ),
    ):
        return
    _long_act(app, lambda report: app.lab.up(report))
    _show_status(app)


@lab.verb(
    "down",
    sentence=t("Stop every host. Nothing stays running, mounted or configured; disks and images are kept."),
    examples=(
        ("gasp lab down", t("stop the lab")),
        ("gasp lab down --dry-run", t("say what it would do")),
    ),
)
@consent_options()
@click.pass_obj
def down(app: App, dry_run: bool, yes: bool) -> None:
    """`gasp lab down`."""
    # Nothing is lost and `gasp lab up` brings it back, so nobody is asked.
    if rehearsed(
        dry_run,
        tn("{count} host would be stopped.", "{count} hosts would be stopped.", count=len(app.lab.topology.hosts)),
    ):
        return
    app.stop_processes()
    _long_act(app, lambda report: app.lab.down(report))
    app.note(t("The lab is down."))


@lab.verb(
    "clean",
    sentence=t("As down, and delete the hosts' disks, the database, the secrets and all other state."),
    examples=(
        ("gasp lab clean --dry-run", t("say what it would do")),
        ("gasp lab clean --yes", t("delete everything but the images")),
    ),
)
@consent_options()
@click.pass_obj
def clean(app: App, dry_run: bool, yes: bool) -> None:
    """`gasp lab clean`."""
    from control_plane import wiring

    app.here()
    if rehearsed(dry_run, t("The lab and all state would be deleted.")):
        return
    ask(t("Delete the lab's disks, the database, the secrets and all other state?"), yes)
    _long_act(app, lambda report: wiring.clean(report))
    app.note(t("Everything is deleted but the images."))


@lab.verb(
    "status",
    sentence=t("Show every host with its addresses and state."),
    examples=(
        ("gasp lab status --filter state!=running", t("hosts that do not run")),
        ("gasp lab status -o json", t("for a program")),
    ),
)
@listing_options
@click.pass_obj
def status(app: App) -> None:
    """`gasp lab status`."""
    _show_status(app)


def _show_status(app: App) -> None:
    answer = _status(app)

    def draw() -> None:
        hosts = answer["hosts"]
        print_table(app, hosts, HOST_COLUMNS)
        running = sum(1 for host in hosts if host["state"] == "running")
        app.note(
            tn(
                "{running} of {total} host runs.",
                "{running} of {total} hosts run.",
                running=running,
                count=len(hosts),
                total=len(hosts),
            )
        )

    show_one(answer, draw, rows="hosts", name="name", columns=HOST_COLUMNS)


@lab.verb(
    "ssh",
    sentence=t("Open a shell on a host."),
    examples=(
        ("gasp lab ssh web", t("a root shell on the web host")),
        ("gasp lab ssh ns1 -- journalctl -u named -f", t("one command with a terminal")),
    ),
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@host_argument
@argument("words", help=t("Command and its words."), nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.pass_obj
def ssh(app: App, host: str, words: tuple[str, ...]) -> None:
    """`gasp lab ssh HOST`."""
    import shlex

    _known(app, host)
    terminal = ["-t"] if sys.stdin.isatty() else []
    command = [shlex.join(_command(words))] if words else []
    os.execvp("ssh", ["ssh", "-F", str(app.lab.ssh_config()), *terminal, host, *command])


@lab.verb(
    "run",
    sentence=t("Run a command on a host. Words, input, output and exit code pass through unchanged."),
    examples=(
        ("gasp lab run citizen -- curl -s https://fgw.qingdao.test/", t("look at a site as a citizen does")),
        ("gasp lab run web -- nginx -t", t("the exit code is nginx's own")),
    ),
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@host_argument
@argument(
    "words", help=t("Command and its words."), nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND..."
)
@click.pass_obj
def run(app: App, host: str, words: tuple[str, ...]) -> None:
    """`gasp lab run HOST -- COMMAND...`."""
    _known(app, host)
    raise Stop(app.lab.run(host, _command(words)).returncode)


def _command(words: tuple[str, ...]) -> list[str]:
    """The words after the `--` that ends our own options."""
    return list(words[1:] if words[:1] == ("--",) else words)


def _disturb(verb: str, sentence: Text, example: Text, again: Text) -> None:
    @lab.verb(
        verb,
        sentence=sentence,
        examples=((f"gasp lab {verb} web", example), (f"gasp lab {verb} ns1 web", again)),
    )
    @hosts_argument
    @consent_options()
    @click.pass_obj
    def act(app: App, hosts: Iterable[str], dry_run: bool, yes: bool) -> None:
        _each(app, verb, hosts, dry_run, getattr(app.lab, verb))


def _each(app: App, verb: str, hosts: Iterable[str], dry_run: bool, act: Callable[[str], None]) -> None:
    """The hosts are named and the opposite verb undoes it, so nobody is asked."""
    for host in hosts:
        _known(app, host)
    for host in hosts:
        if not rehearsed(dry_run, t("gasp lab {verb} {host} would be done.", verb=verb, host=host)):
            act(host)
            app.note(t("{host}: {verb} done.", host=host, verb=verb))


@lab.verb(
    "stop",
    sentence=t("Shut hosts down and keep them down until start or up."),
    examples=(
        ("gasp lab stop web", t("try what happens without the web host")),
        ("gasp lab stop --hard fgw czj", t("two lose their power in the middle of what they do")),
    ),
)
@hosts_argument
@option("--hard", help=t("Cut their power: every process is killed where it stands."), is_flag=True)
@consent_options()
@click.pass_obj
def stop(app: App, hosts: Iterable[str], hard: bool, dry_run: bool, yes: bool) -> None:
    """`gasp lab stop HOST...`."""
    _each(app, "stop", hosts, dry_run, lambda host: app.lab.stop(host, hard=hard))


_disturb("start", t("Start stopped hosts and wait until they answer."), t("bring it back"), t("two at once"))
_disturb(
    "cut",
    t("Unplug hosts from all networks but the management one."),
    t("try what happens when it cannot be reached"),
    t("two at once"),
)
_disturb("heal", t("Plug cut hosts in again."), t("bring it back"), t("two at once"))
