"""People of departments: who joins and leaves, lists, groups, reviews, sheets of first passwords.

No operation answers with a password: a sheet is opened once, by somebody who has signed in.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import Field

from control_plane.api import jobs
from control_plane.api.operation import Answer, Base64, Body, Call, Nothing, Query, operation
from control_plane.model.client import Json
from control_plane.model.errors import NotFound, StalePlan
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.workflow import access

READ: Json = {"scope": "tenants:read", "act": Act.SEE_TENANT}
#: What a department does with its people itself, and what the centre does with anybody's.
OURS: Json = {"scope": "people:write", "act": Act.STAFF, "tenant": "code", "starts": True, "status": 202}
CENTRE: Json = {
    "scope": "people:write", "act": Act.APPLY, "estate": True, "starts": True, "status": 202, "form": "job",
    "refuses": ("rejected", "not-found", "could-not-measure"),
}  # fmt: skip
#: What may be held against a preview.
SEEN: Json = {**CENTRE, "refuses": (*CENTRE["refuses"], "stale-plan")}
#: Counts of what a leaver loses at once.
CUT = ("sessions", "tokens", "grants")
Uid = Annotated[str, Field(min_length=1, max_length=32)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
Short = Annotated[str, Field(min_length=1, max_length=64)]


class Joiner(Body):
    """Somebody new."""

    uid: Uid
    display_name: Word
    tenant: str = Field(max_length=15, description="Code of the department.")
    groups: list[Short] = Field(default=[], max_length=100)
    employee_number: Word | None = None
    title: Word | None = None
    mail: Word | None = None
    phone: Word | None = None


class PeopleList(Body):
    """A list of people, CSV or XLSX."""

    content: Base64 = Field(description="The file in base64.")
    tenant: str | None = Field(default=None, max_length=15, description="Department of rows that name none.")
    complete: bool = Field(default=False, description="Whoever is missing in it leaves.")
    digest: str | None = Field(default=None, max_length=64, description="That of the preview; none: any.")
    confirm: str = Field(default="", max_length=100, description="The word that the preview asks for.")


class Leaver(Body):
    """Who leaves, and why."""

    uid: Uid
    reason: str = Field(min_length=1, max_length=500)


class NewSheet(Body):
    """For whom, and why."""

    uids: list[Uid] = Field(default=[], max_length=2000, description="None: everybody who has no password.")
    reason: str = Field(min_length=1, max_length=500)


class Seen(Body):
    """What was looked at."""

    digest: str | None = Field(default=None, max_length=64, description="That of the preview; none: any.")


class NewGroup(Seen):
    """A group that is not there yet."""

    name: Short
    zh: Word
    en: Word | None = None


class GroupNames(Seen):
    """What a group is called from now on; what is left out stays."""

    to: Short | None = Field(default=None, description="New short name.")
    zh: Word | None = None
    en: Word | None = None


class Members(Seen):
    """Who is put into a group, and who is taken out."""

    put: list[Uid] = Field(default=[], max_length=2000)
    out: list[Uid] = Field(default=[], max_length=2000)


class SaidOfOne(Body):
    """What became of one person."""

    what: Literal["stays", "left", "moved", "groups"]
    more: str = Field(default="", max_length=200, description="Where to; or names of groups, with semicolons.")


class SaidOfAll(Body):
    """What became of everybody, by account name."""

    said: dict[Uid, SaidOfOne] = Field(default={}, max_length=20000)
    rest: bool = Field(default=False, description="All others stay.")


# people ----------------------------------------------------------------------------------------------------------
@operation("GET", "/accounts/{uid}", form="account", **READ)
def account(call: Call, uid: str) -> Any:
    """One person of a department."""
    if uid not in {row["uid"] for row in call.in_sight(call.rows("accounts"))}:
        raise NotFound(t("Nobody here has the account “{uid}”.", uid=uid))
    return call.client.staff.show(uid)


@operation("POST", "/accounts", body=Joiner, rehearses="people_list", **CENTRE)
def add_account(call: Call) -> Any:
    """Add somebody to a department; the job says which run that became. With `dry_run`, what it would change."""
    person = call.body.model_dump()
    tenant = person.pop("tenant")
    if call.dry_run:
        return call.client.staff.joining(person, tenant=tenant)
    return jobs.follow(call, "people_add", f"{person['uid']} ({tenant})", {"person": person, "tenant": tenant})


@operation("POST", "/account-lists", body=PeopleList, rehearses="people_list", **SEEN)
def take_list(call: Call) -> Any:
    """Take a list over: who joins, moves, comes back, changes, leaves. With `dry_run`, every row and every fault."""
    body = call.body
    seen = call.client.staff.check(body.content, tenant=body.tenant, complete=body.complete)
    if call.dry_run:
        return seen
    given = {
        **{"content": base64.b64encode(body.content).decode(), "tenant": body.tenant, "complete": body.complete},
        **{"digest": body.digest, "confirm": body.confirm},
    }
    return jobs.follow(call, "people_take", seen["digest"][:8], given)


@operation("POST", "/tenants/{code}/leavers", form="job", body=Leaver, **OURS)
def let_leave(call: Call, code: str) -> Any:
    """Somebody leaves: bind, sign-in, sessions, roles and tokens are cut before this answers; the rest is a job."""
    uid, reason = call.body.uid, call.body.reason
    cut = call.client.staff.cut(uid, tenant=code, reason=reason)
    given = {"tenant": code, "uid": uid, "reason": reason, "cut": {name: cut[name] for name in CUT}}
    return jobs.follow(call, "account_leave", f"{uid} ({code})", given)


# first passwords -------------------------------------------------------------------------------------------------
@operation("GET", "/password-sheets", form="password_sheets", rows="id", filters=("tenant", "state"), **READ)
def sheets(call: Call) -> Any:
    """Sheets of one-time passwords, newest first; what is in them is in no answer."""
    return call.in_sight(call.client.sheets.list())


@operation("POST", "/tenants/{code}/password-sheets", form="job", body=NewSheet, **OURS)
def issue_sheet(call: Call, code: str) -> Any:
    """Issue one-time passwords on a sealed sheet, which somebody who has signed in opens once."""
    given = {"tenant": code, **call.body.model_dump()}
    return jobs.follow(call, "passwords_issue", code, given)


# groups ----------------------------------------------------------------------------------------------------------
@operation("GET", "/groups", form="groups", rows="id", filters=("tenant", "name", "people"), **READ)
def groups(call: Call) -> Any:
    """Groups of departments, with who is in them."""
    return call.in_sight(call.client.groups.list())


@operation("GET", "/tenants/{code}/groups/{group}", form="group", tenant="code", **READ)
def group(call: Call, code: str, group: str) -> Any:
    """One group."""
    _there(call, code)
    return call.client.groups.show(code, group)


@operation("POST", "/tenants/{code}/groups", body=NewGroup, rehearses="group_preview", **SEEN)
def make_group(call: Call, code: str) -> Any:
    """Make a group. A department asks for it by a request."""
    return _group(call, code, {"act": "make", **call.body.model_dump()})


@operation("POST", "/tenants/{code}/groups/{group}/names", body=GroupNames, rehearses="group_preview", **SEEN)
def rename_group(call: Call, code: str, group: str) -> Any:
    """Call a group differently; its number and its people stay."""
    return _group(call, code, {"act": "rename", "name": group, **call.body.model_dump()})


@operation("POST", "/tenants/{code}/groups/{group}/members", body=Members, rehearses="group_preview", **SEEN)
def change_members(call: Call, code: str, group: str) -> Any:
    """Put people into a group and take people out."""
    return _group(call, code, {"act": "people", "name": group, **call.body.model_dump()})


@operation("POST", "/tenants/{code}/groups/{group}/ends", body=Seen, rehearses="group_preview", **SEEN)
def end_group(call: Call, code: str, group: str) -> Any:
    """End a group; its people stay people of the department."""
    return _group(call, code, {"act": "end", "name": group, **call.body.model_dump()})


def _group(call: Call, code: str, wish: Json) -> Any:
    _there(call, code)
    looked_at = wish.pop("digest")
    seen = call.client.groups.preview(code, wish)
    if call.dry_run:
        return seen
    if looked_at not in (None, seen["digest"]):
        raise StalePlan(t("This is not what the preview showed."), t("Look at a new preview first."))
    given = {"tenant": code, "wish": wish, "digest": seen["digest"]}
    return jobs.follow(call, "group_change", f"{code}/{wish['name']}", given)


# reviews ---------------------------------------------------------------------------------------------------------
@operation("GET", "/reviews", form="reviews", rows="id", filters=("tenant", "state", "quarter"),
           query=(Query("everything", "Also those that are done.", {"type": "boolean"}),), **READ)  # fmt: skip
def reviews(call: Call) -> Any:
    """Reviews of people, once a quarter and department; those that are late first."""
    return call.in_sight(call.client.reviews.list(everything=call.query.get("everything", False)))


@operation("GET", "/tenants/{code}/review", form="review", tenant="code", **READ)
def review(call: Call, code: str) -> Any:
    """Whom a department is asked about now."""
    _there(call, code)
    return call.client.reviews.show(code)


@operation("POST", "/tenants/{code}/reviews", form="review_decided", body=SaidOfAll,
           **{**OURS, "act": Act.ASK, "status": 201})  # fmt: skip
def decide_review(call: Call, code: str) -> Any:
    """Say what became of everybody. Who left is cut before this answers; other groups become a draft of a request."""
    said = {uid: one.model_dump() for uid, one in call.body.said.items()}
    done = call.client.reviews.decide(code, said, rest=call.body.rest, ask=True)
    if done["counts"]["left"]:
        jobs.place(call, "people_settle", code, {"tenant": code})
    return Answer(done, location=f"/requests/{done['request']}" if done["request"] else None)


@operation("POST", "/reviews/{number}/moves", body=Nothing, **CENTRE)
def move_reviewed(call: Call, number: int) -> Any:
    """Move those of whom a review says that they moved, where their new department is one of this centre."""
    if number not in {row["id"] for row in call.client.reviews.list(everything=True)}:
        raise NotFound(t("There is no review {id}.", id=number))
    return jobs.follow(call, "review_move", str(number), {"review": number})


def _there(call: Call, code: str) -> None:
    try:
        call.client.tenant(code)
    except NotFound:
        access.no_such_tenant(code)
