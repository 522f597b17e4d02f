"""`gasp classes`: who must sign which change; to change that takes two people."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.terminal import clean, sentence
from control_plane.model.client_classes import Json
from control_plane.model.text import t, tn

COLUMNS = (
    Column("number", t("ID"), show="id"),
    Column("state", t("STATE"), show="state"),
    Column("at", t("PROPOSED"), show="time"),
    Column("by", t("BY")),
    Column("reason", t("REASON")),
    Column("signed_by", t("SIGNED BY")),
    Column("signed_at", t("SIGNED"), show="time"),
    Column("stands_for", t("WHY STOOD IN"), wide=True),
    Column("ended_by", t("ENDED BY"), wide=True),
    Column("ended_reason", t("WHY ENDED"), wide=True),
)
LINES = (Column("title", t("WHAT")), Column("class_title", t("CLASS")), Column("sign_titles", t("SIGNED BY")))

classes = Group(
    name="classes",
    sentence=t("The table of classes: who must sign which change. Two people change it."),
    examples=(
        ("gasp classes show", t("the table in force, and what is proposed")),
        ("gasp classes propose table.yaml --reason 'two more departments'", t("propose another one")),
    ),
)
number_argument = argument("number", help=t("Number of the proposal."), type=int)


@classes.verb(
    "show",
    sentence=t("Show the table in force, and a proposal that waits."),
    examples=(
        ("gasp classes show", t("for people")),
        ("gasp classes show -o yaml --fields table", t("to edit it and propose another one")),
    ),
)
@listing_options
@click.pass_obj
def show_classes(app: App) -> None:
    """`gasp classes show`."""
    answer = app.client.classes.show()

    def draw() -> None:
        for line in answer["lines"]:
            said = {"what": line["title"], "kind": line["class_title"], "roles": ", ".join(line["sign_titles"])}
            app.out(sentence(t("{what}: {kind}; signed by {roles}", **said)))
        table = answer["table"]
        numbers = {"tenants": table["most_tenants"], "hosts": table["most_hosts"]}
        app.out(sentence(t("More than {tenants} departments or {hosts} hosts are many.", **numbers)))
        services = ", ".join(table["not_standard"]) or "–"
        app.out(sentence(t("Nothing is agreed on beforehand for: {services}", services=services)))
        if answer["proposal"]:
            app.out("")
            _draw(app, answer["proposal"])

    show_one(answer, draw, name="number")


def _draw(app: App, row: Json) -> None:
    facts(app, row, COLUMNS)
    for one in row["differences"]:
        said = {"title": one["title"], "before": clean(one["before"]), "after": clean(one["after"])}
        app.out("  " + sentence(t("{title}: {before} → {after}", **said)))


@classes.verb(
    "history",
    sentence=t("List every table that was proposed, with who proposed and who signed it."),
    examples=(
        ("gasp classes history", t("newest first")),
        ("gasp classes history -o json", t("with every difference, for a program")),
    ),
)
@listing_options
@click.pass_obj
def history(app: App) -> None:
    """`gasp classes history`."""
    show_list(app.client.classes.history(), COLUMNS, empty=t("The table is as it was shipped."), name="number")


@classes.verb(
    "propose",
    sentence=t("Propose another table. It changes nothing before another person has signed it."),
    examples=(
        ("gasp classes propose table.yaml --reason 'two more departments'", t("after a question")),
        ("gasp classes propose table.yaml --reason 'two more departments' --yes", t("without a question")),
    ),
)
@argument(
    "file", help=t("The whole table, in YAML, as gasp classes show prints it."),
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)  # fmt: skip
@option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)
@consent_options()
@listing_options
@click.pass_obj
def propose(app: App, file: Path, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp classes propose FILE`."""
    from control_plane.workflow.yaml_form import read_form

    body = read_form(file.read_bytes(), file.name)
    act = partial(app.client.classes.propose, body.get("table", body), reason=reason)
    if rehearsed(dry_run, t("The table of {file} would be proposed.", file=file.name), act):
        return
    app.context()
    ask(t("Propose the table of {file}?", file=file.name), yes)
    made = act()
    show_one(made, lambda: _draw(app, made), name="number", columns=COLUMNS)
    app.note(t("Next: another person signs it: gasp classes sign {id}", id=made["number"]))


@classes.verb(
    "sign",
    sentence=t(
        "Sign a proposal; it is in force at once. Who proposed it never signs it.\n"
        "Requests on their way keep the signatures whose role still signs; what was approved goes on as it was."
    ),
    examples=(
        ("gasp classes sign 3 --reason 'the officer is on leave'", t("look at it, then say yes")),
        ("gasp classes sign 3 --reason 'drill' --yes", t("without a question")),
    ),
)
@number_argument
@option("--reason", help=t("Why you stand in for a security officer; it is recorded."), default="")
@consent_options()
@listing_options
@click.pass_obj
def sign(app: App, number: int, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp classes sign NUMBER`."""
    row = app.client.classes.show()["proposal"]
    if rehearsed(dry_run, t("Proposal {id} would be in force.", id=number)):
        return
    app.context()
    for one in row["differences"] if row else ():
        said = {"title": one["title"], "before": one["before"], "after": one["after"]}
        app.note(t("{title}: {before} → {after}", **said))
    ask(t("Sign proposal {id}?", id=number), yes)
    signed = app.client.classes.sign(number, digest=row["digest"] if row else "", reason=reason)

    def draw() -> None:
        _draw(app, signed)
        app.out(
            sentence(
                tn(
                    "{count} request on its way is signed by others now.",
                    "{count} requests on their way are signed by others now.",
                    count=signed["requests"],
                )
            )
        )

    show_one(signed, draw, name="number", columns=COLUMNS)


@classes.verb(
    "refuse",
    sentence=t("Refuse a proposal, or withdraw one's own. The table stays as it is."),
    examples=(
        ("gasp classes refuse 3 --reason 'too few signatures'", t("after a question")),
        ("gasp classes refuse 3 --reason 'too few signatures' --yes", t("without a question")),
    ),
)
@number_argument
@option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)
@consent_options()
@listing_options
@click.pass_obj
def refuse(app: App, number: int, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp classes refuse NUMBER`."""
    act = partial(app.client.classes.refuse, number, reason=reason)
    if rehearsed(dry_run, t("Proposal {id} would end.", id=number), act):
        return
    app.context()
    ask(t("Refuse proposal {id}?", id=number), yes)
    ended = act()
    show_one(ended, lambda: _draw(app, ended), name="number", columns=COLUMNS)
