"""Hand-made changes: named with before and after, answered by keep, accept or revert."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.plan import Change
from control_plane.model.resource import Attributes, CouldNotMeasure, content_hash
from control_plane.model.run import Actor
from control_plane.model.scope import Scope
from control_plane.model.text import t
from control_plane.model.windows import ZONE
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.journal import OnEvent
from control_plane.workflow.planning import Planner


class Drift:
    """Finds hand-made changes and carries out the answers."""

    def __init__(self, planner: Planner, applier: Applier, store: Store) -> None:
        self.planner = planner
        self.applier = applier
        self.store = store

    def find(self, scope: Scope) -> list[dict[str, Any]]:
        """All differences that no request caused, and those that are kept."""
        picture = self.planner.picture(scope)
        kept = {k.resource_id: k for k in self.store.drift.kept(self.planner.clock())}
        rows = [_row(c, None) for c in picture.plan.changes if c.hand_made]
        for resource_id in picture.plan.kept:
            resource = picture.world.desired.get(resource_id)
            entry = kept[resource_id]
            rows.append(
                {
                    "id": resource_id,
                    "kind": resource.kind if resource else None,
                    "label": (resource.label if resource else "") or resource_id,
                    "tenant": resource.owner.tenant if resource else None,
                    "offering": resource.owner.offering if resource else None,
                    "part": resource.part if resource else None,
                    "action": "kept",
                    "before": resource.attributes if resource else None,
                    "after": None,
                    "kept_until": entry.until.isoformat() if entry.until else None,
                    "reason": entry.reason,
                }
            )
        return rows + [_unseen(look) for look in picture.plan.unmeasured]

    def keep(self, ids: Sequence[str], until: str, reason: str, actor: Actor) -> list[dict[str, Any]]:
        """Leave the found states alone until the end of a day in Asia/Shanghai."""
        end = _end_of_day(until, self.planner.clock())
        _need_reason(reason)
        changes = self._named(ids)
        for change in changes:
            self.store.drift.keep(
                change.id, change.before_hash, end, reason, actor, f"{change.tenant}/{change.offering}"
            )
        return [_row(c, end) for c in changes]

    def accept(self, ids: Sequence[str], reason: str, actor: Actor) -> list[dict[str, Any]]:
        """Make the found states the desired ones."""
        _need_reason(reason)
        changes = self._named(ids)
        world = self.planner.catalogue.world()
        lost = [c.id for c in changes if c.action == "delete" or (c.before and "hand_made" in c.before)]
        if lost:
            raise Rejected(
                t("Nobody could make this again, so it cannot become desired: {ids}.", ids=", ".join(lost)),
                t("Keep it until a date, revert it, or put the wish into the tenant's document."),
            )
        for change in changes:
            self.store.drift.unkeep(change.id)
            declared = world.desired.get(change.id)
            base = content_hash(declared.attributes) if declared else ""
            service = f"{change.tenant}/{change.offering}"
            self.store.drift.accept(change.id, change.before, base, reason, actor, service)
        return [_row(c, None) for c in changes]

    def revert(self, ids: Sequence[str], actor: Actor, on_event: OnEvent | None, confirm: str | None = None) -> int:
        """Bring the desired state back for these resources only. Raises UnsafePlan when a guard wants `confirm`."""
        changes = self._named(ids)
        wished = [c for c in changes if c.reason not in ("drift", "removed")]
        if wished:
            raise Rejected(
                t("There is also a new wish for {ids}.", ids=", ".join(c.id for c in wished)),
                t("Look first: gasp plan tenant:{code}; then apply that plan.", code=wished[0].tenant),
            )
        losing = [c.id for c in changes if c.action == "delete" and c.destroys_data]
        if losing:
            raise Rejected(
                t("To revert {ids} destroys data.", ids=", ".join(losing)),
                t(
                    "Read the plan of that tenant and apply it with its word: gasp plan tenant:{code}",
                    code=changes[0].tenant,
                ),
            )
        for change in changes:
            self.store.drift.unkeep(change.id)
        tenants = ",".join(sorted({f"tenant:{c.tenant}" for c in changes}))
        order = Order(tenants, kind="revert", only=frozenset(c.id for c in changes), confirm=confirm)
        return self.applier.apply(order, actor, on_event)

    def _named(self, ids: Sequence[str]) -> list[Change]:
        plan = self.planner.picture(Scope(), kept=False).plan
        drifted = {c.id: c for c in plan.changes if c.hand_made}
        found, unknown = [], []
        for name in ids:
            change = drifted.get(name)
            (found.append(change) if change else unknown.append(name))
        if unknown:
            near = difflib.get_close_matches(unknown[0], drifted, 1, 0.4)
            raise NotFound(
                t("No hand-made change is known for {names}.", names=", ".join(unknown)),
                t("Did you mean {near}?", near=near[0]) if near else t("See gasp drift list."),
            )
        return found


def _unseen(look: CouldNotMeasure) -> dict[str, Any]:
    """A part that was not seen is a row of its own, so that no drift is never read from no sight."""
    nothing = dict.fromkeys(("kind", "tenant", "offering", "before", "after", "kept_until"))
    what = {"id": look.part, "label": look.part, "part": look.part, "action": "unmeasured"}
    return {**nothing, **what, "reason": str(look.reason)}


def _row(change: Change, until: datetime | None) -> dict[str, Any]:
    found: Attributes | None = change.before
    return {
        "id": change.id,
        "kind": change.kind,
        "label": change.label or change.id,
        "tenant": change.tenant,
        "offering": change.offering,
        "part": change.part,
        "action": change.action,
        "before": change.after,
        "after": found,
        "kept_until": until.isoformat() if until else None,
        "reason": change.reason,
    }


def _end_of_day(text: str, now: datetime) -> datetime:
    try:
        end = datetime.combine(date.fromisoformat(text), time(23, 59, 59), ZONE)
    except ValueError:
        end = now
    if end <= now:
        raise Invalid(
            [
                Problem(
                    "bad-date",
                    t("“{text}” is no date in the future.", text=text),
                    t("Write a date such as 2027-01-31."),
                    field="until",
                )
            ]
        )
    return end


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid([Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")])
