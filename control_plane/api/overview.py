"""Where the centre stands: at a glance, one thing in all its connections, its people, its promises measured now."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from control_plane.api.operation import Answer, Body, Call, Query, operation
from control_plane.model.client import Json
from control_plane.model.errors import Invalid, Problem
from control_plane.model.people import Act
from control_plane.model.text import t

READ: Json = {"scope": "tenants:read", "act": Act.SEE_ESTATE, "estate": True}
PEOPLE: Json = {**READ, "act": Act.SEE_PEOPLE}
SUBJECT = Query(
    "subject", "A name, an address, a tenant, a host or an id; needed.", {"type": "string", "maxLength": 300}
)


class Promises(Body):
    """Whose promises."""

    scope: str = Field(default="estate", max_length=200, description="As of a plan: `estate`, `tenant:CODE` and so on.")


@operation("GET", "/status", form="status", **READ)
def status(call: Call) -> Any:
    """Where the centre stands; no outside system is asked."""
    return {**call.client.status(), "staffing": call.client.substitutes.staffing()}


@operation("GET", "/worker", form="worker", **READ)
def worker(call: Call) -> Any:
    """Whether the worker runs, and its chores."""
    return call.client.worker.status()


@operation("GET", "/explanation", form="explain", query=(SUBJECT,), **{**READ, "refuses": ("not-found",)})
def explain(call: Call) -> Any:
    """Who asked for one thing, what should be, what is, what changed last; the real system is asked now."""
    subject = call.query.get("subject", "").strip()
    if not subject:
        text, remedy = t("It must be said what to explain."), t("Write a name or an address, for example.")
        raise Invalid([Problem("missing", text, remedy, field="subject")])
    return call.client.explain(subject)


@operation("POST", "/probe-results", form="promises", body=Promises, act=Act.PLAN, scope="plans:write", estate=True,
           status=201, starts=True, refuses=("rejected", "not-found"))  # fmt: skip
def measure_promises(call: Call) -> Any:
    """Measure promises now, from where their users are."""
    return Answer({"items": call.client.run_probes(call.body.scope)})


@operation("GET", "/users", form="users", rows="person", filters=("tenant",), **PEOPLE)
def users(call: Call) -> Any:
    """People who may sign in, with their roles."""
    return call.client.people.list()


@operation("GET", "/users/{person}", form="user", **{**PEOPLE, "refuses": ("not-found",)})
def user(call: Call, person: str) -> Any:
    """One of them, with the history of roles and the present sessions."""
    return call.client.people.show(person)
