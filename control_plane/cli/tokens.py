"""`gasp tokens`: what programs sign in with, at the interface for programs."""

from __future__ import annotations

from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.terminal import sentence
from control_plane.model.client_tokens import Json
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("TOKEN"), show="id"),
    Column("person", t("PERSON")),
    Column("name", t("NAME")),
    Column("hint", t("ENDS WITH")),
    Column("scopes", t("SCOPES")),
    Column("tenant", t("TENANT")),
    Column("expires_at", t("UNTIL"), show="time"),
    Column("used_at", t("LAST USE"), show="time"),
    Column("used_from", t("FROM"), wide=True),
    Column("made_by", t("MADE BY"), wide=True),
    Column("state", t("STATE"), show="state"),
    Column("end_reason", t("WHY"), wide=True),
)

tokens = Group(
    name="tokens",
    sentence=t("Tokens of programs: make, list, end. A token does no more than its owner may do now."),
    examples=(
        ("gasp tokens list", t("all that live")),
        ("gasp tokens create wangwei --name backup --scope tenants:read", t("one that reads, for 90 days")),
    ),
)


@tokens.verb(
    "list",
    sentence=t("List tokens of programs, newest first. Values are kept nowhere."),
    examples=(
        ("gasp tokens list", t("all that live")),
        ("gasp tokens list --person wangwei --ended -o json", t("one person's, with those that ended, for a program")),
    ),
)
@option("--person", help=t("Only this person's."), metavar="PERSON")
@option("--ended", help=t("Also those that ended or expired."), is_flag=True)
@listing_options
@click.pass_obj
def list_tokens(app: App, person: str | None, ended: bool) -> None:
    """`gasp tokens list`."""
    rows = app.client.tokens.list(person=person, ended=ended)
    show_list(rows, COLUMNS, empty=t("There are no tokens: gasp tokens create"), name="id")


@tokens.verb(
    "create",
    sentence=t("Make a token. Its value is printed this once and kept nowhere."),
    examples=(
        ("gasp tokens create wangwei --name backup --scope tenants:read", t("one that reads, for 90 days")),
        (
            "gasp tokens create lina --name builder --scope requests:write --tenant fgw",
            t("one that asks for services of one department"),
        ),
    ),
)
@argument("person", help=t("Whose it is: a login name, or account:NAME."))
@option("--name", help=t("What uses it, in a few words."), required=True)
@option(
    "--scope",
    "scopes",
    help=t("What it may be used for, such as tenants:read; may be repeated."),
    metavar="SCOPE",
    multiple=True,
    required=True,
)
@option("--until", help=t("Last day, within a year; 90 days otherwise."), metavar="DATE")
@option("--tenant", help=t("The only department that it sees."), metavar="CODE")
@consent_options()
@listing_options
@click.pass_obj
def create(
    app: App,
    person: str,
    name: str,
    scopes: tuple[str, ...],
    until: str | None,
    tenant: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """`gasp tokens create PERSON`."""
    act = partial(app.client.tokens.create, person=person, name=name, scopes=scopes, until=until, tenant=tenant)
    said = {"person": person, "scopes": ", ".join(scopes)}
    if rehearsed(dry_run, t("A token of {person} for {scopes} would be made.", **said), act):
        return
    app.context()
    ask(t("Make a token of {person} for {scopes}?", **said), yes)
    made = act()

    def draw() -> None:
        app.out(made["token"])
        app.note(t("It is shown this once. Use it as: Authorization: Bearer TOKEN"))
        app.note(t("Next: {command}", command=f"gasp tokens list --person {made['person']}"), "dim")

    show_one(made, draw, name="token")


@tokens.verb(
    "revoke",
    sentence=t("End a token, at once."),
    examples=(
        ("gasp tokens revoke 12", t("it was lost")),
        ("gasp tokens revoke 12 --reason 'no longer used' --yes", t("without a question")),
    ),
)
@argument("token", help=t("Its number."), type=click.IntRange(1))
@option("--reason", help=t("Why, in one sentence; it is recorded."), default="")
@consent_options()
@listing_options
@click.pass_obj
def revoke(app: App, token: int, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp tokens revoke TOKEN`."""
    act = partial(app.client.tokens.revoke, token, reason=reason)
    if rehearsed(dry_run, t("Token {id} would end.", id=token), act):
        return
    app.context()
    ask(t("End token {id}?", id=token), yes)
    _show(app, act())


def _show(app: App, row: Json) -> None:
    def draw() -> None:
        facts(app, row, COLUMNS)
        app.out(sentence(t("Token {id} has ended; whoever holds it gets nothing any more.", id=row["id"])))

    show_one(row, draw, name="id")
