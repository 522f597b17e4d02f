"""What is known of the access record: segments, files, gaps, the ledger, holds, and who had which address.

Must not hold the lines themselves. The ledger only grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import Row, delete, func, insert, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.record import FIRST, Gap, Seal, Segment, StoredFile
from control_plane.model.run import Actor
from control_plane.store.access_tables import (
    access_files,
    access_gaps,
    access_holds,
    access_ledger,
    access_parts,
    access_register,
    access_segments,
)
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.tables import actors, tenant_revisions, tenants


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the ledger."""

    number: int
    at: datetime
    act: str
    actor_key: str
    actor_name: str
    body: Mapping[str, Any]
    former: str
    hash: str
    signature: str

    def digest(self) -> str:
        """The hash that it must have."""
        return _digest(self.number, self.at, self.act, self.actor_key, orjson.dumps(self.body).decode(), self.former)


def _digest(number: int, at: datetime, act: str, actor_key: str, body: str, former: str) -> str:
    return hashlib.sha256(orjson.dumps([number, at.isoformat(), act, actor_key, body, former])).hexdigest()


#: What an entry of the ledger is in the audit trail.
_ACTS = {
    "search": AuditAct.RECORD_SEARCHED,
    "purge": AuditAct.RECORD_PURGED,
    "close": AuditAct.RECORD_CLOSED,
    "hold": AuditAct.RECORD_HELD,
    "lift": AuditAct.RECORD_LIFTED,
    "register": AuditAct.RECORD_REGISTERED,
}


