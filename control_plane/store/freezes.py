"""Freezes in the database. Whoever changes hosts asks `check` (or a `fence`) before each host and each write: one
small read of the few freezes that are in force, so that a new one is seen at once by every process."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from control_plane.model.audit import AuditAct, Signoff, Subject
from control_plane.model.errors import NotFound, Rejected
from control_plane.model.freeze import Freeze, Frozen, covering
from control_plane.model.machine import Ring
from control_plane.model.naming import same_person
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.rollouts_tables import freezes
from control_plane.store.tables import actors

_BY, _SECOND = actors.alias("lifter"), actors.alias("second")


class FreezeRepository:
    """Sets, lifts and checks freezes."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def set(self, scope: str, reason: str, actor: Actor) -> Freeze:
        """Freeze a scope from now on."""
        with self._database.write() as connection:
            result = connection.execute(
                insert(freezes).values(scope=scope, reason=reason, actor_key=actor.key, at=self._clock())
            )
            freeze = self.get(int(result.inserted_primary_key[0]))  # type: ignore[index]
            self._record(AuditAct.FREEZE_SET, freeze, actor, reason)
            return freeze

    def lift(self, freeze_id: int, actor: Actor, second: Actor, verified: bool, reason: str) -> Freeze:
        """End a freeze. Raises Rejected when it was lifted before, or when the second person is the one who set it.
        Somebody `verified` may be the one who lifts it: with who set it, that is two people."""
        with self._database.write() as connection:
            freeze = self.get(freeze_id)
            if freeze.lifted_at is not None:
                raise Rejected(t("Freeze {id} was lifted before.", id=freeze_id), t("See gasp freezes list --all."))
            if verified and second.key == freeze.actor.key:
                raise Rejected(
                    t("You set freeze {id} yourself; another one lifts it.", id=freeze_id),
                    t("Ask a colleague to sign in and lift it."),
                )
            if not verified and any(second.key == who.key or same_person(second.name, who.name)
                                    for who in (freeze.actor, actor)):  # fmt: skip
                raise Rejected(
                    t("The second person must be another one than who set it and than who lifts it."),
                    t("Name a colleague who agrees: --second NAME"),
                )
            connection.execute(
                update(freezes)
                .where(freezes.c.id == freeze_id)
                .values(
                    lifted_at=self._clock(), lifted_by=actor.key, second=second.key, second_verified=verified,
                    lift_reason=reason,
                )
            )  # fmt: skip
            self._record(AuditAct.FREEZE_LIFTED, freeze, actor, reason, [Signoff(second.key, "second", verified)])
            return self.get(freeze_id)

    def _record(
        self, act: AuditAct, freeze: Freeze, actor: Actor, reason: str, signoffs: Sequence[Signoff] = ()
    ) -> None:
        kind, _, code = freeze.scope.partition(":")
        self._audit.record(
            act, actor, [Subject("freeze", str(freeze.id))], tenants=[code] if kind == "tenant" else (), reason=reason,
            detail={"scope": freeze.scope}, signoffs=signoffs,
        )  # fmt: skip

    def get(self, freeze_id: int) -> Freeze:
        """One freeze. Raises NotFound."""
        with self._database.read() as connection:
            row = connection.execute(_query().where(freezes.c.id == freeze_id)).one_or_none()
        if row is None:
            raise NotFound(t("No freeze has the number {id}.", id=freeze_id), t("See gasp freezes list --all."))
        return _freeze(row)

    def list(self, lifted: bool = False) -> list[Freeze]:
        """Those in force, newest first; with `lifted` all that ever were."""
        return [*self._database.shared(("freezes", lifted), lambda: self._list(lifted))]

    def _list(self, lifted: bool) -> builtins.list[Freeze]:
        query = _query().order_by(freezes.c.id.desc())
        if not lifted:
            query = query.where(freezes.c.lifted_at.is_(None))
        with self._database.read() as connection:
            return [_freeze(row) for row in connection.execute(query)]

    def check(self, tenant: str | None = None, ring: Ring | None = None, system: str | None = None) -> None:
        """Raises Frozen when a freeze covers an act on this tenant, ring and system."""
        freeze = covering(self.list(), tenant, ring, system)
        if freeze is not None:
            raise Frozen(freeze)

    def fence(
        self, tenant: str | None = None, ring: Ring | None = None, system: str | None = None
    ) -> Callable[[], None]:
        """`check` as a function to be called before each host and each write."""
        return lambda: self.check(tenant, ring, system)


def _query() -> Any:
    return (
        select(freezes, actors.c.name, _BY.c.name.label("lifter"), _SECOND.c.name.label("second_name"))
        .join(actors, actors.c.key == freezes.c.actor_key)
        .outerjoin(_BY, _BY.c.key == freezes.c.lifted_by)
        .outerjoin(_SECOND, _SECOND.c.key == freezes.c.second)
    )


def _freeze(row: Any) -> Freeze:
    return Freeze(
        row.id, row.scope, row.reason, Actor(row.actor_key, row.name), row.at, row.lifted_at, row.lifter,
        row.second_name, row.second_verified, row.lift_reason,
    )  # fmt: skip
