"""Snapshots of packages and sets of signatures: fetched, given to a ring, deleted; each lasts and is a job."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from control_plane.api import jobs
from control_plane.api.operation import Body, Call, operation
from control_plane.model.client import Json
from control_plane.model.errors import Invalid, Problem
from control_plane.model.people import Act
from control_plane.model.text import t

READ: Json = {
    "scope": "tenants:read", "act": Act.SEE_ESTATE, "estate": True, "refuses": ("could-not-measure", "not-found"),
}  # fmt: skip
ACTS: Json = {
    "scope": "rollouts:write", "act": Act.ROLLOUTS, "estate": True, "status": 202, "starts": True, "form": "job",
    "refuses": ("rejected", "not-found", "could-not-measure"),
}  # fmt: skip
Depot = Literal["patches", "signatures"]


class Fetch(Body):
    """From where: the upstream, or a medium that lies on the control plane's machine."""

    kind: Depot | None = Field(default=None, description="None: both.")
    medium: str | None = Field(default=None, max_length=200, description="Its name; then `kind` is not looked at.")


class Publication(Body):
    """To which ring."""

    ring: int = Field(ge=0, le=4)
    sure: bool = Field(default=False, description="A ring of departments, without a rollout that measures it.")


class Deletion(Body):
    """Which old ones."""

    kind: Depot
    keep: int | None = Field(default=None, ge=1, le=999, description="None: as the estate says.")
    removed: list[str] | None = Field(default=None, max_length=999, description="What was shown with `dry_run`.")


@operation("GET", "/snapshots", form="snapshots", rows="id", filters=("kind",), **READ)
def snapshots(call: Call) -> Any:
    """Snapshots and sets, newest first; the repository host is asked now."""
    return call.client.snapshots.all()


@operation("GET", "/snapshots/{name}", form="snapshot", **READ)
def snapshot(call: Call, name: str) -> Any:
    """One of them with what is in it."""
    return call.client.snapshots.show(name)


@operation("GET", "/snapshot-needs", form="disk_need", rows="kind", filters=("kind",), **READ)
def snapshot_needs(call: Call) -> Any:
    """Disk that fetching would take; the upstream's index is read now."""
    return call.client.snapshots.estimate()


@operation("POST", "/snapshots", body=Fetch, **ACTS)
def fetch_snapshots(call: Call) -> Any:
    """Fetch and verify; no ring has it by that."""
    kind, medium = call.body.kind, call.body.medium
    if medium is not None:
        call.client.snapshots.medium(medium)
        return jobs.follow(call, "snapshots_take", medium, {"medium": medium})
    return jobs.follow(call, "snapshots_sync", kind or "all", {"depot": kind})


@operation("POST", "/snapshots/{name}/publications", body=Publication, **ACTS)
def publish_snapshot(call: Call, name: str) -> Any:
    """Give it to a ring at once."""
    return jobs.follow(call, "snapshots_publish", name, {"snapshot": name, **call.body.model_dump()})


@operation("POST", "/snapshot-deletions", body=Deletion, rehearses="pruned", **ACTS)
def delete_snapshots(call: Call) -> Any:
    """Delete old ones; with `dry_run`, which those are. Nothing goes that was not shown."""
    body = call.body
    if call.dry_run:
        return call.client.snapshots.prune(body.kind, body.keep, dry_run=True)
    if body.removed is None:
        text, remedy = t("It must be said what was shown."), t("Ask with dry_run=true, and send its `removed`.")
        raise Invalid([Problem("not-shown", text, remedy, field="removed")])
    given = {"depot": body.kind, "keep": body.keep, "removed": body.removed}
    return jobs.follow(call, "snapshots_prune", body.kind, given)
