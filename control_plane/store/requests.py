"""Requests in the database: content, signoffs, numbered events. Must not judge who may do what.

`step` is the only way in which one moves: it changes the row that was read (its `version`), or nothing at all, and
records the event in the same transaction. Of two decisions at once the second finds another version.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, insert, select, update

from control_plane.model import audit
from control_plane.model.errors import NotFound, StalePlan
from control_plane.model.request import (
    OPEN,
    Content,
    Letter,
    Request,
    RequestEvent,
    RequestRecord,
    RequestState,
    Signoff,
)
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.store.audit import AuditRepository, Behalf
from control_plane.store.database import Database
from control_plane.store.identity import ActorRepository, Clock
from control_plane.store.portal_tables import attachments
from control_plane.store.requests_tables import request_events, request_marks, request_signoffs, requests
from control_plane.store.tables import actors, tenants

#: Hashes of the files of a request.
_FILES = (
    select(func.aggregate_strings(attachments.c.sha256, ","))
    .where(attachments.c.request_id == requests.c.id, attachments.c.removed_at.is_(None))
    .scalar_subquery()
    .label("file_hashes")
)
#: For whom a substitute signed.
_PRINCIPAL = actors.alias("principal")


@dataclass(frozen=True, slots=True)
class Mark:
    """When somebody marked a block of a plan as looked at, and the hash of what it said."""

    content: str
    at: datetime


class RequestRepository:
    """Reads and moves requests."""

    def __init__(self, database: Database, actors_: ActorRepository, clock: Clock, audit_: AuditRepository) -> None:
        self._audit = audit_
        self._database = database
        self._actors = actors_
        self._clock = clock

    # reading ----------------------------------------------------------------------------------------------------
    def get(self, request_id: int) -> Request:
        """One request. Raises NotFound."""
        found = self._database.shared(("request", request_id), lambda: self._find(requests.c.id == request_id))
        if not found:
            raise no_such_request(str(request_id))
        return found[0]

    def list(
        self,
        *,
        tenants_: frozenset[str] | None = None,
        states: Iterable[RequestState] | None = None,
        asker: str | None = None,
        below: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Request]:
        """Newest first: of these living tenants (None: all), in these states, filed by this actor (key), with a number
        below this one."""
        where: builtins.list[Any] = []
        if tenants_ is not None:
            where += [tenants.c.code.in_(tenants_), tenants.c.ended_at.is_(None)]
        if states is not None:
            where.append(requests.c.state.in_([state.value for state in states]))
        if asker is not None:
            where.append(requests.c.asker_key == asker)
        if below is not None:
            where.append(requests.c.id < below)
        return self._find(*where, limit=limit)

    def of_ended_tenants(self, states: Iterable[RequestState]) -> Sequence[Request]:
        """Those in one of these states whose tenant is gone."""
        return self._find(tenants.c.ended_at.is_not(None), requests.c.state.in_([state.value for state in states]))

    def draft_of(self, content: Content, asker: Actor) -> Request | None:
        """Somebody's draft for the same service and action."""
        columns = requests.c
        found = self._find(
            tenants.c.code == content.tenant,
            tenants.c.ended_at.is_(None),
            columns.offering == content.offering,
            columns.action == content.action,
            columns.asker_key == asker.key,
            columns.state == RequestState.DRAFT.value,
        )
        return found[0] if found else None

    def events(self, request_id: int, after: int = 0) -> Sequence[RequestRecord]:
        """Events of one request with a number larger than `after`, in order."""
        return self._records(request_events.c.request_id == request_id, request_events.c.number > after)

    def records(self, after_seq: int = 0, limit: int = 500) -> Sequence[RequestRecord]:
        """Events of all requests that came after one, in order: for who follows (mail, audit)."""
        return self._records(request_events.c.seq > after_seq, limit=limit)

    def marks(self, request_id: int, viewer: str) -> dict[str, Mark]:
        """Block → the mark of one person (key) on it."""
        columns = request_marks.c
        query = select(request_marks).where(columns.request_id == request_id, columns.actor_key == viewer)
        with self._database.read() as connection:
            return {row.block: Mark(row.content, row.at) for row in connection.execute(query)}

    def _records(self, *where: Any, limit: int | None = None) -> Sequence[RequestRecord]:
        query = (
            select(request_events, actors.c.name)
            .outerjoin(actors, actors.c.key == request_events.c.actor_key)
            .where(*where)
            .order_by(request_events.c.seq)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [
                RequestRecord(
                    row.seq, row.request_id, row.number, row.at, RequestEvent(row.type),
                    Actor(row.actor_key, row.name) if row.actor_key else None, orjson.loads(row.data),
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def _find(self, *where: Any, limit: int | None = None) -> Sequence[Request]:
        query = (
            select(requests, actors.c.name.label("asker_name"), tenants.c.code, tenants.c.ended_at, _FILES)
            .join(actors, actors.c.key == requests.c.asker_key)
            .join(tenants, tenants.c.id == requests.c.tenant_id)
            .where(*where)
            .order_by(requests.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            signed = _signoffs(connection, [row.id for row in rows])
        return [_request(row, signed.get(row.id, ())) for row in rows]

    # writing ----------------------------------------------------------------------------------------------------
    def create(self, content: Content, asker: Actor, base_generation: int, base: Mapping[str, Any] | None) -> int:
        """A new draft of a living tenant; returns its number."""
        now = self._clock()
        with self._database.write() as connection:
            tenant_id = connection.scalar(
                select(tenants.c.id).where(tenants.c.code == content.tenant, tenants.c.ended_at.is_(None))
            )
            values = {
                "tenant_id": tenant_id,
                "offering": content.offering,
                "action": content.action,
                "asker_key": asker.key,
                "state": RequestState.DRAFT.value,
                "note": "",
                "version": 0,
                "created_at": now,
                "changed_at": now,
                "lead_days": 0,
                "clock_days": 0,
                "events": 0,
                **_columns({"tier": content.tier, "spec": content.spec, "reasons": (), "needs": (), "agreed": {}}),
                **_columns({"base_generation": base_generation, "base": base}),
            }
            return int(connection.execute(insert(requests).values(values)).inserted_primary_key[0])  # type: ignore[index]

    def step(
        self,
        request: Request,
        event: RequestEvent,
        actor: Actor | None,
        data: Mapping[str, Any],
        *,
        signoff: Signoff | None = None,
        void: Text | None = None,
        void_of: frozenset[str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Request:
        """Move the request that was read: new values of its fields, a signoff, or all signoffs void for a reason (only
        those of the actors `void_of`, keys); and record what happened. Raises StalePlan when somebody else moved it
        since it was read."""
        now = self._clock()
        with self._database.write() as connection:
            columns = requests.c
            number = int(connection.scalar(select(columns.events).where(columns.id == request.id)) or 0) + 1
            changed: dict[str, Any] = {"events": number}
            statement = update(requests).where(columns.id == request.id)
            if values or signoff is not None or void is not None:  # words alone are in nobody's way
                changed |= {"version": request.version + 1, "changed_at": now, **_columns(values or {})}
                statement = statement.where(columns.version == request.version)
            if connection.execute(statement.values(changed)).rowcount != 1:
                raise StalePlan(
                    t("{request} was changed by somebody else in the same moment.", request=request.reference),
                    t("Look at it again."),
                )
            if void is not None:
                held = [request_signoffs.c.request_id == request.id, request_signoffs.c.void_at.is_(None)]
                if void_of is not None:
                    held.append(request_signoffs.c.actor_key.in_(void_of))
                reason = _dump(void.as_json())
                connection.execute(update(request_signoffs).where(*held).values(void_at=now, void_reason=reason))
            if signoff is not None:
                connection.execute(
                    insert(request_signoffs).values(
                        request_id=request.id, role=signoff.role, actor_key=signoff.actor.key, at=now,
                        digest=signoff.digest, note=signoff.note, stands_for=signoff.stands_for,
                        for_key=signoff.substitutes.key if signoff.substitutes else None,
                        letter=_dump(asdict(signoff.letter)) if signoff.letter else None,
                    )
                )  # fmt: skip
            connection.execute(
                insert(request_events).values(
                    request_id=request.id, number=number, at=now, type=event.value,
                    actor_key=actor.key if actor else None, data=_dump(data),
                )
            )  # fmt: skip
            moved = self.get(request.id)
            if moved.submitted_at is not None:
                self._database.tell("requests")
            if event not in PRIVATE and moved.submitted_at is not None:
                self._audit.record(
                    audit.AuditAct(event.value), actor, services=[moved.content.subscription], digest=moved.digest,
                    outcome=_OUTCOMES.get(event, "done"), reason=str(data.get("text") or ""),
                    detail={
                        "state": moved.state.value, "action": moved.content.action, "class": moved.change_class,
                        "asker": moved.asker.key, "missing": list(moved.missing), "why": data.get("why"),
                        **{word: data[word] for word in ("for", "letter") if data.get(word)},
                    }, behalf=behalf_of(moved),
                )  # fmt: skip
            return moved

    def tried(self, request: Request, run_id: int | None = None) -> None:
        """Note that it was tried again (in a run) and waits for the same: nothing happened that is told to anybody."""
        values = {"tried_at": self._clock()} | ({} if run_id is None else {"run_id": run_id})
        where = (requests.c.id == request.id, requests.c.version == request.version)
        with self._database.write() as connection:
            connection.execute(update(requests).where(*where).values(values))

    def mark(self, request: Request, viewer: Actor, block: str, content: str | None) -> None:
        """Keep a mark of one person on a block, or take it away (`content` None). It is theirs alone, as a draft is."""
        columns = request_marks.c
        mine = (columns.request_id == request.id, columns.actor_key == viewer.key, columns.block == block)
        with self._database.write() as connection:
            connection.execute(delete(request_marks).where(*mine))
            if content is not None:
                connection.execute(
                    insert(request_marks).values(
                        request_id=request.id, actor_key=viewer.key, block=block, content=content, at=self._clock()
                    )
                )

    def hand_over(self, request: Request, heir: Actor) -> None:
        """Somebody else asks for it from now on."""
        with self._database.write() as connection:
            connection.execute(update(requests).where(requests.c.id == request.id).values(asker_key=heir.key))

    def busy_with(self, request: Request) -> Request | None:
        """Another request for the same service that is under way, or None."""
        found = self._find(
            tenants.c.code == request.content.tenant,
            tenants.c.ended_at.is_(None),
            requests.c.offering == request.content.offering,
            requests.c.id != request.id,
            requests.c.state.in_([state.value for state in OPEN]),
        )
        return found[0] if found else None


#: What an event is in the audit trail, when it is not simply done.
_OUTCOMES = {RequestEvent.FAILED: "failed", RequestEvent.WAITING: "waiting"}
#: A draft is its asker's own until it is submitted; so is one that is taken back before.
PRIVATE = frozenset({RequestEvent.DRAFTED, RequestEvent.SAVED})


def behalf_of(request: Request) -> Behalf:
    """What is done for a request is done on it, by the signoffs that hold."""
    signed = [audit.Signoff(s.actor.key, s.role, s.stands_for is None and s.letter is None) for s in request.holding]
    return Behalf((request.reference,), tuple(signed))


#: Fields that are JSON in the database.
_JSON = frozenset({"spec", "base", "reasons", "needs", "agreed", "why"})


def no_such_request(text: str) -> NotFound:
    """What is said of a request that is not there, or not for the person who asks."""
    return NotFound(t("There is no request “{text}”.", text=text), t("“gasp requests list” shows them."))


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        if isinstance(value, RequestState):
            value = value.value
        elif name in _JSON and value is not None:
            value = _dump(_plain(value))
        found[name] = value
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Text):
        return value.as_json()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _dump(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _sentence(stored: str | None) -> Text | None:
    return Text.from_json(orjson.loads(stored)) if stored else None


def _signoffs(connection: Connection, ids: Sequence[int]) -> dict[int, list[Signoff]]:
    columns = request_signoffs.c
    query = (
        select(request_signoffs, actors.c.name, _PRINCIPAL.c.name.label("for_name"))
        .join(actors, actors.c.key == columns.actor_key)
        .outerjoin(_PRINCIPAL, _PRINCIPAL.c.key == columns.for_key)
        .where(columns.request_id.in_(ids))
        .order_by(columns.id)
    )
    found: dict[int, list[Signoff]] = {}
    for row in connection.execute(query) if ids else ():
        found.setdefault(row.request_id, []).append(
            Signoff(
                row.role, Actor(row.actor_key, row.name), row.at, row.digest, row.note, row.stands_for, row.void_at,
                _sentence(row.void_reason), Actor(row.for_key, row.for_name) if row.for_key else None,
                Letter(**orjson.loads(row.letter)) if row.letter else None,
            )
        )  # fmt: skip
    return found


def _request(row: Any, signoffs: Sequence[Signoff]) -> Request:
    return Request(
        id=row.id,
        content=Content(row.code, row.offering, row.action, row.tier, orjson.loads(row.spec) if row.spec else None),
        note=row.note,
        state=RequestState(row.state),
        version=row.version,
        asker=Actor(row.asker_key, row.asker_name),
        created_at=row.created_at,
        changed_at=row.changed_at,
        base_generation=row.base_generation,
        base=orjson.loads(row.base) if row.base else None,
        submitted_at=row.submitted_at,
        finished_at=row.finished_at,
        change_class=row.change_class,
        reasons=tuple(Text.from_json(item) for item in orjson.loads(row.reasons)),
        needs=tuple(orjson.loads(row.needs)),
        lead_days=row.lead_days,
        clock_from=row.clock_from,
        clock_days=row.clock_days,
        digest=row.digest,
        plan_digest=row.plan_digest,
        agreed=orjson.loads(row.agreed),
        why=_sentence(row.why),
        run_id=row.run_id,
        applied_at=row.applied_at,
        tried_at=row.tried_at,
        signoffs=tuple(signoffs),
        tenant_ended=row.ended_at is not None,
        files=tuple(sorted(row.file_hashes.split(","))) if row.file_hashes else (),
    )
