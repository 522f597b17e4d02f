"""Everything of one database into another, in one transaction of each, verified row for row.

Nobody else writes meanwhile. Killed anywhere, the new database has its tables and no row, and the old one is as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, Table, func, insert, inspect, or_, select, text

from control_plane.model.errors import Invalid, PermanentError, Problem
from control_plane.model.text import t
from control_plane.store.database import VERSIONS, Database, revisions
from control_plane.store.every_table import metadata

BATCH = 1000
CREATE = "createdb --template=template0 --encoding=UTF8 --locale=C"
#: Orders of text in which ours and the database's are the same.
SORTED = ("C", "POSIX", "C.UTF-8", "C.utf8")


@dataclass(frozen=True, slots=True)
class Moved:
    """One table that was copied: its rows, and the sum of their hashes, equal on both sides."""

    table: str
    rows: int
    digest: str


def move(source: Database, target: Database, done: Callable[[Moved], None] = lambda _moved: None) -> list[Moved]:
    """Copy every row from `source` to `target`, which must be another database without any; `done` hears of each table.

    Raises Invalid when the target has something in it or cannot take it, PermanentError when a row is not the same
    there.
    """
    examine(target)
    source.upgrade()
    target.upgrade()
    with source.write() as old, target.write() as new:
        _check(old, new)
        moved = []
        for table in metadata.sorted_tables:
            for rows in _batches(old, table):
                new.execute(insert(table), rows)
            moved.append(_same(old, new, table))
            _number_on(new, table)
            done(moved[-1])
    return moved


def examine(target: Database) -> None:
    """Whether `target` can take everything, as far as can be seen without writing to it. Raises Invalid."""
    if target.path is not None and not target.path.exists():
        return  # a look would make it
    ours = {*metadata.tables, VERSIONS} if target.revision() in revisions() else set()
    with target.read() as new:
        there = inspect(new).get_table_names()
        foreign = sorted({*there} - ours)
        if foreign:
            fault = t("The database has tables that are not ours: {tables}.", tables=", ".join(foreign[:5]))
            remedy = t("Name an empty one, made with: {command}", command=f"{CREATE} NAME")
            raise Invalid([Problem("database-not-ours", fault, remedy, field="TARGET")])
        _check_target(new, there)


def describe(database: Database) -> dict[str, Any]:
    """What `Client.database` says."""
    with database.read() as connection:
        counts = [
            {"table": table.name, "rows": connection.scalar(select(func.count()).select_from(table)) or 0}
            for table in sorted(metadata.sorted_tables, key=lambda table: table.name)
        ]
    kind = database.engine.dialect.name
    return {"url": str(database.engine.url), "kind": kind, "revision": database.revision(), "tables": counts}


def _check(old: Connection, new: Connection) -> None:
    unknown = set(inspect(old).get_table_names()) ^ {*metadata.tables, VERSIONS}
    if unknown:
        raise RuntimeError(f"tables that only one of database and program knows: {sorted(unknown)}")
    _check_target(new, metadata.tables)
    if old.dialect.name == "sqlite" and new.dialect.name != "sqlite":
        _check_texts(old)


def _check_texts(old: Connection) -> None:
    """Versions before this one let programs put NUL into texts, and no text of PostgreSQL can have it. Raises Invalid
    with every such row."""
    problems = []
    for table in metadata.sorted_tables:
        names = [column.name for column in table.c if isinstance(column.type, String)]
        has = [func.instr(table.c[name], func.char(0)) > 0 for name in names]
        for row in old.execute(select(table).where(or_(False, *has))).mappings():
            key = " AND ".join(f"{column.name} = {row[column.name]!r}" for column in table.primary_key)
            fields = [f"{name} = '…'" for name in names if "\0" in (row[name] or "")]
            fault = t("In table {table} a text has the character NUL, which PostgreSQL cannot keep.", table=table.name)
            command = f"UPDATE {table.name} SET {', '.join(fields)} WHERE {key};"
            remedy = t("Write it anew with sqlite3: {command}", command=command)
            problems.append(Problem("bad-value", fault, remedy, field=table.name))
    if problems:
        raise Invalid(problems)


def _check_target(new: Connection, there: Collection[str]) -> None:
    problems = []
    tables = [table for table in metadata.sorted_tables if table.name in there]
    full = [table.name for table in tables if new.scalar(select(func.count()).select_from(table))]
    if full:
        fault = t("The database has rows already, in: {tables}.", tables=", ".join(full[:5]))
        problems.append(Problem("database-not-empty", fault, t("Name an empty one."), field="TARGET"))
    if new.dialect.name == "postgresql":
        query = "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()"
        encoding, collation = new.execute(text(query)).one()
        if encoding != "UTF8" or collation not in SORTED:
            fault = t("The database has encoding {one} and order {other}.", one=encoding, other=collation)
            remedy = t("Make one with: {command}", command=f"{CREATE} NAME")
            problems.append(Problem("database-order", fault, remedy, field="TARGET"))
    if problems:
        raise Invalid(problems)


def _batches(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    query = select(table).order_by(*table.primary_key.columns)
    with connection.execute(query.execution_options(yield_per=BATCH)) as found:
        for part in found.mappings().partitions():
            yield [dict(row) for row in part]


def _same(old: Connection, new: Connection, table: Table) -> Moved:
    before, after = _digest(old, table), _digest(new, table)
    if before != after:
        raise PermanentError(
            t("Table {table} is not the same in the new database; nothing was moved.", table=table.name),
            t("Please report this: it should not happen. The old database is as it was."),
        )
    return before


def _digest(connection: Connection, table: Table) -> Moved:
    rows, digest = 0, 0
    for part in _batches(connection, table):
        rows += len(part)
        for row in part:
            hashed = hashlib.sha256(repr(list(row.values())).encode("utf-8", "surrogatepass"))
            digest = (digest + int.from_bytes(hashed.digest())) % 2**256
    return Moved(table.name, rows, f"{digest:064x}")


def _number_on(new: Connection, table: Table) -> None:
    """New rows get numbers above those that came."""
    if new.dialect.name != "postgresql":
        return
    for column in inspect(new).get_columns(table.name):
        if "nextval" in str(column["default"] or ""):
            highest = new.scalar(select(func.max(table.c[column["name"]])))
            sequence = "pg_get_serial_sequence(:table, :column)"
            values = {"table": table.name, "column": column["name"], "value": highest or 1, "used": highest is not None}
            new.execute(text(f"SELECT setval({sequence}, :value, :used)"), values)
