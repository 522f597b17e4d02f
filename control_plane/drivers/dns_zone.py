"""The content of one zone as it was read, and whose each record set is.

Ownership is written beside the records: for every name of ours a TXT record at
`<hash of the name>._gasp.<zone>`, one string an owner, listing the types that are his.
Must not: treat anything as ours whose marker does not verify.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from control_plane.drivers.dns_wire import SOA, DecodeError, Record, type_name, value_to_wire
from control_plane.model.names import to_unicode
from control_plane.model.resource import Foreign, Observed

KIND = "dns.rrset"
MARKER_LABEL = "_gasp"
MARKER_TTL = 300
OUR_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT")
"""Types that resources of ours can have; what a foreign record blocks is listed over these."""
SERVER_MADE = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"})
"""Written by the server itself; nobody's, and allowed beside a CNAME."""


_BASE32 = str.maketrans("abcdefghijklmnopqrstuvwxyz2345670189", "0123456789abcdefghijklmnopqrstuv!!!!")


@dataclass(slots=True)
class RecordSet:
    """All records of one name and type, values sorted.

    `odd`: for values that do not give their octets back (`Record.stored`), the readable and the stored
    form and the octets.
    """

    name: str
    type: str
    ttl: int
    values: list[str]
    odd: tuple[tuple[str, str, bytes], ...] = ()

    @property
    def id(self) -> str:
        """The resource id."""
        return f"dns:{self.name}/{self.type}"

    @property
    def label(self) -> str:
        """For people: readable name, type and (shortened) values."""
        text = ", ".join(self.values)
        return f"{readable(self.name)} {self.type} {text if len(text) <= 80 else text[:79] + '…'}"

    def attributes(self) -> dict[str, Any]:
        """What is compared; `stored` takes part only where the values do not say it all."""
        found: dict[str, Any] = {"name": self.name, "type": self.type, "ttl": self.ttl, "values": self.values}
        if self.odd:
            found["stored"] = sorted(stored for _, stored, _ in self.odd)
        return found

    def rdatas(self) -> Iterator[bytes]:
        """The octets of each record."""
        plain = list(self.values)
        for value, _, rdata in self.odd:
            plain.remove(value)
            yield rdata
        for value in plain:
            yield value_to_wire(self.type, value)


def readable(name: str) -> str:
    """The name as people write it."""
    return to_unicode(name) if "xn--" in name else name


@lru_cache(maxsize=1 << 16)
def marker_label(name: str) -> str:
    """32 characters that stand for a name of any length and form."""
    return b32encode(hashlib.sha256(name.encode()).digest()[:20]).decode().lower()


def _stands_for(label: str, name: str) -> bool:
    """Whether `label` is `marker_label(name)`; compared as numbers, which is five times as fast."""
    if len(label) != 32 or not label.isalnum():
        return False
    try:
        number = int(label.translate(_BASE32), 32)
    except ValueError:
        return False
    return number == int.from_bytes(hashlib.sha256(name.encode()).digest()[:20], "big")


def marker_name(name: str, zone: str) -> str:
    """Where the owners of `name` are written."""
    return f"{marker_label(name)}.{MARKER_LABEL}.{zone}"


def marker_value(owner: str, name: str, types: Iterable[str]) -> str:
    """One owner's line: `v=gasp1 o=<tenant id>/<offering> n=<name> t=<types>`."""
    return f"v=gasp1 o={owner} n={name} t={','.join(sorted(types))}"


def parse_marker(value: str) -> tuple[str, str, list[str]] | None:
    """(owner, name, types), or None if it is not exactly what `marker_value` makes."""
    parts = value.split(" ")
    if len(parts) != 4 or parts[0] != "v=gasp1":
        return None
    _, owner, name, listed = parts
    if owner[:2] != "o=" or name[:2] != "n=" or listed[:2] != "t=" or not name[2:]:
        return None
    types = listed[2:].split(",")
    if not all(types) or (len(types) > 1 and sorted(set(types)) != types):
        return None
    tenant, _, offering = owner[2:].partition("/")
    return (owner[2:], name[2:], types) if tenant and offering else None


