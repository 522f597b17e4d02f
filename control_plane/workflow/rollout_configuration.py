"""A change of many subscriptions carried out wave by wave: each wave is an ordinary plan and apply of the engine.

What somebody else wished in the meantime is never overwritten, neither on the way there nor on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from control_plane.model.internet import SERVICE
from control_plane.model.machine import Installed, Proceed, Ring
from control_plane.model.ports import ProbeResult
from control_plane.model.rollout import ORDER, ItemState
from control_plane.model.run import Event, EventType, RunState
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange, SubscriptionRow
from control_plane.store.policies import revision_in
from control_plane.store.repository import Store
from control_plane.store.rollouts import ItemRow, RolloutRow, WaveRow
from control_plane.store.run_rows import RunChange
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.rollout_carriers import When
from control_plane.workflow.rollout_making import rings_of
from control_plane.workflow.rollout_promises import Found, Promises, judged
from control_plane.workflow.wishes import wish_order

Wish = Mapping[str, Any]
#: States of a run in which what did not fail is verified or only blocked by something that is not ours.
GOOD = (RunState.DONE, RunState.DONE_WITH_CONFLICTS)


class ConfigurationCarrier:
    """Wishes of subscriptions. Items are subscription ids; promises of their tenants measure a wave."""

    def __init__(self, catalogue: Catalogue, applier: Applier, store: Store, promises: Promises) -> None:
        self.catalogue = catalogue
        self.applier = applier
        self.store = store
        self.promises = promises

    def present(self, row: RolloutRow) -> frozenset[str]:
        """See `Carrier`."""
        return frozenset(self._subscriptions())

    def systems(self, items: Sequence[ItemRow]) -> Collection[str]:
        """See `Carrier`: those of the items' offerings."""
        names = {i.item.partition("/")[2] for i in items}
        found = [self.catalogue.offerings[name] for name in sorted(names & self.catalogue.offerings.keys())]
        return {system: None for offering in found for system in offering.systems or ()}.keys()

    def opening(self, row: RolloutRow, known: Collection[str], when: When) -> Collection[Ring]:
        """See `Carrier`: who comes goes with the next wave that there is."""
        return ()

    def joining(self, row: RolloutRow, known: Collection[str], when: When) -> Sequence[ItemRow]:
        """See `Carrier`. Only a revision of the policy that goes to all departments concerns who begins later: they
        begin with the one that ended well before it, or with it when it had ended itself. Who is not made real yet
        cannot be measured, and joins at the end."""
        number = revision_in(row.title)
        if number is None or row.snapshot is None:
            return ()
        back, found = when == "back", self.store.estate.subscriptions(offering=SERVICE)
        new = [s for s in found if s.id not in known and (s.policy == number) is back]
        if when == "going":
            new = [s for s in new if s.observed_generation]
        rings = rings_of(self.store.machines.all(), [s.code for s in new]) if new else {}
        former = self.store.policies.finished() if back else None
        return [_joining(row, s, rings[s.code], number, s.policy if former is None else former) for s in new]

    def before(self, row: RolloutRow, wave: WaveRow) -> str:
        """See `Carrier`: what was wished before is kept with each item."""
        return ""

    def publish(self, row: RolloutRow, wave: WaveRow) -> None:
        """See `Carrier`: there is no repository."""

    def unpublish(self, row: RolloutRow, wave: WaveRow) -> bool:
        """See `Carrier`: there is no repository."""
        return False

    def ready(self, items: Sequence[ItemRow]) -> AbstractContextManager[None]:
        """See `Carrier`: there is nothing to get ready."""
        return nullcontext()

    def carry(
        self, row: RolloutRow, wave: int, items: Sequence[ItemRow], proceed: Proceed, back: bool
    ) -> Iterator[Installed]:
        """See `Carrier`. All items that may be touched go into one run."""
        current = self._subscriptions()
        changes: list[SubscriptionChange] = []
        going: list[ItemRow] = []
        for item in items:
            found = current.get(item.item)
            wanted, former = (item.before, item.wish) if back else (item.wish, item.before)
            if found is None or wanted is None:
                continue
            if not back and not found.observed_generation and revision_in(row.title) is not None:
                text = t("Its internet access is not made real yet; it gets the revision when it is.")
                yield Installed(item.item, "unreachable", str(text))
                continue
            wanted, former = _on(found, wanted, former)
            if not _is(found, wanted) and not _is(found, former):
                yield Installed(item.item, "failed", str(t("Changed by somebody else since; it is left as it is.")))
                continue
            if _is(found, wanted) and found.generation == found.observed_generation and not item.touched:
                yield Installed(item.item, "already")
                continue
            if not proceed(item.item):
                yield Installed(item.item, "untouched")
                continue
            going.append(item)
            if not _is(found, wanted):
                changes.append(_change(found, wanted))
        if going:
            yield from self._apply(row, wave, going, changes)

    def _apply(
        self, row: RolloutRow, wave: int, items: Sequence[ItemRow], changes: Sequence[SubscriptionChange]
    ) -> Iterator[Installed]:
        order = wish_order(self.catalogue, changes, row.actor, f"rollout {row.id}", "rollout")
        scope = ",".join(sorted(f"subscription:{i.item}" for i in items))
        confirm = next(w.confirm for w in row.waves if w.number == wave)
        commit = order.commit if changes else None
        order = Order(scope, kind=order.kind, confirm=confirm, spare=order.spare, commit=commit)
        run_id = self.applier.apply(order, row.actor, self._remember(row, wave))
        run = self.store.runs.get(run_id)
        left = [c for c in self.store.runs.changes(run_id) if c.state not in ("applied", "already")]
        bad = {f"{c.tenant}/{c.offering}": c for c in left}
        waits = self._frozen(left)
        conflicts = {
            f"{c['tenant']}/{c['offering']}": c
            for c in (self.store.plans.load(run.digest).body["changes"] if run.digest else [])
            if c["action"] == "conflict"
        }
        for item in items:
            change = bad.get(item.item)
            if item.item in waits:
                yield Installed(item.item, "untouched")
            elif change is not None:
                said = str(change.text) if change.text else change.state
                yield Installed(item.item, "failed", f"{change.resource_id}: {said}")
            elif item.item in conflicts:
                text = t("{id} is blocked by what is not ours.", id=conflicts[item.item]["id"])
                yield Installed(item.item, "failed", str(text))
            elif run.state in GOOD or (bad and run.state is RunState.PARTLY):
                yield Installed(item.item, "changed")
            else:  # stopped or not seen: it is done again
                yield Installed(item.item, "untouched")

    def _frozen(self, left: Sequence[RunChange]) -> set[str]:
        """Subscriptions of which nothing failed, and something is held by a freeze that came in between."""
        if not any(c.state == "held" for c in left):
            return set()
        said = {str(freeze.text) for freeze in self.store.freezes.list(lifted=True)}
        held = {f"{c.tenant}/{c.offering}" for c in left if c.state == "held" and str(c.text) in said}
        return held - {f"{c.tenant}/{c.offering}" for c in left if c.state != "held"}

    def _remember(self, row: RolloutRow, wave: int) -> Callable[[Event], None]:
        def follow(event: Event) -> None:
            if event.type is EventType.CREATED:
                self.store.rollouts.set_wave(row.id, wave, run_id=event.run)

        return follow

    def measure(self, row: RolloutRow, items: Sequence[ItemRow], back: bool) -> Mapping[str, Found]:
        """See `Carrier`: every promise of these tenants, measured from where its users are; on the way back those of
        the subscriptions alone. A subscription of which no promise could be measured is unmeasured."""
        if back:
            results = self.promises.of_subscriptions({i.item for i in items})
        else:
            results = self.promises.of_tenants({i.tenant for i in items})
        return {i.item: self._found(i, results) for i in items}

    def _found(self, item: ItemRow, results: Sequence[ProbeResult]) -> Found:
        bad = judged(r for r in results if r.probe.tenant == item.tenant)
        if bad is not None:
            return bad
        if any(f"{r.probe.tenant}/{r.probe.offering}" == item.item for r in results):
            return Found(ItemState.OK)
        if self.promises.none_by_nature(item.item.partition("/")[2]):
            return Found(ItemState.OK, t("This service promises nothing that could be measured."))
        return Found(ItemState.UNMEASURED, t("None of its promises was measured."))

    def _subscriptions(self) -> dict[str, SubscriptionRow]:
        return {s.id: s for s in self.store.estate.subscriptions()}


