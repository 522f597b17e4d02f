"""The control plane in this process: implements `model.client.Client` over the workflow's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

from control_plane.model.attachment import FileScanner
from control_plane.model.client import Json, OnEvent
from control_plane.model.client_people import PeopleClient
from control_plane.model.client_snapshots import SnapshotsClient
from control_plane.model.errors import NotFound
from control_plane.model.machine import Hands, Repository
from control_plane.model.ports import FileStore, Prober, ProbeResult, ReleaseStore
from control_plane.model.run import Actor, Event
from control_plane.model.scope import parse_scope
from control_plane.model.text import t
from control_plane.store.estate import SubscriptionRow
from control_plane.store.repository import Store
from control_plane.workflow.access_record import AccessRecord
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.attachments import Attachments
from control_plane.workflow.audit import Audit
from control_plane.workflow.brought import Brought
from control_plane.workflow.classes import Classes
from control_plane.workflow.drift import Drift
from control_plane.workflow.emergencies import Emergencies
from control_plane.workflow.explain import Explainer
from control_plane.workflow.export_tenants import export_tenants
from control_plane.workflow.freezes import Freezes
from control_plane.workflow.import_tenants import Importer
from control_plane.workflow.internet import Internet
from control_plane.workflow.jobs import Jobs
from control_plane.workflow.machines import Machines
from control_plane.workflow.mail import Mails
from control_plane.workflow.offboard import Offboarding
from control_plane.workflow.planning import Planner
from control_plane.workflow.posts import Posts
from control_plane.workflow.process import process_alive
from control_plane.workflow.requests import Requests
from control_plane.workflow.rollout_making import RolloutMaker
from control_plane.workflow.rollouts import Rollouts
from control_plane.workflow.runs import resume, run_details, run_json, undo_changes, undo_plan, undo_targets
from control_plane.workflow.site_space import SiteSpace
from control_plane.workflow.sites import Sites
from control_plane.workflow.status import Status
from control_plane.workflow.substitutes import Substitutes
from control_plane.workflow.wishes import wish_order
from control_plane.workflow.worker import WorkerStatus

Area = TypeVar("Area")


class LocalClient:
    """In-process client. The actor is whoever runs the process."""

    def __init__(
        self,
        planner: Planner,
        applier: Applier,
        store: Store,
        releases: ReleaseStore,
        prober: Prober,
        status: Status,
        actor_name: str,
        config: Callable[[], Mapping[str, Any]],
        snapshots: SnapshotsClient,
        hands: Hands,
        record: AccessRecord,
        internet: Internet,
        repository: Callable[[], Repository],
        state: Path,
        people: PeopleClient,
        requests: Callable[[Callable[[], Actor]], Requests],
        files: FileStore,
        scanner: Callable[[], FileScanner],
        file_quota: int,
        site_space: tuple[int, int],
    ) -> None:
        self.snapshots = snapshots
        self.rollouts = Rollouts(
            store,
            lambda: RolloutMaker(store, planner.catalogue, store.machines.all, repository),
            lambda: self.actor,
            planner.clock,
        )
        self.freezes = Freezes(store, lambda: self.actor)
        self.worker = WorkerStatus(store, state, planner.clock)
        self.planner = planner
        self.applier = applier
        self.store = store
        self.importer = Importer(store, planner.catalogue.offerings, planner.catalogue.estate)
        self.sites_ = Sites(planner.catalogue, applier, store, releases, SiteSpace(store, releases, *site_space))
        self.posts = Posts(store, planner.catalogue, self.sites_, releases, files, planner.clock, lambda: self.actor)
        self.drift_ = Drift(planner, applier, store)
        self.explainer = Explainer(planner, store)
        self.prober = prober
        self.status_ = status
        self.actor_name = actor_name
        self._actor: Actor | None = None  # found once where the actor stays the same
        self._config = config
        self.machines = Machines(store, hands, applier, status.hosts, lambda: self.actor, planner.clock)
        self.record = record
        self.offboarding = Offboarding(
            planner, applier, store, releases, self.export_tenants, self.machines.retire_all, Brought(store, files)
        )
        self.internet = internet
        self.people = people
        self.audit = Audit(store)
        self.mail = Mails(store, lambda: self.actor, planner.clock)
        self.requests = requests(lambda: self.actor)
        self.attachments = Attachments(store, self.requests, files, scanner, file_quota, lambda: self.actor)
        self.classes = Classes(store, self.requests, lambda: self.actor)
        self.emergencies = Emergencies(store, self.requests, applier, planner.clock, lambda: self.actor)
        self.substitutes = Substitutes(store, planner.clock, lambda: status.accounts(None), lambda: self.actor)
        self.jobs = Jobs(store, self.acting_as, lambda: self.actor, planner.clock)
        store.runs.mark_interrupted(process_alive)

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return self._actor or self.store.actors.get(self.actor_name)

    def acting_as(self, name: str) -> Self:
        """The same control plane with somebody else as the actor: the console works for many people."""
        made = copy(self)
        made.actor_name, made._actor = name, self.store.actors.get(name)
        for area in (
            "machines",
            "record",
            "internet",
            "people",
            "rollouts",
            "freezes",
            "snapshots",
            "requests",
            "mail",
            "jobs",
            "posts",
            "substitutes",
            "classes",
            "emergencies",
        ):
            setattr(made, area, _acting(getattr(self, area), lambda: made.actor))
        made.attachments = replace(self.attachments, requests=made.requests, actor=lambda: made.actor)
        made.offboarding = replace(self.offboarding, retire=made.machines.retire_all)
        return made

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
        return answer

    def _restores(self, run_id: int) -> list[Json]:
        return [
            {"subscription": name, "from_generation": new, "to_generation": old}
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
        if target != "estate" and ":" not in target:
            stored = self.store.plans.load(target)
            if stored.undo_of is None:
                return Order(stored.scope, digest=stored.digest, confirm=confirm)
            changes = undo_changes(stored.undo_of, self.store)
            cause = f"undo {stored.undo_of}"
            order = wish_order(self.planner.catalogue, changes, self.actor, cause, "undo")
            return replace(order, digest=stored.digest, confirm=confirm, spare="nothing")
        return Order(str(parse_scope(target)), confirm=confirm)

    def runs(self, *, limit: int = 50, state: str | None = None) -> list[Json]:
        """See `Client.runs`."""
        self.store.runs.mark_interrupted(process_alive)  # a server lives longer than the runs that it shows
        return [run_json(row) for row in self.store.runs.list(limit, state)]

    def run(self, run_id: int) -> Json:
        """See `Client.run`."""
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
        return self.run(resume(run_id, self.store, self.applier, self.actor, _plain(on_event)))

    def undo_run(self, run_id: int) -> Json:
        """See `Client.undo_run`."""
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
        row = self.store.estate.tenant(code)
        if row is None:
            raise NotFound(t("There is no tenant “{code}”.", code=code), t("See gasp tenants list."))
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

    def config(self) -> Mapping[str, Any]:
        """See `Client.config`."""
        return self._config()


def _acting(area: Area, actor: Callable[[], Actor]) -> Area:
    """A part of the control plane with somebody else as who acts; every part that records it has `actor`."""
    made = copy(area)
    object.__setattr__(made, "actor", actor)  # some are frozen
    return made


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
