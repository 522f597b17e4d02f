"""`gasp accounts`: people of departments in the directory: who is there, lists of them, leavers, first passwords."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed, tell_word, with_word
from control_plane.cli.files import Place
from control_plane.cli.listing import Column, listing_options, plain, print_table, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.run_view import carry_out, end, run_lines
from control_plane.cli.terminal import clean, moment, sentence
from control_plane.model.client_staff import Json
from control_plane.model.text import t, tn
from control_plane.model.windows import day_words

COLUMNS = (
    Column("uid", t("UID")),
    Column("tenant", t("TENANT")),
    Column("name", t("NAME")),
    Column("uid_number", t("UID NUMBER"), show="id"),
    Column("status", t("STATE"), show="state"),
    Column("groups", t("GROUPS"), wide=True),
)
FACTS = (
    *COLUMNS,
    Column("employee_number", t("STAFF NUMBER"), show="id"),
    Column("title", t("POSITION")),
    Column("mail", t("E-MAIL")),
    Column("phone", t("TELEPHONE")),
    Column("left_on", t("LEFT ON")),
    Column("removed_on", t("REMOVED FROM")),
)
LINES = (
    Column("row", t("ROW")),
    Column("what", t("WHAT")),
    Column("uid", t("UID")),
    Column("name", t("NAME")),
    Column("tenant", t("TENANT")),
    Column("from", t("FROM")),
    Column("columns", t("FIELDS")),
)
SHEETS = (
    Column("id", t("SHEET")),
    Column("tenant", t("TENANT")),
    Column("people", t("PEOPLE")),
    Column("state", t("STATE"), show="state"),
    Column("made_at", t("MADE"), show="time"),
    Column("expires_at", t("GOOD UNTIL"), show="time"),
    Column("reason", t("REASON")),
    Column("made_by", t("MADE BY"), wide=True),
    Column("opened_by", t("OPENED BY"), wide=True),
    Column("opened_at", t("OPENED"), wide=True, show="time"),
)
#: So many lines of a preview are printed; -o csv and -o json have all.
SHOWN = 30

accounts = Group(
    name="accounts",
    sentence=t("People of departments: list, add, lists, leavers, groups, reviews, first passwords."),
    examples=(
        ("gasp accounts list --tenant fgw", t("people of one department")),
        ("gasp accounts import people.xlsx --dry-run", t("what a list would do")),
    ),
    lazy={
        "groups": ("groups", t("Groups of a department: list, make, rename, end; who is in them.")),
        "review": ("review", t("Once a quarter: is everybody still there? List, show, decide.")),
    },
)
uid_argument = argument("uid", help=t("Account name of the person."))
tenant_option = option("--tenant", help=t("Only this department."), metavar="CODE")
reason_option = option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)


@accounts.verb(
    "list",
    sentence=t("List people and their numbers. Passwords are never read."),
    examples=(
        ("gasp accounts list --tenant fgw", t("people of one department")),
        ("gasp accounts list --filter groups=staff --limit 20", t("twenty people of a group")),
    ),
)
@tenant_option
@listing_options
@click.pass_obj
def list_accounts(app: App, tenant: str | None) -> None:
    """`gasp accounts list`."""
    show_list(app.client.accounts(tenant), COLUMNS, empty=t("There are no people here."), name="uid")


@accounts.verb(
    "show",
    sentence=t("Show one person: department, groups, number, and when somebody who left is removed."),
    examples=(
        ("gasp accounts show zhangwei", t("one person")),
        ("gasp accounts show zhangwei -o json", t("for a program")),
    ),
)
@uid_argument
@listing_options
@click.pass_obj
def show_account(app: App, uid: str) -> None:
    """`gasp accounts show UID`."""
    row = app.client.staff.show(uid)
    show_one(row, lambda: facts(app, row, FACTS), name="uid")


@accounts.verb(
    "add",
    sentence=t("Add a person to a department, now. A first password is issued apart."),
    examples=(
        ("gasp accounts add zhangwei 张伟 --tenant fgw", t("family and given name are told apart")),
        ("gasp accounts add zhangwei 张伟 --tenant fgw --group all --title 科员 --yes", t("with more of a person")),
    ),
)
@uid_argument
@argument("name", help=t("Full name."))
@option("--tenant", help=t("Department."), metavar="CODE", required=True)
@option("--group", "groups", help=t("A group of the department; may be given again."), multiple=True)
@option("--employee-number", help=t("Staff number."))
@option("--title", help=t("Position."))
@option("--mail", help=t("E-mail."))
@option("--phone", help=t("Telephone."))
@consent_options()
@listing_options
@click.pass_obj
def add(
    app: App, uid: str, name: str, tenant: str, groups: Sequence[str], employee_number: str | None, title: str | None,
    mail: str | None, phone: str | None, dry_run: bool, yes: bool,
) -> None:  # fmt: skip
    """`gasp accounts add UID NAME`."""
    person: Json = {
        "uid": uid, "display_name": name, "employee_number": employee_number, "title": title, "mail": mail,
        "phone": phone, "groups": [*groups],
    }  # fmt: skip
    seen = app.client.staff.joining(person, tenant=tenant)
    if dry_run:
        show_one(seen, lambda: _preview(app, seen), rows="lines", name="digest")
        return
    app.context()
    ask(t("Add {name} ({uid}) to {tenant}?", name=name, uid=uid, tenant=tenant), yes)
    answer = carry_out(app, lambda follow: app.client.staff.add(person, tenant=tenant, on_event=follow), stopped=_ran)
    _ran(app, answer)
    app.note(t("Next: gasp accounts issue {tenant} --person {uid} --reason …", tenant=tenant, uid=uid))
    end(app.client.run(answer["run"])["state"])


@accounts.verb(
    "import",
    sentence=t(
        "Take over a list of people: who joins, moves, comes back, changes, leaves.\n"
        "The list is CSV or an Excel workbook with heads such as 单位, 账号, 姓名, 状态; people are told apart by 账号."
        " A row of somebody in another department moves them: name and number stay, groups of the old department go. A"
        " row with 状态 离职 cuts the person at once and removes the account later. Every problem of every row is said"
        " at once, and then nothing is changed. The same list again changes nothing."
    ),
    examples=(
        ("gasp accounts import people.xlsx --dry-run", t("what it would do, row by row")),
        (
            "gasp accounts import fgw.csv --tenant fgw --complete",
            t("everybody of one department; who is missing leaves"),
        ),
    ),
)
@argument("file", help=t("The list."), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--tenant", help=t("Department of rows that name none."), metavar="CODE")
@option("--complete", help=t("The list is everybody of its departments: who is missing in it leaves."), is_flag=True)
@consent_options(word=True)
@listing_options
@click.pass_obj
def take(
    app: App, file: Path, tenant: str | None, complete: bool, dry_run: bool, yes: bool, confirm: str | None
) -> None:
    """`gasp accounts import FILE`."""
    content, staff = file.read_bytes(), app.client.staff
    seen = staff.check(content, tenant=tenant, complete=complete)
    if dry_run or not seen["tenants"]:
        show_one(seen, lambda: _preview(app, seen), rows="lines", name="digest")
        tell_word(seen["confirm"])
        return
    app.context()
    for line in _words(seen):
        app.note(line)
    ask(t("Do this?"), yes or confirm is not None)

    def act(word: str | None) -> Json:
        return carry_out(
            app,
            lambda follow: staff.take(
                content, tenant=tenant, complete=complete, digest=seen["digest"], confirm=word, on_event=follow
            ),
            stopped=_ran,
        )

    answer = with_word(act, confirm)
    _ran(app, answer)
    if answer["run"] is not None:
        end(app.client.run(answer["run"])["state"])


def _words(seen: Json) -> list[str]:
    words = [sentence(t("{sentence}", sentence=seen["sentence"]))]
    words.append(
        sentence(t("Digest {digest}, read as {encoding}.", digest=seen["digest"][:8], encoding=seen["encoding"]))
    )
    words.append(sentence(t("Departments: {names}", names=", ".join(seen["tenants"]) or "–")))
    for warning in seen["warnings"]:
        words.append(sentence(t("Row {row}: {text}", row=warning["line"], text=warning["detail"])))
    return words


def _preview(app: App, seen: Json) -> None:
    print_table(app, seen["lines"][:SHOWN], LINES)
    if len(seen["lines"]) > SHOWN:
        app.out(sentence(t("… and {count} more: -o csv shows all", count=len(seen["lines"]) - SHOWN)))
    for line in _words(seen):
        app.out(line)


def _ran(app: App, answer: Json) -> None:
    def draw() -> None:
        if "sentence" in answer:
            app.out(sentence(t("{sentence}", sentence=answer["sentence"])))
            cut = answer["cut"]
            if cut["people"]:
                app.out(
                    sentence(
                        t(
                            "Cut at once: {people}, {sessions}, {tokens}.",
                            people=tn("{count} person", "{count} people", count=cut["people"]),
                            sessions=tn("{count} session", "{count} sessions", count=cut["sessions"]),
                            tokens=tn("{count} token", "{count} tokens", count=cut["tokens"]),
                        )
                    )
                )
        if answer["run"] is not None:
            app.out("\n".join(run_lines(app, app.client.run(answer["run"]))))

    show_one(answer, draw, name="run")


@accounts.verb(
    "leave",
    sentence=t("Somebody leaves: bind, sign-in, sessions, roles and tokens end at once; the account is removed later."),
    examples=(
        ("gasp accounts leave zhangwei --reason 'retired'", t("now")),
        ("gasp accounts leave zhangwei --reason 'resigned' --yes -o json", t("for a program")),
    ),
)
@uid_argument
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def leave(app: App, uid: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp accounts leave UID`."""
    found = app.client.staff.show(uid)
    if rehearsed(dry_run, t("{name} of {tenant} would be cut.", name=found["name"], tenant=found["tenant"])):
        return
    app.context()
    ask(t("Cut {name} ({uid}) of {tenant} now?", name=found["name"], uid=uid, tenant=found["tenant"]), yes)
    answer = carry_out(app, partial(_leave, app, uid, reason), stopped=_left)
    _left(app, answer)
    end(app.client.run(answer["run"])["state"])


