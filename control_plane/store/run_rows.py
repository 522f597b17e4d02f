"""Rows of runs as the rest of the product knows them, and how they are read from the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from control_plane.model.run import Actor, RunState
from control_plane.model.text import Text
from control_plane.store.tables import run_changes

STATES = ("applied", "already", "refused", "failed", "held", "unknown")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `counts`: changes by state, and `total`, the number its plan had."""

    id: int
    kind: str
    scope: str
    digest: str | None
    actor: Actor
    state: RunState
    sentence: Text | None
    started_at: datetime
    finished_at: datetime | None
    stop_requested: bool
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RunChange:
    """What became of one change of a run."""

    run: int
    resource_id: str
    kind: str
    part: str
    action: str
    tenant_id: str
    tenant: str
    offering: str
    before_hash: str | None
    after_hash: str | None
    state: str
    text: Text | None
    file: str | None
    line: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last time that we changed (or confirmed) a resource."""

    run: int
    at: datetime
    actor: Actor
    action: str
    state: str

    @property
    def actor_name(self) -> str:
        """Who did it, for people."""
        return self.actor.name


def read_runs(connection: Connection, query: Any) -> list[RunRow]:
    """What a query over `runs` with their actors' names finds, each with the counts of its changes."""
    found = connection.execute(query).all()
    counts: dict[int, dict[str, int]] = {row.id: dict.fromkeys(STATES, 0) for row in found}
    if not counts:
        return []
    columns = run_changes.c
    grouped = (
        select(columns.run_id, columns.state, func.count().label("n"))
        .where(columns.run_id.in_(counts))
        .group_by(columns.run_id, columns.state)
    )
    for row in connection.execute(grouped):
        counts[row.run_id][row.state] = row.n
    return [
        RunRow(
            row.id,
            row.kind,
            row.scope,
            row.digest,
            Actor(row.actor_key, row.name),
            RunState(row.state),
            _sentence(row.sentence),
            row.started_at,
            row.finished_at,
            row.stop_requested,
            {**counts[row.id], "total": max(row.total, sum(counts[row.id].values()))},
        )
        for row in found
    ]


def read_change(row: Any) -> RunChange:
    """A row of `run_changes`."""
    return RunChange(
        row.run_id,
        row.resource_id,
        row.kind,
        row.part,
        row.action,
        row.tenant_id,
        row.tenant,
        row.offering,
        row.before_hash,
        row.after_hash,
        row.state,
        _sentence(row.text),
        row.file,
        row.line,
        row.at,
    )


def _sentence(text: str | None) -> Text | None:
    return Text.from_json(orjson.loads(text)) if text else None
