"""`gasp audit`: who did what, when, to what, by whose signoff; its export, and the proof that nothing was changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, option
from control_plane.cli.errors import FAILED, Stop
from control_plane.cli.files import Place, keep
from control_plane.cli.listing import Column, listing_options, plain, print_table, show_list, show_one
from control_plane.cli.terminal import sentence
from control_plane.model.text import t, tn

#: So many of the newest entries are read when no `--limit` is given.
NEWEST = 1000
COLUMNS = (
    Column("number", t("NO."), show="id"),
    Column("at", t("AT"), show="time"),
    Column("actor.name", t("WHO")),
    Column("sentence", t("DID")),
    Column("tenants", t("TENANTS")),
    Column("about", t("WHAT")),
    Column("outcome", t("OUTCOME"), show="state"),
    Column("agreed", t("SIGNED BY")),
    Column("reason", t("REASON")),
    Column("digest", t("DIGEST"), wide=True),
    Column("requests", t("REQUESTS"), wide=True),
    Column("detail", t("DETAIL"), wide=True),
)
PROBLEMS = (
    Column("number", t("NO."), show="id"),
    Column("fault", t("FAULT")),
    Column("sentence", t("WHAT IS WRONG")),
)
#: So many tenants or subjects of one entry stand in a cell.
FEW = 4

audit = Group(
    name="audit",
    sentence=t("The audit trail: who did what to whom, when, and by whose signoff."),
    examples=(
        ("gasp audit list --tenant fgw --from 2026-03-01 --to 2026-03-31", t("all that was done to one department")),
        ("gasp audit verify", t("prove that no entry was changed or taken away")),
    ),
)


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filters that `list` and `export` share."""
    for decorate in (
        option("--to", "end", help=t("End; a day alone is the whole day."), metavar="TIME"),
        option("--from", "begin", help=t("Begin; a day, or a time with or without offset."), metavar="TIME"),
        option("--act", help=t("An act such as freeze.set, or all of its family: freeze."), metavar="ACT"),
        option("--actor", help=t("Only what this person did."), metavar="NAME"),
        option(
            "--subject",
            help=t("Only what was done to it: run:12, request:R-2026-1, fgw/internet, a machine, a site."),
            metavar="SUBJECT",
        ),
        option("--tenant", help=t("Only what concerned this tenant; its code or opaque id."), metavar="CODE"),
    ):
        function = decorate(function)
    return function


@audit.verb(
    "list",
    sentence=t("List entries, newest first."),
    examples=(
        (
            "gasp audit list --tenant fgw --from 2026-03-01 --to 2026-03-31",
            t("all that was done to one department in March, by whom and on whose signoff"),
        ),
        ("gasp audit list --act role --actor account:first -o json", t("who was given which role, for a program")),
    ),
)
@filter_options
@listing_options
@click.pass_obj
def list_entries(app: App, /, **filters: str | None) -> None:
    """`gasp audit list`."""
    found = app.client.audit.list(filters, limit=app.listing.limit or NEWEST)
    rows = [{**row, "about": _few(_about(row)), "agreed": _agreed(row)} for row in found]
    show_list(rows, COLUMNS, empty=t("No entry fits."), name="number")
    if len(rows) == NEWEST and not app.listing.limit:
        app.note(
            tn(
                "Only the newest {count} is shown; gasp audit export has all.",
                "Only the newest {count} are shown; gasp audit export has all.",
                count=plain(NEWEST),
            ),
            "dim",
        )


def _about(row: dict[str, Any]) -> list[str]:
    return [f"{s['kind']}:{s['name']}" for s in row["subjects"] if s["kind"] != "tenant"]


def _few(names: list[str]) -> list[str]:
    return names if len(names) <= FEW else [*names[:FEW], str(t("and {count} more", count=len(names) - FEW))]


def _agreed(row: dict[str, Any]) -> list[str]:
    return [s["name"] + ("" if s["verified"] else " " + str(t("(as said)"))) for s in row["signoffs"]]


@audit.verb(
    "export",
    sentence=t("Write all entries that fit into a file: CSV for a spreadsheet, or JSON."),
    examples=(
        ("gasp audit export --tenant fgw --output fgw.csv", t("one department's, for a spreadsheet")),
        ("gasp audit export --form json --from 2026-03-01 --output march.json", t("since a day, for a program")),
    ),
)
@filter_options
@option("--form", help=t("Form of the file."), type=click.Choice(["csv", "json"]), default="csv")
@option("--output", help=t("File to write; it must not exist."), type=Place())
@click.pass_obj
def export(app: App, /, form: str, output: Path | None, **filters: str | None) -> None:
    """`gasp audit export`."""
    content = app.client.audit.export(form, filters)  # type: ignore[arg-type]
    if output is None:
        app.out(content.rstrip("\r\n"))
        return
    keep(app, output, content.encode(), 0o600)


@audit.verb(
    "verify",
    sentence=t(
        "Prove that the audit trail is whole: every entry as it was written, none missing.\n"
        "Names each that is missing or changed; the exit code is then 1."
    ),
    examples=(
        ("gasp audit verify", t("everything")),
        ("gasp audit verify -o json", t("with the hash to keep elsewhere")),
    ),
)
@listing_options
@click.pass_obj
def verify(app: App) -> None:
    """`gasp audit verify`."""
    answer = app.client.audit.verify()

    def draw() -> None:
        if answer["ok"]:
            app.out(
                sentence(
                    tn(
                        "Whole: {entries} entry.",
                        "Whole: {entries} entries.",
                        count=plain(answer["entries"]),
                        entries=plain(answer["entries"]),
                    )
                )
            )
        else:
            print_table(app, answer["problems"], PROBLEMS)
        app.note(t("Hash of the newest entry: {head}", head=answer["head"]), "dim")

    show_one(answer, draw, name="head")
    if not answer["ok"]:
        raise Stop(FAILED)
