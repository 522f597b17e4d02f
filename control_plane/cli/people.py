"""`gasp people`: everything that is known of one person, given out or erased."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask_word, consent_options, tell_word
from control_plane.cli.files import Place
from control_plane.cli.listing import listing_options, plain, show_one
from control_plane.cli.terminal import clean, sentence
from control_plane.model.client_persons import Json
from control_plane.model.text import t, tn

people = Group(
    name="people",
    sentence=t("Everything that is known of one person: find it, give it out, erase it."),
    examples=(
        ("gasp people find zhangwei", t("where somebody is known, what would go and what stays")),
        ("gasp people export zhangwei --reason 'asked for it' --to zhangwei.zip", t("all of it, as one archive")),
    ),
)
person_argument = argument("person", help=t("Account name in the directory, or account:NAME."))
reason_option = option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)


@people.verb(
    "find",
    sentence=t("Show where a person is known: what an erasure would take away, and what stays for which reason."),
    examples=(
        ("gasp people find zhangwei", t("somebody of a department")),
        ("gasp people find account:night -o json", t("a local account, for a program")),
    ),
)
@person_argument
@listing_options
@click.pass_obj
def find(app: App, person: str) -> None:
    """`gasp people find PERSON`."""
    found = app.client.persons.find(person)
    show_one(found, lambda: _draw(app, found), name="digest")


def _draw(app: App, found: Json) -> None:
    app.out(sentence(t("{sentence}", sentence=found["sentence"])))
    for row in found["erased"]:
        app.out(
            "  "
            + sentence(
                tn(
                    "{table}: {rows} row",
                    "{table}: {rows} rows",
                    count=plain(row["rows"]),
                    table=row["table"],
                    rows=plain(row["rows"]),
                )
            )
        )
    for file in found["files"]:
        if file["fate"] == "changed":
            app.out("  " + sentence(t("their line in {file}", file=clean(file["file"]))))
    _stays(app, found)
    for text in found["blocked"]:
        app.out(sentence(t("First: {what}", what=text)))


def _stays(app: App, found: Json) -> None:
    for row in found["kept"]:
        said = {"table": row["table"], "rows": plain(row["rows"]), "why": row["why"]}
        until = row["until"]
        text = (
            tn(
                "stays until {day}: {table}, {rows} row. {why}",
                "stays until {day}: {table}, {rows} rows. {why}",
                count=plain(row["rows"]),
                day=until,
                **said,
            )
            if until
            else tn(
                "stays: {table}, {rows} row. {why}",
                "stays: {table}, {rows} rows. {why}",
                count=plain(row["rows"]),
                **said,
            )
        )
        app.out(sentence(text))
    for file in found["files"]:
        if file["fate"] == "kept":
            app.out(sentence(t("stays: {file}. {why}", file=clean(file["file"]), why=file["why"])))
    if found["keys"]:
        app.out(
            sentence(
                tn(
                    "In {rows} row only a key stands.",
                    "In {rows} rows only a key stands.",
                    count=plain(found["keys"]),
                    rows=plain(found["keys"]),
                )
            )
        )


@people.verb(
    "export",
    sentence=t(
        "Give out everything that is known of a person, as one archive: for programs and to be read.\n"
        "It holds what the directory, the database and files say. Lines of the access record are in it only with the"
        " number of a case, and that search stands in the record's own ledger. Passwords and second factors are in"
        " none. Whoever has the archive has the person's data: hand it over and delete it."
    ),
    examples=(
        (
            "gasp people export zhangwei --reason 'asked for it' --to zhangwei.zip",
            t("an archive readable by you alone"),
        ),
        (
            "gasp people export zhangwei --reason 'asked for it' --case 2026-17 --to zhangwei.zip",
            t("with what was reached from the person's addresses"),
        ),
    ),
)
@person_argument
@reason_option
@option("--case", help=t("Number of the case that allows a search of the access record."), metavar="NUMBER")
@option(
    "--to", "file", help=t("The archive; it must not exist yet."), required=True,
    type=Place(),
)  # fmt: skip
@listing_options
@click.pass_obj
def export(app: App, person: str, reason: str, case: str | None, file: Path) -> None:
    """`gasp people export PERSON`."""
    app.context()
    file.touch(mode=0o600, exist_ok=False)
    try:
        found = app.client.persons.export(person, reason=reason, case=case)
        file.write_bytes(_archive(found))
    except BaseException:
        file.unlink()
        raise
    counts = {"rows": sum(len(rows) for rows in found["tables"].values()), "lines": len(found["record"] or ())}
    answer = {"person": found["person"], "file": str(file), **counts, "remarks": found["remarks"]}

    def draw() -> None:
        said = {"person": found["person"], "rows": plain(counts["rows"]), "file": clean(str(file))}
        app.out(
            sentence(
                tn(
                    "{rows} row about {person} is in {file}.",
                    "{rows} rows about {person} are in {file}.",
                    count=said["rows"],
                    **said,
                )
            )
        )
        for remark in found["remarks"]:
            app.out(sentence(t("{remark}", remark=remark)))
        app.out(sentence(t("Hand it over, then delete it.")))

    show_one(answer, draw, name="file")


def _archive(found: Json) -> bytes:
    import orjson

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("person.json", orjson.dumps(found, option=orjson.OPT_INDENT_2))
        packed.writestr("person.txt", "\n".join(_readable(found)) + "\n")
    return out.getvalue()


def _readable(found: Json) -> list[str]:
    said = {"person": found["person"], "at": found["at"], "by": found["by"]}
    lines = [sentence(t("What is known of {person}, given out {at} by {by}.", **said))]
    lines.append(sentence(t("Reason: {reason}", reason=found["reason"])))
    parts = [(t("The account"), [found["account"]]), (t("The entry in the directory"), [found["directory"]])]
    parts += [(t("Table {table}", table=name), rows) for name, rows in found["tables"].items()]
    parts.append((t("The access record"), found["record"] or []))
    for title, rows in parts:
        shown = [row for row in rows if row]
        if shown:
            lines += ["", sentence(title)]
        for row in shown:
            lines += ["", *(f"  {name}: {value}" for name, value in row.items() if value not in (None, "", [], {}))]
    if found["files"]:
        lines += ["", sentence(t("Files that name the person: {files}", files=", ".join(found["files"])))]
    return [*lines, "", *(sentence(t("{remark}", remark=remark)) for remark in found["remarks"])]


@people.verb(
    "erase",
    sentence=t(
        "Erase what is known of a person who left, as far as the law lets it go.\n"
        "What would go, what stays and why is shown first, and a typed word is asked for. A locked account is removed"
        " at once. The audit trail knows a key, which names nobody afterwards, and verifies as before. There is no"
        " way back. Done again, nothing is left to do."
    ),
    examples=(
        ("gasp people erase zhangwei --reason 'request 2026-17' --dry-run", t("what would go and what stays")),
        ("gasp people erase zhangwei --reason 'request 2026-17' --confirm WORD", t("with the word of the preview")),
    ),
)
@person_argument
@reason_option
@consent_options(word=True)
@listing_options
@click.pass_obj
def erase(app: App, person: str, reason: str, dry_run: bool, yes: bool, confirm: str | None) -> None:
    """`gasp people erase PERSON`."""
    found = app.client.persons.find(person)
    if dry_run or found["confirm"] is None:
        show_one(found, lambda: _draw(app, found), name="digest")
        tell_word(found["confirm"])
        return
    app.context()
    if app.can_ask() and confirm is None:
        _draw(app, found)
    word = found["confirm"]
    question = t("Erase all this of {person} for good? Type “{word}”.", person=found["person"], word=word)
    ask_word(question, [word], confirm, yes)
    answer = app.client.persons.erase(person, reason=reason, digest=found["digest"])

    def draw() -> None:
        said = {"person": answer["person"], "rows": plain(sum(row["rows"] for row in answer["erased"]))}
        app.out(
            sentence(
                tn(
                    "{rows} row of {person} was erased.",
                    "{rows} rows of {person} were erased.",
                    count=said["rows"],
                    **said,
                )
            )
        )
        _stays(app, answer["left"])
        app.out(sentence(t("Next: {command}", command="gasp audit verify")))

    show_one(answer, draw, name="person")
