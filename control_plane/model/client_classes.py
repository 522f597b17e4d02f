"""What `gasp classes` and the console ask of the table of classes: who must sign which change."""

from __future__ import annotations

import builtins
from typing import Any, Protocol

Json = dict[str, Any]


class ClassesClient(Protocol):
    """The table of classes. To change it takes two people: one proposes, another one signs. Errors are
    `ControlPlaneError`s."""

    def show(self) -> Json:
        """{number, table, lines: [{name, title, class, class_title, signs: [role], sign_titles}], since, by, signed_by,
        reason, proposal: (as `propose`) | None}. `number` 0: the table as it was shipped. `table` is what `propose`
        takes: {most_tenants, most_hosts, not_standard: [service], lines: {name: {class, signs: [role]}}}."""
        ...

    def history(self) -> builtins.list[Json]:
        """Everything that was ever proposed, newest first: [{number, state: proposed|in_force|former|refused|withdrawn,
        at, by, reason, signed_at, signed_by, stands_for, ended_at, ended_by, ended_reason, digest, differences:
        [{field, title, before, after}]}]; differences to the table that was in force then."""
        ...

    def propose(self, table: Any, *, reason: str) -> Json:
        """Propose another table, whole. As a row of `history`, with {table, acts: [sign|refuse|withdraw]}. Raises
        Invalid with every problem, Rejected (nothing differs; another proposal waits)."""
        ...

    def sign(self, number: int, *, digest: str, reason: str = "") -> Json:
        """Put a proposal into force, as another person than who proposed it. Adds {requests: how many on their way have
        other signers now}. A local operator stands in for a security officer with a `reason`. Signatures of open
        requests hold where their role still signs; further roles are asked; what was approved goes on as it was."""
        ...

    def refuse(self, number: int, *, reason: str) -> Json:
        """Refuse a proposal; who proposed it withdraws it."""
        ...