class Zone:
    """A complete zone: `sets[name][type]`, and `owners[name][type]` from markers that verify."""

    def __init__(self, zone: str, records: Sequence[Record]) -> None:
        self.zone = zone
        self.records = len(records)
        self.sets: dict[str, dict[str, RecordSet]] = {}
        self.owners: dict[str, dict[str, str]] = {}
        self._group(records)
        self._read_markers()
        self.cuts = frozenset(n for n, node in self.sets.items() if n != zone and ("NS" in node or "DNAME" in node))

    def _group(self, records: Sequence[Record]) -> None:
        first, last = records[0], records[-1]
        if first[:2] != (self.zone, SOA) or first != last:
            raise DecodeError("the transfer does not begin and end with the same SOA record")
        sets = self.sets
        suffix = "." + self.zone
        names = {number: type_name(number) for number in {r[1] for r in records}}
        here: str | None = None
        node: dict[str, RecordSet] = {}
        for name, number, ttl, value, stored, rdata in records[:-1]:
            if name != here:
                if not name.endswith(suffix) and name != self.zone:
                    raise DecodeError(f"a record of another zone: {name}")
                node = sets.setdefault(name, {})
                here = name
            rtype = names[number]
            found = node.get(rtype)
            if found is None:
                found = node[rtype] = RecordSet(name, rtype, ttl, [value])
            else:
                insort(found.values, value)
            if stored is not None and rdata is not None:
                found.odd += ((value, stored, rdata),)
        if len(sets[self.zone]["SOA"].values) != 1:
            raise DecodeError("an SOA record in the middle of the transfer")

    def _read_markers(self) -> None:
        suffix = f".{MARKER_LABEL}.{self.zone}"
        cut = len(suffix)
        self.marker_nodes = [name for name in self.sets if name.endswith(suffix)]
        self.junk_markers: set[str] = set()
        for node_name in self.marker_nodes:
            texts = self.sets[node_name].get("TXT")
            for value in texts.values if texts else ():
                parsed = parse_marker(value)
                if parsed is None or not _stands_for(node_name[:-cut], parsed[1]):
                    self.junk_markers.add(node_name)
                    continue
                owner, name, types = parsed
                owned = self.owners.setdefault(name, {})
                for rtype in types:
                    owned.setdefault(rtype, owner)

    def get(self, name: str, rtype: str) -> RecordSet | None:
        """The record set, ours or not."""
        node = self.sets.get(name)
        return node.get(rtype) if node else None

    def owner(self, name: str, rtype: str) -> str | None:
        """The owner marker of a record set, None if it is not ours."""
        owned = self.owners.get(name)
        return owned.get(rtype) if owned else None

    def marker(self, name: str) -> tuple[str, Mapping[str, RecordSet]]:
        """The marker's name and everything that stands there now."""
        at = marker_name(name, self.zone)
        return at, self.sets.get(at, {})

    def cut_above(self, name: str) -> RecordSet | None:
        """The delegation (NS or DNAME record set below the apex) at or above `name`, if there is one."""
        at = name
        while self.cuts and at and at != self.zone:
            if at in self.cuts:
                node = self.sets[at]
                return node.get("NS") or node["DNAME"]
            at = at.partition(".")[2]
        return None

    def dead_types(self, name: str) -> set[str]:
        """Types that the marker lists and that are not there."""
        return self.owners.get(name, {}).keys() - self.sets.get(name, {}).keys()

    def observed(self, inner: Sequence[str] = ()) -> tuple[dict[str, Observed], list[Foreign]]:
        """Our record sets by id, and everything else but what makes the zone itself.

        `inner`: managed zones inside this one; what stands here under their names can only be foreign.
        """
        ours: dict[str, Observed] = {}
        foreign: list[Foreign] = []
        markers = frozenset(self.marker_nodes)
        below = tuple("." + zone for zone in inner)
        for name, node in self.sets.items():
            if name in markers and name not in self.junk_markers and len(node) == 1 and "TXT" in node:
                continue
            in_zone = not below or not ("." + name).endswith(below)
            owned = self.owners.get(name, {}) if in_zone else {}
            shown = readable(name)
            for rtype, found in node.items():
                owner = owned.get(rtype)
                if owner is not None:
                    identity = f"dns:{name}/{rtype}"
                    ours[identity] = Observed(
                        id=identity,
                        kind=KIND,
                        owner_marker=owner,
                        attributes=found.attributes(),
                        label=f"{shown} {rtype}",
                        token=owner,
                    )
                elif rtype not in SERVER_MADE and not (name == self.zone and rtype in ("SOA", "NS")):
                    blocks = self._blocks(name, rtype) if in_zone else ()
                    foreign.append(Foreign(found.id, KIND, found.label, blocks))
        return ours, foreign

    def _blocks(self, name: str, rtype: str) -> tuple[str, ...]:
        if rtype in ("CNAME", "NS", "DNAME"):
            clash: Iterable[str] = OUR_TYPES
        else:
            clash = ("CNAME", rtype) if rtype in OUR_TYPES else ("CNAME",)
        return tuple(f"dns:{name}/{other}" for other in clash)

    def apex_blocked(self) -> dict[str, str]:
        """Ids that the zone's own records rule out, with what stands in the way."""
        node = self.sets[self.zone]
        blocked = {f"dns:{self.zone}/CNAME": node["SOA"].label}
        if "NS" in node:
            blocked[f"dns:{self.zone}/NS"] = node["NS"].label
        return blocked


class Zones:
    """The managed zones; a name belongs to the longest that matches."""

    def __init__(self, zones: Sequence[str]) -> None:
        self.names = tuple(zones)
        self._known = frozenset(zones)

    def inside(self, zone: str) -> list[str]:
        """The managed zones below `zone`."""
        return [name for name in self.names if name.endswith("." + zone)]

    def zone_of(self, name: str) -> str | None:
        """The managed zone a name (no final dot) belongs to, None if none."""
        at = name
        while at:
            if at in self._known:
                return at
            at = at.partition(".")[2]
        return None
