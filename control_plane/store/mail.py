"""The outbox. `notify` joins the transaction of the event; the worker does the rest, each step a transaction.

One person is told one event once: a notice's key, and a notice with an address, are there once only. Must not send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, insert, select, update

from control_plane.model.audit import AuditEntry
from control_plane.model.notice import Address, Notice, NoticeKind, told_by
from control_plane.model.text import Text
from control_plane.store.database import Database
from control_plane.store.identity import Clock, opaque
from control_plane.store.mail_tables import mail_lines, mail_notices, mails
from control_plane.store.tables import tenants


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A notice with its number and time, and its tenant's code. `tenant_ended`: that is gone; nobody of it is told."""

    id: int
    at: datetime
    notice: Notice
    code: str | None = None
    tenant_ended: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one address. States: `waiting` (for its time), `sending` (handed over just now, or by a process that
    ended in the middle), `sent`, `failed` (never to be tried again by itself)."""

    id: int
    message_id: str
    to: Address
    state: str
    tries: int
    made_at: datetime
    next_at: datetime
    sent_at: datetime | None
    error: str | None


_CHUNK = 500


class MailRepository:
    """Keeps notices and mails."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # notices -------------------------------------------------------------------------------------------------------
    def notify(self, notice: Notice) -> None:
        """Keep what is to be told; inside a transaction it is part of it. A known key: no effect."""
        with self._database.write() as connection:
            known = select(mail_notices.c.id).where(mail_notices.c.key == notice.key)
            if connection.scalar(known) is not None:
                return
            params = {k: v.as_json() if isinstance(v, Text) else v for k, v in notice.params.items()}
            connection.execute(
                insert(mail_notices).values(
                    key=notice.key, kind=notice.kind.value, at=self._clock(), people=_dump(list(notice.people)),
                    tenant_id=notice.tenant, roles=_dump(list(notice.roles)), without=_dump(list(notice.without)),
                    params=_dump(params),
                )
            )  # fmt: skip

    def known(self, keys: Iterable[str]) -> frozenset[str]:
        """Those of these keys that are there already."""
        wanted, found = sorted(keys), set[str]()
        with self._database.read() as connection:
            for start in range(0, len(wanted), _CHUNK):
                these = mail_notices.c.key.in_(wanted[start : start + _CHUNK])
                found |= set(connection.scalars(select(mail_notices.c.key).where(these)))
        return frozenset(found)

    def heard(self, entry: AuditEntry) -> None:
        """Keep what is to be told because of an entry of the audit trail."""
        for notice in told_by(entry):
            self.notify(notice)

    def unaddressed(self, limit: int = 500) -> list[StoredNotice]:
        """Notices of which nobody has found out yet whom they are for, oldest first."""
        return self._notices(mail_notices.c.addressed_at.is_(None), limit=limit)

    def addressed(self, notice_id: int, to: Sequence[Address]) -> None:
        """Whom a notice is for: all of them at once, and once only."""
        with self._database.write() as connection:
            columns = mail_notices.c
            mine = update(mail_notices).where(columns.id == notice_id, columns.addressed_at.is_(None))
            if connection.execute(mine.values(addressed_at=self._clock())).rowcount == 1:
                for mail, one in {one.mail.casefold(): one for one in to}.items():
                    values = {"address": mail, "name": one.name, "language": one.language}
                    connection.execute(insert(mail_lines).values(notice_id=notice_id, **values))

    def _notices(self, *where: Any, limit: int | None = None) -> list[StoredNotice]:
        query = (
            select(mail_notices, tenants.c.code, tenants.c.ended_at)
            .outerjoin(tenants, tenants.c.id == mail_notices.c.tenant_id)
            .where(*where)
            .order_by(mail_notices.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [
                StoredNotice(
                    row.id, row.at,
                    Notice(
                        row.key, NoticeKind(row.kind), orjson.loads(row.people), orjson.loads(row.roles),
                        orjson.loads(row.without), row.tenant_id,
                        {k: _word(v) for k, v in orjson.loads(row.params).items()},
                    ),
                    row.code, row.ended_at is not None,
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    # mails ---------------------------------------------------------------------------------------------------------
    def gather(self, until: datetime, domain: str) -> list[int]:
        """Make one mail for each address whose oldest notice is not younger than `until`, of all that waits for it."""
        lines = mail_lines.c
        waiting = (
            select(lines.address, func.min(mail_notices.c.at).label("oldest"))
            .join(mail_notices)
            .where(lines.mail_id.is_(None))
            .group_by(lines.address)
        )
        with self._database.read() as connection:
            due = [row.address for row in connection.execute(waiting) if row.oldest <= until]
        made = []
        for address in due:
            with self._database.write() as connection:
                mine = lines.address == address, lines.mail_id.is_(None)
                row = connection.execute(select(mail_lines).where(*mine).order_by(lines.notice_id.desc())).first()
                if row is None:
                    continue
                now = self._clock()
                values = {
                    **{"message_id": f"<{opaque('n_')}.{opaque('g_')}@{domain}>", "address": address, "name": row.name},
                    **{"language": row.language, "state": "waiting", "tries": 0, "made_at": now, "next_at": now},
                }
                result = connection.execute(insert(mails).values(values))
                number = int(result.inserted_primary_key[0])  # type: ignore[index]
                connection.execute(update(mail_lines).where(*mine).values(mail_id=number))
                made.append(number)
        return made

    def find(self, state: str | None = None, limit: int | None = None) -> list[Mail]:
        """Mails in a state (None: all), newest first."""
        query = select(mails).order_by(mails.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(mails.c.state == state)
        with self._database.read() as connection:
            return [_mail(row) for row in connection.execute(query)]

    def notices_of(self, mail_id: int) -> list[StoredNotice]:
        """What stands in a mail, oldest first."""
        return self.told([mail_id])[mail_id]

    def told(self, mail_ids: Iterable[int]) -> dict[int, list[StoredNotice]]:
        """What stands in each of these mails, oldest first."""
        lines, wanted = mail_lines.c, list(mail_ids)
        found: dict[int, list[StoredNotice]] = {mail_id: [] for mail_id in wanted}
        for start in range(0, len(wanted), _CHUNK):
            mine = lines.mail_id.in_(wanted[start : start + _CHUNK])
            with self._database.read() as connection:
                of = connection.execute(select(lines.notice_id, lines.mail_id).where(mine)).all()
            notices = {one.id: one for one in self._notices(mail_notices.c.id.in_(select(lines.notice_id).where(mine)))}
            for notice_id, mail_id in sorted(map(tuple, of)):
                found[mail_id].append(notices[notice_id])
        return found

    def settle(self, mail: Mail, state: str, *, next_at: datetime | None = None, error: str | None = None) -> bool:
        """Move a mail from the state in which it was read; False when somebody else has moved it."""
        values: dict[str, Any] = {"state": state, "error": error}
        if state == "sending":
            values["tries"] = mail.tries + 1
        if state == "sent":
            values["sent_at"] = self._clock()
        if next_at is not None:
            values["next_at"] = next_at
        columns = mails.c
        with self._database.write() as connection:
            mine = update(mails).where(columns.id == mail.id, columns.state == mail.state, columns.tries == mail.tries)
            return connection.execute(mine.values(values)).rowcount == 1


def _mail(row: Any) -> Mail:
    to = Address(row.address, row.name, row.language)
    return Mail(row.id, row.message_id, to, row.state, row.tries, row.made_at, row.next_at, row.sent_at, row.error)


def _word(stored: Any) -> str | Text:
    return Text.from_json(stored) if isinstance(stored, Mapping) else str(stored)


def _dump(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()
