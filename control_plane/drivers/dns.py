"""The driver for record sets on the primary name server: one signed transfer to look, few signed updates to write.

Knows BIND through RFC 5936 (AXFR), 2136 (UPDATE) and 8945 (TSIG) only, so any server that speaks them will do.
Must not: write without prerequisites, or touch a record set whose owner marker does not verify.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dns.rcode
from dns.rcode import Rcode

from control_plane.drivers.dns_session import Connection, DnsTrouble, Refused, Server
from control_plane.drivers.dns_update import (
    MESSAGE_LIMIT,
    QUESTION_ROOM,
    Unit,
    build,
    encode,
    halves,
    judge,
    owner_of,
    pack,
)
from control_plane.drivers.dns_wire import DecodeError
from control_plane.drivers.dns_zone import KIND, Zone, Zones
from control_plane.model.plan import Change
from control_plane.model.ports import Fence, Notice, Outcome, OutcomeState
from control_plane.model.resource import CouldNotMeasure, Kind, Look, Measured
from control_plane.model.text import Text, t

PREFIX = "dns:"
_MOVED = frozenset({Rcode.YXDOMAIN, Rcode.YXRRSET, Rcode.NXDOMAIN, Rcode.NXRRSET})
_NEVER = frozenset({Rcode.NOTAUTH, Rcode.NOTIMP, Rcode.BADVERS})
ATTEMPTS = 3
"""How often one message is sent when its answer is lost or the zone moves under it."""
SERVER_FAULTS = 3
"""Tenants in a row for whom the server can do nothing before the rest is not tried any more."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DnsDriver:
    """`dns.rrset` in the given zones (names without final dot) of one primary.

    `key_secret` is the base64 text of an hmac-sha256 key or the file that holds it; `timeout` in
    seconds for each answer. Fulfils `model.ports.Driver`.
    """

    kinds: Sequence[Kind] = (Kind(KIND, "dns", phase=50),)
    stages: Sequence[str] = ("records.read", "message.ready", "message.answered")

    def __init__(
        self,
        server: str,
        port: int,
        zones: Sequence[str],
        key_name: str,
        key_secret: Path | bytes,
        timeout: float = 10.0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._server = Server(server, port, key_name, key_secret, timeout)
        self._zones = Zones(zones)
        self._clock = clock

    def parts(self) -> Sequence[str]:
        """One part a zone."""
        return [PREFIX + zone for zone in self._zones.names]

    def part_of(self, name: str) -> str | None:
        """The part a name belongs to: the longest managed zone above it; None if there is none."""
        zone = self._zones.zone_of(name)
        return PREFIX + zone if zone else None

    def observe(self, part: str, tenants: frozenset[str] | None = None) -> Look:
        """Read the whole zone; `tenants` changes nothing, for one transfer is the cheapest look there is."""
        at = self._clock()
        try:
            zone = self._read(part)
        except DnsTrouble as error:
            return CouldNotMeasure(part, at, error.text)
        resources, foreign = zone.observed(self._zones.inside(zone.zone))
        return Measured(part, at, resources, tuple(foreign), reads=1, blocked=zone.apex_blocked())

    def apply(self, part: str, changes: Sequence[Change], fence: Fence) -> Iterator[Outcome | Notice]:
        """Write changes of one zone; see `model.ports.Driver.apply` for what comes back."""
        yield from _Apply(self, part, fence).run(changes)

    def _read(self, part: str) -> Zone:
        name = part.removeprefix(PREFIX)
        if name not in self._zones.names:
            raise DnsTrouble(t("Zone {zone} is not managed here.", zone=name), sent=False)
        records = self._server.transfer(name)
        try:
            return Zone(name, records)
        except DecodeError as error:
            raise DnsTrouble(
                t("The transfer of zone {zone} cannot be used: {reason}.", zone=name, reason=str(error)), sent=True
            ) from None


class _Apply:
    """One `apply`: the zone as last read, the messages still to be sent and one connection."""

    def __init__(self, driver: DnsDriver, part: str, fence: Fence) -> None:
        self._driver = driver
        self._part = part
        self._fence = fence
        self._connection: Connection | None = None
        self._queue: deque[tuple[list[Unit], int]] = deque()
        self._faulty: set[str] = set()
        self._zone: Zone

    def run(self, changes: Sequence[Change]) -> Iterator[Outcome | Notice]:
        """Carry out all changes."""
        try:
            self._zone = self._driver._read(self._part)
        except DnsTrouble as error:
            yield from (Outcome(c.id, "failed", error.text) for c in changes)
            return
        yield Notice("records.read", {"part": self._part, "records": self._zone.records})
        units, outcomes = self._units(changes, sweep=True)
        yield from outcomes
        self._queue.extend((message, 1) for message in pack(units))
        try:
            while self._queue:
                units, attempt = self._queue.popleft()
                detail = {"part": self._part, "names": len(units), "tenants": len({u.tenant for u in units})}
                yield Notice("message.ready", detail)
                outcomes = self._send(units, attempt)
                yield Notice("message.answered", {**detail, "left": len(self._queue)})
                yield from outcomes
        finally:
            self._disconnect()

    def _units(self, changes: Sequence[Change], sweep: bool = False) -> tuple[list[Unit], list[Outcome]]:
        """Judge all changes against the zone as read; also markers of the same owners that nothing answers to."""
        by_name: dict[str, list[Change]] = {}
        owners: dict[str, str] = {}
        outcomes: list[Outcome] = []
        units: list[Unit] = []
        zone = self._zone
        for change in changes:
            name = change.id.removeprefix(PREFIX).rpartition("/")[0]
            if self._driver._zones.zone_of(name) == zone.zone:
                by_name.setdefault(name, []).append(change)
            else:
                text = t("{id} does not belong into zone {zone}.", id=change.id, zone=zone.zone)
                outcomes.append(Outcome(change.id, "failed", text))
            owners[owner_of(change)] = change.tenant
        for name, group in by_name.items():
            try:
                todo, known = judge(zone, name, group)
                outcomes.extend(known)
                unit = build(zone, name, todo) if todo else None
            except (KeyError, TypeError, ValueError) as error:  # malformed content of one name stops no other
                outcomes.extend(
                    self._failed(
                        group, t("The content of {name} is malformed: {reason}.", name=name, reason=repr(error))
                    )
                )
                continue
            if unit is not None and unit.size > MESSAGE_LIMIT - QUESTION_ROOM:
                outcomes.extend(self._failed(todo, t("{name} has too much content for one message.", name=name)))
            elif unit is not None:
                units.append(unit)
        if sweep:
            busy = {unit.name for unit in units}
            for name, owned in zone.owners.items():
                dead = zone.dead_types(name) - {r for r in owned if owned[r] not in owners} if name not in busy else ()
                tenant = next((owners[owned[r]] for r in dead), None)
                if tenant is not None:
                    units.append(build(zone, name, ()))
                    units[-1].tenant = tenant
        return units, outcomes

    def _send(self, units: list[Unit], attempt: int) -> list[Outcome]:
        """Send one message; what is to be tried again goes back to the front of the queue."""
        wire = encode(self._zone.zone, units)
        self._fence()
        try:
            if self._connection is None:
                self._connection = self._driver._server.connect()
            rcode = self._connection.update(wire)
        except DnsTrouble as error:
            self._disconnect()
            return self._lost(units, attempt, error)
        if rcode == Rcode.NOERROR:
            self._faulty.clear()
            return [Outcome(c.id, "applied") for u in units for c in u.changes]
        if rcode in _MOVED and attempt < ATTEMPTS:
            return self._again(units, attempt, self._text(rcode, units))
        if rcode in _NEVER:
            return self._give_up(units, self._text(rcode, units))
        return self._split(units, rcode)

    def _split(self, units: list[Unit], rcode: int) -> list[Outcome]:
        text = self._text(rcode, units)
        if len(units) > 1:
            if rcode == Rcode.REFUSED and self._refuses_all():
                return self._give_up(units, text)
            self._queue.extendleft((part, 1) for part in reversed(halves(units)))
            return []
        if rcode == Rcode.SERVFAIL:
            self._faulty.add(units[0].tenant)
            if len(self._faulty) >= SERVER_FAULTS:
                return self._give_up(units, text)
        changes = units[0].changes
        if len(changes) > 1 and not any(c.id.endswith("/CNAME") for c in changes):
            return self._one_by_one(changes)
        return self._failed(changes, text, "refused" if rcode in _MOVED else "failed")

    def _one_by_one(self, changes: Sequence[Change]) -> list[Outcome]:
        """The changes at one name that failed together, each by itself, deletes first."""
        outcomes: list[Outcome] = []
        for change in sorted(changes, key=lambda c: (c.action != "delete", c.id.endswith("/MX"), c.id)):
            try:
                self._zone = self._driver._read(self._part)
            except DnsTrouble as error:
                outcomes += self._failed([change], error.text)
                continue
            units, known = self._units([change])
            outcomes += known
            for unit in units:
                outcomes += self._send([unit], ATTEMPTS)
        return outcomes

    def _again(self, units: list[Unit], attempt: int, text: Text, lost: bool = False) -> list[Outcome]:
        """Look again, keep what is settled now, and put the rest back as one message."""
        changes = [c for u in units for c in u.changes]
        try:
            self._zone = self._driver._read(self._part)
        except DnsTrouble as error:
            outcomes = self._failed(changes, error.text, "unknown" if lost else "failed")
            return outcomes + self._give_up((), error.text) if lost else outcomes
        fresh, outcomes = self._units(changes)
        if lost and attempt >= ATTEMPTS:
            return outcomes + self._failed([c for u in fresh for c in u.changes], text, "unknown")
        self._queue.extendleft((part, attempt + 1) for part in reversed(pack(fresh)))
        return outcomes

    def _lost(self, units: list[Unit], attempt: int, error: DnsTrouble) -> list[Outcome]:
        if not error.sent:
            return self._give_up(units, error.text)
        return self._again(units, ATTEMPTS if isinstance(error, Refused) else attempt, error.text, lost=True)

    def _give_up(self, units: Sequence[Unit], text: Text) -> list[Outcome]:
        """The server will not take anything more in this run."""
        rest = [*units, *(u for message, _ in self._queue for u in message)]
        self._queue.clear()
        return self._failed([c for u in rest for c in u.changes], text)

    def _refuses_all(self) -> bool:
        """Ask with a message that changes nothing whether it is us that is refused."""
        with suppress(DnsTrouble):
            return self._connection is not None and (
                self._connection.update(encode(self._zone.zone, ())) == Rcode.REFUSED
            )
        self._disconnect()
        return False

    def _text(self, rcode: int, units: Sequence[Unit]) -> Text:
        code = dns.rcode.to_text(Rcode(rcode))
        server = self._driver._server.where
        if rcode in _MOVED:
            return t("{name} was changed by somebody else just now ({code}).", name=units[0].name, code=code)
        if len(units) == 1 and any(c.id.endswith("/MX") for c in units[0].changes) and rcode == Rcode.REFUSED:
            return t(
                "The name server {server} refused {name}: {code}. Does the mail server it names have an address?",
                server=server,
                name=units[0].name,
                code=code,
            )
        if len(units) == 1:
            return t("The name server {server} refused {name}: {code}.", server=server, name=units[0].name, code=code)
        return t("The name server {server} refused the update: {code}.", server=server, code=code)

    def _failed(self, changes: Sequence[Change], text: Text, state: OutcomeState = "failed") -> list[Outcome]:
        return [Outcome(c.id, state, text) for c in changes]

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
