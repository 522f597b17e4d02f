"""What may be asked of the access record. Every answer is JSON-able and equals the later REST body."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]


class RecordClient(Protocol):
    """Operations of the access record, one method a verb."""

    def collect(self) -> Json:
        """Bring what gateways have and put it in order: {state: done|busy|partly, hosts: [{host, state, segments,
        lines, damaged, gaps, warning, reason}], merged, problems}. Harmless at any time, in any number of processes."""
        ...

    def status(self) -> Json:
        """{oldest, newest, silent_seconds, lines, days, retention_days, disk: {octets, octets_a_day, estimate},
        gaps: [over an hour], gap_seconds, holds, purge_due, hosts: [{host, state, waiting, octets, free, warning,
        reason}]}. A gateway that does not answer is `unmeasured`."""
        ...

    def log(self, *, case: str, reason: str, begin: str, end: str, asked: Mapping[str, Any], limit: int) -> Json:
        """Who reached what in a window. `asked`: tenant, address, nat_address, nat_port, host, person. Returns {number,
        case, reason, from, to, asked, lines: [...], cut, complete, unrecorded: [...], remarks: [...]}. It is recorded
        before it is shown.

        Raises Invalid (no case, no reason, a window too long), CouldNotMeasureError (nothing was recorded then).
        """
        ...

    def searches(self) -> list[Json]:
        """Who looked: [{number, at, actor: {key, name}, case, reason, from, to, asked, lines, cut}], newest first."""
        ...

    def register(self, address: str | None = None, person: str | None = None) -> list[Json]:
        """Who had which address when: [{id, tenant, address, machine, person, from, to, source, recorded_at}]."""
        ...

    def preview_register(self, path: Path) -> Json:
        """Check a CSV of the register whole: {rows: [...], encoding}. Raises Invalid with every problem."""
        ...

    def add_to_register(self, rows: list[Json]) -> Json:
        """Add entries {address, machine, person, from, to, source}: {new, same}. Raises Invalid."""
        ...

    def preview_purge(self) -> Json:
        """What is old enough: {before, retention_days, days: [{day, lines, files, octets, held_by: [...]}], lines}."""
        ...

    def purge(self) -> Json:
        """Delete it; as `preview_purge` plus {number}, the entry of the ledger, or None when there was nothing."""
        ...

    def verify(self) -> Json:
        """{ok, segments, files, entries, head, problems: [{what, name, fault, detail}]}."""
        ...

    def holds(self, every: bool = False) -> list[Json]:
        """Legal holds: [{number, case, reason, from, to, tenant, set_by, set_at, state, lifted_second, lifted_at}]."""
        ...

    def hold(self, *, case: str, reason: str, begin: str, end: str, tenant: str | None) -> Json:
        """Keep what is in a window from being purged. Returns the hold."""
        ...

    def lift(self, number: int, *, second: str, reason: str) -> Json:
        """End a hold; `second` is the other person who agreed, taken as said. Returns the hold."""
        ...
