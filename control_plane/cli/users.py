"""`gasp users`: people of the centre, their roles, local accounts for when the directory is away."""

from __future__ import annotations

from functools import partial

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import Column, listing_options, plain, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.terminal import clean, moment, sentence
from control_plane.model.client_people import Json
from control_plane.model.text import t, tn

COLUMNS = (
    Column("person", t("PERSON")),
    Column("name", t("NAME")),
    Column("tenant", t("TENANT")),
    Column("held", t("ROLES")),
    Column("second_factor", t("SECOND FACTOR")),
    Column("last_sign_in", t("LAST SIGN-IN"), show="time"),
)
EXAMPLE_REASON = "--reason 'new colleague'"

users = Group(
    name="users",
    sentence=t("People of the centre: who may sign in, with which role."),
    examples=(
        ("gasp users list", t("everybody who may sign in")),
        (f"gasp users grant wangwei operator {EXAMPLE_REASON}", t("give a role")),
    ),
)
person_argument = argument("person", help=t("Login name in the directory, or account:NAME."))
role_argument = argument(
    "role", help=t("clerk, approver, operator, security_officer, finance, auditor or deputy_director.")
)
tenant_option = option("--tenant", help=t("Department in which the role is held."), metavar="CODE")
reason_option = option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)


def _held(row: Json) -> Json:
    """The roles as one column: `operator, clerk (fgw)`."""
    return {**row, "held": [_role(grant) for grant in row["roles"]]}


def _role(grant: Json) -> str:
    where = f" ({grant['tenant']})" if grant["tenant"] else ""
    other = sentence(t("for {person}", person=grant["stands_for"])) if grant["stands_for"] else ""
    return f"{grant['role']}{where} {other}".strip()


@users.verb(
    "list",
    sentence=t("List people who may sign in, with their roles."),
    examples=(
        ("gasp users list", t("everybody")),
        ("gasp users list --filter tenant=fgw -o json", t("one department's, for a program")),
    ),
)
@listing_options
@click.pass_obj
def list_users(app: App) -> None:
    """`gasp users list`."""
    rows = [_held(row) for row in app.client.people.list()]
    show_list(rows, COLUMNS, empty=t("Nobody may sign in yet: gasp users grant"), name="person")


@users.verb(
    "show",
    sentence=t("Show one person: roles with their history, and where they are signed in."),
    examples=(
        ("gasp users show wangwei", t("somebody of the directory")),
        ("gasp users show account:first -o json", t("a local account, for a program")),
    ),
)
@person_argument
@listing_options
@click.pass_obj
def show_user(app: App, person: str) -> None:
    """`gasp users show PERSON`."""
    _show(app, app.client.people.show(person))


def _show(app: App, row: Json) -> None:
    def draw() -> None:
        facts(app, _held(row), COLUMNS)
        for grant in row["history"]:
            where = grant["tenant"] or str(t("whole estate"))
            said = {"role": grant["role"], "where": where, "by": grant["by"], "reason": grant["reason"]}
            app.out(sentence(t("{at}  {role} in {where}, by {by}: {reason}", at=moment(grant["since"]), **said)))
            if grant["revoked_at"]:
                gone = {"at": moment(grant["revoked_at"]), "by": grant["revoked_by"], "reason": grant["revoked_reason"]}
                app.out("  " + sentence(t("taken away {at} by {by}: {reason}", **gone)))
        for session in row["sessions"]:
            app.out(
                sentence(
                    t(
                        "signed in {at} from {address}, {agent}",
                        at=moment(session["since"]),
                        address=session["address"],
                        agent=clean(session["agent"])[:60],
                    )
                )
            )

    show_one(row, draw, name="person")


@users.verb(
    "grant",
    sentence=t("Give a role. Roles that exclude each other are never held by one person."),
    examples=(
        (f"gasp users grant wangwei operator {EXAMPLE_REASON}", t("in the whole estate")),
        (
            f"gasp users grant lina clerk --tenant fgw --until 2027-01-31 {EXAMPLE_REASON}",
            t("in one department, for a while"),
        ),
    ),
)
@person_argument
@role_argument
@tenant_option
@option("--until", help=t("Last day, such as 2027-01-31."), metavar="DATE")
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def grant(
    app: App, person: str, role: str, tenant: str | None, until: str | None, reason: str, dry_run: bool, yes: bool
) -> None:
    """`gasp users grant PERSON ROLE`."""
    act = partial(app.client.people.grant, person, role, tenant=tenant, until=until, reason=reason)
    if rehearsed(dry_run, t("{person} would become {role}.", person=person, role=role), act):
        return
    app.context()
    ask(t("Make {person} {role}?", person=person, role=role), yes)
    _show(app, act())


