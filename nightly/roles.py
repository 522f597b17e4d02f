"""Tokens of the check's own, in four roles, for as long as a block lasts.

Their owners are four local accounts without a password, so nobody can sign in as them. Roles and tokens end with the
block; those that a killed check left behind end by themselves after `LIFE`, and at the next check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from control_plane.model.people import ROLES, Person
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.model.token import SCOPES, fingerprint, new_token
from control_plane.store.repository import Store
from control_plane.store.tokens import NewToken

WHO = ("clerk", "approver", "operator", "auditor")
#: The operator's second token, which sees the clerk's department only.
BOUND = "bound"
LIFE = timedelta(hours=2)
NAME = "nightly check"
_REASON = t("the nightly check")


@contextmanager
def tokens(
    store: Store, vault: Any, actor: Actor, clock: Callable[[], datetime], tenant: str
) -> Iterator[dict[str, str]]:
    """Token by role; clerk and approver are of `tenant`."""
    people = {role: store.people.ensure(f"account:nightly-{role}", f"{NAME}: {role}") for role in WHO}
    for person in people.values():
        _end(store, actor, person)
    try:
        yield _make(store, vault, actor, clock() + LIFE, tenant, people)
    finally:
        for person in people.values():
            _end(store, actor, person)


def _make(
    store: Store, vault: Any, actor: Actor, end: datetime, tenant: str, people: dict[str, Person]
) -> dict[str, str]:
    found = {}
    for role, person in people.items():
        where = tenant if ROLES[role].reach == "tenant" else None
        with store.transaction():
            store.people.grant(person, role, where, end, str(_REASON), actor)
            if ROLES[role].second_factor:
                store.people.set_factor(person.key, vault.seal(vault.new_factor()), enrolled=True)
            for name, bound in ((role, None), *([(BOUND, tenant)] if role == "operator" else [])):
                found[name] = new_token()
                new = NewToken(fingerprint(found[name]), found[name][-4:], NAME, tuple(SCOPES), bound, end, None)
                store.tokens.add(person, new, actor)
    return found


def _end(store: Store, actor: Actor, person: Person) -> None:
    with store.transaction():
        store.tokens.end_of(person.key, _REASON, actor)
        for grant in store.people.coming(person.key):
            store.people.revoke(grant.id, str(_REASON), actor)
        store.people.close(person.key)
