"""Revisions of the centre's policy, and which one a new department gets. A revision is never changed or deleted."""

from __future__ import annotations

import builtins
import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound
from control_plane.model.internet import SERVICE, CentrePolicy
from control_plane.model.rollout import RolloutState
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.policies_tables import internet_policies
from control_plane.store.rollouts_tables import rollouts
from control_plane.store.tables import actors

#: How a rollout of a revision is named, in its title and, when it goes to all, as its snapshot.
PREFIX = "policy-"
_ENDED_WELL = (RolloutState.DONE.value, RolloutState.CATCHING_UP.value)


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One revision: who made it, when and why. `digest` is of its text."""

    number: int
    digest: str
    reason: str
    at: datetime
    by: str


def revision_in(title: str) -> int | None:
    """The revision that a rollout of this title brings; None when it brings none."""
    found = title.partition(f"{SERVICE} {PREFIX}")[2]
    return int(found) if found.isdecimal() else None


def finished(connection: Connection) -> int:
    """The revision whose rollout to all departments was the last to end well; 0 before the first one."""
    columns = rollouts.c
    query = (
        select(columns.snapshot)
        .where(columns.kind == "configuration", columns.snapshot.startswith(PREFIX), columns.state.in_(_ENDED_WELL))
        .order_by(columns.id.desc())
        .limit(1)
    )
    found = connection.scalar(query)
    return int(found.removeprefix(PREFIX)) if found else 0


class PolicyRepository:
    """Adds and reads revisions."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._known: dict[tuple[int, str], CentrePolicy] = {}

    def add(self, text: str, reason: str, by: Actor) -> int:
        """Keep a new revision; returns its number."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        values = {"body": text, "digest": digest, "reason": reason, "at": self._clock(), "by_key": by.key}
        with self._database.write() as connection:
            made = connection.execute(insert(internet_policies).values(values))
            number = int(made.inserted_primary_key[0])  # type: ignore[index]
            about = [Subject("policy", str(number))]
            self._audit.record(AuditAct.POLICY_MADE, by, about, digest=digest, reason=reason)
            return number

    def list(self) -> builtins.list[PolicyRow]:
        """All but the shipped one, newest first."""
        columns = internet_policies.c
        query = (
            select(columns.number, columns.digest, columns.reason, columns.at, actors.c.name)
            .join(actors)
            .order_by(columns.number.desc())
        )
        with self._database.read() as connection:
            return [PolicyRow(*row) for row in connection.execute(query)]

    def get(self, number: int) -> CentrePolicy:
        """One revision, not the shipped one; the same object for the same text. Raises NotFound."""
        columns = internet_policies.c
        with self._database.read() as connection:
            digest = connection.scalar(select(columns.digest).where(columns.number == number))
            if digest is None:
                raise NotFound(
                    t("There is no revision {number} of the policy.", number=number),
                    t("“gasp internet policy list” shows all of them."),
                )
            if (number, digest) not in self._known:
                text = connection.scalar(select(columns.body).where(columns.number == number))
                self._known[number, digest] = CentrePolicy(number, str(text))
        return self._known[number, digest]

    def finished(self) -> int:
        """What a new department gets: see `finished`."""
        with self._database.read() as connection:
            return finished(connection)
