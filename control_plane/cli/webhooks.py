"""`gasp webhooks`: programs elsewhere that are told what happened, and what became of each message."""

from __future__ import annotations

from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, print_table, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.model.client_webhooks import Json
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("WEBHOOK"), show="id"),
    Column("name", t("NAME")),
    Column("url", t("ADDRESS")),
    Column("tenant", t("TENANT")),
    Column("families", t("ABOUT")),
    Column("state", t("STATE"), show="state"),
    Column("waiting", t("WAITING")),
    Column("failed", t("FAILED")),
    Column("rotated_until", t("FORMER SECRET UNTIL"), wide=True, show="time"),
    Column("made_at", t("MADE"), wide=True, show="time"),
    Column("made_by", t("MADE BY"), wide=True),
)
DELIVERIES = (
    Column("id", t("DELIVERY"), show="id"),
    Column("name", t("WEBHOOK")),
    Column("type", t("WHAT")),
    Column("state", t("STATE"), show="state"),
    Column("tries", t("TRIES")),
    Column("status", t("ANSWER")),
    Column("made_at", t("MADE"), show="time"),
    Column("sent_at", t("SENT"), show="time"),
    Column("error", t("LAST ERROR")),
    Column("next_at", t("NEXT TRY"), wide=True, show="time"),
    Column("message", t("MESSAGE ID"), wide=True),
)
EXAMPLE = "gasp webhooks create tickets https://hooks.example.test/gasp --about run --about request"

webhooks = Group(
    name="webhooks",
    sentence=t("Webhooks: programs elsewhere that are told what happened, signed, without names of people."),
    examples=(
        (EXAMPLE, t("tell a system of tickets about runs and requests")),
        ("gasp webhooks deliveries --state failed", t("what could not be told")),
    ),
)
webhook_argument = argument("webhook", help=t("Its number, as gasp webhooks list prints it."), type=click.IntRange(1))


@webhooks.verb(
    "list",
    sentence=t("List webhooks, newest first. Secrets are not shown."),
    examples=(
        ("gasp webhooks list", t("those that are told")),
        ("gasp webhooks list --ended -o json", t("with those that ended, for a program")),
    ),
)
@option("--ended", help=t("Also those that ended."), is_flag=True)
@listing_options
@click.pass_obj
def list_webhooks(app: App, ended: bool) -> None:
    """`gasp webhooks list`."""
    rows = app.client.webhooks.list(ended=ended)
    show_list(rows, COLUMNS, empty=t("There are no webhooks: gasp webhooks create"), name="id")


@webhooks.verb(
    "create",
    sentence=t("Make a webhook. Its secret is printed this once; the receiver verifies signatures with it."),
    examples=(
        (EXAMPLE, t("about runs and requests of everybody")),
        (
            "gasp webhooks create site-builder https://hooks.example.test/ --about request --tenant fgw",
            t("about one department only"),
        ),
    ),
)
@argument("name", help=t("Who is told, in a few words."))
@argument("url", help=t("Where to; GASP_WEBHOOK_TARGETS says which are allowed."))
@option(
    "--about",
    "families",
    help=t("Of what: run, rollout, freeze, request; may be repeated."),
    metavar="WHAT",
    multiple=True,
    required=True,
)
@option("--tenant", help=t("Only of this department."), metavar="CODE")
@consent_options()
@listing_options
@click.pass_obj
def create(
    app: App, name: str, url: str, families: tuple[str, ...], tenant: str | None, dry_run: bool, yes: bool
) -> None:
    """`gasp webhooks create NAME URL`."""
    act = partial(app.client.webhooks.create, name=name, url=url, families=families, tenant=tenant)
    said = {"url": url, "families": ", ".join(families)}
    if rehearsed(dry_run, t("{url} would be told of: {families}.", **said), act):
        return
    app.context()
    ask(t("Tell {url} of {families}?", **said), yes)
    _with_secret(app, act())


