"""Answers to hand-made changes: states that are left alone until a date, and states that were made the desired ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Table, delete, insert, select

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.run import Actor
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.tables import drift_kept, drift_overrides


@dataclass(frozen=True, slots=True)
class Kept:
    """A hand-made state that plans leave out; `observed_hash` None means that the resource is not there."""

    resource_id: str
    observed_hash: str | None
    until: datetime
    reason: str
    actor_key: str


@dataclass(frozen=True, slots=True)
class Override:
    """A found state that was accepted. It counts while the desired content still has the hash `base_hash`;
    attributes None mean that the resource shall not be there."""

    attributes: Mapping[str, Any] | None
    base_hash: str | None


class DriftRepository:
    """Keeps the answers, one a resource."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def keep(
        self, resource_id: str, observed_hash: str | None, until: datetime, reason: str, actor: Actor, service: str = ""
    ) -> None:
        """Leave a hand-made state alone until a date."""
        with self._database.write():
            self._replace(
                drift_kept,
                {
                    "resource_id": resource_id,
                    "observed_hash": observed_hash,
                    "until": until,
                    "reason": reason,
                    "actor_key": actor.key,
                    "at": self._clock(),
                },
            )
            self._answered(AuditAct.DRIFT_KEPT, resource_id, service, reason, actor, until=until.isoformat())

    def unkeep(self, resource_id: str) -> None:
        """Plan it again."""
        with self._database.write() as connection:
            connection.execute(delete(drift_kept).where(drift_kept.c.resource_id == resource_id))

    def kept(self, now: datetime) -> list[Kept]:
        """What is left alone at `now`, by id."""
        columns = drift_kept.c
        query = select(drift_kept).where(columns.until > now).order_by(columns.resource_id)
        with self._database.read() as connection:
            return [
                Kept(row.resource_id, row.observed_hash, row.until, row.reason, row.actor_key)
                for row in connection.execute(query)
            ]

    def accept(
        self,
        resource_id: str,
        attributes: Mapping[str, Any] | None,
        base_hash: str | None,
        reason: str,
        actor: Actor,
        service: str = "",
    ) -> None:
        """Make the found state the desired one. `service`: whose it is, `CODE/OFFERING`."""
        with self._database.write():
            self._replace(
                drift_overrides,
                {
                    "resource_id": resource_id,
                    "attributes": orjson.dumps(attributes).decode() if attributes is not None else None,
                    "base_hash": base_hash,
                    "reason": reason,
                    "actor_key": actor.key,
                    "at": self._clock(),
                },
            )
            self._answered(AuditAct.DRIFT_ACCEPTED, resource_id, service, reason, actor)

    def _answered(
        self, act: AuditAct, resource_id: str, service: str, reason: str, actor: Actor, **detail: str
    ) -> None:  # fmt: skip
        about, named = [Subject("resource", resource_id)], [service] if service else []
        self._audit.record(act, actor, about, services=named, reason=reason, detail=detail)

    def forget(self, resource_id: str) -> None:
        """Take an acceptance back: the declared state is the desired one again."""
        with self._database.write() as connection:
            connection.execute(delete(drift_overrides).where(drift_overrides.c.resource_id == resource_id))

    def overrides(self) -> dict[str, Override]:
        """Everything accepted, by resource id."""
        columns = drift_overrides.c
        query = select(columns.resource_id, columns.attributes, columns.base_hash)
        with self._database.read() as connection:
            return {
                row.resource_id: Override(
                    orjson.loads(row.attributes) if row.attributes is not None else None, row.base_hash
                )
                for row in connection.execute(query)
            }

    def _replace(self, table: Table, values: Mapping[str, Any]) -> None:
        with self._database.write() as connection:
            connection.execute(delete(table).where(table.c.resource_id == values["resource_id"]))
            connection.execute(insert(table).values(values))
