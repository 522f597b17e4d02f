"""SQLite's log of writes: written back under the lock of the writer, short again; and a file that is no database."""

from __future__ import annotations

import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from subprocess import run

import pytest
from sqlalchemy import text

from control_plane.model.errors import PermanentError
from control_plane.store.database import LOG_OCTETS, Database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    with closing(sqlite3.connect(tmp_path / "gasp.db")) as plain:
        plain.execute("PRAGMA journal_mode = WAL")
        plain.execute("CREATE TABLE pads (id INTEGER PRIMARY KEY, pad BLOB)")
    return Database(f"sqlite:///{tmp_path / 'gasp.db'}")


def add(database: Database, octets: int) -> None:
    with database.write() as connection:
        connection.execute(text("INSERT INTO pads (pad) VALUES (zeroblob(:octets))"), {"octets": octets})


def sizes(database: Database) -> tuple[int, int]:
    """Octets of the database and of its log."""
    assert database.path is not None
    return database.path.stat().st_size, database.path.with_name("gasp.db-wal").stat().st_size


def test_the_log_is_written_back_by_who_may_write_and_by_nobody_else(database: Database) -> None:
    add(database, 1)
    before, _ = sizes(database)
    add(database, LOG_OCTETS)
    assert sizes(database)[0] == before
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pads")) == 2
    assert sizes(database)[0] == before
    add(database, 1)
    assert sizes(database)[0] > LOG_OCTETS
    assert sizes(database)[1] < LOG_OCTETS / 10
    database.close()


def test_a_reader_in_the_way_only_makes_the_log_longer(database: Database) -> None:
    add(database, 1)
    with ThreadPoolExecutor(1) as other, database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pads")) == 1
        for _ in range(3):
            other.submit(add, database, LOG_OCTETS).result()
        assert connection.scalar(text("SELECT count(*) FROM pads")) == 1
        assert sizes(database)[1] > 3 * LOG_OCTETS
    add(database, 1)
    assert sizes(database)[1] < LOG_OCTETS / 10
    database.close()


def test_processes_that_write_at_once_leave_a_sound_database(database: Database, tmp_path: Path) -> None:
    work = "; ".join(
        [
            "import sys; from pathlib import Path",
            "from control_plane.store.database import Database",
            "from tests.unit.store.test_log_of_writes import add",
            "database = Database(sys.argv[1]); [add(database, 100_000) for _ in range(150)]",
        ]
    )
    with ThreadPoolExecutor(3) as pool:
        command = [sys.executable, "-c", work, f"sqlite:///{tmp_path / 'gasp.db'}"]
        assert [done.returncode for done in pool.map(run, [command] * 3)] == [0, 0, 0]
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pads")) == 450
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    database.close()


@pytest.mark.parametrize("octets", [b"nothing of the kind" * 300, b"SQLite format 3\0" + bytes(8000)])
def test_a_damaged_database_is_named_with_the_remedy(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "gasp.db").write_bytes(octets)
    database = Database(f"sqlite:///{tmp_path / 'gasp.db'}")
    with pytest.raises(PermanentError, match="is damaged") as told:
        database.revision()
    assert str(tmp_path / "gasp.db") in str(told.value.hint)
