"""Rollouts: their waves, what became of each machine, and numbered events. The database is the record.

Writes of the worker carry its lease's token; a person's act and the worker's next step meet in `move`, which changes
a state only from the one that was expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, insert, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound
from control_plane.model.machine import Ring
from control_plane.model.rollout import ItemState, RolloutEvent, RolloutKind, RolloutState
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.leases import check_token
from control_plane.store.rollouts_tables import rollout_events, rollout_items, rollout_waves, rollouts
from control_plane.store.tables import actors


@dataclass(frozen=True, slots=True)
class WaveRow:
    """One wave. `before`: what its ring had; `pardoned`: a person lets it go on as it is; `confirm`: a guard's word."""

    number: int
    title: str
    ring: Ring | None
    before: str | None = None
    started_at: datetime | None = None
    published_at: datetime | None = None
    settled_at: datetime | None = None
    finished_at: datetime | None = None
    run_id: int | None = None
    confirm: str | None = None
    pardoned: bool = False


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One machine (its id) or subscription (`fgw/internet`). `touched`: something was tried on it, or may have been.

    `wish` and `before` of a configuration: `{tier, spec}` to be made desired, and what was desired before.
    """

    item: str
    wave: int
    name: str
    tenant: str
    ring: Ring | None
    state: ItemState = ItemState.PENDING
    text: Text | None = None
    fault: str | None = None
    touched: bool = False
    at: datetime | None = None
    wish: Mapping[str, Any] | None = None
    before: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout. `thresholds` are as stored: whoever reads them must expect that they cannot be read. `attempts`: how
    often the step that began at the place `attempted` was begun and did not end."""

    id: int
    kind: RolloutKind
    title: str
    snapshot: str | None
    state: RolloutState
    wave: int
    thresholds: str
    reason: str
    ignore_windows: str | None
    not_before: datetime | None
    why: Text | None
    until: datetime | None
    paused_from: RolloutState | None
    actor: Actor
    created_at: datetime
    finished_at: datetime | None
    caught_up_at: datetime | None
    attempts: int = 0
    attempted: str | None = None
    waves: Sequence[WaveRow] = ()


@dataclass(frozen=True, slots=True)
class EventRow:
    """One numbered event; `actor` is None for what the worker did by itself."""

    number: int
    at: datetime
    type: RolloutEvent
    data: Mapping[str, Any]
    actor: str | None


#: Events that the audit trail has too: what people decided, and where a rollout came to a halt or an end.
_ACTS = {
    RolloutEvent.CREATED: AuditAct.ROLLOUT_CREATED,
    RolloutEvent.RELEASED: AuditAct.ROLLOUT_RELEASED,
    RolloutEvent.PAUSED: AuditAct.ROLLOUT_PAUSED,
    RolloutEvent.RESUMED: AuditAct.ROLLOUT_RESUMED,
    RolloutEvent.WAITING: AuditAct.ROLLOUT_WAITING,
    RolloutEvent.STOPPED: AuditAct.ROLLOUT_STOPPED,
    RolloutEvent.ABORTED: AuditAct.ROLLOUT_ABORTED,
    RolloutEvent.ROLLING_BACK: AuditAct.ROLLOUT_BACK,
    RolloutEvent.ENDED: AuditAct.ROLLOUT_ENDED,
}
#: How they are marked there, when they are not simply done.
_HALTED = {RolloutEvent.WAITING: "waiting", RolloutEvent.STOPPED: "stopped"}


