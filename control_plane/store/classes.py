"""Versions of the table of classes: the one in force, the one that waits for a second signature, the former ones."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import insert, select, update

from control_plane.model import class_table
from control_plane.model.audit import AuditAct, Signoff, Subject
from control_plane.model.change_class import SHIPPED, ClassTable, Condition
from control_plane.model.errors import NotFound, Rejected
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.classes_tables import class_tables
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.tables import actors

Json = dict[str, Any]
_BY, _SIGNER, _ENDER = actors.alias("proposer"), actors.alias("signer"), actors.alias("ender")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One version. `former`: the body that was in force when it was proposed."""

    number: int
    state: str
    body: Json
    former: Json
    digest: str
    reason: str
    at: datetime
    by: Actor
    signed_at: datetime | None
    signed_by: str | None
    stands_for: str | None
    ended_at: datetime | None
    ended_by: str | None
    ended_reason: str | None


class ClassRepository:
    """Reads, proposes, signs and ends versions."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def current(self) -> ClassTable:
        """The table in force."""
        query = select(class_tables.c.body).where(class_tables.c.state == "in_force")
        with self._database.read() as connection:
            body = connection.scalar(query)
        return _table(orjson.loads(body)) if body else SHIPPED

    def in_state(self, state: str) -> TableRow | None:
        """The version that is proposed, or in force."""
        return next(iter(self._find(class_tables.c.state == state)), None)

    def list(self) -> builtins.list[TableRow]:
        """All versions, newest first."""
        return self._find()

    def get(self, number: int) -> TableRow:
        """One version. Raises NotFound."""
        found = self._find(class_tables.c.id == number)
        if not found:
            raise NotFound(t("No table of classes has the number {id}.", id=number), t("See gasp classes history."))
        return found[0]

    def propose(self, body: Json, reason: str, by: Actor) -> TableRow:
        """Keep a proposal. Raises Rejected while another one waits."""
        with self._database.write() as connection:
            waiting = self.in_state("proposed")
            if waiting is not None:
                raise Rejected(
                    t("Proposal {id} waits for its second signature.", id=waiting.number),
                    t("Let it be signed, or end it first: gasp classes refuse {id}", id=waiting.number),
                )
            former, digest = class_table.as_json(self.current()), class_table.digest_of(body)
            values = {"state": "proposed", "body": _dump(body), "former": _dump(former), "digest": digest}
            made = connection.execute(
                insert(class_tables).values(reason=reason, at=self._clock(), by_key=by.key, **values)
            )
            found = self.get(int(made.inserted_primary_key[0]))  # type: ignore[index]
            self._record(AuditAct.CLASSES_PROPOSED, found, by, reason)
            return found

    def sign(self, number: int, by: Actor, role: str, stands_for: str | None) -> TableRow:
        """Put a proposal into force. Raises Rejected unless it waits."""
        with self._database.write() as connection:
            found = self._waiting(number)
            columns, now = class_tables.c, self._clock()
            connection.execute(
                update(class_tables).where(columns.state == "in_force").values(state="former", ended_at=now)
            )
            values = {"state": "in_force", "signed_at": now, "signed_by": by.key, "stands_for": stands_for}
            connection.execute(update(class_tables).where(columns.id == number).values(values))
            signed = [Signoff(by.key, role, stands_for is None)]
            self._record(AuditAct.CLASSES_SIGNED, found, by, stands_for or found.reason, signed)
            return self.get(number)

    def end(self, number: int, by: Actor, state: str, reason: str) -> TableRow:
        """Refuse or withdraw a proposal. Raises Rejected unless it waits."""
        with self._database.write() as connection:
            found = self._waiting(number)
            values = {"state": state, "ended_at": self._clock(), "ended_by": by.key, "ended_reason": reason}
            connection.execute(update(class_tables).where(class_tables.c.id == number).values(values))
            self._record(AuditAct.CLASSES_REFUSED, found, by, reason)
            return self.get(number)

    def _waiting(self, number: int) -> TableRow:
        found = self.get(number)
        if found.state != "proposed":
            raise Rejected(t("Proposal {id} was decided before.", id=number), t("See gasp classes history."))
        return found

    def _record(
        self, act: AuditAct, row: TableRow, by: Actor, reason: str, signoffs: builtins.list[Signoff] | None = None
    ) -> None:
        fields = [one["field"] for one in class_table.differences(row.former, row.body)]
        detail = {"number": row.number, "fields": fields, "table": row.body, "by": row.by.key}
        about = [Subject("classes", str(row.number))]
        self._audit.record(act, by, about, digest=row.digest, reason=reason, detail=detail, signoffs=signoffs or [])

    def _find(self, *where: Any) -> builtins.list[TableRow]:
        columns = class_tables.c
        query = (
            select(class_tables, _BY.c.name, _SIGNER.c.name.label("signer"), _ENDER.c.name.label("ender"))
            .join(_BY, _BY.c.key == columns.by_key)
            .outerjoin(_SIGNER, _SIGNER.c.key == columns.signed_by)
            .outerjoin(_ENDER, _ENDER.c.key == columns.ended_by)
            .where(*where)
            .order_by(columns.id.desc())
        )
        with self._database.read() as connection:
            return [
                TableRow(
                    row.id, row.state, orjson.loads(row.body), orjson.loads(row.former), row.digest, row.reason, row.at,
                    Actor(row.by_key, row.name), row.signed_at, row.signer, row.stands_for, row.ended_at, row.ender,
                    row.ended_reason,
                )
                for row in connection.execute(query)
            ]  # fmt: skip


def _dump(body: Json) -> str:
    return orjson.dumps(body).decode()


def _table(body: Json) -> ClassTable:
    """A table that was checked when it was proposed."""
    lines = tuple(Condition(name, row["class"], tuple(row["signs"])) for name, row in body["lines"].items())
    return ClassTable(body["most_tenants"], body["most_hosts"], lines, frozenset(body["not_standard"]))
