"""Things of which there is only one in the city: names, uids, numbers, keys of persons.

A claim is checked and recorded inside the writer's transaction. What is released stays in the table: numbers
and keys are never given out again, names and uids only after a time; the tenant that had them may come back
for them sooner, and then gets the same number and key as before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update

from control_plane.model.errors import Problem
from control_plane.model.offering import Claim
from control_plane.model.text import t
from control_plane.store.identity import opaque
from control_plane.store.tables import allocations, tenants

Held = Mapping[tuple[str, str], Sequence[Claim]]
"""(tenant id, offering) → everything that this subscription claims from now on (empty: it ends)."""
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody who goes from one tenant (opaque id) to another with what they hold: (pool, subject)."""

    from_id: str
    to_id: str
    holds: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Pools:
    """`numbers`: pool → first and last value. `quarantine`: how long a released subject stays reserved for the
    tenant that had it (a value is never given out again, whatever the time)."""

    numbers: Mapping[str, tuple[int, int]] = field(
        default_factory=lambda: {"uid_number": (100_000, 2**31 - 2), "gid_number": (200_000, 2**31 - 2)}
    )
    quarantine: Mapping[str, timedelta] = field(
        default_factory=lambda: {
            "uid": timedelta(days=180),
            "uid_number": timedelta(days=180),
            "gid_number": timedelta(days=180),
            "person_key": timedelta(days=180),
            "dns_name": timedelta(days=30),
        }
    )


def current(connection: Connection, codes: Collection[str] | None = None) -> dict[tuple[str, str], str]:
    """Values in force by (pool, subject), of all or of some living tenants. All are read with the driver's own cursor:
    there are tens of thousands."""
    if codes is not None:
        columns = allocations.c
        query = select(columns.pool, columns.subject, columns.value).join(tenants)
        mine = tenants.c.code.in_(codes), tenants.c.ended_at.is_(None), columns.released_at.is_(None)
        return {(row.pool, row.subject): row.value for row in connection.execute(query.where(*mine))}
    cursor = connection.connection.cursor()
    try:
        cursor.execute("SELECT pool, subject, value FROM allocations WHERE released_at IS NULL")
        return {(pool, subject): value for pool, subject, value in cursor.fetchall()}
    finally:
        cursor.close()


def claim(connection: Connection, held: Held, pools: Pools, now: datetime) -> list[Problem]:
    """Make `held` what these subscriptions hold: release what they no longer claim, record what is new.

    Returns problems (`where` is the subscription's id); the caller must roll back when there are any.
    """
    codes = {row.id: row.code for row in connection.execute(select(tenants.c.id, tenants.c.code))}
    problems: list[Problem] = []
    wanted: dict[tuple[str, str], tuple[str, str, Claim]] = {}
    for (tenant_id, offering), claims in held.items():
        for item in claims:
            first = wanted.setdefault((item.pool, item.subject), (tenant_id, offering, item))
            if first[:2] != (tenant_id, offering):
                problems.append(_taken(item, f"{codes[tenant_id]}/{offering}", codes[first[0]]))
    _release(connection, held, wanted, pools, now)

    new: list[tuple[str, str, Claim]] = []
    for pool, subjects in _by_pool(wanted).items():
        known = _rows(connection, pool, subjects)
        for subject in subjects:
            tenant_id, offering, item = wanted[pool, subject]
            verdict, row = _verdict(known.get(subject, ()), tenant_id, offering, now)
            if verdict == "new":
                new.append((tenant_id, offering, item))
            elif verdict == "back":
                connection.execute(
                    update(allocations)
                    .where(allocations.c.id == row.id)
                    .values(released_at=None, free_from=None, offering=offering)
                )
            elif verdict == "taken":
                problems.append(_taken(item, f"{codes[tenant_id]}/{offering}", codes[row.tenant_id]))
            elif verdict == "reserved":
                problems.append(_reserved(item, f"{codes[tenant_id]}/{offering}", codes[row.tenant_id], row.free_from))
    if not problems:
        problems.extend(_record(connection, new, codes, pools, now))
    return list({(p.where, p.field): p for p in reversed(problems)}.values())[::-1]


def hand_over(connection: Connection, moves: Iterable[Move], offering: str) -> None:
    """Let what these people hold belong to the tenant they move to: name, number and key stay theirs."""
    columns = allocations.c
    going: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for move in moves:
        for pool, subject in move.holds:
            going[move.from_id, move.to_id, pool].append(subject)
    for (from_id, to_id, pool), subjects in going.items():
        for start in range(0, len(subjects), _CHUNK):
            held = (
                columns.pool == pool, columns.tenant_id == from_id, columns.offering == offering,
                columns.released_at.is_(None), columns.subject.in_(subjects[start : start + _CHUNK]),
            )  # fmt: skip
            connection.execute(update(allocations).where(*held).values(tenant_id=to_id))


