"""Substitutes in the database: each is a grant of its own that counts only in its days, and only while the one for
which it stands does. Must not judge who may name whom."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound
from control_plane.model.people import Grant, Person
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.people_tables import grants
from control_plane.store.tables import actors, tenants

_OWN, _HOLDER, _BY, _ENDED = (
    grants.alias("own"),
    actors.alias("held_by"),
    actors.alias("named_by"),
    actors.alias("ender"),
)


@dataclass(frozen=True, slots=True)
class Substitution:
    """One of them. `counts`: the role for which it stands is still held."""

    id: int
    role: str
    tenant: str | None
    substitute: Actor
    stands_for: Actor
    since: datetime
    until: datetime
    by: Actor
    reason: str
    counts: bool
    ended_at: datetime | None
    ended_by: str | None
    ended_reason: str | None


class SubstituteRepository:
    """Names, lists and ends them."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def name(
        self, person: Person, own: Grant, holder: Person, since: datetime, until: datetime, reason: str, by: Actor
    ) -> Substitution:
        """Let `person` hold the grant `own` of `holder` from one moment to another."""
        with self._database.write() as connection:
            tenant_id = connection.scalar(select(grants.c.tenant_id).where(grants.c.id == own.id))
            values = {"since": since, "until": until, "by_key": by.key, "reason": reason, "for_grant": own.id}
            made = connection.execute(
                insert(grants).values(person_key=person.key, role=own.role, tenant_id=tenant_id, **values)
            )
            found = self.get(int(made.inserted_primary_key[0]))  # type: ignore[index]
            self._record(AuditAct.SUBSTITUTE_NAMED, found, by, reason)
            return found

    def end(self, substitution: Substitution, reason: str, by: Actor | None) -> Substitution:
        """End it now; `by` None: it ends by itself, because somebody left."""
        with self._database.write() as connection:
            connection.execute(
                update(grants)
                .where(grants.c.id == substitution.id, grants.c.revoked_at.is_(None))
                .values(revoked_at=self._clock(), revoked_by=by.key if by else None, revoked_reason=reason)
            )
            self._record(AuditAct.SUBSTITUTE_ENDED, substitution, by, reason)
            return self.get(substitution.id)

    def _record(self, act: AuditAct, found: Substitution, by: Actor | None, reason: str) -> None:
        about = [Subject("person", found.substitute.key), Subject("person", found.stands_for.key)]
        detail = {
            "role": found.role, "substitute": found.substitute.key, "stands_for": found.stands_for.key,
            "since": found.since.isoformat(), "until": found.until.isoformat(),
        }  # fmt: skip
        codes = [found.tenant] if found.tenant else []
        self._audit.record(act, by, about, tenants=codes, reason=reason, detail=detail)

    def get(self, number: int) -> Substitution:
        """One of them. Raises NotFound."""
        found = self._find(grants.c.id == number)
        if not found:
            raise no_such_substitution(number)
        return found[0]

    def list(self, ended: bool = False) -> builtins.list[Substitution]:
        """Newest first: those in force or to come; with `ended` all that ever were."""
        over = (grants.c.revoked_at.is_not(None)) | (grants.c.until <= self._clock())
        return self._find() if ended else self._find(~over)

    def of(self, key: str) -> builtins.list[Substitution]:
        """Those in force or to come in which somebody substitutes or is substituted."""
        mine = or_(grants.c.person_key == key, _OWN.c.person_key == key)
        return self._find(mine, grants.c.revoked_at.is_(None), grants.c.until > self._clock())

    def stood_in(self, key: str, role: str, holder: str, at: datetime) -> bool:
        """Whether somebody was a substitute then, and nobody has ended that since, though its days may be over."""
        columns = grants.c
        return any(
            found.counts
            for found in self._find(
                columns.person_key == key, columns.role == role, _OWN.c.person_key == holder,
                columns.revoked_at.is_(None), columns.since <= at, columns.until > at,
            )
        )  # fmt: skip

    def _find(self, *where: Any) -> builtins.list[Substitution]:
        now, own = self._clock(), _OWN.c
        query = (
            select(
                grants, tenants.c.code, tenants.c.ended_at, actors.c.name, _HOLDER.c.key.label("for_key"),
                _HOLDER.c.name.label("for_name"), _BY.c.name.label("by_name"), _ENDED.c.name.label("ender"),
                own.revoked_at.label("own_revoked"), own.until.label("own_until"),
            )
            .join(actors, actors.c.key == grants.c.person_key)
            .join(_OWN, own.id == grants.c.for_grant)
            .join(_HOLDER, _HOLDER.c.key == own.person_key)
            .join(_BY, _BY.c.key == grants.c.by_key)
            .outerjoin(_ENDED, _ENDED.c.key == grants.c.revoked_by)
            .outerjoin(tenants, tenants.c.id == grants.c.tenant_id)
            .where(*where)
            .order_by(grants.c.id.desc())
        )  # fmt: skip
        with self._database.read() as connection:
            return [
                Substitution(
                    row.id, row.role, row.code, Actor(row.person_key, row.name), Actor(row.for_key, row.for_name),
                    row.since, row.until, Actor(row.by_key, row.by_name), row.reason,
                    row.own_revoked is None and row.ended_at is None and (row.own_until is None or row.own_until > now),
                    row.revoked_at, row.ender, row.revoked_reason,
                )
                for row in connection.execute(query)
            ]  # fmt: skip


def no_such_substitution(number: int) -> NotFound:
    """What is said of one that is not there, or not for who asks."""
    return NotFound(t("No substitution has the number {id}.", id=number), t("See gasp substitutes list --all."))
