"""Requests of departments: asked for, changed, handed in, signed. Duties are enforced behind `Client.requests`.

The tag of a request says of which content it is, part by part, so that whoever comes too late is told what has changed.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal

import orjson
from pydantic import Field

from control_plane.api.operation import Answer, Base64, Body, Call, Nothing, Query, operation
from control_plane.api.problems import Refused
from control_plane.model.client import Json
from control_plane.model.errors import NotFound, StalePlan
from control_plane.model.patching import merge
from control_plane.model.people import Act
from control_plane.model.request import MOST_LISTED
from control_plane.model.text import t
from control_plane.workflow import access

ASKS: Json = {"scope": "requests:write", "act": Act.ASK, "status": 201, "starts": True, "form": "request"}
SIGNS: Json = {**ASKS, "scope": "signoffs:write", "act": Act.SIGN}
#: Whoever sees a request may speak and mark; who else may is decided behind `Client.requests`.
SEES: Json = {**ASKS, "act": Act.SEE_TENANT}
#: What the tag of a request is made of, in this order; then comes all of it.
PARTS = ("spec", "tier", "note", "state")
_TAG = re.compile(r'(?:W/)?"(\d+)\.([0-9a-f.]+)"')
Tier = Literal["S", "M", "L"]


class Ask(Body):
    """What is asked for."""

    tenant: str = Field(max_length=15, description="Code of the department.")
    offering: str = Field(max_length=60)
    action: Literal["new", "change", "end"] = "new"
    spec: dict[str, Any] | None = Field(default=None, description="The form; a change begins with what is wished now.")
    tier: Tier | None = None
    note: str | None = Field(default=None, max_length=5000, description="What it is for.")


class Change(Body):
    """A merge patch (RFC 7396): what is not named stays, null takes a field of the form, or the note, away."""

    spec: dict[str, Any] = Field(default_factory=dict)
    tier: Tier = "S"
    note: str | None = Field(default="", max_length=5000)


class HandIn(Body):
    """The preview that was seen."""

    digest: str | None = Field(default=None, max_length=64, description="That of the preview; none: any.")


class Words(Body):
    """A sentence that the other side reads."""

    text: str = Field(min_length=1, max_length=5000)


class About(Body):
    """Which part of the plan it is about."""

    part: str | None = Field(default=None, max_length=400, description="`block` of one of its parts; none: all of it.")
    content: str | None = Field(default=None, max_length=64, description="`content` of the part as it was looked at.")


class Comment(About):
    """A sentence that everybody reads who sees the request."""

    text: str = Field(min_length=1, max_length=5000)


class Question(About):
    """What the department is asked."""

    reason: str = Field(min_length=1, max_length=5000)


class Mark(About):
    """A part that was looked at."""

    part: str = Field(max_length=400, description="`block` of the part.")
    viewed: bool = Field(default=True, description="false takes the mark away.")


class Reason(Body):
    """Why."""

    reason: str = Field(min_length=1, max_length=5000)


class Withdrawal(Body):
    """Why, if there is something to say."""

    reason: str = Field(default="", max_length=5000)


class Letter(Body):
    """A stamped letter of the department."""

    digest: str = Field(min_length=8, max_length=64, description="`digest` of the request as it was shown.")
    number: str = Field(min_length=1, max_length=200)
    date: str = Field(max_length=40, description="The letter's, such as 2026-11-24.")
    brought_by: str = Field(min_length=1, max_length=200)
    note: str = Field(default="", max_length=5000)


class Rows(Body):
    """A table (CSV or XLSX) for a list of the form."""

    content: Base64 = Field(description="The file in base64.")
    list: str | None = Field(default=None, max_length=60, description="None: the only one that comes from a file.")


class RowsOfForm(Rows):
    """A table for the form of a service that was not begun yet."""

    tenant: str = Field(max_length=15)
    offering: str = Field(max_length=60)


class Sign(Body):
    """What is signed."""

    digest: str = Field(min_length=8, max_length=64, description="`digest` of the request as it was shown.")
    role: str | None = Field(default=None, max_length=40, description="Which one, for who could sign as several.")
    note: str = Field(default="", max_length=5000)


# looking ---------------------------------------------------------------------------------------------------------
@operation("GET", "/tenants/{code}/offerings", form="offerings", tenant="code", rows="offering",
           scope="tenants:read", act=Act.SEE_TENANT)  # fmt: skip
def offerings(call: Call, code: str) -> Any:
    """What a department may ask for, with a form that would do."""
    return call.client.requests.catalogue(code)


@operation(
    "GET",
    "/requests",
    form="requests",
    scope="tenants:read",
    act=Act.SEE_TENANT,
    rows="reference",
    filters=("tenant", "state", "offering", "action", "asker", "class"),
    query=(
        Query("waiting_for_me", "Only those that wait for the token's owner.", {"type": "boolean"}),
        Query("before", f"Only older ones than this request; {MOST_LISTED} are listed at once, and all that are open."),
    ),
)
def requests(call: Call) -> Any:  # fmt: skip
    """What departments ask for, newest first."""
    waiting, before = call.query.get("waiting_for_me", False), call.query.get("before")
    return call.in_sight(call.client.requests.list(waiting_for_me=waiting, before=before))


@operation("GET", "/requests/{reference}", form="request", scope="tenants:read", act=Act.SEE_TENANT, tagged=True)
def request(call: Call, reference: str) -> Any:
    """One request with its content, what it changes, signoffs and conversation."""
    return _shown(seen(call, reference))


@operation("GET", "/requests/{reference}/parts", form="request_parts", scope="tenants:read", act=Act.SEE_TENANT,
           rows="block", filters=("tenant", "part", "kind"))  # fmt: skip
def request_parts(call: Call, reference: str) -> Any:
    """Parts of the plan of a request, what is deleted first, with the marks of the token's owner."""
    return call.client.requests.blocks(seen(call, reference)["id"])