def _by_pool(wanted: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    pools: dict[str, list[str]] = defaultdict(list)
    for pool, subject in wanted:
        pools[pool].append(subject)
    return pools


def _rows(connection: Connection, pool: str, subjects: Sequence[str]) -> dict[str, list[Any]]:
    columns = allocations.c
    known: dict[str, list[Any]] = defaultdict(list)
    query = select(
        columns.id, columns.subject, columns.tenant_id, columns.offering, columns.released_at, columns.free_from
    ).order_by(columns.id)
    for start in range(0, len(subjects), _CHUNK):
        chunk = subjects[start : start + _CHUNK]
        for row in connection.execute(query.where(columns.pool == pool, columns.subject.in_(chunk))):
            known[row.subject].append(row)
    return known


def _verdict(
    rows: Sequence[Any], tenant_id: str, offering: str, now: datetime
) -> tuple[Literal["held", "back", "new", "taken", "reserved"], Any]:
    """What is known of a subject, and the row that says so."""
    for row in rows:
        if row.released_at is None:
            return ("held" if (row.tenant_id, row.offering) == (tenant_id, offering) else "taken"), row
    for row in reversed(rows):
        if row.free_from is not None and row.free_from > now:
            return ("back" if row.tenant_id == tenant_id else "reserved"), row
    return "new", None


def _release(
    connection: Connection,
    held: Held,
    wanted: Mapping[tuple[str, str], tuple[str, str, Claim]],
    pools: Pools,
    now: datetime,
) -> None:
    columns = allocations.c
    gone: dict[str, list[int]] = defaultdict(list)
    ids = list(dict.fromkeys(tenant_id for tenant_id, _ in held))
    for start in range(0, len(ids), _CHUNK):
        query = select(columns.id, columns.pool, columns.subject, columns.tenant_id, columns.offering).where(
            columns.released_at.is_(None), columns.tenant_id.in_(ids[start : start + _CHUNK])
        )
        for row in connection.execute(query):
            owner = (row.tenant_id, row.offering)
            if owner in held and wanted.get((row.pool, row.subject), ("", ""))[:2] != owner:
                gone[row.pool].append(row.id)
    for pool, numbers in gone.items():
        wait = pools.quarantine.get(pool)
        free_from = now + wait if wait is not None else now
        for start in range(0, len(numbers), _CHUNK):
            connection.execute(
                update(allocations)
                .where(columns.id.in_(numbers[start : start + _CHUNK]))
                .values(released_at=now, free_from=free_from)
            )


def _record(
    connection: Connection,
    new: Sequence[tuple[str, str, Claim]],
    codes: Mapping[str, str],
    pools: Pools,
    now: datetime,
) -> list[Problem]:
    columns = allocations.c
    following: dict[str, int] = {}
    for pool, (first, _last) in pools.numbers.items():
        highest = connection.scalar(select(func.max(columns.number)).where(columns.pool == pool))
        following[pool] = max(first, (highest or 0) + 1)
    problems = []
    rows = []
    for tenant_id, offering, item in new:
        value, number = item.subject, None
        if item.pool in pools.numbers:
            number = following[item.pool]
            following[item.pool] += 1
            value = str(number)
            if number > pools.numbers[item.pool][1]:
                problems.append(_full(item, f"{codes[tenant_id]}/{offering}"))
        elif item.pool == "person_key":
            value = opaque("p_")
        rows.append(
            {
                "pool": item.pool,
                "subject": item.subject,
                "value": value,
                "number": number,
                "tenant_id": tenant_id,
                "offering": offering,
                "allocated_at": now,
            }
        )
    if rows and not problems:
        connection.execute(insert(allocations), rows)
    return problems


def _taken(item: Claim, where: str, owner: str) -> Problem:
    return Problem(
        "taken",
        t("“{subject}” is already taken by {owner}.", subject=item.subject, owner=owner),
        t("Choose another one."),
        where=where,
        field=item.field,
    )


def _reserved(item: Claim, where: str, owner: str, until: datetime) -> Problem:
    day = until.date().isoformat()
    return Problem(
        "reserved",
        t("“{subject}” was used by {owner} and is reserved until {day}.", subject=item.subject, owner=owner, day=day),
        t("Choose another one."),
        where=where,
        field=item.field,
    )


def _full(item: Claim, where: str) -> Problem:
    return Problem(
        "pool-full",
        t("No free number is left in the pool {pool}.", pool=item.pool),
        t("An operator must widen the pool; the wish can be made again then."),
        where=where,
        field=item.field,
    )
