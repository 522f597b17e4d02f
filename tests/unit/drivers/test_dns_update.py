"""How changes become messages: read back with dnspython, packed by tenant, split by halves."""

from __future__ import annotations

from datetime import UTC, datetime

import dns.message
import dns.opcode
import dns.rdatatype
import dns.update

from control_plane.drivers.dns_update import PACK_LIMIT, Unit, build, encode, halves, judge, pack
from control_plane.drivers.dns_wire import SOA
from control_plane.drivers.dns_zone import Zone, marker_name, marker_value
from control_plane.model.resource import Measured
from tests.drivers.bind import plan_of, rrset

ROW = ("qingdao.test", SOA, 300, "ns1.core.qingdao.test. h.qingdao.test. 1 2 3 4 5", None, None)
EMPTY = Zone("qingdao.test", [ROW, ROW])


def unit(name: str, tenant: str, size: int = 1000, needs_targets: bool = False) -> Unit:
    return Unit(name, tenant, [], needs_targets, size=size)


def test_a_created_record_travels_with_its_marker_and_both_must_be_absent() -> None:

    wanted = rrset("fgw", "A", "192.0.2.1", "192.0.2.2")
    plan = plan_of([Measured(wanted.part, datetime.now(UTC), {})], [wanted])
    todo, known = judge(EMPTY, "fgw.qingdao.test", plan.steps)
    assert known == []
    wire = encode("qingdao.test", [build(EMPTY, "fgw.qingdao.test", todo)])
    message = dns.message.from_wire(wire)
    assert isinstance(message, dns.update.UpdateMessage)
    assert message.opcode() == dns.opcode.UPDATE
    assert message.zone[0].name.to_text() == "qingdao.test."
    marker = marker_name("fgw.qingdao.test", "qingdao.test")
    line = marker_value("t_fgw/public_site", "fgw.qingdao.test", ["A"])
    assert [rrset.to_text() for rrset in message.prerequisite] == [
        "fgw.qingdao.test. NONE ANY",
        f"{marker}. NONE ANY",
    ]
    assert [rrset.to_text() for rrset in message.update] == [
        "fgw.qingdao.test. 300 IN A 192.0.2.1",
        "fgw.qingdao.test. 300 IN A 192.0.2.2",
        f'{marker}. 300 IN TXT "{line}"',
    ]


def test_an_empty_message_is_a_message() -> None:
    message = dns.message.from_wire(encode("qingdao.test", ()))
    assert isinstance(message, dns.update.UpdateMessage)
    assert not message.prerequisite
    assert not message.update


def test_messages_are_filled_tenant_by_tenant() -> None:
    units = [unit(f"n{n}", f"t{n // 5:02}") for n in range(100)]
    messages = pack(reversed(units))
    assert sorted(u.name for m in messages for u in m) == sorted(u.name for u in units)
    assert all(sum(u.size for u in m) <= PACK_LIMIT for m in messages)
    assert len(messages) == 3
    owners = [{u.tenant for u in m} for m in messages]
    assert not any(a & b for i, a in enumerate(owners) for b in owners[i + 1 :])


def test_only_a_tenant_who_is_too_big_is_cut() -> None:
    units = [*(unit(f"a{n}", "a") for n in range(10)), *(unit(f"b{n}", "b") for n in range(120)), unit("c", "c")]
    messages = pack(units)
    assert {u.tenant for u in messages[0]} == {"a", "b"} or {u.tenant for u in messages[0]} == {"a"}
    assert all(sum(u.size for u in m) <= PACK_LIMIT for m in messages)
    assert len(messages) == 3


def test_a_name_bigger_than_the_limit_goes_alone() -> None:
    assert [[u.name for u in m] for m in pack([unit("a", "a"), unit("b", "b", PACK_LIMIT + 1), unit("c", "c")])] == [
        ["a"],
        ["b"],
        ["c"],
    ]


def test_what_needs_targets_comes_after_all_others() -> None:
    messages = pack([unit("mx", "a", needs_targets=True), unit("host", "b"), unit("x", "a")])
    assert [[u.name for u in m] for m in messages] == [["x", "host", "mx"]]


def test_halves_part_tenants_first_then_names() -> None:
    units = [unit("a1", "a"), unit("a2", "a"), unit("b1", "b"), unit("c1", "c")]
    assert [[u.name for u in part] for part in halves(units)] == [["a1", "a2"], ["b1", "c1"]]
    assert [[u.name for u in part] for part in halves(units[:2])] == [["a1"], ["a2"]]
