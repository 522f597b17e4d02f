"""Runs: one execution of a plan. States, numbered events, and who did it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    """Where a run is. Each state has one sentence (see `SENTENCES`)."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    DONE_WITH_CONFLICTS = "done_with_conflicts"
    PARTLY = "partly"
    FAILED = "failed"
    COULD_NOT_MEASURE = "could_not_measure"
    STALE = "stale"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


FINAL = frozenset(RunState) - {RunState.WAITING, RunState.RUNNING, RunState.STOPPING}
RESUMABLE = frozenset(
    {RunState.STOPPED, RunState.INTERRUPTED, RunState.PARTLY, RunState.FAILED, RunState.COULD_NOT_MEASURE}
)

EXIT_CODES: Mapping[RunState, int] = {
    RunState.DONE: 0,
    RunState.DONE_WITH_CONFLICTS: 1,
    RunState.PARTLY: 1,
    RunState.FAILED: 1,
    RunState.STOPPED: 1,
    RunState.INTERRUPTED: 1,
    RunState.COULD_NOT_MEASURE: 6,
    RunState.STALE: 7,
}


class EventType(StrEnum):
    """Every event boundary of an apply, in the order they can occur. Fault tests kill at each of them."""

    CREATED = "run.created"
    LEASED = "run.leased"
    OBSERVED = "plan.observed"
    CONFIRMED = "plan.confirmed"
    PART_STARTED = "part.started"
    NOTICE = "part.notice"
    PROGRESS = "part.progress"
    CHANGE_FAILED = "change.failed"
    PART_DONE = "part.done"
    HELD = "change.held"
    VERIFYING = "verify.started"
    VERIFIED = "verify.done"
    STOPPED = "run.stopped"
    FINISHED = "run.finished"


@dataclass(frozen=True)
class Event:
    """One numbered event of a run; `number` counts from 1 without gaps."""

    run: int
    number: int
    at: datetime
    type: EventType
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Stable JSON form."""
        return {
            "run": self.run,
            "number": self.number,
            "at": self.at.isoformat(),
            "type": self.type.value,
            "data": dict(self.data),
        }


@dataclass(frozen=True)
class Actor:
    """Who acts: an opaque key for the history, a name beside it."""

    key: str
    name: str
