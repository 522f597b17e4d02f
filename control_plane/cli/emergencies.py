"""`gasp emergencies`: make a request real at once, ahead of its signatures; works with web and directory down."""

from __future__ import annotations

from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.requests import request_argument
from control_plane.cli.terminal import clean, moment, sentence
from control_plane.model.client_emergencies import Json
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("ID"), show="id"),
    Column("request", t("REQUEST")),
    Column("tenant", t("TENANT")),
    Column("title", t("SERVICE")),
    Column("state", t("STATE"), show="emergency"),
    Column("by_name", t("BY")),
    Column("at", t("SINCE"), show="time"),
    Column("expires_at", t("EXPIRES"), show="time"),
    Column("reason", t("REASON")),
    Column("reviewed_by", t("REVIEWED BY")),
    Column("why", t("IN THE WAY"), wide=True),
    Column("run", t("RUN"), wide=True, show="id"),
    Column("back_run", t("RUN BACK"), wide=True, show="id"),
    Column("review_due", t("REVIEW DUE"), wide=True, show="time"),
    Column("review", t("REVIEW"), wide=True),
)

emergencies = Group(
    name="emergencies",
    sentence=t("Changes made real ahead of their signatures: make one, list, review."),
    examples=(
        ("gasp emergencies apply R-2026-0147 --reason 'the line is cut'", t("make a request real at once")),
        ("gasp emergencies list", t("what nobody has reviewed or signed yet")),
    ),
)


@emergencies.verb(
    "list",
    sentence=t("List emergencies that wait for their review or their signatures."),
    examples=(
        ("gasp emergencies list", t("what is open")),
        ("gasp emergencies list --all -o json", t("all there ever were, for a program")),
    ),
)
@option("--all", "everything", help=t("Also those that are reviewed and over."), is_flag=True)
@listing_options
@click.pass_obj
def list_emergencies(app: App, everything: bool) -> None:
    """`gasp emergencies list`."""
    rows = app.client.emergencies.list(everything=everything)
    show_list(rows, COLUMNS, empty=t("There is no open emergency."), name="id")


@emergencies.verb(
    "apply",
    sentence=t(
        "Make a request real at once; a draft of your own is handed in first. Without its signatures it goes back\n"
        "after 24 hours, and another person reviews it. Needs neither the console, the worker nor the directory."
    ),
    examples=(
        ("gasp emergencies apply R-2026-0147 --reason 'the line is cut'", t("look at it, then say yes")),
        ("gasp emergencies apply 147 --reason 'the line is cut' --yes", t("without a question")),
    ),
)
@request_argument
@option("--reason", help=t("Why it cannot wait; it is recorded and told to everybody who signs."), required=True)
@consent_options()
@listing_options
@click.pass_obj
def apply(app: App, request: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp emergencies apply REQUEST`."""
    row = app.client.requests.show(request)
    if rehearsed(dry_run, t("{request} would be made real at once.", request=row["reference"])):
        return
    app.context()
    draft = "submit" in row["acts"]
    for word in app.client.requests.preview(request)["words"] if draft else row["words"]:
        app.note(clean(word))
    ask(t("Make {request} of {tenant} real now?", request=row["reference"], tenant=row["tenant"]), yes)
    if draft:
        row = app.client.requests.submit(request)
    _show(app, app.client.emergencies.apply(request, digest=row["digest"] or "", reason=reason))


def _show(app: App, row: Json) -> None:
    def draw() -> None:
        facts(app, row, COLUMNS)
        app.out(sentence(t("{text}", text=row["sentence"])))
        if row["reviewed_at"] is None:
            app.out(sentence(t("Another person reviews it by {at}.", at=moment(row["review_due"]))))
            app.note(t("Next: gasp emergencies review {id} --text …", id=row["id"]))

    show_one(row, draw, name="id", columns=COLUMNS)


@emergencies.verb(
    "review",
    sentence=t("Review an emergency, as another person than who did it. It replaces no signature."),
    examples=(
        ("gasp emergencies review 3 --text 'the line was cut indeed'", t("after a question")),
        ("gasp emergencies review 3 --text 'the line was cut indeed' --yes", t("without a question")),
    ),
)
@argument("emergency", help=t("Number of the emergency, as gasp emergencies list prints it."), type=int)
@option("--text", help=t("What you found; it is recorded."), required=True)
@consent_options()
@listing_options
@click.pass_obj
def review(app: App, emergency: int, text: str, dry_run: bool, yes: bool) -> None:
    """`gasp emergencies review ID`."""
    act = partial(app.client.emergencies.review, emergency, text=text)
    if rehearsed(dry_run, t("Emergency {id} would count as reviewed.", id=emergency), act):
        return
    app.context()
    ask(t("Did you look at emergency {id}?", id=emergency), yes)
    _show(app, act())