# asking ----------------------------------------------------------------------------------------------------------
@operation("POST", "/requests", body=Ask, rehearses="request_problems", refuses=("not-found",), **ASKS)
def ask(call: Call) -> Any:
    """Begin a draft; one that its owner has begun for the same service is taken up. It is not handed in by that."""
    body, client = call.body, call.client.requests
    access.require(call.person, Act.ASK, body.tenant)
    if call.dry_run:
        return {"problems": client.check(body.tenant, body.offering, body.action, body.spec, body.tier)}
    row = client.draft(body.tenant, body.offering, body.action)
    if (body.spec, body.tier, body.note) != (None, None, None):
        row = client.save(row["id"], spec=body.spec, tier=body.tier, note=body.note)
    return _shown(row, made=True)


@operation("PATCH", "/requests/{reference}", form="request", scope="requests:write", act=Act.ASK, body=Change,
           tagged=True, refuses=("stale-plan",))  # fmt: skip
def change_request(call: Call, reference: str) -> Any:
    """Change a draft, or one that was sent back; right or wrong, `problems` says."""
    row = seen(call, reference)
    version = _match(call.tag or "", row)
    given = call.body.model_dump(exclude_unset=True)
    if "spec" in given:
        given["spec"] = merge(row["spec"] or {}, given["spec"], additions=False)
    if "note" in given:
        given["note"] = given["note"] or ""
    try:
        return _shown(call.client.requests.save(row["id"], version=version, **given))
    except StalePlan:
        raise _changed(row, seen(call, reference)) from None


@operation("POST", "/requests/{reference}/submissions", body=HandIn, rehearses="request_preview",
           refuses=("could-not-measure",), **ASKS)  # fmt: skip
def submit(call: Call, reference: str) -> Any:
    """Hand it in; with `dry_run`, what it would change and who has to sign."""
    row = seen(call, reference)
    if call.dry_run:
        return call.client.requests.preview(row["id"])
    return _shown(call.client.requests.submit(row["id"], digest=call.body.digest), made=True)


@operation("POST", "/requests/{reference}/answers", body=Words, refuses=("could-not-measure",), **ASKS)
def answer(call: Call, reference: str) -> Any:
    """Answer what was asked back, and hand it in again."""
    row = seen(call, reference)
    return _shown(call.client.requests.answer(row["id"], text=call.body.text), made=True)


@operation("POST", "/requests/{reference}/comments", body=Comment, refuses=("not-found",), **SEES)
def comment(call: Call, reference: str) -> Any:
    """Add to the conversation; about a part of the plan or all of it."""
    row, body = seen(call, reference), call.body
    said = call.client.requests.comment(row["id"], text=body.text, block=body.part, content=body.content)
    return _shown(said, made=True)


@operation(
    "POST", "/requests/{reference}/marks", body=Mark, refuses=("not-found",), **{**SEES, "form": "request_marks"}
)
def mark_part(call: Call, reference: str) -> Any:
    """Mark a part of the plan as looked at, for the token's owner alone."""
    row, body = seen(call, reference), call.body
    found = call.client.requests.mark(row["id"], block=body.part, content=body.content, viewed=body.viewed)
    return Answer({"items": found}, location=f"/requests/{row['reference']}/parts")


