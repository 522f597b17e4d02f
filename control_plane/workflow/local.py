"""The control plane in this process: implements `model.client.Client` over the workflow's parts.

Its areas are in `areas.py`; here are the verbs that belong to none. What only some verbs need is imported in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import NotFound
from control_plane.model.scope import parse_scope
from control_plane.model.text import t
from control_plane.workflow.areas import Areas
from control_plane.workflow.process import process_alive

if TYPE_CHECKING:
    from control_plane.model.client import Json, OnEvent
    from control_plane.model.ports import ProbeResult
    from control_plane.model.run import Event
    from control_plane.store.estate_rows import SubscriptionRow
    from control_plane.workflow.applying import Order


class LocalClient(Areas):
    """In-process client. The actor is whoever runs the process."""

    # plans and runs -------------------------------------------------------------------------------
    def plan(self, scope: str = "estate") -> Json:
        """See `Client.plan`."""
        plan = self.planner.picture(parse_scope(scope)).plan
        self.store.plans.save(plan, self.actor, self.planner.personal)
        return {**plan.as_json(), "guards": [g.as_json() for g in self.planner.guards(plan)]}

    def get_plan(self, digest: str) -> Json:
        """See `Client.get_plan`."""
        stored = self.store.plans.load(digest)
        guards = self.planner.guards_of(stored.digest, stored.body["changes"], stored.body["summary"]["unchanged"])
        answer = {**stored.body, "guards": [g.as_json() for g in guards]}
        if stored.undo_of is not None:
            answer["restores"] = self._restores(stored.undo_of)
        if stored.restore is not None:
            from control_plane.workflow.restores import shown

            answer |= shown(stored.restore)
        return answer

    def _restores(self, run_id: int) -> list[Json]:
        from control_plane.workflow.runs import left_out, undo_targets

        return [
            {
                "subscription": name,
                "from_generation": new,
                "to_generation": old,
                "without": [str(text) for text in left_out(name, old, self.store)],
            }
            for name, (old, new) in sorted(undo_targets(run_id, self.store).items())
        ]

    def apply(
        self,
        target: str,
        *,
        confirm: str | None = None,
        spare_hand_made: bool = False,
        wishes: frozenset[str] | None = None,
        on_event: OnEvent | None = None,
        wait: float = 600.0,
    ) -> Json:
        """See `Client.apply`."""
        order = self._order(target, confirm)
        if spare_hand_made:
            order = replace(order, spare="overwriting", wishes=wishes)
        run = self.applier.apply(order, self.actor, _plain(on_event), wait)
        return self.run(run)

    def _order(self, target: str, confirm: str | None) -> Order:
        from control_plane.workflow.applying import Order

        if target != "estate" and ":" not in target:
            stored = self.store.plans.load(target)
            if stored.restore is not None:
                order = self.restores.order(stored)
                return replace(order, digest=stored.digest, confirm=confirm, spare="nothing")
            if stored.undo_of is None:
                return Order(stored.scope, digest=stored.digest, confirm=confirm)
            from control_plane.workflow.runs import undo_changes
            from control_plane.workflow.wishes import wish_order

            changes = undo_changes(stored.undo_of, self.store)
            cause = f"undo {stored.undo_of}"
            order = wish_order(self.planner.catalogue, changes, self.actor, cause, "undo")
            return replace(order, digest=stored.digest, confirm=confirm, spare="nothing")
        return Order(str(parse_scope(target)), confirm=confirm)

    def rehearse(self, act: Callable[[], object]) -> None:
        """See `Client.rehearse`."""
        with self.store.rehearsal():
            act()

    def runs(self, *, limit: int = 50, state: str | None = None) -> list[Json]:
        """See `Client.runs`."""
        from control_plane.workflow.runs import run_json

        self.store.runs.mark_interrupted(process_alive)  # a server lives longer than the runs that it shows
        return [run_json(row) for row in self.store.runs.list(limit, state)]

    def run(self, run_id: int) -> Json:
        """See `Client.run`."""
        from control_plane.workflow.runs import run_details

        self.store.runs.mark_interrupted(process_alive)
        return run_details(self.store.runs.get(run_id), self.store)

    def run_events(self, run_id: int, after: int = 0) -> list[Json]:
        """See `Client.run_events`."""
        self.store.runs.get(run_id)
        return [e.as_json() for e in self.store.runs.events(run_id, after)]

    def stop_run(self, run_id: int) -> Json:
        """See `Client.stop_run`."""
        self.store.runs.get(run_id)
        self.store.runs.request_stop(run_id, self.actor)
        return self.run(run_id)

    def resume_run(self, run_id: int, *, on_event: OnEvent | None = None) -> Json:
        """See `Client.resume_run`."""
        from control_plane.workflow.runs import resume

        return self.run(resume(run_id, self.store, self.applier, self.actor, _plain(on_event)))

    def undo_run(self, run_id: int) -> Json:
        """See `Client.undo_run`."""
        from control_plane.workflow.runs import undo_changes, undo_plan

        changes = undo_changes(run_id, self.store)
        plan = undo_plan(changes, self.planner, self.actor)
        self.store.plans.save(plan, self.actor, self.planner.personal, undo_of=run_id)
        return {
            **plan.as_json(),
            "guards": [g.as_json() for g in self.planner.guards(plan)],
            "restores": self._restores(run_id),
        }

    # drift ----------------------------------------------------------------------------------------
    def drift(self, scope: str = "estate") -> list[Json]:
        """See `Client.drift`."""
        return self.drift_.find(parse_scope(scope))

    def drift_keep(self, ids: Sequence[str], *, until: str, reason: str) -> list[Json]:
        """See `Client.drift_keep`."""
        return self.drift_.keep(ids, until, reason, self.actor)

    def drift_accept(self, ids: Sequence[str], *, reason: str) -> list[Json]:
        """See `Client.drift_accept`."""
        return self.drift_.accept(ids, reason, self.actor)

    def drift_revert(self, ids: Sequence[str], *, confirm: str | None = None, on_event: OnEvent | None = None) -> Json:
        """See `Client.drift_revert`."""
        return self.run(self.drift_.revert(ids, self.actor, _plain(on_event), confirm))

    # looking --------------------------------------------------------------------------------------
    def explain(self, subject: str) -> Json:
        """See `Client.explain`."""
        return self.explainer.explain(subject)

    def at_work(self) -> list[Json]:
        """See `Client.at_work`."""
        found = self.store.at_work()
        return [{"kind": row.kind, "id": row.id} for row in found if row.holder is None or process_alive(row.holder)]

    def stamp(self) -> str:
        """See `Client.stamp`."""
        return self.store.stamp()

    def status(self) -> Json:
        """See `Client.status`."""
        return self.status_.summary()

    def doctor(self) -> list[Json]:
        """See `Client.doctor`."""
        return self.status_.doctor()

    def hosts(self) -> list[Json]:
        """See `Client.hosts`."""
        return self.machines.rows()

    def accounts(self, tenant: str | None = None) -> list[Json]:
        """See `Client.accounts`."""
        return self.status_.accounts(tenant)

    def probes(self, scope: str = "estate") -> list[Json]:
        """See `Client.probes`."""
        return [
            {
                "id": p.id,
                "kind": p.kind,
                "vantage": p.vantage,
                "tenant": p.tenant,
                "offering": p.offering,
                "title": str(p.title),
            }
            for p in self.planner.catalogue.probes(parse_scope(scope))
        ]

    def run_probes(self, scope: str = "estate") -> list[Json]:
        """See `Client.run_probes`."""
        return [_probe_json(r) for r in self.prober.run(self.planner.catalogue.probes(parse_scope(scope)))]

    # tenants --------------------------------------------------------------------------------------
    def tenants(self) -> list[Json]:
        """See `Client.tenants`."""
        services: dict[str, list[SubscriptionRow]] = {}
        for s in self.store.estate.subscriptions():
            services.setdefault(s.code, []).append(s)
        return [
            {
                "code": row.code,
                "id": row.id,
                "name_zh": row.names.zh,
                "name_en": row.names.en,
                "short_zh": row.names.short_zh,
                "kind": row.document.kind,
                "status": row.status.value,
                "network_index": row.network_index,
                "subscriptions": [s.offering for s in services.get(row.code, ())],
                "pending": [s.offering for s in services.get(row.code, ()) if s.generation != s.observed_generation],
            }
            for row in self.store.estate.tenants()
        ]

    def tenant(self, code: str) -> Json:
        """See `Client.tenant`."""
        row = self.store.estate.known(code)
        return {
            **row.document.model_dump(mode="json", exclude={"subscriptions"}),
            "id": row.id,
            "subscriptions": [
                {
                    "offering": s.offering,
                    "tier": s.tier,
                    "generation": s.generation,
                    "observed_generation": s.observed_generation,
                    "state": "in_sync" if s.generation == s.observed_generation else "pending",
                }
                for s in self.store.estate.subscriptions(tenant=code)
            ],
        }

    def subscription(self, name: str) -> Json:
        """See `Client.subscription`."""
        row = self.store.estate.subscription(name)
        if row is None or row.state != "active":
            raise NotFound(t("There is no service “{name}”.", name=name), t("See gasp tenants show CODE."))
        return {
            "id": row.id,
            "tenant": row.code,
            "offering": row.offering,
            "tier": row.tier,
            "spec": row.spec,
            "generation": row.generation,
            "observed_generation": row.observed_generation,
            "state": "in_sync" if row.generation == row.observed_generation else "pending",
            "revisions": [
                {
                    "generation": r.generation,
                    "tier": r.tier,
                    "at": r.at.isoformat(),
                    "actor": r.actor_name,
                    "cause": r.cause,
                    "ended": r.spec is None,
                }
                for r in reversed(self.store.estate.revisions(name))
            ],
        }

    def preview_import(self, path: Path) -> Json:
        """See `Client.preview_import`."""
        return self.importer.preview(path).as_json()

    def import_tenants(self, path: Path, *, digest: str | None = None) -> Json:
        """See `Client.import_tenants`."""
        return self.importer.commit(path, self.actor, digest=digest)

    def export_tenants(self, folder: Path, codes: Sequence[str] = ()) -> Json:
        """See `Client.export_tenants`."""
        from control_plane.workflow.export_tenants import export_tenants

        return export_tenants(self.store, folder, codes)

    def diff_tenants(self, path: Path) -> Json:
        """See `Client.diff_tenants`."""
        return self.importer.diff(path)

    def preview_offboard(self, code: str) -> Json:
        """See `Client.preview_offboard`."""
        return self.offboarding.preview(code)

    def offboard(self, code: str, *, confirm: str, archive: Path, on_event: OnEvent | None = None) -> Json:
        """See `Client.offboard`."""
        return self.offboarding.offboard(code, confirm, archive, self.actor, _plain(on_event))

    # sites ----------------------------------------------------------------------------------------
    def sites(self) -> list[Json]:
        """See `Client.sites`."""
        return self.sites_.rows()

    def infected_sites(self) -> list[str]:
        """See `Client.infected_sites`."""
        return self.sites_.infected()

    def publish_release(self, site: str, archive: Path, *, note: str = "") -> Json:
        """See `Client.publish_release`."""
        return self.sites_.publish(site, archive, note, self.actor)

    def releases(self, site: str) -> list[Json]:
        """See `Client.releases`."""
        return self.sites_.releases_of(site)

    def room(self, site: str) -> Json:
        """See `Client.room`."""
        return self.sites_.room(site)

    def prune_releases(self, site: str, *, release: str | None = None) -> Json:
        """See `Client.prune_releases`."""
        return self.sites_.prune(site, release, self.actor)

    def preview_release(
        self, site: str, release: str, *, confirm: str | None = None, on_event: OnEvent | None = None
    ) -> Json:
        """See `Client.preview_release`."""
        return self.sites_.preview(site, release, self.actor, _plain(on_event), confirm)

    def activate_release(
        self, site: str, release: str, *, confirm: str | None = None, on_event: OnEvent | None = None
    ) -> Json:
        """See `Client.activate_release`."""
        return self.sites_.activate(site, release, self.actor, _plain(on_event), confirm)

    def rollback_release(self, site: str, *, confirm: str | None = None, on_event: OnEvent | None = None) -> Json:
        """See `Client.rollback_release`."""
        return self.sites_.rollback(site, self.actor, _plain(on_event), confirm)

    def maintenance(self, site: str, on: bool, *, confirm: str | None = None, on_event: OnEvent | None = None) -> Json:
        """See `Client.maintenance`."""
        return self.sites_.maintenance(site, on, self.actor, _plain(on_event), confirm)

    def database(self) -> Json:
        """See `Client.database`."""
        from control_plane.store.moving import describe

        return describe(self.store.database)

    def config(self) -> Mapping[str, Any]:
        """See `Client.config`."""
        return self._config()


def _plain(on_event: OnEvent | None) -> Callable[[Event], None] | None:
    return (lambda event: on_event(event.as_json())) if on_event else None


def _probe_json(result: ProbeResult) -> Json:
    return {
        "id": result.probe.id,
        "kind": result.probe.kind,
        "vantage": result.probe.vantage,
        "tenant": result.probe.tenant,
        "offering": result.probe.offering,
        "title": str(result.probe.title),
        "state": result.state,
        "at": result.at.isoformat(),
        "seconds": result.seconds,
        "detail": str(result.text),
    }
