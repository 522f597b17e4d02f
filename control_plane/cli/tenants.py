"""`gasp tenants`: who is served, and the documents that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.errors import TEMPORARY, Stop
from control_plane.cli.files import Place
from control_plane.cli.listing import Column, listing_options, plain, print_table, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.terminal import clean, sentence
from control_plane.model.client import Json
from control_plane.model.errors import CouldNotMeasureError, Rejected
from control_plane.model.restoring import WHAT
from control_plane.model.scope import parts_words
from control_plane.model.text import t, tn

COLUMNS = (
    Column("code", t("CODE")),
    Column("name_zh", t("NAME")),
    Column("name_en", t("ENGLISH NAME"), wide=True),
    Column("kind", t("KIND"), wide=True),
    Column("status", t("STATUS"), show="state"),
    Column("network_index", t("NETWORK"), show="id"),
    Column("subscriptions", t("SERVICES")),
    Column("id", t("ID"), wide=True),
)
ONE = (
    Column("code", t("CODE")),
    Column("names.zh", t("NAME")),
    Column("names.short_zh", t("SHORT NAME")),
    Column("names.en", t("ENGLISH NAME")),
    Column("kind", t("KIND")),
    Column("status", t("STATUS"), show="state"),
    Column("network.index", t("NETWORK"), show="id"),
    Column("region_code", t("REGION")),
    Column("parent", t("PARENT")),
    Column("contacts", t("CONTACTS")),
    Column("id", t("ID")),
)
SUBSCRIPTION_COLUMNS = (
    Column("offering", t("OFFERING")),
    Column("tier", t("TIER")),
    Column("generation", t("WANTED"), show="id"),
    Column("observed_generation", t("MADE REAL"), show="id"),
    Column("state", t("STATE"), show="state"),
)

DIFFERENCE_COLUMNS = (
    Column("code", t("CODE")),
    Column("field", t("FIELD")),
    Column("before", t("BEFORE")),
    Column("after", t("AFTER")),
)

tenants = Group(
    name="tenants",
    sentence=t("Departments and districts: list, import, export, restore, offboard."),
    examples=(
        ("gasp tenants list", t("who is served, and with what")),
        ("gasp tenants import tenants/qingdao --dry-run", t("check a folder of documents; import nothing")),
    ),
)
code_argument = argument("code", help=t("Code of the tenant, such as fgw."))
path_argument = argument(
    "path",
    help=t("A tenant document or a folder of them."),
    type=click.Path(exists=True, path_type=Path),
)


@tenants.verb(
    "list",
    sentence=t("List the tenants."),
    examples=(
        ("gasp tenants list --filter subscriptions=public_site", t("those with a public site")),
        ("gasp tenants list -o csv", t("all of them, for a spreadsheet")),
    ),
)
@listing_options
@click.pass_obj
def list_tenants(app: App) -> None:
    """`gasp tenants list`."""
    empty = t("No tenants yet. Import a file or a folder: gasp tenants import PATH")
    show_list(app.client.tenants(), COLUMNS, empty=empty, name="code")


@tenants.verb(
    "show",
    sentence=t("Show one tenant and how far its services are made real."),
    examples=(
        ("gasp tenants show fgw", t("one department")),
        ("gasp tenants show fgw -o yaml", t("all of it, to read or to compare")),
    ),
)
@code_argument
@listing_options
@click.pass_obj
def show(app: App, code: str) -> None:
    """`gasp tenants show CODE`."""
    answer = app.client.tenant(code)
    show_one(answer, lambda: _draw(app, answer), name="code")


def _draw(app: App, answer: Json) -> None:
    facts(app, answer, ONE)
    if answer["subscriptions"]:
        app.out()
        print_table(app, answer["subscriptions"], SUBSCRIPTION_COLUMNS)


def import_lines(answer: Json) -> Iterator[str]:
    """What an import does, counted, then named; field by field when the answer knows the differences."""
    yield sentence(t("Digest {digest}, read as {encoding}.", digest=answer["digest"][:8], encoding=answer["encoding"]))
    for name, encoding in (answer.get("encodings") or {}).items():
        yield f"    {clean(name)}: {clean(encoding)}"
    differences = answer.get("differences") or ()
    for text, items in (
        (t("- {count} to end", count=len(answer["end"])), answer["end"]),
        (t("~ {count} to update", count=len(answer["update"])), answer["update"]),
        (t("+ {count} to create", count=len(answer["create"])), answer["create"]),
    ):
        if items:
            yield sentence(text)
            yield from _named(items, differences)
    if answer.get("estate"):
        yield sentence(t("Estate: {facts}", facts=plain(answer["estate"])))
    if answer.get("absent"):
        yield sentence(t("Not in these files and kept: {codes}", codes=", ".join(answer["absent"])))
    yield sentence(t("= {count} unchanged", count=len(answer["unchanged"])))
    for warning in answer.get("warnings") or ():
        place = f"{warning.get('where') or '–'}:{warning.get('line') or '–'}"
        yield sentence(t("Warning: {text} ({place})", text=warning["detail"], place=place))


def _named(items: Sequence[Any], differences: Sequence[Json]) -> Iterator[str]:
    if not isinstance(items[0], Mapping):
        yield f"    {', '.join(clean(str(item)) for item in items)}"
        return
    for item in items:
        yield f"    {clean(item['code'])}: {', '.join(clean(str(field)) for field in item['fields'])}"
        for row in differences:
            if row["code"] == item["code"]:
                yield f"        {clean(row['field'])}: {plain(row['before'])} -> {plain(row['after'])}"


@tenants.verb(
    "import",
    sentence=t(
        "Import tenant documents: checked whole first, then written in one transaction.\n"
        "Every problem of every file is listed at once, with its line and what to do; nothing is written before all is"
        " valid. Importing only changes what is desired: gasp plan shows what follows from it."
    ),
    examples=(
        ("gasp tenants import tenants/qingdao", t("import a folder, after showing what it changes")),
        ("gasp tenants import fgw.yaml --dry-run", t("check one document; import nothing")),
    ),
)
@path_argument
@consent_options()
@listing_options
@click.pass_obj
def import_documents(app: App, path: Path, dry_run: bool, yes: bool) -> None:
    """`gasp tenants import PATH`."""
    preview = app.client.preview_import(path)
    if dry_run:
        show_one(preview, lambda: app.out("\n".join(import_lines(preview))), name="digest")
        return
    app.context()
    if not yes and any(preview.get(key) for key in ("create", "update", "end", "estate")):
        click.echo("\n".join(import_lines(preview)), err=True)
        ask(t("Import this?"), yes)
    answer = app.client.import_tenants(path, digest=preview["digest"])
    show_one(answer, lambda: app.out("\n".join(import_lines(answer))), name="digest")
    app.note(t("Next: {command}", command="gasp plan"))


@tenants.verb(
    "export",
    sentence=t("Write tenant documents. Importing them again changes nothing."),
    examples=(
        ("gasp tenants export /tmp/estate", t("every tenant")),
        ("gasp tenants export /tmp/estate fgw czj", t("two of them")),
    ),
)
@argument("folder", help=t("Folder to write to; made if missing."), type=Place(folder=True))
@argument("codes", help=t("Codes of the tenants; none means all."), nargs=-1, metavar="[CODE...]")
@consent_options()
@listing_options
@click.pass_obj
def export(app: App, folder: Path, codes: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """`gasp tenants export FOLDER [CODE...]`."""
    if dry_run:
        count = len(codes) or len(app.client.tenants())
        rehearsed(
            True,
            tn(
                "{count} document would be written to {folder}.",
                "{count} documents would be written to {folder}.",
                count=count,
                folder=folder,
            ),
        )
        return
    if folder.is_dir() and any(folder.rglob("*.y*ml")):
        ask(t("{folder} holds documents already. Write over them?", folder=folder), yes)
    answer = app.client.export_tenants(folder, codes)
    rows = [{"file": str(name)} for name in answer["files"]]
    show_list(rows, (Column("file", t("FILE")),), empty=t("There was nothing to write."), name="file")


@tenants.verb(
    "diff",
    sentence=t("Show what an import would change, field by field."),
    examples=(
        ("gasp tenants diff tenants/qingdao", t("documents against what is desired")),
        ("gasp tenants diff fgw.yaml -o json", t("one document, for a program")),
    ),
)
@path_argument
@listing_options
@click.pass_obj
def diff(app: App, path: Path) -> None:
    """`gasp tenants diff PATH`."""
    answer = app.client.diff_tenants(path)
    show_one(
        answer,
        lambda: app.out("\n".join(import_lines(answer))),
        rows="differences",
        name="code",
        columns=DIFFERENCE_COLUMNS,
    )


@tenants.verb(
    "restore",
    sentence=t(
        "Make the plan that brings back what was wanted of one tenant on a former day.\n"
        "Only the plan is made and shown; others are not touched. Carry it out with gasp apply, or at once with --yes"
        " or --confirm. Deleted accounts are made anew, without a password."
    ),
    examples=(
        ("gasp tenants restore fgw --to 2026-11-24", t("everything as it was at the end of that day")),
        (
            "gasp tenants restore fgw --to 2026-11-24T09:30 --what site --yes",
            t("the content of its websites only, at once"),
        ),
    ),
)
@code_argument
@option("--to", help=t("The day whose end is meant, or a time; in Chinese time if no zone is given."), required=True)
@option(
    "--what",
    help=t("What goes back: site (content), records (names), accounts, settings; may be repeated. All without it."),
    type=click.Choice(WHAT),
    multiple=True,
)
@consent_options(word=True)
@listing_options
@click.pass_obj
def restore(
    app: App, code: str, to: str, what: tuple[str, ...], dry_run: bool, yes: bool, confirm: str | None
) -> None:  # fmt: skip
    """`gasp tenants restore CODE`."""
    from control_plane.cli.plans import apply_and_show, consent_to, note_plan, show_plan

    plan = app.client.restores.plan(code, to=to, what=what)
    if dry_run or not (yes or confirm):
        show_plan(app, plan)
        return
    app.context()
    note_plan(app, plan)
    apply_and_show(app, plan["digest"], consent_to(plan, confirm, yes), 600.0)


@tenants.verb(
    "offboard",
    sentence=t(
        "End a tenant: archive its data, remove everything it owns, prove that nothing is left.\n"
        "Needs the tenant's code typed, or --confirm=CODE; --yes alone is not enough."
    ),
    examples=(
        ("gasp tenants offboard dagj --dry-run", t("show all that goes; change nothing")),
        ("gasp tenants offboard dagj --archive dagj.tar.gz --confirm=dagj", t("do it, with the archive's place")),
    ),
)
@code_argument
@option(
    "--archive",
    help=t("Where the archive of its data is written first; default is CODE.tar.gz."),
    type=Place(fresh=False),
)
@consent_options(word=True)
@listing_options
@click.pass_obj
def offboard(
    app: App, code: str, archive: Path | None, dry_run: bool, yes: bool, confirm: str | None
) -> None:  # fmt: skip
    """`gasp tenants offboard CODE`."""
    from control_plane.cli.consent import ask_word, tell_word
    from control_plane.cli.run_view import carry_out

    preview = app.client.preview_offboard(code)
    lines = list(_offboard_lines(app, preview))
    unseen = preview["plan"]["unmeasured"]
    if dry_run:
        show_one(preview, lambda: app.out("\n".join(lines)), name="code")
        if unseen:
            raise Stop(TEMPORARY)
        tell_word(code)
        return
    app.context()
    click.echo("\n".join(lines), err=True, color=True)
    if unseen:
        raise CouldNotMeasureError(
            t("Could not measure {parts}.", parts=parts_words(item["part"] for item in unseen)),
            t("Nothing was changed. Try again when it answers; gasp doctor says more."),
        )
    place = archive or Path(preview.get("archive_path") or f"{code}.tar.gz")
    # An offboarding that was killed goes on with the archive it wrote; one that begins never writes over a file.
    if place.exists() and preview.get("subscriptions", True):
        raise Rejected(
            t("The archive {path} exists already; nothing was changed.", path=place), t("Name another with --archive.")
        )
    word = ask_word(t("Type “{word}” to end this tenant.", word=code), [code], confirm, yes)
    receipt = carry_out(
        app,
        lambda on_event: app.client.offboard(code, confirm=word, archive=place, on_event=on_event),
        stopped=_receipt,
    )
    _receipt(app, receipt)


def _offboard_lines(app: App, preview: Json) -> Iterator[str]:
    from control_plane.cli.plan_view import PlanView

    yield from PlanView(preview["plan"], paint=app.paint, closing=False).lines()
    if preview["plan"]["unmeasured"]:
        return  # the numbers would be too small
    yield ""
    yield sentence(
        t(
            "Goes with {code}: {people}, {sites}, {releases}.",
            code=preview["code"],
            people=tn("{count} person", "{count} people", count=preview["people"]),
            sites=tn("{count} site", "{count} sites", count=preview["sites"]),
            releases=tn("{count} release", "{count} releases", count=preview["releases"]),
        )
    )
    if preview.get("retiring_seconds"):
        yield sentence(
            t(
                "Its sites answer “410 gone” for {seconds} s, until the names have left all caches.",
                seconds=preview["retiring_seconds"],
            )
        )


def _receipt(app: App, receipt: Json) -> None:
    def draw() -> None:
        archive = {"path": receipt["archive"], "sum": receipt["archive_sha256"]}
        app.out(sentence(t("Receipt: {code} was ended by run {run}.", code=receipt["code"], run=plain(receipt["run"]))))
        app.out(sentence(t("Archive: {path}, SHA-256 {sum}", **archive)))
        app.out(sentence(t("Still owned by it anywhere: {what}", what=plain(receipt["remaining"]))))
        if receipt["left_on_lost"]:
            lost = [f"{item['machine']}: {item['id']} ({item['reason']})" for item in receipt["left_on_lost"]]
            app.out(sentence(t("Remains on lost machines: {what}", what=plain(lost))))
        app.out(sentence(t("Changed of others: {what}", what=plain(receipt["others_changed"]))))
        if receipt.get("retiring"):
            app.out(sentence(t("Retiring: {what}", what=plain(receipt["retiring"]))))

    show_one(receipt, draw, name="code")
