"""First answers to keys of idempotence, kept for a day: by token and key, with what was asked and who is at it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import orjson
from sqlalchemy import delete, insert, select, update

from control_plane.model.token import FirstAnswer
from control_plane.store.api_tables import api_answers
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.leases import Holder, holder_columns, holder_of

KEPT = timedelta(hours=24)
Turn = Literal["begin", "again", "other", "busy"]


class AnswerRepository:
    """Keeps them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(
        self, token: int, key: str, asked: str, holder: Holder, alive: Callable[[Holder], bool]
    ) -> tuple[Turn, FirstAnswer | None]:
        """Whose turn it is: `begin` (do it), `again` (with the first answer), `other` (the key stands for something
        else), `busy` (a living process is at it). What a process that is gone had begun, the next one begins."""
        columns, now = api_answers.c, self._clock()
        mine = columns.token_id == token, columns.key == key
        values = holder_columns(holder)
        with self._database.write() as connection:
            self.tidy()
            row = connection.execute(select(api_answers).where(*mine)).one_or_none()
            if row is None:
                new = {"token_id": token, "key": key, "asked": asked, "at": now}
                connection.execute(insert(api_answers).values(**new, **values))
                return "begin", None
            if row.asked != asked:
                return "other", None
            if row.status is not None:
                return "again", FirstAnswer(row.status, orjson.loads(row.headers), row.body)
            if alive(holder_of(row)):
                return "busy", None
            connection.execute(update(api_answers).where(*mine).values(**values))
            return "begin", None

    def tidy(self) -> int:
        """Forget answers that are older than a day; returns how many those were."""
        with self._database.write() as connection:
            return connection.execute(delete(api_answers).where(api_answers.c.at <= self._clock() - KEPT)).rowcount

    def end(self, token: int, key: str, answer: FirstAnswer | None) -> None:
        """Keep the first answer; None: it came to nothing, and the key may be sent again."""
        mine = api_answers.c.token_id == token, api_answers.c.key == key
        with self._database.write() as connection:
            if answer is None:
                connection.execute(delete(api_answers).where(*mine))
                return
            headers = orjson.dumps(dict(answer.headers)).decode()
            values = {"status": answer.status, "headers": headers, "body": answer.body}
            connection.execute(update(api_answers).where(*mine).values(**values))
