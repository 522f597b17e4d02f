"""Emergencies: a request that one operator makes real ahead of its signatures. Pure data.

It goes back by itself unless everybody has signed before it expires, and stands on every start page until a second
person has reviewed it. What deletes data for good cannot go back, so it is never an emergency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from control_plane.model.run import Actor
from control_plane.model.text import Text, t

#: How long it stands without signatures, and within how many working days a second person reviews it.
STANDS, REVIEW_DAYS = timedelta(hours=24), 2


class EmergencyState(StrEnum):
    """Where it is."""

    APPLYING = "applying"
    STANDS = "stands"
    GOING_BACK = "going_back"
    KEPT = "kept"
    GONE_BACK = "gone_back"
    OVERTAKEN = "overtaken"
    FAILED = "failed"


#: Something happens to it still.
MOVING = frozenset({EmergencyState.APPLYING, EmergencyState.STANDS, EmergencyState.GOING_BACK})
SENTENCES: Mapping[EmergencyState, Text] = {
    EmergencyState.APPLYING: t("It is being made real."),
    EmergencyState.STANDS: t("It is real, ahead of its signatures; without them it goes back when it expires."),
    EmergencyState.GOING_BACK: t("It expired or was not approved; it is being taken back."),
    EmergencyState.KEPT: t("Everybody has signed since; it stays."),
    EmergencyState.GONE_BACK: t("It was taken back: everything is as it was before."),
    EmergencyState.OVERTAKEN: t(
        "It was not taken back: somebody has changed the service since. A person has to decide."
    ),
    EmergencyState.FAILED: t("It could not be made real; nothing was changed."),
}


@dataclass(frozen=True, slots=True)
class Emergency:
    """One of them. `before`: {tier, spec} of the service when it was written, None for none; `generation`: what was
    written then (None: nothing yet). `run` made it real, `back_run` took it back; `why`: what is in the way.
    `stands_for`: key of the operator whose substitute did it; None when it was their own role."""

    id: int
    request: int
    state: EmergencyState
    actor: Actor
    at: datetime
    reason: str
    expires_at: datetime
    before: Mapping[str, Any] | None
    generation: int | None
    run: int | None
    back_run: int | None
    why: Text | None
    tried_at: datetime | None
    reviewed_at: datetime | None
    reviewed_by: Actor | None
    review: str | None
    stands_for: str | None = None

    @property
    def keys(self) -> frozenset[str]:
        """Everybody whose act it is: who did it, and for whom."""
        return frozenset({self.actor.key} | ({self.stands_for} if self.stands_for else set()))


@dataclass(frozen=True, slots=True)
class Early:
    """What emergencies mean for a request: whose act they were (keys), and whether one stands still."""

    keys: frozenset[str] = frozenset()
    stands: bool = False
