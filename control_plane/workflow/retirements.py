"""Comes back for what was removed and stays for a while: a site that answers "gone" until its names left all caches.

Level-triggered: what is there is looked at, and only what the removal left is taken away. Must not touch anything
else that a plan of these services holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from control_plane.model.errors import StalePlan, TemporaryError
from control_plane.model.freeze import Frozen
from control_plane.model.plan import Change, Plan
from control_plane.model.run import Actor
from control_plane.model.scope import parse_scope
from control_plane.model.text import t
from control_plane.store.repository import Store
from control_plane.store.retirements import Retirement
from control_plane.workflow.applying import Applier, Order

#: How long what could not be taken away, or not be seen, waits until it is tried again.
AGAIN = timedelta(seconds=300)
#: How long a run that is under way is waited for, in seconds.
WAIT = 5.0


class Retirements:
    """The worker's chore."""

    def __init__(self, store: Store, applier: Applier, clock: Callable[[], datetime], who: Callable[[], Actor]) -> None:
        self.store, self.applier, self.clock, self.who = store, applier, clock, who

    def tick(self) -> list[str]:
        """One turn; returns the ids of what is gone now."""
        now, known = self.clock(), self.store.retirements
        due = known.due(now)
        if not due:
            return []
        known.forget([row.resource_id for row in due if row.subscription is None])
        due = [row for row in due if row.subscription is not None]
        if not due:
            return []
        scope = ",".join(sorted({f"subscription:{row.subscription}" for row in due}))
        plan = self.applier.planner.picture(parse_scope(scope)).plan
        waiting, over = dict(plan.retiring), _over(plan, due)
        for row in due:
            if row.resource_id in waiting:
                known.put_off([row.resource_id], waiting[row.resource_id])
        rest = [row.resource_id for row in due if row.resource_id not in waiting]
        known.put_off(rest, now + AGAIN)
        if not plan.unmeasured:
            known.forget([name for name in rest if name not in over])
        return self._take_away(scope, over) if over else []

    def _take_away(self, scope: str, over: Sequence[str]) -> list[str]:
        order = Order(scope, kind="retire", only=frozenset(over), accept=_only_removals)
        try:
            run = self.applier.apply(order, self.who(), wait=WAIT)
        except (TemporaryError, Frozen, StalePlan):  # tried again
            return []
        gone = [change.resource_id for change in self.store.runs.changes(run) if change.state in ("applied", "already")]
        self.store.retirements.forget(gone)
        return gone


def _over(plan: Plan, due: Sequence[Retirement]) -> list[str]:
    """What has stayed long enough."""
    names = {row.resource_id for row in due}
    return [change.id for change in plan.steps if change.id in names and _last(change)]


def _last(change: Change) -> bool:
    return change.action == "delete" and not change.retires


def _only_removals(plan: Plan) -> None:
    """The removal was agreed on when it began; nothing else was."""
    if not all(map(_last, plan.steps)):
        raise StalePlan(t("Something of it is wanted again."))
