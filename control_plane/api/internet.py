"""Internet access of tenants: how much is used, by which rules, and what an address is from there."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from control_plane.api import jobs
from control_plane.api.operation import Answer, Body, Call, operation
from control_plane.model.client import Json
from control_plane.model.errors import NotFound
from control_plane.model.people import Act
from control_plane.workflow import access

READ: Json = {"scope": "tenants:read", "act": Act.SEE_TENANT, "tenant": "code", "refuses": ("could-not-measure",)}
POLICY: Json = {"scope": "tenants:read", "act": Act.SEE_ESTATE, "estate": True}


class Address(Body):
    """What is opened."""

    url: str = Field(min_length=1, max_length=2000)


@operation("GET", "/internet", form="internet_list", rows="tenant", filters=("tenant", "state"), scope="tenants:read",
           act=Act.SEE_TENANT)  # fmt: skip
def internet_of_all(call: Call) -> Any:
    """Internet access of tenants; the gateway is asked now."""
    return call.in_sight(call.client.internet.list())


@operation("GET", "/tenants/{code}/internet", form="internet", **READ)
def internet(call: Call, code: str) -> Any:
    """Rates, volume, rules and connections of one tenant; the gateway is asked now."""
    _there(call, code)
    return call.client.internet.show(code)


@operation("GET", "/tenants/{code}/internet/refusals", form="internet_refused", rows="host", filters=("rule",), **READ)
def internet_refusals(call: Call, code: str) -> Any:
    """What was refused to the tenant's network lately, newest first, by host and rule, without who asked."""
    _there(call, code)
    return call.client.internet.refusals(code)


@operation("POST", "/tenants/{code}/internet/tests", form="internet_path", body=Address,
           **{**READ, "scope": "plans:write", "status": 201, "starts": True, "refuses": ("rejected",)})  # fmt: skip
def test_address(call: Call, code: str) -> Any:
    """Open an address from a machine of the tenant, as its browser would."""
    _there(call, code)
    kind = "internet_test" if access.allows(call.person, Act.PLAN) else "own_internet_test"
    url = call.body.url.strip()
    return Answer(jobs.done(call, kind, f"{url} ({code})", {"tenant": code, "url": url}))


# what the centre decides for everybody ----------------------------------------------------------------------------
class Revision(Body):
    """Another revision, whole, and why."""

    policy: dict[str, Any] = Field(description="As `policy` of `/internet-policies/{number}`.")
    reason: str = Field(min_length=1, max_length=500)
    based_on: int | None = Field(
        default=None, ge=0, le=999999999, description="The newest one when this was written; refused if it is not now."
    )


@operation("GET", "/internet-policies", form="internet_policies", rows="number", filters=("state",), **POLICY)
def internet_policies(call: Call) -> Any:
    """Revisions of the centre's own rules and categories, newest first."""
    return call.client.policies.list()


@operation("GET", "/internet-policies/{number}", form="internet_policy", **POLICY)
def internet_policy(call: Call, number: int) -> Any:
    """One revision with its rules and categories, and what it changed."""
    return call.client.policies.show(number)


@operation("POST", "/internet-policies", form="internet_policy", body=Revision, rehearses="internet_policy_preview",
           **{**POLICY, "scope": "rollouts:write", "act": Act.ROLLOUTS, "status": 201, "starts": True})  # fmt: skip
def make_internet_policy(call: Call) -> Any:
    """Make the next revision; nobody has it before a rollout brings it. With `dry_run`, what it changes."""
    body = call.body
    if call.dry_run:
        return call.client.policies.preview(body.policy, based_on=body.based_on)
    number = jobs.done(call, "policy_add", body.reason.strip()[:60], body.model_dump())["number"]
    return Answer(call.client.policies.show(number), location=f"/internet-policies/{number}")


def _there(call: Call, code: str) -> None:
    try:
        call.client.tenant(code)
    except NotFound:
        access.no_such_tenant(code)
