"""What `gasp substitutes` and the console ask about who stands in for whom, and whether roles have enough people."""

from __future__ import annotations

import builtins
from typing import Any, Protocol

Json = dict[str, Any]


class SubstitutesClient(Protocol):
    """Substitutes: for some days somebody holds exactly one role of somebody else. Errors are `ControlPlaneError`s."""

    def list(self, *, ended: bool = False) -> builtins.list[Json]:
        """Those that are in force or to come, newest first; with `ended` all that ever were. A department sees its own,
        the centre all: [{id, role, title, tenant, person, name, stands_for, stands_for_name, since, until, state:
        coming|in_force|over|ended, by, reason, ended_at, ended_by, ended_reason, may_end}]."""
        ...

    def mine(self) -> builtins.list[Json]:
        """Roles of who acts, for which a substitute may be named: [{role, title, tenant}]."""
        ...

    def name(
        self, person: str, role: str, *, until: str, reason: str, since: str | None = None, tenant: str | None = None,
        stands_for: str | None = None,
    ) -> Json:  # fmt: skip
        """Name a substitute for a role of who acts, or of `stands_for` (an operator, for people of departments and
        operators; on the machine itself for everybody). `since` (None: today) and `until`: first and last day, ISO.
        Raises Invalid with every problem, and Rejected (roles that exclude each other, somebody is named already)."""
        ...

    def end(self, substitution: int, *, reason: str) -> Json:
        """End one before its time, at once."""
        ...

    def staffing(self) -> builtins.list[Json]:
        """Roles that lack people, the worst first: [{role, title, tenants: [...], have, need, state: failed|warning,
        sentence}]. `have` and `need` count people; `tenants`: departments that lack an approver."""
        ...
