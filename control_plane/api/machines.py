"""Machines of tenants and their antivirus: what lasts is a job of the worker, the rest is done at once."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from control_plane.api import jobs
from control_plane.api.operation import Answer, Body, Call, Nothing, Query, operation
from control_plane.model.client import Json
from control_plane.model.people import Act

TENDS: Json = {
    "scope": "machines:write", "act": Act.HOSTS, "estate": True, "status": 202, "starts": True, "form": "job",
    "refuses": ("rejected", "not-found"),
}  # fmt: skip
GUARDS: Json = {**TENDS, "act": Act.SECURITY}
TARGET = "`estate`, the name of a machine, `tenant:CODE` or `ring:NAME`; several with commas."


class Look(Body):
    """Which machines."""

    scope: str = Field(default="estate", max_length=200, description=TARGET)


class Machine(Body):
    """A machine of a department."""

    name: str = Field(max_length=200)
    tenant: str = Field(max_length=15)
    ring: int = Field(ge=1, le=4)


class Retirement(Body):
    """How it goes."""

    lost: bool = Field(default=False, description="It never comes back: what is ours stays on it.")
    reason: str = Field(default="", max_length=500, description="Needed for a lost one.")


class Transfer(Body):
    """Whose it is from now on."""

    tenant: str = Field(max_length=15)


class Scan(Body):
    """What is looked through."""

    target: str = Field(max_length=200, description=TARGET)
    paths: list[Annotated[str, Field(max_length=400)]] = Field(
        default=[], max_length=20, description="None: the usual."
    )


class Settled(Body):
    """Which findings, and why."""

    ids: list[Annotated[str, Field(max_length=60)]] = Field(min_length=1, max_length=500)
    reason: str = Field(min_length=1, max_length=500)


@operation("POST", "/measurements", body=Look, **TENDS)
def measure(call: Call) -> Any:
    """Look at machines now."""
    return jobs.follow(call, "measure", call.body.scope, call.body.model_dump())


@operation("POST", "/hosts", body=Machine, **TENDS)
def enrol_host(call: Call) -> Any:
    """Read who a machine really is and enter it."""
    return jobs.follow(call, "enrol", call.body.name, call.body.model_dump())


@operation("POST", "/hosts/{name}/repairs", body=Nothing, rehearses="host_to_mend", **TENDS)
def mend_host(call: Call, name: str) -> Any:
    """Mend what can be mended without harm, and look again; with `dry_run`, what that would do."""
    if call.dry_run:
        return call.client.machines.preview_mend(name)
    call.client.machines.show(name)
    return jobs.follow(call, "mend", name, {"name": name})


@operation("POST", "/hosts/{name}/retirements", body=Retirement, **TENDS)
def retire_host(call: Call, name: str) -> Any:
    """Take a machine out; what is ours is removed from it, unless it is lost."""
    call.client.machines.show(name)
    return jobs.follow(call, "retire", name, {"name": name, **call.body.model_dump()})


@operation("POST", "/hosts/{name}/transfers", body=Transfer, **{**TENDS, "status": 201, "form": "host"})
def transfer_host(call: Call, name: str) -> Any:
    """Give a machine to another department."""
    call.client.machines.show(name)
    jobs.done(call, "transfer", name, {"name": name, "tenant": call.body.tenant})
    return Answer(call.client.machines.show(name), location=f"/hosts/{name}")


@operation("POST", "/scans", body=Scan, **GUARDS)
def scan(call: Call) -> Any:
    """Scan machines for malware."""
    return jobs.follow(call, "scan", call.body.target, call.body.model_dump())


@operation("POST", "/signature-fetches", body=Look, **GUARDS)
def fetch_signatures(call: Call) -> Any:
    """Let machines fetch their ring's signatures now."""
    return jobs.follow(call, "refresh", call.body.scope, call.body.model_dump())


@operation("GET", "/protection", form="security", rows="tenant", filters=("tenant",), scope="tenants:read",
           act=Act.SEE_TENANT)  # fmt: skip
def protection(call: Call) -> Any:
    """How machines are protected and patched, by tenant, as of each one's last look."""
    return call.in_sight(call.client.machines.security())


@operation("GET", "/findings", form="findings", rows="id", filters=("tenant", "state", "machine"), scope="tenants:read",
           act=Act.SEE_TENANT,
           query=(Query("open", "Only those that are not settled.", {"type": "boolean"}),))  # fmt: skip
def findings(call: Call) -> Any:
    """What engines found on machines, newest first."""
    return call.in_sight(call.client.machines.findings(only_open=call.query.get("open", False)))


@operation("POST", "/findings/settlements", body=Settled, **{**GUARDS, "status": 201, "form": "findings_settled"})
def settle_findings(call: Call) -> Any:
    """Settle findings with a reason."""
    ids = call.body.ids
    settled = set(jobs.done(call, "findings_clear", ", ".join(ids[:3]), call.body.model_dump())["findings"])
    return Answer({"items": [row for row in call.client.machines.findings() if row["id"] in settled]})