def _leave(app: App, uid: str, reason: str, follow: object) -> Json:
    return app.client.staff.leave(uid, reason=reason, on_event=follow)  # type: ignore[arg-type]


def _left(app: App, answer: Json) -> None:
    def draw() -> None:
        ended = {
            "sessions": tn("{count} session", "{count} sessions", count=answer["sessions"]),
            "tokens": tn("{count} token", "{count} tokens", count=answer["tokens"]),
            "grants": tn("{count} role", "{count} roles", count=answer["grants"]),
        }
        app.out(sentence(t("{uid} is cut; ended: {sessions}, {tokens}, {grants}.", uid=answer["uid"], **ended)))
        app.out(sentence(t("The account is locked, and removed from {day} on.", day=answer["removed_on"])))

    show_one(answer, draw, name="uid")


# first passwords -----------------------------------------------------------------------------------------------------
@accounts.verb(
    "issue",
    sentence=t(
        "Issue one-time passwords, on a sealed sheet of the department.\n"
        "Without --person for everybody who has none. Each is good for taking a password of one's own only, and"
        " expires. Nobody sees one before the sheet is opened, once."
    ),
    examples=(
        ("gasp accounts issue fgw --reason 'new colleagues'", t("for all who have no password")),
        ("gasp accounts issue fgw --person zhangwei --reason 'forgot it' --yes", t("for one")),
    ),
)
@argument("tenant", help=t("Code of the department."))
@option("--person", "uids", help=t("Account name; may be given again."), multiple=True, metavar="UID")
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def issue(app: App, tenant: str, uids: Sequence[str], reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp accounts issue CODE`."""
    whom = ", ".join(uids) or str(t("everybody without one"))
    if rehearsed(dry_run, t("One-time passwords of {tenant} would be issued for {whom}.", tenant=tenant, whom=whom)):
        return
    app.context()
    ask(t("Issue one-time passwords of {tenant} for {whom}?", tenant=tenant, whom=whom), yes)
    _sheet(app, app.client.sheets.issue(tenant, uids=[*uids], reason=reason))


def _sheet(app: App, row: Json) -> None:
    def draw() -> None:
        said = {"id": row["id"], "tenant": row["tenant"], "people": row["people"], "until": moment(row["expires_at"])}
        app.out(
            sentence(
                tn(
                    "Sheet {id} of {tenant}: {people} person, good until {until}.",
                    "Sheet {id} of {tenant}: {people} people, good until {until}.",
                    count=row["people"],
                    **said,
                )
            )
        )
        app.out(sentence(t("Next: {command}", command=f"gasp accounts open {row['id']} --to FOLDER")))

    show_one(row, draw, name="id")


@accounts.verb(
    "reset",
    sentence=t("A new one-time password for somebody who lost theirs, on a sheet of its own; sessions end."),
    examples=(
        ("gasp accounts reset zhangwei --reason 'forgot it'", t("ask, then do it")),
        ("gasp accounts reset zhangwei --reason 'forgot it' --yes -o name", t("the number of the sheet")),
    ),
)
@uid_argument
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def reset(app: App, uid: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp accounts reset UID`."""
    found = app.client.staff.show(uid)
    if rehearsed(
        dry_run, t("{name} of {tenant} would get a new password.", name=found["name"], tenant=found["tenant"])
    ):
        return
    app.context()
    ask(t("Make the password of {name} ({uid}) useless and issue a new one?", name=found["name"], uid=uid), yes)
    _sheet(app, app.client.sheets.issue(found["tenant"], uids=[found["uid"]], reason=reason))


@accounts.verb(
    "sheets",
    sentence=t("List the sheets of one-time passwords: for whom, who opened which. What is in them is never listed."),
    examples=(
        ("gasp accounts sheets", t("of all departments")),
        ("gasp accounts sheets --tenant fgw --filter state=ready", t("those that wait to be opened")),
    ),
)
@tenant_option
@listing_options
@click.pass_obj
def sheets(app: App, tenant: str | None) -> None:
    """`gasp accounts sheets`."""
    show_list(app.client.sheets.list(tenant), SHEETS, empty=t("No sheet yet: gasp accounts issue"), name="id")


@accounts.verb(
    "open",
    sentence=t("Open a sealed sheet, once: a PDF to cut apart and a CSV go into a folder, readable by you alone."),
    examples=(
        ("gasp accounts open 12 --to /root/sheets", t("ask, then write both files")),
        ("gasp accounts open 12 --to /root/sheets --yes -o name", t("without a question")),
    ),
)
@argument("sheet", help=t("Number of the sheet."), type=click.IntRange(min=1))
@option(
    "--to",
    "folder",
    help=t("Folder for the two files."),
    required=True,
    type=Place(folder=True),
)
@consent_options()
@listing_options
@click.pass_obj
def open_sheet(app: App, sheet: int, folder: Path, dry_run: bool, yes: bool) -> None:
    """`gasp accounts open SHEET`."""
    if rehearsed(dry_run, t("Sheet {id} would be opened; that is possible once.", id=sheet)):
        return
    app.context()
    ask(t("Open sheet {id} now? It cannot be opened again.", id=sheet), yes)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found, files = _write(folder, lambda: app.client.sheets.open(sheet))
    answer = {"id": found["id"], "tenant": found["tenant"], "people": len(found["rows"]), "files": files}

    def draw() -> None:
        for file in files:
            app.out(clean(file))
        app.out(
            sentence(
                tn(
                    "{count} password. Delete both files once it is handed out.",
                    "{count} passwords. Delete both files once they are handed out.",
                    count=plain(answer["people"]),
                )
            )
        )

    show_one(answer, draw, name="id")


def _write(folder: Path, open_once: Callable[[], Json]) -> tuple[Json, list[str]]:
    """Open a sheet into two files that are there, and readable by nobody else, before it is opened."""
    from tempfile import NamedTemporaryFile

    from control_plane.model.password_sheet import sheet_csv, sheet_pdf

    with NamedTemporaryFile(dir=folder, delete=False) as pdf, NamedTemporaryFile(dir=folder, delete=False) as table:
        try:
            found = open_once()
            pdf.write(sheet_pdf(found["tenant"], day_words(found["expires_at"]), found["rows"]))
            table.write(sheet_csv(found["rows"]))
            files = []
            for file, kind in ((pdf, "pdf"), (table, "csv")):
                file.flush()
                path = folder / f"passwords-{found['tenant']}-{found['id']}.{kind}"
                files.append(str(Path(file.name).rename(path)))
        finally:
            for file in (pdf, table):
                Path(file.name).unlink(missing_ok=True)
    return found, files
