"""What was removed and stays for a while, with the moment from which somebody looks at it again. A run adds a row with
its outcome (`RunRepository.outcomes`). Must not say what becomes of it: the real systems know."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from control_plane.store.database import Database
from control_plane.store.tables import retirements, tenants


@dataclass(frozen=True, slots=True)
class Retirement:
    """One thing. `subscription` None: its tenant has ended, and nothing of it is left."""

    resource_id: str
    subscription: str | None


class RetirementRepository:
    """Lists them, puts them off, forgets them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime, limit: int = 500) -> list[Retirement]:
        """What is to be looked at now, the longest waiting first."""
        query = (
            select(retirements.c.resource_id, retirements.c.offering, tenants.c.code, tenants.c.ended_at)
            .join(tenants)
            .where(retirements.c.look_at <= now)
            .order_by(retirements.c.look_at, retirements.c.resource_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [
                Retirement(row.resource_id, f"{row.code}/{row.offering}" if row.ended_at is None else None)
                for row in connection.execute(query)
            ]

    def put_off(self, ids: Collection[str], until: datetime) -> None:
        """Look at these again then."""
        with self._database.write() as connection:
            connection.execute(
                update(retirements).where(retirements.c.resource_id.in_(ids)).values(look_at=until)
            )  # fmt: skip

    def forget(self, ids: Collection[str]) -> None:
        """These are gone, or wanted again."""
        with self._database.write() as connection:
            connection.execute(delete(retirements).where(retirements.c.resource_id.in_(ids)))
