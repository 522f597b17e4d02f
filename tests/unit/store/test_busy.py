"""More at once than the database takes: they are told so, and nothing is written."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from control_plane.model.errors import TemporaryError
from control_plane.store.database import Database
from tests.databases import database_url


def test_who_gets_no_connection_is_told_that_it_was_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(database_url(tmp_path))
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.05)
    with ExitStack() as held:
        for _ in range(40):
            held.enter_context(database.engine.connect())
        with pytest.raises(TemporaryError, match="was busy"), database.write():
            raise AssertionError("nobody writes without a connection")
    with database.read():
        pass
    database.engine.dispose()
