"""A control plane elsewhere, over its interface for programs, as `Client` has it: what commands ask and do there.

Answers are those of the in-process client, because both print the same forms. What is not here is refused with the way
to do it. Must not keep or print a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from control_plane.cli.places import Place
from control_plane.cli.remote_areas import Audit, Freezes, Requests, Rollouts
from control_plane.cli.remote_contents import Attachments, Posts, place_of
from control_plane.cli.remote_duties import Classes, Emergencies, Policies, Restores, Substitutes, Tokens, Webhooks
from control_plane.cli.remote_link import Connection, Json, Rest, at, refused
from control_plane.cli.remote_machines import Internet, Machines, Snapshots
from control_plane.cli.remote_people import Groups, People, Reviews, Sheets, Staff
from control_plane.cli.remote_runs import Followed
from control_plane.model.client import OnEvent
from control_plane.model.errors import Invalid, Rejected, UnsafePlan
from control_plane.model.text import t


class Remote(Rest):
    """What commands ask of `model.client.Client`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._at = Connection(place)
        self.machines = Machines(self._at)
        self.rollouts = Rollouts(self._at)
        self.freezes = Freezes(self._at)
        self.requests = Requests(self._at)
        self.audit = Audit(self._at)
        self.attachments = Attachments(self._at)
        self.posts = Posts(self._at)
        self.staff = Staff(self._at)
        self.sheets = Sheets(self._at)
        self.groups = Groups(self._at)
        self.reviews = Reviews(self._at)
        self.tokens = Tokens(self._at)
        self.webhooks = Webhooks(self._at)
        self.restores = Restores(self._at)
        self.policies = Policies(self._at)
        self.substitutes = Substitutes(self._at)
        self.emergencies = Emergencies(self._at)
        self.classes = Classes(self._at)
        self.snapshots = Snapshots(self._at)
        self.internet = Internet(self._at)
        self.people = People(self._at)

    def token(self) -> Json:
        """The token that is used."""
        return self._at.get("/token")

    def rehearse(self, act: Callable[[], object]) -> None:
        """See `Client.rehearse`: what is judged here is; what only the centre knows is said when it is done."""
        with self._at.judging():
            act()

    # looking --------------------------------------------------------------------------------------
    def status(self) -> Json:
        """See `Client.status`."""
        return self._at.get("/status")

    def explain(self, subject: str) -> Json:
        """See `Client.explain`."""
        return self._at.get("/explanation", subject=subject)

    def tenants(self) -> list[Json]:
        """See `Client.tenants`."""
        return self._at.rows("/tenants")

    def tenant(self, code: str) -> Json:
        """See `Client.tenant`."""
        return self._at.get(at("/tenants/{}", code))

    def sites(self) -> list[Json]:
        """See `Client.sites`."""
        return self._at.rows("/sites")

    def accounts(self, tenant: str | None = None) -> list[Json]:
        """See `Client.accounts`."""
        return self._at.rows("/accounts", tenant=tenant)

    def hosts(self) -> list[Json]:
        """See `Client.hosts`."""
        return self.machines.rows()

    def probes(self, scope: str = "estate") -> list[Json]:
        """See `Client.probes`; the scope is the estate or a tenant."""
        kind, _, code = scope.partition(":")
        if kind not in ("estate", "tenant"):
            raise Rejected(t("From elsewhere the scope is estate or tenant:CODE."))
        return self._at.rows("/probes", tenant=code or None)

    def run_probes(self, scope: str = "estate") -> list[Json]:
        """See `Client.run_probes`."""
        return list(self._at.act("/probe-results", {"scope": scope})["items"])

    # releases of sites ----------------------------------------------------------------------------
    def releases(self, site: str) -> list[Json]:
        """See `Client.releases`."""
        return self._at.rows(f"{place_of(self._at, site)}/releases")

    def room(self, site: str) -> Json:
        """See `Client.room`."""
        return self._at.get(f"{place_of(self._at, site)}/room")

    def publish_release(self, site: str, archive: Path, *, note: str = "") -> Json:
        """See `Client.publish_release`."""
        return self._at.send(f"{place_of(self._at, site)}/releases", archive, note=note or None)

    def prune_releases(self, site: str, *, release: str | None = None) -> Json:
        """See `Client.prune_releases`."""
        return self._at.act(f"{place_of(self._at, site)}/release-deletions", {"release": release})

    # plans and runs -------------------------------------------------------------------------------
    def plan(self, scope: str = "estate") -> Json:
        """See `Client.plan`."""
        return self._at.act("/plans", {"scope": scope})

    def get_plan(self, digest: str) -> Json:
        """See `Client.get_plan`."""
        return self._at.get(at("/plans/{}", digest))

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
        """See `Client.apply`; the worker there does it, one run after the other."""
        if spare_hand_made or wishes is not None:
            raise refused()
        scope = target == "estate" or ":" in target
        order = {"scope": target} if scope else {"plan": target}
        try:
            job = self._at.act("/runs", {**order, "confirm": confirm, "wait": min(int(wait), 3600)})
        except Invalid as error:
            if not scope and any(problem.code == "no-word" for problem in error.problems):
                raise _unsafe(self.get_plan(target)) from None
            raise
        return Followed(self._at, on_event).run(job, wait)

    def runs(self, *, limit: int = 50, state: str | None = None) -> list[Json]:
        """See `Client.runs`."""
        return self._at.rows("/runs", limit, state=state)

    def run(self, run_id: int) -> Json:
        """See `Client.run`."""
        return self._at.get(at("/runs/{}", run_id))

    def run_events(self, run_id: int, after: int = 0) -> list[Json]:
        """See `Client.run_events`."""
        return self._at.rows(at("/runs/{}/events", run_id), after=after or None)

    def stop_run(self, run_id: int) -> Json:
        """See `Client.stop_run`."""
        return self._at.act(at("/runs/{}/stops", run_id))

    def resume_run(self, run_id: int, *, on_event: OnEvent | None = None) -> Json:
        """See `Client.resume_run`."""
        return Followed(self._at, on_event).run(self._at.act(at("/runs/{}/resumptions", run_id)))

    def undo_run(self, run_id: int) -> Json:
        """See `Client.undo_run`."""
        return self._at.act(at("/runs/{}/undos", run_id))

    # drift ----------------------------------------------------------------------------------------
    def drift(self, scope: str = "estate") -> list[Json]:
        """See `Client.drift`."""
        return self._at.rows("/drift", scope=scope)

    def drift_keep(self, ids: Sequence[str], *, until: str, reason: str) -> list[Json]:
        """See `Client.drift_keep`."""
        return list(self._at.act("/drift/keeps", {"ids": ids, "until": until, "reason": reason})["items"])

    def drift_accept(self, ids: Sequence[str], *, reason: str) -> list[Json]:
        """See `Client.drift_accept`."""
        return list(self._at.act("/drift/acceptances", {"ids": ids, "reason": reason})["items"])

    def drift_revert(self, ids: Sequence[str], *, confirm: str | None = None, on_event: OnEvent | None = None) -> Json:
        """See `Client.drift_revert`."""
        return Followed(self._at, on_event).run(self._at.act("/drift/reversions", {"ids": ids, "confirm": confirm}))


def _unsafe(plan: Mapping[str, Any]) -> UnsafePlan:
    """Refused as the control plane itself refuses a plan whose word is lacking."""
    guards = [guard for guard in plan["guards"] if guard["confirm"]]
    word = guards[-1]["confirm"]
    reasons = t("{reason}", reason=" ".join(guard["detail"] for guard in guards))
    return UnsafePlan(reasons, t("Read the plan, then pass --confirm={word}.", word=word), word)