class RolloutRepository:
    """Keeps rollouts."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def create(
        self,
        kind: RolloutKind,
        title: str,
        snapshot: str | None,
        thresholds: Mapping[str, str],
        reason: str,
        ignore_windows: str | None,
        not_before: datetime | None,
        waves: Sequence[WaveRow],
        items: Sequence[ItemRow],
        actor: Actor,
    ) -> int:
        """A new draft; returns its id."""
        with self._database.write() as connection:
            result = connection.execute(
                insert(rollouts).values(
                    kind=kind, title=title, snapshot=snapshot, state=RolloutState.DRAFT.value, wave=0,
                    thresholds=orjson.dumps(thresholds).decode(), reason=reason, ignore_windows=ignore_windows,
                    not_before=not_before, actor_key=actor.key, created_at=self._clock(), events=0,
                )
            )  # fmt: skip
            rollout_id = int(result.inserted_primary_key[0])  # type: ignore[index]
            connection.execute(
                insert(rollout_waves),
                [
                    {"rollout_id": rollout_id, "number": w.number, "title": w.title, "ring": w.ring, "pardoned": False}
                    for w in waves
                ],
            )
            connection.execute(insert(rollout_items), [_item_values(rollout_id, item) for item in items])
        return rollout_id

    def get(self, rollout_id: int) -> RolloutRow:
        """One rollout with its waves. Raises NotFound."""
        with self._database.read() as connection:
            found = _rows(connection, select(rollouts, actors.c.name).join(actors).where(rollouts.c.id == rollout_id))
        if not found:
            raise NotFound(
                t("No rollout has the number {id}.", id=rollout_id), t("“gasp rollouts list” shows all of them.")
            )
        return found[0]

    def list(self, states: Iterable[RolloutState] | None = None) -> Sequence[RolloutRow]:
        """Newest first; with `states` only those in one of them."""
        query = select(rollouts, actors.c.name).join(actors).order_by(rollouts.c.id.desc())
        if states is not None:
            query = query.where(rollouts.c.state.in_([state.value for state in states]))
        with self._database.read() as connection:
            return _rows(connection, query)

    def items(self, rollout_id: int, wave: int | None = None) -> Sequence[ItemRow]:
        """Machines (or subscriptions), by wave and name."""
        columns = rollout_items.c
        query = select(rollout_items).where(columns.rollout_id == rollout_id).order_by(columns.wave, columns.name)
        if wave is not None:
            query = query.where(columns.wave == wave)
        with self._database.read() as connection:
            return [_item(row) for row in connection.execute(query)]

    def counts(self, rollout_ids: Sequence[int]) -> dict[int, dict[int, dict[str, int]]]:
        """Rollout id → wave → how many items are in which state."""
        if not rollout_ids:
            return {}
        columns = rollout_items.c
        query = (
            select(columns.rollout_id, columns.wave, columns.state, func.count().label("n"))
            .where(columns.rollout_id.in_(rollout_ids))
            .group_by(columns.rollout_id, columns.wave, columns.state)
        )
        found: dict[int, dict[int, dict[str, int]]] = {rollout_id: {} for rollout_id in rollout_ids}
        with self._database.read() as connection:
            for row in connection.execute(query):
                found[row.rollout_id].setdefault(row.wave, {})[row.state] = row.n
        return found

    def state(self, rollout_id: int) -> RolloutState:
        """Where it is now; one small read, asked before each machine is touched."""
        with self._database.read() as connection:
            return RolloutState(
                connection.execute(select(rollouts.c.state).where(rollouts.c.id == rollout_id)).scalar_one()
            )

    def move(
        self,
        rollout_id: int,
        expected: Iterable[RolloutState],
        state: RolloutState,
        *,
        why: Text | None = None,
        until: datetime | None = None,
        token: int | None = None,
        **values: Any,
    ) -> bool:
        """Change the state, unless somebody else has changed it from the expected ones; returns whether it was done."""
        values |= {"state": state.value, "why": _text(why), "until": until}
        with self._database.write() as connection:
            check_token(connection, token)
            columns = rollouts.c
            statement = update(rollouts).where(
                columns.id == rollout_id, columns.state.in_([one.value for one in expected])
            )
            self._database.tell("rollouts")
            return connection.execute(statement.values(values)).rowcount == 1

    def note(self, rollout_id: int, token: int | None = None, **values: Any) -> None:
        """Change fields of a rollout that are no state."""
        with self._database.write() as connection:
            check_token(connection, token)
            if "why" in values:
                values["why"] = _text(values["why"])
            connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(values))

    def set_wave(self, rollout_id: int, number: int, token: int | None = None, **values: Any) -> None:
        """Change fields of a wave."""
        columns = rollout_waves.c
        with self._database.write() as connection:
            check_token(connection, token)
            connection.execute(
                update(rollout_waves).where(columns.rollout_id == rollout_id, columns.number == number).values(values)
            )

    def open_wave(self, rollout_id: int, number: int, ring: Ring, token: int | None = None) -> None:
        """One more wave, for a ring; those from its number on, and their items, come one later."""
        waves, items = rollout_waves.c, rollout_items.c
        with self._database.write() as connection:
            check_token(connection, token)
            later = select(waves.number).where(waves.rollout_id == rollout_id, waves.number >= number)
            for old in sorted(connection.scalars(later), reverse=True):  # one after the other: a number is a key
                one = update(rollout_waves).where(waves.rollout_id == rollout_id, waves.number == old)
                connection.execute(one.values(number=old + 1))
            theirs = update(rollout_items).where(items.rollout_id == rollout_id, items.wave >= number)
            connection.execute(theirs.values(wave=items.wave + 1))
            values = {"number": number, "title": ring.name.lower(), "ring": ring, "pardoned": False}
            connection.execute(insert(rollout_waves).values(rollout_id=rollout_id, **values))

    def join(self, rollout_id: int, item: ItemRow, token: int | None = None) -> None:
        """Another machine or subscription, in the state it has; one that left and is back takes its old place."""
        columns = rollout_items.c
        values = {
            **_item_values(rollout_id, item),
            "touched": item.touched,
            "text": _text(item.text),
            "at": self._clock(),
        }
        with self._database.write() as connection:
            check_token(connection, token)
            same = (columns.rollout_id == rollout_id, columns.item == item.item)
            connection.execute(delete(rollout_items).where(*same, columns.state == ItemState.REMOVED.value))
            connection.execute(insert(rollout_items).values(values))

    def set_item(
        self,
        rollout_id: int,
        item: str,
        state: ItemState,
        text: Text | None = None,
        fault: str | None = None,
        *,
        touched: bool | None = None,
        token: int | None = None,
    ) -> None:
        """Record what became of one machine."""
        values: dict[str, Any] = {"state": state.value, "text": _text(text), "fault": fault, "at": self._clock()}
        if touched is not None:
            values["touched"] = touched
        columns = rollout_items.c
        with self._database.write() as connection:
            check_token(connection, token)
            connection.execute(
                update(rollout_items).where(columns.rollout_id == rollout_id, columns.item == item).values(values)
            )

    def reopen(self, rollout_id: int, wave: int, states: Iterable[ItemState], token: int | None = None) -> int:
        """Machines of a wave in one of these states are to be done again; returns how many."""
        columns = rollout_items.c
        with self._database.write() as connection:
            check_token(connection, token)
            statement = update(rollout_items).where(
                columns.rollout_id == rollout_id,
                columns.wave == wave,
                columns.state.in_([state.value for state in states]),
            )
            return connection.execute(statement.values(state=ItemState.PENDING.value, text=None, fault=None)).rowcount

    def append(
        self,
        rollout_id: int,
        type_: RolloutEvent,
        data: Mapping[str, Any],
        actor: Actor | None = None,
        token: int | None = None,
    ) -> int:
        """Record one event; returns its number."""
        with self._database.write() as connection:
            check_token(connection, token)
            number = int(connection.scalar(select(rollouts.c.events).where(rollouts.c.id == rollout_id)) or 0) + 1
            connection.execute(
                insert(rollout_events).values(
                    rollout_id=rollout_id, number=number, at=self._clock(), type=type_.value,
                    data=orjson.dumps(data, default=str).decode(), actor_key=actor.key if actor else None,
                )
            )  # fmt: skip
            connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(events=number))
            act = _ACTS.get(type_)
            if act is not None:
                columns = rollout_items.c
                whose = connection.scalars(select(columns.tenant).where(columns.rollout_id == rollout_id).distinct())
                self._audit.record(
                    act, actor, [Subject("rollout", str(rollout_id))], tenants=[code for code in whose if code],
                    reason=str(data.get("reason") or ""), detail={k: v for k, v in data.items() if k != "reason" and v},
                    outcome=str(data.get("state") or _HALTED.get(type_, "done")),
                )  # fmt: skip
        return number

    def events(self, rollout_id: int, after: int = 0) -> Sequence[EventRow]:
        """Events with a number larger than `after`, in order."""
        columns = rollout_events.c
        query = (
            select(rollout_events, actors.c.name)
            .outerjoin(actors, actors.c.key == columns.actor_key)
            .where(columns.rollout_id == rollout_id, columns.number > after)
            .order_by(columns.number)
        )
        with self._database.read() as connection:
            return [
                EventRow(row.number, row.at, RolloutEvent(row.type), orjson.loads(row.data), row.name)
                for row in connection.execute(query)
            ]


def _rows(connection: Connection, query: Any) -> list[RolloutRow]:
    found = [
        RolloutRow(
            row.id, row.kind, row.title, row.snapshot, RolloutState(row.state), row.wave, row.thresholds, row.reason,
            row.ignore_windows, row.not_before, _sentence(row.why), row.until,
            RolloutState(row.paused_from) if row.paused_from else None, Actor(row.actor_key, row.name),
            row.created_at, row.finished_at, row.caught_up_at, row.attempts, row.attempted,
        )
        for row in connection.execute(query)
    ]  # fmt: skip
    columns = rollout_waves.c
    waves: dict[int, list[WaveRow]] = {row.id: [] for row in found}
    if not waves:
        return []
    statement = select(rollout_waves).where(columns.rollout_id.in_(waves)).order_by(columns.number)
    for row in connection.execute(statement):
        waves[row.rollout_id].append(
            WaveRow(
                row.number, row.title, Ring(row.ring) if row.ring is not None else None, row.before, row.started_at,
                row.published_at, row.settled_at, row.finished_at, row.run_id, row.confirm, row.pardoned,
            )
        )  # fmt: skip
    return [replace(row, waves=tuple(waves[row.id])) for row in found]


def _item(row: Any) -> ItemRow:
    return ItemRow(
        row.item, row.wave, row.name, row.tenant, Ring(row.ring) if row.ring is not None else None,
        ItemState(row.state), _sentence(row.text), row.fault, row.touched, row.at,
        orjson.loads(row.wish) if row.wish else None, orjson.loads(row.before) if row.before else None,
    )  # fmt: skip


def _item_values(rollout_id: int, item: ItemRow) -> dict[str, Any]:
    return {
        "rollout_id": rollout_id,
        "item": item.item,
        "wave": item.wave,
        "name": item.name,
        "tenant": item.tenant,
        "ring": item.ring,
        "state": item.state.value,
        "touched": False,
        "wish": orjson.dumps(item.wish).decode() if item.wish is not None else None,
        "before": orjson.dumps(item.before).decode() if item.before is not None else None,
    }


def _text(text: Text | None) -> str | None:
    return orjson.dumps(text.as_json()).decode() if text is not None else None


def _sentence(stored: str | None) -> Text | None:
    return Text.from_json(orjson.loads(stored)) if stored else None
