"""The access record in this process: implements `model.client_record.RecordClient` over its parts.

`collect` is what a worker calls every minute; everything else is asked by people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from control_plane.model.client_record import Json
from control_plane.model.errors import TemporaryError
from control_plane.model.network import AddressPlan
from control_plane.model.record import Archive, Seal, Spool, TenantAt
from control_plane.model.run import Actor
from control_plane.store.repository import Store
from control_plane.workflow.access_collect import Collector
from control_plane.workflow.access_keep import Keeper
from control_plane.workflow.access_register import Register
from control_plane.workflow.access_search import not_recorded, search, search_row
from control_plane.workflow.access_times import tenant_finder

LONG_GAP = timedelta(hours=1)


class AccessRecord:
    """`spools` gives the gateways' spools when they are wanted; `days` is the retention."""

    def __init__(
        self,
        store: Store,
        spools: Callable[[], Sequence[Spool]],
        archive: Archive,
        seal: Seal,
        plan: AddressPlan,
        days: int,
        clock: Callable[[], datetime],
        actor: Callable[[], Actor],
    ) -> None:
        self.store, self.spools, self.archive, self.seal = store, spools, archive, seal
        self.plan, self.days, self.clock, self.actor = plan, days, clock, actor
        self.collector = Collector(store, spools, archive, seal, self.tenant_at, clock)
        self.keeper = Keeper(store, archive, seal, days, clock)
        self.registry = Register(store, seal)

    def tenant_at(self) -> TenantAt:
        """Whose network an address was in, as far as is known now."""
        return tenant_finder(self.plan, self.store.access.network_history())

    def collect(self, fresh: bool = False) -> Json:
        """See `RecordClient.collect`."""
        return self.collector.collect(self.actor(), fresh)

    def status(self) -> Json:
        """See `RecordClient.status`."""
        now = self.clock()
        span, files = self.store.access.span(), self.store.access.files()
        octets, days = sum(f.octets for f in files), {f.day for f in files}
        whole = [sum(f.octets for f in files if f.day == day) for day in sorted(days)[:-1]] or [octets] * bool(days)
        per_day = sum(whole) // len(whole) if whole else None
        hosts = [self._host(spool) for spool in self.spools()]
        begin = max(now - timedelta(days=self.days), span.first_at) if span.first_at else now
        # what a gateway recorded since the last collection is no gap yet, unless nobody collects
        end = span.last_at if span.last_at and now - span.last_at <= LONG_GAP else now
        gaps = not_recorded(self.store, begin, end) if span.first_at else []
        return {
            "oldest": span.first_at.isoformat() if span.first_at else None,
            "newest": span.last_at.isoformat() if span.last_at else None,
            "silent_seconds": round((now - span.last_at).total_seconds(), 3) if span.last_at else None,
            "lines": sum(f.lines for f in files),
            "days": len(days),
            "retention_days": self.days,
            "disk": {
                "octets": octets,
                "octets_a_day": per_day,
                "estimate": per_day * self.days if per_day is not None else None,
            },
            "gaps": [gap.as_json() for gap in gaps if gap.end - gap.begin > LONG_GAP],
            "short_gaps": sum(gap.end - gap.begin <= LONG_GAP for gap in gaps),
            "gap_seconds": round(sum(gap.seconds for gap in gaps), 3),
            "holds": len(self.store.access.holds()),
            "purge_due": sum(not day["held_by"] for day in self.keeper.preview()["days"]),
            "hosts": hosts,
        }

    def _host(self, spool: Spool) -> Json:
        nothing = dict.fromkeys(("waiting", "octets", "free", "warning", "reason"))
        try:
            state, _ = spool.fetch(limit=0)
        except TemporaryError as error:
            return {"host": spool.host, "state": "unmeasured", **nothing, "reason": str(error.text)}
        return {
            "host": spool.host,
            "state": "running" if state.running else "stopped",
            "waiting": state.waiting,
            "octets": state.octets,
            "free": state.free,
            "warning": str(state.warning) if state.warning else None,
            "reason": None,
        }

    def log(self, *, case: str, reason: str, begin: str, end: str, asked: Mapping[str, Any], limit: int) -> Json:
        """See `RecordClient.log`."""
        return search(
            self.store, self.archive, self.seal, self.clock, self.actor(), case, reason, begin, end, asked, limit
        )

    def searches(self) -> list[Json]:
        """See `RecordClient.searches`."""
        return [search_row(entry) for entry in reversed(self.store.access.ledger("search"))]

    def register(self, address: str | None = None, person: str | None = None) -> list[Json]:
        """See `RecordClient.register`."""
        return self.registry.rows(address, person)

    def preview_register(self, path: Path) -> Json:
        """See `RecordClient.preview_register`."""
        return self.registry.preview(path, self.tenant_at())

    def add_to_register(self, rows: list[Json]) -> Json:
        """See `RecordClient.add_to_register`."""
        return self.registry.add(rows, self.tenant_at(), self.actor())

    def preview_purge(self) -> Json:
        """See `RecordClient.preview_purge`."""
        return self.keeper.preview()

    def purge(self) -> Json:
        """See `RecordClient.purge`."""
        return self.keeper.purge(self.actor())

    def purge_by_itself(self, most_days: int) -> int:
        """See `access_keep.Keeper.purge_by_itself`."""
        return self.keeper.purge_by_itself(self.actor(), most_days)

    def verify(self) -> Json:
        """See `RecordClient.verify`."""
        return self.keeper.verify()

    def holds(self, every: bool = False) -> list[Json]:
        """See `RecordClient.holds`."""
        return self.keeper.holds(not every)

    def hold(self, *, case: str, reason: str, begin: str, end: str, tenant: str | None) -> Json:
        """See `RecordClient.hold`."""
        return self.keeper.hold(case, reason, begin, end, tenant, self.actor())

    def lift(self, number: int, *, second: str, reason: str) -> Json:
        """See `RecordClient.lift`."""
        return self.keeper.lift(number, second, reason, self.actor())
