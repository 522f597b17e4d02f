"""Rollouts as people ask for them: make, list, show, release, pause, resume, abort, roll back.

Acts only write what is wanted; `rollout_tick` carries it out. A person's act wins over a step that is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.freeze import Freeze, covering
from control_plane.model.rollout import (
    ITEM_SENTENCES,
    ItemState,
    RolloutEvent,
    RolloutState,
    refuse_by_state,
    sentence,
)
from control_plane.model.run import FINAL, Actor
from control_plane.model.states import state_word
from control_plane.model.text import Text, t
from control_plane.model.windows import ZONE
from control_plane.store.policies import revision_in
from control_plane.store.repository import Store
from control_plane.store.rollouts import ItemRow, RolloutRow, WaveRow
from control_plane.workflow.rollout_making import RolloutDraft, RolloutMaker, RolloutOrder, refuse_losses, replaced

Json = dict[str, Any]
#: Items that are not where they should be.
OPEN, LATE = ("untouched", "touching", "installed"), ("off", "unmeasured")
LEFT = (*OPEN, *LATE)
OVER = frozenset({RolloutState.DRAFT, RolloutState.DONE, RolloutState.ABORTED, RolloutState.ROLLED_BACK})
AGAIN = (ItemState.FAILED, ItemState.UNMEASURED, ItemState.OFF)


class Rollouts:
    """Implements `model.client_rollouts.RolloutsClient`."""

    def __init__(
        self, store: Store, maker: Callable[[], RolloutMaker], actor: Callable[[], Actor], clock: Callable[[], datetime]
    ) -> None:
        self.store = store
        self.maker = maker
        self.actor = actor
        self.clock = clock

    # --- looking ---

    def list(self) -> list[Json]:
        """See `RolloutsClient.list`."""
        rows = self.store.rollouts.list()
        counts = self.store.rollouts.counts([row.id for row in rows])
        freezes = self.store.freezes.list()
        return [_summary(row, counts[row.id], freezes, self.clock()) for row in rows]

    def show(self, rollout_id: int) -> Json:
        """See `RolloutsClient.show`."""
        row = self.store.rollouts.get(rollout_id)
        items = self.store.rollouts.items(rollout_id)
        counts = self.store.rollouts.counts([rollout_id])[rollout_id]
        return {
            **_summary(row, counts, self.store.freezes.list(), self.clock()),
            "reason": row.reason,
            "ignore_windows": row.ignore_windows,
            "not_before": _iso(row.not_before),
            "thresholds": _thresholds(row.thresholds),
            "waves": [_wave(w, [i for i in items if i.wave == w.number]) for w in row.waves],
            "items": [_item(i) for i in items],
            "replaced": replaced(items),
        }

    def events(self, rollout_id: int, after: int = 0) -> Sequence[Json]:
        """See `RolloutsClient.events`."""
        self.store.rollouts.get(rollout_id)
        return [
            {
                "rollout": rollout_id,
                "number": e.number,
                "at": e.at.isoformat(),
                "type": e.type.value,
                "actor": e.actor,
                "data": dict(e.data),
            }
            for e in self.store.rollouts.events(rollout_id, after)
        ]

    # --- making ---

    def preview(self, **order: Any) -> Json:
        """See `RolloutsClient.preview`."""
        asked = RolloutOrder(**order)
        draft = self.maker().draft(asked)
        return {
            "kind": asked.kind,
            "title": draft.title,
            "thresholds": draft.thresholds.as_json(),
            "not_before": _iso(draft.not_before),
            "waves": [_wave(w, [i for i in draft.items if i.wave == w.number]) for w in draft.waves],
            "items": [_item(i) for i in draft.items],
            "replaced": replaced(draft.items),
        }

    def create(self, **order: Any) -> Json:
        """See `RolloutsClient.create`."""
        return self.ready(**order)()

    def ready(self, **order: Any) -> Callable[[], Json]:
        """See `RolloutsClient.ready`."""
        asked = RolloutOrder(**order)
        draft = self.maker().draft(asked)
        if not asked.replace_lists:
            refuse_losses(draft.items)
        return lambda: self.show(self._store(asked, draft))

    def begin(self, order: RolloutOrder, draft: RolloutDraft) -> int:
        """Make a rollout of a draft and release it in one transaction, so that none is left lying about; its id.
        Raises Rejected when another one of its kind has not ended."""
        with self.store.transaction():
            rollout_id = self._store(order, draft)
            self.release(rollout_id)
        return rollout_id

    def _store(self, order: RolloutOrder, draft: RolloutDraft) -> int:
        rollouts = self.store.rollouts
        with self.store.transaction():
            rollout_id = rollouts.create(
                order.kind, draft.title, draft.snapshot, draft.thresholds.as_json(), order.reason.strip(),
                order.ignore_windows, draft.not_before, draft.waves, draft.items, self.actor(),
            )  # fmt: skip
            self._event(rollout_id, RolloutEvent.CREATED, reason=order.reason.strip(), kind=order.kind)
        return rollout_id

    # --- acts ---

    def release(self, rollout_id: int, *, reason: str = "", go_on: bool = False, confirm: str | None = None) -> Json:
        """See `RolloutsClient.release`."""
        row = self._may("release", rollout_id)
        if row.state is RolloutState.DRAFT:
            with self.store.transaction():  # of two at the same moment the second one sees the first
                self._refuse_second(row)
                self._move(row, RolloutState.SCHEDULED, RolloutEvent.RELEASED, reason)
            return self.show(rollout_id)
        _need_reason(reason)
        target = row.paused_from if row.state is RolloutState.WAITING and row.paused_from else RolloutState.RUNNING
        with self.store.transaction():
            if go_on or confirm is not None:
                self.store.rollouts.set_wave(rollout_id, row.wave, pardoned=go_on, confirm=confirm)
            if not go_on:
                waves = [w.number for w in row.waves] if target is RolloutState.ROLLING_BACK else [row.wave]
                for wave in waves:
                    if self.store.rollouts.reopen(rollout_id, wave, AGAIN):
                        self.store.rollouts.set_wave(rollout_id, wave, settled_at=None)
            self._move(row, target, RolloutEvent.RELEASED, reason, go_on=go_on)
        return self.show(rollout_id)

    def pause(self, rollout_id: int, *, reason: str) -> Json:
        """See `RolloutsClient.pause`."""
        row = self._may("pause", rollout_id)
        _need_reason(reason)
        self._move(row, RolloutState.PAUSED, RolloutEvent.PAUSED, reason, paused_from=row.state.value)
        self._stop_run(row)
        return self.show(rollout_id)

    def resume(self, rollout_id: int) -> Json:
        """See `RolloutsClient.resume`."""
        row = self._may("resume", rollout_id)
        self._move(row, row.paused_from or RolloutState.RUNNING, RolloutEvent.RESUMED, "")
        return self.show(rollout_id)

    def abort(self, rollout_id: int, *, reason: str) -> Json:
        """See `RolloutsClient.abort`."""
        row = self._may("abort", rollout_id)
        _need_reason(reason)
        self._move(row, RolloutState.ABORTED, RolloutEvent.ABORTED, reason, finished_at=self.clock())
        self._stop_run(row)
        return self.show(rollout_id)

    def rollback(self, rollout_id: int, *, reason: str) -> Json:
        """See `RolloutsClient.rollback`. Every machine that was touched is done once more."""
        row = self._may("rollback", rollout_id)
        _need_reason(reason)
        with self.store.transaction():
            self._refuse_mixture(row)
            self._move(row, RolloutState.ROLLING_BACK, RolloutEvent.ROLLING_BACK, reason, caught_up_at=None)
            for wave in row.waves:
                states = frozenset(ItemState) - {ItemState.REMOVED, ItemState.PENDING}
                self.store.rollouts.reopen(rollout_id, wave.number, states)
        self._stop_run(row)
        return self.show(rollout_id)

    def rehearse(self, act: str, rollout_id: int, **given: Any) -> None:
        """See `RolloutsClient.rehearse`."""
        with self.store.rehearsal():
            getattr(self, act)(rollout_id, **given)

    # --- parts ---

    def _may(self, act: str, rollout_id: int) -> RolloutRow:
        row = self.store.rollouts.get(rollout_id)
        refuse_by_state(act, rollout_id, row.state)
        return row

    def _refuse_second(self, row: RolloutRow) -> None:
        """Two rollouts of one kind at once would take turns in what the rings have."""
        for other in self.store.rollouts.list():
            if other.id != row.id and other.state not in OVER and _same_way(row, other):
                raise Rejected(
                    t("Rollout {id} of the same kind is {state}.", id=other.id, state=state_word(other.state)),
                    t("Let it end, or end it: gasp rollouts abort {id} --reason WHY", id=other.id),
                )

    def _refuse_mixture(self, row: RolloutRow) -> None:
        """The way back leads to what was before this rollout. While another one moves the same things, or after a later
        one has, that would undo it for some and leave it with others: the newest goes back first."""
        began = _began(row)
        for other in self.store.rollouts.list():
            if other.id == row.id or not self._meet(row, other):
                continue
            said = {"id": row.id, "other": other.id}
            if other.state not in OVER:
                raise Rejected(
                    t(
                        "Rollout {other} moves the same things now; to take {id} back beneath it would mix both.",
                        **said,
                    ),
                    t("Let it end, or take it back first: gasp rollouts rollback {id} --reason WHY", id=other.id),
                )
            stays = _same_way(row, other) and other.state in (RolloutState.DONE, RolloutState.ABORTED)
            then = _began(other) if stays else None
            if began is not None and then is not None and (then, other.id) > (began, row.id):
                raise Rejected(
                    t("Rollout {other} went out after {id} and was not taken back; some would keep it.", **said),
                    t("Take that one back first: gasp rollouts rollback {id} --reason WHY", id=other.id),
                )

    def _meet(self, row: RolloutRow, other: RolloutRow) -> bool:
        """Whether two rollouts move the same things: rings; revisions or forms of the same subscriptions."""
        if row.kind != other.kind or row.kind != "configuration":
            return row.kind == other.kind
        if (revision_in(row.title) is None) is not (revision_in(other.title) is None):
            return False
        mine = {item.item for item in self.store.rollouts.items(row.id)}
        return any(item.item in mine for item in self.store.rollouts.items(other.id))

    def _move(self, row: RolloutRow, state: RolloutState, event: RolloutEvent, reason: str, **values: Any) -> None:
        keep = {k: v for k, v in values.items() if k != "go_on"}
        # a wave that goes on tells what is in its way, nobody's reason
        why = Text(reason.strip()) if reason.strip() and state is not RolloutState.RUNNING else None
        with self.store.transaction():
            if not self.store.rollouts.move(row.id, [row.state], state, why=why, **keep):
                raise Rejected(
                    t("Rollout {id} moved in the same moment.", id=row.id),
                    t("Look again: gasp rollouts show {id}", id=row.id),
                )
            self._event(row.id, event, reason=reason.strip(), go_on=values.get("go_on", False))

    def _event(self, rollout_id: int, event: RolloutEvent, **data: Any) -> None:
        self.store.rollouts.append(rollout_id, event, data, self.actor())

    def _stop_run(self, row: RolloutRow) -> None:
        for wave in row.waves:
            if wave.run_id is not None and self.store.runs.get(wave.run_id).state not in FINAL:
                self.store.runs.request_stop(wave.run_id, self.actor())


def _same_way(row: RolloutRow, other: RolloutRow) -> bool:
    """Whether two rollouts decide the same: what the rings have, or which revision of the policy departments have."""
    if row.kind != "configuration" or other.kind != row.kind:
        return row.kind == other.kind
    return None not in (revision_in(row.title), revision_in(other.title))


def _began(row: RolloutRow) -> datetime | None:
    """When its first wave was given what it brings; None for one that never came so far."""
    return min((w.published_at for w in row.waves if w.published_at is not None), default=None)


def _summary(
    row: RolloutRow, by_wave: Mapping[int, Mapping[str, int]], freezes: Sequence[Freeze], now: datetime
) -> Json:
    counts: dict[str, int] = {}
    for states in by_wave.values():
        for state, number in states.items():
            counts[state] = counts.get(state, 0) + number
    part = by_wave.get(row.wave, {}) if row.state in (RolloutState.RUNNING, RolloutState.SOAKING) else counts
    names = OPEN if row.state is RolloutState.RUNNING else LATE if row.state is RolloutState.CATCHING_UP else LEFT
    left = sum(part.get(state, 0) for state in names)
    until = row.until or (row.not_before if row.state is RolloutState.SCHEDULED else row.finished_at)
    frozen = _freeze(row, freezes)
    why = frozen.text if frozen else row.why
    past = until is not None and until <= now
    where = {"wave": row.wave, "waves": len(row.waves), "left": left}
    touched = any(counts.get(state) for state in (ItemState.RETURNED, ItemState.REMOVED))
    said = sentence(row.state, **where, why=why, until=_local(until), past=past, touched=touched)
    return {
        "id": row.id,
        "kind": row.kind,
        "title": row.title,
        "snapshot": row.snapshot,
        "policy": revision_in(row.title) if row.kind == "configuration" else None,
        "state": row.state.value,
        "sentence": str(said),
        "wave": row.wave,
        "waves_total": len(row.waves),
        "counts": dict(counts),
        "total": sum(counts.values()),
        "actor": row.actor.name,
        "created_at": row.created_at.isoformat(),
        "finished_at": _iso(row.finished_at),
    }


def _freeze(row: RolloutRow, freezes: Sequence[Freeze]) -> Freeze | None:
    """What holds it now. It is told at once: a step under way may still have to measure what it has touched."""
    if row.state not in (RolloutState.RUNNING, RolloutState.ROLLING_BACK):
        return None
    ring = next((w.ring for w in row.waves if w.number == row.wave), None)
    return covering(freezes, ring=ring, system=None if row.kind == "configuration" else row.kind)


def _wave(wave: WaveRow, items: Sequence[ItemRow]) -> Json:
    counts: dict[str, int] = {}
    for item in items:
        counts[item.state.value] = counts.get(item.state.value, 0) + 1
    return {
        "number": wave.number,
        "title": wave.title,
        "ring": wave.ring.name.lower() if wave.ring is not None else None,
        "before": wave.before or None,
        "started_at": _iso(wave.started_at),
        "published_at": _iso(wave.published_at),
        "settled_at": _iso(wave.settled_at),
        "finished_at": _iso(wave.finished_at),
        "run": wave.run_id,
        "counts": counts,
        "names": [item.name for item in items],
    }


def _item(item: ItemRow) -> Json:
    return {
        "id": item.item,
        "name": item.name,
        "tenant": item.tenant,
        "ring": item.ring.name.lower() if item.ring is not None else None,
        "wave": item.wave,
        "state": item.state.value,
        "sentence": str(item.text or ITEM_SENTENCES[item.state]),
        "fault": item.fault,
        "touched": item.touched,
        "at": _iso(item.at),
    }


def _thresholds(stored: str) -> Any:
    try:
        return orjson.loads(stored)
    except ValueError:
        return {}


def _local(moment: datetime | None) -> str:
    return moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid([Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")])
