"""Runs as people ask for them: list, show, stop, resume, undo."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from control_plane.model.content_check import CheckState
from control_plane.model.errors import ControlPlaneError, NotFound, Rejected, TemporaryError
from control_plane.model.names import to_ascii
from control_plane.model.plan import Plan
from control_plane.model.run import EXIT_CODES, RESUMABLE, Actor, EventType, RunState
from control_plane.model.scope import Scope, parse_scope
from control_plane.model.states import state_word
from control_plane.model.text import Text, t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.holdings import ReleaseRow
from control_plane.store.repository import Store
from control_plane.store.run_rows import RunRow
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
            t("Run {run} is {state}; there is nothing to resume.", run=run_id, state=state_word(row.state)),
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
    for name, (old, new) in sorted(targets.items()):
        row = current.get(name)
        if row is None:
            raise NotFound(t("The subscription {name} does not exist any more.", name=name))
        revisions = {r.generation: r for r in store.estate.revisions(name)}
        revision, made = revisions.get(old), revisions.get(new)
        moved = revision is not None and made is not None and revision.policy != made.policy
        changes.append(
            SubscriptionChange(
                tenant_code=row.code,
                offering=row.offering,
                tier=revision.tier if revision else row.tier,
                spec=without_lost_previews(revision.spec, store)[0] if revision else None,
                expected_generation=row.generation,
                policy=revision.policy if revision and moved else None,
            )
        )
    _still_stored(changes, run_id, store)
    return changes


def without_lost_previews(spec: Mapping[str, Any] | None, store: Store) -> tuple[Any, list[Text]]:
    """An older form without previews of releases that are not stored any more, or must not be shown; and what that
    leaves out. A preview is a look at something that nobody has published; what is live is another matter."""
    kept, lost = copy.deepcopy(spec), list[Text]()
    for site in _sites_of(kept):
        main, release = to_ascii(site["names"]["main"]), site.get("preview")
        if release and not any(_shows(row, release) for row in store.releases.list(main)):
            del site["preview"]
            lost.append(
                t("The preview of {site} stays closed: release {release} is not there any more, or did not pass the "
                  "check for malware.", site=main, release=str(release)[:8])
            )  # fmt: skip
    return kept, lost


def _shows(row: ReleaseRow, release: str) -> bool:
    return row.id == release and row.check.state is CheckState.CLEAN


def left_out(name: str, generation: int, store: Store) -> list[Text]:
    """What going back to an older form of a subscription does not bring back."""
    revision = next((r for r in store.estate.revisions(name) if r.generation == generation), None)
    return without_lost_previews(revision.spec, store)[1] if revision else []


def _sites_of(spec: Any) -> list[Any]:
    sites = (spec or {}).get("sites")
    return sites if isinstance(sites, list) else []


def _still_stored(changes: list[SubscriptionChange], run_id: int, store: Store) -> None:
    """Raises Rejected when a website would go back to content that was deleted to make room or has malware in it,
    TemporaryError when it was not checked yet."""
    for main, release, state in content_of(changes, store):
        if state is not CheckState.CLEAN:
            raise _not_shown(main, release, state, run_id)


def content_of(changes: Sequence[SubscriptionChange], store: Store) -> Iterator[tuple[str, str, CheckState | None]]:
    """(main name, release, what its check said; None when it was deleted) of what would be live again."""
    for change in changes:
        for site in _sites_of(change.spec):
            main, release = to_ascii(site["names"]["main"]), (site.get("source") or {}).get("release")
            if release:
                row = next((row for row in store.releases.list(main) if row.id == release), None)
                yield main, str(release), row.check.state if row is not None else None


def _not_shown(main: str, release: str, state: CheckState | None, run_id: int) -> ControlPlaneError:
    facts = {"run": run_id, "release": release[:8], "site": main}
    other = t("Go to one that is there: gasp sites activate {site} RELEASE.", site=main)
    if state is None:
        return Rejected(
            t("Run {run} cannot be undone: release {release} of {site} was deleted to make room.", **facts),
            t(
                "Store the same content again (gasp sites publish {site} ARCHIVE; it gets the same number), or go to "
                "one that is there: gasp sites activate {site} RELEASE.",
                site=main,
            ),
        )
    if state is CheckState.INFECTED:
        return Rejected(
            t("Run {run} cannot be undone: malware was found in release {release} of {site}.", **facts), other
        )
    return TemporaryError(
        t("Run {run} cannot be undone yet: release {release} of {site} is not checked for malware.", **facts),
        t("It is checked by itself; then try again. gasp doctor says whether the worker runs."),
    )


def undo_scope(changes: Sequence[SubscriptionChange]) -> Scope:
    """The scope of an undo: exactly the subscriptions it sets back."""
    return parse_scope(",".join(f"subscription:{c.tenant_code}/{c.offering}" for c in changes))


class _OnlyLooking(Exception):
    """Ends the transaction of a preview."""


def undo_plan(changes: Sequence[SubscriptionChange], planner: Planner, actor: Actor) -> Plan:
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
