"""Migrations: from nothing, again, side by side, and failing half-way."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select

from control_plane.model.errors import PermanentError, TemporaryError
from control_plane.store.database import BACKUPS, MIGRATIONS, Database
from control_plane.store.every_table import metadata
from control_plane.store.tables import actors
from tests.databases import POSTGRESQL, empty_database_url, sqlite_only

NEWEST = max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
FAILING = '''
"""Adds a column, then fails."""
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("c{revision}", sa.Integer()))
    {last}
'''


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    shutil.copytree(MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "migrations"


def add(migrations: Path, revision: str, before: str, last: str) -> None:
    text = FAILING.format(revision=revision, before=before, last=last)
    (migrations / "versions" / f"{revision}_test.py").write_text(text)


def test_from_empty_and_again(tmp_path):
    database = Database(empty_database_url(tmp_path))
    database.upgrade()
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert POSTGRESQL or (tmp_path / "gasp.db").stat().st_mode & 0o777 == 0o600
    database.upgrade()
    assert not list(tmp_path.glob("*.before-*"))
    database.close()


@sqlite_only
def test_failed_migration_leaves_everything_as_it_was(store, actor, tmp_path, migrations):
    before = dump(tmp_path / "gasp.db")
    add(migrations, "9001", NEWEST, 'raise RuntimeError("no")')
    with pytest.raises(PermanentError, match=f"from revision {NEWEST} to 9001, and is as it was: no") as told:
        store.database.upgrade(migrations)
    assert dump(tmp_path / "gasp.db") == before
    assert store.database.revision() == NEWEST
    (copy,) = tmp_path.glob(f"gasp.db.before-*-{NEWEST}")
    assert dump(copy) == before
    assert str(copy) in str(told.value.hint)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert store.actors.get("local:test") == actor


def test_a_database_of_a_newer_version_is_refused(store, migrations):
    add(migrations, "9001", NEWEST, "pass")
    store.database.upgrade(migrations)
    with pytest.raises(PermanentError, match="9001"):
        store.upgrade()


@pytest.mark.parametrize("what", ["no table", "no folder"])
def test_a_database_that_cannot_be_used_says_so(tmp_path, what):
    database = Database(f"sqlite:///{tmp_path / ('x.db' if what == 'no table' else 'none/x.db')}")
    with pytest.raises(TemporaryError), database.read() as connection:
        connection.execute(select(actors))
    database.close()


@sqlite_only
def test_copies_before_migrations_are_few(store, tmp_path, migrations):
    before = NEWEST
    for number in range(BACKUPS + 2):
        revision = f"90{number:02d}"
        add(migrations, revision, before, "pass")
        store.database.upgrade(migrations)
        before = revision
    assert store.database.revision() == before
    assert len(list(tmp_path.glob("gasp.db.before-*"))) == BACKUPS


@sqlite_only
def test_no_room_for_the_copy_leaves_everything_as_it_was(store, tmp_path, migrations, monkeypatch):
    before = dump(tmp_path / "gasp.db")
    add(migrations, "9001", NEWEST, "pass")
    connect = sqlite3.connect

    def small(path, *more, **options):
        """A disk on which one page has room, for copies alone."""
        found = connect(path, *more, **options)
        if ".before-" in str(path):
            found.execute("PRAGMA max_page_count = 1")
        return found

    with monkeypatch.context() as patch:
        patch.setattr("control_plane.store.database.sqlite3.connect", small)
        with pytest.raises(TemporaryError, match=r"is as it was: .*full") as told:
            store.database.upgrade(migrations)
    assert "Make room for" in str(told.value.hint) and str(tmp_path) in str(told.value.hint)
    assert not list(tmp_path.glob("*.before-*"))
    assert (dump(tmp_path / "gasp.db"), store.database.revision()) == (before, NEWEST)
    store.database.upgrade(migrations)
    assert store.database.revision() == "9001"


def upgrade(url: str) -> None:
    database = Database(url)
    database.upgrade()
    database.close()


def test_two_processes_upgrade_at_once(tmp_path):
    url = empty_database_url(tmp_path)
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        pool.map(upgrade, [url, url], chunksize=1)
    database = Database(url)
    assert database.revision() == NEWEST
    database.close()


def test_a_look_cannot_become_a_write(store):
    with store.look(), pytest.raises(RuntimeError, match="look is open"), store.transaction():
        pass
