"""Reviews of departments' people in the database. Steps are transactions."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import insert, select, update

from control_plane.model.audit import AuditAct
from control_plane.model.people_review import Review
from control_plane.model.run import Actor
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.reviews_tables import people_reviews
from control_plane.store.tables import actors, tenants


class ReviewRepository:
    """Keeps reviews; those of departments that ended are in no list."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def begin(self, tenant_id: str, quarter: str, due_at: datetime) -> bool:
        """Ask a department; whether it was not asked in this quarter before. Who moved is forgotten then."""
        with self._database.write() as connection:
            columns = people_reviews.c
            known = select(columns.id).where(columns.tenant_id == tenant_id, columns.quarter == quarter)
            if connection.scalar(known) is not None:
                return False
            connection.execute(update(people_reviews).where(columns.tenant_id == tenant_id).values(moves=None))
            values = {"tenant_id": tenant_id, "quarter": quarter, "opened_at": self._clock(), "due_at": due_at}
            connection.execute(insert(people_reviews).values(values))
            return True

    def list(self, tenant: str | None = None) -> builtins.list[Review]:
        """Newest first; of one living department or of all."""
        query = (
            select(people_reviews, tenants.c.code, actors.c.name.label("by"))
            .join(tenants, tenants.c.id == people_reviews.c.tenant_id)
            .outerjoin(actors, actors.c.key == people_reviews.c.decided_by)
            .where(tenants.c.ended_at.is_(None))
            .order_by(people_reviews.c.id.desc())
        )
        if tenant is not None:
            query = query.where(tenants.c.code == tenant)
        with self._database.read() as connection:
            return [_review(row) for row in connection.execute(query)]

    def decide(self, review: Review, counts: Mapping[str, int], moves: Mapping[str, str], by: Actor) -> None:
        """It is done, and every one of this department before it."""
        columns = people_reviews.c
        values = {"decided_at": self._clock(), "decided_by": by.key}
        open_ = columns.tenant_id == review.tenant_id, columns.decided_at.is_(None)
        with self._database.write() as connection:
            said = {"counts": orjson.dumps(counts).decode(), "moves": orjson.dumps(moves).decode()}
            connection.execute(update(people_reviews).where(columns.id == review.id).values(said))
            connection.execute(update(people_reviews).where(*open_).values(values))
            detail = {"quarter": review.quarter, **counts}
            self._audit.record(AuditAct.PEOPLE_REVIEWED, by, tenants=[review.tenant], detail=detail)


def _review(row: Any) -> Review:
    return Review(
        row.id, row.code, row.tenant_id, row.quarter, row.opened_at, row.due_at, row.decided_at, row.by,
        orjson.loads(row.counts or "{}"), orjson.loads(row.moves or "{}"),
    )  # fmt: skip
