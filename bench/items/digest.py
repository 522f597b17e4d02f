"""CPU of comparing and digesting 12,000 resources, without any system: all equal, and all to be made."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from datetime import UTC, datetime

from bench.measure import timed_call
from bench.results import Figure, Result
from control_plane.cli.main import COLLECTOR
from control_plane.model.plan import Memory, diff
from control_plane.model.resource import Kind, Measured, Observed, Owner, Resource, content_hash

COUNT = 12_000
PART = "dns:qingdao.test"
NOW = datetime(2007, 6, 1, tzinfo=UTC)
KINDS = {"dns.rrset": Kind("dns.rrset", "dns", 50)}


def world(count: int = COUNT) -> dict[str, Resource]:
    """Record sets of invented tenants, 12 each."""
    found: dict[str, Resource] = {}
    for number in range(count):
        code = f"t{number // 12:05d}"
        name = f"n{number % 12}.{code}.qingdao.test"
        found[f"dns:{name}/A"] = Resource(
            f"dns:{name}/A",
            "dns.rrset",
            PART,
            Owner(f"t_{code}", code, "public_site"),
            {"name": name, "type": "A", "ttl": 300, "values": ["198.51.100.80"]},
            label=f"{name} A",
        )
    return found


def look(desired: Mapping[str, Resource]) -> Measured:
    """Everything there as wanted; attributes are equal, not the same objects."""
    seen = {
        r.id: Observed(r.id, r.kind, r.owner.marker, {**r.attributes, "values": list(r.attributes["values"])})
        for r in desired.values()
    }
    return Measured(PART, NOW, seen)


def measure(rounds: int = 15) -> Result:
    """Medians of `diff`, which ends with the digest; Python's collector set as the product sets it."""
    gc.set_threshold(*COLLECTOR)
    desired = world()
    owners = {r.owner.marker: r.owner for r in desired.values()}
    memory = Memory({r.id: content_hash(r.attributes) for r in desired.values()}, {}, owners)
    same, nothing = look(desired), Measured(PART, NOW, {})
    fresh = Memory({}, {}, owners)
    equal = [
        timed_call(lambda: diff("estate", desired, [same], KINDS, memory, lambda *_: True, NOW)) for _ in range(rounds)
    ]
    new = [
        timed_call(lambda: diff("estate", desired, [nothing], KINDS, fresh, lambda *_: True, NOW))
        for _ in range(rounds)
    ]
    result = Result("digest", "Diff and digest of 12,000 resources")
    result.remarks.append("No system is asked: desired and seen are in memory. The targets are CPU time.")
    nothing_changed, everything = result.row("nothing changed", equal), result.row("everything is to be made", new)
    result.figures += [
        Figure("Diff and digest of 12,000 resources, nothing changed", round(nothing_changed.cpu * 1000), "ms", 100),
        Figure("Diff and digest of 12,000 resources, all to be made", round(everything.cpu * 1000), "ms", 100),
    ]
    return result
