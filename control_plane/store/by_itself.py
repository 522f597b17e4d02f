"""Scans of machines as they go, and what became of each fetch of signatures.

Must not judge: when something is due is in `model.by_itself`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

import orjson
from sqlalchemy import Row, delete, insert, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.by_itself import ScanRecord
from control_plane.model.run import Actor
from control_plane.model.text import Text
from control_plane.store.audit import AuditRepository
from control_plane.store.by_itself_tables import machine_scans, signature_turns
from control_plane.store.database import Database
from control_plane.store.identity import Clock

#: Fetches that are remembered.
KEPT = 200


class ScanRepository:
    """Keeps how far the scan of each machine is, and when the last complete one ended."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> dict[str, ScanRecord]:
        """What is known, by machine id."""

        def read() -> dict[str, ScanRecord]:
            with self._database.read() as connection:
                return {row.machine_id: _record(row) for row in connection.execute(select(machine_scans))}

        return dict(self._database.shared("machine_scans", read))

    def get(self, machine: str) -> ScanRecord:
        """What is known of one machine."""
        with self._database.read() as connection:
            query = select(machine_scans).where(machine_scans.c.machine_id == machine)
            row = connection.execute(query).one_or_none()
        return _record(row) if row is not None else ScanRecord(machine)

    def begin(self, machine: str) -> None:
        """A scan begins from the first file."""
        self._set(machine, began_at=self._clock(), cursor=None, files=0, found=0, silent=False, error=None)

    def came_to(self, machine: str, cursor: str, files: int, found: int) -> None:
        """Everything before the cursor was looked into, and what was found there is reported."""
        self._set(machine, cursor=cursor, files=files, found=found)

    def rest(self, machine: str) -> None:
        """It goes on with the next turn."""
        self._set(machine, tried_at=self._clock(), silent=False, error=None)

    def broke_off(self, machine: str, error: Text, silent: bool) -> None:
        """It could not go on; `silent`: the machine did not answer. It is gone on with later."""
        self._set(machine, tried_at=self._clock(), error=orjson.dumps(error.as_json()).decode(), silent=silent)

    def ended(self, machine: str, at: datetime, files: int, found: int) -> None:
        """Everything was looked into. `at` is what the machine's clock said; it cannot have been later than now."""
        now = self._clock()
        self._set(
            machine, began_at=None, cursor=None, files=files, found=found, tried_at=now, scanned_at=min(at, now),
            ended_at=now, silent=False, error=None,
        )  # fmt: skip

    def _set(self, machine: str, **values: Any) -> None:
        with self._database.write() as connection:
            mine = update(machine_scans).where(machine_scans.c.machine_id == machine).values(values)
            if connection.execute(mine).rowcount == 0:
                given = {"files": 0, "found": 0, "silent": False, **values}
                connection.execute(insert(machine_scans).values(machine_id=machine, **given))


@dataclass(frozen=True, slots=True)
class Turn:
    """One fetch of signatures. `state`: nothing (no newer set), new, failed. `rollout` brings its set to machines;
    `given_at`: when rings without a machine got it too. `why`: what failed. `told`: operators were told of it."""

    id: int
    at: datetime
    state: str
    snapshot: str | None = None
    rollout: int | None = None
    given_at: datetime | None = None
    why: Text | None = None
    told: bool = False


class SignatureTurnRepository:
    """Keeps what became of each fetch."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def last(self, *states: str) -> Turn | None:
        """The newest one in one of these states; without states, of all."""
        return next((turn for turn in self._all() if not states or turn.state in states), None)

    def failures(self) -> list[Turn]:
        """Failed ones since the last that went well, newest first."""
        return list(takewhile(lambda turn: turn.state == "failed", self._all()))

    def _all(self) -> Sequence[Turn]:
        query = select(signature_turns).order_by(signature_turns.c.id.desc()).limit(KEPT)

        def read() -> Sequence[Turn]:
            with self._database.read() as connection:
                return [_turn(row) for row in connection.execute(query)]

        return self._database.shared("signature_turns", read)

    def enter(self, state: str, snapshot: str | None = None) -> None:
        """A fetch went well."""
        with self._database.write() as connection:
            values = {"at": self._clock(), "state": state, "snapshot": snapshot, "told": False}
            number = connection.execute(insert(signature_turns).values(values)).inserted_primary_key
            connection.execute(delete(signature_turns).where(signature_turns.c.id <= number[0] - KEPT))  # type: ignore[index]

    def failed(self, why: Text, actor: Actor, tell: bool) -> None:
        """A fetch, or what follows it, failed. `tell`: operators are told; that is an entry of the audit trail."""
        with self._database.write() as connection:
            text = orjson.dumps(why.as_json()).decode()
            values = {"at": self._clock(), "state": "failed", "why": text, "told": tell}
            connection.execute(insert(signature_turns).values(values))
            if tell:
                detail = {"text": why.as_json()}
                self._audit.record(AuditAct.SIGNATURES_STUCK, actor, [Subject("snapshot", "signatures")],
                                   outcome="failed", detail=detail)  # fmt: skip

    def rolls(self, turn: int, rollout: int) -> None:
        """A rollout brings its set to machines."""
        self._set(turn, rollout_id=rollout)

    def given(self, turn: int) -> None:
        """Rings without a machine have its set too."""
        self._set(turn, given_at=self._clock())

    def _set(self, turn: int, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(signature_turns).where(signature_turns.c.id == turn).values(values))


def _record(row: Row[Any]) -> ScanRecord:
    return ScanRecord(
        row.machine_id, row.began_at, row.cursor, row.files, row.found, row.tried_at, row.scanned_at, row.ended_at,
        row.silent, Text.from_json(orjson.loads(row.error)) if row.error else None,
    )  # fmt: skip


def _turn(row: Row[Any]) -> Turn:
    why = Text.from_json(orjson.loads(row.why)) if row.why else None
    return Turn(row.id, row.at, row.state, row.snapshot, row.rollout_id, row.given_at, why, row.told)