class AccessRepository:
    """Reads and changes what is known of the record."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    # segments and files ---------------------------------------------------------------------------
    def next_segment(self) -> int:
        """The number that the next segment gets. Only the holder of the lease may use it."""
        with self._database.read() as connection:
            return (connection.scalar(select(func.max(access_segments.c.id))) or 0) + 1

    def segment_hash(self, host: str, chain: str, sequence: int) -> str | None:
        """Hash of a segment that was collected, or None."""
        columns = access_segments.c
        query = select(columns.hash).where(columns.host == host, columns.chain == chain, columns.sequence == sequence)
        with self._database.read() as connection:
            found: str | None = connection.scalar(query)
        return found

    def newest(self, host: str) -> Row[Any] | None:
        """The segment of a gateway that was collected last."""
        columns = access_segments.c
        query = select(access_segments).where(columns.host == host).order_by(columns.id.desc()).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).one_or_none()

    def damaged(self, host: str) -> list[int]:
        """Sequence numbers of what came from a gateway and was no segment, in its present chain."""
        newest = self.newest(host)
        if newest is None:
            return []
        columns = access_segments.c
        query = select(columns.sequence).where(
            columns.host == host, columns.chain == newest.chain, columns.state == "damaged"
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def collected(
        self, host: str, segments: Mapping[int, Segment], files: Sequence[StoredFile], gaps: Sequence[Gap],
        damaged: Collection[int] = (),
    ) -> None:  # fmt: skip
        """Segments by number, the files that hold their lines, and what was not recorded: in one step."""
        now = self._clock()
        with self._database.write() as connection:
            if segments:
                connection.execute(
                    insert(access_segments),
                    [
                        {
                            "id": number,
                            "host": host,
                            "chain": s.chain,
                            "sequence": s.sequence,
                            "former": s.former,
                            "hash": s.hash,
                            "first_at": s.opened,
                            "last_at": s.closed,
                            "lines": len(s.lines),
                            "octets": s.octets,
                            "state": "damaged" if number in damaged else "collected",
                            "collected_at": now,
                        }
                        for number, s in segments.items()
                    ],
                )
            self._add_files(connection, files, now)
            parts = [
                {"segment": number, "day": file.day, "lines": lines}
                for file in files
                for number, lines in file.counts.items()
            ]
            if parts:
                connection.execute(insert(access_parts), parts)
            if gaps:
                connection.execute(
                    insert(access_gaps),
                    [
                        {
                            "host": host,
                            "source": g.source,
                            "first_at": g.begin,
                            "last_at": g.end,
                            "reason": g.reason,
                            "detail": g.detail,
                        }
                        for g in gaps
                    ],
                )

    def merged(self, made: StoredFile, former: Sequence[str]) -> None:
        """One file took the place of several, which may now be deleted."""
        with self._database.write() as connection:
            connection.execute(update(access_files).where(access_files.c.name.in_(former)).values(state="merged"))
            self._add_files(connection, [made], self._clock())

    def forget_merged(self) -> None:
        """Merged files are deleted."""
        with self._database.write() as connection:
            connection.execute(delete(access_files).where(access_files.c.state == "merged"))

    def _add_files(self, connection: Any, files: Sequence[StoredFile], now: datetime) -> None:
        if files:
            connection.execute(
                insert(access_files),
                [
                    {
                        "name": f.name,
                        "day": f.day,
                        "level": f.level,
                        "lines": f.lines,
                        "octets": f.octets,
                        "sha256": f.sha256,
                        "state": "live",
                        "made_at": now,
                    }
                    for f in files
                ],
            )

    def files(self, first: date | None = None, last: date | None = None, state: str = "live") -> list[StoredFile]:
        """Files of the days from `first` to `last`, by day and name; without what each segment has in them.
        `state`: live, merged (another file took its place) or purged."""
        columns = access_files.c
        query = select(access_files).where(columns.state == state).order_by(columns.day, columns.name)
        if first is not None:
            query = query.where(columns.day >= first)
        if last is not None:
            query = query.where(columns.day <= last)
        with self._database.read() as connection:
            return [
                StoredFile(row.name, row.day, row.level, row.lines, row.octets, row.sha256, {})
                for row in connection.execute(query)
            ]

    def counts(self, day: date) -> dict[int, int]:
        """How many lines of a day are of which segment."""
        query = select(access_parts.c.segment, access_parts.c.lines).where(access_parts.c.day == day)
        with self._database.read() as connection:
            return {row.segment: row.lines for row in connection.execute(query)}

    def segment_hashes(self, day: date) -> list[tuple[int, str, int]]:
        """(number, hash, lines of that day) of the segments with lines of a day."""
        query = (
            select(access_segments.c.id, access_segments.c.hash, access_parts.c.lines)
            .join(access_parts, access_parts.c.segment == access_segments.c.id)
            .where(access_parts.c.day == day)
            .order_by(access_segments.c.id)
        )
        with self._database.read() as connection:
            return [(row.id, row.hash, row.lines) for row in connection.execute(query)]

    def collected_until(self, day: date) -> datetime | None:
        """When the last lines of a day came in: a clock that went wrong does not make them old."""
        query = (
            select(func.max(access_segments.c.collected_at))
            .join(access_parts, access_parts.c.segment == access_segments.c.id)
            .where(access_parts.c.day == day)
        )
        with self._database.read() as connection:
            found: datetime | None = connection.scalar(query)
        return found

    def mark_purged(self, days: Sequence[date]) -> None:
        """Files of these days are to go, and segments all of whose lines were in them are purged."""
        with self._database.write() as connection:
            connection.execute(
                update(access_files)
                .where(access_files.c.day.in_(days), access_files.c.state == "live")
                .values(state="purged")
            )
            touched = select(access_parts.c.segment).where(access_parts.c.day.in_(days))
            living = (
                select(access_parts.c.segment)
                .join(access_files, access_files.c.day == access_parts.c.day)
                .where(access_files.c.state == "live")
            )
            connection.execute(
                update(access_segments)
                .where(access_segments.c.id.in_(touched), access_segments.c.id.not_in(living))
                .values(state="purged")
            )

    def chain(self) -> list[Row[Any]]:
        """Every segment in the order of collection: id, host, chain, sequence, former, hash, state."""
        columns = access_segments.c
        query = select(
            columns.id, columns.host, columns.chain, columns.sequence, columns.former, columns.hash, columns.state
        ).order_by(columns.host, columns.id)
        with self._database.read() as connection:
            return list(connection.execute(query))

    def span(self) -> Row[Any]:
        """first_at, last_at, segments, lines, octets of everything that is kept."""
        columns = access_segments.c
        query = select(
            func.min(columns.first_at).label("first_at"),
            func.max(columns.last_at).label("last_at"),
            func.count().label("segments"),
            func.coalesce(func.sum(columns.lines), 0).label("lines"),
        ).where(columns.state != "purged")
        with self._database.read() as connection:
            return connection.execute(query).one()

    def covered(self, begin: datetime, end: datetime) -> list[tuple[str, datetime, datetime]]:
        """(host, first, last) of the segments that touch a window, by host and time."""
        columns = access_segments.c
        query = (
            select(columns.host, columns.first_at, columns.last_at)
            .where(columns.last_at >= begin, columns.first_at <= end, columns.state != "damaged")
            .order_by(columns.host, columns.first_at)
        )
        with self._database.read() as connection:
            return [(row.host, row.first_at, row.last_at) for row in connection.execute(query)]

    def gaps(self, begin: datetime, end: datetime) -> list[Gap]:
        """What was not recorded in a window, by time."""
        columns = access_gaps.c
        query = (
            select(access_gaps)
            .where(columns.last_at >= begin, columns.first_at <= end)
            .order_by(columns.first_at, columns.id)
        )
        with self._database.read() as connection:
            return [
                Gap(row.source, row.first_at, row.last_at, row.reason, row.detail) for row in connection.execute(query)
            ]

    # ledger ---------------------------------------------------------------------------------------
    def enter(self, act: str, body: Mapping[str, Any], actor: Actor, seal: Seal) -> Entry:
        """Append an entry. Inside a transaction it is part of it. The ledger is the truth about the access record; the
        audit trail points to its entry by number and hash."""
        text = orjson.dumps(body).decode()
        columns = access_ledger.c
        with self._database.write() as connection:
            last = connection.execute(
                select(columns.number, columns.hash).order_by(columns.number.desc()).limit(1)
            ).one_or_none()
            number, former = (last.number + 1, last.hash) if last else (1, FIRST)
            at = self._clock()
            digest = _digest(number, at, act, actor.key, text, former)
            values = {"number": number, "at": at, "act": act, "actor_key": actor.key, "body": text, "former": former}
            signature = seal.sign(digest)
            connection.execute(insert(access_ledger).values(**values, hash=digest, signature=signature))
            asked = body.get("tenant") or (body.get("asked") or {}).get("tenant")
            self._audit.record(
                _ACTS[act], actor, [Subject("entry", str(number))], tenants=[asked] if asked else (), digest=digest,
                reason=body.get("reason", ""), detail={"case": body["case"]} if "case" in body else None,
            )  # fmt: skip
        return Entry(number, at, act, actor.key, actor.name, body, former, digest, signature)

    def ledger(self, act: str | None = None) -> list[Entry]:
        """Entries from the first to the last."""
        columns = access_ledger.c
        query = select(access_ledger, actors.c.name).join(actors).order_by(columns.number)
        if act is not None:
            query = query.where(columns.act == act)
        with self._database.read() as connection:
            return [
                Entry(
                    row.number,
                    row.at,
                    row.act,
                    row.actor_key,
                    row.name,
                    orjson.loads(row.body),
                    row.former,
                    row.hash,
                    row.signature,
                )
                for row in connection.execute(query)
            ]

    # holds ----------------------------------------------------------------------------------------
    def hold(
        self, case: str, reason: str, begin: datetime, end: datetime, tenant: str | None, actor: Actor
    ) -> int:  # fmt: skip
        """Keep what is in a window until somebody lifts it; returns its number."""
        with self._database.write() as connection:
            done = connection.execute(
                insert(access_holds).values(
                    case_number=case,
                    reason=reason,
                    first_at=begin,
                    last_at=end,
                    tenant=tenant,
                    set_by=actor.key,
                    set_at=self._clock(),
                )
            )
            return int(done.inserted_primary_key[0])  # type: ignore[index]

    def lift(self, number: int, second: str, reason: str, actor: Actor) -> None:
        """End a hold."""
        with self._database.write() as connection:
            connection.execute(
                update(access_holds)
                .where(access_holds.c.id == number)
                .values(lifted_by=actor.key, lifted_second=second, lifted_reason=reason, lifted_at=self._clock())
            )

    def holds(self, active: bool = True) -> list[Row[Any]]:
        """Holds by number with the name of who set them; with `active` only those in force."""
        query = select(access_holds, actors.c.name).join(actors, actors.c.key == access_holds.c.set_by)
        if active:
            query = query.where(access_holds.c.lifted_at.is_(None))
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(access_holds.c.id)))

    # register -------------------------------------------------------------------------------------
    def register(self, rows: Sequence[Mapping[str, Any]], actor: Actor) -> int:
        """Add who had which address when; what is there already is left. Returns how many are new."""
        columns = access_register.c
        new = 0
        with self._database.write() as connection:
            for row in rows:
                same = (
                    columns.address == row["address"],
                    columns.first_at == row["first_at"],
                    columns.machine == row["machine"],
                    columns.person == row["person"],
                )
                found = connection.execute(select(columns.id, columns.last_at).where(*same)).one_or_none()
                if found is None:
                    values = {**row, "actor_key": actor.key, "recorded_at": self._clock()}
                    connection.execute(insert(access_register).values(values))
                    new += 1
                elif found.last_at != row["last_at"] and row["last_at"] is not None:
                    connection.execute(
                        update(access_register).where(columns.id == found.id).values(last_at=row["last_at"])
                    )
                    new += 1
        return new

    def registered(self, *, address: str | None = None, person: str | None = None) -> list[Row[Any]]:
        """Entries of the register by address and time."""
        columns = access_register.c
        query = select(access_register).order_by(columns.address, columns.first_at, columns.id)
        if address is not None:
            query = query.where(columns.address == address)
        if person is not None:
            query = query.where(columns.person == person)
        with self._database.read() as connection:
            return list(connection.execute(query))

    # networks -------------------------------------------------------------------------------------
    def network_history(self) -> list[tuple[str, int, datetime | None, datetime | None]]:
        """(tenant code, network index, from, to) of every network there ever was; the first one counts from ever."""
        columns = tenant_revisions.c
        query = (
            select(columns.tenant_id, columns.document, columns.at, tenants.c.ended_at, tenants.c.code)
            .join(tenants, tenants.c.id == columns.tenant_id)
            .order_by(columns.tenant_id, columns.generation)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        spans: list[tuple[str, int, datetime | None, datetime | None]] = []
        for at, row in enumerate(rows):
            document = orjson.loads(row.document) if row.document else {}
            index = (document.get("network") or {}).get("index")
            after = rows[at + 1] if at + 1 < len(rows) and rows[at + 1].tenant_id == row.tenant_id else None
            if index is not None:
                spans.append((document.get("code", row.code), index, row.at, after.at if after else row.ended_at))
        first: dict[int, datetime] = {}
        for _, index, begin, _ in spans:
            if begin is not None and (index not in first or begin < first[index]):
                first[index] = begin
        return [(code, i, None if begin == first[i] else begin, end) for code, i, begin, end in spans]
