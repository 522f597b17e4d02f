"""Signatures that move by themselves: fetched from the upstream, and a new verified set goes out in a rollout by ring.

Never two rollouts at once, and never twice the same set: what people stopped or took back stays so. What is true of
sets lies on the repository host; killed anywhere, the next turn does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from control_plane.model.by_itself import TELL_AGAIN, ByItself, fetch_due, rollout_begins
from control_plane.model.client_snapshots import SnapshotsClient
from control_plane.model.errors import ControlPlaneError
from control_plane.model.freeze import Freeze, Frozen, covering
from control_plane.model.machine import Repository, Ring
from control_plane.model.rollout import RolloutState
from control_plane.model.run import Actor
from control_plane.model.states import state_word
from control_plane.model.text import Text, t, tn
from control_plane.model.windows import Calendar, moment_words
from control_plane.store.by_itself import Turn
from control_plane.store.repository import Store
from control_plane.store.rollouts import RolloutRow
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.rollout_making import RolloutOrder
from control_plane.workflow.rollouts import OVER, Rollouts

LEASE = "signatures"
Json = dict[str, Any]
#: A rollout in one of these has given its set to all rings.
THROUGH = frozenset({RolloutState.DONE, RolloutState.CATCHING_UP})


class NewSignatures:
    """The chore, and how it stands. `upstream`: whether signatures come from somewhere by network."""

    def __init__(
        self,
        store: Store,
        snapshots: SnapshotsClient,
        repository: Callable[[], Repository],
        rollouts: Rollouts,
        rules: ByItself,
        upstream: Callable[[], bool],
        calendar: Callable[[], Calendar],
        clock: Callable[[], datetime],
        actor: Callable[[], Actor],
    ) -> None:
        self.store, self.snapshots, self.repository, self.rollouts = store, snapshots, repository, rollouts
        self.rules, self.upstream, self.calendar, self.clock, self.actor = rules, upstream, calendar, clock, actor

    def turn(self) -> str | None:
        """Fetch when it is time, begin what is wanted, give the rest. Nothing while another process does it."""
        if self.rules.fetch_every is None or not self.upstream():
            return None
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            return None
        try:
            return self._turn()
        except Frozen:
            return None  # it goes on when the freeze is lifted; `status` says so
        except ControlPlaneError as error:
            self._failed(error.text)
            return f"failed: {error.text}"
        finally:
            self.store.leases.release(lease)

    def _turn(self) -> str | None:
        turns, said = self.store.signature_turns, None
        if self.clock() >= self._next_fetch():
            said = self._fetch()
        elif turns.failures():
            return None
        turn = turns.last("new")
        if turn is None or turn.given_at is not None:
            return said
        if turn.rollout is None:
            return self._begin(turn) or said
        return self._give(turn) if self.store.rollouts.get(turn.rollout).state in THROUGH else said

    def _next_fetch(self) -> datetime:
        turns, every = self.store.signature_turns, self.rules.fetch_every
        well, failures = turns.last("nothing", "new"), turns.failures()
        assert every is not None
        return fetch_due(well.at if well else None, failures[0].at if failures else None, len(failures), every)

    def _fetch(self) -> str:
        """A set counts as new when it appeared since the last turn, whoever fetched it."""
        turns = self.store.signature_turns
        last = turns.last("nothing", "new")
        published = [s for s in self.repository().published("signatures").values() if s]
        known = last.snapshot if last and last.snapshot else max(published, default="")
        newest = self.snapshots.sync("signatures")["latest"]
        went = {row.snapshot for row in self.store.rollouts.list() if row.kind == "signatures"}
        new = newest is not None and newest > known and newest not in went and {newest} != set(published)
        turns.enter("new" if new else "nothing", newest or known or None)
        return f"fetched {newest}" if new else "nothing new"

    def _begin(self, turn: Turn) -> str | None:
        """A rollout of the set, unless something is in the way."""
        mine = self._of(turn.snapshot)
        if mine is not None:
            self.store.signature_turns.rolls(turn.id, mine.id)
            return f"rollout {mine.id}"
        if not any(m.managed for m in self.store.machines.all()):
            return self._give(turn)
        if self._freeze() is not None or self._in_the_way() is not None:
            return None
        begins = None if self.rules.at_once else rollout_begins(self.clock(), self.calendar())
        order = RolloutOrder(
            "signatures",
            str(t("by itself: new signatures")),
            turn.snapshot,
            thresholds={"soak": str(self.rules.soak)},
            ignore_windows=str(t("signatures age faster than windows open")),
            not_before=begins.isoformat() if begins else None,
        )
        draft = self.rollouts.maker().draft(order)
        with self.store.transaction():
            for row in self._catching_up():
                self.rollouts.abort(row.id, reason=str(t("set {id} takes its place", id=turn.snapshot)))
            made = self.rollouts.begin(order, draft)
            self.store.signature_turns.rolls(turn.id, made)
        return f"rollout {made}"

    def _give(self, turn: Turn) -> str:
        """Rings without a machine, and the centre's own, get the set once the others have it; old sets go."""
        taken = {m.ring for m in self.store.machines.all() if m.managed}
        published: Mapping[Ring, str | None] = self.repository().published("signatures")
        for ring in Ring:
            if ring not in taken and (published.get(ring) or "") < (turn.snapshot or ""):
                self.snapshots.publish(turn.snapshot or "", int(ring))
        self.snapshots.prune("signatures")
        self.store.signature_turns.given(turn.id)
        return f"{turn.snapshot} is in all rings"

    def _failed(self, why: Text) -> None:
        turns, now = self.store.signature_turns, self.clock()
        told = any(turn.told and now - turn.at < TELL_AGAIN for turn in turns.failures())
        turns.failed(why, self.actor(), not told)

    def _open(self) -> list[RolloutRow]:
        return [row for row in self.store.rollouts.list() if row.kind == "signatures" and row.state not in OVER]

    def _of(self, snapshot: str | None) -> RolloutRow | None:
        rows = self.store.rollouts.list()
        return next(
            (r for r in rows if r.snapshot == snapshot and r.kind == "signatures" and r.state != RolloutState.DRAFT),
            None,
        )

    def _in_the_way(self) -> RolloutRow | None:
        """One that only waits for machines that are off is not: they get the newer set instead."""
        return next((row for row in self._open() if row.state is not RolloutState.CATCHING_UP), None)

    def _catching_up(self) -> list[RolloutRow]:
        return [row for row in self._open() if row.state is RolloutState.CATCHING_UP]

    def _freeze(self) -> Freeze | None:
        freezes = self.store.freezes.list()
        return covering(freezes, system="signatures") or covering(freezes, system="snapshots")

    # how it stands --------------------------------------------------------------------------------
    def status(self) -> Json:
        """For people and programs: one sentence, and what it waits for."""
        turns = self.store.signature_turns
        failures, turn, well = turns.failures(), turns.last("new"), turns.last("nothing", "new")
        on = self.rules.fetch_every is not None and self.upstream()
        state, said, rollout = self._said(on, failures[0] if failures else None, len(failures), turn, well)
        return {
            "name": "signatures",
            "on": on,
            "state": state,
            "sentence": str(said),
            "every_seconds": round(self.rules.fetch_every.total_seconds()) if self.rules.fetch_every else None,
            "last_at": well.at.isoformat() if well else None,
            "next_at": max(self._next_fetch(), self.clock()).isoformat() if on else None,
            "set": well.snapshot if well else None,
            "rollout": rollout,
        }

    def _said(
        self, on: bool, failed: Turn | None, failures: int, turn: Turn | None, well: Turn | None
    ) -> tuple[str, Text, int | None]:
        if self.rules.fetch_every is None:
            return "off", t("Signatures are not fetched by themselves: GASP_SIGNATURE_HOURS is 0."), None
        if not on:
            return "off", t("Signatures have no upstream here; they come from media: gasp snapshots import"), None
        if failed is not None:
            words = {"count": failures, "until": moment_words(self._next_fetch()), "why": failed.why or "–"}
            return (
                "failed",
                tn(
                    "Fetching signatures failed once; it is tried again at {until}: {why}",
                    "Fetching signatures failed {count} times; it is tried again at {until}: {why}",
                    **words,
                ),
                None,
            )
        freeze, waiting = self._freeze(), turn is not None and turn.rollout is None and turn.given_at is None
        if freeze is not None and (waiting or self.clock() >= self._next_fetch()):
            return "frozen", t("It waits for the end of a freeze: {why}", why=freeze.text), None
        if turn is not None and waiting:
            other = self._in_the_way()
            if other is not None:
                return (
                    "waiting",
                    t("Set {set} waits until rollout {id} has ended, which is “{state}”; never two at once.",
                      set=turn.snapshot, id=other.id, state=state_word(other.state)),
                    other.id,
                )  # fmt: skip
            return "running", t("Set {set} goes out within a minute.", set=turn.snapshot), None
        if turn is not None and turn.rollout is not None:
            row = self.store.rollouts.get(turn.rollout)
            if row.state not in OVER and row.state is not RolloutState.CATCHING_UP:
                words = {"set": turn.snapshot, "id": row.id, "said": self.rollouts.show(row.id)["sentence"]}
                stuck = row.state in (RolloutState.WAITING, RolloutState.STOPPED)
                return "stuck" if stuck else "running", t("Set {set} goes out in rollout {id}. {said}", **words), row.id
        if well is None:
            return "running", t("Signatures are fetched within a minute."), None
        words = {"set": well.snapshot or "–", "until": moment_words(self._next_fetch())}
        return "idle", t("{set} is the newest set; signatures are fetched next at {until}.", **words), None
