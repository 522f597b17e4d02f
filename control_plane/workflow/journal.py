"""A run's diary: numbered events and outcomes, written by one thread, behind the writer's lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from control_plane.model.plan import Change
from control_plane.model.ports import Outcome
from control_plane.model.run import Actor, Event, EventType
from control_plane.store.leases import Lease
from control_plane.store.repository import Store
from control_plane.workflow.fault import reached

OnEvent = Callable[[Event], None]


@dataclass
class Journal:
    """Writes a run's events and outcomes, in one thread, and passes them on."""

    store: Store
    run_id: int
    actor: Actor
    lease: Lease
    clock: Callable[[], datetime]
    on_event: OnEvent | None
    fault: str | None
    counts: Counter[str] = field(default_factory=Counter)
    _seen: Counter[str] = field(default_factory=Counter)

    def event(self, type_: EventType, **data: Any) -> None:
        """Record one event; afterwards is where fault tests kill the process."""
        for event in self.store.runs.append(self.run_id, [(type_, data)], self.lease.token):
            if self.on_event:
                self.on_event(event)
        reached(type_, self.fault, self._seen)

    def outcomes(self, batch: Sequence[tuple[Change, Outcome]]) -> None:
        """Record what became of changes. Whose account was removed is signed in no more."""
        self.store.runs.outcomes(self.run_id, batch, self.clock(), self.lease.token)
        gone = [c.id for c, outcome in batch if c.destroys_data and outcome.state in ("applied", "already")]
        if gone:
            self.store.people.end_sessions_of_gone(gone)
        self.counts.update(outcome.state for _, outcome in batch)
