"""From changes to RFC 2136 messages: what may be done, under which prerequisites, packed how.

All changes at one name are one unit and travel with the name's owner marker in one message.
Must not: write anything that the zone, as it was just read, does not allow.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from control_plane.drivers import dns_wire as wire
from control_plane.drivers.dns_session import TSIG_ROOM, UPDATE_OPCODE
from control_plane.drivers.dns_zone import (
    MARKER_TTL,
    OUR_TYPES,
    SERVER_MADE,
    Zone,
    marker_value,
    parse_marker,
)
from control_plane.model.plan import Change
from control_plane.model.ports import Outcome
from control_plane.model.resource import Attributes, content_hash
from control_plane.model.text import Text, t

PACK_LIMIT = 48 * 1024
"""A message is filled up to this size; a single name may need more, up to `MESSAGE_LIMIT`."""
MESSAGE_LIMIT = 65535 - TSIG_ROOM
QUESTION_ROOM = 300
_RR = struct.Struct("!HHIH").pack
_ZONE_POINTER = b"\xc0\x0c"
ANY = wire.CLASS_ANY
NONE = wire.CLASS_NONE


@dataclass(slots=True)
class Unit:
    """All that happens at one name, encoded. `changes` may be empty (a marker that nothing answers to)."""

    name: str
    tenant: str
    changes: list[Change]
    needs_targets: bool = False
    prerequisites: list[bytes] = field(default_factory=list)
    updates: list[bytes] = field(default_factory=list)
    size: int = 0
    """Octets in a message."""


def problem_of(attributes: Attributes) -> Text | None:
    """Why a record set cannot be published exactly as written, None if it can."""
    name, rtype = attributes["name"], attributes["type"]
    ttl, values = attributes["ttl"], attributes["values"]
    if rtype not in wire.TYPE_NUMBERS or rtype == "SOA":
        return t("Record type {type} is not supported.", type=rtype)
    if not values or list(values) != sorted(set(values)):
        return t("The values of {name} {type} are empty, doubled or not sorted.", name=name, type=rtype)
    if not isinstance(ttl, int) or not 0 <= ttl <= wire.MAX_TTL:
        return t("The time to live {ttl} of {name} {type} is out of range.", ttl=ttl, name=name, type=rtype)
    if name != name.lower() or name.endswith("."):
        return t("The name {name} must be in lower case without a final dot.", name=name)
    try:
        wire.name_to_wire(name)
        for value in values:
            if wire.canonical_value(rtype, value) != value:
                return t(
                    "{name} {type}: write “{wanted}” instead of “{value}”.",
                    name=name,
                    type=rtype,
                    wanted=wire.canonical_value(rtype, value),
                    value=value,
                )
            if len(wire.value_to_wire(rtype, value)) > MESSAGE_LIMIT // 2:
                return t("A value of {name} {type} is too long.", name=name, type=rtype)
    except ValueError as error:
        return t("{name} {type} cannot be written: {reason}.", name=name, type=rtype, reason=str(error).rstrip("."))
    return None


def owner_of(change: Change) -> str:
    """The owner marker that a change writes, or takes away."""
    return f"{change.tenant_id}/{change.offering}"


def judge(zone: Zone, name: str, changes: Iterable[Change]) -> tuple[list[Change], list[Outcome]]:
    """Sort the changes at one name into those to carry out and those whose outcome is known already."""
    todo: list[Change] = []
    outcomes: list[Outcome] = []
    for change in changes:
        outcome = _moved(zone, name, change)
        if outcome is None:
            todo.append(change)
        else:
            outcomes.append(outcome)
    here = zone.sets.get(name, {})
    gone = {c.id.rpartition("/")[2] for c in todo if c.action == "delete"}
    staying = {rtype for rtype in here if rtype not in gone and rtype not in SERVER_MADE}
    for change in [c for c in todo if c.action == "create"]:
        rtype = change.id.rpartition("/")[2]
        cut = zone.cut_above(name) or zone.marker(name)[1].get("CNAME")
        if cut is not None and cut.name == name and cut.type in gone:
            cut = None
        other = min(staying, default=None) if rtype == "CNAME" else "CNAME" if "CNAME" in staying else None
        if cut is None and other is None:
            staying.add(rtype)
            continue
        record = cut.label if cut else here[other].label if other in here else f"{name} {other}"
        todo.remove(change)
        outcomes.append(Outcome(change.id, "refused", t("{record} is in the way.", record=record)))
    return todo, outcomes


def _moved(zone: Zone, name: str, change: Change) -> Outcome | None:
    """The outcome of a change that need not or must not be written, else None."""
    rtype = change.id.rpartition("/")[2]
    found = zone.get(name, rtype)
    owner = zone.owner(name, rtype) if found else None
    if change.action == "delete":
        if found is None:
            return Outcome(change.id, "already", t("{id} was gone already.", id=change.id))
    else:
        assert change.after is not None
        if found and owner == owner_of(change) and found.attributes() == change.after:
            return Outcome(change.id, "already", t("{id} was already as wanted.", id=change.id))
        problem = problem_of(change.after)
        if (change.after["name"], change.after["type"]) != (name, rtype):
            problem = t("{id} and its content name different records.", id=change.id)
        if problem is not None:
            return Outcome(change.id, "failed", problem)
    if change.action == "create":
        if found is None:
            return None
        if owner is None:
            return Outcome(change.id, "refused", t("{record} is in the way and is not ours.", record=found.label))
        return Outcome(change.id, "refused", t("{record} has appeared since the plan.", record=found.label))
    if found is None:
        return Outcome(change.id, "refused", t("{id} has been removed since the plan.", id=change.id))
    if owner is None:
        return Outcome(change.id, "refused", t("{record} no longer carries our owner marker.", record=found.label))
    if content_hash(found.attributes()) != change.before_hash or change.token not in (None, owner):
        return Outcome(change.id, "refused", t("{record} was changed since the plan.", record=found.label))
    return None


def build(zone: Zone, name: str, changes: Sequence[Change]) -> Unit:
    """Encode what `judge` let pass, together with the marker's change."""
    unit = Unit(name, min((c.tenant for c in changes), default=""), list(changes))
    owner_wire = _short(name, zone.zone)
    here = zone.sets.get(name, {})
    before, adds = unit.prerequisites, unit.updates
    owned = {rtype: owner for rtype, owner in zone.owners.get(name, {}).items() if rtype in here}
    dead = zone.dead_types(name)
    absent = set(dead)
    late: list[bytes] = []
    for change in changes:
        rtype = change.id.rpartition("/")[2]
        number = wire.type_number(rtype)
        if change.action == "create":
            # beside a CNAME, or a CNAME beside anything, the server would drop the record in silence
            absent.update((rtype, *OUR_TYPES) if rtype == "CNAME" else (rtype, "CNAME"))
        else:
            found = here[rtype]
            before.extend(owner_wire + _rr(number, wire.CLASS_IN, 0, rdata) for rdata in found.rdatas())
            adds.append(owner_wire + _RR(number, ANY, 0, 0))
            owned.pop(rtype)
        if change.action != "delete":
            assert change.after is not None
            ttl, values = change.after["ttl"], change.after["values"]
            late.extend(
                owner_wire + _rr(number, wire.CLASS_IN, ttl, wire.value_to_wire(rtype, value)) for value in values
            )
            owned[rtype] = owner_of(change)
            unit.needs_targets |= rtype in ("MX", "SRV", "NS")
    if not here:
        before.append(owner_wire + _RR(ANY, NONE, 0, 0))
    else:
        numbers = sorted(wire.TYPE_NUMBERS[r] for r in absent - here.keys() if r in wire.TYPE_NUMBERS)
        before.extend(owner_wire + _RR(number, NONE, 0, 0) for number in numbers)
    adds.extend(late)
    _marker(zone, name, owned, unit)
    unit.size = sum(map(len, before)) + sum(map(len, adds))
    return unit


