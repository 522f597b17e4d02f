"""Plans, runs, freezes: what changes the estate, and what holds it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from control_plane.api import jobs
from control_plane.api.operation import Answer, Body, Call, Nothing, Query, operation
from control_plane.model.client import Json
from control_plane.model.errors import Invalid, NotFound, Problem
from control_plane.model.people import Act
from control_plane.model.scope import parse_scope
from control_plane.model.text import t
from control_plane.workflow.job_checks import CHECKS

READ: Json = {"scope": "tenants:read", "act": Act.SEE_ESTATE, "estate": True}
#: So many of the newest runs are listed.
NEWEST = 5000
SCOPE = Query("scope", "`estate`, `tenant:CODE`, `subscription:CODE/OFFERING` and the like.")


# plans -----------------------------------------------------------------------------------------------------------
class Scope(Body):
    """What is to be planned."""

    scope: str = Field(default="estate", max_length=200, description=SCOPE.about)


@operation("POST", "/plans", form="plan", scope="plans:write", act=Act.PLAN, estate=True, body=Scope, status=201,
           starts=True, refuses=("not-found", "could-not-measure"))  # fmt: skip
def make_plan(call: Call) -> Any:
    """Look at the systems and make a plan. Changes nothing."""
    made = call.client.plan(call.body.scope)
    return Answer(made, location=f"/plans/{made['digest']}")


@operation("GET", "/plans/{digest}", form="plan", **READ)
def plan(call: Call, digest: str) -> Any:
    """A plan by its digest, or the beginning of it (6 digits or more)."""
    return call.client.get_plan(digest)


class Restore(Body):
    """To which day a tenant goes back, and what of it."""

    to: str = Field(min_length=1, max_length=40, description="A day whose end is meant, or a time.")
    what: list[Literal["site", "records", "accounts", "settings"]] = Field(
        default=[], max_length=4, description="None: all of it."
    )


@operation("POST", "/tenants/{code}/restores", form="plan", scope="plans:write", act=Act.PLAN, estate=True,
           body=Restore, status=201, starts=True, refuses=("rejected", "not-found", "could-not-measure"))  # fmt: skip
def restore_tenant(call: Call, code: str) -> Any:
    """Make the plan that brings back what was wished of one tenant on a former day; carry it out like any other."""
    made = call.client.restores.plan(code, to=call.body.to, what=call.body.what)
    return Answer(made, location=f"/plans/{made['digest']}")


# runs ------------------------------------------------------------------------------------------------------------
class Apply(Body):
    """What is to be carried out: a plan, or whatever the plan of a scope is once it is its turn."""

    plan: str | None = Field(default=None, max_length=64, description="Digest of a plan, or the beginning of it.")
    scope: str | None = Field(default=None, max_length=200, description=f"Instead of a plan: {SCOPE.about}")
    confirm: str = Field(default="", max_length=100, description="The word that a guard of the plan asks for.")
    wait: int = Field(default=600, ge=0, le=3600, description="Seconds that another run is waited for.")


@operation("GET", "/runs", form="runs", rows="id", filters=("state", "kind", "scope"), **READ)
def runs(call: Call) -> Any:
    """Runs, newest first."""
    return call.client.runs(limit=NEWEST)


@operation("GET", "/runs/{number}", form="run", **READ)
def run(call: Call, number: int) -> Any:
    """One run with what failed."""
    return call.client.run(number)


@operation("GET", "/runs/{number}/events", form="events", rows="number", filters=("type",),
           query=(Query("after", "Only events with a larger number.", {"type": "integer", "minimum": 0,
                                                                        "maximum": 999999999}),),
           streams=True, refuses=("too-many-streams",), **READ)  # fmt: skip
def run_events(call: Call, number: int) -> Any:
    """Events of a run, numbered from 1 without gaps; ask again with `after` for what is new, or for a stream."""
    return call.client.run_events(number, call.query.get("after", 0))


@operation("POST", "/runs", form="job", scope="runs:write", act=Act.APPLY, estate=True, body=Apply, status=202,
           starts=True, rehearses="plan", refuses=("not-found", "rejected", "could-not-measure"))  # fmt: skip
def apply(call: Call) -> Any:
    """Carry out a plan. The job says which run it became."""
    body = call.body
    if (body.plan is None) == (body.scope is None):
        text, remedy = t("It needs a plan or a scope, and not both."), t("Send `plan`, or `scope`.")
        raise Invalid([Problem("plan-or-scope", text, remedy, field="plan")])
    more = {"confirm": body.confirm, "wait": body.wait}
    if body.scope is not None:
        given = {"target": str(parse_scope(body.scope)), **more}
        return call.client.plan(body.scope) if call.dry_run else jobs.follow(call, "apply", given["target"], given)
    found = call.client.get_plan(body.plan)
    given = {"digest": found["digest"], **more}
    if call.dry_run:
        CHECKS["apply"](call.client, given)
        return found
    return jobs.follow(call, "apply", found["digest"][:8], given)


@operation("POST", "/runs/{number}/stops", form="run", scope="runs:write", act=Act.FREEZE, estate=True, body=Nothing,
           status=201, starts=True, refuses=("rejected",))  # fmt: skip
def stop_run(call: Call, number: int) -> Any:
    """Ask a run to stop at its next boundary."""
    call.client.run(number)
    jobs.done(call, "stop", str(number), {"run": number})
    return Answer(call.client.run(number), location=f"/runs/{number}")


@operation("POST", "/runs/{number}/resumptions", form="job", scope="runs:write", act=Act.APPLY, estate=True,
           body=Nothing, status=202, starts=True, refuses=("rejected",))  # fmt: skip
def resume_run(call: Call, number: int) -> Any:
    """Finish a run that was stopped or interrupted."""
    call.client.run(number)
    return jobs.follow(call, "resume", str(number), {"run": number})


@operation("POST", "/runs/{number}/undos", form="plan", scope="runs:write", act=Act.PLAN, estate=True, body=Nothing,
           status=201, starts=True, refuses=("rejected", "stale-plan", "could-not-measure"))  # fmt: skip
def undo_run(call: Call, number: int) -> Any:
    """Make the plan that brings back what was wished before a run; carry it out like any other."""
    made = call.client.undo_run(number)
    return Answer(made, location=f"/plans/{made['digest']}")


# freezes ---------------------------------------------------------------------------------------------------------
class NewFreeze(Body):
    """What is to be frozen, and why."""

    scope: str = Field(max_length=60, description="`estate`, `tenant:CODE`, `ring:NAME` or `system:NAME`.")
    reason: str = Field(min_length=1, max_length=500, description="One sentence for the centre's people.")


class Reason(Body):
    """Why, in one sentence."""

    reason: str = Field(min_length=1, max_length=500)


@operation("GET", "/freezes", form="freezes", rows="id", filters=("scope", "by"),
           query=(Query("lifted", "Also those that are lifted.", {"type": "boolean"}),), **READ)  # fmt: skip
def freezes(call: Call) -> Any:
    """Freezes in force, newest first."""
    return call.client.freezes.list(lifted=call.query.get("lifted", False))


@operation("GET", "/freezes/{number}", form="freeze", **READ)
def freeze(call: Call, number: int) -> Any:
    """One freeze."""
    return _freeze(call, number)


@operation("POST", "/freezes", form="freeze", scope="freezes:write", act=Act.FREEZE, estate=True, body=NewFreeze,
           status=201, starts=True, refuses=("not-found", "rejected"))  # fmt: skip
def set_freeze(call: Call) -> Any:
    """Freeze a scope from now on."""
    given = {"scope": call.body.scope, "reason": call.body.reason}
    made = jobs.done(call, "freeze", call.body.scope, given)["id"]
    return Answer(_freeze(call, made), location=f"/freezes/{made}")


@operation("POST", "/freezes/{number}/lifts", form="freeze", scope="freezes:write", act=Act.LIFT, estate=True,
           body=Reason, status=201, starts=True, refuses=("rejected",))  # fmt: skip
def lift_freeze(call: Call, number: int) -> Any:
    """Lift a freeze, as another person than who set it."""
    _freeze(call, number)
    jobs.done(call, "lift", str(number), {"freeze": number, "reason": call.body.reason})
    return Answer(_freeze(call, number), location=f"/freezes/{number}")


def _freeze(call: Call, number: int) -> Json:
    found = next((row for row in call.client.freezes.list(lifted=True) if row["id"] == number), None)
    if found is None:
        raise NotFound(t("There is no freeze {id}.", id=number), t("See gasp freezes list."))
    return found
