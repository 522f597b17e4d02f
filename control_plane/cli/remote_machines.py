"""Machines, snapshots and internet access at a control plane elsewhere: looked at, and what the worker there does.

What reads a file or writes one of the centre's own machine is not here.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence

from control_plane.cli.remote_link import Area, Connection, Json, at
from control_plane.cli.remote_runs import Followed
from control_plane.model.machine import Depot


class Machines(Area):
    """See `MachinesClient`. What stands in the way of an act is known at the centre alone, and said when it is done."""

    def rows(self) -> list[Json]:
        """See `MachinesClient.rows`."""
        return self._at.rows("/hosts")

    def show(self, name: str) -> Json:
        """See `MachinesClient.show`."""
        return self._at.get(at("/hosts/{}", name))

    def enrol(self, name: str, tenant: str, ring: int, *, host: str | None = None) -> Json:
        """See `MachinesClient.enrol`."""
        job = self._at.act("/hosts", {"name": name, "tenant": tenant, "ring": ring})
        return self.show(Followed(self._at).answer(job)["machine"])

    def preview_enrol(self, name: str, tenant: str, ring: int) -> None:
        """See `MachinesClient.preview_enrol`."""

    def retire(self, name: str) -> Json:
        """See `MachinesClient.retire`."""
        return self._retire(name, {})

    def preview_retire(self, name: str) -> None:
        """See `MachinesClient.preview_retire`."""

    def give_up(self, name: str, reason: str) -> Json:
        """See `MachinesClient.give_up`."""
        return self._retire(name, {"lost": True, "reason": reason})

    def preview_give_up(self, name: str, reason: str) -> None:
        """See `MachinesClient.preview_give_up`."""

    def transfer(self, name: str, tenant: str) -> Json:
        """See `MachinesClient.transfer`."""
        return self._at.act(at("/hosts/{}/transfers", name), {"tenant": tenant})

    def preview_transfer(self, name: str, tenant: str) -> None:
        """See `MachinesClient.preview_transfer`."""

    def measure(self, scope: str = "estate") -> Json:
        """See `MachinesClient.measure`."""
        done = Followed(self._at).answer(self._at.act("/measurements", {"scope": scope}))
        names = frozenset(done.pop("names"))
        machines = [row for row in self.rows() if row["name"] in names]
        tenants = {row["tenant"] for row in machines}
        return {**done, "machines": machines, "tenants": [r for r in self.security() if r["tenant"] in tenants]}

    def preview_mend(self, name: str) -> Json:
        """See `MachinesClient.preview_mend`."""
        return self._at.rehearse(at("/hosts/{}/repairs", name))

    def mend(self, name: str) -> Json:
        """See `MachinesClient.mend`."""
        done = Followed(self._at).answer(self._at.act(at("/hosts/{}/repairs", name)))
        return {"machine": done["machine"], "acts": done["acts"], "row": self.show(done["machine"])}

    def security(self, tenant: str | None = None) -> list[Json]:
        """See `MachinesClient.security`."""
        return self._at.rows("/protection", tenant=tenant)

    def scan(self, target: str, paths: Sequence[str], on_progress: Callable[[Json], None] | None = None) -> Json:
        """See `MachinesClient.scan`; how far it is is not told."""
        return Followed(self._at).answer(self._at.act("/scans", {"target": target, "paths": [*paths]}))

    def refresh_signatures(self, scope: str = "estate") -> Json:
        """See `MachinesClient.refresh_signatures`."""
        return Followed(self._at).answer(self._at.act("/signature-fetches", {"scope": scope}))

    def findings(self, tenant: str | None = None, *, only_open: bool = False) -> list[Json]:
        """See `MachinesClient.findings`."""
        return self._at.rows("/findings", tenant=tenant, open="true" if only_open else None)

    def clear_findings(self, ids: Sequence[str], reason: str) -> list[Json]:
        """See `MachinesClient.clear_findings`."""
        return list(self._at.act("/findings/settlements", {"ids": [*ids], "reason": reason})["items"])

    def _retire(self, name: str, how: Json) -> Json:
        return Followed(self._at).answer(self._at.act(at("/hosts/{}/retirements", name), how))


class Snapshots(Area):
    """See `SnapshotsClient`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._shown: dict[tuple[str, int | None], list[str]] = {}

    def all(self, kind: Depot | None = None) -> list[Json]:
        """See `SnapshotsClient.all`."""
        return self._at.rows("/snapshots", kind=kind)

    def show(self, snapshot: str) -> Json:
        """See `SnapshotsClient.show`."""
        return self._at.get(at("/snapshots/{}", snapshot))

    def estimate(self, kind: Depot | None = None) -> list[Json]:
        """See `SnapshotsClient.estimate`."""
        return self._at.rows("/snapshot-needs", kind=kind)

    def sync(self, kind: Depot, *, on_progress: Callable[[int, int, str], None] | None = None) -> Json:
        """See `SnapshotsClient.sync`; how far it is is not told."""
        found: Json = Followed(self._at).answer(self._at.act("/snapshots", {"kind": kind}))["taken"][0]
        return found

    def preview_publish(self, snapshot: str, ring: int) -> Json:
        """See `SnapshotsClient.preview_publish`; what else stands in the way is known at the centre."""
        found = self.show(snapshot)
        before = next((row["id"] for row in self.all(found["kind"]) if ring in row["rings"]), None)
        return {"snapshot": snapshot, "kind": found["kind"], "ring": ring, "before": before,
                "changed": before != snapshot}  # fmt: skip

    def publish(self, snapshot: str, ring: int) -> Json:
        """See `SnapshotsClient.publish`."""
        job = self._at.act(at("/snapshots/{}/publications", snapshot), {"ring": ring, "sure": bool(ring)})
        return Followed(self._at).answer(job)

    def prune(self, kind: Depot, keep: int | None = None, *, dry_run: bool = False) -> Json:
        """See `SnapshotsClient.prune`; nothing goes that was not shown before."""
        if dry_run:
            shown = self._at.rehearse("/snapshot-deletions", {"kind": kind, "keep": keep})
            self._shown[kind, keep] = shown["removed"]
            return shown
        given = {"kind": kind, "keep": keep, "removed": self._shown.get((kind, keep))}
        return Followed(self._at).answer(self._at.act("/snapshot-deletions", given))


class Internet(Area):
    """See `InternetClient`."""

    def list(self) -> builtins.list[Json]:
        """See `InternetClient.list`."""
        return self._at.rows("/internet")

    def show(self, tenant: str) -> Json:
        """See `InternetClient.show`."""
        return self._at.get(at("/tenants/{}/internet", tenant))

    def test(self, tenant: str, url: str, *, host: str | None = None) -> Json:
        """See `InternetClient.test`; from one of its machines that the centre chooses."""
        return self._at.act(at("/tenants/{}/internet/tests", tenant), {"url": url})

    def refusals(self, tenant: str) -> builtins.list[Json]:
        """See `InternetClient.refusals`."""
        return self._at.rows(at("/tenants/{}/internet/refusals", tenant))
