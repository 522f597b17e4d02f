"""Databases as stages of the product left them are brought to the newest revision without loss, or stay as they were.

`tests/data/databases` holds what SQLite's `.dump` says of each: rows in every table, written by the code of that day.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, insert, select

from control_plane.model.audit import AuditQuery
from control_plane.model.errors import PermanentError
from control_plane.model.run import FINAL
from control_plane.store.database import MIGRATIONS, Database
from control_plane.store.repository import Store
from tests.databases import POSTGRESQL, empty_database_url
from tests.unit.store.test_migrations import NEWEST, add

DUMPS = Path(__file__).parents[2] / "data" / "databases"
#: Stage → the revision that its databases are at.
STAGES = {"a1": "0001", "b": "0005", "c1": "0015"}
Rows = Mapping[str, list[dict[str, Any]]]


def rows(engine: Engine) -> Rows:
    """Every row of every table but Alembic's, sorted."""
    found = MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: sorted((dict(row) for row in connection.execute(select(table)).mappings()), key=repr)
            for table in found.sorted_tables
            if table.name != "alembic_version"
        }


def fill_sqlite(stage: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DUMPS / f"{stage}.sql").read_text("utf-8"))


def fill_postgresql(stage: str, folder: Path, url: str) -> None:
    """Tables as the migrations of that day make them there, and the rows of the dump."""
    versions = folder / "then" / "versions"
    shutil.copytree(MIGRATIONS, versions.parent, ignore=shutil.ignore_patterns("__pycache__"))
    for file in versions.glob("[0-9]*.py"):
        if file.name[:4] > STAGES[stage]:
            file.unlink()
    database = Database(url)
    database.upgrade(versions.parent)
    fill_sqlite(stage, folder / "then.db")
    dumped, then = create_engine(f"sqlite:///{folder / 'then.db'}"), MetaData()
    then.reflect(dumped)
    with dumped.connect() as source, database.write() as target:
        for table in then.sorted_tables:
            if table.name != "alembic_version":
                found = source.execute(select(table).order_by(*table.primary_key.columns)).mappings()
                target.execute(insert(table), [dict(row) for row in found])
    dumped.dispose()
    database.close()


@pytest.fixture(params=sorted(STAGES))
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old(stage: str, tmp_path: Path) -> Iterator[Database]:
    """A database of that stage."""
    url = empty_database_url(tmp_path)
    if POSTGRESQL:
        fill_postgresql(stage, tmp_path, url)
    else:
        fill_sqlite(stage, tmp_path / "gasp.db")
    made = Database(url)
    assert made.revision() == STAGES[stage]
    yield made
    made.close()


def test_nothing_is_lost(old: Database) -> None:
    before = rows(old.engine)
    assert all(before.values()), "a table of the dump is empty"
    assert "市发展和改革委员会" in repr(before["tenants"])
    assert "丁芳辉" in repr(before["revisions"])
    old.upgrade()
    after = rows(old.engine)
    assert old.revision() == NEWEST
    for table, given in before.items():
        assert len(after[table]) == len(given), table
        kept = [{name: row[name] for name in given[0] if name in row} for row in after[table]]
        assert sorted(kept, key=repr) == [{name: row[name] for name in kept[0]} for row in given], table
        assert set(given[0]) <= set(after[table][0]), table


def test_the_code_of_today_reads_it(old: Database, stage: str) -> None:
    store = Store(old.engine.url.render_as_string(hide_password=False))
    store.upgrade()
    tenants = {row.code: row for row in store.estate.tenants(ended=True)}
    assert tenants["fgw"].names.zh == "市发展和改革委员会"
    assert tenants["shinan"].ended_at is not None
    site = store.estate.subscription("fgw/public_site")
    assert site is not None
    assert "发改委.fgw.qingdao.test" in site.spec["sites"][0]["names"]["aliases"]
    assert [r.generation for r in store.estate.revisions(site.id)] == list(range(1, site.generation + 1))
    runs = store.runs.list()
    assert runs and all(run.state in FINAL for run in runs)
    assert all(store.runs.events(run.id, 0) for run in runs)
    assert store.plans.load(str(runs[-1].digest)).body["changes"]
    count, _, faults = store.audit.faults()
    assert not faults
    assert (count > 100) == (stage == "c1")
    entries = store.audit.find(AuditQuery(limit=1))
    assert [entry.number for entry in entries] == ([count] if count else [])
    store.close()


def test_a_migration_that_fails_leaves_it_as_it_was(old: Database, stage: str, tmp_path: Path) -> None:
    """The last of all fails, when all others have changed their tables."""
    before = rows(old.engine)
    broken = tmp_path / "broken"
    shutil.copytree(MIGRATIONS, broken, ignore=shutil.ignore_patterns("__pycache__"))
    add(broken, "9001", NEWEST, 'op.execute("SELECT * FROM nowhere")')
    with pytest.raises(PermanentError, match=f"from revision {STAGES[stage]} to 9001, and is as it was: .*nowhere"):
        old.upgrade(broken)
    assert rows(old.engine) == before
    assert old.revision() == STAGES[stage]
    old.upgrade()
    assert old.revision() == NEWEST
