"""`gasp freezes`: nothing in a scope may be changed on hosts, until two people lift it."""

from __future__ import annotations

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.terminal import sentence
from control_plane.model.client_rollouts import Json
from control_plane.model.freeze import check_scope
from control_plane.model.naming import actor_words
from control_plane.model.scope import scope_words
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("ID"), show="id"),
    Column("scope", t("SCOPE"), show="scope"),
    Column("by", t("SET BY"), show="who"),
    Column("at", t("SINCE"), show="time"),
    Column("reason", t("REASON")),
    Column("lifted_at", t("LIFTED"), show="time"),
    Column("lifted_by", t("LIFTED BY"), wide=True, show="who"),
    Column("second", t("SECOND PERSON"), wide=True, show="who"),
    Column("lift_reason", t("WHY LIFTED"), wide=True),
)

freezes = Group(
    name="freezes",
    sentence=t("Change freezes: set, list, lift."),
    examples=(
        ("gasp freezes set --reason 'storm warning'", t("stop everything that changes hosts, within seconds")),
        ("gasp freezes lift 3 --second li --reason 'storm is over'", t("lift it; two people agree")),
    ),
)
reason_option = option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)


@freezes.verb(
    "list",
    sentence=t("List the freezes in force."),
    examples=(
        ("gasp freezes list", t("what is frozen now")),
        ("gasp freezes list --all -o wide", t("all there ever were, with who lifted them")),
    ),
)
@option("--all", "everything", help=t("Also those that were lifted."), is_flag=True)
@listing_options
@click.pass_obj
def list_freezes(app: App, everything: bool) -> None:
    """`gasp freezes list`."""
    rows = app.client.freezes.list(lifted=everything)
    show_list(rows, COLUMNS, empty=t("Nothing is frozen."), name="id")


@freezes.verb(
    "set",
    sentence=t(
        "Freeze a scope from now on. What is under way stops between hosts, never in the middle of a package;\n"
        "nobody can start anything in that scope until two people lift it."
    ),
    examples=(
        ("gasp freezes set --reason 'storm warning'", t("the whole estate")),
        ("gasp freezes set --scope tenant:fgw --reason audit", t("one department")),
    ),
)
@option(
    "--scope",
    help=t("What is frozen: estate, tenant:CODE, ring:NAME or system:NAME (also patches, signatures, snapshots)."),
    default="estate",
    metavar="SCOPE",
)
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def set_freeze(app: App, scope: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp freezes set`."""
    # To stop must be quick, and undoes nothing: nobody is asked.
    if dry_run:
        scope = check_scope(scope)
        kind, _, code = scope.partition(":")
        if kind == "tenant":
            app.client.tenant(code)
        app.client.rehearse(lambda: app.client.freezes.set(scope, reason=reason))
    if rehearsed(dry_run, t("{scope} would be frozen.", scope=scope_words(scope))):
        return
    app.context()
    _show(app, app.client.freezes.set(scope, reason=reason))


@freezes.verb(
    "lift",
    sentence=t("Lift a freeze. A second person must agree, other than who set it and than who lifts it."),
    examples=(
        ("gasp freezes lift 3 --second li --reason 'storm is over'", t("after a question")),
        ("gasp freezes lift 3 --second li --reason 'storm is over' --yes", t("without a question")),
    ),
)
@argument("freeze", help=t("Number of the freeze, as gasp freezes list prints it."), type=int)
@option("--second", help=t("Who agrees; recorded as named, not verified. From elsewhere: you."), metavar="NAME")
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def lift(app: App, freeze: int, second: str | None, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp freezes lift ID`."""
    if second is None and app.place is None:
        raise click.MissingParameter(param_hint="--second", param_type="option")

    def act() -> Json:
        return app.client.freezes.lift(freeze, second=second, reason=reason)

    if rehearsed(dry_run, t("Freeze {id} would be lifted.", id=freeze), act):
        return
    app.context()
    ask(t("Lift freeze {id}? What waited for it goes on.", id=freeze), yes)
    _show(app, act())


def _show(app: App, answer: Json) -> None:
    def draw() -> None:
        app.out(sentence(answer["sentence"]))
        if answer["lifted_at"]:
            who = {"who": actor_words(answer["lifted_by"]), "second": actor_words(answer["second"])}
            verified = t("Lifted by {who}, who signed in.", **who)
            named = t("Lifted by {who}; {second} agreed (not verified).", **who)
            app.out(sentence(verified if answer["second_verified"] else named))
        else:
            app.out(sentence(answer["hint"]))

    show_one(answer, draw, name="id", columns=COLUMNS)
