"""Tokens of programs: made, listed and ended by their owners, and judged whenever one is used.

A token may never do more than its owner now: roles are asked at each use, through `access.py`, and narrowed to the
department that it is bound to. Its value is in one answer only and nowhere else.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.nearest import nearest_tenant
from control_plane.model.notice import one_line
from control_plane.model.people import Person
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.model.token import LONGEST_DAYS, MOST, SCOPES, Token, fingerprint, new_token, well_formed
from control_plane.model.windows import ZONE
from control_plane.store.repository import Store
from control_plane.store.tokens import NewToken, no_such_token
from control_plane.workflow import access
from control_plane.workflow.request_duties import is_local

if TYPE_CHECKING:
    from control_plane.workflow.sign_in import SignIn

Json = dict[str, Any]
#: Without a wish a token lives so long.
USUAL = timedelta(days=90)
#: So long a look at the directory counts, seconds: a leaver's program is cut no later.
LEAVER_SECONDS = 1.0
#: Use is noted that often.
SEEN_EVERY = timedelta(minutes=1)
#: How long a name, and a reason, may be.
MOST_NAME, MOST_REASON = 100, 500


class Tokens:
    """Implements `model.client_tokens.TokensClient`."""

    def __init__(self, store: Store, clock: Callable[[], datetime], actor: Callable[[], Actor]) -> None:
        self.store = store
        self.clock = clock
        self.actor = actor

    def scopes(self) -> builtins.list[Json]:
        """See `TokensClient.scopes`."""
        return [{"scope": name, "title": str(title)} for name, title in SCOPES.items()]

    def list(self, *, person: str | None = None, ended: bool = False) -> builtins.list[Json]:
        """See `TokensClient.list`."""
        everybody = person is None and is_local(self.actor())
        key = None if everybody else self._owner(person).key
        return [self._row(token) for token in self.store.tokens.list(key, ended)]

    def create(
        self,
        *,
        person: str | None = None,
        name: str,
        scopes: Sequence[str],
        until: str | None = None,
        tenant: str | None = None,
        once: str | None = None,
    ) -> Json:
        """See `TokensClient.create`."""
        owner, title = self._owner(person), one_line(name)[:MOST_NAME]
        end = self._check(owner, title, scopes, until, tenant)
        value = new_token()
        wanted = tuple(scope for scope in SCOPES if scope in scopes)
        new = NewToken(fingerprint(value), value[-4:], title, wanted, tenant, end, once)
        with self.store.transaction():
            if once is not None and self.store.tokens.of_form(owner, once) is not None:
                raise Rejected(
                    t("This token was made already; its value is not shown again."),
                    t("If you did not keep it, end it and make another one."),
                )
            if len(self.store.tokens.list(owner.key, ended=False)) >= MOST:
                raise Rejected(
                    t("{person} has {count} tokens already.", person=owner.name, count=MOST),
                    t("End those that nobody uses: gasp tokens revoke ID"),
                )
            made = self.store.tokens.add(owner, new, self.actor())
        return {**self._row(made), "token": value}

    def revoke(self, token: int, *, reason: str = "") -> Json:
        """See `TokensClient.revoke`."""
        found, actor = self.store.tokens.get(token), self.actor()
        if not is_local(actor) and found.owner_key != actor.key:
            raise no_such_token(token)
        said = one_line(reason)[:MOST_REASON]
        self.store.tokens.end(
            found, t("{reason}", reason=said) if said else t("ended by {name}", name=actor.name), actor
        )
        return self._row(self.store.tokens.get(token))

    def _owner(self, person: str | None) -> Person:
        """Whose tokens are meant: one's own; whoever works on the machine itself names somebody. Raises Rejected."""
        actor = self.actor()
        if person is None and is_local(actor):
            raise Invalid([_bad("person", t("It is not said whose token."), t("Name a person, such as wangwei."))])
        names = (person, f"directory:{person}", f"account:{person}") if person is not None else (actor.name,)
        found = next((one for name in names if (one := self.store.people.find(name)) is not None), None)
        if found is None or (not is_local(actor) and found.key != actor.key):
            raise NotFound(t("Nobody here is called “{name}”.", name=names[0]), t("See gasp users list."))
        return found

    def _check(
        self, owner: Person, name: str, scopes: Sequence[str], until: str | None, tenant: str | None
    ) -> datetime:
        """When it ends. Raises Invalid with every fault, Rejected for somebody without a role."""
        problems, now = [], self.clock()
        last = now + timedelta(days=LONGEST_DAYS)
        end = now + USUAL
        if not name:
            problems.append(_bad("name", t("A name is missing."), t("Say in a few words what uses it.")))
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown:
            text = t("“{scope}” is no scope of a token.", scope=unknown[0])
            problems.append(_bad("scopes", text, t("Use one of {names}.", names=", ".join(SCOPES))))
        elif not scopes:
            text = t("It is not said what the token may be used for.")
            problems.append(_bad("scopes", text, t("Use one of {names}.", names=", ".join(SCOPES))))
        if until:
            try:
                end = datetime.combine(date.fromisoformat(until), time(23, 59, 59), ZONE)
            except ValueError:
                end = now
            if not now < end <= last + timedelta(days=1):
                text = t("“{text}” is no day within a year.", text=until)
                problems.append(_bad("until", text, t("Write a date such as 2027-01-31.")))
        seen = access.tenants_in_sight(owner)
        if tenant is not None and (seen is not None and tenant not in seen):
            no_such = t("There is no tenant “{code}”.", code=tenant)
            problems.append(_bad("tenant", no_such, nearest_tenant(tenant, seen)))
        if problems:
            raise Invalid(problems)
        if not owner.grants:
            raise Rejected(
                t("{person} holds no role, so a token could do nothing.", person=owner.name),
                t("Give a role first: gasp users grant"),
            )
        return min(end, last)

    def _row(self, token: Token) -> Json:
        lasts = "expired" if token.expires_at <= self.clock() else "valid"
        return {
            "id": token.id,
            "person": token.owner,
            "name": token.name,
            "hint": token.hint,
            "scopes": list(token.scopes),
            "tenant": token.tenant,
            "made_at": token.made_at.isoformat(),
            "made_by": token.made_by,
            "expires_at": token.expires_at.isoformat(),
            "used_at": token.used_at.isoformat() if token.used_at else None,
            "used_from": token.used_from,
            "state": "ended" if token.ended_at else lasts,
            "ended_at": token.ended_at.isoformat() if token.ended_at else None,
            "end_reason": str(token.end_reason) if token.end_reason else None,
        }


