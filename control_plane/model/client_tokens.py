"""What `gasp tokens` and the page for one's own tokens ask. Answers are JSON-able."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Protocol

Json = dict[str, Any]


class TokensClient(Protocol):
    """Tokens of programs. Who acts sees and makes their own; who works on the control plane's own machine, all."""

    def list(self, *, person: str | None = None, ended: bool = False) -> list[Json]:
        """Newest first: [{id, person, name, hint, scopes, tenant, made_at, made_by, expires_at, used_at, used_from,
        state: valid|expired|ended, ended_at, end_reason}]."""
        ...

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
        """A new one for who acts (or `person`), as in `list` with `token`: its value, shown this once. `until`: last
        day (ISO), within a year; without one 90 days. `once`: the form's own word; the same one again raises Rejected.
        Raises Invalid with every fault, Rejected (its owner holds no role, or has too many)."""
        ...

    def revoke(self, token: int, *, reason: str = "") -> Json:
        """End one, at once. Raises NotFound, also for one of others."""
        ...

    def scopes(self) -> builtins.list[Json]:
        """What a token may be used for: [{scope, title}]."""
        ...
