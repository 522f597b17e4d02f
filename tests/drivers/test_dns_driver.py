"""Record sets on a real BIND: apply, read back, and the next plan is empty; what is not ours stays as it is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from control_plane.drivers.dns_zone import marker_name, marker_value
from control_plane.model.ports import Notice
from control_plane.model.resource import Measured, Resource
from tests.drivers.bind import PART, ZONES, Bind, bind, private_bind, rrset, zone_text
from tests.waiting import wait_until

__all__ = ["bind"]

LONG_LABEL = "river-and-coast-water-quality-bulletin-of-the-whole-bay-area-07"
LONG_NAME = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 48])
TARGETS = [rrset("mail", "A", "198.51.100.25", tenant="jszx"), rrset("@", "MX", "10 mail.qingdao.test.", tenant="dzb")]
SHAPES: dict[str, list[Resource]] = {
    "addresses": [rrset("fgw", "A", "198.51.100.80"), rrset("fgw", "AAAA", "fd94:0:1:1::80")],
    "several values": [rrset("fgw", "A", *(f"198.51.100.{n}" for n in range(1, 30)))],
    "alias": [rrset("www.fgw", "CNAME", "fgw.qingdao.test.")],
    "alias out of the zone": [rrset("www.fgw", "CNAME", "www.example.com.")],
    "authority": [rrset("fgw", "CAA", '0 issue "ca.qingdao.test"', '0 issuewild ";"', '128 iodef "mailto:a@b.test"')],
    "service": [rrset("_ldap._tcp.fgw", "SRV", "0 0 389 directory.core.qingdao.test.")],
    "pointer": [rrset("1.ptr", "PTR", "fgw.qingdao.test.")],
    "delegation": [rrset("sub", "NS", "ns1.core.qingdao.test.")],
    "mail needs its target": TARGETS[::-1],
    "DKIM": [rrset("k1._domainkey.hbj", "TXT", "v=DKIM1; k=rsa; p=" + "A" * 392)],
    "SPF": [rrset("hbj", "TXT", "v=spf1 ip4:192.0.2.0/24 -all")],
    "quotes, semicolons, backslashes": [rrset("note.hbj", "TXT", 'say "hello"; then \\ stop')],
    "cut inside a character": [rrset("zh.hbj", "TXT", "x" + "青" * 100)],
    "empty text": [rrset("empty", "TXT", "")],
    "text of 4,000 octets": [rrset("long", "TXT", "0123456789" * 400)],
    "two texts": [rrset("two", "TXT", "a b", 'c "d"')],
    "label of 63 octets": [rrset(LONG_LABEL, "A", "203.0.113.41", tenant="hyyyj")],
    "name of 253 octets": [rrset(LONG_NAME, "A", "203.0.113.41"), rrset(LONG_NAME, "TXT", "x")],
    "wildcard": [rrset("*.jw", "A", "203.0.113.20"), rrset("wildcard.jw", "A", "203.0.113.21")],
    "Chinese": [rrset("xn--yit597k", "A", "203.0.113.22")],
    "apex": [rrset("@", "A", "198.51.100.80"), rrset("@", "TXT", "v=spf1 -all"), rrset("@", "CAA", '0 issue ";"')],
    "time to live 0": [rrset("zero", "A", "203.0.113.1", ttl=0)],
    "internal zone": [rrset("fgw", "A", "10.94.0.15", zone="intra.qingdao.test"), rrset("fgw", "A", "198.51.100.1")],
    "two owners of one name": [rrset("fgw", "A", "198.51.100.1"), rrset("fgw", "TXT", "m", offering="mailbox")],
    "two tenants at one name": [rrset("x", "A", "198.51.100.1"), rrset("x", "TXT", "m", tenant="gaj")],
}


def test_every_shape_reads_back_as_written_and_goes_without_a_trace(bind: Bind) -> None:
    before = {zone: bind.lines(zone) for zone in ZONES}
    for name, wanted in SHAPES.items():
        assert wanted[-1].attributes["name"], name
        assert len(wanted[0].attributes["name"]) <= 253
        bind.reach(wanted)
        bind.reach([], known=wanted)
        assert {zone: bind.lines(zone) for zone in ZONES} == before, name


def test_all_shapes_at_once_then_one_answers_on_the_wire(bind: Bind) -> None:
    unique = {r.id: r for wanted in SHAPES.values() for r in wanted if (r.attributes["name"], r.owner.offering)}
    bind.reach(unique.values())
    assert str(bind.ask("foo.jw.qingdao.test", "A").answer[0][0]) == "203.0.113.20"
    (text,) = bind.ask("zh.hbj.qingdao.test", "TXT").answer[0]
    assert b"".join(text.strings) == ("x" + "青" * 100).encode()
    assert len(text.strings) == 2
    (text,) = bind.ask("hbj.qingdao.test", "TXT").answer[0]
    assert text.strings == (b"v=spf1 ip4:192.0.2.0/24 -all",)


CHANGES: dict[str, tuple[list[Resource], list[Resource]]] = {
    "address": ([rrset("fgw", "A", "198.51.100.1")], [rrset("fgw", "A", "198.51.100.2")]),
    "time to live only": ([rrset("fgw", "A", "198.51.100.1")], [rrset("fgw", "A", "198.51.100.1", ttl=60)]),
    "one more type": ([rrset("fgw", "A", "198.51.100.1")], SHAPES["addresses"]),
    "one type less": (SHAPES["addresses"], [rrset("fgw", "AAAA", "fd94:0:1:1::80")]),
    "alias to address": ([rrset("w", "CNAME", "fgw.qingdao.test.")], [rrset("w", "A", "198.51.100.2")]),
    "address to alias": (
        [rrset("w", "A", "198.51.100.2"), rrset("w", "TXT", "x")],
        [rrset("w", "CNAME", "fgw.qingdao.test.")],
    ),
    "part of the values": ([rrset("t", "TXT", "a", "b")], [rrset("t", "TXT", "b", "c")]),
    "mail moves to a new host": (
        [rrset("m1", "A", "198.51.100.1"), rrset("@", "MX", "10 m1.qingdao.test.")],
        [rrset("m2", "A", "198.51.100.1"), rrset("@", "MX", "10 m2.qingdao.test.")],
    ),
    "everything else": (SHAPES["two texts"], SHAPES["wildcard"]),
}


def test_changes_of_what_exists(bind: Bind) -> None:
    for before, after in CHANGES.values():
        bind.reach(before)
        bind.reach(after, known=before)
        assert sum("v=gasp1" in line for line in bind.lines("qingdao.test")) == len(
            {r.attributes["name"] for r in after}
        )
        bind.reach([], known=[*before, *after])


def test_the_marker_is_written_in_the_same_message_and_ends_with_the_last_type(bind: Bind) -> None:
    a, text = rrset("fgw", "A", "198.51.100.1"), rrset("fgw", "TXT", "x")
    at = marker_name("fgw.qingdao.test", "qingdao.test")
    serial = bind.serial("qingdao.test")
    bind.reach([a, text])
    assert bind.serial("qingdao.test") == serial + 1
    (found,) = bind.ask(at, "TXT").answer[0]
    assert found.strings == (b"v=gasp1 o=t_fgw/public_site n=fgw.qingdao.test t=A,TXT",)
    bind.reach([a], known=[text])
    (found,) = bind.ask(at, "TXT").answer[0]
    assert found.strings == (b"v=gasp1 o=t_fgw/public_site n=fgw.qingdao.test t=A",)
    bind.reach([], known=[a])
    assert not bind.ask(at, "TXT").answer


def test_a_name_that_moves_to_another_offering_takes_its_marker_along(bind: Bind) -> None:
    old = rrset("fgw", "A", "198.51.100.1")
    new = rrset("fgw", "A", "198.51.100.2", offering="intranet")
    bind.reach([old])
    plan = bind.plan([new], known=[old], applied=True)
    assert [c.action for c in plan.changes] == ["update"]
    bind.carry_out(plan)
    assert bind.plan([new], known=[old]).empty


def test_what_is_not_ours_is_reported_and_stays_byte_for_byte(bind: Bind) -> None:
    by_hand = [("add", f"hand{n}.qingdao.test.", 77, "A", f"192.0.2.{n}") for n in range(1, 40)]
    by_hand += [
        ("add", "t.qingdao.test.", 77, "TXT", '"two" "strings"'),
        ("add", "t.qingdao.test.", 77, "TXT", '"\\255\\000"'),
        ("add", "o.qingdao.test.", 77, "TYPE65280", "\\# 2 0102"),
        ("add", "fgw.qingdao.test.", 77, "TXT", '"beside ours"'),
        ("add", "qingdao.test.", 77, "TXT", '"at the apex"'),
        ("add", "Upper.Case.qingdao.test.", 77, "MX", "5 Mail.Example.COM."),
    ]
    bind.by_hand("qingdao.test", *by_hand)
    before = bind.lines("qingdao.test")
    wanted = [rrset("fgw", "A", "198.51.100.1"), rrset("@", "A", "198.51.100.1"), rrset("a.hand1", "A", "192.0.2.1")]
    bind.reach(wanted)
    look = bind.driver().observe(PART)
    assert isinstance(look, Measured)
    assert look.reads == 1
    assert len(look.foreign) == 39 + 5 + 2
    bind.reach([], known=wanted)
    assert bind.lines("qingdao.test") == before


def test_a_conflict_is_planned_as_such_and_stops_no_neighbour(bind: Bind) -> None:
    bind.by_hand("qingdao.test", ("add", "news.hyyyj.qingdao.test.", 300, "A", "192.0.2.9"))
    wanted = [
        rrset("news.hyyyj", "CNAME", "web.qingdao.test.", tenant="hyyyj"),
        rrset("www.hyyyj", "A", "203.0.113.31", tenant="hyyyj"),
        rrset("www.lvyj", "A", "203.0.113.32", tenant="lvyj"),
        rrset("@", "CNAME", "web.qingdao.test.", tenant="lvyj"),
    ]
    plan = bind.plan(wanted)
    conflicts = {c.id: c for c in plan.changes if c.action == "conflict"}
    assert set(conflicts) == {"dns:news.hyyyj.qingdao.test/CNAME", "dns:qingdao.test/CNAME"}
    assert conflicts["dns:news.hyyyj.qingdao.test/CNAME"].tenant == "hyyyj"
    assert "192.0.2.9" in str(conflicts["dns:news.hyyyj.qingdao.test/CNAME"].in_the_way)
    assert "SOA" in str(conflicts["dns:qingdao.test/CNAME"].in_the_way)
    assert {o.state for o in bind.carry_out(plan).values()} == {"applied"}
    assert bind.ask("www.lvyj.qingdao.test", "A").answer
    assert str(bind.ask("news.hyyyj.qingdao.test", "A").answer[0][0]) == "192.0.2.9"


HANDS: dict[str, tuple[list[tuple[object, ...]], str, str]] = {
    "content": ([("replace", "fgw.qingdao.test.", 300, "A", "192.0.2.66")], "update", "198.51.100.1"),
    "time to live": ([("replace", "fgw.qingdao.test.", 5, "A", "198.51.100.1")], "update", "198.51.100.1"),
    "one more value": ([("add", "fgw.qingdao.test.", 300, "A", "192.0.2.66")], "update", "198.51.100.1"),
    "deleted": ([("delete", "fgw.qingdao.test.", "A")], "create", "198.51.100.1"),
    "deleted with its marker": (
        [
            ("delete", "fgw.qingdao.test.", "A"),
            ("delete", marker_name("fgw.qingdao.test", "qingdao.test") + ".", "TXT"),
        ],
        "create",
        "198.51.100.1",
    ),
    "marker deleted": (
        [("delete", marker_name("fgw.qingdao.test", "qingdao.test") + ".", "TXT")],
        "conflict",
        "198.51.100.1",
    ),
    "marker altered": (
        [("replace", marker_name("fgw.qingdao.test", "qingdao.test") + ".", 300, "TXT", '"mine"')],
        "conflict",
        "198.51.100.1",
    ),
}


@pytest.mark.parametrize(("steps", "action", "finally_there"), HANDS.values(), ids=HANDS.keys())
def test_changes_by_hand(bind: Bind, steps: list[tuple[object, ...]], action: str, finally_there: str) -> None:
    wanted = [rrset("fgw", "A", "198.51.100.1"), rrset("other", "A", "198.51.100.2")]
    bind.reach(wanted)
    bind.by_hand("qingdao.test", *steps)
    plan = bind.plan(wanted, known=wanted, applied=True)
    assert [(c.action, c.id) for c in plan.changes] == [(action, "dns:fgw.qingdao.test/A")]
    assert {o.state for o in bind.carry_out(plan).values()} <= {"applied"}
    assert [str(r) for r in bind.ask("fgw.qingdao.test", "A").answer[0]] == [finally_there]
    if action != "conflict":
        assert bind.plan(wanted).empty


def test_a_text_cut_another_way_by_hand_is_put_right_or_removed(bind: Bind) -> None:
    wanted = [rrset("t", "TXT", "ab"), rrset("u", "TXT", "ab")]
    bind.reach(wanted)
    for name in ("t", "u"):
        bind.by_hand("qingdao.test", ("replace", f"{name}.qingdao.test.", 300, "TXT", '"a" "b"'))
    plan = bind.plan(wanted, known=wanted, applied=True)
    assert [c.action for c in plan.changes] == ["update", "update"]
    assert plan.changes[0].before is not None
    assert plan.changes[0].before["stored"] == ['"a" "b"']
    bind.reach(wanted[:1], known=wanted)


def test_a_marker_that_nothing_answers_to_is_taken_away(bind: Bind) -> None:
    """Records deleted by hand leave their marker; the next change of the same owner takes it along."""
    wanted = [rrset("fgw", "A", "198.51.100.1"), rrset("www.fgw", "A", "198.51.100.1")]
    neighbour = rrset("gaj", "A", "198.51.100.2", tenant="gaj")
    bind.reach([*wanted, neighbour])
    bind.by_hand("qingdao.test", ("delete", "fgw.qingdao.test.", "A"), ("delete", "gaj.qingdao.test.", "A"))
    bind.reach([], known=[*wanted, neighbour])
    left = [line for line in bind.lines("qingdao.test") if "v=gasp1" in line]
    assert len(left) == 1
    assert "o=t_gaj/" in left[0]
    bind.reach([neighbour])
    assert len([line for line in bind.lines("qingdao.test") if "v=gasp1" in line]) == 1


def test_a_type_in_our_marker_that_nobody_wants_is_removed_with_it(bind: Bind) -> None:
    owner = rrset("fgw", "A", "198.51.100.1")
    at = marker_name("fgw.qingdao.test", "qingdao.test")
    line = marker_value(owner.owner.marker, "fgw.qingdao.test", ["HINFO"])
    bind.by_hand(
        "qingdao.test",
        ("add", "fgw.qingdao.test.", 300, "HINFO", '"cpu" "os"'),
        ("add", at + ".", 300, "TXT", f'"{line}"'),
    )
    bind.reach([owner], known=[owner])
    assert not any("HINFO" in row for row in bind.lines("qingdao.test"))


def test_a_foreign_alias_at_the_place_of_the_marker_is_respected(bind: Bind) -> None:
    """The server would drop the marker in silence beside a CNAME: then the record is not written either."""
    at = marker_name("fgw.qingdao.test", "qingdao.test")
    bind.by_hand("qingdao.test", ("add", at + ".", 300, "CNAME", "evil.qingdao.test."))
    before = bind.lines("qingdao.test")
    plan = bind.plan([rrset("fgw", "A", "198.51.100.1")])
    (outcome,) = bind.carry_out(plan).values()
    assert outcome.state == "refused"
    assert "evil.qingdao.test" in str(outcome.text)
    assert bind.lines("qingdao.test") == before


def test_other_records_at_the_place_of_the_marker_stay(bind: Bind) -> None:
    at = marker_name("fgw.qingdao.test", "qingdao.test")
    bind.by_hand("qingdao.test", ("add", at + ".", 300, "HINFO", '"a" "b"'))
    before = bind.lines("qingdao.test")
    wanted = [rrset("fgw", "A", "198.51.100.1")]
    bind.reach(wanted)
    bind.by_hand("qingdao.test", ("add", at + ".", 300, "TXT", '"by hand"'))
    bind.reach([rrset("fgw", "A", "198.51.100.2")], known=wanted)
    bind.by_hand("qingdao.test", ("delete", at + ".", "TXT", '"by hand"'))
    bind.reach([], known=wanted)
    assert bind.lines("qingdao.test") == before


def test_records_below_a_delegation_are_refused(bind: Bind) -> None:
    bind.by_hand("qingdao.test", ("add", "core.qingdao.test.", 300, "NS", "ns1.core.qingdao.test."))
    plan = bind.plan([rrset("x.core", "A", "198.51.100.1"), rrset("x", "A", "198.51.100.1")])
    outcomes = bind.carry_out(plan)
    assert outcomes["dns:x.qingdao.test/A"].state == "applied"
    assert outcomes["dns:x.core.qingdao.test/A"].state == "refused"
    assert "NS" in str(outcomes["dns:x.core.qingdao.test/A"].text)


UNFIT = {
    "values not in their one form": rrset("x", "AAAA", "2001:DB8::1"),
    "upper case in a target": rrset("x", "CNAME", "WWW.qingdao.test."),
    "no value": rrset("x", "A"),
    "another type's value": rrset("x", "A", "hello"),
    "unknown type": rrset("x", "HINFO", '"a" "b"'),
    "time to live": rrset("x", "A", "192.0.2.1", ttl=-1),
    "upper case": rrset("X", "A", "192.0.2.1"),
    "label of 64 octets": rrset("x" * 64, "A", "192.0.2.1"),
    "name of 254 octets": rrset("d" + LONG_NAME, "A", "192.0.2.1"),
    "another zone": Resource("dns:x.example.test/A", "dns.rrset", PART, rrset("x", "A").owner, {}),
    "the inner zone": Resource("dns:x.intra.qingdao.test/A", "dns.rrset", PART, rrset("x", "A").owner, {}),
    "no content": Resource("dns:x.qingdao.test/A", "dns.rrset", PART, rrset("x", "A").owner, {"name": "x"}),
    "another name than the id's": Resource(
        "dns:x.qingdao.test/A", "dns.rrset", PART, rrset("x", "A").owner, rrset("y", "A", "192.0.2.1").attributes
    ),
    "more than a message holds": rrset("x", "TXT", *("z" * 20_000 + str(n) for n in range(4))),
    "refused by the server's check of names": rrset("bad_name", "A", "192.0.2.1"),
    "mail to a host without an address": rrset("x", "MX", "10 nobody.qingdao.test."),
    "alias beside another record of the plan": rrset("good", "CNAME", "web.qingdao.test."),
}


@pytest.mark.parametrize("bad", UNFIT.values(), ids=UNFIT.keys())
def test_an_unfit_record_is_named_and_stops_no_other(bind: Bind, bad: Resource) -> None:
    good = [rrset("good", "A", "192.0.2.1"), *(rrset(f"n{n}", "A", "192.0.2.1", tenant=f"t{n}") for n in range(9))]
    outcomes = bind.carry_out(bind.plan([*good, bad]))
    outcome = outcomes.pop(bad.id)
    assert outcome.state in ("failed", "refused")
    assert outcome.text
    assert {o.state for o in outcomes.values()} == {"applied"}
    assert bind.plan(good).empty


def test_a_bad_mail_record_does_not_hold_back_the_address_of_the_same_name(bind: Bind) -> None:
    wanted = [rrset("x", "A", "192.0.2.1"), rrset("x", "MX", "10 nobody.qingdao.test.")]
    outcomes = bind.carry_out(bind.plan(wanted))
    assert outcomes["dns:x.qingdao.test/A"].state == "applied"
    assert outcomes["dns:x.qingdao.test/MX"].state == "failed"
    assert "address" in str(outcomes["dns:x.qingdao.test/MX"].text)


def test_thousands_of_records_go_in_few_messages_each_a_whole_of_tenants(bind: Bind) -> None:
    wanted = [rrset(f"s{n}.t{n // 6}", "A", f"198.51.{n // 250}.{n % 250}", tenant=f"t{n // 6}") for n in range(1200)]
    plan = bind.plan(wanted)
    steps = list(bind.driver().apply(PART, plan.steps, lambda: None))
    notices = [s for s in steps if isinstance(s, Notice)]
    assert {n.stage for n in notices} == set(bind.driver().stages)
    sent = [n.detail["names"] for n in notices if n.stage == "message.ready"]
    assert sum(sent) == 1200
    assert len(sent) <= 12
    assert all(names % 6 == 0 for names in sent)
    assert bind.plan(wanted).empty


def test_serials_rise_by_the_servers_own_arithmetic_and_the_secondary_follows(tmp_path: Path) -> None:
    texts = {
        "qingdao.test": zone_text("qingdao.test", 4294967290),
        "intra.qingdao.test": zone_text("intra.qingdao.test", 2026112499),
    }
    with private_bind(tmp_path, texts, secondary=True) as bind:
        assert bind.secondary is not None
        second = bind.secondary.port
        seen: dict[str, list[int]] = {zone: [bind.serial(zone)] for zone in ZONES}
        wanted: list[Resource] = []
        for number in range(12):
            new = [rrset(f"n{number}", "A", "192.0.2.1", zone=zone) for zone in ZONES]
            bind.reach([*wanted, *new])
            wanted += new
            for zone in ZONES:
                seen[zone].append(bind.serial(zone))
        for zone, serials in seen.items():
            steps = {(b - a) % 2**32 for a, b in pairwise(serials)}
            assert steps <= {1, 2}, serials  # RFC 1982: 0 is skipped
            assert len(set(serials)) == 13
            wait_until(lambda zone=zone: bind.serial(zone, second) == bind.serial(zone), 60, "secondary follows")
            assert bind.transfer(zone, second).to_text() == bind.transfer(zone).to_text()
        assert seen["qingdao.test"][-1] < 20
        assert seen["intra.qingdao.test"][-1] == 2026112499 + 12


def test_ten_thousand_records_cost_one_read(tmp_path: Path) -> None:
    lines = [f"hand{n}.qingdao.test. A 192.0.2.1" for n in range(10_000)]
    with private_bind(tmp_path, {"qingdao.test": zone_text("qingdao.test", lines=lines)}) as bind:
        look = bind.driver().observe(PART)
        assert isinstance(look, Measured)
        assert (look.reads, len(look.foreign)) == (1, 10_002)


def test_names_find_their_part(bind: Bind) -> None:
    driver = bind.driver()
    assert driver.parts() == [f"dns:{zone}" for zone in ZONES]
    assert driver.part_of("a.intra.qingdao.test") == "dns:intra.qingdao.test"
    assert driver.part_of("a.qingdao.test") == PART
    assert driver.part_of("a.example.test") is None
