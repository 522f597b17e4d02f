"""A text has no NUL, whichever database keeps it: PostgreSQL could not take it over."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from control_plane.model.errors import Invalid
from control_plane.model.run import Actor
from control_plane.store.every_table import metadata
from control_plane.store.repository import Store


def test_nul_is_refused_before_it_is_kept(store: Store, actor: Actor) -> None:
    with pytest.raises(Invalid) as caught:
        store.freezes.set("estate", "a\0b", actor)
    assert "NUL" in str(caught.value.problems[0].text)
    assert store.freezes.list() == []


def test_nor_is_anything_asked_for_with_it(store: Store) -> None:
    actors = metadata.tables["actors"]
    with store.database.read() as connection, pytest.raises(Invalid):
        connection.execute(select(actors).where(actors.c.name == "\0")).all()


def test_of_many_rows_at_once_none_is_kept(store: Store) -> None:
    actors = metadata.tables["actors"]
    rows = [{"key": "a_1", "name": "directory:li"}, {"key": "a_2", "name": "directory:l\0i"}]
    with pytest.raises(Invalid), store.database.write() as connection:
        connection.execute(insert(actors), rows)
    with store.database.read() as connection:
        assert "directory:li" not in connection.scalars(select(actors.c.name)).all()