def _is(found: SubscriptionRow, wish: Wish | None) -> bool:
    return wish is not None and (found.tier, found.spec) == (wish["tier"], wish["spec"]) and not _moves(found, wish)


def _moves(found: SubscriptionRow, wish: Wish) -> bool:
    return bool(wish.get("policy", found.policy) != found.policy)


def _on(found: SubscriptionRow, wanted: Wish, former: Wish | None) -> tuple[Wish, Wish | None]:
    """A rollout that moves the policy alone goes on top of what a department has changed in its own form since."""
    if former is None or any(wanted[field] != former[field] for field in ("tier", "spec")):
        return wanted, former
    now = {"tier": found.tier, "spec": found.spec}
    return {**wanted, **now}, {**former, **now}


def _joining(row: RolloutRow, found: SubscriptionRow, ring: Ring, number: int, former: int) -> ItemRow:
    """An item in the wave of the department's ring, or the next one that there is."""
    place = ORDER.index(ring)
    later = [w.number for w in row.waves if w.ring is not None and ORDER.index(w.ring) >= place]
    stand = {"tier": found.tier, "spec": found.spec}
    wish, before = {**stand, "policy": number}, {**stand, "policy": former}
    wave = min(later, default=len(row.waves))
    return ItemRow(found.id, wave, found.id, found.code, ring, wish=wish, before=before)


def _change(found: SubscriptionRow, wish: Wish) -> SubscriptionChange:
    policy = wish["policy"] if _moves(found, wish) else None
    return SubscriptionChange(found.code, found.offering, wish["tier"], wish["spec"], found.generation, policy)