@users.verb(
    "revoke",
    sentence=t("Take a role away, at once."),
    examples=(
        ("gasp users revoke wangwei operator --reason 'moved'", t("in the whole estate")),
        (
            "gasp users revoke lina clerk --tenant fgw --reason 'moved' --yes",
            t("in one department, without a question"),
        ),
    ),
)
@person_argument
@role_argument
@tenant_option
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def revoke(app: App, person: str, role: str, tenant: str | None, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp users revoke PERSON ROLE`."""
    act = partial(app.client.people.revoke, person, role, tenant=tenant, reason=reason)
    if rehearsed(dry_run, t("{person} would lose {role}.", person=person, role=role), act):
        return
    app.context()
    ask(t("Take {role} away from {person}?", person=person, role=role), yes)
    _show(app, act())


@users.verb(
    "add",
    sentence=t("Add a local account, for when the directory is away. It holds no role yet."),
    examples=(
        ("gasp users add night --name 'Night shift'", t("with a name for people")),
        ("gasp users add night -o json", t("the file of its one-time password, for a program")),
    ),
)
@argument("account", help=t("Login name of the account."))
@option("--name", help=t("Name for people."), default="")
@consent_options()
@listing_options
@click.pass_obj
def add(app: App, account: str, name: str, dry_run: bool, yes: bool) -> None:
    """`gasp users add ACCOUNT`."""
    # Nobody can do anything with it before it holds a role, so nobody is asked.
    if rehearsed(dry_run, t("The account {name} would be added.", name=account)):
        return
    app.context()
    answer = app.client.people.add(account, display=name)

    def draw() -> None:
        app.out(sentence(t("Added {person}. One-time password: {file}", person=answer["person"], file=_file(answer))))
        app.out(sentence(t("Next: {command}", command=f"gasp users grant {answer['person']} ROLE --reason …")))

    show_one(answer, draw, name="person")


@users.verb(
    "reset",
    sentence=t("End somebody's sessions and forget their second factor; a local account gets a one-time password."),
    examples=(
        ("gasp users reset wangwei", t("after a lost telephone")),
        ("gasp users reset account:first --yes", t("a new one-time password, without a question")),
    ),
)
@person_argument
@consent_options()
@listing_options
@click.pass_obj
def reset(app: App, person: str, dry_run: bool, yes: bool) -> None:
    """`gasp users reset PERSON`."""
    if rehearsed(dry_run, t("{person} would have to set up the second factor again.", person=person)):
        return
    app.context()
    ask(t("End all sessions of {person} and forget the second factor?", person=person), yes)
    answer = app.client.people.reset(person)

    def draw() -> None:
        app.out(
            sentence(
                tn(
                    "{count} session of {person} ended.",
                    "{count} sessions of {person} ended.",
                    count=plain(answer["sessions_ended"]),
                    person=person,
                )
            )
        )
        if answer["password_file"]:
            app.out(sentence(t("One-time password: {file}", file=_file(answer))))

    show_one(answer, draw, name="person")


@users.verb(
    "leave",
    sentence=t(
        "Somebody of the centre, or a clerk, leaves: sessions, tokens, second factor and roles end at once.\n"
        "Requests of theirs that are under way go to the person named with --to. What was done is printed as a receipt."
    ),
    examples=(
        ("gasp users leave zhangwei --to lina --reason 'resigned'", t("with open work handed over")),
        ("gasp users leave account:night --reason 'no night shift any more' --yes -o json", t("for a program")),
    ),
)
@person_argument
@option("--to", help=t("Who takes over requests that are under way."), metavar="PERSON")
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def leave(app: App, person: str, to: str | None, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp users leave PERSON`."""
    found = _held(app.client.people.show(person))
    held = ", ".join(found["held"]) or "–"
    if rehearsed(dry_run, t("{person} would be cut off, and lose: {roles}.", person=found["person"], roles=held)):
        return
    app.context()
    ask(t("Cut {person} ({name}) off now?", person=found["person"], name=found["name"]), yes)
    answer = app.client.people.leave(person, to=to, reason=reason)
    show_one(answer, lambda: _receipt(app, answer), name="person")


def _receipt(app: App, row: Json) -> None:
    roles = ", ".join(_role({**grant, "stands_for": None}) for grant in row["roles"]) or "–"
    said = {"person": row["person"], "name": row["name"], "at": moment(row["at"])}
    lines = [
        t("Receipt {entry}: {person} ({name}) was cut off {at}", entry=row["entry"], **said),
        t("by {by}: {reason}", by=row["by"], reason=row["reason"]),
        t("roles taken away: {roles}", roles=roles),
        t("ended: {sessions}, {tokens}, {substitutions}",
          sessions=tn("{count} session", "{count} sessions", count=row["sessions"]),
          tokens=tn("{count} token", "{count} tokens", count=row["tokens"]),
          substitutions=tn("{count} substitution", "{count} substitutions", count=row["substitutions"])),
        t("second factor forgotten: {factor}; local password forgotten: {password}",
          factor=plain(row["second_factor"]), password=plain(row["password"])),
        t("requests handed over to {to}: {requests}", to=row["to"] or "–", requests=", ".join(row["requests"]) or "–"),
    ]  # fmt: skip
    for line in lines:
        app.out(sentence(line))
    if row["drafts"]:
        app.out(
            sentence(
                tn(
                    "{count} draft stays theirs and was never handed in.",
                    "{count} drafts stay theirs and were never handed in.",
                    count=row["drafts"],
                )
            )
        )
    if row["next"]:
        app.out(sentence(t("Next: {command}", command=row["next"])))


def _file(answer: Json) -> str:
    return str(answer["password_file"] or "–")
