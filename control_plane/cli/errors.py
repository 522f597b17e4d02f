"""Errors for people and for programs: what, where, why, and the next command; one exit code a kind.

0 done · 1 failed · 2 usage · 3 plan has changes · 4 refused · 5 unsafe plan · 6 temporary · 7 stale · 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from control_plane.cli.app import App
from control_plane.cli.output import as_json
from control_plane.cli.table import layout
from control_plane.cli.terminal import clean, sentence
from control_plane.model.errors import ControlPlaneError, Problem
from control_plane.model.field_words import field_words
from control_plane.model.text import Text, t

FAILED, USAGE, CHANGES, REFUSED, UNSAFE, TEMPORARY, STALE, INTERRUPTED = 1, 2, 3, 4, 5, 6, 7, 130


class Stop(Exception):
    """Ends the command with an exit code after everything was said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def report(error: BaseException, app: App, argv: Sequence[str]) -> int:
    """Say what went wrong on standard error; returns the exit code."""
    machine = wants_json(argv)
    if app.debug and not isinstance(error, (Stop, click.exceptions.Exit)):
        traceback.print_exception(error, file=sys.stderr)
    match error:
        case Stop():
            return error.code
        case click.exceptions.Exit():
            return error.exit_code
        case ControlPlaneError():
            return _known(error, app, machine)
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.ctx.get_help() if error.ctx else "", err=True)
            return USAGE
        case click.UsageError():
            return _usage(error, app, machine)
        case click.ClickException():
            return _say(app, machine, "failed", FAILED, clean(error.format_message()))
        case KeyboardInterrupt() | click.Abort() | EOFError():
            return _say(app, machine, "interrupted", INTERRUPTED, str(t("Interrupted.")))
        case _:
            return _unknown(error, app, machine)


def wants_json(argv: Sequence[str]) -> bool:
    """Whether the answer was asked for as JSON, also when the command line could not be read."""
    argv = argv[: argv.index("--")] if "--" in argv else argv
    given = [word for word in argv if word.startswith(("-o", "--output"))]
    if given:
        at = list(argv).index(given[-1])
        value = given[-1].removeprefix("--output").removeprefix("-o").lstrip("=")
        return (value or next(iter(argv[at + 1 :]), "")) == "json"
    return os.environ.get("GASP_OUTPUT") == "json"


def _known(error: ControlPlaneError, app: App, machine: bool) -> int:
    hint = sentence(error.hint) if error.hint else None
    code = _say(app, machine, error.code, error.exit_code, sentence(error.text), hint, error.problems)
    if not app.debug and not machine and type(error).__name__ == "PermanentError":
        app.note(t("--debug shows more."), "dim")
    return code


def _usage(error: click.UsageError, app: App, machine: bool) -> int:
    path = error.ctx.command_path if error.ctx else "gasp"
    hint = str(t("See {command} --help.", command=path))
    message = clean(" ".join(error.format_message().split()))
    return _say(app, machine, "usage", USAGE, message, None if hint in message else hint)


def _unknown(error: BaseException, app: App, machine: bool) -> int:
    """Faults of the machine (no such file, no permission, the lab) and faults of ours."""
    ours = not isinstance(error, OSError) and not type(error).__module__.startswith("lab.")
    text = clean(str(error)) or type(error).__name__
    if ours:
        text = str(t("Internal fault: {kind}: {text}", kind=type(error).__name__, text=text))
    hint = None if app.debug or not ours else str(t("Run the same command with --debug and report what it prints."))
    return _say(app, machine, "internal" if ours else "failed", FAILED, text, hint)


def _say(
    app: App,
    machine: bool,
    code: str,
    exit_code: int,
    detail: str,
    hint: str | None = None,
    problems: Sequence[Problem] = (),
) -> int:
    if machine:
        body: dict[str, Any] = {"code": code, "detail": detail, "hint": hint}
        click.echo(as_json({**body, "errors": [p.as_json() for p in problems]}), err=True)
        return exit_code
    click.echo(f"{app.paint_note(str(t('Error: ')), 'bold red')}{detail}", err=True, color=True)
    if problems:
        click.echo(problem_table(problems), err=True)
    if hint:
        click.echo(f"{app.paint_note(str(t('Next: ')), 'bold')}{hint}", err=True, color=True)
    return exit_code


def problem_table(problems: Sequence[Problem]) -> str:
    """All problems, one a line: place, field, problem, remedy."""
    rows = [
        [
            _place(p),
            sentence(field_words(p.field)) if p.field else "–",
            sentence(p.text),
            sentence(p.remedy) if p.remedy else "–",
        ]
        for p in problems
    ]
    heads: list[Text] = [t("PLACE"), t("FIELD"), t("PROBLEM"), t("REMEDY")]
    return layout([str(h) for h in heads], rows)


def _place(problem: Problem) -> str:
    if problem.where is None and problem.line is not None:
        return sentence(t("row {row}", row=problem.line))
    place = clean(problem.where or "–")
    return f"{place}:{problem.line}" if problem.line is not None else place
