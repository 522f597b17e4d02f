"""Jobs in the database: written down once, taken by one process at a time, ended once."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import func, insert, or_, select, update

from control_plane.model.errors import NotFound
from control_plane.model.jobs import KINDS, Job, JobKind, JobState
from control_plane.model.run import Actor
from control_plane.model.text import language, t
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.jobs_tables import jobs
from control_plane.store.leases import Holder, holder_columns, holder_of
from control_plane.store.tables import actors

OPEN = (JobState.WAITING.value, JobState.RUNNING.value)


class JobRepository:
    """Keeps jobs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def place(
        self, kind: JobKind, subject: str, given: Mapping[str, Any], actor: Actor, once: str, holder: Holder | None
    ) -> tuple[Job, bool]:
        """The job of this actor's form `once`, and whether it is new. `holder`: who begins it at once."""
        with self._database.write() as connection:
            mine = jobs.c.actor_key == actor.key, jobs.c.once == once
            known = connection.scalar(select(jobs.c.id).where(*mine))
            if known is not None:
                return self.get(known), False
            result = connection.execute(
                insert(jobs).values(
                    once=once,
                    kind=kind.name,
                    lane=kind.lane,
                    subject=subject[:400],
                    given=orjson.dumps(given).decode(),
                    language=language(),
                    actor_key=actor.key,
                    at=self._clock(),
                    state=(JobState.RUNNING if holder else JobState.WAITING).value,
                    attempts=1 if holder else 0,
                    **(holder_columns(holder) if holder else {}),
                )
            )
            if not holder:
                self._database.tell(kind.chore)
            return self.get(int(result.inserted_primary_key[0])), True  # type: ignore[index]

    def take(self, lanes: Sequence[str], holder: Holder, alive: Callable[[Holder], bool]) -> Job | None:
        """The oldest job of these lanes that nobody who lives is at, from now on this process's; None without one.
        A lane is worked by one process, one job after the other: what it holds itself when it asks, it had dropped."""
        query = select(jobs).where(jobs.c.lane.in_(lanes), jobs.c.state.in_(OPEN)).order_by(jobs.c.id)
        with self._database.read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return None
        with self._database.write() as connection:
            for row in connection.execute(query).all():
                if row.holder_pid is not None:
                    before = holder_of(row)
                    dropped = before == holder and row.lane != "at_once"
                    if not dropped and alive(before):
                        continue
                values = {"state": JobState.RUNNING.value, "attempts": row.attempts + 1, **holder_columns(holder)}
                connection.execute(update(jobs).where(jobs.c.id == row.id).values(values))
                return self.get(row.id)
        return None

    def set_run(self, job: int, run: int) -> None:
        """Say which run carries it out."""
        with self._database.write() as connection:
            first = func.coalesce(jobs.c.first_run, run)
            connection.execute(update(jobs).where(jobs.c.id == job).values(run_id=run, first_run=first))

    def finish(
        self, job: int, state: JobState, answer: Mapping[str, Any] | None, refusal: Mapping[str, Any] | None = None
    ) -> Job:
        """Its outcome; a job has one only."""
        values = {
            "state": state.value,
            "answer": orjson.dumps(answer, default=str).decode() if answer is not None else None,
            "refusal": orjson.dumps(refusal).decode() if refusal is not None else None,
            "finished_at": self._clock(),
        }
        with self._database.write() as connection:
            found = self.get(job)
            if found.kind.forgets:
                values["given"] = orjson.dumps(found.kind.kept(found.given)).decode()
            connection.execute(update(jobs).where(jobs.c.id == job, jobs.c.state.in_(OPEN)).values(values))
            return self.get(job)

    def withdraw(self, job: int, refusal: Mapping[str, Any]) -> bool:
        """End it as refused if nobody has begun it; whether that was so."""
        values = {
            "state": JobState.REFUSED.value, "refusal": orjson.dumps(refusal).decode(), "finished_at": self._clock(),
        }  # fmt: skip
        with self._database.write() as connection:
            found = self.get(job)
            if found.kind.forgets:
                values["given"] = orjson.dumps(found.kind.kept(found.given)).decode()
            mine = update(jobs).where(jobs.c.id == job, jobs.c.state == JobState.WAITING.value)
            return connection.execute(mine.values(values)).rowcount == 1

    def get(self, job: int) -> Job:
        """One job. Raises NotFound."""
        found = self._jobs(jobs.c.id == job, 1)
        if not found:
            raise NotFound(t("There is no job {id}.", id=job))
        return found[0]

    def list(self, limit: int) -> Sequence[Job]:
        """Newest first."""
        return self._jobs(None, limit)

    def of_run(self, run: int) -> Job | None:
        """The job that a run belongs to."""
        return next(iter(self._jobs(or_(jobs.c.run_id == run, jobs.c.first_run == run), 1)), None)

    def before(self, job: Job) -> int:
        """How many jobs of its lane come first."""
        mine = jobs.c.lane == job.kind.lane, jobs.c.state.in_(OPEN), jobs.c.id < job.id
        with self._database.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(jobs).where(*mine)) or 0)

    def _jobs(self, where: Any, limit: int) -> builtins.list[Job]:
        query = select(jobs, actors.c.name).join(actors).order_by(jobs.c.id.desc()).limit(limit)
        if where is not None:
            query = query.where(where)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query)]


def _job(row: Any) -> Job:
    return Job(
        row.id, KINDS[row.kind], row.subject, orjson.loads(row.given), Actor(row.actor_key, row.name), row.at,
        JobState(row.state), row.attempts, row.language, row.run_id, row.first_run, orjson.loads(row.answer or "{}"),
        orjson.loads(row.refusal) if row.refusal else None, row.finished_at,
    )  # fmt: skip
