"""The worker: chores that are done again and again, each by itself, none of which can end it.

Must not keep anything between two turns of a chore: `renew` is asked before each, and drops what the estate outgrew.
A failed chore is logged, recorded, and tried again later and later (up to `LATEST` seconds). One that a signal wakes
begins its turn at once; signals may be lost, the intervals alone are enough. Of several workers one at a time has the
turn of a chore; what a killed one left is the next one's.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from control_plane.model.errors import told_of
from control_plane.model.text import Text, t, tn
from control_plane.store.repository import Store
from control_plane.workflow.background import living
from control_plane.workflow.process import myself, process_alive

LATEST = 300.0
#: A chore that did not end for this many of its intervals (and at least the seconds) counts as late.
LATE_TURNS, LATE_SECONDS = 5, 300
#: Seconds until a listener that failed listens again.
LISTEN_AGAIN = 30.0
#: Seconds until a chore that was woken is tried again, while another worker is at it.
TAKEN_AGAIN = 0.1


@dataclass(frozen=True)
class Chore:
    """One chore; `every` in seconds from its end to its next start. `run` returns a line worth a log entry, or None."""

    name: str
    every: int
    run: Callable[[], str | None]


Log = Callable[[str, str, str], None]
"""`(level, chore, message)`."""
Listen = Callable[[Callable[[str], None]], None]
"""Calls what it is given with the name of each chore that a signal wakes; does not return. See `signals`."""


class Worker:
    """Runs chores, one thread each, until told to stop."""

    def __init__(
        self, store: Store, chores: Sequence[Chore], renew: Callable[[], None], log: Log, listen: Listen | None = None
    ) -> None:
        self.store = store
        self.chores = chores
        self.renew = renew
        self.log = log
        self.listen = listen
        self._stop = threading.Event()
        self._bells = {chore.name: threading.Event() for chore in chores}
        self._renewing = threading.Lock()

    def run(self) -> None:
        """Until `stop`; a chore under way is waited for."""
        if self.listen is not None:
            threading.Thread(target=self._listening, args=(self.listen,), name="signals", daemon=True).start()
        threads = [threading.Thread(target=self._turns, args=(chore,), name=chore.name) for chore in self.chores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        """No further turn."""
        self._stop.set()
        for bell in self._bells.values():
            bell.set()

    def wake(self, name: str) -> None:
        """Let this chore begin its next turn at once, or once more when it is at work; unless it failed last."""
        if name in self._bells:
            self._bells[name].set()

    def once(self, names: Sequence[str] = ()) -> bool:
        """Every chore (or the named ones) once, one after the other; returns whether all went well."""
        return sum(self._own_turn(c) for c in self.chores if not names or c.name in names) == 0

    def _own_turn(self, chore: Chore) -> int:
        while (failures := self.turn(chore)) is None:
            self._stop.wait(TAKEN_AGAIN)
        return failures

    def turn(self, chore: Chore) -> int | None:
        """One turn of a chore; returns how often it has failed in a row, or None while another worker is at it."""
        error: Text | None = None
        try:
            if not self.store.chores.begin(chore.name, chore.every, myself(), process_alive):
                return None
            with self._renewing:
                self.renew()
            said = chore.run()
            if said:
                self.log("info", chore.name, said)
        except Exception as fault:  # whatever it is, the other chores go on
            error = told_of(fault)
            self.log("error", chore.name, str(error))
            self.log("debug", chore.name, traceback.format_exc())
        try:
            return self.store.chores.end(chore.name, error)
        except Exception as fault:
            self.log("error", chore.name, str(told_of(fault)))
            return 1

    def _turns(self, chore: Chore) -> None:
        bell, woken = self._bells[chore.name], False
        while not self._stop.is_set():
            bell.clear()
            failures = self.turn(chore)
            if failures is None and woken:
                self._stop.wait(TAKEN_AGAIN)
            elif failures:
                self._stop.wait(min(chore.every * 2**failures, max(LATEST, chore.every)))
            elif not self._stop.is_set():
                woken = bell.wait(chore.every)

    def _listening(self, listen: Listen) -> None:
        while not self._stop.is_set():
            try:
                listen(self.wake)
            except Exception as fault:  # the chores have their intervals
                self.log("error", "signals", str(told_of(fault)))
            self._stop.wait(LISTEN_AGAIN)


def json_log(level: str, chore: str, message: str) -> None:
    """One JSON object a line on standard output."""
    line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "chore": chore}
    print(json.dumps({**line, "message": message}, ensure_ascii=False), flush=True)


def plain_log(level: str, chore: str, message: str) -> None:
    """A line for people; details are left out."""
    if level != "debug":
        print(f"{time.strftime('%H:%M:%S')}  {chore}  {message}", file=sys.stdout, flush=True)


class WorkerStatus:
    """Implements `model.client_rollouts.WorkerClient`. `folder` is the state folder; `signals` says, as a line of
    `gasp doctor`, whether signals wake the worker."""

    def __init__(
        self, store: Store, folder: Any, clock: Callable[[], datetime],
        signals: Callable[[], tuple[str, Text, Text | None]] | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        self.signals = signals
        self.folder = folder
        self.clock = clock

    def status(self) -> dict[str, Any]:
        """See `WorkerClient.status`."""
        holder = living(self.folder, "worker")
        return {
            "running": holder is not None,
            "pid": holder.pid if holder is not None else None,
            "signals": self._silent(),
            "chores": [self._chore(row) for row in self.store.chores.list()],
        }

    def _silent(self) -> str | None:
        """What is wrong with signals, and what that costs."""
        state, text, _ = self.signals() if self.signals is not None else ("passed", None, None)
        return None if state == "passed" else str(text)

    def _chore(self, row: Any) -> dict[str, Any]:
        age = (self.clock() - (row.ended_at or row.started_at)).total_seconds()
        late = age > max(LATE_TURNS * row.every, LATE_SECONDS)
        return {
            "name": row.name,
            "every": row.every,
            "state": "failed" if row.error else "late" if late else "running" if row.pid is not None else "waiting",
            **{
                name: getattr(row, name).isoformat() if getattr(row, name) else None
                for name in ("started_at", "ended_at", "succeeded_at")
            },
            "error": str(row.error) if row.error else None,
            "failures": row.failures,
        }

    def check(self) -> tuple[str, Text, Text | None]:
        """A line of `gasp doctor`."""
        found = self.status()
        if not found["running"]:
            return "warning", t("The worker does not run: nothing goes on by itself."), t("gasp worker start")
        bad = [c["name"] for c in found["chores"] if c["state"] in ("failed", "late")]
        if bad:
            return "failed", t("Chores that fail or are late: {names}.", names=", ".join(bad)), t("gasp worker status")
        return (
            "passed",
            tn(
                "The worker runs with {count} chore.",
                "The worker runs with {count} chores.",
                count=len(found["chores"]),
            ),
            None,
        )
