"""One stage of an apply: the changes of several parts side by side, one thread a part.

The drivers work in their threads; only the collecting thread writes to the store.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from control_plane.model.errors import ControlPlaneError, told_of
from control_plane.model.freeze import Freeze, covering
from control_plane.model.plan import Change
from control_plane.model.ports import Driver, Notice, Outcome
from control_plane.model.run import EventType
from control_plane.model.text import t
from control_plane.store.leases import LeaseLost
from control_plane.workflow.journal import Journal

FLUSH_SECONDS = 0.3
FLUSH_COUNT = 500
Results = queue.SimpleQueue[tuple[str, Outcome | Notice | BaseException | None]]


class RunStopped(Exception):
    """Raised by the fence when somebody asked the run to stop, or froze what it changes."""


def frozen(changes: Sequence[Change], freezes: Sequence[Freeze]) -> dict[str, Freeze]:
    """Ids of the changes that a freeze covers, with that freeze."""
    found = {}
    for change in changes if freezes else ():
        for ring in change.rings or (None,):
            freeze = covering(freezes, change.tenant, ring, change.system)
            if freeze is not None:
                found[change.id] = freeze
    return found


def carry_out_stage(
    drivers: Sequence[Driver], changes: Sequence[Change], journal: Journal
) -> tuple[list[Change], bool]:
    """Apply changes of several parts side by side. Returns those that did not succeed, and whether
    somebody asked to stop or froze something that was still to be changed."""
    if not changes:
        return [], False
    owner = {part: driver for driver in drivers for part in driver.parts()}
    by_part: dict[str, list[Change]] = {}
    for change in changes:
        by_part.setdefault(change.part, []).append(change)
    results: Results = queue.SimpleQueue()
    stop = threading.Event()
    lost: list[ControlPlaneError] = []

    def fence() -> None:
        if stop.is_set():
            raise RunStopped
        journal.store.leases.check(journal.lease)
        if frozen(changes, journal.store.freezes.list()):
            stop.set()
            raise RunStopped

    threads = [
        threading.Thread(target=_work, args=(owner[p], p, list_, fence, results), name=f"apply-{p}", daemon=True)
        for p, list_ in by_part.items()
    ]
    for part, part_changes in by_part.items():
        journal.event(EventType.PART_STARTED, part=part, changes=len(part_changes))
    for thread in threads:
        thread.start()
    collector = _Collector(journal, by_part, stop, lost)
    collector.collect(results, len(threads))
    for thread in threads:
        thread.join()
    if lost:
        raise lost[0]
    return collector.failed, stop.is_set()


class _Collector:
    """Takes results from the drivers' threads and writes them in batches."""

    def __init__(
        self,
        journal: Journal,
        by_part: Mapping[str, Sequence[Change]],
        stop: threading.Event,
        lost: list[ControlPlaneError],
    ) -> None:
        self.journal = journal
        self.changes = {c.id: c for changes in by_part.values() for c in changes}
        self.totals = {part: len(changes) for part, changes in by_part.items()}
        self.done: Counter[str] = Counter()
        self.failed: list[Change] = []
        self.stop = stop
        self.lost = lost
        self._batch: list[tuple[Change, Outcome]] = []
        self._pending = set(self.changes)

    def collect(self, results: Results, threads: int) -> None:
        """Until every thread has ended; polls for a stop request at each flush."""
        flushed = time.monotonic()
        while threads:
            try:
                part, item = results.get(timeout=FLUSH_SECONDS)
            except queue.Empty:
                part, item = "", Notice("")
            if isinstance(item, Outcome):
                self._take(part, item)
            elif isinstance(item, Notice):
                if item.stage:
                    self._flush()
                    self.journal.event(EventType.NOTICE, **{**item.detail, "part": part, "stage": item.stage})
            elif item is None:
                threads -= 1
                self._flush()
                self.journal.event(EventType.PART_DONE, part=part, done=self.done[part], total=self.totals[part])
            elif isinstance(item, ControlPlaneError):
                self.lost.append(item)
                self.stop.set()
            if len(self._batch) >= FLUSH_COUNT or time.monotonic() - flushed >= FLUSH_SECONDS:
                self._flush()
                flushed = time.monotonic()
                left = [self.changes[i] for i in self._pending]
                if self.journal.store.runs.stop_requested(self.journal.run_id) or frozen(
                    left, self.journal.store.freezes.list()
                ):
                    self.stop.set()
        missing = [self.changes[i] for i in sorted(self._pending)]
        if not self.stop.is_set():
            self._batch += [(c, Outcome(c.id, "unknown", t("The driver gave no answer."))) for c in missing]
        self.failed += missing
        self._flush()

    def _take(self, part: str, outcome: Outcome) -> None:
        change = self.changes[outcome.change_id]
        self._pending.discard(outcome.change_id)
        self.done[part] += 1
        self._batch.append((change, outcome))
        if outcome.state not in ("applied", "already"):
            self.failed.append(change)
            self._flush()
            self.journal.event(
                EventType.CHANGE_FAILED,
                id=change.id,
                tenant=change.tenant,
                offering=change.offering,
                state=outcome.state,
                text=outcome.text.as_json() if outcome.text else None,
                file=outcome.file,
                line=outcome.line,
            )

    def _flush(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self.journal.outcomes(batch)
            self.journal.event(
                EventType.PROGRESS,
                done=sum(self.done.values()),
                total=sum(self.totals.values()),
                parts={part: [self.done[part], total] for part, total in self.totals.items()},
            )


def _work(
    driver: Driver,
    part: str,
    changes: Sequence[Change],
    fence: Callable[[], None],
    results: Results,
) -> None:
    answered: set[str] = set()
    try:
        for item in driver.apply(part, changes, fence):
            if isinstance(item, Outcome):
                answered.add(item.change_id)
            results.put((part, item))
    except RunStopped:
        pass
    except LeaseLost as error:
        results.put((part, error))
    except Exception as error:  # a fault in one driver must not end the others' work
        text = told_of(error)
        for change in changes:
            if change.id not in answered:
                results.put((part, Outcome(change.id, "unknown", text)))
    finally:
        results.put((part, None))
