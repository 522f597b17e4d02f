"""The audit trail in the database: who did what, when, to what, on whose signoff, and what became of it.

`record` is the one way in. It joins the transaction of the act, so that neither is without the other. An entry holds
the hash of the one before; triggers let the table only grow. Must not hold names of people: they are looked up by key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Select, func, insert, or_, select

from control_plane.model.audit import FIRST, AuditAct, AuditEntry, AuditQuery, Signoff, Subject, chained
from control_plane.model.run import Actor
from control_plane.store.audit_tables import audit_entries, audit_subjects
from control_plane.store.database import Database
from control_plane.store.identity import ActorRepository, Clock
from control_plane.store.people_tables import grants
from control_plane.store.requests_tables import requests
from control_plane.store.tables import actors, tenants

#: Who acts when nobody does: the worker carries on what people released; nobody has proved who they are at a sign-in.
BY_ITSELF, STRANGER = "system:worker", "system:sign-in"
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Behalf:
    """On which requests, and by whose signoffs, something is done."""

    requests: Sequence[str] = ()
    signoffs: Sequence[Signoff] = ()


_BEHALF: ContextVar[Behalf | None] = ContextVar("behalf", default=None)


class AuditRepository:
    """Records, finds and verifies entries. `tell` hears each, in its transaction."""

    def __init__(
        self, database: Database, actors_: ActorRepository, clock: Clock, tell: Callable[[AuditEntry], None]
    ) -> None:
        self._database = database
        self._actors = actors_
        self._clock = clock
        self._tell = tell

    @contextmanager
    def under(self, behalf: Behalf) -> Iterator[None]:
        """What this thread records inside was done on these requests, by these signoffs."""
        token = _BEHALF.set(behalf)
        try:
            yield
        finally:
            _BEHALF.reset(token)

    def record(
        self,
        act: AuditAct,
        actor: Actor | None,
        subjects: Iterable[Subject] = (),
        *,
        tenants: Iterable[str] = (),
        services: Iterable[str] = (),
        digest: str | None = None,
        outcome: str = "done",
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
        signoffs: Sequence[Signoff] = (),
        behalf: Behalf | None = None,
    ) -> int:
        """Append an entry; inside a transaction it is part of it. Returns its number.

        `actor` None: the control plane by itself. `tenants` are codes, `services` `CODE/OFFERING`, of the tenants that
        have these codes now; `behalf`: by default what `under` says.
        """
        behalf = behalf or _BEHALF.get() or Behalf()
        with self._database.write() as connection:
            actor = actor or self._actors.get(BY_ITSELF)
            about = {*subjects, *_by_code(connection, tenants, services)}
            about |= {Subject("request", reference) for reference in behalf.requests}
            columns = audit_entries.c
            last = connection.execute(
                select(columns.number, columns.hash).order_by(columns.number.desc()).limit(1)
            ).one_or_none()
            number, former = (last.number + 1, last.hash) if last else (1, FIRST)
            at = self._clock()
            entry = AuditEntry(
                number, at, act.value, actor.key, _roles(connection, actor.key, at), (*behalf.signoffs, *signoffs),
                sorted(about), digest, outcome, reason.strip()[:2000], behalf.requests, dict(detail or {}), former, "",
            )  # fmt: skip
            body = entry.body()
            connection.execute(
                insert(audit_entries).values(
                    number=number, at=at, act=act.value, actor_key=actor.key, body=body, former=former,
                    hash=chained(number, at, act.value, actor.key, body, former),
                )
            )  # fmt: skip
            if about:
                rows = [{"number": number, "kind": s.kind, "value": s.value} for s in entry.subjects]
                connection.execute(insert(audit_subjects), rows)
            self._tell(entry)
        return number

    def behalf_of(self, subject: Subject) -> Behalf | None:
        """On whose behalf something was begun that another process now ends: as its newest entry says."""
        found = self.find(AuditQuery(subjects=frozenset({subject.value}), kind=subject.kind, limit=1))
        return Behalf(found[0].requests, found[0].signoffs) if found else None

    def find(self, asked: AuditQuery) -> list[AuditEntry]:
        """Entries that fit, newest first."""
        with self._database.read() as connection:
            return list(_entries(connection, _query(asked)))

    def last(self) -> int:
        """Number of the newest entry; 0 without one."""
        with self._database.read() as connection:
            return int(connection.scalar(select(func.max(audit_entries.c.number))) or 0)

    def after(self, number: int, limit: int) -> list[AuditEntry]:
        """Entries with larger numbers, oldest first; at most so many."""
        columns = audit_entries.c
        query = select(audit_entries).where(columns.number > number).order_by(columns.number).limit(limit)
        with self._database.read() as connection:
            return list(_entries(connection, query))

    def names(self, keys: Iterable[str]) -> dict[str, str]:
        """Names behind keys; one whose name was erased is missing."""
        wanted, found = sorted(set(keys)), dict[str, str]()
        with self._database.read() as connection:
            for start in range(0, len(wanted), _CHUNK):
                query = select(actors.c.key, actors.c.name).where(actors.c.key.in_(wanted[start : start + _CHUNK]))
                found |= dict(map(tuple, connection.execute(query)))
        return found

    def keys(self, name: str) -> frozenset[str]:
        """Keys of everybody who is called so: `directory:wang`, `wang`, or the key itself."""
        columns = actors.c
        query = select(columns.key, columns.name)
        with self._database.read() as connection:
            return frozenset(
                row.key
                for row in connection.execute(query)
                if name.casefold() in (row.key, row.name.casefold(), row.name.partition(":")[2].casefold())
            )

    def codes(self) -> dict[str, tuple[str, bool]]:
        """Every tenant that ever was: id → code, and whether it ended."""
        query = select(tenants.c.id, tenants.c.code, tenants.c.ended_at)
        with self._database.read() as connection:
            return {row.id: (row.code, row.ended_at is not None) for row in connection.execute(query)}

    def asked_by(self, tenant: str, numbers: Iterable[int]) -> frozenset[int]:
        """Those of these requests that are a tenant's (opaque id)."""
        wanted, found = sorted(set(numbers)), set[int]()
        with self._database.read() as connection:
            for start in range(0, len(wanted), _CHUNK):
                mine = requests.c.tenant_id == tenant, requests.c.id.in_(wanted[start : start + _CHUNK])
                found |= set(connection.scalars(select(requests.c.id).where(*mine)))
        return frozenset(found)

    def faults(self) -> tuple[int, str, list[tuple[int, str]]]:
        """Verify everything: (number of entries, hash of the last one, [(number, fault)]). Faults: `changed`,
        `missing` (one or several before this number), `unchained`, `subjects` (found under others than it says)."""
        columns, found = audit_entries.c, list[tuple[int, str]]()
        former, number, count = FIRST, 0, 0
        with self._database.read() as connection:
            beside: dict[int, set[tuple[str, str]]] = {}
            for row in connection.execute(select(audit_subjects)):
                beside.setdefault(row.number, set()).add((row.kind, row.value))
            for row in connection.execute(select(audit_entries).order_by(columns.number)):
                count += 1
                if row.number != number + 1:
                    found.append((row.number, "missing"))
                elif row.former != former:
                    found.append((row.number, "unchained"))
                whole = chained(row.number, row.at, row.act, row.actor_key, row.body, row.former) == row.hash
                if not whole:
                    found.append((row.number, "changed"))
                elif {(k, v) for k, v in orjson.loads(row.body)["subjects"]} != beside.pop(row.number, set()):
                    found.append((row.number, "subjects"))
                former, number = row.hash, row.number
        return count, former, found


