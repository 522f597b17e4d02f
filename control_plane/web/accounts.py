"""People of the departments' directory, for the centre: the list, one of them, and what is done to them at once.

A department's own pages (`own_people`, `own_groups`, `own_review`) are shown here in the console's frame; what is
asked for there is a job here. Passwords are never read; sheets are opened by the department.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, render_template, request

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting, jobs, own_groups, own_people, own_review, people_lists, show
from control_plane.web.door import needs
from control_plane.web.plans import SIGNS, WORDS, difference
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.web.tenants import tenant_link
from control_plane.workflow.staff_list import COLUMNS as LIST_COLUMNS
from control_plane.workflow.staff_list import LARGEST, groups_of

pages = Blueprint("accounts", __name__)
COLUMNS = (
    Column("uid", t("Login name"), "code", own_people.person_link),
    Column("name", t("Name"), draw=lambda row: show.foreign(row["name"])),
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("groups", t("Groups"), filter=True),
    Column("uid_number", t("Number"), "id"),
    Column("status", t("State"), "state"),
)
OF_TENANT = "/console/tenants/<code>/people"
#: What the form for one more asks for, as lists of people call it.
ASKED = tuple(c for c in LIST_COLUMNS if c.name not in ("tenant", "status", "left_on"))
#: What is known of somebody, beside where they are and in which state.
FACTS = ("employee_number", "title", "mail", "phone", "pinyin")

# the department's pages in the console
pages.get(OF_TENANT)(own_people.people)
pages.get(f"{OF_TENANT}/groups")(own_groups.groups)
pages.get(f"{OF_TENANT}/groups/<group>")(own_groups.group)
pages.get(f"{OF_TENANT}/review")(own_review.review)


@pages.get("/console/accounts")
@needs(Act.SEE_TENANT)
def accounts() -> Any:
    """The list."""
    table = Table(
        COLUMNS,
        door.rows("accounts"),
        request.args,
        caption=t("Accounts"),
        empty=t("There are no people here."),
        now=services().clock(),
    )
    return exporting.page("accounts.html", table)


@pages.get("/console/tenants/<code>/accounts/<uid>")
@needs(Act.SEE_TENANT, tenant="code")
def person(code: str, uid: str) -> Any:
    """One, and what the centre may do."""
    door.known(code)
    if uid not in {row["uid"] for row in door.rows("accounts") if row["tenant"] == code}:
        raise NotFound(t("Nobody of {tenant} has the account “{uid}”.", tenant=code, uid=uid))
    return render_template(
        "account.html",
        row=door.client().staff.show(uid),
        facts=[column for column in LIST_COLUMNS if column.name in FACTS],
        tenants=people_lists.departments(),
        **own_people.common(code),
    )


@pages.post(OF_TENANT)
@needs(Act.APPLY, tenant="code")
def act(code: str) -> Any:
    """Reset a password, issue first ones, or let somebody leave."""
    return own_people.at_once(code)


# somebody more -----------------------------------------------------------------------------------------------------
@pages.get("/console/accounts/new")
@needs(Act.APPLY)
def new() -> Any:
    """The form for one more."""
    return _new()


@pages.post("/console/accounts/new")
@needs(Act.APPLY)
def add() -> Any:
    """Add somebody now: judged as a list of one row first, so that all that is wrong is said beside the form."""
    given = {column.name: request.form.get(column.name, "").strip() for column in ASKED}
    given["uid"] = given["uid"].lower()
    code = request.form.get("tenant", "")
    try:
        _judged(code, given)
        person = {**{name: value for name, value in given.items() if value}, "groups": groups_of(given["groups"])}
        return jobs.follow(jobs.place("people_add", f"{given['uid']} ({code})", person=person, tenant=code))
    except ControlPlaneError as error:
        return _new(error), 422


def _judged(code: str, given: Json) -> None:
    """Raises Invalid with every fault, by the field of the form."""
    if code not in people_lists.departments():
        problem = Problem("no-department", t("No department is chosen."), t("Choose one of the list."), field="tenant")
        raise Invalid([problem])
    if given["uid"] in {row["uid"] for row in door.rows("accounts")}:
        text = t("“{uid}” is taken.", uid=given["uid"])
        raise Invalid([Problem("taken", text, t("Take another name."), field="uid")])
    try:
        door.client().staff.check(people_lists.one_row(given), tenant=code)
    except Invalid as error:
        fields = {str(column.label): column.name for column in LIST_COLUMNS}
        found = [Problem(p.code, p.text, p.remedy, field=fields.get(p.field or "", "uid")) for p in error.problems]
        raise Invalid(found) from None


def _new(error: ControlPlaneError | None = None) -> str:
    chosen = request.values.get("tenant", "")
    groups = [row["name"] for row in door.client().groups.list(chosen)] if chosen in people_lists.departments() else []
    return render_template(
        "account-new.html", error=error, tenants=people_lists.departments(), chosen=chosen, columns=ASKED, groups=groups
    )


# groups ------------------------------------------------------------------------------------------------------------
@pages.post(f"{OF_TENANT}/groups")
@needs(Act.APPLY, tenant="code")
def make_group(code: str) -> Any:
    """The plan of one more; and, with its digest, the yes to it."""
    door.known(code)
    return _group(code, own_groups.wish_to_make(), lambda error: own_groups.listed(code, error))


@pages.post(f"{OF_TENANT}/groups/<group>")
@needs(Act.APPLY, tenant="code")
def change_group(code: str, group: str) -> Any:
    """The plan of what is to become of a group; and, with its digest, the yes to it."""
    door.known(code)
    return _group(code, own_groups.wish_of(group), lambda error: own_groups.one(code, group, error))


def _group(code: str, wish: Json, again: Callable[[ControlPlaneError], str]) -> Any:
    agreed, ours = request.form.get("digest", ""), ("token", "once", "digest")
    try:
        seen = door.client().groups.preview(code, wish)
        if agreed == seen["digest"]:
            job = jobs.place("group_change", f"{code}/{wish['name']}", tenant=code, wish=wish, digest=agreed)
            return jobs.follow(job)
    except NotFound:
        raise
    except ControlPlaneError as error:
        return again(error), 422
    return render_template(
        "group-plan.html",
        seen=seen,
        changes=[{**change, "lines": difference(change)} for change in seen["plan"]["changes"]],
        sent=[(name, value) for name, value in request.form.items(multi=True) if name not in ours],
        moved=bool(agreed),
        signs=SIGNS,
        words=WORDS,
        **own_people.common(code),
    )


# lists -------------------------------------------------------------------------------------------------------------
@pages.get("/console/accounts/import")
@needs(Act.APPLY)
def take() -> Any:
    """The form for a list of people of any departments."""
    return people_lists.page()


@pages.post("/console/accounts/import")
@needs(Act.APPLY, largest=2 * LARGEST)
def take_over() -> Any:
    """What a list would do; and, with its digest and the word that it asks for, the yes to it."""
    return people_lists.act()
