"""People of the centre with their roles, and attempts to sign in. Auditors and security officers see them; security
officers give and take roles.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for
from markupsafe import Markup

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, Problem, Rejected
from control_plane.model.people import EXCLUSIVE, ROLES, Act
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table
from control_plane.web.tenants import tenant_link

pages = Blueprint("people", __name__)


def _title(grant: Json) -> str:
    title = str(ROLES[grant["role"]].title)
    return f"{title} {t('for {person}', person=grant['stands_for'])}" if grant["stands_for"] else title


def _roles(row: Row) -> Markup:
    held = [(_title(r), r["tenant"]) for r in row["held"]]
    named = [Markup("{} ({})").format(title, tenant) if tenant else Markup.escape(title) for title, tenant in held]
    return Markup(", ").join(named) if named else show.NOTHING


COLUMNS = (
    Column("person", t("Person"), "code", lambda row: url_for("people.person", person=row["person"])),
    Column("name", t("Name"), draw=lambda row: show.foreign(row["name"])),
    Column("tenant", t("Tenant"), "code", tenant_link),
    Column("roles", t("Roles"), filter=True, draw=_roles, words={r.name: r.title for r in ROLES.values()}),
    Column("second_factor", t("Second factor"), "state"),
    Column("last_sign_in", t("Last sign-in"), "time"),
)
SIGN_INS = (
    Column("at", t("When"), "time"),
    Column("typed", t("As typed"), "code"),
    Column("person", t("Person"), "code"),
    Column("address", t("From"), "code"),
    Column("outcome", t("Outcome"), "state", filter=True),
)
LIMIT = 1000


@pages.get("/console/people")
@needs(Act.SEE_PEOPLE)
def people() -> Any:
    """The list, and the forms of who gives roles."""
    return _people()


@pages.post("/console/people")
@needs(Act.PEOPLE)
def act() -> Any:
    """Give a role or take one, add a local account, or reset a sign-in."""
    form = {key: value.strip() for key, value in request.form.items()}
    wanted, who = form.get("act", ""), form.get("person", "")
    reason = form.get("reason", "")
    try:
        if wanted == "grant":
            given = {"role": form.get("role", ""), "tenant": form.get("tenant", ""), "until": form.get("until", "")}
            job = jobs.place("grant", who, person=who, reason=reason, **given)
        elif wanted == "revoke":
            role, _, tenant = form.get("role", "").partition("/")
            job = jobs.place("revoke", who, person=who, role=role, tenant=tenant, reason=reason)
        elif wanted == "add":
            account = form.get("account", "")
            job = jobs.place("account_add", account, account=account, name=form.get("name", ""))
        elif wanted == "reset":
            job = jobs.place("sign_in_reset", who, person=who)
        else:
            raise Invalid([Problem("no-act", t("No act is chosen."), t("Use one of the buttons."))])
    except Rejected as error:
        return _people(error), 422
    if job["error"]:
        return _people(job["error"]), 422
    if wanted == "add":
        return jobs.follow(job)
    if wanted == "reset" and job["answer"]["password_file"]:
        return jobs.follow(job)
    return jobs.there(job, "people.person", person=job["answer"]["person"])


@pages.get("/console/people/<person>")
@needs(Act.SEE_PEOPLE)
def person(person: str) -> Any:
    """One: roles with their history, and where they are signed in."""
    found = door.client().people.show(person)
    return render_template(
        "person.html",
        row=found,
        mine=found["person"] == door.person().name,
        roles={name: role.title for name, role in ROLES.items()},
        excludes=_excludes(),
    )


def _excludes() -> list[tuple[Text, list[Text]]]:
    """Role → roles that nobody holds beside it."""
    others = {name: {o for group in EXCLUSIVE if name in group for o in group} - {name} for name in ROLES}
    return [(ROLES[name].title, [ROLES[o].title for o in ROLES if o in found]) for name, found in others.items()]


def _people(error: ControlPlaneError | Json | None = None) -> Any:
    rows = [
        {
            **row,
            "held": row["roles"],
            "roles": [role["role"] for role in row["roles"]],
            "second_factor": "yes" if row["second_factor"] else "no",
        }
        for row in door.client().people.list()
    ]
    table = Table(
        COLUMNS,
        rows,
        request.args,
        caption=t("People and roles"),
        empty=t("Nobody may sign in yet."),
        now=services().clock(),
    )
    return exporting.page(
        "people.html",
        table,
        error=error,
        roles=[(role.name, role.title) for role in ROLES.values() if role.name != "auditor"],
        excludes=_excludes(),
    )


@pages.get("/console/sign-ins")
@needs(Act.SEE_PEOPLE)
def sign_ins() -> Any:
    """The list, newest first."""
    table = Table(
        SIGN_INS,
        door.client().people.sign_ins(LIMIT),
        request.args,
        caption=t("Sign-ins"),
        empty=t("Nobody tried to sign in yet."),
        now=services().clock(),
    )
    return exporting.page("list.html", table, title=t("Sign-ins"))
