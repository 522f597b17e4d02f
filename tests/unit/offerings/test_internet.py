"""Internet access: entries as people type them, folding, rules in their order, direct access, agreed peers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from control_plane.model.client_internet import Wish
from control_plane.model.errors import Invalid, Problem, ProblemError
from control_plane.model.internet import NetworkPolicy, ProxyPolicy
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.tenant import Contact
from control_plane.offerings.internet import OFFERING
from control_plane.offerings.internet.described import changed
from control_plane.offerings.internet.entries import fold, parse, read_list
from control_plane.offerings.internet.form import InternetAccess
from control_plane.offerings.internet.probes import probes
from control_plane.offerings.internet.resources import check, desired, network_policy, proxy_policy
from control_plane.offerings.internet.rules import check_host, verdict
from control_plane.offerings.internet.sheet import as_html, as_text, facts
from control_plane.workflow.import_problems import problems_of
from tests.unit.offerings.estates import estate, reference_estate, reference_subscriptions, subscription, tenant

FGW, GAJ = tenant("fgw", 1), tenant("gaj", 7)
REASON = {"zh": "原因", "en": "reason"}


def world(spec: Mapping[str, Any], **specs: Mapping[str, Any]) -> tuple[SubscriptionView, EstateView]:
    view = subscription(OFFERING, FGW, spec)
    stored = {"fgw/internet": spec} | {f"{code}/internet": other for code, other in specs.items()}
    return view, replace(estate([FGW, GAJ]), specs=stored)


def rule(number: int = 10, **more: Any) -> dict[str, Any]:
    return {"number": number, "action": "block", "since": "2026-11-20", "reason": REASON, **more}


def codes(problems: list[Problem]) -> list[str]:
    return [p.code for p in problems]


def refusal(entry: str) -> Problem:
    with pytest.raises(ProblemError) as caught:
        parse(entry)
    return caught.value.problem


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("news.example.test\nhttp_access allow all", "entry-hidden-sign"),
        ("a.example.test\u2028b.example.test", "entry-hidden-sign"),
        ("a.example.test\u0085b", "entry-hidden-sign"),
        ("a.exam\u200bple.test", "entry-hidden-sign"),
        ("a.example.test # weekly", "entry-sign"),
        ('"b.example.test"', "entry-sign"),
        ("c.example.test;d.example.test", "entry-sign"),
        ("e.example.test           http_port 8080", "entry-sign"),
        ("a.example.test\u3000b.example.test", "entry-sign"),
        ("-n", "entry-hyphen"),
        ("－n.example.test", "entry-hyphen"),
        ("*.example.test", "entry-wildcard"),
        ("https://example.test/a", "entry-url"),
        ("example.test:8080", "entry-port"),
        ("example.test/path", "entry-url"),
        ("", "entry-empty"),
        (" ", "entry-empty"),
        (".", "entry-empty"),
        ("..example.test", "bad-name"),
        ("a_b.example.test", "bad-name"),
        ("localhost", "single-label"),
        (".test", "single-label"),
        ("010.020.005.007", "ambiguous-address"),
        ("０１０.20.5.7", "ambiguous-address"),
        ("0x0a.0x14.5.7", "ambiguous-address"),
        ("10.20", "ambiguous-address"),
        ("167772161", "ambiguous-address"),
        ("10.20.5.7/16", "ambiguous-prefix"),
        ("10.20.5.7/33", "bad-address"),
        ("10.20.5.7/+8", "bad-address"),
        ("10.20.5.256", "bad-address"),
        ("fe80::1%eth0", "bad-address"),
        ("10.20.9.1-10.20.0.1", "bad-range"),
        ("10.20.9.1-fd00::1", "bad-range"),
        ("x" * 500, "entry-too-long"),
        ("example.test..", "bad-name"),
        ("192.0.2.7.", "bad-address"),
        ("a.192.0.2.7", "bad-address"),
        ("1۲3.0.2.7", "bad-address"),
        ("[2001:db8::7]:443", "bad-address"),
        ("::ffff:192.0.2.0/120", "bad-address"),
        ("192.0.2.0/024", "bad-address"),
        ("xn--a-.test", "bad-name"),
        ("a\u200d.test", "entry-hidden-sign"),
        ("example.*", "entry-wildcard"),
    ],
)
def test_an_entry_that_could_mean_something_else_is_refused(entry: str, code: str) -> None:  # open-21, open-22
    problem = refusal(entry)
    assert problem.code == code
    assert problem.remedy is not None
    assert all(c.isprintable() for c in str(problem.text))


@pytest.mark.parametrize(
    ("entry", "meaning"),
    [
        (" News.Example.Test. ", ["news.example.test"]),
        ("ｎｅｗｓ。example．test", ["news.example.test"]),
        ("．example.test", [".example.test"]),
        ("新闻.example.test", ["xn--efvy88h.example.test"]),
        ("10.20.5.7/32", ["10.20.5.7"]),
        ("10.20.0.0-10.20.255.255", ["10.20.0.0/16"]),
        ("10.20.0.1-10.20.0.4", ["10.20.0.1", "10.20.0.2/31", "10.20.0.4"]),
        ("2001:DB8:0::7", ["2001:db8::7"]),
        ("[2001:db8::7]", ["2001:db8::7"]),
        ("::ffff:10.20.5.7", ["10.20.5.7"]),
        (".EXAMPLE.test.", [".example.test"]),
        ("XN--EFVY88H.Example.test", ["xn--efvy88h.example.test"]),
        ("１９２．０．２．７", ["192.0.2.7"]),
        ("faß.test", ["xn--fa-hia.test"]),
    ],
)
def test_what_is_harmless_is_folded(entry: str, meaning: list[str]) -> None:
    assert list(parse(entry).texts) == meaning


def test_covered_and_equal_entries_are_folded_and_named() -> None:  # open-22
    kept, folded = fold(["10.20.0.0/16", "10.20.5.7", "10.20.5.7/32", "10.20.0.0-10.20.255.255"])
    assert kept == ["10.20.0.0/16"]
    assert {(f.entry, f.into) for f in folded} >= {("10.20.5.7", "10.20.0.0/16"), ("10.20.5.7/32", "10.20.0.0/16")}
    kept, folded = fold(["edu.example.test", ".edu.example.test", "lib.edu.example.test", "education.example.test"])
    assert kept == [".edu.example.test", "education.example.test"]
    assert [(f.entry, f.into) for f in folded] == [
        ("edu.example.test", ".edu.example.test"),
        ("lib.edu.example.test", ".edu.example.test"),
    ]
    assert fold(["10.0.0.0/25", "10.0.0.128/25"])[0] == ["10.0.0.0/24"]


def test_letters_that_look_like_others_are_pointed_out() -> None:  # open-21
    hosts = ["аpple.test", "xn--80ak6aa92e.test", "apple.test", "新闻.example.test", "müller.test"]
    view, centre = world({"rules": [rule(hosts=hosts)]})
    found = [p for p in check(view, centre) if p.code == "entry-lookalike"]
    assert [p.severity for p in found] == ["warning", "warning"]
    assert "xn--pple-43d.test" in str(found[0].text)


def test_long_lists_fold_in_time_and_as_short_ones_do() -> None:  # open-22
    spread = [f"10.{i // 250}.{i % 250}.7" for i in range(5000)]
    began = time.process_time()
    kept, folded = fold([*spread, "10.3.0.0/16", "2001:db8::/32", *(f"2001:db8:{i:x}::1" for i in range(2000))])
    assert time.process_time() - began < 10, "a look-up an entry, not a comparison with every other"
    assert len(kept) == 5000 - 250 + 2
    assert {f.into for f in folded} == {"10.3.0.0/16", "2001:db8::/32"}
    assert fold(["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.2.3"])[0] == ["10.0.0.0/8"]


def test_a_pasted_list_keeps_the_good_and_numbers_the_bad() -> None:  # open-21
    text = "# 统计局 ü list\nnews.example.test\n\na.example.test # weekly\n-n\n新闻.example.test\n010.020.005.007\n"
    good, problems = read_list(text)
    assert good == ["news.example.test", "新闻.example.test"]
    assert [(p.line, p.code) for p in problems] == [
        (4, "entry-sign"),
        (5, "entry-hyphen"),
        (7, "ambiguous-address"),
    ]


def test_all_bad_entries_of_a_form_are_reported_together() -> None:  # open-21
    bad = ["good.example.test", "a\nhttp_access allow all", "b # c", "-n", "010.020.005.007"]
    with pytest.raises(ValidationError) as caught:
        InternetAccess.model_validate({"rules": [rule(hosts=bad)]})
    found = [(problem.field, problem.code) for _, problem in problems_of(caught.value)]
    assert found == [
        ("rules[0].hosts[1]", "entry-hidden-sign"),
        ("rules[0].hosts[2]", "entry-sign"),
        ("rules[0].hosts[3]", "entry-hyphen"),
        ("rules[0].hosts[4]", "ambiguous-address"),
    ]


def test_an_empty_form_is_access_with_the_centres_rules() -> None:
    view, centre = world({})
    assert check(view, centre) == []
    policy = proxy_policy(view, centre)
    assert (policy["enabled"], policy["otherwise"]) == (True, "allow")
    assert [r["id"] for r in policy["rules"]] == [
        "centre-malware",
        "centre-gambling",
        "centre-adult",
        "centre-check",
        "centre-video",
    ]
    assert policy["rules"][-1]["hours"] == {"days": "MTWHF", "begin": "08:00", "end": "18:00"}
    network = network_policy(view, centre)
    assert (network["up_kbit"], network["down_kbit"], network["throttle_kbit"]) == (10_000, 10_000, 1000)
    assert (network["month_octets"], network["warn_percent"]) == (50 * 2**30, 80)
    assert network["direct"] == network["peers"] == []


def test_rules_keep_their_number_and_stand_between_the_centres() -> None:
    view, centre = world({"rules": [rule(30, hosts=["b.example.test"]), rule(5, action="allow", category="video")]})
    assert [r["id"] for r in proxy_policy(view, centre)["rules"]] == [
        "centre-malware",
        "centre-gambling",
        "centre-adult",
        "centre-check",
        "fgw-5",
        "fgw-30",
        "centre-video",
    ]


def test_a_department_cannot_open_what_is_closed_for_everybody() -> None:
    view, centre = world({"rules": [rule(action="allow", category="malware"), rule(10, category="adult")]})
    problems = check(view, centre)
    assert [(p.code, p.field, p.severity) for p in problems] == [
        ("forbidden-category", "rules[0].category", "error"),
        ("double-number", "rules[1].number", "error"),
        ("closed-anyway", "rules[1].category", "warning"),
    ]


def test_two_hundred_hosts_are_allowed_after_folding() -> None:
    many = [f"h{n}.example.test" for n in range(150)]
    view, centre = world({"rules": [rule(hosts=many), rule(20, hosts=[f"x{n}.test.test" for n in range(51)])]})
    assert codes(check(view, centre)) == ["too-many-hosts"]
    view, centre = world({"rules": [rule(hosts=[*many, ".example.test"])]})
    assert set(codes(check(view, centre))) == {"entry-folded"}
    assert proxy_policy(view, centre)["rules"][4]["hosts"] == [".example.test"]


@pytest.mark.parametrize(
    "target",
    ["10.94.0.13", "10.94.7.0/24", "fd94:0:2:7::10", "10.94.254.7", "10.128.0.0/26", "0.0.0.0/0", "::/0",
     "10.0.0.0/8", "127.0.0.1", "169.254.1.1", "224.0.0.1", "fe80::1", "directory.core.qingdao.test",
     "10.94.0.1-10.94.0.9"],
)  # fmt: skip
def test_direct_access_to_the_centre_and_its_tenants_is_refused(target: str) -> None:
    view, centre = world({"direct": [{"to": ["update.example.test", target], "ports": "443"}]})
    assert [(p.code, p.field) for p in check(view, centre)] == [("target-inside", "direct[0].to[1]")]


def test_direct_access_from_outside_the_own_network_is_refused() -> None:
    view, centre = world({"direct": [{"source": "10.94.7.10", "to": ["192.0.2.7"], "ports": "443"}]})
    assert codes(check(view, centre)) == ["source-outside"]


def test_direct_rows_are_folded_and_of_one_family() -> None:
    wish = [
        {"to": ["192.0.2.0/24", "192.0.2.7", "2001:db8::7"], "ports": "0443"},
        {"source": "10.94.1.10", "to": ["Update.example.test"], "protocol": "udp", "ports": "5000-5010"},
    ]
    view, centre = world({"direct": wish})
    assert codes(check(view, centre)) == ["entry-folded"]
    assert network_policy(view, centre)["direct"] == [
        {"source": "10.94.1.0/24", "to": "192.0.2.0/24", "protocol": "tcp", "ports": "443"},
        {"source": "10.94.1.10", "to": "update.example.test", "protocol": "udp", "ports": "5000-5010"},
        {"source": "fd94:0:2:1::/64", "to": "2001:db8::7", "protocol": "tcp", "ports": "443"},
    ]


@pytest.mark.parametrize("ports", ["0", "70000", "10-5", "http", "1-2-3", "443\n80"])
def test_ports_are_ports(ports: str) -> None:
    with pytest.raises(ValidationError):
        InternetAccess.model_validate({"direct": [{"to": ["a.example.test"], "ports": ports}]})


def test_peers_are_connected_once_both_agreed() -> None:
    view, centre = world({"peers": ["gaj"]})
    assert [(p.code, p.severity) for p in check(view, centre)] == [("peer-not-agreed", "warning")]
    assert network_policy(view, centre)["peers"] == []
    view, centre = world({"peers": ["gaj"]}, gaj={"peers": ["fgw"]})
    assert check(view, centre) == []
    assert network_policy(view, centre)["peers"] == [{"tenant": "gaj", "v4": "10.94.7.0/24", "v6": "fd94:0:2:7::/64"}]
    view, centre = world({"peers": ["fgw", "nobody"]})
    assert codes(check(view, centre)) == ["peer-is-self", "unknown-tenant"]


def test_limits_stay_within_the_tier() -> None:
    view, centre = world({"limits": {"up_kbit": 512, "down_kbit": 20_000, "month_mib": 100}})
    assert [(p.code, p.field) for p in check(view, centre)] == [("above-tier", "limits.down_kbit")]
    network = network_policy(view, centre)
    assert (network["up_kbit"], network["throttle_kbit"], network["month_octets"]) == (512, 512, 100 * 2**20)


def test_hours_and_subjects_of_rules() -> None:
    for bad in (
        rule(hosts=["a.example.test"], category="video"),
        rule(),
        rule(hosts=["a.example.test"], hours={"begin": "18:00", "end": "08:00"}),
        rule(hosts=["a.example.test"], hours={"days": "XY", "begin": "08:00", "end": "18:00"}),
        rule(hosts=["a.example.test"], hours={"begin": "24:00", "end": "25:00"}),
    ):
        with pytest.raises(ValidationError):
            InternetAccess.model_validate({"rules": [bad]})


def test_the_contact_is_the_forms_or_a_number_without_a_name() -> None:
    view, centre = world({})
    person = Contact(name="丁芳辉", phone="0532-5550-1756", email="d@example.test", role="technical")
    view = replace(view, tenant=replace(FGW, contacts=(person,)))
    assert proxy_policy(view, centre)["contact"] == {"name": "", "phone": "0532-5550-1756", "email": ""}
    view, centre = world({"contact": {"name": "信息科", "phone": "8123"}})
    assert proxy_policy(view, centre)["contact"] == {"name": "信息科", "phone": "8123", "email": ""}


def policies(spec: Mapping[str, Any]) -> tuple[ProxyPolicy, NetworkPolicy]:
    view, centre = world(spec)
    return proxy_policy(view, centre), network_policy(view, centre)


@pytest.mark.parametrize(
    ("spec", "host", "action", "decided_by"),
    [
        ({}, "news.example.test", "allow", "otherwise"),
        ({"enabled": False}, "news.example.test", "block", "off"),
        ({"otherwise": "block"}, "news.example.test", "block", "otherwise"),
        ({"rules": [rule(hosts=[".example.test"])]}, "news.example.test", "block", "fgw-10"),
        ({"rules": [rule(hosts=[".example.test"])]}, "example.test", "block", "fgw-10"),
        ({"rules": [rule(hosts=["example.test"])]}, "news.example.test", "allow", "otherwise"),
        ({"rules": [rule(hosts=["203.0.113.0/24"])]}, "203.0.113.9", "block", "fgw-10"),
        ({"rules": [rule(hosts=["203.0.113.0/24"])]}, "2001:db8::1", "allow", "otherwise"),
    ],
)
def test_what_the_rules_say_of_a_host(spec: Mapping[str, Any], host: str, action: str, decided_by: str) -> None:
    said = verdict(policies(spec)[0], host)
    assert (said.action, said.rule) == (action, decided_by)


def test_promises_follow_the_wish() -> None:
    view, centre = world({})
    found = {p.id.rsplit("/", 1)[1]: p for p in probes(view, centre)}
    assert {name: p.kind for name, p in found.items()} == {
        "why": "http",
        "refused": "http_refused",
        "open": "http",
        "neighbour": "unreachable",
    }
    assert check_host("qingdao.test") in found["refused"].spec["url"]
    view, centre = world({"enabled": False})
    off = {p.id.rsplit("/", 1)[1]: p.kind for p in probes(view, centre)}
    assert off == {"why": "http", "shut": "http_refused", "neighbour": "unreachable"}
    view, centre = world({"peers": ["gaj"]}, gaj={"peers": ["fgw"]})
    assert "neighbour" not in {p.id.rsplit("/", 1)[1] for p in probes(view, centre)}


def test_the_reference_estate_has_82_of_them() -> None:
    centre, documents = reference_estate()
    views = reference_subscriptions(OFFERING, centre, documents)
    assert len(views) == 82
    resources = [r for view in views for r in desired(view, centre)]
    assert len({r.id for r in resources}) == 2 * 82
    assert all(not check(view, centre) for view in views)


def test_a_wish_adds_and_removes_entries_of_rules() -> None:
    spec = {"rules": [rule(10, hosts=["a.example.test", ".b.example.test"]), rule(25, category="video")]}
    wish = Wish(False, ["游戏.example.test"], [], ["A.example.test"], "无关", "")
    made = changed(spec, wish, "2026-12-01")
    assert made["enabled"] is False
    assert [(r["number"], r.get("hosts"), r.get("category")) for r in made["rules"]] == [
        (10, [".b.example.test"], None),
        (25, None, "video"),
        (30, ["游戏.example.test"], None),
    ]
    assert made["rules"][-1]["reason"] == {"zh": "无关", "en": "无关"}
    assert made["rules"][-1]["since"] == "2026-12-01"
    InternetAccess.model_validate(made)
    assert spec["rules"][0]["hosts"] == ["a.example.test", ".b.example.test"]
    assert [r["number"] for r in changed(spec, Wish(remove=["a.example.test", ".b.example.test"]), "x")["rules"]] == [
        25
    ]
    with pytest.raises(Invalid) as caught:
        changed(spec, Wish(block=["good.test.test", "-n"], allow=["a b"], remove=["nowhere.example.test"]), "x")
    assert [p.field for p in caught.value.problems] == ["block[1]", "allow[0]"]
    with pytest.raises(Invalid) as caught:
        changed(spec, Wish(remove=["nowhere.example.test"]), "x")
    assert codes(list(caught.value.problems)) == ["not-listed"]


def test_what_was_folded_into_an_entry_goes_with_it() -> None:
    edu = ["edu.example.test", ".edu.example.test", "lib.edu.example.test", "lab.example.test"]
    nets = ["10.20.0.0-10.20.255.255", "10.20.5.7", "192.0.2.0/25", "192.0.2.128/25"]
    spec = {"rules": [rule(10, hosts=["lib.edu.example.test"], action="allow"), rule(20, hosts=[*edu, *nets])]}

    def left(*entries: str) -> list[list[str]]:
        return [r["hosts"] for r in changed(spec, Wish(remove=list(entries)), "x")["rules"]]

    allowed = ["lib.edu.example.test"]
    assert left(".edu.example.test") == [allowed, ["lab.example.test", *nets]], "another rule's exception stays"
    assert left("10.20.0.0/16") == [allowed, [*edu, *nets[2:]]]
    assert left("192.0.2.0/24") == [allowed, [*edu, *nets[:2]]], "as it is shown, so it can be named"
    assert left("lib.edu.example.test") == [[e for e in edu if "lib" not in e] + nets]
    for entry in ("example.test", ".example.test", "10.20.5.0/24", "10.0.0.0/8"):
        with pytest.raises(Invalid):
            left(entry)


def test_the_sheet_is_one_page_and_holds_what_was_typed_as_text() -> None:
    weasyprint = pytest.importorskip("weasyprint")
    reason = {"zh": "<b>原因</b>", "en": "<script>alert(1)</script>"}
    many = [rule(n, hosts=[f"h{n}.example.test"], reason=reason) for n in range(1, 40)]
    direct = [{"to": [f"d{n}.example.test"], "ports": "443"} for n in range(20)]
    view, centre = world({"rules": many, "direct": direct, "peers": ["gaj"], "contact": {"name": "信息科"}})
    people = tuple(Contact(name=f"张{n}", phone="0532-5550-0001", email=f"z{n}@example.test") for n in range(6))
    view = replace(view, tenant=replace(FGW, contacts=people))
    page = as_html(facts(view, centre, "2026-12-01"))
    assert "<script" not in page
    assert "&lt;b&gt;" in page
    assert "34 more" in page
    assert "http-equiv" not in page and "src=" not in page and "url(" not in page
    assert len(weasyprint.HTML(string=page).render().pages) == 1
    text = as_text(facts(view, centre, "2026-12-01"))
    assert "gateway.core.qingdao.test:3128" in text
    assert "待对方同意" in text


@pytest.mark.parametrize(
    ("before", "wish", "after"),
    [
        (
            [rule(20, hosts=["x.test", "y.test"])],
            Wish(allow=["X.test"]),
            [(20, "block", ["y.test"]), (30, "allow", ["X.test"])],
        ),
        ([rule(20, hosts=["x.test"])], Wish(allow=["x.test"]), [(10, "allow", ["x.test"])]),
        ([rule(20, hosts=[".games.test"])], Wish(allow=["chess.games.test"]),
         [(20, "block", [".games.test"]), (19, "allow", ["chess.games.test"])]),
        ([rule(20, category="video")], Wish(allow=["lessons.test"]),
         [(20, "block", None), (19, "allow", ["lessons.test"])]),
        ([rule(20, hosts=["chess.games.test"], action="allow")], Wish(block=[".games.test"]),
         [(20, "allow", ["chess.games.test"]), (30, "block", [".games.test"])]),
        ([rule(20, hosts=["x.test"])], Wish(block=["X.TEST"]), [(20, "block", ["x.test"])]),
    ],
)  # fmt: skip
def test_what_is_wished_last_is_what_holds(
    before: list[dict[str, Any]], wish: Wish, after: list[tuple[int, str, list[str] | None]]
) -> None:
    made = changed({"rules": before}, wish, "2026-12-01")
    assert [(r["number"], r["action"], r.get("hosts")) for r in made["rules"]] == after


def test_a_host_is_not_blocked_and_allowed_at_once_and_a_rule_without_room_before_it_says_so() -> None:
    with pytest.raises(Invalid) as caught:
        changed({}, Wish(block=["游戏.test"], allow=["y.test", "xn--unup4y.test"]), "x")
    assert [(p.code, p.field) for p in caught.value.problems] == [("both", "allow[1]")]
    with pytest.raises(Invalid) as caught:
        changed({"rules": [rule(1, category="video")]}, Wish(allow=["x.test"]), "x")
    assert codes(list(caught.value.problems)) == ["no-room"]
