"""Runs as people ask for them: list, show, stop, resume, undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control_plane.model.errors import NotFound, Rejected
from control_plane.model.plan import Plan
from control_plane.model.run import EXIT_CODES, RESUMABLE, Actor, EventType, RunState
from control_plane.model.scope import Scope, parse_scope
from control_plane.model.text import Text, t
from control_plane.store.estate import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.store.runs import RunRow
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.journal import OnEvent
from control_plane.workflow.planning import Planner
from control_plane.workflow.wishes import claims_of

SENTENCES: Mapping[RunState, Text] = {
    RunState.WAITING: t("Waits for another run to end."),
    RunState.RUNNING: t("Is being carried out."),
    RunState.STOPPING: t("Stops at the next boundary."),
    RunState.DONE: t("Done and verified."),
    RunState.DONE_WITH_CONFLICTS: t("Done, except what is blocked by things that are not ours."),
    RunState.PARTLY: t("Partly done; gasp runs resume finishes it."),
    RunState.FAILED: t("Failed; nothing was changed."),
    RunState.COULD_NOT_MEASURE: t("Something could not be seen; nothing was planned against it."),
    RunState.STALE: t("Refused, because the world moved since the plan was made."),
    RunState.STOPPED: t("Stopped on request; gasp runs resume finishes it."),
    RunState.INTERRUPTED: t("Its process ended in the middle; gasp runs resume finishes it."),
}


def run_json(row: RunRow) -> dict[str, Any]:
    """The stable JSON form of a run."""
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state.value,
        "sentence": str(row.sentence or SENTENCES[row.state]),
        "exit_code": EXIT_CODES.get(row.state, 0),
        "scope": row.scope,
        "digest": row.digest,
        "actor": {"key": row.actor.key, "name": row.actor.name},
        "started_at": row.started_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "counts": dict(row.counts),
    }


def run_details(row: RunRow, store: Store) -> dict[str, Any]:
    """A run with its failures, whom it touched and whether it was verified."""
    events = {e.type: e.data for e in store.runs.events(row.id, 0)}
    failures = [
        {
            "change_id": c.resource_id,
            "tenant": c.tenant,
            "state": c.state,
            "text": str(c.text) if c.text else None,
            "file": c.file,
            "line": c.line,
        }
        for c in store.runs.changes(row.id)
        if c.state not in ("applied", "already")
    ]
    return {
        **run_json(row),
        "failures": failures,
        "affected_tenants": list(events.get(EventType.CONFIRMED, {}).get("affected_tenants", [])),
        "verified": bool(events.get(EventType.VERIFIED, {}).get("empty", False)),
        "unmeasured": [
            {"part": u["part"], "reason": str(Text.from_json(u["reason"]))}
            for u in events.get(EventType.OBSERVED, {}).get("unmeasured", [])
        ],
    }


def resume(run_id: int, store: Store, applier: Applier, actor: Actor, on_event: OnEvent | None) -> int:
    """Finish what a run left: only its own remaining changes. Raises StalePlan if they moved."""
    row = store.runs.get(run_id)
    if row.state not in RESUMABLE:
        raise Rejected(
            t("Run {run} is {state}; there is nothing to resume.", run=run_id, state=row.state.value),
            t("See gasp runs show {run}.", run=run_id),
        )
    agreed = any(e.type is EventType.CONFIRMED for e in store.runs.events(run_id, 0))
    if not agreed or row.digest is None:
        raise Rejected(
            t("Run {run} ended before anything was agreed on; there is nothing to resume.", run=run_id),
            t("Give the command again that began it; gasp plan {scope} shows what is to do.", scope=row.scope),
        )
    agreed_on = store.plans.load(row.digest).body["changes"]
    expected = {c["id"]: (c["before_hash"], c["after_hash"]) for c in agreed_on}
    order = Order(row.scope, kind="resume", digest=row.digest, only=frozenset(expected), expected=expected)
    return applier.apply(order, actor, on_event)


def undo_targets(run_id: int, store: Store) -> dict[str, tuple[int, int]]:
    """Subscription id → (generation to go back to, generation the run made real)."""
    store.runs.get(run_id)
    confirmed = [e.data for e in store.runs.events(run_id, 0) if e.type is EventType.CONFIRMED]
    return {name: (pair[1], pair[0]) for data in confirmed for name, pair in data.get("generations", {}).items()}


def undo_changes(run_id: int, store: Store) -> list[SubscriptionChange]:
    """The older specs of everything the run made real. Raises Rejected when it made nothing new real."""
    targets = undo_targets(run_id, store)
    if not targets:
        raise Rejected(
            t("Run {run} brought no new wish of anybody to life, so there is nothing to go back to.", run=run_id),
            t("It only brought the real state back to what is desired; gasp drift accept keeps a hand-made state."),
        )
    current = {s.id: s for s in store.estate.subscriptions(ended=True)}
    changes = []
    for name, (old, _) in sorted(targets.items()):
        row = current.get(name)
        if row is None:
            raise NotFound(t("The subscription {name} does not exist any more.", name=name))
        revision = next((r for r in store.estate.revisions(name) if r.generation == old), None)
        changes.append(
            SubscriptionChange(
                tenant_code=row.code,
                offering=row.offering,
                tier=revision.tier if revision else row.tier,
                spec=revision.spec if revision else None,
                expected_generation=row.generation,
            )
        )
    return changes


def undo_scope(changes: list[SubscriptionChange]) -> Scope:
    """The scope of an undo: exactly the subscriptions it sets back."""
    return parse_scope(",".join(f"subscription:{c.tenant_code}/{c.offering}" for c in changes))


class _OnlyLooking(Exception):
    """Ends the transaction of a preview."""


def undo_plan(changes: list[SubscriptionChange], planner: Planner, actor: Actor) -> Plan:
    """The plan that brings the older specs back; what they need is recorded for the moment of planning only."""
    store = planner.catalogue.store
    claims = claims_of(planner.catalogue, changes)
    try:
        with store.transaction():
            store.estate.change(actor, "preview", changes, claims)
            plan = planner.picture(undo_scope(changes)).plan
            raise _OnlyLooking
    except _OnlyLooking:
        return plan
