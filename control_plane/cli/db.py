"""`gasp db`: which database this centre uses, and moving it to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, print_table, show_one
from control_plane.cli.terminal import sentence
from control_plane.model.text import t, tn
from control_plane.settings import without_password

if TYPE_CHECKING:
    from control_plane.store.moving import Moved

COLUMNS = (Column("table", t("TABLE")), Column("rows", t("ROWS")))

db = Group(
    name="db",
    sentence=t("The control plane's own database: which it is, and moving it to PostgreSQL."),
    examples=(
        ("gasp db show", t("which database is used, and how much is in it")),
        ("gasp db move postgresql+psycopg:///gasp?host=/run/postgresql", t("move everything to a server")),
    ),
)


@db.verb(
    "show",
    sentence=t("Show which database is used, and the rows of each table."),
    examples=(
        ("gasp db show", t("a line a table")),
        ("gasp db show -o json", t("for a program")),
    ),
)
@listing_options
@click.pass_obj
def show(app: App) -> None:
    """`gasp db show`."""
    answer = app.client.database()

    def draw() -> None:
        print_table(app, answer["tables"], COLUMNS)
        app.note(t("{url}, at revision {revision}", url=answer["url"], revision=answer["revision"]))

    show_one(answer, draw, rows="tables", name="table", columns=COLUMNS)


@db.verb(
    "move",
    sentence=t("Copy everything to an empty database, verify it row for row, and use only that one from then on."),
    examples=(
        (
            "gasp db move postgresql+psycopg:///gasp?host=/run/postgresql",
            t("as the role of the same name as this user, through the server's socket"),
        ),
        (
            "gasp db move postgresql+psycopg://gasp@db.example/gasp --dry-run",
            t("say what would be copied; the password stands in ~/.pgpass, not on a command line"),
        ),
    ),
)
@argument("target", help=t("SQLAlchemy URL of the new database."), metavar="TARGET")
@consent_options()
@click.pass_obj
def move(app: App, target: str, dry_run: bool, yes: bool) -> None:
    """`gasp db move`."""
    from control_plane import wiring

    shown, rows = without_password(target), sum(row["rows"] for row in app.client.database()["tables"])
    if dry_run:
        with wiring.may_move(target):
            pass
    if rehearsed(
        dry_run,
        tn(
            "{rows} row would be copied to {target}.",
            "{rows} rows would be copied to {target}.",
            count=rows,
            rows=rows,
            target=shown,
        ),
    ):
        return
    app.context()
    ask(
        tn(
            "Copy {rows} row to {target}, and use that database from then on?",
            "Copy {rows} rows to {target}, and use that database from then on?",
            count=rows,
            rows=rows,
            target=shown,
        ),
        yes,
    )

    def done(moved: Moved) -> None:
        app.note(
            tn(
                "{table}: {rows} row, the same in both",
                "{table}: {rows} rows, the same in both",
                count=moved.rows,
                table=moved.table,
                rows=moved.rows,
            )
        )

    moved = wiring.move_database(target, done)
    total = sum(table.rows for table in moved)
    app.out(sentence(t("{rows} rows in {tables} tables are the same in both.", rows=total, tables=len(moved))))
    app.note(t("Next: set GASP_DATABASE={target} for every command of this centre, then make up.", target=shown))
