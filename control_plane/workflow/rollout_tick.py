"""One step of every rollout: read the state, look, do the next bounded thing, write it down.

Level-triggered: nothing is remembered but in the database, so this process may be killed anywhere and the next tick
goes on. Before each machine is touched, lease, state, freezes, window and thresholds are asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from control_plane.model.errors import Invalid, Rejected, TemporaryError, UnsafePlan, told_of
from control_plane.model.freeze import Frozen, covering
from control_plane.model.machine import Ring
from control_plane.model.rollout import (
    MOVING,
    ORDER,
    ItemState,
    RolloutEvent,
    RolloutState,
    Thresholds,
    WaveFacts,
    judge,
    read_thresholds,
)
from control_plane.model.text import Text, t
from control_plane.model.windows import Calendar, is_open, window_at
from control_plane.store.leases import Lease, LeaseLost
from control_plane.store.repository import Store
from control_plane.store.rollouts import ItemRow, RolloutRow, WaveRow
from control_plane.workflow.fault import reached
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.rollout_carriers import Carrier, When

LEASE = "rollouts"
#: Seconds between two attempts at machines that were off.
CATCH_UP_SECONDS = 30
#: How often a step is begun again from the same place when its process was killed in it.
ATTEMPTS = 5
OPEN = (ItemState.PENDING, ItemState.TOUCHING)
LATE = (ItemState.OFF, ItemState.UNMEASURED)
ROLLING = frozenset({RolloutState.ROLLING_BACK})
IN_WAVE = (RolloutState.RUNNING, RolloutState.SOAKING)


class Ticker:
    """Moves rollouts on. `carriers` by kind of rollout; `fault` ends the process at an event, for tests. `way` raises
    TemporaryError while what lies on the way of all (the gateway) does not answer: what fails then says nothing about
    the change that is carried."""

    def __init__(
        self,
        store: Store,
        carriers: Mapping[str, Carrier],
        calendar: Calendar,
        clock: Callable[[], datetime],
        fault: str | None = None,
        way: Callable[[], object] = lambda: None,
    ) -> None:
        self.store = store
        self.carriers = carriers
        self.calendar = calendar
        self.clock = clock
        self.fault = fault
        self.way = way
        self._seen: Counter[str] = Counter()

    def tick(self) -> list[int]:
        """One step of each rollout that moves; returns their ids. Nothing is done while another process does it."""
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            return []
        moved = []
        try:
            for row in reversed(self.store.rollouts.list(MOVING)):
                self._guarded(row, lease)
                moved.append(row.id)
        finally:
            self.store.leases.release(lease)
        return moved

    def _guarded(self, row: RolloutRow, lease: Lease) -> None:
        """One rollout's trouble stops no other. What may pass by itself keeps the state; the rest asks a person."""
        step = Step(self, row, lease)
        try:
            step.attempt()
            step.run()
        except LeaseLost:
            raise
        except (Frozen, TemporaryError) as error:
            step.say(error.text)
        except UnsafePlan as error:
            why = t("{text} {hint}", text=error.text, hint=self._release_hint(row, error))
            step.ask_person(why)
        except Exception as error:
            step.ask_person(told_of(error))
        step.ended()

    @staticmethod
    def _release_hint(row: RolloutRow, error: UnsafePlan) -> Text:
        return t("Then: gasp rollouts release {id} --confirm {word} --reason WHY", id=row.id, word=error.word)

    def event(self, row: RolloutRow, type_: RolloutEvent, token: int, **data: Any) -> None:
        """Record an event; afterwards is where fault tests kill the process."""
        self.store.rollouts.append(row.id, type_, data, token=token)
        reached(type_, self.fault, self._seen)


