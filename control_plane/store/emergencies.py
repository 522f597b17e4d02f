"""Emergencies in the database. Must not judge who may do what, nor write any audit entry: the request's steps do."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import insert, select, update

from control_plane.model.emergency import MOVING, Early, Emergency, EmergencyState
from control_plane.model.errors import NotFound
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.store.database import Database
from control_plane.store.emergencies_tables import emergencies
from control_plane.store.identity import Clock
from control_plane.store.tables import actors

_REVIEWER = actors.alias("reviewer")


class EmergencyRepository:
    """Begins, moves and finds them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(
        self, request_id: int, actor: Actor, reason: str, stands: timedelta, stands_for: str | None = None
    ) -> Emergency:
        """A new one; `stands_for`: key of the operator whose substitute does it."""
        now = self._clock()
        values = {"request_id": request_id, "actor_key": actor.key, "at": now, "reason": reason, "for_key": stands_for}
        with self._database.write() as connection:
            made = connection.execute(
                insert(emergencies).values(state=EmergencyState.APPLYING.value, expires_at=now + stands, **values)
            )
            return self.get(int(made.inserted_primary_key[0]))  # type: ignore[index]

    def wrote(self, number: int, before: Mapping[str, Any] | None, generation: int) -> None:
        """Note, in the transaction that writes the wish, what was there before and what was written."""
        kept = orjson.dumps(before).decode() if before is not None else None
        with self._database.write() as connection:
            connection.execute(
                update(emergencies).where(emergencies.c.id == number).values(before=kept, generation=generation)
            )

    def move(self, number: int, state: EmergencyState, *, why: Text | None = None, **values: Any) -> Emergency:
        """Another state, with what is in the way, and further columns."""
        said = orjson.dumps(why.as_json()).decode() if why is not None else None
        with self._database.write() as connection:
            connection.execute(
                update(emergencies)
                .where(emergencies.c.id == number)
                .values(state=state.value, why=said, tried_at=self._clock(), **values)
            )
            return self.get(number)

    def review(self, number: int, actor: Actor, text: str) -> Emergency:
        """Note who reviewed it and what they found."""
        values = {"reviewed_at": self._clock(), "reviewed_by": actor.key, "review": text}
        with self._database.write() as connection:
            connection.execute(update(emergencies).where(emergencies.c.id == number).values(values))
            return self.get(number)

    def get(self, number: int) -> Emergency:
        """One of them. Raises NotFound."""
        found = self._find(emergencies.c.id == number)
        if not found:
            raise no_such_emergency(number)
        return found[0]

    def list(self, everything: bool = False) -> builtins.list[Emergency]:
        """Newest first: those that are not reviewed or not over; `everything`: all. Where nothing was changed nothing
        is to be reviewed."""
        return [
            one
            for one in self._all()
            if everything or one.state in MOVING or (one.reviewed_at is None and one.state is not EmergencyState.FAILED)
        ]

    def _all(self) -> builtins.list[Emergency]:
        return self._database.shared("emergencies", self._find)

    def moving(self) -> builtins.list[Emergency]:
        """Those to which something happens still, oldest first."""
        return [*reversed(self._find(emergencies.c.state.in_([state.value for state in MOVING])))]

    def of_request(self, request_id: int) -> builtins.list[Emergency]:
        """Those of one request, newest first."""
        return self._find(emergencies.c.request_id == request_id)

    def early(self) -> dict[int, Early]:
        """Request → whose act it was to make it real ahead of its signatures, and whether that stands still."""
        found: dict[int, Early] = {}
        for one in self._all():
            before = found.get(one.request, Early())
            keys = before.keys | {key for key in (one.actor.key, one.stands_for) if key}
            found[one.request] = Early(keys, before.stands or one.state in MOVING)
        return found

    def _find(self, *where: Any) -> builtins.list[Emergency]:
        columns = emergencies.c
        query = (
            select(emergencies, actors.c.name, _REVIEWER.c.name.label("reviewer"))
            .join(actors, actors.c.key == columns.actor_key)
            .outerjoin(_REVIEWER, _REVIEWER.c.key == columns.reviewed_by)
            .where(*where)
            .order_by(columns.id.desc())
        )
        with self._database.read() as connection:
            return [*_rows(connection.execute(query))]


def _rows(rows: Iterable[Any]) -> Iterable[Emergency]:
    for row in rows:
        yield Emergency(
            row.id, row.request_id, EmergencyState(row.state), Actor(row.actor_key, row.name), row.at, row.reason,
            row.expires_at, orjson.loads(row.before) if row.before else None, row.generation, row.run_id, row.back_run,
            Text.from_json(orjson.loads(row.why)) if row.why else None, row.tried_at, row.reviewed_at,
            Actor(row.reviewed_by, row.reviewer) if row.reviewed_by else None, row.review, row.for_key,
        )  # fmt: skip


def no_such_emergency(number: int) -> NotFound:
    """What is said of one that is not there, or not for who asks."""
    return NotFound(t("There is no emergency {id}.", id=number), t("See gasp emergencies list --all."))


def fresh(moment: datetime | None, now: datetime, pause: timedelta) -> bool:
    """Whether something was tried a moment ago."""
    return moment is not None and now < moment + pause
