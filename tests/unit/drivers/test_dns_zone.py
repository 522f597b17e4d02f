"""Whose a record set is, what is foreign and what it blocks: decided on records, without a server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from control_plane.drivers.dns_wire import DecodeError, type_number
from control_plane.drivers.dns_zone import (
    OUR_TYPES,
    Zone,
    Zones,
    marker_label,
    marker_name,
    marker_value,
    parse_marker,
)

ZONE = "qingdao.test"
APEX = [(ZONE, "SOA", "ns1.core.qingdao.test. h.qingdao.test. 1 2 3 4 5"), (ZONE, "NS", "ns1.core.qingdao.test.")]
OWNER = "t_k3/public_site"
Row = tuple[str, str, str]


def marker(name: str, *types: str, owner: str = OWNER) -> Row:
    return marker_name(name, ZONE), "TXT", marker_value(owner, name, types)


def read(*rows: Row) -> Zone:
    records = [(name, type_number(rtype), 300, value, None, None) for name, rtype, value in [*APEX, *rows]]
    return Zone(ZONE, [*records, records[0]])


A = ("fgw.qingdao.test", "A", "192.0.2.1")
TXT = ("fgw.qingdao.test", "TXT", "hello")
CNAME = ("www.qingdao.test", "CNAME", "fgw.qingdao.test.")
OWNED: dict[str, tuple[list[Row], dict[str, str], set[str]]] = {
    "marker and record": ([A, marker("fgw.qingdao.test", "A")], {"fgw.qingdao.test/A": OWNER}, set()),
    "types not listed are foreign": (
        [A, TXT, marker("fgw.qingdao.test", "A")],
        {"fgw.qingdao.test/A": OWNER},
        {"fgw.qingdao.test/TXT"},
    ),
    "two owners at one name": (
        [A, TXT, marker("fgw.qingdao.test", "A"), marker("fgw.qingdao.test", "TXT", owner="t_x/mail")],
        {"fgw.qingdao.test/A": OWNER, "fgw.qingdao.test/TXT": "t_x/mail"},
        set(),
    ),
    "no marker": ([A], {}, {"fgw.qingdao.test/A"}),
    "marker without records": ([marker("fgw.qingdao.test", "A")], {}, set()),
    "marker of one record that is gone": (
        [A, marker("fgw.qingdao.test", "A", "AAAA")],
        {"fgw.qingdao.test/A": OWNER},
        set(),
    ),
    "marker at another name's place": (
        [A, (marker_name("x.qingdao.test", ZONE), "TXT", marker_value(OWNER, "fgw.qingdao.test", ["A"]))],
        {},
        {"fgw.qingdao.test/A", marker_name("x.qingdao.test", ZONE) + "/TXT"},
    ),
    "marker changed by hand": (
        [A, (marker_name("fgw.qingdao.test", ZONE), "TXT", "v=gasp1 o=me n=fgw.qingdao.test t=A")],
        {},
        {"fgw.qingdao.test/A", marker_name("fgw.qingdao.test", ZONE) + "/TXT"},
    ),
    "wildcard": (
        [("*.jw.qingdao.test", "A", "192.0.2.2"), marker("*.jw.qingdao.test", "A")],
        {"*.jw.qingdao.test/A": OWNER},
        set(),
    ),
    "the apex": ([(ZONE, "A", "192.0.2.3"), marker(ZONE, "A")], {"qingdao.test/A": OWNER}, set()),
    "what the server writes itself": ([(ZONE, "NSEC3PARAM", "1 0 0 -")], {}, set()),
}


@pytest.mark.parametrize(("rows", "ours", "foreign"), OWNED.values(), ids=OWNED.keys())
def test_ownership(rows: list[Row], ours: dict[str, str], foreign: set[str]) -> None:
    seen, others = read(*rows).observed()
    assert {i: o.owner_marker for i, o in seen.items()} == {f"dns:{i}": owner for i, owner in ours.items()}
    assert {f.id for f in others} == {f"dns:{i}" for i in foreign}


def test_what_is_seen_is_complete() -> None:
    rows = [("fgw.qingdao.test", "A", f"192.0.2.{n}") for n in (9, 10, 1)]
    seen, _ = read(*rows, marker("fgw.qingdao.test", "A")).observed()
    found = seen["dns:fgw.qingdao.test/A"]
    assert found.attributes == {
        "name": "fgw.qingdao.test",
        "type": "A",
        "ttl": 300,
        "values": ["192.0.2.1", "192.0.2.10", "192.0.2.9"],
    }
    assert (found.kind, found.label, found.token) == ("dns.rrset", "fgw.qingdao.test A", OWNER)


@pytest.mark.parametrize(
    ("row", "blocked"),
    [
        (A, ["CNAME", "A"]),
        (CNAME, OUR_TYPES),
        (("k.qingdao.test", "NS", "ns.k.qingdao.test."), OUR_TYPES),
        (("h.qingdao.test", "HINFO", '"a" "b"'), ["CNAME"]),
    ],
    ids=lambda v: v[1] if isinstance(v, tuple) and len(v) == 3 else "",
)
def test_what_a_foreign_record_blocks(row: Row, blocked: list[str]) -> None:
    (foreign,) = read(row).observed()[1]
    assert set(foreign.blocks) == {f"dns:{row[0]}/{rtype}" for rtype in blocked}
    assert row[2] in foreign.label


def test_the_apex_rules_out_an_alias() -> None:
    assert set(read().apex_blocked()) == {"dns:qingdao.test/CNAME", "dns:qingdao.test/NS"}


def test_what_stands_under_an_inner_zone_is_foreign_and_blocks_nothing() -> None:
    name = "a.intra.qingdao.test"
    seen, foreign = read((name, "A", "192.0.2.1"), marker(name, "A")).observed(["intra.qingdao.test"])
    assert not seen
    assert [(f.id, f.blocks) for f in foreign] == [(f"dns:{name}/A", ())]


def test_the_longest_zone_gets_the_name() -> None:
    zones = Zones(["qingdao.test", "intra.qingdao.test"])
    assert zones.zone_of("fgw.qingdao.test") == "qingdao.test"
    assert zones.zone_of("fgw.intra.qingdao.test") == "intra.qingdao.test"
    assert zones.zone_of("intra.qingdao.test") == "intra.qingdao.test"
    assert zones.zone_of("xintra.qingdao.test") == "qingdao.test"
    assert zones.zone_of("example.test") is None
    assert zones.zone_of("qingdao.test.evil") is None
    assert zones.inside("qingdao.test") == ["intra.qingdao.test"]


@pytest.mark.parametrize(
    "name", ["fgw.qingdao.test", "*.jw.qingdao.test", ".".join(["a" * 63] * 3 + ["b" * 48, "qingdao.test"])]
)
def test_a_marker_exists_for_every_name(name: str) -> None:
    assert marker_label(name).isalnum()
    assert len(marker_label(name)) == 32
    assert parse_marker(marker_value(OWNER, name, ["TXT", "A"])) == (OWNER, name, ["A", "TXT"])


@pytest.mark.parametrize("change", [str.upper, lambda s: s[:-1], lambda s: s + "a", lambda s: "0" + s[1:]])
def test_a_marker_stands_at_its_hash_and_nowhere_else(change: Callable[[str], str]) -> None:
    wanted = marker_label("fgw.qingdao.test")
    at = f"{change(wanted)}._gasp.{ZONE}"
    seen, _ = read(A, (at, "TXT", marker_value(OWNER, "fgw.qingdao.test", ["A"]))).observed()
    assert not seen


def test_a_hash_with_leading_zeros_is_told_from_its_shorter_spellings() -> None:
    name = next(f"n{n}.{ZONE}" for n in range(10_000) if marker_label(f"n{n}.{ZONE}").startswith("a"))
    label, row = marker_label(name), (name, "A", "192.0.2.1")
    value = marker_value(OWNER, name, ["A"])
    assert read(row, (f"{label}._gasp.{ZONE}", "TXT", value)).observed()[0]
    for other in (label[1:4] + "_" + label[4:], label[1:], "+" + label[1:], "0" + label[1:]):
        assert not read(row, (f"{other}._gasp.{ZONE}", "TXT", value)).observed()[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=spf1 -all",
        "v=gasp2 o=t_k3/public_site n=a.test t=A",
        "v=gasp1 o=t_k3 n=a.test t=A",
        "v=gasp1 o=/public_site n=a.test t=A",
        "v=gasp1 o=t_k3/public_site n= t=A",
        "v=gasp1 o=t_k3/public_site n=a.test t=",
        "v=gasp1 o=t_k3/public_site n=a.test t=TXT,A",
        "v=gasp1 o=t_k3/public_site n=a.test t=A,A",
        "v=gasp1 o=t_k3/public_site n=a.test t=A,",
        "v=gasp1 o=t_k3/public_site n=a.test t=A x",
        "v=gasp1  o=t_k3/public_site n=a.test t=A",
    ],
)
def test_anything_else_is_no_marker(text: str) -> None:
    assert parse_marker(text) is None


SOA_ROW = (ZONE, 6, 300, APEX[0][2], None, None)
A_ROW = ("a.qingdao.test", 1, 300, "192.0.2.1", None, None)
INCOMPLETE = {
    "no last SOA": [SOA_ROW, A_ROW],
    "no first SOA": [A_ROW, SOA_ROW],
    "another SOA at the end": [SOA_ROW, A_ROW, (ZONE, 6, 300, "other", None, None)],
    "SOA in the middle": [SOA_ROW, A_ROW, (ZONE, 6, 300, "other", None, None), SOA_ROW],
    "another zone's record": [SOA_ROW, ("evilqingdao.test", 1, 300, "192.0.2.1", None, None), SOA_ROW],
    "another zone": [("x.test", 6, 300, "x", None, None)] * 2,
}


@pytest.mark.parametrize("rows", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_an_incomplete_transfer_is_no_zone(rows: list[tuple[str, int, int, str, None, None]]) -> None:
    with pytest.raises(DecodeError):
        Zone(ZONE, rows)
