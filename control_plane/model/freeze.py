"""Freezes: from now on nothing in a scope may be changed on hosts, until two people lift it.

Pure data. A freeze stops between hosts and between writes, never in the middle of a package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.machine import Ring
from control_plane.model.naming import actor_words
from control_plane.model.run import Actor
from control_plane.model.scope import SYSTEMS, scope_words
from control_plane.model.text import Text, t
from control_plane.model.windows import moment_words

#: What a freeze may name besides the systems of plans: packages and signatures of machines, published snapshots, scans
#: that begin by themselves.
ACTS = ("patches", "signatures", "snapshots", "scans")
_SCOPE = re.compile(r"estate|tenant:[a-z][a-z0-9]{0,14}|ring:[a-z0-9]+|system:[a-z]+")


@dataclass(frozen=True, slots=True)
class Freeze:
    """One freeze. `scope`: `estate`, `tenant:CODE`, `ring:NAME` or `system:NAME`."""

    id: int
    scope: str
    reason: str
    actor: Actor
    at: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    second: str | None = None
    second_verified: bool | None = None
    lift_reason: str | None = None

    def covers(self, tenant: str | None, ring: Ring | None, system: str | None) -> bool:
        """Whether an act on this tenant, ring and system is stopped by it."""
        kind, _, value = self.scope.partition(":")
        match kind:
            case "estate":
                return True
            case "tenant":
                return value == tenant
            case "ring":
                return ring is not None and value == ring.name.lower()
            case _:
                return value == system

    @property
    def text(self) -> Text:
        """Who froze what, since when and why."""
        return t(
            "{scope} is frozen by {who} since {at}: {reason}",
            scope=scope_words(self.scope),
            who=actor_words(self.actor.name),
            at=moment_words(self.at),
            reason=self.reason,
        )

    @property
    def hint(self) -> Text:
        """How it is lifted."""
        return t("Two people lift it: gasp freezes lift {id} --second NAME --reason WHY", id=self.id)


class Frozen(Rejected):
    """A freeze covers what should be changed; nothing was, or nothing more is."""

    code = "frozen"

    def __init__(self, freeze: Freeze) -> None:
        super().__init__(freeze.text, freeze.hint)
        self.freeze = freeze


def covering(
    freezes: Iterable[Freeze], tenant: str | None = None, ring: Ring | None = None, system: str | None = None
) -> Freeze | None:
    """The first freeze that covers an act."""
    return next((f for f in freezes if f.covers(tenant, ring, system)), None)


def check_scope(scope: str) -> str:
    """A scope in its one form: `ring:1` becomes `ring:pilot`. Raises Invalid."""
    given = scope.strip().lower()
    kind, _, value = given.partition(":")
    rings = {ring.name.lower(): ring for ring in Ring} | {str(int(ring)): ring for ring in Ring}
    known = {"ring": value in rings, "system": value in (*SYSTEMS, *ACTS)}.get(kind, True)
    if not _SCOPE.fullmatch(given) or not known:
        remedy = t(
            "Write estate, tenant:CODE, ring:NAME ({rings}) or system:NAME ({systems}).",
            rings=", ".join(ring.name.lower() for ring in Ring),
            systems=", ".join((*SYSTEMS, *ACTS)),
        )
        raise Invalid(
            [Problem("bad-scope", t("“{scope}” is no scope of a freeze.", scope=scope), remedy, field="scope")]
        )
    return f"ring:{rings[value].name.lower()}" if kind == "ring" else given
