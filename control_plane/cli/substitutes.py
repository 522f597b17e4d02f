"""`gasp substitutes`: who stands in for whom and until when; and whether every role has enough people."""

from __future__ import annotations

from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.users import person_argument, role_argument
from control_plane.model.text import t

COLUMNS = (
    Column("id", t("ID"), show="id"),
    Column("name", t("SUBSTITUTE")),
    Column("stands_for_name", t("FOR")),
    Column("title", t("ROLE")),
    Column("tenant", t("TENANT")),
    Column("since", t("FROM"), show="time"),
    Column("until", t("UNTIL"), show="time"),
    Column("state", t("STATE"), show="state"),
    Column("reason", t("REASON")),
    Column("by", t("NAMED BY"), wide=True),
    Column("ended_by", t("ENDED BY"), wide=True),
    Column("ended_reason", t("WHY ENDED"), wide=True),
)
STAFFING = (
    Column("state", t("STATE"), show="state"),
    Column("title", t("ROLE")),
    Column("have", t("HAVE")),
    Column("need", t("NEED")),
    Column("sentence", t("WHAT IS SHORT")),
    Column("tenants", t("TENANTS"), wide=True),
)
EXAMPLE = "gasp substitutes name lina approver --tenant fgw --for wangwei --until 2027-01-31 --reason 'on leave'"

substitutes = Group(
    name="substitutes",
    sentence=t("Substitutes of people who hold a role: list, name, end; roles that lack people."),
    examples=(
        (EXAMPLE, t("a department's approver is away")),
        ("gasp substitutes staffing", t("which roles have too few people")),
    ),
)


@substitutes.verb(
    "list",
    sentence=t("List substitutes: who, for whom, in which role and from when to when."),
    examples=(
        ("gasp substitutes list", t("those in force and to come")),
        ("gasp substitutes list --all -o json", t("all there ever were, for a program")),
    ),
)
@option("--all", "everything", help=t("Also those that are over."), is_flag=True)
@listing_options
@click.pass_obj
def list_substitutes(app: App, everything: bool) -> None:
    """`gasp substitutes list`."""
    rows = app.client.substitutes.list(ended=everything)
    show_list(rows, COLUMNS, empty=t("Nobody stands in for anybody."), name="id")


@substitutes.verb(
    "name",
    sentence=t(
        "Name a substitute. For these days they hold exactly that role in that place; what they sign is shown as\n"
        "signed for the other. They never sign what either of the two asked for or signed."
    ),
    examples=((EXAMPLE, t("after a question")), (f"{EXAMPLE} --yes", t("without a question"))),
)
@person_argument
@role_argument
@option("--for", "stands_for", help=t("Whose role it is; without it, your own."), metavar="PERSON")
@option("--tenant", help=t("Department in which the role is held."), metavar="CODE")
@option("--from", "since", help=t("First day, such as 2027-01-04; without it, today."), metavar="DATE")
@option("--until", help=t("Last day, such as 2027-01-31."), metavar="DATE", required=True)
@option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)
@consent_options()
@listing_options
@click.pass_obj
def name(
    app: App, person: str, role: str, stands_for: str | None, tenant: str | None, since: str | None, until: str,
    reason: str, dry_run: bool, yes: bool,
) -> None:  # fmt: skip
    """`gasp substitutes name PERSON ROLE`."""
    act = partial(
        app.client.substitutes.name,
        person, role, tenant=tenant, since=since, until=until, reason=reason, stands_for=stands_for,
    )  # fmt: skip
    said = {"person": person, "role": role, "until": until}
    if rehearsed(dry_run, t("{person} would stand in as {role} until {until}.", **said), act):
        return
    app.context()
    ask(t("Let {person} stand in as {role} until {until}?", **said), yes)
    made = act()
    show_one(made, lambda: facts(app, made, COLUMNS), name="id")


@substitutes.verb(
    "end",
    sentence=t("End a substitution before its time, at once. What they signed on open requests is void."),
    examples=(
        ("gasp substitutes end 12 --reason 'back early'", t("after a question")),
        ("gasp substitutes end 12 --reason 'back early' --yes", t("without a question")),
    ),
)
@argument("substitution", help=t("Number of the substitution, as gasp substitutes list prints it."), type=int)
@option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)
@consent_options()
@listing_options
@click.pass_obj
def end(app: App, substitution: int, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp substitutes end ID`."""
    act = partial(app.client.substitutes.end, substitution, reason=reason)
    if rehearsed(dry_run, t("Substitution {id} would end.", id=substitution), act):
        return
    app.context()
    ask(t("End substitution {id}?", id=substitution), yes)
    ended = act()
    show_one(ended, lambda: facts(app, ended, COLUMNS), name="id")


@substitutes.verb(
    "staffing",
    sentence=t("Which roles have fewer people than the signatures of changes need."),
    examples=(
        ("gasp substitutes staffing", t("what is short, the worst first")),
        ("gasp substitutes staffing -o json", t("for a program")),
    ),
)
@listing_options
@click.pass_obj
def staffing(app: App) -> None:
    """`gasp substitutes staffing`."""
    rows = app.client.substitutes.staffing()
    show_list(rows, STAFFING, empty=t("Every role has the people it needs."), name="role")
