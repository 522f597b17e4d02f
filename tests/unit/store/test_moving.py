"""A database that is somebody else's is refused before anything is written to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from control_plane.model.errors import Invalid
from control_plane.store.database import Database
from control_plane.store.moving import examine, move


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'other.db'}")
    yield made
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'gasp.db'}")
    made.upgrade()
    yield made
    made.close()


def put(database: Database, *statements: str) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def tables(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(inspect(connection).get_table_names())


@pytest.mark.parametrize(
    ("statements", "foreign"),
    [
        (["CREATE TABLE invoices (id INTEGER)"], ["invoices"]),
        (["CREATE TABLE runs (id INTEGER)"], ["runs"]),  # a name of ours, and none of ours made it
        (
            ["CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('a1b2c3d4')",
             "CREATE TABLE runs (id INTEGER)"],
            ["alembic_version", "runs"],
        ),
    ],
)  # fmt: skip
def test_tables_of_somebody_else_are_named_and_left_alone(
    source: Database, target: Database, statements: list[str], foreign: list[str]
) -> None:
    put(target, *statements)
    for refused in (lambda: examine(target), lambda: move(source, target)):
        with pytest.raises(Invalid) as caught:
            refused()
        (problem,) = caught.value.problems
        assert (problem.code, problem.field) == ("database-not-ours", "TARGET")
        assert str(problem.text).endswith(f": {', '.join(foreign)}.")
        assert "empty" in str(problem.remedy)
    assert tables(target) == foreign


def test_tables_of_ours_without_rows_are_no_hindrance(source: Database, target: Database) -> None:
    target.upgrade()
    examine(target)
    put(target, "CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(Invalid):
        examine(target)
    put(target, "DROP TABLE invoices")
    assert move(source, target)
