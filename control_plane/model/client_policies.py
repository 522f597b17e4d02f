"""What `gasp internet policy` asks: revisions of what the centre decides for everybody, and who has which."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Protocol

from control_plane.model.internet import CentrePolicy
from control_plane.model.tenant import Document
from control_plane.model.text import Text

Json = dict[str, Any]


class PoliciesClient(Protocol):
    """Revisions never change; which one a department has is moved by rollouts (`gasp rollouts create --policy N`).
    Errors are `ControlPlaneError`s."""

    def list(self) -> builtins.list[Json]:
        """Newest first, the shipped one (0) last: [{number, state: new|going_out|finished|partly|former|shipped, at,
        by, reason, digest, tenants: [code], count, rollouts: [id]}]. `finished`: what new departments get; `partly`:
        some have it, and nothing brings it to the others."""
        ...

    def show(self, number: int | None = None) -> Json:
        """One, or the newest: a row of `list` with {policy: as `add` takes it, changes: as `preview`, to the one before
        it}."""
        ...

    def preview(self, policy: Any, *, based_on: int | None = None) -> Json:
        """What another revision would change: {based_on: number of the newest, changes: [{field, sentence}], tenants:
        [code]}. `based_on`: the newest one when `policy` was written. Raises Invalid with every problem, Rejected when
        nothing differs, StalePlan when there is a newer one than `based_on`, whose changes it would undo."""
        ...

    def add(self, policy: Any, *, reason: str, based_on: int | None = None) -> Json:
        """Make it the newest revision; no department has it before a rollout brings it. As `show`. Raises as
        `preview`."""
        ...


class PolicyRules(Protocol):
    """The pure rules of the offering, as the workflow needs them."""

    @property
    def policy_form(self) -> type[Document]:
        """The form of a revision."""

    def shipped(self) -> CentrePolicy:
        """Revision 0."""

    def policy_changes(self, before: CentrePolicy, after: CentrePolicy) -> Sequence[tuple[str, Text]]:
        """What differs, in words: (field, sentence)."""