def _marker(zone: Zone, name: str, owned: dict[str, str], unit: Unit) -> None:
    """Bring the marker to `owned`, provided that it is as it was read. Other texts beside it stay."""
    at, standing = zone.marker(name)
    at_wire = _short(at, zone.zone)
    types: dict[str, set[str]] = {}
    for rtype, owner in owned.items():
        types.setdefault(owner, set()).add(rtype)
    wanted = {marker_value(owner, name, listed) for owner, listed in types.items()}
    texts = standing.get("TXT")
    present: set[str] = set()
    if not standing:
        unit.prerequisites.append(at_wire + _RR(ANY, NONE, 0, 0))
    elif texts is None:
        unit.prerequisites.extend(at_wire + _RR(number, NONE, 0, 0) for number in (wire.TXT, wire.CNAME))
    else:
        unit.prerequisites.extend(at_wire + _rr(wire.TXT, wire.CLASS_IN, 0, rdata) for rdata in texts.rdatas())
        present = {v for v in texts.values if (parsed := parse_marker(v)) and parsed[1] == name}
    for value in sorted(present - wanted):
        unit.updates.append(at_wire + _rr(wire.TXT, NONE, 0, wire.value_to_wire("TXT", value)))
    for value in sorted(wanted - present):
        unit.updates.append(at_wire + _rr(wire.TXT, wire.CLASS_IN, MARKER_TTL, wire.value_to_wire("TXT", value)))


