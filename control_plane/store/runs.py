"""Runs: their numbered events, what became of each change, and the content last written to real systems.

Every write of a run may carry its lease's token and is refused when that is no longer the current one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound
from control_plane.model.plan import Change
from control_plane.model.ports import Outcome
from control_plane.model.resource import Resource
from control_plane.model.run import FINAL, Actor, Event, EventType, RunState
from control_plane.model.scope import parse_scope
from control_plane.model.text import Text, t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.leases import Holder, check_token, holder_columns, holder_of
from control_plane.store.run_rows import LastChange, RunChange, RunRow, read_change, read_runs
from control_plane.store.tables import actors, resource_states, retirements, run_changes, run_events, runs

_DONE = ("applied", "already")
_CHUNK = 500
#: Lists that are no longer than this are read once for a page.
FEW = 20


class RunRepository:
    """Keeps runs."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._abandoned: set[int] = set()

    def create(self, kind: str, scope: str, digest: str | None, actor: Actor, holder: Holder, total: int = 0) -> int:
        """A new run, `waiting`; returns its id. `holder`: the process that carries it out."""
        with self._database.write() as connection:
            result = connection.execute(
                insert(runs).values(
                    kind=kind,
                    scope=scope,
                    digest=digest,
                    actor_key=actor.key,
                    state=RunState.WAITING.value,
                    total=total,
                    **holder_columns(holder),
                    started_at=self._clock(),
                    stop_requested=False,
                    events=0,
                )
            )
            run_id = int(result.inserted_primary_key[0])  # type: ignore[index]
            codes = parse_scope(scope).tenants or ()
            about, detail = [Subject("run", str(run_id))], {"kind": kind, "scope": scope}
            self._audit.record(
                AuditAct.RUN_BEGAN, actor, about, tenants=codes, digest=digest, outcome="begun", detail=detail
            )
            return run_id

    def take_over(self, run_id: int, holder: Holder, fence_token: int | None = None) -> None:
        """Another process carries on a run (resume): clears its end and any wish to stop."""
        values = {
            **holder_columns(holder),
            "finished_at": None,
            "stop_requested": False,
            "state": RunState.WAITING.value,
        }
        self._update(run_id, values, fence_token)

    def append(
        self, run_id: int, events: Sequence[tuple[EventType, Mapping[str, Any]]], fence_token: int | None = None
    ) -> list[Event]:
        """Number and store events. Raises LeaseLost when `fence_token` is no longer current."""
        now = self._clock()
        with self._database.write() as connection:
            check_token(connection, fence_token)
            return _append(connection, run_id, events, now)

    def outcomes(
        self,
        run_id: int,
        outcomes: Iterable[tuple[Change, Outcome]],
        at: datetime,
        fence_token: int | None = None,
    ) -> None:
        """Record what became of changes, and what is known to be on the real systems since."""
        changes, states, gone, retiring = [], [], [], []
        for change, outcome in outcomes:
            changes.append(_change_values(run_id, change, outcome, at))
            if outcome.state not in _DONE:
                continue
            if change.after_hash is None:
                gone.append(change.id)
                if change.retires:
                    retiring.append(
                        {
                            "resource_id": change.id,
                            "tenant_id": change.tenant_id,
                            "offering": change.offering,
                            "look_at": at,
                        }
                    )
                continue
            states.append(
                {
                    "resource_id": change.id,
                    "applied_hash": change.after_hash,
                    "tenant_id": change.tenant_id,
                    "offering": change.offering,
                    "kind": change.kind,
                    "applied_at": at,
                    "run_id": run_id,
                }
            )
        with self._database.write() as connection:
            check_token(connection, fence_token)
            if changes:
                connection.execute(_upsert(connection, run_changes, ("run_id", "resource_id")), changes)
            if states:
                connection.execute(_upsert(connection, resource_states, ("resource_id",)), states)
            for start in range(0, len(gone), _CHUNK):
                chunk = gone[start : start + _CHUNK]
                connection.execute(delete(resource_states).where(resource_states.c.resource_id.in_(chunk)))
            if retiring:
                connection.execute(_upsert(connection, retirements, ("resource_id",)), retiring)

    def confirm(
        self, run_id: int, found: Iterable[tuple[Resource, str]], at: datetime, fence_token: int | None = None
    ) -> None:
        """Remember resources (with their content's hash) that were found as wanted: written by a run that was
        killed before it could say so."""
        states = [
            {
                "resource_id": resource.id,
                "applied_hash": content,
                "tenant_id": resource.owner.tenant_id,
                "offering": resource.owner.offering,
                "kind": resource.kind,
                "applied_at": at,
                "run_id": run_id,
            }
            for resource, content in found
        ]
        if states:
            with self._database.write() as connection:
                check_token(connection, fence_token)
                connection.execute(_upsert(connection, resource_states, ("resource_id",)), states)

    def set_state(
        self,
        run_id: int,
        state: RunState,
        sentence: Text | None = None,
        finished_at: datetime | None = None,
        fence_token: int | None = None,
    ) -> None:
        """Move a run to a state, with the sentence that people read."""
        values = {"state": state.value, "sentence": _text(sentence), "finished_at": finished_at}
        with self._database.write() as connection:
            self._update(run_id, values, fence_token)
            if finished_at is not None:
                self._ended(connection, run_id)

    def set_plan(self, run_id: int, digest: str, total: int, fence_token: int | None = None) -> None:
        """Say which plan a run carries out (a scope was given and is planned only now)."""
        self._update(run_id, {"digest": digest, "total": total}, fence_token)

    def request_stop(self, run_id: int, actor: Actor) -> None:
        """Ask a run to stop at its next boundary."""
        with self._database.write():
            self._update(run_id, {"stop_requested": True}, None)
            self._audit.record(AuditAct.RUN_STOP, actor, [Subject("run", str(run_id))])

    def stop_requested(self, run_id: int) -> bool:
        """Whether it was asked to."""
        with self._database.read() as connection:
            return bool(connection.scalar(select(runs.c.stop_requested).where(runs.c.id == run_id)))

    def get(self, run_id: int) -> RunRow:
        """One run. Raises NotFound."""
        with self._database.read() as connection:
            found = read_runs(connection, select(runs, actors.c.name).join(actors).where(runs.c.id == run_id))
        if not found:
            raise _unknown(run_id)
        return found[0]

    def list(self, limit: int = 50, state: str | None = None) -> Sequence[RunRow]:
        """Newest first."""
        if state is None and limit <= FEW:
            return self._database.shared("runs", lambda: self._list(FEW, None))[:limit]
        return self._list(limit, state)

    def _list(self, limit: int, state: str | None) -> Sequence[RunRow]:
        query = select(runs, actors.c.name).join(actors).order_by(runs.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(runs.c.state == state)
        with self._database.read() as connection:
            return read_runs(connection, query)

    def events(self, run_id: int, after: int = 0) -> Sequence[Event]:
        """Events with a number larger than `after`, in order."""
        columns = run_events.c
        query = select(run_events).where(columns.run_id == run_id, columns.number > after).order_by(columns.number)
        with self._database.read() as connection:
            return [
                Event(row.run_id, row.number, row.at, EventType(row.type), orjson.loads(row.data))
                for row in connection.execute(query)
            ]

    def changes(self, run_id: int) -> Sequence[RunChange]:
        """What became of its changes, by resource id."""
        query = select(run_changes).where(run_changes.c.run_id == run_id).order_by(run_changes.c.resource_id)
        with self._database.read() as connection:
            return [read_change(row) for row in connection.execute(query)]

    def last_change(self, resource_id: str) -> LastChange | None:
        """The last run that wrote or confirmed a resource."""
        columns = run_changes.c
        query = (
            select(columns.run_id, columns.at, columns.action, columns.state, actors.c.key, actors.c.name)
            .join(runs, runs.c.id == columns.run_id)
            .join(actors, actors.c.key == runs.c.actor_key)
            .where(columns.resource_id == resource_id, columns.state.in_(_DONE))
            .order_by(columns.run_id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return LastChange(row.run_id, row.at, Actor(row.key, row.name), row.action, row.state) if row else None

    def abandon(self, run_id: int) -> None:
        """This process does no more for the run, and could not write what became of it: the database was away."""
        self._abandoned.add(run_id)

    def mark_interrupted(self, alive: Callable[[Holder], bool]) -> Sequence[int]:
        """Runs that are not finished and whose process is gone, or has abandoned them, become `interrupted`; returns
        their ids."""
        now = self._clock()
        columns = runs.c
        open_runs = select(columns.id, columns.holder_pid, columns.holder_start, columns.holder_boot).where(
            columns.state.not_in([state.value for state in FINAL])
        )
        with self._database.read() as connection:
            if not connection.execute(open_runs).first():
                return []
        with self._database.write() as connection:
            dead = [
                row.id
                for row in connection.execute(open_runs.order_by(columns.id)).all()
                if row.id in self._abandoned or not alive(holder_of(row))
            ]
            for run_id in dead:
                state = RunState.INTERRUPTED.value
                _append(connection, run_id, [(EventType.FINISHED, {"state": state})], now)
                connection.execute(
                    update(runs).where(columns.id == run_id).values(state=state, finished_at=now, sentence=None)
                )
                self._ended(connection, run_id)
        self._abandoned.difference_update(dead)
        return dead

    def _ended(self, connection: Connection, run_id: int) -> None:
        """Say in the audit trail what became of a run: for whom, by which plan, on whose signoffs."""
        (row,) = read_runs(connection, select(runs, actors.c.name).join(actors).where(runs.c.id == run_id))
        columns = run_changes.c
        touched = connection.execute(
            select(columns.tenant_id, columns.offering).where(columns.run_id == run_id).distinct()
        ).all()
        run = Subject("run", str(run_id))
        about = [run, *(Subject("tenant", c.tenant_id) for c in touched)]
        about += [Subject("service", f"{c.tenant_id}/{c.offering}") for c in touched]
        counts = {state: number for state, number in row.counts.items() if number}
        named = parse_scope(row.scope).tenants or ()
        self._audit.record(
            AuditAct.RUN_ENDED, row.actor, about, tenants=named, digest=row.digest, outcome=row.state.value,
            detail={"kind": row.kind, "scope": row.scope, **counts}, behalf=self._audit.behalf_of(run),
        )  # fmt: skip

    def _update(self, run_id: int, values: Mapping[str, Any], fence_token: int | None) -> None:
        with self._database.write() as connection:
            check_token(connection, fence_token)
            if connection.execute(update(runs).where(runs.c.id == run_id).values(values)).rowcount == 0:
                raise _unknown(run_id)


def _append(
    connection: Connection, run_id: int, events: Sequence[tuple[EventType, Mapping[str, Any]]], now: datetime
) -> list[Event]:
    last = connection.scalar(select(runs.c.events).where(runs.c.id == run_id))
    if last is None:
        raise _unknown(run_id)
    numbered = [Event(run_id, last + offset, now, kind, dict(data)) for offset, (kind, data) in enumerate(events, 1)]
    if numbered:
        rows = [
            {
                "run_id": run_id,
                "number": event.number,
                "at": now,
                "type": event.type.value,
                "data": orjson.dumps(event.data, default=str).decode(),
            }
            for event in numbered
        ]
        connection.execute(insert(run_events), rows)
        connection.execute(update(runs).where(runs.c.id == run_id).values(events=last + len(numbered)))
    return numbered


def _change_values(run_id: int, change: Change, outcome: Outcome, at: datetime) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "resource_id": change.id,
        "kind": change.kind,
        "part": change.part,
        "action": change.action,
        "tenant_id": change.tenant_id,
        "tenant": change.tenant,
        "offering": change.offering,
        "before_hash": change.before_hash,
        "after_hash": change.after_hash,
        "state": outcome.state,
        "text": _text(outcome.text),
        "file": outcome.file,
        "line": outcome.line,
        "at": at,
    }


def _upsert(connection: Connection, table: Any, keys: Sequence[str]) -> Any:
    dialect: Any = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    statement = dialect.insert(table)
    new = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=new)


def _text(text: Text | None) -> str | None:
    return orjson.dumps(text.as_json()).decode() if text else None


def _unknown(run_id: int) -> NotFound:
    return NotFound(t("No run has the number {run}.", run=run_id), t("“gasp runs list” shows all of them."))
