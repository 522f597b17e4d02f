"""`gasp mail`: what the centre has told people by mail, and what could not be handed over."""

from __future__ import annotations

from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, print_table, show_list, show_one
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("NO."), show="id"),
    Column("made_at", t("MADE"), show="time"),
    Column("address", t("TO")),
    Column("kinds", t("WHAT")),
    Column("state", t("STATE"), show="state"),
    Column("tries", t("TRIES")),
    Column("sent_at", t("HANDED OVER"), show="time"),
    Column("error", t("LAST ERROR")),
    Column("next_at", t("NEXT TRY"), wide=True, show="time"),
    Column("message_id", t("MESSAGE ID"), wide=True),
)

mail = Group(
    name="mail",
    sentence=t("Mail that the centre sends: what was told to whom, and what could not be handed over."),
    examples=(
        ("gasp mail list", t("newest first")),
        ("gasp mail retry 12", t("hand one over that failed")),
    ),
)


@mail.verb(
    "list",
    sentence=t("List mails, newest first."),
    examples=(
        ("gasp mail list --state failed", t("what could not be handed over")),
        ("gasp mail list -o json", t("for a program")),
    ),
)
@option("--state", help=t("Only these."), type=click.Choice(["waiting", "sending", "sent", "failed"]))
@listing_options
@click.pass_obj
def list_mails(app: App, state: str | None) -> None:
    """`gasp mail list`."""
    rows = app.client.mail.list(state=state, limit=app.listing.limit or 1000)
    show_list(rows, COLUMNS, empty=t("No mail yet."), name="id")


@mail.verb(
    "retry",
    sentence=t("Hand a mail over at once that failed or waits for its next try."),
    examples=(
        ("gasp mail retry 12", t("ask, then try again")),
        ("gasp mail retry 12 --yes", t("without a question")),
    ),
)
@argument("number", help=t("Number of the mail."), type=int, metavar="NUMBER")
@consent_options()
@listing_options
@click.pass_obj
def retry(app: App, number: int, dry_run: bool, yes: bool) -> None:
    """`gasp mail retry NUMBER`."""
    act = partial(app.client.mail.retry, number)
    if rehearsed(dry_run, t("Mail {number} would be handed over again.", number=number), act):
        return
    app.context()
    ask(t("Hand over mail {number} again?", number=number), yes)
    answer = act()
    show_one(answer, lambda: print_table(app, [answer], COLUMNS), name="id", columns=COLUMNS)
    app.note(t("The worker hands it over within seconds: gasp mail list."), "dim")