# use -----------------------------------------------------------------------------------------------------------------
class TokenRefused(Rejected):
    """Not with this value, whatever is asked for."""

    code = "unknown-token"


class TokenOver(TokenRefused):
    """It was good once."""

    code = "token-over"


class OwnerNotReady(Rejected):
    """Its owner would have to finish their own sign-in first."""

    code = "owner-not-ready"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A token in use. `person`: its owner as they are now, with no more grants than the token's department leaves."""

    token: Token
    person: Person


class TokenUse:
    """Judges values that programs send, by what `SignIn` knows of their owners."""

    def __init__(self, store: Store, owners: SignIn, clock: Callable[[], datetime]) -> None:
        self.store = store
        self.owners = owners
        self.clock = clock

    def admit(self, value: str, address: str) -> Admitted:
        """Who this is. Raises TokenRefused, TokenOver, OwnerNotReady, TemporaryError (the directory is away)."""
        token = self.store.tokens.by_hash(fingerprint(value)) if well_formed(value) else None
        if token is None:
            raise TokenRefused(
                t("This token is not known."), t("Make one on your page of tokens, or: gasp tokens create")
            )
        now = self.clock()
        if token.ended_at is not None or token.expires_at <= now:
            raise TokenOver(t("This token has ended."), t("Make another one on your page of tokens."))
        person = self._owner(token)
        if token.used_at is None or now - token.used_at > SEEN_EVERY or token.used_from != address[:60]:
            self.store.tokens.used(token.id, address)
        return Admitted(token, narrowed(person, token.tenant))

    def _owner(self, token: Token) -> Person:
        known = self.store.people.find(token.owner)
        person = self.owners.present(known, LEAVER_SECONDS) if known is not None else None
        over = None
        if person is None:
            over = t("Its owner does not work here any more.")
        elif not person.grants:
            over = t("Its owner holds no role any more.")
        if person is None or over is not None:
            self.store.tokens.end_of(token.owner_key, over or Text(""), None)
            raise TokenOver(t("This token has ended."), t("Make another one on your page of tokens."))
        if self.owners.unfinished(person):
            raise OwnerNotReady(
                t("The owner of this token has to sign in to the console first."),
                t("Sign in there once and finish what it asks for."),
            )
        return person


def narrowed(person: Person, tenant: str | None) -> Person:
    """Somebody with what is left of their grants in one department; None: all of them."""
    if tenant is None:
        return person
    kept = tuple(replace(grant, tenant=tenant) for grant in person.grants if grant.tenant in (None, tenant))
    return replace(person, grants=kept)


def _bad(field: str, text: Text, remedy: Text) -> Problem:
    return Problem(f"bad-{field}", text, remedy, field=field)
