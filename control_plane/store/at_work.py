"""What goes on just now, in one question: every page asks it. Must not judge whether a process still lives."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, literal, null, select, union_all

from control_plane.model.jobs import JobState
from control_plane.model.rollout import RolloutState
from control_plane.model.run import FINAL, RunState
from control_plane.store.jobs_tables import jobs
from control_plane.store.leases import Holder
from control_plane.store.rollouts_tables import rollouts
from control_plane.store.tables import runs

#: A rollout that waits, for a person, a window or a machine that is off, is not at work.
MOVES = (RolloutState.RUNNING, RolloutState.SOAKING, RolloutState.ROLLING_BACK)


@dataclass(frozen=True, slots=True)
class AtWork:
    """A run, a rollout, or an act of a page without a run; `holder` None: no process is on file for it."""

    kind: str
    id: int
    holder: Holder | None


def at_work(connection: Connection) -> list[AtWork]:
    """Runs first, then rollouts, then acts."""
    nobody = (null(), null(), null())
    open_, moves = [s for s in RunState if s not in FINAL], list(MOVES)
    holder, alone = (runs.c.holder_pid, runs.c.holder_start, runs.c.holder_boot), jobs.c.run_id.is_(None)
    parts = (
        select(literal("run"), runs.c.id, *holder).where(runs.c.state.in_(open_)),
        select(literal("rollout"), rollouts.c.id, *nobody).where(rollouts.c.state.in_(moves)),
        select(literal("job"), jobs.c.id, *nobody).where(jobs.c.state == JobState.RUNNING, alone),
    )
    rows = connection.execute(union_all(*parts)).all()
    return [AtWork(kind, number, Holder(*held) if held[0] else None) for kind, number, *held in rows]
