"""People of the centre with their roles, and attempts to sign in: for auditors and security officers."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request
from markupsafe import Markup

from control_plane.model.client import Json
from control_plane.model.people import ROLES, Act
from control_plane.model.text import t
from control_plane.web import door, show
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
    Column("person", t("Person"), "code"),
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
    """The list."""
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
        empty=t("Nobody may sign in yet: gasp users grant"),
        now=services().clock(),
    )
    return render_template("list.html", title=t("People and roles"), table=table)


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
    return render_template("list.html", title=t("Sign-ins"), table=table)
