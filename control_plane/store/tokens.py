"""Tokens of programs in the database: what is known of each, never its value. Must not judge what one may do."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import insert, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound
from control_plane.model.people import Person
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.model.token import Token
from control_plane.store.api_tables import api_tokens
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.living import living_id
from control_plane.store.tables import actors, tenants

_BY = actors.alias("token_made_by")


@dataclass(frozen=True, slots=True)
class NewToken:
    """What is kept of a token that is being made; `hash` stands for its value."""

    hash: str
    hint: str
    name: str
    scopes: Sequence[str]
    tenant: str | None
    expires_at: datetime
    once: str | None


class TokenRepository:
    """Makes, finds and ends them. What made or ended one is in the audit trail."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def add(self, owner: Person, new: NewToken, by: Actor) -> Token:
        """A new one. Raises NotFound for a department that is not there."""
        with self._database.write() as connection:
            tenant_id = None
            if new.tenant is not None:
                tenant_id = living_id(connection, new.tenant)
            made = connection.execute(
                insert(api_tokens).values(
                    person_key=owner.key, hash=new.hash, hint=new.hint, name=new.name,
                    scopes=orjson.dumps(list(new.scopes)).decode(), tenant_id=tenant_id, once=new.once,
                    made_at=self._clock(), made_by=by.key, expires_at=new.expires_at,
                )
            )  # fmt: skip
            number = int(made.inserted_primary_key[0])  # type: ignore[index]
            detail = {"token": number, "scopes": list(new.scopes), "until": new.expires_at.isoformat()}
            self._audit.record(
                AuditAct.TOKEN_MADE, by, [Subject("person", owner.key)],
                tenants=[new.tenant] if new.tenant else (), reason=new.name, detail=detail,
            )  # fmt: skip
            return self.get(number)

    def get(self, number: int) -> Token:
        """One. Raises NotFound."""
        found = self._tokens(api_tokens.c.id == number)
        if not found:
            raise no_such_token(number)
        return found[0]

    def by_hash(self, hashed: str) -> Token | None:
        """The token whose value has this hash."""
        return next(iter(self._tokens(api_tokens.c.hash == hashed)), None)

    def of_form(self, owner: Person, once: str) -> Token | None:
        """The token that a form with this word has made."""
        return next(iter(self._tokens((api_tokens.c.person_key == owner.key) & (api_tokens.c.once == once))), None)

    def list(self, person_key: str | None, ended: bool) -> builtins.list[Token]:
        """Newest first; of one person or of all; those that live, or also those that ended or expired."""
        columns = api_tokens.c
        where: Any = columns.id.is_not(None)
        if person_key is not None:
            where &= columns.person_key == person_key
        if not ended:
            where &= columns.ended_at.is_(None) & (columns.expires_at > self._clock())
        return self._tokens(where)

    def used(self, number: int, address: str) -> None:
        """Note that a token is in use, and from where."""
        values = {"used_at": self._clock(), "used_from": address[:60]}
        with self._database.write() as connection:
            connection.execute(update(api_tokens).where(api_tokens.c.id == number).values(values))

    def end(self, token: Token, reason: Text, by: Actor | None) -> None:
        """End one; nothing happens when it has ended. `by` None: the control plane by itself."""
        values = {"ended_at": self._clock(), "end_reason": orjson.dumps(reason.as_json()).decode()}
        living = api_tokens.c.id == token.id, api_tokens.c.ended_at.is_(None)
        with self._database.write() as connection:
            if connection.execute(update(api_tokens).where(*living).values(values)).rowcount:
                about = [Subject("person", token.owner_key)]
                detail = {"token": token.id}
                self._audit.record(AuditAct.TOKEN_ENDED, by, about, reason=str(reason), detail=detail)

    def end_of(self, person_key: str, reason: Text, by: Actor | None) -> int:
        """End all of somebody; returns how many those were."""
        with self._database.write():
            living = self.list(person_key, ended=False)
            for token in living:
                self.end(token, reason, by)
            return len(living)

    def _tokens(self, where: Any) -> builtins.list[Token]:
        query = (
            select(api_tokens, actors.c.name.label("owner"), tenants.c.code, _BY.c.name.label("by"))
            .join(actors, actors.c.key == api_tokens.c.person_key)
            .join(_BY, _BY.c.key == api_tokens.c.made_by)
            .outerjoin(tenants, tenants.c.id == api_tokens.c.tenant_id)
            .where(where)
            .order_by(api_tokens.c.id.desc())
        )
        with self._database.read() as connection:
            return [_token(row) for row in connection.execute(query)]


def no_such_token(number: int) -> NotFound:
    """What is said of a token that is not there, or somebody else's."""
    return NotFound(t("There is no token {id}.", id=number), t("See gasp tokens list."))


def _token(row: Any) -> Token:
    reason = Text.from_json(orjson.loads(row.end_reason)) if row.end_reason else None
    return Token(
        row.id, row.owner, row.person_key, row.name, row.hint, tuple(orjson.loads(row.scopes)), row.code, row.made_at,
        row.by, row.expires_at, row.used_at, row.used_from, row.ended_at, reason,
    )  # fmt: skip
