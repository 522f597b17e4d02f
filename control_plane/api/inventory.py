"""Tenants and what they have: services, websites, accounts, promises, machines."""

from __future__ import annotations

from typing import Any

from control_plane.api.operation import Call, operation
from control_plane.model.errors import NotFound
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.workflow import access

READ = {"scope": "tenants:read", "act": Act.SEE_TENANT}


@operation("GET", "/token", form="token", scope=None, act=Act.SIGNED_IN, refuses=("not-found",))
def token(call: Call) -> Any:
    """The token that is used, with its owner, scopes and end."""
    rows = call.client.tokens.list(person=None, ended=False)
    found = next((row for row in rows if row["id"] == call.token.id), None)
    if found is None:
        raise NotFound(t("There is no token {id}.", id=call.token.id))
    return found


@operation("GET", "/tenants", form="tenants", rows="code", filters=("kind", "status", "subscriptions"), **READ)
def tenants(call: Call) -> Any:
    """Departments and districts."""
    return call.in_sight(call.rows("tenants"), "code")


@operation("GET", "/tenants/{code}", form="tenant", tenant="code", **READ)
def tenant(call: Call, code: str) -> Any:
    """One tenant, with how far its services are made real."""
    return _tenant(call, code)


@operation("GET", "/tenants/{code}/subscriptions", form="subscriptions", tenant="code", rows="offering",
           filters=("state",), **READ)  # fmt: skip
def subscriptions(call: Call, code: str) -> Any:
    """Services of one tenant."""
    return list(_tenant(call, code)["subscriptions"])


@operation("GET", "/tenants/{code}/subscriptions/{offering}", form="subscription", tenant="code", **READ)
def subscription(call: Call, code: str, offering: str) -> Any:
    """One service of a tenant: what is wished, what is real, and every wish before."""
    _tenant(call, code)
    return call.client.subscription(f"{code}/{offering}")


@operation("GET", "/sites", form="sites", rows="site", filters=("tenant", "offering", "state"), **READ)
def sites(call: Call) -> Any:
    """Websites."""
    return call.in_sight(call.rows("sites"))


@operation("GET", "/accounts", form="accounts", rows="uid", filters=("tenant", "status", "groups"), **READ)
def accounts(call: Call) -> Any:
    """People in the directory."""
    return call.in_sight(call.rows("accounts"))


@operation("GET", "/probes", form="probes", rows="id", filters=("tenant", "offering", "kind"), **READ)
def probes(call: Call) -> Any:
    """Promises and how they are measured."""
    return call.in_sight(call.rows("probes"))


@operation("GET", "/hosts", form="hosts", rows="name",
           filters=("tenant", "role", "state", "patch_state", "protection", "faults"), **READ)  # fmt: skip
def hosts(call: Call) -> Any:
    """Hosts of the centre and machines of tenants, as of the last look at each."""
    return [_seen(call, row) for row in call.in_sight(call.client.hosts())]


@operation("GET", "/hosts/{name}", form="host", **READ)
def host(call: Call, name: str) -> Any:
    """One machine: what it lacks, what is wrong and what helps."""
    missing = NotFound(t("There is no host “{name}”.", name=name), t("See gasp hosts list."))
    try:
        found = call.client.machines.show(name)
    except NotFound:
        raise missing from None
    if not access.in_sight(call.person, found["tenant"]):
        raise missing
    return _seen(call, found)


def _tenant(call: Call, code: str) -> Any:
    try:
        return call.client.tenant(code)
    except NotFound:
        access.no_such_tenant(code)


def _seen(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    """A machine as its department sees it: without the centre's own ways to it, its remedies and who acted."""
    if call.centre:
        return row
    hidden: dict[str, Any] = {"silent_remedy": None, "history": []}
    kept = {name: hidden.get(name, value) for name, value in row.items() if name not in ("mgmt", "restarts")}
    if "fault_details" in kept:
        kept["fault_details"] = [{**fault, "remedy": None} for fault in kept["fault_details"]]
    return kept