def _rr(number: int, rclass: int, ttl: int, rdata: bytes) -> bytes:
    return _RR(number, rclass, ttl, len(rdata)) + rdata


def _short(name: str, zone: str) -> bytes:
    """The name with the zone's part as a pointer to the question, where it always stands."""
    if name == zone:
        return _ZONE_POINTER
    return wire.name_to_wire(name[: -len(zone) - 1])[:-1] + _ZONE_POINTER


def encode(zone: str, units: Sequence[Unit]) -> bytes:
    """One message for `units` (none: a message that changes nothing)."""
    before = [piece for unit in units for piece in unit.prerequisites]
    updates = [piece for unit in units for piece in unit.updates]
    head = struct.pack("!HHHHHH", secrets.randbits(16), UPDATE_OPCODE << 11, 1, len(before), len(updates), 0)
    question = wire.name_to_wire(zone) + struct.pack("!HH", wire.SOA, wire.CLASS_IN)
    return b"".join([head, question, *before, *updates])


def pack(units: Iterable[Unit], limit: int = PACK_LIMIT) -> list[list[Unit]]:
    """Fill messages tenant by tenant; what refers to other names comes after all of them.

    A tenant is cut only if he alone exceeds the limit.
    """
    messages: list[list[Unit]] = []
    room = 0
    ordered = sorted(units, key=lambda u: (u.needs_targets, u.tenant, u.name))
    start = 0
    while start < len(ordered):
        first = ordered[start]
        stop = start
        need = 0
        while stop < len(ordered) and (ordered[stop].needs_targets, ordered[stop].tenant) == (
            first.needs_targets,
            first.tenant,
        ):
            need += ordered[stop].size
            stop += 1
        if need > room and need <= limit:
            messages.append([])
            room = limit
        for unit in ordered[start:stop]:
            if unit.size > room or not messages:
                messages.append([])
                room = limit
            messages[-1].append(unit)
            room -= unit.size
        start = stop
    return messages


def halves(units: Sequence[Unit]) -> list[list[Unit]]:
    """Two parts to try apart: between tenants as long as there are several, then between names."""
    tenants = sorted({u.tenant for u in units})
    if len(tenants) > 1:
        first = set(tenants[: len(tenants) // 2])
        return [[u for u in units if u.tenant in first], [u for u in units if u.tenant not in first]]
    middle = len(units) // 2
    return [list(units[:middle]), list(units[middle:])]
