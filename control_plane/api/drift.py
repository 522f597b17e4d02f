"""Hand-made changes, and the three answers to one: keep, accept, revert."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from control_plane.api import jobs
from control_plane.api.operation import Answer, Body, Call, operation
from control_plane.api.running import SCOPE
from control_plane.model.client import Json
from control_plane.model.people import Act

ANSWERS: Json = {
    "scope": "runs:write", "act": Act.DRIFT, "estate": True, "starts": True,
    "refuses": ("rejected", "not-found", "could-not-measure"),
}  # fmt: skip


class Chosen(Body):
    """Which hand-made changes."""

    ids: list[Annotated[str, Field(max_length=400)]] = Field(
        min_length=1, max_length=1000, description="Ids as `/drift` lists them."
    )


class Keep(Chosen):
    """Until when, and why."""

    until: str = Field(max_length=40, description="Last day, such as 2027-01-31.")
    reason: str = Field(min_length=1, max_length=500)


class Accept(Chosen):
    """Why."""

    reason: str = Field(min_length=1, max_length=500)


class Revert(Chosen):
    """With the word, where a guard asks for one."""

    confirm: str = Field(default="", max_length=100, description="The word that a guard of the plan asks for.")


@operation(
    "GET",
    "/drift",
    form="drift",
    rows="id",
    filters=("tenant", "offering", "part", "action", "kind"),
    query=(SCOPE,),
    scope="tenants:read",
    act=Act.PLAN,
    estate=True,
    refuses=("could-not-measure", "not-found"),
)
def drift(call: Call) -> Any:  # fmt: skip
    """Hand-made changes; the systems are looked at now."""
    return call.client.drift(call.query.get("scope", "estate"))


@operation("POST", "/drift/keeps", form="drift_answered", body=Keep, status=201, **ANSWERS)
def keep_drift(call: Call) -> Any:
    """Leave hand-made states out of plans until a day."""
    body = call.body
    return Answer({"items": call.client.drift_keep(body.ids, until=body.until, reason=body.reason)})


@operation("POST", "/drift/acceptances", form="drift_answered", body=Accept, status=201, **ANSWERS)
def accept_drift(call: Call) -> Any:
    """Make hand-made states the desired ones."""
    return Answer({"items": call.client.drift_accept(call.body.ids, reason=call.body.reason)})


@operation("POST", "/drift/reversions", form="job", body=Revert, status=202, **ANSWERS)
def revert_drift(call: Call) -> Any:
    """Bring back what is desired, for these things only. The job says which run it became."""
    ids = call.body.ids
    subject = ids[0] if len(ids) == 1 else f"{ids[0]} + {len(ids) - 1}"
    return jobs.follow(call, "drift_revert", subject, {"ids": ids, "confirm": call.body.confirm})
