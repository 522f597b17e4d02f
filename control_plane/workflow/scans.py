"""Scans that begin by themselves: a few machines at a time, each a little while, in the window of their ring.

How far each scan is stands in the database, behind what it found: a worker that is killed anywhere goes on there. Must
not say that a machine was scanned before all of it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from typing import Any

from control_plane.model.by_itself import SCAN_PATHS, ByItself, Due, ScanRecord, goes_on, scan_due, urgency
from control_plane.model.freeze import Freeze, covering
from control_plane.model.machine import Found, Hands, Machine, Scanned, Seen
from control_plane.model.text import Text, t
from control_plane.model.windows import Calendar, moment_words
from control_plane.store.repository import Store
from control_plane.workflow.fault import reached
from control_plane.workflow.process import myself, process_alive

LEASE = "scans"
SYSTEM = "scans"
#: Machines that are scanned side by side in one turn, and about how long each.
BATCH, SLICE_SECONDS = 8, 60.0
Json = dict[str, Any]


class Scans:
    """The chore, and how it stands. `fault` ends the process at an event, for tests."""

    def __init__(
        self,
        store: Store,
        hands: Hands,
        rules: ByItself,
        calendar: Callable[[], Calendar],
        clock: Callable[[], datetime],
        fault: str | None = None,
    ) -> None:
        self.store, self.hands, self.rules = store, hands, rules
        self.calendar, self.clock, self.fault = calendar, clock, fault
        self._events: Counter[str] = Counter()

    def turn(self) -> str | None:
        """Scan those whose turn it is, a little while. Nothing is done while another process does it."""
        if self.rules.scan_every is None:
            return None
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            return None
        try:
            chosen = self._chosen()
            if not chosen:
                return None
            with ThreadPoolExecutor(BATCH, thread_name_prefix="scan") as pool:
                said = list(pool.map(self._go_on, chosen))
        finally:
            self.store.leases.release(lease)
        return ", ".join(f"{machine.name} {word}" for machine, word in zip(chosen, said, strict=True))

    def standing(self) -> Sequence[tuple[Machine, ScanRecord, Due, Freeze | None]]:
        """Each managed machine, what is known of its scans, whether it is due, and the freeze that covers it."""
        now, calendar = self.clock(), self.calendar()
        with self.store.look():
            machines = [m for m in self.store.machines.all() if m.managed]
            records, freezes = self.store.scans.all(), self.store.freezes.list()
        found = []
        for machine in machines:
            record = records.get(machine.id)
            due = scan_due(machine, record, now, calendar, self.rules)
            freeze = covering(freezes, machine.tenant, machine.ring, SYSTEM)
            found.append((machine, record or ScanRecord(machine.id), due, freeze))
        return found

    def _chosen(self) -> list[Machine]:
        due = [(m, r) for m, r, due, freeze in self.standing() if due.word == "now" and freeze is None]
        return [machine for machine, _ in sorted(due, key=lambda one: (*urgency(one[1]), one[0].name))][:BATCH]

    def _go_on(self, machine: Machine) -> str:
        """A little while of one machine's scan; returns a word for the log."""
        scans, record = self.store.scans, self.store.scans.get(machine.id)
        if not goes_on(record, self.clock()):
            scans.begin(machine.id)
            record = ScanRecord(machine.id)
        files, found, end = record.files, record.found, None
        with closing(self.hands.scan(machine, SCAN_PATHS, record.cursor, SLICE_SECONDS)) as news:  # type: ignore[type-var]
            for one in news:
                match one:
                    case Found():
                        found += 1
                        self.store.machines.report(machine, [one], self.clock())
                        reached("scan.found", self.fault, self._events)
                    case Seen():
                        files = record.files + one.files
                        scans.came_to(machine.id, one.cursor, files, found)
                        reached("scan.came_to", self.fault, self._events)
                        if covering(self.store.freezes.list(), machine.tenant, machine.ring, SYSTEM):
                            scans.rest(machine.id)
                            return "frozen"
                    case Scanned():
                        end = one
        if end is None or end.error is not None:
            error = end.error if end is not None and end.error else t("It gave no answer.")
            scans.broke_off(machine.id, error, end is None or end.silent)
            return "broke off"
        if end.at is None:
            scans.rest(machine.id)
            return "goes on"
        scans.ended(machine.id, end.at, record.files + end.files, found)
        reached("scan.ended", self.fault, self._events)
        return "scanned"

    # how it stands --------------------------------------------------------------------------------
    def status(self) -> Json:
        """For people and programs: one sentence, counts, and what is under way."""
        rows = self.standing()
        words = Counter("frozen" if freeze and due.word == "now" else due.word for _, _, due, freeze in rows)
        ended = [r.ended_at for _, r, _, _ in rows if r.ended_at is not None]
        nexts = [due.at for _, _, due, _ in rows if due.at is not None]
        going = [(m, r) for m, r, _, _ in rows if goes_on(r, self.clock())]
        freeze = next((f for _, _, due, f in rows if f is not None and due.word == "now"), None)
        return {
            "name": "scans",
            "on": self.rules.scan_every is not None,
            "state": _state(words, self.rules),
            "sentence": str(self._sentence(words, rows, freeze)),
            "every_seconds": round(self.rules.scan_every.total_seconds()) if self.rules.scan_every else None,
            "last_at": max(ended).isoformat() if ended else None,
            "next_at": None if words["now"] or not nexts else min(nexts).isoformat(),
            "counts": {word: words[word] for word in ("now", "window", "frozen", "again", "later")},
            "under_way": [
                {
                    "machine": m.name,
                    "tenant": m.tenant,
                    "files": r.files,
                    "found": r.found,
                    "since": r.began_at.isoformat() if r.began_at else None,
                    "error": str(r.error) if r.error else None,
                }
                for m, r in sorted(going, key=lambda one: one[0].name)
            ],
        }

    def _sentence(
        self, words: Mapping[str, int], rows: Sequence[tuple[Machine, ScanRecord, Due, Freeze | None]],
        freeze: Freeze | None,
    ) -> Text:  # fmt: skip
        if self.rules.scan_every is None:
            return t("Machines are not scanned by themselves: GASP_SCAN_HOURS is 0.")
        if not rows:
            return t("No machine is enrolled, so none is scanned.")
        opens = min((due.at for _, _, due, _ in rows if due.word == "window" and due.at), default=None)
        again = min((due.at for _, _, due, _ in rows if due.word == "again" and due.at), default=None)
        later = min((due.at for _, _, due, _ in rows if due.word == "later" and due.at), default=None)
        parts = []
        if words["now"]:
            parts.append(t("Being scanned, some at a time: {count}.", count=words["now"]))
        if words["window"]:
            count = words["window"]
            parts.append(
                t("Waiting for their window, which opens at {until}: {count}.", count=count, until=moment_words(opens))
            )
        if words["frozen"] and freeze is not None:
            parts.append(t("Waiting for the end of a freeze ({count}): {why}", count=words["frozen"], why=freeze.text))
        if words["again"]:
            count = words["again"]
            parts.append(
                t("Did not answer or broke off, tried again at {until}: {count}.", count=count,
                  until=moment_words(again))
            )  # fmt: skip
        if words["later"]:
            parts.append(t("Scanned: {count}; the next one is due at {until}.", count=words["later"],
                           until=moment_words(later)))  # fmt: skip
        return joined(parts)


def _state(words: Mapping[str, int], rules: ByItself) -> str:
    if rules.scan_every is None:
        return "off"
    for word, state in (("now", "running"), ("frozen", "frozen"), ("again", "again"), ("window", "waiting")):
        if words[word]:
            return state
    return "idle"


def joined(parts: Sequence[Text]) -> Text:
    """Sentences one after the other."""
    said = parts[0]
    for part in parts[1:]:
        said = t("{first} {then}", first=said, then=part)
    return said
