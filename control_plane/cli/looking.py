"""Verbs that only look: status, doctor, config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from rich.cells import cell_len

from control_plane.cli.app import App
from control_plane.cli.base import Command
from control_plane.cli.errors import FAILED, Stop
from control_plane.cli.listing import Column, listing_options, plain, show_list, show_one
from control_plane.cli.terminal import moment, pad, sentence, state_mark
from control_plane.model.client import Json
from control_plane.model.errors import NotFound
from control_plane.model.scope import scope_words
from control_plane.model.text import Text, t

HOST_COLUMNS = (
    Column("name", t("NAME")),
    Column("role", t("ROLE")),
    Column("zone", t("ZONE")),
    Column("tenant", t("TENANT")),
    Column("ipv4", t("IPV4")),
    Column("ipv6", t("IPV6")),
    Column("state", t("STATE"), show="host"),
)
#: A host that runs is up; the word “running” is for runs.
HOST_WORDS = {"running": "up"}
CHECK_COLUMNS = (
    Column("check", t("CHECK"), show="part"),
    Column("state", t("STATE"), show="state"),
    Column("detail", t("FOUND")),
    Column("remedy", t("REMEDY")),
)


@click.command(
    cls=Command,
    sentence=t("Where this centre stands, at a glance. Asks no outside system, so it answers at once."),
    examples=(
        ("gasp status", t("tenants, services, the last run, hosts that run")),
        ("gasp status -o json --fields last_run.id,last_run.state", t("only the last run, for a program")),
    ),
)
@listing_options
@click.pass_obj
def status(app: App) -> None:
    """`gasp status`."""
    answer = {**app.client.status(), "staffing": app.client.substitutes.staffing()}
    show_one(answer, lambda: app.out("\n".join(_status_lines(app, answer))), name="estate")


def _status_lines(app: App, answer: Json) -> Iterator[str]:
    tenants, hosts = answer.get("tenants") or {}, answer.get("hosts") or {}
    rows: list[tuple[Text, str]] = [
        (t("estate"), plain(answer.get("estate"))),
        (
            t("tenants"),
            sentence(
                t(
                    "{served} served, {network_only} on the network only, {listed} listed",
                    served=tenants.get("served", 0),
                    network_only=tenants.get("network_only", 0),
                    listed=tenants.get("listed", 0),
                )
            ),
        ),
        (t("subscriptions"), _subscriptions(answer.get("subscriptions") or {})),
        (t("hosts"), ", ".join(f"{state_mark(HOST_WORDS.get(s, s))[0]} {n}" for s, n in hosts.items()) or "–"),
        (t("last run"), _last_run(app, answer.get("last_run"))),
        (t("last plan"), _last_plan(answer.get("last_plan"))),
        (t("a run is at work"), plain(bool(answer.get("busy")))),
        (t("hand-made changes kept"), plain(answer.get("drift_kept"))),
        (t("version"), plain(answer.get("version"))),
    ]
    rows += [(t("lacks people"), one["sentence"]) for one in answer.get("staffing") or ()]
    width = 26
    for name, text in rows:
        yield f"{pad(str(name), width)}{text}"


def _subscriptions(counts: Json) -> str:
    return sentence(
        t(
            "{total}, of which {pending} wait to be made real",
            total=counts.get("total", 0),
            pending=counts.get("pending", 0),
        )
    )


def _last_run(app: App, run: Json | None) -> str:
    if not run:
        return "–"
    mark, style = state_mark(run["state"])
    return f"{run['id']}  {app.paint(mark, style)}  {moment(run.get('finished_at') or run.get('started_at'))}"


def _last_plan(plan: Any) -> str:
    if isinstance(plan, dict) and plan.get("digest"):
        at = moment(plan.get("created_at"))
        return sentence(
            t(
                "{digest}  {at}  scope {scope}",
                digest=plan["digest"][:8],
                at=at,
                scope=scope_words(plan.get("scope", "–")),
            )
        )
    return plain(plan)


@click.command(
    cls=Command,
    sentence=t(
        "Check this installation. Every check says what it found and, if it is not well, what to do; exit code 1 then."
    ),
    examples=(
        ("gasp doctor", t("check everything")),
        ("gasp doctor --filter state=failed,warning", t("only what is not well")),
    ),
)
@listing_options
@click.pass_obj
def doctor(app: App) -> None:
    """`gasp doctor`."""
    checks = app.client.doctor()
    show_list(checks, CHECK_COLUMNS, empty=t("There are no checks."), name="check")
    if any(check["state"] == "failed" for check in checks):
        raise Stop(FAILED)


@click.command(
    cls=Command,
    sentence=t("Settings in force and where they come from. Secrets are never among them."),
    examples=(
        ("gasp config", t("every setting")),
        ("GASP_STATE=/srv/gasp gasp config --filter from=environment", t("only those set in the environment")),
    ),
)
@listing_options
@click.pass_obj
def config(app: App) -> None:
    """`gasp config`."""
    rows = [
        {"name": name, **(value if isinstance(value, dict) else {"value": value})}
        for name, value in app.client.config().items()
    ]
    columns = (
        Column("name", t("NAME")),
        Column("value", t("VALUE"), show="id"),
        Column("from", t("SOURCE")),
        Column("variable", t("VARIABLE")),
        Column("help", t("WHAT IT IS"), wide=True),
    )
    show_list(rows, columns, empty=t("There are no settings."), name="name")


def facts(app: App, row: Json, columns: tuple[Column, ...]) -> None:
    """One thing as lines of name and value."""
    cells = [(str(c.head), *c.cell(row)) for c in columns]
    width = max(16, *(cell_len(head) + 2 for head, _, _ in cells))
    for head, text, style in cells:
        app.out(f"{app.paint(pad(head, width), 'bold')}{app.paint(text, style)}")


def unknown(text: Text, word: str, known: list[str], listing: str) -> NotFound:
    """A NotFound with the nearest name that exists."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1, 0.5)
    return NotFound(text, t("Did you mean {near}?", near=near[0]) if near else t("See {command}.", command=listing))
