"""Collecting the access record: segments from the gateways into files by day, each line once, each gap named.

A segment is confirmed, and so deleted on the gateway, only after its lines and its row are durable here. Killed
anywhere, the next collection does the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from control_plane.model.errors import ControlPlaneError, PermanentError, TemporaryError
from control_plane.model.names import to_ascii
from control_plane.model.record import FIRST, Archive, Damaged, Gap, Seal, Segment, Spool, StoredFile, TenantAt
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.store.repository import Store
from control_plane.workflow.access_times import day_of
from control_plane.workflow.process import myself, process_alive

LEASE = "access-record"
PIECES = 32
"""So many small files of one day are made one."""
SETTLED = timedelta(minutes=15)
"""A day is closed this long after its end, when late segments are in."""
_HOST, _TIME, _ADDRESS = 9, 1, 5


@dataclass
class Collected:
    """What came from one gateway."""

    host: str
    state: str = "done"
    segments: int = 0
    lines: int = 0
    gaps: list[Gap] = field(default_factory=list)
    damaged: int = 0
    warning: Text | None = None
    reason: Text | None = None

    def as_json(self) -> dict[str, Any]:
        """For answers."""
        return {
            "host": self.host,
            "state": self.state,
            "segments": self.segments,
            "lines": self.lines,
            "damaged": self.damaged,
            "gaps": [gap.as_json() for gap in self.gaps],
            "warning": str(self.warning) if self.warning else None,
            "reason": str(self.reason) if self.reason else None,
        }


class Collector:
    """Collects, merges, seals. `tenant_at` is asked anew for each collection, because networks change."""

    def __init__(
        self,
        store: Store,
        spools: Callable[[], Sequence[Spool]],
        archive: Archive,
        seal: Seal,
        tenant_at: Callable[[], TenantAt],
        clock: Callable[[], datetime],
    ) -> None:
        self.store, self.spools, self.archive, self.seal = store, spools, archive, seal
        self.tenant_at, self.clock = tenant_at, clock

    def collect(self, actor: Actor) -> dict[str, Any]:
        """See `RecordClient.collect`."""
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            return {"state": "busy", "hosts": [], "merged": 0, "problems": []}
        try:
            self.sweep()
            hosts = [self._from(spool) for spool in self.spools()]
            merged, problems = self._merge(actor)
        finally:
            self.store.leases.release(lease)
        good = not problems and all(host.state == "done" for host in hosts)
        return {
            "state": "done" if good else "partly",
            "hosts": [host.as_json() for host in hosts],
            "merged": merged,
            "problems": [str(problem.text) for problem in problems],
        }

    def sweep(self) -> None:
        """Delete what a killed process had finished with; nothing that the database does not name."""
        there = set(self.archive.names())
        for state in ("merged", "purged"):
            self.archive.discard([f.name for f in self.store.access.files(state=state) if f.name in there])
        self.store.access.forget_merged()

    def _from(self, spool: Spool) -> Collected:
        found = Collected(spool.host)
        confirmed: list[tuple[int, str]] = []
        skipped = self.store.access.damaged(spool.host)
        tenant_at = self.tenant_at()
        try:
            while True:
                state, segments = spool.fetch(confirmed, skipped)
                found.warning = state.warning
                if not segments:
                    break
                confirmed, bad = self._take(spool.host, segments, tenant_at, found)
                skipped += bad
        except TemporaryError as error:
            found.state, found.reason = "unmeasured", error.text
        return found

    def _take(
        self, host: str, arrived: Sequence[Segment | Damaged], tenant_at: TenantAt, found: Collected
    ) -> tuple[list[tuple[int, str]], list[int]]:
        """Store a batch. Returns what may be confirmed and what is never to be fetched again."""
        confirmed: list[tuple[int, str]] = []
        new: dict[int, Segment] = {}
        damaged: set[int] = set()
        gaps: list[Gap] = []
        bad: list[int] = []
        number = self.store.access.next_segment()
        former = self.store.access.newest(host)
        last: Place | None = (former.chain, former.sequence, former.hash, former.last_at) if former else None
        if former is not None and former.state == "damaged":
            last = (former.chain, former.sequence, None, former.last_at)
        for place, segment in enumerate(arrived):
            if isinstance(segment, Damaged):
                after = next((s.opened for s in arrived[place:] if isinstance(s, Segment)), self.clock())
                stand_in = _stand_in(segment, last, after)
                self.archive.keep_damaged(f"{host}-{stand_in.chain}-{stand_in.sequence}.seg", segment.content)
                damaged.add(number)
                bad.append(segment.sequence)
                gaps += stand_in.gaps
                new[number] = stand_in
                last = (stand_in.chain, stand_in.sequence, None, stand_in.closed)
                number += 1
                continue
            known = self.store.access.segment_hash(host, segment.chain, segment.sequence)
            if known is not None and known != segment.hash:
                # Another one under a name that is taken: whose it is, a person must find out.
                name = f"{host}-{segment.chain}-{segment.sequence}-{segment.hash[:8]}.seg"
                if self.archive.keep_damaged(name, "\n".join(segment.lines).encode()):
                    gaps.append(Gap("all", segment.opened, segment.closed, "damaged", f"{segment.sequence}: double"))
                bad.append(segment.sequence)
                continue
            confirmed.append((segment.sequence, segment.hash))
            if known is not None:
                continue
            gaps += [*_break(last, segment), *segment.gaps]
            new[number] = segment
            last = (segment.chain, segment.sequence, segment.hash, segment.closed)
            number += 1
        files = self._write(new, tenant_at)
        self.store.access.collected(host, new, files, gaps, damaged)
        found.segments += len(new) - len(damaged)
        found.damaged += len(damaged)
        found.lines += sum(len(s.lines) for s in new.values())
        found.gaps += gaps
        return confirmed, bad

    def _write(self, segments: dict[int, Segment], tenant_at: TenantAt) -> list[StoredFile]:
        days: dict[date, list[str]] = {}
        of_second: dict[int, date] = {}
        for number, segment in segments.items():
            for line in segment.lines:
                fields = line.split("\t")
                moment = float(fields[_TIME])
                at = datetime.fromtimestamp(moment, UTC)
                hour = int(moment) // 3600
                day = of_second.get(hour) or of_second.setdefault(hour, day_of(at))
                fields[_HOST] = host_name(fields[_HOST])
                tenant = tenant_at(fields[_ADDRESS], at)
                days.setdefault(day, []).append("\t".join((tenant, str(number), *fields)))
        if not days:
            return []
        span = f"{min(segments):09d}-{max(segments):09d}"
        return [self.archive.write(day, f"{day}-{span}-0.parquet", rows) for day, rows in sorted(days.items())]

    def _merge(self, actor: Actor) -> tuple[int, list[ControlPlaneError]]:
        days: dict[date, list[StoredFile]] = {}
        for file in self.store.access.files():
            days.setdefault(file.day, []).append(file)
        today = day_of(self.clock() - SETTLED)
        done, problems = 0, []
        for day, files in days.items():
            small = [f for f in files if f.level == 0]
            try:
                if day < today and (len(files) > 1 or files[0].level < 2):
                    self._close_day(day, files, actor)
                    done += 1
                elif len(small) >= PIECES:
                    self._replace(day, small, 1)
                    done += 1
            except ControlPlaneError as error:
                problems.append(error)
        return done, problems

    def _replace(self, day: date, files: Sequence[StoredFile], level: int) -> StoredFile:
        numbers = [part for f in files for part in f.name.split("-")[3:5]]
        name = f"{day}-{min(numbers)}-{max(numbers)}-{level}.parquet"
        while name in {f.name for f in files}:
            name = name.replace(".parquet", "n.parquet")
        made = self.archive.merge(day, name, files, level)
        if made.lines != sum(f.lines for f in files):
            self.archive.discard([made.name])
            raise PermanentError(t("Merging {day} of the access record lost lines; nothing was replaced.", day=day))
        self.store.access.merged(made, [f.name for f in files])
        self.archive.discard([f.name for f in files])
        self.store.access.forget_merged()
        return made

    def _close_day(self, day: date, files: Sequence[StoredFile], actor: Actor) -> None:
        """One file for a day that is over, and an entry of the ledger that says what it is made of."""
        made = self._replace(day, files, 2)
        self.store.access.enter("close", {"day": str(day), **day_seal(self.store, day, [made])}, actor, self.seal)


def day_seal(store: Store, day: date, files: Sequence[StoredFile]) -> dict[str, Any]:
    """What a day of the record is, so that a later look can tell whether it still is."""
    segments = store.access.segment_hashes(day)
    return {
        "files": [{"name": f.name, "sha256": f.sha256, "octets": f.octets, "lines": f.lines} for f in files],
        "lines": sum(f.lines for f in files),
        "segments": len(segments),
        "digest": hashlib.sha256(orjson.dumps(segments)).hexdigest(),
    }


@lru_cache(maxsize=1 << 16)
def host_name(text: str) -> str:
    """A host as A-label; what is no name stays as it was asked for."""
    if not text or (text.isascii() and not text.startswith("xn--")):
        return text
    try:
        return to_ascii(text)
    except ValueError:
        return text


Place = tuple[str, int, str | None, datetime]
"""Chain, sequence, hash (None when it is not known) and end of a segment."""


def _break(last: Place | None, segment: Segment) -> list[Gap]:
    """What lies between the segment before and this one, if they do not join."""
    if last is None:
        missing = segment.sequence > 1
        return [Gap("all", segment.opened, segment.opened, "segments-missing", "")] if missing else []
    chain, sequence, digest, closed = last
    end = max(closed, segment.opened)
    if chain != segment.chain:
        return [Gap("all", closed, end, "chain-began-anew", segment.chain)]
    if sequence + 1 != segment.sequence:
        return [Gap("all", closed, end, "segments-missing", f"{sequence + 1}–{segment.sequence - 1}")]
    if digest is not None and digest != segment.former:
        return [Gap("all", closed, end, "segments-missing", f"{segment.sequence}: {digest[:8]}")]
    return []


def _stand_in(damaged: Damaged, last: Place | None, after: datetime) -> Segment:
    """The place of a damaged segment in the chain: no lines, and a gap until what is known again."""
    chain, former, begin = (last[0], last[2] or FIRST, last[3]) if last else ("", FIRST, after)
    digest = hashlib.sha256(damaged.content).hexdigest()
    gap = Gap("all", begin, max(begin, after), "damaged", f"{damaged.sequence}: {damaged.reason}")
    return Segment(chain, damaged.sequence, former, digest, begin, begin, len(damaged.content), [gap], [])
