"""`gasp attachments`: files that go with requests."""

from __future__ import annotations

from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.files import Place, keep
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.terminal import clean, sentence
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("FILE")),
    Column("name", t("NAME")),
    Column("kind", t("KIND")),
    Column("octets", t("OCTETS")),
    Column("state", t("STATE")),
    Column("found", t("FOUND")),
    Column("why", t("WHY"), wide=True),
    Column("by", t("WHO"), wide=True),
    Column("checked_at", t("CHECKED"), show="time", wide=True),
)
attachments = Group(
    name="attachments",
    sentence=t("Files that go with requests: checked for malware before anybody opens them."),
    examples=(
        ("gasp attachments list R-2026-0147", t("files of a request")),
        ("gasp attachments scan", t("check what waits, now")),
    ),
)
request_argument = argument("request", help=t("Number or reference of the request."))
file_argument = argument("number", help=t("Number of the file."), type=click.IntRange(min=1))


@attachments.verb(
    "list",
    sentence=t("List the files of a request and what the antivirus engine said of each."),
    examples=(
        ("gasp attachments list R-2026-0147", t("all of them")),
        ("gasp attachments list 147 -o json", t("the same for a program")),
    ),
)
@request_argument
@listing_options
@click.pass_obj
def list_files(app: App, request: str) -> None:
    """`gasp attachments list REQUEST`."""
    show_list(app.client.attachments.list(_number(request)), COLUMNS, empty=t("No files go with it."), name="id")


@attachments.verb(
    "add",
    sentence=t("Add a file to a draft, or to a request that was sent back."),
    examples=(
        ("gasp attachments add 147 minutes.pdf --yes", t("what it is is seen from its content")),
        ("gasp attachments add 147 minutes.pdf --dry-run", t("only say what would be done")),
    ),
)
@request_argument
@argument("path", help=t("The file."), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@consent_options()
@listing_options
@click.pass_obj
def add(app: App, request: str, path: Path, dry_run: bool, yes: bool) -> None:
    """`gasp attachments add REQUEST FILE`."""
    if rehearsed(dry_run, t("{file} would be added to {request}.", file=path, request=request)):
        return
    app.context()
    ask(t("Add {file} to {request}?", file=clean(str(path)), request=clean(request)), yes)
    made = app.client.attachments.add(_number(request), path, name=path.name)

    def draw() -> None:
        words = {"number": made["id"], "name": clean(made["name"]), "sentence": made["sentence"]}
        app.out(sentence(t("File {number}: {name}. {sentence}", **words)))

    show_one(made, draw, name="id")


@attachments.verb(
    "remove",
    sentence=t("Take a file out of a draft, or of a request that was sent back."),
    examples=(
        ("gasp attachments remove 147 12", t("take file 12 out")),
        ("gasp attachments remove 147 12 --yes", t("without being asked")),
    ),
)
@request_argument
@file_argument
@consent_options()
@listing_options
@click.pass_obj
def remove(app: App, request: str, number: int, dry_run: bool, yes: bool) -> None:
    """`gasp attachments remove REQUEST NUMBER`."""
    if rehearsed(dry_run, t("File {number} would be taken out of {request}.", number=number, request=request)):
        return
    app.context()
    ask(t("Take file {number} out of {request}?", number=number, request=clean(request)), yes)
    left = app.client.attachments.remove(_number(request), number)
    show_list(left, COLUMNS, empty=t("No files go with it."), name="id")


@attachments.verb(
    "fetch",
    sentence=t("Write a file that was found clean to a place that does not exist yet."),
    examples=(
        ("gasp attachments fetch 147 12 --output minutes.pdf", t("get file 12")),
        ("gasp attachments fetch R-2026-0147 12 --output /tmp/minutes.pdf", t("the same by reference")),
    ),
)
@request_argument
@file_argument
@option("--output", help=t("File to write; it must not exist."), required=True,
        type=Place())  # fmt: skip
@click.pass_obj
def fetch(app: App, request: str, number: int, output: Path) -> None:
    """`gasp attachments fetch REQUEST NUMBER`."""
    _, _, content = app.client.attachments.fetch(_number(request), number)
    keep(app, output, content)


@attachments.verb(
    "scan",
    sentence=t("Let the centre's antivirus engine look at all files that wait. The worker does so by itself."),
    examples=(
        ("gasp attachments scan", t("now")),
        ("gasp attachments scan -o json", t("the same for a program")),
    ),
)
@consent_options()
@listing_options
@click.pass_obj
def scan(app: App, dry_run: bool, yes: bool) -> None:
    """`gasp attachments scan`."""
    # Nothing of anybody's changes but what is known of the files, so nobody is asked.
    if rehearsed(dry_run, t("All files that wait would be looked at.")):
        return
    app.context()
    found = app.client.attachments.scan()

    def draw() -> None:
        counts = {name: found[name] for name in ("clean", "infected", "waiting")}
        app.out(sentence(t("{clean} clean, {infected} with malware, {waiting} wait.", **counts)))
        if found["odd"]:
            app.out(sentence(t("{count} cannot be looked at; each file says why.", count=found["odd"])))
        if found["error"]:
            app.out(sentence(t("{why}", why=found["error"])))

    show_one(found, draw, name="waiting")


def _number(request: str) -> int | str:
    return int(request) if request.isdecimal() else request
