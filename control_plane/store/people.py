"""People of the centre: roles with their history, sessions, second factors, attempts to sign in.

Must not judge who may do what: `workflow` does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select, true, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.people import Grant, Person, Session, Stage
from control_plane.model.run import Actor
from control_plane.store.audit import STRANGER, AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import ActorRepository, Clock
from control_plane.store.living import living_id
from control_plane.store.people_tables import grants, people, sign_in_attempts, web_sessions
from control_plane.store.tables import actors, tenants


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves somebody: argon2 hash of a local account, sealed second factor and the last step that was used,
    and to which directory entry the name belonged when it was first seen."""

    verifier: str | None
    must_change: bool
    second_factor: str | None
    last_step: int
    directory_key: str | None


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """A grant with its end, for the history."""

    grant: Grant
    revoked_at: datetime | None
    revoked_by: str | None
    revoked_reason: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in, as typed."""

    at: datetime
    typed: str
    person: str | None
    address: str
    outcome: str


#: Values in one condition.
CHUNK = 500
#: Of a substitute's grant: the one it stands for, and who holds that.
_OWN, _HOLDER = grants.alias("own_grant"), actors.alias("holder")
#: What the outcome of an attempt is in the audit trail.
_ATTEMPTS = {
    "signed_in": AuditAct.SIGNED_IN,
    "refused": AuditAct.SIGN_IN_REFUSED,
    "blocked": AuditAct.SIGN_IN_LOCKED,
}


class PeopleRepository:
    """Reads and changes people. Names of people are those of actors."""

    def __init__(self, database: Database, actors_: ActorRepository, clock: Clock, audit: AuditRepository) -> None:
        self._audit = audit
        self._database = database
        self._actors = actors_
        self._clock = clock

    # people ------------------------------------------------------------------------------------------------------
    def ensure(self, name: str, display: str, tenant: str | None = None, directory_key: str | None = None) -> Person:
        """The person called `name`, made or brought up to date."""
        key = self._actors.get(name).key
        with self._database.write() as connection:
            tenant_id = self._tenant_id(tenant) if tenant else None
            values: dict[str, Any] = {"display": display, "tenant_id": tenant_id}
            known = connection.execute(select(people.c.directory_key).where(people.c.key == key)).one_or_none()
            if known is None:
                fresh = {"theme": "auto", "enrolled": False, "last_step": 0, "must_change": False}
                connection.execute(
                    insert(people).values(
                        key=key, directory_key=directory_key, created_at=self._clock(), **values, **fresh
                    )
                )
            else:
                if known.directory_key is None:
                    values["directory_key"] = directory_key
                connection.execute(update(people).where(people.c.key == key).values(values))
        found = self.find(name)
        assert found is not None
        return found

    def find(self, name: str) -> Person | None:
        """The person whose actor is called `name`, with the grants that are in force now."""
        return self._database.shared(("person", name), lambda: next(iter(self._people(actors.c.name == name)), None))

    def all(self) -> list[Person]:
        """Everybody, by name."""
        return [*self._database.shared("people", lambda: self._people(None))]

    def _people(self, where: Any) -> list[Person]:
        alive = or_(grants.c.tenant_id.is_(None), tenants.c.ended_at.is_(None))
        held = _granting().where(_in_force(self._clock()), alive).subquery()
        columns = [held.c[name].label(f"grant_{name}") for name in GRANTED]
        query = (
            select(people, actors.c.name, tenants.c.code, *columns)
            .select_from(people)
            .join(actors, actors.c.key == people.c.key)
            .outerjoin(tenants, tenants.c.id == people.c.tenant_id)
            .outerjoin(held, held.c.person_key == people.c.key)
            .order_by(actors.c.name, held.c.id)
        )
        if where is not None:
            query = query.where(where)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        found: dict[str, tuple[Any, list[Grant]]] = {}
        for row in rows:
            _, own = found.setdefault(row.key, (row, []))
            if row.grant_id is not None:
                own.append(_grant(row, "grant_"))
        return [_person(row, tuple(own)) for row, own in found.values()]

    def credentials(self, key: str) -> Credentials:
        """What proves this person."""
        columns = people.c
        query = select(
            columns.verifier, columns.must_change, columns.second_factor, columns.last_step, columns.directory_key
        ).where(columns.key == key)
        with self._database.read() as connection:
            return Credentials(*connection.execute(query).one())

    def set_verifier(self, key: str, verifier: str, *, must_change: bool) -> None:
        """Give a local account a new password's hash."""
        self._set(key, verifier=verifier, must_change=must_change)

    def set_must_change(self, key: str, must_change: bool) -> None:
        """Whether the next sign-in goes on with a password of one's own."""
        self._set(key, must_change=must_change)

    def set_factor(self, key: str, sealed: str | None, *, enrolled: bool) -> None:
        """Keep a sealed second factor; `enrolled` once a code of it was right. The last step starts anew."""
        self._set(key, second_factor=sealed, enrolled=enrolled, last_step=0)

    def use_step(self, key: str, step: int) -> bool:
        """Note that the code of a time step was used; False when it, or a later one, was used before."""
        with self._database.write() as connection:
            changed = connection.execute(
                update(people).where(people.c.key == key, people.c.last_step < step).values(last_step=step)
            )
            return changed.rowcount == 1

    def close(self, key: str) -> None:
        """Forget what proves this person: second factor, and the password of a local account."""
        self._set(key, verifier=None, second_factor=None, enrolled=False, last_step=0)

    def prefer(self, key: str, language: str | None, theme: str) -> None:
        """Keep language (None: as the browser says) and theme."""
        self._set(key, language=language, theme=theme)

    def _set(self, key: str, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(people).where(people.c.key == key).values(values))

    # roles -------------------------------------------------------------------------------------------------------
    def coming(self, key: str, first: datetime | None = None, last: datetime | None = None) -> list[Grant]:
        """What somebody holds at any moment from `first` (None: now) to `last` (None: for good), substitutions
        included: a grant counts in its own days, and a substitute's only while the other's does."""
        begin = first or self._clock()

        def meets(columns: Any) -> Any:
            ends = or_(columns.until.is_(None), columns.until > begin)
            return and_(columns.revoked_at.is_(None), ends, columns.since < last if last is not None else true())

        query = _granting().where(
            grants.c.person_key == key,
            meets(grants.c),
            or_(grants.c.for_grant.is_(None), meets(_OWN.c)),
            or_(grants.c.tenant_id.is_(None), tenants.c.ended_at.is_(None)),
        )
        with self._database.read() as connection:
            return [_grant(row) for row in connection.execute(query)]

    def history(self, key: str) -> list[GrantRecord]:
        """All grants of somebody, oldest first, with their end."""
        with self._database.read() as connection:
            names = {row.key: row.name for row in connection.execute(select(actors))}
            return [
                GrantRecord(_grant(row), row.revoked_at, names.get(row.revoked_by), row.revoked_reason)
                for row in connection.execute(_granting().where(grants.c.person_key == key))
            ]

    def grant(
        self, person: Person, role: str, tenant: str | None, until: datetime | None, reason: str, by: Actor
    ) -> None:
        """Give a role."""
        with self._database.write() as connection:
            connection.execute(
                insert(grants).values(
                    person_key=person.key,
                    role=role,
                    tenant_id=living_id(connection, tenant) if tenant else None,
                    since=self._clock(),
                    until=until,
                    by_key=by.key,
                    reason=reason,
                )
            )
            detail = {"role": role, "until": until.isoformat() if until else None}
            self._audit.record(
                AuditAct.ROLE_GRANTED, by, [Subject("person", person.key)], tenants=[tenant] if tenant else (),
                reason=reason, detail=detail,
            )  # fmt: skip

    def revoke(self, grant_id: int, reason: str, by: Actor) -> None:
        """Take a role away."""
        values = {"revoked_at": self._clock(), "revoked_by": by.key, "revoked_reason": reason}
        with self._database.write() as connection:
            connection.execute(update(grants).where(grants.c.id == grant_id).values(values))
            row = connection.execute(select(grants).where(grants.c.id == grant_id)).one()
            about = [Subject("person", row.person_key)]
            if row.tenant_id is not None:
                about.append(Subject("tenant", row.tenant_id))
            self._audit.record(AuditAct.ROLE_REVOKED, by, about, reason=reason, detail={"role": row.role})

    def _tenant_id(self, code: str) -> str | None:
        query = select(tenants.c.id).where(tenants.c.code == code, tenants.c.ended_at.is_(None))
        with self._database.read() as connection:
            found: str | None = connection.scalar(query)
        return found

    # sessions ----------------------------------------------------------------------------------------------------
    def open_session(
        self, session_id: str, person: Person, stage: Stage, expires_at: datetime, address: str, agent: str
    ) -> None:
        """Begin a session; `session_id` is the hash of what the browser holds."""
        now = self._clock()
        values = {"stage": stage.value, "created_at": now, "seen_at": now, "expires_at": expires_at}
        with self._database.write() as connection:
            connection.execute(
                insert(web_sessions).values(
                    id=session_id, person_key=person.key, address=address[:60], agent=agent[:200], **values
                )
            )

    def session(self, session_id: str) -> Session | None:
        """A session that has neither ended nor expired."""
        columns, now = web_sessions.c, self._clock()
        query = (
            select(web_sessions, actors.c.name)
            .join(actors, actors.c.key == columns.person_key)
            .where(columns.id == session_id, columns.ended_at.is_(None), columns.expires_at > now)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
            person = self.find(row.name) if row else None
        return _session(row, person) if person else None

    def sessions(self, person: Person) -> list[Session]:
        """Where somebody is signed in, newest first."""
        columns = web_sessions.c
        query = (
            select(web_sessions)
            .where(columns.person_key == person.key, columns.ended_at.is_(None), columns.expires_at > self._clock())
            .where(columns.stage == Stage.OPEN.value)
            .order_by(columns.created_at.desc())
        )
        with self._database.read() as connection:
            return [_session(row, person) for row in connection.execute(query)]

    def move_session(self, old_id: str, new_id: str, stage: Stage, expires_at: datetime) -> None:
        """The next stage of a sign-in, under a new id."""
        values = {"id": new_id, "stage": stage.value, "expires_at": expires_at, "seen_at": self._clock()}
        with self._database.write() as connection:
            connection.execute(update(web_sessions).where(web_sessions.c.id == old_id).values(values))

    def seen(self, session_id: str, expires_at: datetime) -> None:
        """Note that a session is in use."""
        with self._database.write() as connection:
            connection.execute(
                update(web_sessions)
                .where(web_sessions.c.id == session_id)
                .values(seen_at=self._clock(), expires_at=expires_at)
            )

    def end_session(self, session_id: str) -> None:
        """End one session."""
        with self._database.write() as connection:
            connection.execute(
                update(web_sessions).where(web_sessions.c.id == session_id).values(ended_at=self._clock())
            )

    def end_sessions(self, key: str, spare: str | None = None) -> int:
        """End all sessions of somebody but one; returns how many those were."""
        columns, now = web_sessions.c, self._clock()
        ended = update(web_sessions).where(columns.person_key == key, columns.ended_at.is_(None))
        with self._database.write() as connection:
            return connection.execute(
                ended.where(columns.expires_at > now, columns.id != (spare or "")).values(ended_at=now)
            ).rowcount

    def end_sessions_of_gone(self, entries: Collection[str]) -> int:
        """End all sessions of those whose directory entries (by their keys) are not there any more."""
        columns, ended = web_sessions.c, 0
        theirs = (
            select(columns.id)
            .join(people, people.c.key == columns.person_key)
            .where(columns.ended_at.is_(None), columns.expires_at > self._clock())
        )
        wanted = sorted(entries)
        for start in range(0, len(wanted), CHUNK):
            mine = people.c.directory_key.in_(wanted[start : start + CHUNK])
            with self._database.read() as connection:
                found = list(connection.scalars(theirs.where(mine)))
            for session in found:
                self.end_session(session)
            ended += len(found)
        return ended

    # attempts ----------------------------------------------------------------------------------------------------
    def record_attempt(self, typed: str, person_key: str | None, address: str, outcome: str) -> None:
        """Keep one attempt, as it was typed."""
        typed, address = typed[:200], address[:60]
        values = {"typed": typed, "person_key": person_key, "address": address, "outcome": outcome}
        with self._database.write() as connection:
            again = outcome == "blocked" and self._blocked(connection, typed, address)
            connection.execute(insert(sign_in_attempts).values(at=self._clock(), **values))
            if not again:
                self._audit_attempt(typed, person_key, address, outcome)

    def _blocked(self, connection: Connection, typed: str, address: str) -> bool:
        """Whether the last attempt of this name or from this address was turned away already."""
        columns = sign_in_attempts.c
        same = or_(func.lower(columns.typed) == typed.lower(), columns.address == address)
        query = select(columns.outcome).where(same).order_by(columns.id.desc()).limit(1)
        return connection.scalar(query) == "blocked"

    def _audit_attempt(self, typed: str, person_key: str | None, address: str, outcome: str) -> None:
        """Who tried, by key. Of what is nobody's name nothing is kept in the trail, which cannot be erased: it is often
        a password in the wrong field."""
        named = next((p for n in ("directory", "account") if (p := self.find(f"{n}:{typed.lower()}"))), None)
        key = person_key or (named.key if named else None)
        came_in = self._audit_actor(person_key) if outcome == "signed_in" else self._actors.get(STRANGER)
        about = [Subject("person", key)] if key else []
        self._audit.record(_ATTEMPTS[outcome], came_in, about, outcome=outcome, detail={"from": address})

    def _audit_actor(self, key: str | None) -> Actor:
        return Actor(key or "", self._actors.name(key or ""))

    def failures(self, typed: str, address: str, window: timedelta) -> tuple[tuple[int, datetime | None], ...]:
        """(count, newest) of failed attempts within `window`: of this name since its last success, of this address."""
        columns, since = sign_in_attempts.c, self._clock() - window
        failed = select(func.count(), func.max(columns.at)).where(columns.at > since, columns.outcome == "refused")
        name_is = func.lower(columns.typed) == typed[:200].lower()
        good = select(func.max(columns.id)).where(columns.at > since, name_is, columns.outcome == "signed_in")
        with self._database.read() as connection:
            last = connection.scalar(good) or 0
            name = connection.execute(failed.where(name_is, columns.id > last)).one()
            place = connection.execute(failed.where(columns.address == address[:60])).one()
        return tuple(name), tuple(place)

    def attempts(self, limit: int = 200) -> list[Attempt]:
        """Attempts, newest first."""
        columns = sign_in_attempts.c
        query = (
            select(columns.at, columns.typed, actors.c.name, columns.address, columns.outcome)
            .outerjoin(actors, actors.c.key == columns.person_key)
            .order_by(columns.id.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Attempt(*row) for row in connection.execute(query)]

    def last_sign_ins(self) -> dict[str, datetime]:
        """When each person came in last, by key."""
        columns = sign_in_attempts.c
        query = (
            select(columns.person_key, func.max(columns.at))
            .where(columns.outcome == "signed_in", columns.person_key.is_not(None))
            .group_by(columns.person_key)
        )
        with self._database.read() as connection:
            return dict(map(tuple, connection.execute(query)))


def _in_force(now: datetime) -> Any:
    """The condition for a grant that counts, of a query of `_granting`: in its time, not revoked; a substitute's only
    while the other's does."""

    def counts(columns: Any) -> Any:
        ends = or_(columns.until.is_(None), columns.until > now)
        return and_(columns.revoked_at.is_(None), columns.since <= now, ends)

    return and_(counts(grants.c), or_(grants.c.for_grant.is_(None), counts(_OWN.c)))


def _granting() -> Any:
    return (
        select(
            grants,
            tenants.c.code,
            actors.c.name.label("by"),
            _HOLDER.c.key.label("for_key"),
            _HOLDER.c.name.label("for_name"),
        )
        .join(actors, actors.c.key == grants.c.by_key)
        .outerjoin(tenants, tenants.c.id == grants.c.tenant_id)
        .outerjoin(_OWN, _OWN.c.id == grants.c.for_grant)
        .outerjoin(_HOLDER, _HOLDER.c.key == _OWN.c.person_key)
        .order_by(grants.c.id)
    )


#: Columns of a query of `_granting` that make a `Grant`.
GRANTED = ("id", "role", "code", "since", "until", "by", "reason", "for_key", "for_name")


def _grant(row: Any, prefix: str = "") -> Grant:
    number, role, tenant, since, until, by, reason, key, name = (getattr(row, f"{prefix}{n}") for n in GRANTED)
    return Grant(number, role, tenant, since, until, by, reason, Actor(key, name) if key else None)


def _person(row: Any, held: tuple[Grant, ...]) -> Person:
    return Person(row.key, row.name, row.display, row.code, held, row.language, row.theme, row.enrolled)


def _session(row: Any, person: Person) -> Session:
    moments = (row.created_at, row.seen_at, row.expires_at)
    return Session(row.id, person, Stage(row.stage), *moments, row.address, row.agent)
