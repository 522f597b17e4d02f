"""What `gasp users` and the console ask about people of the centre. Answers are JSON-able."""

from __future__ import annotations

import builtins
from typing import Any, Protocol

Json = dict[str, Any]


class PeopleClient(Protocol):
    """People who may sign in, and the roles they hold. Errors are `ControlPlaneError`s."""

    def list(self) -> list[Json]:
        """[{person, name, tenant, roles: [{role, tenant, since, until, by, reason}], second_factor, locked,
        last_sign_in}] of everybody who holds or held a role, has an account here or signed in once."""
        ...

    def show(self, person: str) -> Json:
        """One of them, with `sessions: [{since, seen, expires, address, agent}]` and `history` of roles."""
        ...

    def grant(
        self, person: str, role: str, *, tenant: str | None = None, until: str | None = None, reason: str
    ) -> Json:
        """Give a role; `person` is a uid of the directory or `account:NAME`, `until` the last day (ISO).
        Raises Invalid (unknown role, wrong reach) and Rejected (roles that exclude each other)."""
        ...

    def revoke(self, person: str, role: str, *, tenant: str | None = None, reason: str) -> Json:
        """Take a role away, at once. Raises Rejected when nobody else holds a role that the centre needs people of."""
        ...

    def add(self, name: str, *, display: str = "") -> Json:
        """A local account for when the directory is away: {person, password_file}. Its one-time password lies in that
        file (0600) and must be changed at the first sign-in."""
        ...

    def reset(self, person: str) -> Json:
        """End all sessions, forget the second factor, and give a local account a new one-time password:
        {person, sessions_ended, password_file}."""
        ...

    def leave(self, person: str, *, to: str | None = None, reason: str) -> Json:
        """Somebody of the centre leaves now. Sessions, tokens, second factor, password of a local account, roles and
        substitutions end; `to` takes over requests that are under way. The receipt: {person, name, at, by, reason, to,
        roles: [{role, tenant}], sessions, tokens, second_factor, password, substitutions, requests: [reference],
        drafts, entry, next}; `entry`: its number in the audit trail. Raises Invalid without `to` where it is needed,
        Rejected when `to` may not ask in a department of these requests, or as `revoke`."""
        ...

    def sign_ins(self, limit: int = 200) -> builtins.list[Json]:
        """Newest first: [{at, typed, person, address, outcome}]."""
        ...
