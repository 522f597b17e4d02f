"""Who stands in for whom, what was made real ahead of its signatures, and the table that says who signs what."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from control_plane.api import jobs
from control_plane.api.operation import Answer, Body, Call, Query, operation
from control_plane.api.problems import bound
from control_plane.model.client import Json
from control_plane.model.errors import NotFound
from control_plane.model.people import Act
from control_plane.model.text import t

SIGNS: Json = {"scope": "signoffs:write", "status": 201, "starts": True, "refuses": ("rejected", "not-found")}
EVERYTHING = Query("everything", "Also those that are over.", {"type": "boolean"})


class Why(Body):
    """Why, in one sentence."""

    reason: str = Field(min_length=1, max_length=500)


class Substitution(Body):
    """Who does whose duty, from when to when."""

    person: str = Field(max_length=100, description="A name in the directory.")
    role: str = Field(max_length=40)
    until: str = Field(max_length=40, description="Last day.")
    reason: str = Field(min_length=1, max_length=500)
    since: str | None = Field(default=None, max_length=40, description="First day; none: today.")
    tenant: str | None = Field(default=None, max_length=15)
    stands_for: str | None = Field(default=None, max_length=100, description="None: the token's owner.")


class Emergency(Body):
    """What was seen, and why it does not wait."""

    digest: str = Field(min_length=8, max_length=64, description="`digest` of the request as it was shown.")
    reason: str = Field(min_length=1, max_length=500)


class Review(Body):
    """What you found."""

    text: str = Field(min_length=1, max_length=5000)


class Proposal(Body):
    """Another table, whole, and why."""

    table: dict[str, Any] = Field(description="As `table` of `/classes`.")
    reason: str = Field(min_length=1, max_length=500)


class Signature(Body):
    """What is signed."""

    digest: str = Field(max_length=64, description="`digest` of the proposal as it was shown.")


# substitutes -----------------------------------------------------------------------------------------------------
@operation("GET", "/substitutions", form="substitutions", rows="id", filters=("tenant", "role", "state"),
           query=(EVERYTHING,), scope="tenants:read", act=Act.SEE_TENANT)  # fmt: skip
def substitutions(call: Call) -> Any:
    """Who stands in for whom, newest first."""
    rows = call.client.substitutes.list(ended=call.query.get("everything", False))
    return rows if call.token.tenant is None else call.in_sight(rows)


@operation("POST", "/substitutions", form="substitution", body=Substitution, act=Act.SEE_TENANT,
           **{**SIGNS, "refuses": ("rejected", "not-found", "token-bound")})  # fmt: skip
def name_substitute(call: Call) -> Any:
    """Name a substitute for a role of one's own, or, as an operator, of somebody else."""
    given = call.body.model_dump()
    if call.token.tenant not in (None, given["tenant"]):
        raise bound(call.token.tenant)
    return Answer(call.client.substitutes.name(given.pop("person"), given.pop("role"), **given))


@operation("POST", "/substitutions/{number}/ends", form="substitution", body=Why, act=Act.SEE_TENANT, **SIGNS)
def end_substitution(call: Call, number: int) -> Any:
    """End one before its time."""
    if call.token.tenant is not None:
        known = call.in_sight(call.client.substitutes.list(ended=True))
        if number not in {row["id"] for row in known}:
            text = t("No substitution has the number {id}.", id=number)
            raise NotFound(text, t("See gasp substitutes list --all."))
    return Answer(call.client.substitutes.end(number, reason=call.body.reason))


# emergencies -----------------------------------------------------------------------------------------------------
@operation("GET", "/emergencies", form="emergencies", rows="id", filters=("tenant", "state", "request"),
           query=(EVERYTHING,), scope="tenants:read", act=Act.SEE_TENANT)  # fmt: skip
def emergencies(call: Call) -> Any:
    """What was made real ahead of its signatures, newest first."""
    return call.in_sight(call.client.emergencies.list(everything=call.query.get("everything", False)))


@operation("POST", "/requests/{reference}/emergencies", form="job", body=Emergency, act=Act.EMERGENCY, estate=True,
           **{**SIGNS, "scope": "runs:write", "status": 202})  # fmt: skip
def make_emergency(call: Call, reference: str) -> Any:
    """Make a request real at once; without its signatures it goes back after 24 hours."""
    row = call.client.requests.show(reference)
    given = {"request": row["id"], "digest": call.body.digest, "reason": call.body.reason}
    return jobs.follow(call, "emergency", row["reference"], given)


@operation("POST", "/emergencies/{number}/reviews", form="emergency", body=Review, act=Act.REVIEW, estate=True, **SIGNS)
def review_emergency(call: Call, number: int) -> Any:
    """Say, as another person than who did it, what you found."""
    return Answer(call.client.emergencies.review(number, text=call.body.text))


# classes ---------------------------------------------------------------------------------------------------------
@operation("GET", "/classes", form="classes", scope="tenants:read", act=Act.SEE_ESTATE, estate=True)
def classes(call: Call) -> Any:
    """The table that says who signs what, and a proposal that waits."""
    return call.client.classes.show()


@operation("GET", "/class-tables", form="class_tables", rows="number", filters=("state",), scope="tenants:read",
           act=Act.SEE_ESTATE, estate=True)  # fmt: skip
def class_tables(call: Call) -> Any:
    """Every table that was ever proposed, newest first."""
    return call.client.classes.history()


@operation("POST", "/classes", form="class_table", body=Proposal, act=Act.PROPOSE_CLASSES, estate=True, **SIGNS)
def propose_classes(call: Call) -> Any:
    """Propose another table; a second person puts it into force."""
    return Answer(call.client.classes.propose(call.body.table, reason=call.body.reason), location="/classes")


@operation("POST", "/classes/{number}/signoffs", form="class_table", body=Signature, act=Act.SIGN_CLASSES, estate=True,
           **SIGNS)  # fmt: skip
def sign_classes(call: Call, number: int) -> Any:
    """Put a proposal into force."""
    return Answer(call.client.classes.sign(number, digest=call.body.digest), location="/classes")


@operation("POST", "/classes/{number}/refusals", form="class_table", body=Why, act=Act.PROPOSE_CLASSES, estate=True,
           **SIGNS)  # fmt: skip
def refuse_classes(call: Call, number: int) -> Any:
    """Refuse a proposal; who proposed it withdraws it."""
    return Answer(call.client.classes.refuse(number, reason=call.body.reason), location="/classes")
