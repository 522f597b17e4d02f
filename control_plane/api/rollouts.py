"""Rollouts: made as drafts, then released, paused, let go on, aborted or rolled back, each by a created noun."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from control_plane.api import jobs
from control_plane.api.operation import Answer, Body, Call, Nothing, Query, operation
from control_plane.model.client import Json
from control_plane.model.people import Act

READ: Json = {"scope": "tenants:read", "act": Act.SEE_ESTATE, "estate": True}
ACTS: Json = {
    "scope": "rollouts:write", "act": Act.ROLLOUTS, "estate": True, "form": "rollout", "status": 201, "starts": True,
    "refuses": ("rejected", "not-found", "could-not-measure"),
}  # fmt: skip
Code = Annotated[str, Field(max_length=15)]
Word = Annotated[str, Field(max_length=40)]


class Order(Body):
    """What goes out, to whom, how carefully."""

    kind: Literal["patches", "signatures", "configuration"]
    reason: str = Field(min_length=1, max_length=500)
    snapshot: str | None = Field(default=None, max_length=60, description="Of patches or signatures: which.")
    offering: str | None = Field(default=None, max_length=60, description="Of a configuration: whose subscriptions.")
    patch: dict[str, Any] | None = Field(
        default=None, description="Merged into each spec; null takes a field away, `NAME+` adds to a list."
    )
    tier: Literal["S", "M", "L"] | None = None
    policy: int | None = Field(
        default=None,
        ge=0,
        le=999999999,
        description="A revision of the centre's policy, instead of `patch` and `tier`.",
    )
    tenants: list[Code] = Field(default=[], max_length=2000, description="Only these departments.")
    groups: list[list[Code]] = Field(default=[], max_length=200, description="One wave a list of codes.")
    thresholds: dict[Word, Word] = Field(
        default={}, description="`success`, `errors`, `reached` in per cent, `error_count`, `soak` such as 24h."
    )
    ignore_windows: str | None = Field(default=None, max_length=500, description="Why windows are not waited for.")
    not_before: str | None = Field(default=None, max_length=40, description="Begin no earlier.")
    replace_lists: bool = Field(default=False, description="Departments may lose entries of lists of their own.")


class Release(Body):
    """How it goes on."""

    reason: str = Field(default="", max_length=500)
    go_on: bool = Field(default=False, description="Go on although it was judged as it was.")
    confirm: str = Field(default="", max_length=100, description="The word that the plan of a wave asks for.")


class Why(Body):
    """Why, in one sentence."""

    reason: str = Field(min_length=1, max_length=500)


@operation("GET", "/rollouts", form="rollouts", rows="id", filters=("state", "kind"), **READ)
def rollouts(call: Call) -> Any:
    """Changes that go out in waves, newest first."""
    return call.client.rollouts.list()


@operation("GET", "/rollouts/{number}", form="rollout", **READ)
def rollout(call: Call, number: int) -> Any:
    """One with its waves and machines."""
    return call.client.rollouts.show(number)


@operation("GET", "/rollouts/{number}/events", form="rollout_event", rows="number", filters=("type",),
           query=(Query("after", "Only events with a larger number.", {"type": "integer", "minimum": 0,
                                                                        "maximum": 999999999}),), **READ)  # fmt: skip
def rollout_events(call: Call, number: int) -> Any:
    """Events of a rollout, numbered from 1; ask again with `after` for what is new."""
    return list(call.client.rollouts.events(number, call.query.get("after", 0)))


@operation("POST", "/rollouts", body=Order, rehearses="rollout_preview", **ACTS)
def create_rollout(call: Call) -> Any:
    """Make a draft; nothing begins by that. With `dry_run`, its waves and machines."""
    order = call.body.model_dump()
    if call.dry_run:
        return call.client.rollouts.preview(**order)
    subject = str(order["snapshot"] or order["offering"] or order["kind"])
    return _shown(call, jobs.done(call, "rollout_create", subject, {"order": order})["rollout"])


@operation("POST", "/rollouts/{number}/releases", body=Release, **ACTS)
def release_rollout(call: Call, number: int) -> Any:
    """Begin a draft; of one that stopped or waits, do again what failed, or go on all the same."""
    return _act(call, "release", number, call.body.model_dump())


@operation("POST", "/rollouts/{number}/pauses", body=Why, **{**ACTS, "act": Act.FREEZE})
def pause_rollout(call: Call, number: int) -> Any:
    """Touch no further machine until it goes on."""
    return _act(call, "pause", number, call.body.model_dump())


@operation("POST", "/rollouts/{number}/resumptions", body=Nothing, **ACTS)
def resume_rollout(call: Call, number: int) -> Any:
    """Go on where it was paused."""
    return _act(call, "resume", number, {})


@operation("POST", "/rollouts/{number}/aborts", body=Why, **ACTS)
def abort_rollout(call: Call, number: int) -> Any:
    """End it; what is installed stays."""
    return _act(call, "abort", number, call.body.model_dump())


@operation("POST", "/rollouts/{number}/rollbacks", body=Why, **ACTS)
def roll_back_rollout(call: Call, number: int) -> Any:
    """Give back to rings and machines what they had before."""
    return _act(call, "rollback", number, call.body.model_dump())


def _act(call: Call, act: str, number: int, given: Json) -> Answer:
    call.client.rollouts.show(number)
    return _shown(call, jobs.done(call, f"rollout_{act}", str(number), {"rollout": number, **given})["rollout"])


def _shown(call: Call, number: int) -> Answer:
    return Answer(call.client.rollouts.show(number), location=f"/rollouts/{number}")
