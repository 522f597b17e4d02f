"""6,000 records: the DNS driver's apply, its own look included, beside `nsupdate` fed the same messages.

What `nsupdate` gets is decoded from the very messages that the driver would send: records, owner markers and
prerequisites. Only the driver is measured, in a process that has it loaded; `nsupdate` from exec to exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dns.message
import dns.rdataclass
import dns.rdatatype

from bench import estates
from bench.centre import ZONES, Centre
from bench.measure import Timing, alternate, timed, timed_call
from bench.results import Figure, Result
from control_plane.drivers.dns import DnsDriver
from control_plane.drivers.dns_update import build, encode, judge, pack
from control_plane.model.plan import Change, Memory, diff
from control_plane.model.ports import Outcome
from control_plane.model.resource import Measured, Owner, Resource

TENANTS = 1000
ZONE = estates.DOMAIN
PART = f"dns:{ZONE}"


def resources(tenants: int = TENANTS) -> dict[str, Resource]:
    """Three names with an address of each family a tenant: 6 records."""
    found: dict[str, Resource] = {}
    for number in range(1, tenants + 1):
        code = f"t{number:05d}"
        owner = Owner(f"t_{code}", code, "public_site")
        for name in (f"{code}.{ZONE}", f"www.{code}.{ZONE}", f"app.{code}.{ZONE}"):
            for kind, value in (("A", "198.51.100.80"), ("AAAA", "fd94:0:1:1::80")):
                attributes = {"name": name, "type": kind, "ttl": 300, "values": [value]}
                found[f"dns:{name}/{kind}"] = Resource(f"dns:{name}/{kind}", "dns.rrset", PART, owner, attributes)
    return found


def measure(centre: Centre, rounds: int = 5) -> Result:
    """Medians; the zone is emptied before each run."""
    wanted = resources()
    driver = DnsDriver(
        centre.addresses["ns1"], 53, ZONES, "gasp-internal.", centre.state / "secrets" / "tsig-internal", 60.0
    )
    centre.wipe_names(ZONE)
    changes = plan(driver, wanted)
    messages = as_text(driver, changes, centre.addresses["ns1"])

    def product() -> Timing:
        centre.wipe_names(ZONE)
        outcomes: list[Outcome] = []
        took = timed_call(
            lambda: outcomes.extend(o for o in driver.apply(PART, changes, lambda: None) if isinstance(o, Outcome))
        )
        if {o.state for o in outcomes} != {"applied"} or len(outcomes) != len(changes):
            raise RuntimeError("the driver did not apply all records")
        return took

    def client() -> Timing:
        centre.wipe_names(ZONE)
        return timed(["nsupdate", "-v", "-k", str(centre.key_file)], stdin=messages.encode())

    product()
    client()
    found = alternate(rounds, {"driver": product, "nsupdate": client})
    result = Result("records", "6,000 records")
    ours, theirs = result.row("DNS driver's apply", found["driver"]), result.row("nsupdate", found["nsupdate"])
    result.remarks.append(
        f"{len(changes)} record sets of one record, {TENANTS * 3} owner markers, {messages.count('send')} messages,"
        f" {messages.count('prereq')} prerequisites."
    )
    result.figures.append(Figure("6,000 records, to `nsupdate`", ours.seconds / theirs.seconds, "x", 4))
    return result


def plan(driver: DnsDriver, wanted: dict[str, Resource]) -> tuple[Change, ...]:
    """The changes that the engine would plan for an empty zone."""
    look = driver.observe(PART)
    if not isinstance(look, Measured):
        raise RuntimeError(str(look.reason))
    owners = {r.owner.marker: r.owner for r in wanted.values()}
    kinds = {kind.name: kind for kind in driver.kinds}
    now = datetime.now(UTC)
    return diff("estate", wanted, [look], kinds, Memory({}, {}, owners), lambda *_: True, now).steps


def as_text(driver: DnsDriver, changes: Sequence[Change], server: str) -> str:
    """The messages that the driver would send, in `nsupdate`'s words."""
    zone = driver._read(PART)
    by_name: dict[str, list[Change]] = {}
    for change in changes:
        by_name.setdefault(change.id.removeprefix("dns:").rpartition("/")[0], []).append(change)
    units = []
    for name, group in by_name.items():
        todo, _ = judge(zone, name, group)
        units.append(build(zone, name, todo))
    rows: list[str] = [f"server {server}", f"zone {ZONE}"]
    for message in pack(units):
        rows += _words(encode(ZONE, message))
    return "\n".join([*rows, ""])


def _words(wire: bytes) -> list[str]:
    message: Any = dns.message.from_wire(wire)
    rows: list[str] = []
    for rrset in message.prerequisite:
        kind, name = dns.rdatatype.to_text(rrset.rdtype), rrset.name
        cls = rrset.deleting if rrset.deleting is not None else rrset.rdclass
        absent = cls == dns.rdataclass.NONE
        if rrset.rdtype == dns.rdatatype.ANY:
            rows.append(f"prereq {'nxdomain' if absent else 'yxdomain'} {name}")
        elif absent or cls == dns.rdataclass.ANY:
            rows.append(f"prereq {'nxrrset' if absent else 'yxrrset'} {name} {kind}")
        else:
            rows += [f"prereq yxrrset {name} {kind} {rdata.to_text()}" for rdata in rrset]
    for rrset in message.update:
        kind, name = dns.rdatatype.to_text(rrset.rdtype), rrset.name
        if rrset.deleting == dns.rdataclass.ANY:
            rows.append(f"update delete {name}" + ("" if rrset.rdtype == dns.rdatatype.ANY else f" {kind}"))
        elif rrset.deleting == dns.rdataclass.NONE:
            rows += [f"update delete {name} {kind} {rdata.to_text()}" for rdata in rrset]
        else:
            rows += [f"update add {name} {rrset.ttl} {kind} {rdata.to_text()}" for rdata in rrset]
    return [*rows, "send"]
