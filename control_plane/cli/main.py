"""Entry of `gasp`: the tree of nouns and verbs, the language, and one place where errors become exit codes."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, Option, speak
from control_plane.model.text import t


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"gasp {version('gasp')}")
        ctx.exit()


class Root(Group):
    """The whole command. Errors of any kind end here."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; exits with its code."""
        argv = list(sys.argv[1:] if args is None else args)
        app = extra.pop("obj", None) or App()
        speak()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            code = super().main(argv, prog_name or "gasp", complete_var, standalone_mode=False, obj=app, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader went away (`gasp … | head`): nobody is left to tell, and Python must not try again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        except (Exception, KeyboardInterrupt) as error:
            from control_plane.cli.errors import report

            code = report(error, app, argv)
        sys.exit(code if isinstance(code, int) else 0)


#: A short process with ten thousand living things: looking for cycles among them costs up to 40 % of a plan, and what
#: is imported is no garbage.
COLLECTOR = (1_000_000, 50, 50)
COMMANDS = {
    "plan": ("plans", t("Show what would change.")),
    "apply": ("plans", t("Carry out a plan, or plan and carry out a scope.")),
    "explain": ("explain", t("Explain one thing: who asked, what should be, what is, what changed last.")),
    "status": ("looking", t("Where this centre stands, at a glance.")),
    "tenants": ("tenants", t("Departments and districts: list, import, export, restore, offboard.")),
    "sites": ("sites", t("Websites and their releases.")),
    "posts": ("posts", t("Notices on departments' first home pages.")),
    "internet": ("internet", t("Internet access of tenants: use, rules, the real path of an address, hand-over.")),
    "requests": ("requests", t("Requests of departments: ask, sign, ask back, refuse, try again.")),
    "attachments": (
        "attachments",
        t("Files that go with requests: checked for malware before anybody opens them."),
    ),
    "accounts": ("accounts", t("People of departments: list, add, lists, leavers, groups, reviews, first passwords.")),
    "people": ("people", t("Everything that is known of one person: find it, give it out, erase it.")),
    "drift": ("drift", t("Hand-made changes: keep, accept or revert.")),
    "snapshots": ("snapshots", t("Patches and signatures of the repository: fetch, look, give to a ring.")),
    "runs": ("runs", t("Runs: list, show, follow, stop, resume, undo.")),
    "rollouts": ("rollouts", t("Changes that go out in waves: patches, signatures, configuration.")),
    "freezes": ("freezes", t("Change freezes: set, list, lift.")),
    "worker": ("worker", t("The background worker: status, start, stop.")),
    "probes": ("probes", t("Promises and how they are measured.")),
    "record": ("record", t("The access record: who reached what, how long it is kept, who looked.")),
    "audit": ("audit", t("The audit trail: who did what to whom, when, and by whose signoff.")),
    "mail": ("mail", t("Mail that the centre sends: what was told to whom, and what could not be handed over.")),
    "hosts": ("hosts", t("Machines of the centre and of its tenants.")),
    "security": ("security", t("Antivirus on tenants' machines: how they are protected, scans, findings.")),
    "lab": ("lab", t("The lab of real hosts: up, down, run, stop, cut.")),
    "bringup": ("bringup", t("Boot the lab, set up its servers, import the estate, apply and verify.")),
    "tokens": ("tokens", t("Tokens of programs: make, list, end.")),
    "webhooks": ("webhooks", t("Webhooks: programs elsewhere that are told what happened; their delivery log.")),
    "login": ("contexts", t("Let commands work at a control plane elsewhere, with a token.")),
    "contexts": ("contexts", t("Control planes elsewhere at which commands work.")),
    "users": ("users", t("People of the centre: who may sign in, with which role.")),
    "substitutes": (
        "substitutes",
        t("Substitutes of people who hold a role: list, name, end; roles that lack people."),
    ),
    "emergencies": ("emergencies", t("Changes made real ahead of their signatures: make one, list, review.")),
    "classes": ("classes", t("The table of classes: who must sign which change. Two people change it.")),
    "web": ("web", t("Serve the console, in the foreground or in the background.")),
    "db": ("db", t("The control plane's own database: which it is, and moving it to PostgreSQL.")),
    "doctor": ("looking", t("Check this installation.")),
    "config": ("looking", t("Settings in force and where they come from.")),
    "completion": ("completion", t("Print the completion script of a shell.")),
}

gasp = Root(
    name="gasp",
    sentence=t("Operate a computer centre's shared services: see what would change, then change it."),
    examples=(
        ("gasp plan", t("show what would change in the whole estate")),
        ("gasp apply tenant:fgw", t("plan one department, ask, carry it out")),
    ),
    lazy=COMMANDS,
    params=[
        Option(["--version"], t("Show the version and exit."), is_flag=True, is_eager=True, expose_value=False,
               callback=_version),
    ],
)  # fmt: skip


def run() -> NoReturn:
    """What the installed `gasp` script calls."""
    gc.set_threshold(*COLLECTOR)
    try:
        gasp.main()
    finally:
        gc.freeze()  # all of it ends with the process: do not search it for cycles once more (0.15 s)
    raise AssertionError("unreachable")
