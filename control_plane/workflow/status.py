"""How the control plane and its estate stand: quick counts, hosts, accounts, and checks of the installation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control_plane.model.errors import ControlPlaneError
from control_plane.model.nearest import no_tenant
from control_plane.model.ports import Driver
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.scope import Scope
from control_plane.model.text import Text, t
from control_plane.store.repository import Store
from control_plane.workflow.applying import LEASE
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.observe import observe, parts_of
from control_plane.workflow.process import process_alive
from control_plane.workflow.runs import run_json

Check = Callable[[], tuple[str, Text, Text | None]]
"""One check of the installation: state (passed, warning, failed), what was found, remedy."""


Figures = tuple[str | None, Mapping[str, int], Mapping[str, tuple[int, int]]]
"""Name of the estate, tenants by status, subscriptions by offering: all and waiting."""


@dataclass
class Status:
    """Answers `status`, `doctor`, `hosts` and `accounts`. `host_rows` gives all hosts with their state."""

    catalogue: Catalogue
    drivers: Sequence[Driver]
    store: Store
    host_rows: Callable[[], list[dict[str, Any]]]
    checks: Mapping[str, Check]
    version: str
    clock: Callable[[], datetime]
    console_url: str | None = None
    _kept: tuple[str, Figures] | None = None

    def summary(self) -> dict[str, Any]:
        """Reads the database and the lab's own files only."""
        estate, tenants, services = self._figures()
        runs = self.store.runs.list(1)
        newest = self.store.plans.newest()
        holder = self.store.leases.holder(LEASE)
        hosts = self.host_rows()
        return {
            "version": self.version,
            "console_url": self.console_url,
            "estate": estate,
            "tenants": dict(tenants),
            "subscriptions": {
                "total": sum(every for every, _ in services.values()),
                "pending": sum(pending for name, (_, pending) in services.items() if self._operated(name)),
                "by_offering": {name: every for name, (every, _) in services.items()},
            },
            "hosts": dict(Counter(h["state"] for h in hosts)),
            "last_run": run_json(runs[0]) if runs else None,
            "last_plan": {
                "digest": newest.digest,
                "scope": newest.scope,
                "created_at": newest.created_at.isoformat(),
                "summary": newest.summary,
            }
            if newest
            else None,
            "busy": bool(holder and process_alive(holder)),
            "drift_kept": len(self.store.drift.kept(self.clock())),
        }

    def _figures(self) -> Figures:
        """What changes with the store's stamp only, read once for each."""
        stamp = self.store.stamp()
        if self._kept is None or self._kept[0] != stamp:
            document = self.store.estate.document()
            tenants = Counter(row.status.value for row in self.store.estate.tenants())
            self._kept = stamp, (document.name if document else None, tenants, self.store.estate.counts())
        return self._kept[1]

    def _operated(self, offering: str) -> bool:
        known = self.catalogue.offerings.get(offering)
        return known is not None and known.status == "operated"

    def hosts(self) -> list[dict[str, Any]]:
        """All hosts with their state."""
        return self.host_rows()

    def accounts(self, tenant: str | None) -> list[dict[str, Any]]:
        """People of the directory subscriptions, as declared."""
        estate = self.catalogue.estate()
        if tenant is not None and tenant not in estate.tenants:
            raise no_tenant(tenant, estate.tenants)
        rows = []
        for subscription in self.store.estate.subscriptions(tenant=tenant):
            for person in subscription.spec.get("people", ()):
                rows.append(
                    {
                        "uid": person["uid"],
                        "tenant": subscription.code,
                        "name": person["display_name"],
                        "uid_number": int(estate.allocations.get(("uid_number", _subject(person)), 0)) or None,
                        "status": "left" if person.get("left_on") else "active",
                        "groups": [] if person.get("left_on") else list(person.get("groups", ())),
                    }
                )
        return rows

    def doctor(self) -> list[dict[str, Any]]:
        """Checks of this installation, then one look at every part of every system."""
        rows = []
        for name, check in self.checks.items():
            try:
                state, detail, remedy = check()
            except (ControlPlaneError, OSError) as error:
                state, detail, remedy = "failed", t("{error}", error=error), None
            rows.append(
                {"check": name, "state": state, "detail": str(detail), "remedy": str(remedy) if remedy else None}
            )
        for look in observe(parts_of(self.drivers, Scope()), frozenset(), self.clock):
            blind = isinstance(look, CouldNotMeasure)
            rows.append(
                {
                    "check": look.part,
                    "state": "failed" if blind else "passed",
                    "detail": str(look.reason) if isinstance(look, CouldNotMeasure) else str(t("answers")),
                    "remedy": str(t("See gasp lab status; then gasp lab up.")) if blind else None,
                }
            )
        return rows


def _subject(person: Mapping[str, Any]) -> str:
    """Under what a person's number is recorded; it stays through a rename."""
    return f"uid:{person.get('first_uid') or person['uid']}"