@webhooks.verb(
    "rotate",
    sentence=t("Give a webhook a new secret, printed this once. Both sign for a day, so that none is missed."),
    examples=(
        ("gasp webhooks rotate 3", t("after a question")),
        ("gasp webhooks rotate 3 --yes", t("without a question")),
    ),
)
@webhook_argument
@consent_options()
@listing_options
@click.pass_obj
def rotate(app: App, webhook: int, dry_run: bool, yes: bool) -> None:
    """`gasp webhooks rotate WEBHOOK`."""
    act = partial(app.client.webhooks.rotate, webhook)
    if rehearsed(dry_run, t("Webhook {id} would get a new secret.", id=webhook), act):
        return
    app.context()
    ask(t("Give webhook {id} a new secret?", id=webhook), yes)
    _with_secret(app, act())


def _with_secret(app: App, made: Json) -> None:
    def draw() -> None:
        app.out(made["secret"])
        app.note(t("It is shown this once. Give it to the receiver, who verifies webhook-signature with it."))
        app.note(t("Next: {command}", command=f"gasp webhooks deliveries --webhook {made['id']}"), "dim")

    show_one(made, draw, name="secret")


@webhooks.verb(
    "end",
    sentence=t("Tell a webhook nothing any more, at once."),
    examples=(
        ("gasp webhooks end 3", t("after a question")),
        ("gasp webhooks end 3 --yes", t("without a question")),
    ),
)
@webhook_argument
@consent_options()
@listing_options
@click.pass_obj
def end(app: App, webhook: int, dry_run: bool, yes: bool) -> None:
    """`gasp webhooks end WEBHOOK`."""
    act = partial(app.client.webhooks.end, webhook)
    if rehearsed(dry_run, t("Webhook {id} would be told nothing any more.", id=webhook), act):
        return
    app.context()
    ask(t("Tell webhook {id} nothing any more?", id=webhook), yes)
    row = act()
    show_one(row, lambda: facts(app, row, COLUMNS), name="id", columns=COLUMNS)


@webhooks.verb(
    "deliveries",
    sentence=t("List what was told, newest first: what waits, what was taken, what was given up after a day."),
    examples=(
        ("gasp webhooks deliveries --state failed", t("what could not be told")),
        ("gasp webhooks deliveries --webhook 3 -o json", t("of one, with what was sent, for a program")),
    ),
)
@option("--webhook", help=t("Only of this one."), type=click.IntRange(1))
@option("--state", help=t("Only these."), type=click.Choice(["waiting", "sent", "failed"]))
@listing_options
@click.pass_obj
def deliveries(app: App, webhook: int | None, state: str | None) -> None:
    """`gasp webhooks deliveries`."""
    rows = app.client.webhooks.deliveries(webhook, state=state, limit=app.listing.limit or 200)
    show_list(rows, DELIVERIES, empty=t("Nothing was told yet."), name="id")


@webhooks.verb(
    "resend",
    sentence=t("Tell it again at once, as the same message."),
    examples=(
        ("gasp webhooks resend 12", t("after a question")),
        ("gasp webhooks resend 12 --yes", t("without a question")),
    ),
)
@argument("delivery", help=t("Its number, as gasp webhooks deliveries prints it."), type=click.IntRange(1))
@consent_options()
@listing_options
@click.pass_obj
def resend(app: App, delivery: int, dry_run: bool, yes: bool) -> None:
    """`gasp webhooks resend DELIVERY`."""
    act = partial(app.client.webhooks.resend, delivery)
    if rehearsed(dry_run, t("Delivery {id} would be sent again.", id=delivery), act):
        return
    app.context()
    ask(t("Send delivery {id} again?", id=delivery), yes)
    row = act()
    show_one(row, lambda: print_table(app, [row], DELIVERIES), name="id", columns=DELIVERIES)
    app.note(t("The worker sends it within seconds: gasp webhooks deliveries."), "dim")
