"""`gasp accounts review`: whether everybody of a department is still there, asked once a quarter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, print_table, show_list, show_one
from control_plane.cli.run_view import carry_out, end
from control_plane.cli.terminal import moment, sentence
from control_plane.model.client_reviews import Json
from control_plane.model.errors import Invalid, Problem
from control_plane.model.people_review import Decision
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("REVIEW"), show="id"),
    Column("tenant", t("TENANT")),
    Column("quarter", t("QUARTER")),
    Column("state", t("STATE"), show="state"),
    Column("due_at", t("DUE"), show="time"),
    Column("moves", t("TO BE MOVED")),
    Column("decided_at", t("DONE"), wide=True, show="time"),
    Column("decided_by", t("DONE BY"), wide=True),
)
PEOPLE = (
    Column("uid", t("UID")),
    Column("name", t("NAME")),
    Column("title", t("POSITION")),
    Column("groups", t("GROUPS")),
)
review = Group(
    name="review",
    sentence=t("Once a quarter each department says of everybody: stays, left, moved, other groups."),
    examples=(
        ("gasp accounts review list", t("what is to be done, late ones first")),
        ("gasp accounts review decide fgw --left zhangwei --rest", t("one left, all others stay")),
    ),
)
code_argument = argument("tenant", help=t("Code of the department."), metavar="CODE")


@review.verb(
    "list",
    sentence=t("List reviews that are to be done, late ones first, and those with people who are to be moved."),
    examples=(
        ("gasp accounts review list --filter state=overdue", t("those that are late")),
        ("gasp accounts review list --all -o json", t("all that ever were, for a program")),
    ),
)
@option("--all", "everything", help=t("Also those that are done."), is_flag=True)
@listing_options
@click.pass_obj
def list_reviews(app: App, everything: bool) -> None:
    """`gasp accounts review list`."""
    rows = app.client.reviews.list(everything=everything)
    show_list(rows, COLUMNS, empty=t("Nothing is to be done; departments are asked once a quarter."), name="id")


@review.verb(
    "show",
    sentence=t("Show whom a department is asked about now."),
    examples=(
        ("gasp accounts review show fgw", t("everybody of one department")),
        ("gasp accounts review show fgw -o csv", t("for a spreadsheet")),
    ),
)
@code_argument
@listing_options
@click.pass_obj
def show(app: App, tenant: str) -> None:
    """`gasp accounts review show CODE`."""
    found = app.client.reviews.show(tenant)

    def draw() -> None:
        facts = {"tenant": tenant, "quarter": found["quarter"], "due": moment(found["due_at"])}
        app.out(sentence(t("{tenant}, {quarter}: to be done by {due}.", **facts)))
        print_table(app, found["people"], PEOPLE)

    show_one(found, draw, rows="people", name="uid", columns=PEOPLE)


@review.verb(
    "decide",
    sentence=t(
        "Say for a department what became of everybody.\n"
        "Whoever left is cut at once; other groups are made real; whoever moved is listed until gasp accounts review"
        " move. Without --rest everybody must be named."
    ),
    examples=(
        ("gasp accounts review decide fgw --rest", t("everybody stays")),
        ("gasp accounts review decide fgw --left zhangwei --moved liming=czj --rest --yes", t("one left, one moved")),
    ),
)
@code_argument
@option("--stays", help=t("Account name of somebody who stays; may be given again."), metavar="UID", multiple=True)
@option("--left", help=t("Account name of somebody who left; may be given again."), metavar="UID", multiple=True)
@option("--moved", help=t("Who moved, and where to; may be given again."), metavar="UID=DEPARTMENT", multiple=True)
@option("--groups", help=t("Who has other groups, and which; may be given again."), metavar="UID=NAME;NAME",
        multiple=True)  # fmt: skip
@option("--rest", help=t("All others stay."), is_flag=True)
@consent_options()
@listing_options
@click.pass_obj
def decide(
    app: App, tenant: str, stays: Sequence[str], left: Sequence[str], moved: Sequence[str], groups: Sequence[str],
    rest: bool, dry_run: bool, yes: bool,
) -> None:  # fmt: skip
    """`gasp accounts review decide CODE`."""
    said: dict[str, dict[str, str]] = {uid: {"what": Decision.STAYS.value} for uid in stays}
    said |= {uid: {"what": Decision.LEFT.value} for uid in left}
    for what, words in ((Decision.MOVED, moved), (Decision.GROUPS, groups)):
        said |= {uid: {"what": what.value, "more": more} for uid, more in (_pair(word) for word in words)}
    counts = {"tenant": tenant, "left": len(left), "moved": len(moved), "groups": len(groups)}
    if rehearsed(dry_run, t("{tenant}: {left} left, {moved} moved, {groups} have other groups.", **counts)):
        return
    app.context()
    ask(t("{tenant}: {left} left, {moved} moved, {groups} have other groups. Record it?", **counts), yes)
    answer: Json = {**app.client.reviews.decide(tenant, said, rest=rest), "run": None}
    if answer["counts"]["left"] or answer["counts"]["groups"]:
        stopped = carry_out(app, partial(_settle, app, tenant), stopped=lambda app, ran: _decided(app, answer | ran))
        answer["run"] = stopped["run"]
    _decided(app, answer)
    if answer["run"] is not None:
        end(app.client.run(answer["run"])["state"])


def _settle(app: App, tenant: str, follow: object) -> Json:
    return app.client.staff.settle(tenant, on_event=follow)  # type: ignore[arg-type]


def _decided(app: App, answer: Json) -> None:
    def draw() -> None:
        said = {"tenant": answer["tenant"], "quarter": answer["quarter"], **answer["counts"]}
        app.out(
            sentence(
                t("{tenant}, {quarter}: {stays} stay, {left} left, {moved} moved, {groups} have other groups.", **said)
            )
        )
        if answer["request"]:
            reference = answer["request"]
            app.out(sentence(t("Other groups are a draft: gasp requests submit {reference}", reference=reference)))
        if not answer["locked"]:
            app.out(sentence(t("The directory is away; the worker locks those who left as soon as it answers.")))

    show_one(answer, draw, name="tenant")


def _pair(word: str) -> tuple[str, str]:
    uid, sign, more = word.partition("=")
    if not (uid and sign and more):
        text = t("“{word}” is no pair.", word=word[:80])
        raise Invalid([Problem("bad-pair", text, t("Write UID=WORDS."), field="moved")])
    return uid, more


@review.verb(
    "move",
    sentence=t("Move those of whom a review says that they moved, where their new department is one of this centre."),
    examples=(
        ("gasp accounts review move 12", t("after a question")),
        ("gasp accounts review move 12 --yes", t("without a question")),
    ),
)
@argument(
    "number", help=t("Its number, as gasp accounts review list prints it."), type=click.IntRange(1), metavar="REVIEW"
)
@consent_options()
@listing_options
@click.pass_obj
def move(app: App, number: int, dry_run: bool, yes: bool) -> None:
    """`gasp accounts review move REVIEW`."""
    if rehearsed(dry_run, t("Who moved by review {id} would be moved.", id=number)):
        return
    app.context()
    ask(t("Move those who moved by review {id}?", id=number), yes)
    answer = carry_out(app, partial(_move, app, number), stopped=_moved)
    _moved(app, answer)
    if answer["run"] is not None:
        end(app.client.run(answer["run"])["state"])


def _move(app: App, number: int, follow: object) -> Json:
    return app.client.reviews.move(number, on_event=follow)  # type: ignore[arg-type]


def _moved(app: App, answer: Json) -> None:
    def draw() -> None:
        app.out(sentence(t("Moved: {names}.", names=", ".join(answer["moved"]))))
        if answer["left"]:
            names = ", ".join(answer["left"])
            app.out(
                sentence(t("Still to be moved by a list, their department is not known here: {names}.", names=names))
            )

    show_one(answer, draw, name="id")
