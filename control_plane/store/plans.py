"""Stored plans. Content of personal kinds lies apart from the body, so that it can be erased: the digest
covers hashes only and still verifies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from control_plane.model.errors import NotFound
from control_plane.model.plan import Plan
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.tables import change_payloads, plans, runs

SHORTEST_PREFIX = 6
#: So many plans are kept that no run has used.
UNUSED_PLANS = 200
_PREFIX = re.compile(r"^[0-9a-f]{6,64}$")


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as it was saved; `body` is `Plan.as_json()`, without the personal content that was erased since.
    `restore`: what of whom goes back to when, if it is such a plan."""

    digest: str
    scope: str
    created_at: datetime
    actor_key: str
    body: dict[str, Any]
    undo_of: int | None = None
    restore: dict[str, Any] | None = None

    def verifies(self) -> bool:
        """Whether the digest is that of the stored changes (see `model.plan.digest_of`)."""
        rows = [
            [c["action"], c["kind"], c["id"], c["before_hash"], c["after_hash"], c["in_the_way"]]
            for c in self.body["changes"]
        ]
        rows.sort(key=lambda row: (row[2] or "", row[0] or ""))
        return hashlib.sha256(orjson.dumps([self.scope, rows])).hexdigest() == self.digest


@dataclass(frozen=True, slots=True)
class NewestPlan:
    """Head and counts of a plan."""

    digest: str
    scope: str
    created_at: datetime
    summary: dict[str, int]


class PlanRepository:
    """Keeps plans by digest."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._newest: NewestPlan | None = None

    def save(
        self,
        plan: Plan,
        actor: Actor,
        personal: Collection[str] | None = None,
        undo_of: int | None = None,
        restore: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a plan (once more: its time and actor are the newest).

        `personal`: kinds whose content can be erased (None: every kind); `undo_of`: the run that the plan takes back;
        `restore`: what it brings back of whom.
        """
        body = plan.as_json()
        payloads = []
        for position, change in enumerate(body["changes"]):
            if personal is None or change["kind"] in personal:
                payloads.append(
                    {
                        "digest": plan.digest,
                        "position": position,
                        "resource_id": change["id"],
                        "label": change["label"],
                        "before": _json(change["before"]),
                        "after": _json(change["after"]),
                    }
                )
                change |= {"label": change["id"], "before": None, "after": None}
        values = {
            "scope": plan.scope,
            "actor_key": actor.key,
            "created_at": self._clock(),
            "body": orjson.dumps(body).decode(),
            "undo_of": undo_of,
            "restore": None if restore is None else orjson.dumps(restore).decode(),
        }
        with self._database.write() as connection:
            found = connection.execute(update(plans).where(plans.c.digest == plan.digest).values(values))
            if found.rowcount == 0:
                connection.execute(insert(plans).values(digest=plan.digest, **values))
                _prune(connection)
            connection.execute(delete(change_payloads).where(change_payloads.c.digest == plan.digest))
            if payloads:
                connection.execute(insert(change_payloads), payloads)

    def load(self, prefix: str) -> StoredPlan:
        """The plan whose digest begins with `prefix` (6 characters or more). Raises NotFound, also when several do."""
        wanted = prefix.strip().lower()
        return self._database.shared(("plan", wanted), lambda: self._load(prefix, wanted))

    def _load(self, prefix: str, wanted: str) -> StoredPlan:
        with self._database.read() as connection:
            rows = []
            if _PREFIX.match(wanted):
                query = select(plans).where(plans.c.digest >= wanted, plans.c.digest < wanted + "g").limit(2)
                rows = list(connection.execute(query))
            if len(rows) != 1:
                raise _not_found(prefix, several=len(rows) > 1)
            row = rows[0]
            body = orjson.loads(row.body)
            query = select(change_payloads).where(change_payloads.c.digest == row.digest)
            for payload in connection.execute(query):
                body["changes"][payload.position] |= {
                    "label": payload.label,
                    "before": orjson.loads(payload.before),
                    "after": orjson.loads(payload.after),
                }
        return _stored(row, body)

    def erase(self, resource_id: str) -> int:
        """Forget the personal content of one resource in all stored plans; returns how many changes that were."""
        with self._database.write() as connection:
            query = delete(change_payloads).where(change_payloads.c.resource_id == resource_id)
            return connection.execute(query).rowcount

    def newest(self) -> NewestPlan | None:
        """Head and counts of the plan that was saved last. The body of a large plan is read once."""
        columns = plans.c
        query = select(columns.digest, columns.scope, columns.created_at).order_by(
            columns.created_at.desc(), columns.digest
        )
        with self._database.read() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
            if row is None:
                return None
            if self._newest is None or (self._newest.digest, self._newest.created_at) != (row.digest, row.created_at):
                body = connection.scalar(select(columns.body).where(columns.digest == row.digest))
                self._newest = NewestPlan(row.digest, row.scope, row.created_at, orjson.loads(body or "{}")["summary"])
            return self._newest


def _stored(row: Any, body: dict[str, Any]) -> StoredPlan:
    restore = orjson.loads(row.restore) if row.restore else None
    return StoredPlan(row.digest, row.scope, row.created_at, row.actor_key, body, row.undo_of, restore)


def _prune(connection: Connection) -> None:
    used = select(runs.c.digest).where(runs.c.digest.is_not(None))
    unused = select(plans.c.digest).where(plans.c.digest.not_in(used))
    old = unused.order_by(plans.c.created_at.desc(), plans.c.digest).offset(UNUSED_PLANS).limit(1000)
    gone = list(connection.scalars(old))
    if gone:
        connection.execute(delete(change_payloads).where(change_payloads.c.digest.in_(gone)))
        connection.execute(delete(plans).where(plans.c.digest.in_(gone)))


def _not_found(prefix: str, *, several: bool) -> NotFound:
    if several:
        return NotFound(t("Several plans begin with “{prefix}”.", prefix=prefix), t("Give more characters."))
    return NotFound(
        t("No plan has the digest “{prefix}”.", prefix=prefix),
        t("Give at least {count} characters of a digest that “gasp plan” printed.", count=SHORTEST_PREFIX),
    )


def _json(content: Any) -> str:
    return orjson.dumps(content).decode()