@operation("POST", "/table-checks", body=RowsOfForm, refuses=("not-found",), **{**ASKS, "form": "request_rows"})
def check_rows(call: Call) -> Any:
    """What the rows of a table would do to a form. Changes nothing."""
    body = call.body
    access.require(call.person, Act.ASK, body.tenant)
    return call.client.requests.check_rows(body.tenant, body.offering, body.list, body.content)


@operation("POST", "/requests/{reference}/tables", body=Rows, **{**ASKS, "form": "request_rows"})
def take_rows(call: Call, reference: str) -> Any:
    """Put the rows of a table into the form of a draft, all or none."""
    row = seen(call, reference)
    taken = call.client.requests.take_rows(row["id"], call.body.list, call.body.content)
    return Answer(taken, location=f"/requests/{row['reference']}")


@operation("POST", "/requests/{reference}/withdrawals", body=Withdrawal, **ASKS)
def withdraw(call: Call, reference: str) -> Any:
    """Take it back."""
    row = seen(call, reference)
    return _shown(call.client.requests.withdraw(row["id"], reason=call.body.reason), made=True)


# deciding --------------------------------------------------------------------------------------------------------
@operation("POST", "/requests/{reference}/signoffs", body=Sign, **SIGNS)
def sign(call: Call, reference: str) -> Any:
    """Sign what was shown."""
    row, body = seen(call, reference), call.body
    return _shown(call.client.requests.sign(row["id"], digest=body.digest, role=body.role, note=body.note), made=True)


@operation("POST", "/requests/{reference}/letters", body=Letter, **SIGNS)
def record_letter(call: Call, reference: str) -> Any:
    """Record the department's stamped letter as the signature of its approver."""
    row, body = seen(call, reference), call.body
    return _shown(call.client.requests.letter(row["id"], **body.model_dump()), made=True)


@operation("POST", "/requests/{reference}/returns", body=Question, refuses=("not-found",), **SIGNS)
def send_back(call: Call, reference: str) -> Any:
    """Ask the department back, about a part of the plan or all of it; the clock stops."""
    row, body = seen(call, reference), call.body
    asked = call.client.requests.send_back(row["id"], reason=body.reason, block=body.part, content=body.content)
    return _shown(asked, made=True)


@operation("POST", "/requests/{reference}/refusals", body=Reason, **SIGNS)
def refuse(call: Call, reference: str) -> Any:
    """Do not approve it."""
    row = seen(call, reference)
    return _shown(call.client.requests.refuse(row["id"], reason=call.body.reason), made=True)


@operation("POST", "/requests/{reference}/retries", body=Nothing, **SIGNS)
def retry(call: Call, reference: str) -> Any:
    """Try again what failed."""
    row = seen(call, reference)
    return _shown(call.client.requests.retry(row["id"]), made=True)


# tags ------------------------------------------------------------------------------------------------------------
def tag_of(row: Json) -> str:
    """Version of a request, a mark of each part of its content, and one of everything that is shown."""
    return ".".join((str(row["version"]), *(_mark(row[name]) for name in PARTS), _mark(row)))


def _mark(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()[:8]


def _match(tag: str, row: Json) -> int:
    """The version to be changed: what was read is what is there. Raises Refused with what has changed."""
    if tag.strip() == "*":
        return int(row["version"])
    found = _TAG.fullmatch(tag.strip())
    read = found[2].split(".") if found else []
    if read[: len(PARTS)] != [_mark(row[name]) for name in PARTS]:
        raise _differs(read, row)
    return int(row["version"])


def _differs(read: list[str], row: Json) -> Refused:
    marks = dict(zip(PARTS, read, strict=False))
    changed = [name for name in PARTS if marks.get(name) != _mark(row[name])]
    current = {name: row[name] for name in ("version", *PARTS)}
    return Refused("changed-meanwhile", {"ETag": f'"{tag_of(row)}"'}, changed=changed, current=current)


def _changed(before: Json, row: Json) -> Refused:
    return _differs([_mark(before[name]) for name in PARTS], row)


def seen(call: Call, reference: str) -> Json:
    """A request in sight of this token. Raises the NotFound of one that is not there."""
    row = call.client.requests.show(reference)
    if not access.in_sight(call.person, row["tenant"]):
        raise NotFound(t("There is no request “{text}”.", text=reference), t("“gasp requests list” shows them."))
    return row


def _shown(row: Json, *, made: bool = False) -> Answer:
    return Answer(row, location=f"/requests/{row['reference']}" if made else None, tag=tag_of(row))