class Step:
    """One rollout, now."""

    def __init__(self, ticker: Ticker, row: RolloutRow, lease: Lease) -> None:
        self.ticker, self.row, self.lease = ticker, row, lease
        self.rollouts = ticker.store.rollouts
        self.carrier = ticker.carriers[row.kind]
        self.token = lease.token
        self.frozen: Frozen | None = None
        self.cut: TemporaryError | None = None

    def attempt(self) -> None:
        """Count this step before it is begun. Raises Rejected when it has killed its process again and again without
        getting any further; a person's release begins the count anew."""
        row, place = self.row, self._place()
        count = row.attempts + 1 if row.attempted == place else 1
        if count > ATTEMPTS:
            raise Rejected(
                t("Its process was killed {count} times at this very step; it is not begun again by itself.",
                  count=ATTEMPTS)
            )  # fmt: skip
        self.rollouts.note(row.id, self.token, attempts=count, attempted=place)

    def ended(self) -> None:
        """The step has ended, however it went; its process was not killed in it."""
        self.rollouts.note(self.row.id, self.token, attempts=0)

    def _place(self) -> str:
        """How far it has come: what is the same before and after a killed step that did nothing."""
        counts = Counter("open" if i.state in OPEN else i.state.value for i in self._items())
        wave = next((w for w in self.row.waves if w.number == self.row.wave), None)
        published = wave is not None and wave.published_at is not None
        words = [self.row.state.value, str(self.row.wave), *(["published"] if published else [])]
        return " ".join([*words, *(f"{state}={number}" for state, number in sorted(counts.items()))])

    def run(self) -> None:
        """Everything that can be done now."""
        self._mark_removed()
        self._join()
        if self.row.state is RolloutState.SCHEDULED:
            self._begin()
        if self.row.state is RolloutState.ROLLING_BACK:
            self._roll_back()
        while self.row.state in IN_WAVE:
            if not (self._run_wave() if self.row.state is RolloutState.RUNNING else self._end_soak()):
                break
        if self.row.state in (*IN_WAVE, RolloutState.CATCHING_UP):
            self._catch_up()

    # --- states ---

    def _begin(self) -> None:
        if self.row.not_before is None or self.ticker.clock() >= self.row.not_before:
            self._move(RolloutState.RUNNING, wave=1)

    def _run_wave(self) -> bool:
        """The present wave as far as it goes now; returns whether the next state is worth a look at once."""
        wave = self._wave()
        self._check_freeze(wave)
        if wave.started_at is None:
            self.rollouts.set_wave(self.row.id, wave.number, self.token, started_at=self.ticker.clock())
            self._event(RolloutEvent.STARTED, wave=wave.number, title=wave.title)
        items = self._items(wave.number)
        todo = [i for i in items if i.state in OPEN and self._window_open(i)]
        with self.carrier.ready(todo) if todo else nullcontext():
            if wave.published_at is None:
                self._publish(wave)
            if any(i.state in (ItemState.TOUCHING, ItemState.INSTALLED) for i in items):
                self._check_way()  # left over by a step that something ended
            if todo:
                self._carry(wave, todo)
        if self.rollouts.state(self.row.id) is not RolloutState.RUNNING:
            return self._reload()
        self._measure([i for i in self._items(wave.number) if i.state is ItemState.INSTALLED])
        return self._judge(wave)

    def _judge(self, wave: WaveRow) -> bool:
        items = self._items(wave.number)
        facts = WaveFacts.of((i.state for i in items), self._wave().settled_at)
        if facts.settled_at is None and not facts.open:
            now = self.ticker.clock()
            self.rollouts.set_wave(self.row.id, wave.number, self.token, settled_at=now)
            self._event(RolloutEvent.SETTLED, wave=wave.number, counts=_counts(items))
            facts = WaveFacts(facts.states, now)
        verdict = judge(facts, self._thresholds(), self.ticker.clock(), self.row.kind)
        if wave.pardoned and not facts.open and verdict.act in ("stop", "person"):
            return self._next_wave(wave, t("A person lets it go on: {why}", why=verdict.text))
        if verdict.act != "work":
            self._event(RolloutEvent.JUDGED, wave=wave.number, act=verdict.act, text=verdict.text.as_json())
        match verdict.act:
            case "stop":
                self._event(RolloutEvent.STOPPED, wave=wave.number, text=verdict.text.as_json())
                self._move(RolloutState.STOPPED, why=verdict.text)
            case "person":
                self._event(RolloutEvent.WAITING, wave=wave.number, text=verdict.text.as_json())
                self._move(RolloutState.WAITING, why=verdict.text)
            case "soak":
                self._move(RolloutState.SOAKING, why=verdict.text, until=verdict.until)
            case "next":
                return self._next_wave(wave, verdict.text)
            case "work":
                why = self.frozen.text if self.frozen else None
                self.rollouts.note(self.row.id, self.token, why=why, until=self._next_window(items))
        return False

    def _end_soak(self) -> bool:
        """After the soak the wave is measured once more; only then the next one may begin."""
        if self.row.until is not None and self.ticker.clock() < self.row.until:
            return False
        wave = self._wave()
        self._measure([i for i in self._items(wave.number) if i.state in (ItemState.OK, ItemState.UNMEASURED)])
        return self._judge(wave)

    def _next_wave(self, wave: WaveRow, why: Text) -> bool:
        self.rollouts.set_wave(self.row.id, wave.number, self.token, finished_at=self.ticker.clock())
        self._event(RolloutEvent.FINISHED, wave=wave.number, text=why.as_json())
        if wave.number < len(self.row.waves):
            return self._move(RolloutState.RUNNING, wave=wave.number + 1)
        return self._finish()

    def _finish(self) -> bool:
        with self.ticker.store.transaction():  # who begins after it gets what this one has brought
            self._join(over=True)
            if self.row.wave < len(self.row.waves):
                return self._move(RolloutState.RUNNING, wave=self.row.wave + 1, finished_at=None)
            left = [i for i in self._items() if i.state in LATE]
            state = RolloutState.CATCHING_UP if left else RolloutState.DONE
            if self.row.state is not state:
                self._event(RolloutEvent.ENDED, state=state.value, left=[i.name for i in left])
                self._move(state, finished_at=self.ticker.clock())
        return False

    def _catch_up(self) -> None:
        """Machines that were off, or could not be measured, in this wave and those before it."""
        row, now = self._fresh(), self.ticker.clock()
        if row.state not in (*IN_WAVE, RolloutState.CATCHING_UP):
            return
        late = [i for i in self._items() if i.state in LATE and i.wave <= row.wave]
        again = row.caught_up_at is None or now - row.caught_up_at >= timedelta(seconds=CATCH_UP_SECONDS)
        if late and again:
            self.rollouts.note(row.id, self.token, caught_up_at=now)
            for wave in row.waves:
                mine = [i for i in late if i.wave == wave.number]
                if mine and wave.published_at is not None:
                    self._check_freeze(wave)
                    self._late_items(wave, mine)
                    verdict = judge(self._facts(wave), self._thresholds(), now, self.row.kind)
                    if verdict.act == "stop" and not wave.pardoned:
                        self._event(RolloutEvent.STOPPED, wave=wave.number, text=verdict.text.as_json())
                        self._move(RolloutState.STOPPED, why=verdict.text)
                        return
        if row.state is RolloutState.CATCHING_UP:
            self._finish()

    def _late_items(self, wave: WaveRow, items: Sequence[ItemRow]) -> None:
        off = [i for i in items if i.state is ItemState.OFF and self._window_open(i)]
        if off:
            self._carry(wave, off)
        names = {i.item for i in items}
        to_measure = (ItemState.INSTALLED, ItemState.UNMEASURED)
        self._measure([i for i in self._items(wave.number) if i.item in names and i.state in to_measure])
        for item in self._items(wave.number):
            if item.item in names and item.state is ItemState.OK:
                self._event(RolloutEvent.CAUGHT_UP, wave=wave.number, item=item.item, name=item.name)

    def _roll_back(self) -> None:
        """Rings first, then every machine that was touched; windows are not waited for."""
        for wave in reversed(self.row.waves):
            if wave.before is None:
                continue
            self._check_freeze(wave)
            self.ticker.store.freezes.check(ring=wave.ring, system="snapshots")
            if self.carrier.unpublish(self.row, wave):
                self._event(RolloutEvent.UNPUBLISHED, wave=wave.number, snapshot=wave.before)
        now = self.ticker.clock()
        last = self.row.caught_up_at
        retry = last is None or now - last >= timedelta(seconds=CATCH_UP_SECONDS)
        states = (*OPEN, *LATE) if retry else OPEN
        if retry:
            self.rollouts.note(self.row.id, self.token, caught_up_at=now)
        for wave in reversed(self.row.waves):
            todo = [i for i in self._items(wave.number) if i.touched and i.state in states]
            if todo:
                self._carry(wave, todo, back=True)
            self._measure([i for i in self._items(wave.number) if i.state is ItemState.INSTALLED], back=True)
        touched = [i for i in self._items() if i.touched]
        if any(i.state in (*OPEN, *LATE, ItemState.INSTALLED) for i in touched):
            return
        bad = [i.name for i in touched if i.state is ItemState.FAILED]
        if bad:
            self.ask_person(t("These could not go back: {names}.", names=", ".join(bad[:10])))
            return
        self._event(RolloutEvent.ENDED, state=RolloutState.ROLLED_BACK.value, left=[])
        self._move(RolloutState.ROLLED_BACK, why=self.row.why, finished_at=now)

    # --- acts ---

    def _publish(self, wave: WaveRow) -> None:
        self.ticker.store.freezes.check(ring=wave.ring, system="snapshots")
        if wave.before is None:  # written before anything is published, so that a killed worker knows it
            self.rollouts.set_wave(self.row.id, wave.number, self.token, before=self.carrier.before(self.row, wave))
        self._event(RolloutEvent.PUBLISHING, wave=wave.number, snapshot=self.row.snapshot)
        self.carrier.publish(self.row, wave)
        self.rollouts.set_wave(self.row.id, wave.number, self.token, published_at=self.ticker.clock())
        self._event(RolloutEvent.PUBLISHED, wave=wave.number, snapshot=self.row.snapshot)

    def _carry(self, wave: WaveRow, items: Sequence[ItemRow], back: bool = False) -> None:
        by_id = {i.item: i for i in items}
        states = ROLLING if back else MOVING - ROLLING

        def proceed(item: str) -> bool:
            self.ticker.store.leases.check(self.lease)
            if not self._may_touch(wave, by_id[item], states, back):
                return False
            self.rollouts.set_item(self.row.id, item, ItemState.TOUCHING, touched=True, token=self.token)
            self._event(RolloutEvent.TOUCHING, wave=wave.number, item=item, name=by_id[item].name)
            return True

        for result in self.carrier.carry(self.row, wave.number, items, proceed, back):
            state = {
                "changed": ItemState.INSTALLED,
                "already": ItemState.INSTALLED,
                "failed": ItemState.FAILED,
                "unreachable": ItemState.OFF,
                "untouched": None,
            }[result.state]
            if state is None or (state is ItemState.FAILED and self._way_is_cut()):
                continue
            text = t("{said}", said=result.text) if result.text else None
            self.rollouts.set_item(self.row.id, result.machine, state, text, result.fault, token=self.token)
            name = by_id[result.machine].name
            facts = {"wave": wave.number, "item": result.machine, "name": name, "state": result.state}
            self._event(RolloutEvent.RETURNED if back else RolloutEvent.ITEM, **facts, text=result.text)
        if self.cut is not None:
            raise self.cut

    def _may_touch(self, wave: WaveRow, item: ItemRow, states: Iterable[RolloutState], back: bool) -> bool:
        if self.cut is not None or self.rollouts.state(self.row.id) not in states:
            return False
        try:
            self._ask_freezes(item.tenant, item.ring, [item])
        except Frozen as error:
            self.frozen = error
            return False
        if back:
            return True
        stopped = judge(self._facts(wave), self._thresholds(), self.ticker.clock(), self.row.kind).act == "stop"
        return self._window_open(item) and not (stopped and not wave.pardoned)

    def _measure(self, items: Sequence[ItemRow], back: bool = False) -> None:
        if not items:
            return
        found = self.carrier.measure(self.row, items, back)
        if any(seen.state in (ItemState.FAILED, ItemState.UNMEASURED) for seen in found.values()):
            self._check_way()
        for item in items:
            if item.item not in found:
                continue
            seen = found[item.item]
            state = ItemState.RETURNED if back and seen.state is ItemState.OK else seen.state
            if (state, seen.fault) != (item.state, item.fault):
                self.rollouts.set_item(self.row.id, item.item, state, seen.text, seen.fault, token=self.token)
        names = [i.name for i in items if i.item in found and found[i.item].state is ItemState.UNMEASURED]
        self._event(RolloutEvent.MEASURED, count=len(items), unmeasured=names)

    def _mark_removed(self) -> None:
        present = self.carrier.present(self.row)
        for item in self._items():
            if item.item not in present and item.state not in (ItemState.REMOVED, ItemState.OK, ItemState.RETURNED):
                self.rollouts.set_item(self.row.id, item.item, ItemState.REMOVED, token=self.token)

    def _join(self, over: bool = False) -> None:
        """What came since the rollout was made: it goes with its ring, or catches up when its ring had its turn. A wave
        that is watched is judged without it. `over`: all rings had their turn."""
        back = self.row.state is RolloutState.ROLLING_BACK
        when: When = "back" if back else "over" if over else "going"
        known = {i.item for i in self._items() if i.state is not ItemState.REMOVED}
        for ring in sorted(self.carrier.opening(self.row, known, when), key=ORDER.index):
            self._open_wave(ring)
        published = {w.number for w in self.row.waves if w.published_at is not None}
        for item in self.carrier.joining(self.row, known, when):
            current = item.wave == self.row.wave and self.row.state in IN_WAVE and not over
            if (back and item.wave not in published) or (current and self.row.state is RolloutState.SOAKING):
                continue
            if back:
                item = replace(item, touched=True)
            elif current:
                self.rollouts.set_wave(self.row.id, item.wave, self.token, settled_at=None)
            elif item.wave <= self.row.wave:
                item = replace(item, state=ItemState.OFF, text=t("It came when its ring had its turn; it catches up."))
            self.rollouts.join(self.row.id, item, self.token)
            self._event(RolloutEvent.JOINED, wave=item.wave, item=item.item, name=item.name)

    def _open_wave(self, ring: Ring) -> None:
        """A wave for a ring that has none, at its place among those that did not begin."""
        before = ORDER[: ORDER.index(ring)]
        number = 1 + max([self.row.wave, *(w.number for w in self.row.waves if w.ring in before)])
        self.rollouts.open_wave(self.row.id, number, ring, self.token)
        self._event(RolloutEvent.OPENED, wave=number, title=ring.name.lower())
        self.row = replace(self.row, waves=self._fresh().waves)

    # --- small things ---

    def say(self, why: Text) -> None:
        """Keep the state and say what is in the way."""
        self.rollouts.note(self.row.id, self.token, why=why)

    def ask_person(self, why: Text) -> None:
        """Nothing goes on before somebody decides."""
        self._event(RolloutEvent.WAITING, text=why.as_json())
        back = RolloutState.ROLLING_BACK if self.row.state is RolloutState.ROLLING_BACK else RolloutState.RUNNING
        self._move(RolloutState.WAITING, why=why, paused_from=back.value)

    def _check_way(self) -> None:
        """Raise TemporaryError while the way of all is cut: nothing is judged then."""
        if self._way_is_cut() and self.cut is not None:
            raise self.cut

    def _way_is_cut(self) -> bool:
        try:
            self.ticker.way()
        except TemporaryError as error:
            self.cut = TemporaryError(
                t("The way over the gateway is cut, so nothing is judged. {text}", text=error.text)
            )
        return self.cut is not None

    def _check_freeze(self, wave: WaveRow) -> None:
        self._ask_freezes(None, wave.ring, self._items(wave.number))

    def _ask_freezes(self, tenant: str | None, ring: Ring | None, items: Sequence[ItemRow]) -> None:
        """Raises Frozen when a freeze covers the tenant, the ring, or a system that these items need."""
        freezes = self.ticker.store.freezes.list()
        for system in self.carrier.systems(items) or (None,):
            freeze = covering(freezes, tenant, ring, system)
            if freeze is not None:
                raise Frozen(freeze)

    def _thresholds(self) -> Thresholds | None:
        try:
            return read_thresholds(orjson.loads(self.row.thresholds))
        except (Invalid, ValueError, AttributeError, TypeError):
            return None

    def _facts(self, wave: WaveRow) -> WaveFacts:
        return WaveFacts.of(i.state for i in self._items(wave.number))

    def _window_open(self, item: ItemRow) -> bool:
        if self.row.ignore_windows is not None or item.ring is None:
            return True
        return is_open(item.ring, self.ticker.clock(), self.ticker.calendar)

    def _next_window(self, items: Sequence[ItemRow]) -> datetime | None:
        rings: set[Ring] = {i.ring for i in items if i.state in OPEN and i.ring is not None}
        found = [window_at(ring, self.ticker.clock(), self.ticker.calendar) for ring in rings]
        return min((w.opens for w in found if w and w.opens > self.ticker.clock()), default=None)

    def _wave(self) -> WaveRow:
        return self._fresh().waves[self.row.wave - 1]

    def _items(self, wave: int | None = None) -> Sequence[ItemRow]:
        return self.rollouts.items(self.row.id, wave)

    def _fresh(self) -> RolloutRow:
        return self.rollouts.get(self.row.id)

    def _reload(self) -> bool:
        self.row = self._fresh()
        return False

    def _event(self, type_: RolloutEvent, **data: Any) -> None:
        self.ticker.event(self.row, type_, self.token, **data)

    def _move(self, state: RolloutState, **values: Any) -> bool:
        """Change the state from the one this step began with; a person who was faster wins."""
        done = self.rollouts.move(self.row.id, [self.row.state], state, token=self.token, **values)
        self.row = self._fresh()
        return done


def _counts(items: Sequence[ItemRow]) -> dict[str, int]:
    return dict(Counter(i.state.value for i in items))
