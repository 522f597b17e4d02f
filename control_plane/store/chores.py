"""When each of the worker's chores last began, ended and succeeded, and what its last error was; who is at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import insert, select, update

from control_plane.model.text import Text
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.leases import Holder
from control_plane.store.rollouts_tables import chores


@dataclass(frozen=True, slots=True)
class ChoreRow:
    """One chore; `every` in seconds, `failures` in a row since the last success, `pid` while it is under way."""

    name: str
    every: int
    started_at: datetime | None
    ended_at: datetime | None
    succeeded_at: datetime | None
    error: Text | None
    failures: int
    pid: int | None


class ChoreRepository:
    """Keeps the state of chores."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, name: str, every: int, holder: Holder, alive: Callable[[Holder], bool]) -> bool:
        """It begins now, in this process; False while another living one is at it."""
        with self._database.write() as connection:
            values = {
                "every": every,
                "started_at": self._clock(),
                "pid": holder.pid,
                "holder_start": holder.start_time,
                "holder_boot": holder.boot_id,
            }
            row = connection.execute(select(chores).where(chores.c.name == name)).one_or_none()
            if row is None:
                connection.execute(insert(chores).values(name=name, failures=0, **values))
                return True
            if row.pid is not None:
                before = Holder(row.pid, row.holder_start, row.holder_boot)
                if before != holder and alive(before):
                    return False
            connection.execute(update(chores).where(chores.c.name == name).values(values))
        return True

    def end(self, name: str, error: Text | None) -> int:
        """It ended, well or with an error; returns how often it has failed in a row."""
        with self._database.write() as connection:
            now = self._clock()
            failures = int(connection.scalar(select(chores.c.failures).where(chores.c.name == name)) or 0)
            failures = failures + 1 if error is not None else 0
            values: dict[str, Any] = {"ended_at": now, "failures": failures, "error": _stored(error), "pid": None}
            if error is None:
                values["succeeded_at"] = now
            connection.execute(update(chores).where(chores.c.name == name).values(values))
        return failures

    def list(self) -> Sequence[ChoreRow]:
        """All chores that ever ran, by name."""
        with self._database.read() as connection:
            return [
                ChoreRow(
                    row.name, row.every, row.started_at, row.ended_at, row.succeeded_at, _read(row.error), row.failures,
                    row.pid,
                )
                for row in connection.execute(select(chores).order_by(chores.c.name))
            ]  # fmt: skip


def _stored(error: Text | None) -> str | None:
    return orjson.dumps(error.as_json()).decode() if error is not None else None


def _read(stored: str | None) -> Text | None:
    """A sentence; former versions kept it as it was shown."""
    if stored is None:
        return None
    return Text.from_json(orjson.loads(stored)) if stored.startswith('{"') else Text("{text}", {"text": stored})
