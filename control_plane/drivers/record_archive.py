"""The collected access record as Parquet files, one or more a day, written and searched by DuckDB.

Files never change: lines are added by a new file, and a merge makes one of several. Sorted by address, so that a
search for one reads a few row groups. Must not know what is recorded in the database about them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from control_plane.drivers.secrets import write_private
from control_plane.model.errors import CouldNotMeasureError, PermanentError
from control_plane.model.record import COLUMNS, FIELDS, OPEN_EVERY, Question, StoredFile
from control_plane.model.text import t

MEMORY = "1GB"
THREADS = 2
ROW_GROUP = 122_880
NUMBERS = frozenset({"port", "nat_port", "server_port"})
AMOUNTS = frozenset({"octets_up", "octets_down"})
TIMES = frozenset({"time", "since"})


class ParquetArchive:
    """Implements `model.record.Archive` below `folder` (made with mode 0700)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, day: date, name: str, rows: Sequence[str]) -> StoredFile:
        """See `Archive.write`."""
        self._prepare()
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=".lines-", encoding="utf-8") as lines:
            lines.writelines(f"{row}\n" for row in rows)
            lines.flush()
            return self._make(day, name, 0, _from_text(Path(lines.name)))

    def merge(self, day: date, name: str, files: Sequence[StoredFile], level: int) -> StoredFile:
        """See `Archive.merge`."""
        for file in files:
            if self.fault(file):
                raise PermanentError(
                    t("File {name} of the access record is not what was written.", name=file.name),
                    t("Bring it back from a copy; gasp record verify names everything that is wrong."),
                )
        return self._make(day, name, level, f"SELECT * FROM {_read(self._paths([f.name for f in files]))}")

    def _make(self, day: date, name: str, level: int, query: str) -> StoredFile:
        self._prepare()
        path, fresh = self.folder / name, self.folder / f".{name}.new"
        with self._database() as database:
            database.execute(
                f"COPY ({query} ORDER BY address, time, segment) TO {_quoted(str(fresh))}"
                f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
            )
            counts = _counts(database, [fresh])
        fresh.chmod(0o600)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        digest = _digest(fresh)
        fresh.rename(path)
        self._sync()
        return StoredFile(name, day, level, sum(counts.values()), path.stat().st_size, digest, counts)

    def search(self, question: Question, names: Sequence[str]) -> tuple[list[dict[str, Any]], bool]:
        """See `Archive.search`."""
        if not names:
            return [], False
        lost = [name for name in names if not (self.folder / name).exists()]
        if lost:
            raise CouldNotMeasureError(
                t("Files of the access record are missing: {names}.", names=", ".join(lost[:5])),
                t("Bring them back from a copy; gasp record verify names everything that is wrong."),
            )
        where, values = _conditions(question)
        fitting = f"SELECT {', '.join(COLUMNS)} FROM {_read(self._paths(names))} WHERE ({where}) AND"
        end = _naive(question.end)
        noted = end + OPEN_EVERY
        with self._database() as database:
            found = database.execute(  # two parts, because whole row groups are left out by plain comparisons only
                f"{fitting} time >= ? AND time < ? AND coalesce(since, time) < ?"
                f" UNION ALL {fitting} time >= ? AND since < ? AND kind = 'proxy'"
                f" ORDER BY time, address, port, event LIMIT {question.limit + 1}",
                [*values, _naive(question.begin), noted, end, *values, noted, end],
            ).fetchall()
        rows = [_row(dict(zip(COLUMNS, row, strict=True))) for row in found[: question.limit]]
        return rows, len(found) > question.limit

    def earliest(self, names: Sequence[str], before: datetime) -> datetime | None:
        """See `Archive.earliest`."""
        import duckdb

        there = [path for path in self._paths(names) if path.exists()]
        if not there:
            return None
        query = f"SELECT min(since) FROM {_read(there)} WHERE kind = 'proxy' AND since < ?"
        try:
            with self._database() as database:
                ((found,),) = database.execute(query, [_naive(before)]).fetchall()
        except duckdb.Error:
            return datetime.min.replace(tzinfo=UTC)
        return found.replace(tzinfo=UTC) if found is not None else None

    def fault(self, file: StoredFile) -> str | None:
        """See `Archive.fault`."""
        path = self.folder / file.name
        if not path.exists():
            return "missing"
        return None if path.stat().st_size == file.octets and _digest(path) == file.sha256 else "changed"

    def counts(self, names: Sequence[str]) -> Mapping[int, int]:
        """See `Archive.counts`."""
        with self._database() as database:
            return _counts(database, self._paths(names))

    def discard(self, names: Sequence[str]) -> None:
        """See `Archive.discard`."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
        if names:
            self._sync()

    def names(self) -> Sequence[str]:
        """See `Archive.names`. What a killed process began goes at this occasion."""
        if not self.folder.is_dir():
            return []
        for left in (*self.folder.glob(".*.new"), *self.folder.glob(".lines-*")):
            left.unlink(missing_ok=True)
        return sorted(path.name for path in self.folder.glob("*.parquet"))

    def keep_damaged(self, name: str, content: bytes) -> bool:
        """See `Archive.keep_damaged`."""
        self._prepare()
        path = self.folder / "damaged" / name
        if path.exists():
            return False
        write_private(path, content)
        return True

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _paths(self, names: Sequence[str]) -> list[Path]:
        return [self.folder / name for name in names]

    def _sync(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _database(self) -> Iterator[Any]:
        import duckdb

        settings: dict[str, Any] = {
            "memory_limit": MEMORY,
            "threads": THREADS,
            "temp_directory": str(self.folder / ".duckdb"),
        }
        with duckdb.connect(":memory:", config=settings) as database:
            database.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
            yield database


def _from_text(path: Path) -> str:
    """Lines as `Archive.write` is given them, as typed columns."""
    names = ("tenant", "segment", *FIELDS)
    columns = ", ".join(f"'{n}': '{_type(n)}'" for n in names)
    picked = ", ".join(f"make_timestamp(round({c} * 1000000)::BIGINT) AS {c}" if c in TIMES else c for c in COLUMNS)
    return (
        f"SELECT {picked}, segment FROM read_csv({_quoted(str(path))}, delim='\\t', header=false, quote='', escape='',"
        f" auto_detect=false, nullstr='', columns={{{columns}}}, max_line_size=65536)"
    )


def _type(name: str) -> str:
    if name in TIMES:
        return "DOUBLE"
    if name == "segment" or name in NUMBERS:
        return "INTEGER"
    return "BIGINT" if name in AMOUNTS else "VARCHAR"


def _conditions(question: Question) -> tuple[str, list[Any]]:
    """What a line must be beside being of a connection that was there in the window."""
    parts = ["true"]
    values: list[Any] = []
    if question.tenant is not None:
        parts.append("tenant = ?")
        values.append(question.tenant)
    if question.addresses is not None:
        spans = []
        for address, since, until in question.addresses:
            spans.append("address = ? AND time >= ? AND coalesce(since, time) < ?")
            values += [address, _naive(since), _naive(until)]
        parts.append(f"({' OR '.join(spans)})" if spans else "false")
    if question.nat_address is not None:
        parts.append("nat = ?")
        values.append(question.nat_address)
    if question.nat_port is not None:
        parts.append("nat_port = ?")
        values.append(question.nat_port)
    if question.host is not None:
        name = question.host.lstrip(".")
        parts.append("(host = ? OR server = ?" + (" OR ends_with(host, ?))" if question.host[:1] == "." else ")"))
        values += [name, name] + ([question.host] if question.host[:1] == "." else [])
    return " AND ".join(f"({part})" for part in parts), values


def _row(row: dict[str, Any]) -> dict[str, Any]:
    for name in TIMES:
        row[name] = row[name].replace(tzinfo=UTC).isoformat() if row[name] is not None else None
    return row


def _counts(database: Any, paths: Sequence[Path]) -> dict[int, int]:
    if not paths:
        return {}
    return dict(database.execute(f"SELECT segment, count(*) FROM {_read(paths)} GROUP BY segment").fetchall())


def _read(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(_quoted(str(p)) for p in paths)}])"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _naive(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return moment.replace(tzinfo=None)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