def _by_code(connection: Connection, codes: Iterable[str], services: Iterable[str]) -> set[Subject]:
    split = [service.partition("/")[::2] for service in services]
    wanted = {*codes, *(code for code, _ in split)}
    if not wanted:
        return set()
    columns = tenants.c
    query = select(columns.code, columns.id).where(columns.ended_at.is_(None))
    ids = dict(map(tuple, connection.execute(query)))
    found = {Subject("tenant", ids[code]) for code in wanted if code in ids}
    return found | {Subject("service", f"{ids[code]}/{offering}") for code, offering in split if code in ids}


def _roles(connection: Connection, key: str, at: Any) -> list[str]:
    columns = grants.c
    query = select(columns.role, columns.tenant_id).where(
        columns.person_key == key,
        columns.revoked_at.is_(None),
        columns.since <= at,
        or_(columns.until.is_(None), columns.until > at),
    )
    return sorted({f"{row.role}/{row.tenant_id}" if row.tenant_id else row.role for row in connection.execute(query)})


def _about(values: frozenset[str], kind: str | None = None) -> Any:
    columns = audit_subjects.c
    found = select(columns.number).where(columns.value.in_(sorted(values)))
    return audit_entries.c.number.in_(found.where(columns.kind == kind) if kind else found)


def _query(asked: AuditQuery) -> Select[Any]:
    columns = audit_entries.c
    query = select(audit_entries).order_by(columns.number.desc())
    if asked.tenants is not None:
        query = query.where(_about(asked.tenants, "tenant"))
    if asked.subjects is not None:
        query = query.where(_about(asked.subjects, asked.kind))
    if asked.actors is not None:
        query = query.where(columns.actor_key.in_(sorted(asked.actors)))
    if asked.act is not None:
        family = columns.act.startswith(f"{asked.act}.", autoescape=True)
        query = query.where(or_(columns.act == asked.act, family))
    if asked.since is not None:
        query = query.where(columns.at >= asked.since)
    if asked.until is not None:
        query = query.where(columns.at < asked.until)
    if asked.before is not None:
        query = query.where(columns.number < asked.before)
    return query.limit(asked.limit) if asked.limit is not None else query


def _entries(connection: Connection, query: Select[Any]) -> Iterator[AuditEntry]:
    for row in connection.execute(query):
        body = orjson.loads(row.body)
        yield AuditEntry(
            row.number, row.at, row.act, row.actor_key, body["roles"], [Signoff(*s) for s in body["signoffs"]],
            [Subject(*s) for s in body["subjects"]], body["digest"], body["outcome"], body["reason"], body["requests"],
            body["detail"], row.former, row.hash,
        )  # fmt: skip
