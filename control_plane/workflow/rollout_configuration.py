"""A change of many subscriptions carried out wave by wave: each wave is an ordinary plan and apply of the engine.

What somebody else wished in the meantime is never overwritten, neither on the way there nor on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from control_plane.model.machine import Installed, Proceed
from control_plane.model.ports import Prober
from control_plane.model.rollout import ItemState
from control_plane.model.run import Event, EventType, RunState
from control_plane.model.scope import parse_scope
from control_plane.model.text import Text, t
from control_plane.store.estate import SubscriptionChange, SubscriptionRow
from control_plane.store.repository import Store
from control_plane.store.rollouts import ItemRow, RolloutRow, WaveRow
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.rollout_carriers import Found
from control_plane.workflow.wishes import wish_order

#: States of a run in which what did not fail is verified or only blocked by something that is not ours.
GOOD = (RunState.DONE, RunState.DONE_WITH_CONFLICTS)


class ConfigurationCarrier:
    """Wishes of subscriptions. Items are subscription ids; probes of the subscriptions measure a wave."""

    def __init__(self, catalogue: Catalogue, applier: Applier, store: Store, prober: Prober) -> None:
        self.catalogue = catalogue
        self.applier = applier
        self.store = store
        self.prober = prober

    def present(self, row: RolloutRow) -> frozenset[str]:
        """See `Carrier`."""
        return frozenset(self._subscriptions())

    def before(self, row: RolloutRow, wave: WaveRow) -> str:
        """See `Carrier`: what was wished before is kept with each item."""
        return ""

    def publish(self, row: RolloutRow, wave: WaveRow) -> None:
        """See `Carrier`: there is no repository."""

    def unpublish(self, row: RolloutRow, wave: WaveRow) -> bool:
        """See `Carrier`: there is no repository."""
        return False

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
                changes.append(
                    SubscriptionChange(found.code, found.offering, wanted["tier"], wanted["spec"], found.generation)
                )
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
        bad = {
            f"{c.tenant}/{c.offering}": c
            for c in self.store.runs.changes(run_id)
            if c.state not in ("applied", "already")
        }
        conflicts = {
            f"{c['tenant']}/{c['offering']}": c
            for c in (self.store.plans.load(run.digest).body["changes"] if run.digest else [])
            if c["action"] == "conflict"
        }
        for item in items:
            change = bad.get(item.item)
            if change is not None:
                said = str(change.text) if change.text else change.state
                yield Installed(item.item, "failed", f"{change.resource_id}: {said}")
            elif item.item in conflicts:
                text = t("{id} is blocked by what is not ours.", id=conflicts[item.item]["id"])
                yield Installed(item.item, "failed", str(text))
            elif run.state in GOOD or (bad and run.state is RunState.PARTLY):
                yield Installed(item.item, "changed")
            else:  # stopped or not seen: it is done again
                yield Installed(item.item, "untouched")

    def _remember(self, row: RolloutRow, wave: int) -> Callable[[Event], None]:
        def follow(event: Event) -> None:
            if event.type is EventType.CREATED:
                self.store.rollouts.set_wave(row.id, wave, run_id=event.run)

        return follow

    def measure(self, row: RolloutRow, items: Sequence[ItemRow], back: bool) -> Mapping[str, Found]:
        """See `Carrier`: every promise of these subscriptions, measured from where its users are."""
        scope = parse_scope(",".join(sorted(f"subscription:{i.item}" for i in items)))
        broken: dict[str, Text] = {}
        unseen: dict[str, Text] = {}
        for result in self.prober.run(self.catalogue.probes(scope)):
            name = f"{result.probe.tenant}/{result.probe.offering}"
            if result.state == "failed":
                broken[name] = t("{promise} is not kept: {why}", promise=result.probe.title, why=result.text)
            elif result.state == "unmeasured":
                unseen[name] = result.text
        return {
            i.item: Found(ItemState.FAILED, broken[i.item])
            if i.item in broken
            else Found(ItemState.UNMEASURED, unseen[i.item])
            if i.item in unseen
            else Found(ItemState.OK)
            for i in items
        }

    def _subscriptions(self) -> dict[str, SubscriptionRow]:
        return {s.id: s for s in self.store.estate.subscriptions()}


def _is(found: SubscriptionRow, wish: Mapping[str, Any] | None) -> bool:
    return wish is not None and found.tier == wish["tier"] and found.spec == wish["spec"]
