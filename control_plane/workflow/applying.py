"""Carry out a plan: names are withdrawn first, servers change side by side, names are published last.

Level-triggered: the plan is computed again under the lease, so that killing this process at any moment
is safe and the next apply finishes the work. Every write goes through `Fence`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from control_plane.model.content_check import CheckState, missing_release, sentence_of
from control_plane.model.errors import (
    ControlPlaneError,
    CouldNotMeasureError,
    Rejected,
    StalePlan,
    TemporaryError,
    UnsafePlan,
    told_of,
)
from control_plane.model.freeze import Frozen
from control_plane.model.plan import Change, Plan, digest_of
from control_plane.model.ports import Outcome
from control_plane.model.resource import Measured, Owner, Resource, content_hash
from control_plane.model.run import Actor, EventType, RunState
from control_plane.model.scope import Scope, parse_scope, parts_words
from control_plane.model.text import Text, t, tn
from control_plane.store.leases import Lease
from control_plane.store.repository import Store
from control_plane.workflow.journal import Journal, OnEvent
from control_plane.workflow.observe import observe
from control_plane.workflow.planning import Picture, Planner
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.stages import carry_out_stage, frozen
from control_plane.workflow.verdict import verdict

LEASE = "apply"
#: The kind of resource that is content of a site.
RELEASE = "web.release"
Spare = Literal["nothing", "overwriting", "everything"]
FEW_TENANTS = 6
#: So many of what was not as planned when it was verified are named in the event.
MOST_LEFT = 50


@dataclass(frozen=True)
class Order:
    """What to apply.

    `digest`: the plan that was agreed on; None means whatever the plan under the lease says, within the
    guards. `confirm`: the typed word. `only`: a restriction to these resources. `expected`: resource id →
    hashes before and after, of an earlier run that is being resumed and was agreed on. `commit`: makes
    another state the desired one; it is undone when the plan that follows from it is not accepted. `spare`:
    what is left alone because nobody has seen the plan: every hand-made change, or those that something
    would be overwritten for; where one is in the way of a wish, the order is refused. `wishes`: the only
    subscriptions whose new wishes are made real. `accept`: a consent that was given before; it takes the place of the
    typed word, and raises when this plan is not what was agreed on.
    """

    scope: str
    kind: str = "apply"
    digest: str | None = None
    confirm: str | None = None
    only: frozenset[str] | None = None
    expected: Mapping[str, tuple[str | None, str | None]] | None = None
    commit: Callable[[], None] | None = None
    spare: Spare = "nothing"
    wishes: frozenset[str] | None = None
    accept: Callable[[Plan], None] | None = None


class _OnlyLooking(Exception):
    """Ends the transaction of a rehearsal."""


class Applier:
    """Executes orders, one at a time an estate."""

    def __init__(self, planner: Planner, store: Store, clock: Callable[[], datetime], fault: str | None = None) -> None:
        self.planner = planner
        self.store = store
        self.clock = clock
        self.fault = fault

    def apply(self, order: Order, actor: Actor, on_event: OnEvent | None = None, wait: float = 600.0) -> int:
        """Carry out an order; returns the run's id. Errors that concern the whole run are raised after the
        run was closed with its state, so nothing is ever left `running` by a living process."""
        self.store.freezes.check()
        holder = myself()
        lease = self._lease(wait)
        run_id = 0
        try:
            run_id = self.store.runs.create(order.kind, order.scope, order.digest, actor, holder)
            journal = Journal(self.store, run_id, actor, lease, self.clock, on_event, self.fault)
            journal.event(EventType.CREATED, scope=order.scope, actor=actor.key, kind=order.kind)
            journal.event(EventType.LEASED, token=lease.token)
            self._execute(order, journal)
        except ControlPlaneError as error:
            if run_id:
                states = {"stale-plan": RunState.STALE, "could-not-measure": RunState.COULD_NOT_MEASURE}
                # what a guard says names people; the history does not
                unsafe = t("Nothing was changed: the plan needs a further yes.")
                sentence = unsafe if isinstance(error, UnsafePlan) else error.text
                self._close(run_id, states.get(error.code, RunState.FAILED), sentence)
            raise
        except Exception as error:
            if run_id:
                fault = told_of(error)
                self._close(run_id, RunState.INTERRUPTED, fault)
            raise
        finally:
            self.store.leases.release(lease)
        return run_id

    def _lease(self, wait: float) -> Lease:
        deadline = time.monotonic() + wait
        while True:
            lease = self.store.leases.acquire(LEASE, myself(), process_alive)
            if lease is not None:
                return lease
            if time.monotonic() >= deadline:
                raise TemporaryError(
                    t("Another run is being carried out."), t("See gasp runs list; then try again."), delay=10
                )
            time.sleep(0.1)

    def _close(self, run_id: int, state: RunState, sentence: Text) -> None:
        try:
            self.store.runs.set_state(run_id, state, sentence, self.clock())
        except TemporaryError:
            self.store.runs.abandon(run_id)

    def _execute(self, order: Order, journal: Journal) -> None:
        scope = parse_scope(order.scope)
        with self.store.transaction() if order.commit else nullcontext():
            if order.commit:
                order.commit()
            picture, steps = self._agree(order, scope, journal)
            self._refuse_frozen(steps)  # before the wish is kept: who is refused has changed nothing
        plan = picture.plan
        generations = self._carried(order, picture, steps)
        journal.event(
            EventType.CONFIRMED,
            digest=plan.digest,
            steps=len(steps),
            affected_tenants=list(plan.affected_tenants),
            generations={name: list(pair) for name, pair in generations.items() if pair[0] != pair[1]},
        )
        if self._carry_out(self._passed(self._not_frozen(steps, journal), journal), picture, journal):
            sentence = t("Stopped on request; gasp runs resume {run} finishes it.", run=journal.run_id)
            freeze = next(iter(frozen(steps, self.store.freezes.list()).values()), None)
            if freeze is not None:
                sentence = t("Stopped: {freeze}; once lifted, gasp runs resume {run} finishes it.",
                             freeze=freeze.text, run=journal.run_id)  # fmt: skip
            self._finish(journal, RunState.STOPPED, sentence, False)
            return
        left = self._verify(order, picture, steps, generations, journal)
        state, sentence = verdict(plan, bool(steps), journal.counts, left)
        self._finish(journal, state, sentence, not left)

    def _carried(self, order: Order, picture: Picture, steps: Sequence[Change]) -> dict[str, tuple[int, int]]:
        """Subscription id → (generation, the observed one) of those whose wish this run carries out: what it does for
        others of the estate is not its own, and an undo of it leaves them alone."""
        scope, desired = parse_scope(order.scope), picture.world.desired
        names = {_subscription(c) for c in steps}
        names |= {_subscription(desired[i].owner) for i in order.only or () if i in desired}
        return {
            name: pair
            for name, pair in picture.world.generations.items()
            if (name in names or (order.only is None and _inside(scope, name)))
            and (order.wishes is None or name in order.wishes)
        }

    def _agree(self, order: Order, scope: Scope, journal: Journal) -> tuple[Picture, list[Change]]:
        """Look, plan, and find out which changes the order may carry out. Raises when it may not."""
        picture = self.planner.picture(scope)
        plan = picture.plan
        journal.event(
            EventType.OBSERVED,
            digest=plan.digest,
            summary=plan.summary(),
            reads=plan.reads,
            unmeasured=[{"part": u.part, "reason": u.reason.as_json()} for u in plan.unmeasured],
        )
        plan, steps = self._chosen(order, picture)
        if order.accept is not None:
            order.accept(plan)
        elif order.expected is None:
            self.planner.demand_consent(plan, order.confirm)
        found = _found_as_wanted(picture, self.store.memory(self.clock()).applied)
        self.store.runs.confirm(journal.run_id, found, self.clock(), journal.lease.token)
        self.store.plans.save(plan, journal.actor, self.planner.personal)
        self.store.runs.set_plan(journal.run_id, plan.digest, len(steps), journal.lease.token)
        self.store.runs.set_state(journal.run_id, RunState.RUNNING)
        return picture, steps

    def _chosen(self, order: Order, picture: Picture) -> tuple[Plan, list[Change]]:
        """What of a plan the order carries out. Raises when it is refused."""
        plan = picture.plan
        if order.commit and plan.broken:
            raise Rejected(t("{subscription}: {reason}", subscription=plan.broken[0][0], reason=plan.broken[0][1]))
        steps = [c for c in plan.steps if order.only is None or c.id in order.only]
        if order.wishes is not None:
            steps = [c for c in steps if c.reason == "drift" or _subscription(c) in order.wishes]
        if order.spare != "nothing":
            steps = _without_hand_made(steps, order)
        self._check(order, picture, steps)
        if len(steps) != len(plan.steps):  # what was agreed on is less than the plan, and has a digest of its own
            plan = replace(plan, changes=tuple(steps), digest=digest_of(order.scope, steps))
        return plan, steps

    def rehearse(self, order: Order) -> Plan:
        """The plan that an order would carry out now. What it wishes is desired for that moment only; nothing is
        written. Raises as `apply` does, but asks for no word."""
        try:
            with self.store.transaction():
                if order.commit:
                    order.commit()
                plan, _ = self._chosen(order, self.planner.picture(parse_scope(order.scope)))
                raise _OnlyLooking
        except _OnlyLooking:
            return plan

    def _check(self, order: Order, picture: Picture, steps: Sequence[Change]) -> None:
        """Refuse when nothing was seen, or when the world is not the one that was agreed on."""
        plan = picture.plan
        if plan.unmeasured and not plan.steps:
            raise CouldNotMeasureError(
                t(
                    "Could not measure {parts}: {reason}",
                    parts=parts_words(u.part for u in plan.unmeasured),
                    reason=plan.unmeasured[0].reason,
                ),
                t("Nothing was changed. Try again when it answers; gasp doctor says more."),
            )
        moved: list[str] = []
        if order.expected is not None:
            desired = picture.world.desired
            wanted = {i: content_hash(desired[i].attributes) if i in desired else None for i in order.expected}
            moved = [i for i, (_, after) in order.expected.items() if wanted[i] != after]
            moved += [c.id for c in steps if not _as_agreed(c, *order.expected[c.id])]
        elif order.digest is not None and plan.digest != order.digest:
            stored = self.store.plans.load(order.digest)
            before = {c["id"]: (c["action"], c["before_hash"], c["after_hash"]) for c in stored.body["changes"]}
            now = {c.id: (c.action, c.before_hash, c.after_hash) for c in plan.changes}
            moved = sorted(i for i in before.keys() | now.keys() if before.get(i) != now.get(i)) or [order.scope]
        if moved:
            raise StalePlan(
                tn(
                    "The world moved since this plan was made: {count} difference, {ids}.",
                    "The world moved since this plan was made: {count} differences, such as {ids}.",
                    count=len(moved),
                    ids=", ".join(moved[:5]),
                ),
                t("Plan again: gasp plan {scope}", scope=order.scope),
            )

    def _carry_out(self, steps: Sequence[Change], picture: Picture, journal: Journal) -> bool:
        """Three stages; returns whether the run was stopped in between."""
        held: set[tuple[str, str]] = set()
        unseen = {u.part for u in picture.plan.unmeasured}
        names_unseen = any(part.startswith("dns:") for part in unseen)
        names_off = [c for c in steps if c.system == "dns" and c.action == "delete"]
        servers = [c for c in steps if c.system != "dns"]
        names_on = [c for c in steps if c.system == "dns" and c.action != "delete"]
        failed, stopped = carry_out_stage(self.planner.drivers, names_off, journal)
        if stopped:
            return True
        held |= {(c.tenant_id, c.offering) for c in failed}
        waits = [
            c
            for c in servers
            if c.system == "web" and c.action == "delete" and ((c.tenant_id, c.offering) in held or names_unseen)
        ]
        self._hold(waits, t("A name still leads here; it goes when the name is withdrawn."), journal)
        failed, stopped = carry_out_stage(self.planner.drivers, [c for c in servers if c not in waits], journal)
        if stopped:
            return True
        missing = {(c.tenant_id, c.offering) for c in failed if c.system == "web" and c.action != "delete"}
        missing |= {
            (r.owner.tenant_id, r.owner.offering)
            for r in picture.world.desired.values()
            if r.part in unseen and r.system == "web"
        }
        waits = [c for c in names_on if c.action == "create" and (c.tenant_id, c.offering) in missing]
        self._hold(waits, t("The site behind this name is not ready; a name is never published before it."), journal)
        _, stopped = carry_out_stage(self.planner.drivers, [c for c in names_on if c not in waits], journal)
        return stopped

    def _refuse_frozen(self, steps: Sequence[Change]) -> None:
        """Raises Frozen when freezes cover all that would be done."""
        found = frozen(steps, self.store.freezes.list())
        if steps and len(found) == len(steps):
            raise Frozen(next(iter(found.values())))

    def _not_frozen(self, steps: Sequence[Change], journal: Journal) -> list[Change]:
        """What no freeze covers; the rest is held with its reason."""
        found = frozen(steps, self.store.freezes.list())
        for freeze in {f.id: f for f in found.values()}.values():
            self._hold([c for c in steps if found.get(c.id) == freeze], freeze.text, journal)
        return [c for c in steps if c.id not in found]

    def _passed(self, steps: Sequence[Change], journal: Journal) -> list[Change]:
        """What shows nobody content that the antivirus engine has not passed; a service with other content waits
        whole, with its reason."""
        named: list[tuple[str, tuple[str, str]]] = []
        for change in steps:
            if change.kind == RELEASE and change.action != "delete" and change.resource is not None:
                source = change.resource.payload["source"]
                if source["kind"] == "release":
                    named.append((source["release"], (change.tenant_id, change.offering)))
        checks = self.store.content_checks.of({release for release, _ in named})
        shut = {service: checks[release] for release, service in named if checks[release].state is not CheckState.CLEAN}
        stored = self.store.contents.releases({check.name for check in shut.values()})
        for service, check in shut.items():
            lost = check.state is CheckState.WAITING and check.name not in stored
            why = missing_release(check.name) if lost else sentence_of(check, check.name)
            self._hold([c for c in steps if (c.tenant_id, c.offering) == service], why, journal)
        return [c for c in steps if (c.tenant_id, c.offering) not in shut]

    def _hold(self, changes: Sequence[Change], why: Text, journal: Journal) -> None:
        if changes:
            journal.outcomes([(c, Outcome(c.id, "held", why)) for c in changes])
            journal.event(EventType.HELD, ids=[c.id for c in changes[:50]], count=len(changes), why=why.as_json())

    def _verify(
        self,
        order: Order,
        picture: Picture,
        steps: Sequence[Change],
        generations: Mapping[str, tuple[int, int]],
        journal: Journal,
    ) -> list[str]:
        """Look again at what was touched: a re-plan of it must be empty. Returns what is not."""
        touched = {c.part for c in steps}
        journal.event(EventType.VERIFYING, parts=sorted(touched))
        scope = parse_scope(order.scope)
        left: list[str] = []
        if steps:
            codes = frozenset(c.tenant for c in steps)
            narrow = scope.tenants or (codes if len(codes) <= FEW_TENANTS and "?" not in codes else None)
            parts = [(d, p) for d, p in self.planner.parts(scope) if p in touched]
            # as of the plan's own moment: what began to retire in this run is done, however short its time
            looks = observe(parts, narrow, self.clock)
            again = self.planner.compare(scope, picture.world, looks, at=picture.plan.observed_at).plan
            ids = {c.id for c in steps}
            left = [c.id for c in again.steps if c.id in ids] + [u.part for u in again.unmeasured]
        if not left and not picture.plan.unmeasured:
            skip = {_subscription(c) for c in picture.plan.changes if c.action == "conflict"}
            skip |= picture.world.broken.keys()
            desired = picture.world.desired
            skip |= {_subscription(desired[i].owner) for i, _ in picture.plan.waiting if i in desired}
            if order.only is not None:
                skip |= {_subscription(c) for c in picture.plan.steps if c.id not in order.only}
            real = generations.keys() - skip
            self.store.estate.set_observed({n: generations[n][0] for n in real if order.only or _inside(scope, n)})
        journal.event(EventType.VERIFIED, empty=not left, left=left[:MOST_LEFT])
        return left

    def _finish(self, journal: Journal, state: RunState, sentence: Text, verified: bool) -> None:
        if state is RunState.STOPPED:
            journal.event(EventType.STOPPED)
        self.store.runs.set_state(journal.run_id, state, sentence, self.clock())
        journal.event(
            EventType.FINISHED,
            state=state.value,
            verified=verified,
            counts={k: v for k, v in journal.counts.items() if v},
            sentence=sentence.as_json(),
        )


def _found_as_wanted(picture: Picture, applied: Mapping[str, str]) -> list[tuple[Resource, str]]:
    """What is there exactly as desired although no run ever recorded that it wrote it."""
    found = []
    for look in picture.looks:
        for seen in look.resources.values() if isinstance(look, Measured) else ():
            resource = picture.world.desired.get(seen.id)
            if resource is not None and resource.attributes == seen.attributes and seen.retiring_until is None:
                content = content_hash(seen.attributes)
                if applied.get(seen.id) != content:
                    found.append((resource, content))
    return found


def _as_agreed(change: Change, before: str | None, after: str | None) -> bool:
    """Whether a change is still the one a resumed run was to make. What that run left half done is."""
    unfinished = bool(change.before and change.before.get("unfinished"))
    return change.after_hash == after and (change.before_hash == before or unfinished)


def _without_hand_made(steps: Sequence[Change], order: Order) -> list[Change]:
    """Leave drift as it is; raise Rejected where a hand-made change would be overwritten on the way."""
    overwritten = [c for c in steps if c.hand_made and c.reason != "drift"]
    if overwritten:
        raise Rejected(
            t("Changed by hand since: {ids}.", ids=", ".join(c.id for c in overwritten[:5])),
            t("Look first: gasp plan {scope}; then apply that plan, or answer with gasp drift.", scope=order.scope),
        )
    restored = order.spare == "overwriting"
    return [c for c in steps if c.reason != "drift" or (restored and c.action == "create")]


def _subscription(of: Change | Owner) -> str:
    return f"{of.tenant}/{of.offering}"


def _inside(scope: Scope, subscription: str) -> bool:
    """Whether the scope holds all of a subscription."""
    tenant, _, offering = subscription.partition("/")
    return not scope.terms or (scope.tenants is not None and scope.covers(tenant, offering, ""))
