"""Measures machines and acts on them: who they are, packages and engine, signatures, mending, scans.

Implements `model.machine.Hands`. One command a machine; a machine that does not answer is `CouldNotMeasure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from control_plane.drivers.machine_link import ACTS, FILES, MEASURE, Answer, Link, sentence, side_by_side
from control_plane.model.by_itself import SCAN_PATHS
from control_plane.model.errors import CouldNotMeasureError, TemporaryError
from control_plane.model.machine import (
    Fault,
    Fingerprint,
    Found,
    Installed,
    Machine,
    MachineLook,
    MachineState,
    Mended,
    Pending,
    Proceed,
    Scanned,
    Seen,
)
from control_plane.model.machine_rules import FAULTS
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import t
from control_plane.model.windows import ZONE

WHO_SECONDS, MEASURE_SECONDS, ACT_SECONDS, SCAN_SECONDS = 30.0, 180.0, 900.0, 6 * 3600.0
Advisory = Mapping[str, Any]
Judge = Callable[[Sequence[Advisory]], tuple[str | None, date | None]]
"""The worst severity of some advisories, and the last day on which a machine may lack what cures them."""


class MachineHands:
    """`advisories` gives rows {id, package, fixed, …} (asked once a call); `judge` says what they mean."""

    def __init__(
        self,
        link: Link,
        clock: Callable[[], datetime],
        advisories: Callable[[], Sequence[Advisory]] = lambda: (),
        judge: Judge = lambda _: (None, None),
    ) -> None:
        self._link, self._clock, self._advisories, self._judge = link, clock, advisories, judge

    def fingerprints(self, hosts: Sequence[str]) -> Mapping[str, Fingerprint | CouldNotMeasure]:
        """See `Hands.fingerprints`."""

        def ask(host: str) -> Fingerprint | CouldNotMeasure:
            try:
                answer = self._link.ask(host, FILES, {"verb": "observe"}, WHO_SECONDS)
            except CouldNotMeasureError as error:
                return CouldNotMeasure(host, self._clock(), error.text)
            if answer["is"] == "error":
                return CouldNotMeasure(host, self._clock(), sentence(answer, host))
            who = answer["fingerprint"]
            if not who["machine_id"] or not who["host_key"]:
                return CouldNotMeasure(host, self._clock(), t("{host} has no machine-id or no host key.", host=host))
            return Fingerprint(who["machine_id"], who["host_key"])

        return {host: found for host, found in side_by_side(hosts, ask) if found is not None}

    def measure(self, machines: Sequence[Machine]) -> Mapping[str, MachineLook]:
        """See `Measurer.measure`. Advisories that cannot be read leave severities unknown, and the look says so."""
        blind = None
        try:
            rows = list(self._advisories())
        except TemporaryError as error:
            rows, blind = [], str(error.text)
        known = {row["id"]: row for row in rows}
        told = [{"id": row["id"], "package": row["package"], "fixed": row["fixed"]} for row in rows]

        def ask(machine: Machine) -> MachineLook:
            host, now = machine.host or machine.name, self._clock()
            request = {"now": now.timestamp(), "fingerprint": machine.fingerprint, "advisories": told}
            try:
                answer = self._link.ask(host, MEASURE, request, MEASURE_SECONDS)
            except CouldNotMeasureError as error:
                return CouldNotMeasure(machine.id, now, error.text)
            if answer["is"] == "error":
                return CouldNotMeasure(machine.id, now, sentence(answer, host))
            return self._state(machine, answer, now, known, blind)

        return {m.id: look for m, look in side_by_side(machines, ask) if look is not None}

    def _state(
        self, machine: Machine, answer: Answer, now: datetime, known: Mapping[str, Advisory], blind: str | None
    ) -> MachineState:
        facts = {name: answer[name] for name in ("fingerprint", "offset", "kernel", "foreign", "refreshed", "disk_set")}
        if blind:
            facts["advisories"] = blind
        facts |= {name: answer[name] for name in ("restart", "held")}
        return MachineState(
            machine=machine.id,
            at=now,
            packages=answer["packages"],
            pending=[self._pending(row, known) for row in answer["pending"]],
            lists_at=_instant(answer["lists_at"]),
            reboot_required=bool(answer["restart"]),
            signature_set=answer["set"],
            signature_at=_moment(answer["set_at"]),
            engine_running=answer["engine"],
            faults={name: words for name, words in answer["faults"].items() if name in FAULTS},
            facts=facts,
        )

    def _pending(self, row: Mapping[str, Any], known: Mapping[str, Advisory]) -> Pending:
        cured = [known[i] for i in row["advisories"] if i in known]
        severity, last = self._judge(cured) if cured else (None, None)
        return Pending(
            row["package"],
            row["installed"],
            row["candidate"],
            severity=severity or "unknown",  # type: ignore[arg-type]
            security=row["security"],
            deadline=datetime.combine(last, time(23, 59, 59), ZONE) if last else None,
            held=row["held"],
            held_by=row["held_by"],
            kept_back=row["kept_back"],
            phased=row["phased"],
        )

    def refresh_signatures(self, machines: Sequence[Machine], proceed: Proceed = lambda _: True) -> Iterator[Installed]:
        """See `Hands.refresh_signatures`."""
        for machine, result in side_by_side(machines, self.refresh_one, lambda m: proceed(m.id)):
            yield result or Installed(machine.id, "untouched")

    def refresh_one(self, machine: Machine) -> Installed:
        """One machine fetches its ring's set and loads it."""
        host = machine.host or machine.name
        answer: Answer | None = None
        try:
            for row in self._link.stream(host, ACTS, {"verb": "signatures"}, ACT_SECONDS):
                answer = answer if row["is"] == "end" else row
        except CouldNotMeasureError as error:
            return Installed(machine.id, "unreachable", str(error.text))
        if answer is None or answer["is"] == "error":
            fault: Fault = "signatures-missing"
            return Installed(machine.id, "failed", str(sentence(answer or {}, host)), fault)
        return Installed(machine.id, "changed" if answer["state"] == "changed" else "already", answer["set"])

    def mend(self, machine: Machine, faults: Sequence[Fault]) -> Sequence[Mended]:
        """See `Hands.mend`."""
        host, found = machine.host or machine.name, []
        for row in self._link.stream(host, ACTS, {"verb": "mend", "faults": list(faults)}, ACT_SECONDS):
            if row["is"] == "error":
                raise CouldNotMeasureError(sentence(row, host))
            if row["is"] == "mended":
                act = FAULTS[row["fault"]].mend or t("nothing")
                text = act if row["done"] else t("{act}: {words}", act=act, words=row["words"])
                found.append(Mended(row["fault"], row["done"], text))
        return found

    def scan(
        self, machine: Machine, paths: Sequence[str], after: str | None = None, seconds: float | None = None
    ) -> Iterator[Found | Seen | Scanned]:
        """See `Hands.scan`."""
        host, found, files, end = machine.host or machine.name, [], 0, None
        error, silent = None, False
        wanted = {"paths": list(paths), "after": after, "seconds": seconds, "fingerprint": machine.fingerprint,
                  "named": tuple(paths) != SCAN_PATHS}  # fmt: skip
        try:
            for row in self._link.stream(host, ACTS, {"verb": "scan", **wanted}, SCAN_SECONDS):
                if row["is"] == "found":
                    found.append(Found(row["path"], row["signature"]))
                    yield found[-1]
                elif row["is"] == "files":
                    files = row["count"]
                    yield Seen(files, row["cursor"])
                elif row["is"] == "error":
                    error = sentence(row, host)
                elif row["is"] == "scanned":
                    files, end = row["files"], row
                    error = t("{words}", words=row["error"]) if row["error"] else None
        except CouldNotMeasureError as lost:
            error, silent = lost.text, True
        if end is None and error is None:
            error, silent = t("Host {host} gave half an answer.", host=host), True
        at = _instant(end["at"]) if end is not None and error is None else None
        yield Scanned(machine.id, files, found, error, at, silent)


def _instant(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def _moment(text: str | float | None) -> datetime | None:
    """When a set was made; ISO 8601, UTC where it has no zone."""
    if isinstance(text, (int, float)) or text is None:
        return _instant(text)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
