"""Sheets of one-time passwords in the database, and whose lock in the directory is ours.

Must not see what is in sheets: they come sealed.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from control_plane.model.audit import AuditAct
from control_plane.model.errors import NotFound, Rejected
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.living import living_id
from control_plane.store.staff_tables import leaver_locks, password_sheets
from control_plane.store.tables import actors, tenants

State = Literal["unfinished", "ready", "opened", "expired"]
_MADE, _OPENED = actors.alias("sheet_made_by"), actors.alias("sheet_opened_by")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet. `unfinished`: its passwords are not all set yet, so it cannot be opened."""

    id: int
    tenant: str
    state: State
    uids: tuple[str, ...]
    reason: str
    made_at: datetime
    made_by: str
    expires_at: datetime
    opened_at: datetime | None
    opened_by: str | None


class SheetRepository:
    """Keeps them, and gives each out once."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def add(self, tenant: str, uids: Sequence[str], reason: str, sealed: str, expires_at: datetime, by: Actor) -> Sheet:
        """A new one, not to be opened yet. Raises NotFound."""
        with self._database.write() as connection:
            number = self._insert(connection, tenant, uids, reason, expires_at, by, state="unfinished", sealed=sealed)
            detail = {"sheet": number, "people": len(uids), "until": expires_at.isoformat()}
            self._audit.record(AuditAct.PASSWORDS_ISSUED, by, tenants=[tenant], reason=reason, detail=detail)
            return self.get(number)

    def handed_out(self, tenant: str, uids: Sequence[str], reason: str, expires_at: datetime, by: Actor) -> None:
        """Passwords that are given out past the database, so that they expire as those of sheets do. Raises NotFound.
        Who gives them out says so in the audit trail."""
        opened = {"state": "opened", "opened_at": self._clock(), "opened_by": by.key}
        with self._database.write() as connection:
            self._insert(connection, tenant, uids, reason, expires_at, by, **opened)

    def get(self, number: int, tenant: str | None = None) -> Sheet:
        """One, of this living tenant where one is named. Raises NotFound."""
        where = password_sheets.c.id == number
        found = self._sheets(where if tenant is None else where & _living(tenant))
        if not found:
            raise NotFound(t("There is no sheet {id}.", id=number), t("See gasp accounts sheets."))
        return found[0]

    def list(self, tenant: str | None = None) -> builtins.list[Sheet]:
        """Newest first; of one living tenant or of all."""
        return self._sheets(tenants.c.ended_at.is_(None) if tenant is None else _living(tenant))

    def due(self) -> builtins.list[Sheet]:
        """Those whose time is over while their passwords may still be good."""
        columns = password_sheets.c
        return self._sheets((columns.expires_at <= self._clock()) & (columns.state != "expired"))

    def ready(self, number: int) -> None:
        """Every password in it is set."""
        with self._database.write() as connection:
            connection.execute(update(password_sheets).where(password_sheets.c.id == number).values(state="ready"))

    def open(self, number: int, by: Actor) -> str:
        """What is sealed in it; it is in the database no longer. Raises Rejected when it cannot be opened."""
        columns = password_sheets.c
        with self._database.write() as connection:
            row = connection.execute(
                select(columns.state, columns.sealed, columns.expires_at).where(columns.id == number)
            ).one()
            state = "expired" if row.state == "ready" and row.expires_at <= self._clock() else row.state
            if state != "ready" or row.sealed is None:
                why = {
                    "opened": t("This sheet was opened before; it is shown once only."),
                    "expired": t("The passwords of this sheet have expired."),
                }
                raise Rejected(
                    why.get(state, t("This sheet is not finished.")),
                    t("Issue new passwords for those who need one."),
                )
            values = {"state": "opened", "sealed": None, "opened_at": self._clock(), "opened_by": by.key}
            connection.execute(update(password_sheets).where(columns.id == number).values(values))
            found = self.get(number)
            detail = {"sheet": number, "people": len(found.uids)}
            self._audit.record(AuditAct.SHEET_OPENED, by, tenants=[found.tenant], detail=detail)
            return str(row.sealed)

    def expire(self, number: int) -> None:
        """Its time is over; what was sealed in it is gone."""
        with self._database.write() as connection:
            connection.execute(
                update(password_sheets).where(password_sheets.c.id == number).values(state="expired", sealed=None)
            )

    def _insert(
        self, connection: Connection, tenant: str, uids: Sequence[str], reason: str, expires_at: datetime, by: Actor,
        **more: Any,
    ) -> int:  # fmt: skip
        values = {"tenant_id": living_id(connection, tenant), "uids": orjson.dumps(list(uids)).decode(), **more}
        made = connection.execute(
            insert(password_sheets).values(
                reason=reason, made_at=self._clock(), made_by=by.key, expires_at=expires_at, **values
            )
        )
        return int(made.inserted_primary_key[0])  # type: ignore[index]

    def _sheets(self, where: Any) -> builtins.list[Sheet]:
        query = (
            select(password_sheets, tenants.c.code, _MADE.c.name.label("by"), _OPENED.c.name.label("opener"))
            .join(tenants, tenants.c.id == password_sheets.c.tenant_id)
            .join(_MADE, _MADE.c.key == password_sheets.c.made_by)
            .outerjoin(_OPENED, _OPENED.c.key == password_sheets.c.opened_by)
            .where(where)
            .order_by(password_sheets.c.id.desc())
        )
        with self._database.read() as connection:
            return [_sheet(row) for row in connection.execute(query)]


def _living(code: str) -> Any:
    return (tenants.c.code == code) & tenants.c.ended_at.is_(None)


def _sheet(row: Any) -> Sheet:
    return Sheet(
        row.id, row.code, row.state, tuple(orjson.loads(row.uids)), row.reason, row.made_at, row.by, row.expires_at,
        row.opened_at, row.opener,
    )  # fmt: skip


class LeaverRepository:
    """Remembers whose lock in the directory is ours: people who left. A lock that somebody set by hand is not."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def lock(self, uids: Collection[str]) -> None:
        """The locks of these are ours from now on."""
        with self._database.write() as connection:
            known = set(connection.scalars(select(leaver_locks.c.uid)))
            rows = [{"uid": uid, "at": self._clock()} for uid in sorted(set(uids) - known)]
            if rows:
                connection.execute(insert(leaver_locks), rows)

    def locked(self) -> frozenset[str]:
        """Whose locks are ours."""
        with self._database.read() as connection:
            return frozenset(connection.scalars(select(leaver_locks.c.uid)))

    def unlocked(self, uids: Collection[str]) -> None:
        """These have no lock of ours any more, or no account."""
        if uids:
            with self._database.write() as connection:
                connection.execute(delete(leaver_locks).where(leaver_locks.c.uid.in_([*uids])))
