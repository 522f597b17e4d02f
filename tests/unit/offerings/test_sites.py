"""Names, sharing and numbers of sites; the open cases about names are data here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.offering import EstateView, Offering
from control_plane.model.resource import Resource
from control_plane.model.site import preview_name
from control_plane.model.tenant import TenantStatus
from control_plane.offerings import discover
from control_plane.offerings._site.resources import networks_of
from tests.unit.offerings.estates import (
    estate,
    reference_estate,
    reference_subscriptions,
    subscription,
    tenant,
)

OFFERINGS = discover()
PUBLIC, INTRANET = OFFERINGS["public_site"], OFFERINGS["intranet"]
SZB, GAJ, WJMJ = tenant("szb", 3), tenant("gaj", 4), tenant("wjmj", 5)
LISTED = tenant("old", None, TenantStatus.LISTED)
WORLD = estate([SZB, GAJ, WJMJ, LISTED])
RELEASE = "0123456789abcdef" * 2


def spec(main: str, *aliases: str, **more: Any) -> dict[str, Any]:
    return {"sites": [site(main, *aliases, **more)]}


def site(main: str, *aliases: str, **more: Any) -> dict[str, Any]:
    marks = {
        "organiser": "局",
        "icp": "鲁ICP备05000020号",
        "police": "鲁公网安备37020200000020号",
        "site_code": "3702000020",
    }
    return {
        "title": {"zh": "站", "en": "Site"},
        "names": {"main": main, "aliases": list(aliases)},
        "marks": marks,
    } | more


def check(offering: Offering, document: dict[str, Any], owner: Any = SZB, world: EstateView = WORLD) -> list[Problem]:
    assert offering.check is not None
    return offering.check(subscription(offering, owner, document), world)


def desired(
    offering: Offering, document: dict[str, Any], owner: Any = SZB, world: EstateView = WORLD
) -> list[Resource]:
    assert offering.desired is not None
    return offering.desired(subscription(offering, owner, document), world)


def form_problems(offering: Offering, document: dict[str, Any]) -> list[Problem]:
    assert offering.spec is not None
    with pytest.raises(ValidationError) as caught:
        offering.spec.model_validate(document)
    found = []
    for item in caught.value.errors():
        inner = item["ctx"]["error"]
        assert isinstance(inner, ProblemError)
        found.append(inner.problem)
    return found


def test_several_spellings_are_one_name() -> None:  # open-05
    document = spec(
        "szb.qingdao.test",
        "Bücher.szb.qingdao.test",
        "bücher.SZB.qingdao.test",
        "xn--bcher-kva.szb.qingdao.test",
        "北京路。szb.qingdao.test",
        "ＷＷＷ.szb.qingdao.test",
        "faß.szb.qingdao.test",
    )
    problems = check(PUBLIC, document)
    assert [(p.code, p.severity, p.field) for p in problems] == [
        ("double-name", "warning", "sites[0].names.aliases[1]"),
        ("double-name", "warning", "sites[0].names.aliases[2]"),
    ]
    assert "bücher" in str(problems[0].text)
    assert "xn--bcher-kva" in str(problems[0].text)
    assert all(p.remedy for p in problems)
    names = [
        "szb.qingdao.test",
        "www.szb.qingdao.test",
        "xn--bcher-kva.szb.qingdao.test",
        "xn--fa-hia.szb.qingdao.test",
        "xn--1lq90ii57d.szb.qingdao.test",
    ]
    resources = desired(PUBLIC, document)
    (vhost,) = [r for r in resources if r.kind == "web.vhost"]
    assert vhost.attributes["names"] == sorted(names)
    assert {r.attributes["name"] for r in resources if r.kind == "dns.rrset"} == set(names)
    server_names = re.findall(r"(?m)^ +server_name (.*);", vhost.payload["text"])
    assert all(line.isascii() and set(line.split()) == set(names) for line in server_names)
    assert "北京路.szb.qingdao.test A" in {r.label for r in resources}
    assert PUBLIC.probes is not None
    urls = [p.spec["url"] for p in PUBLIC.probes(subscription(PUBLIC, SZB, document), WORLD) if p.kind == "http"]
    assert len(urls) == 7
    assert all(url.isascii() and url.islower() for url in urls)


@pytest.mark.parametrize(
    ("asked", "where", "code"),
    [
        ("login.gaj.qingdao.test", "check", "not-own-name"),
        ("GAJ.qingdao.test.", "check", "not-own-name"),
        ("*.qingdao.test", "form", "wildcard-name"),
        ("qingdao.test", "check", "not-own-name"),
        ("a.wjmj.qingdao.test.gaj.qingdao.test", "check", "not-own-name"),
        ("xwjmj.qingdao.test", "check", "not-own-name"),
        ("www.qingdao.test", "check", "not-own-name"),
        ("*.wjmj.qingdao.test", "form", "wildcard-name"),
        ("wjmj.intra.qingdao.test", "check", "not-own-name"),
        ("wjmj.qingdao.test.example.org", "check", "not-own-name"),
    ],
)
@pytest.mark.parametrize("place", ["main", "alias"])
def test_a_name_of_another_tenant_is_refused(asked: str, where: str, code: str, place: str) -> None:  # open-09
    document = spec(asked) if place == "main" else spec("wjmj.qingdao.test", asked)
    problems = form_problems(PUBLIC, document) if where == "form" else check(PUBLIC, document, WJMJ)
    (problem,) = [p for p in problems if p.severity == "error"]
    assert problem.code == code
    assert problem.remedy
    if where == "check":
        assert problem.field == ("sites[0].names.main" if place == "main" else "sites[0].names.aliases[0]")
        said = str(problem.text).replace(asked, "").replace("gaj.qingdao.test", "", asked.lower().count("gaj"))
        assert "gaj" not in said.lower().replace(asked.lower().rstrip("."), "")


@pytest.mark.parametrize(
    ("lends", "codes"),
    [
        ([{"name": "Login.gaj.qingdao.test", "to": "wjmj"}], []),
        ([{"name": "login.gaj.qingdao.test", "to": "szb"}], ["not-own-name"]),
        ([{"name": "mail.gaj.qingdao.test", "to": "wjmj"}], ["not-own-name"]),
        ([], ["not-own-name"]),
    ],
)
def test_a_name_is_lent_on_purpose(lends: list[dict[str, str]], codes: list[str]) -> None:  # open-09
    """By its owner, and to whom it says: that name, no other one and nothing below it."""
    owners = {**spec("gaj.qingdao.test"), "lends": lends}
    assert check(PUBLIC, owners, GAJ) == []
    world = replace(WORLD, specs={"gaj/public_site": owners})
    document = spec("wjmj.qingdao.test", "login.gaj.qingdao.test")
    assert [p.code for p in check(PUBLIC, document, WJMJ, world)] == codes
    below = spec("wjmj.qingdao.test", "a.login.gaj.qingdao.test")
    assert [p.code for p in check(PUBLIC, below, WJMJ, world)] == ["not-own-name"]
    names = {r.attributes["name"] for r in desired(PUBLIC, document, WJMJ, world) if r.kind == "dns.rrset"}
    assert names == {"wjmj.qingdao.test", "login.gaj.qingdao.test"}


def test_what_is_not_ones_own_is_not_lent() -> None:
    lends = [{"name": "wjmj.qingdao.test", "to": "szb"}, {"name": "gaj.qingdao.test", "to": "gaj"},
             {"name": "x.gaj.qingdao.test", "to": "nobody"}]  # fmt: skip
    found = check(PUBLIC, {**spec("gaj.qingdao.test"), "lends": lends}, GAJ)
    assert [(p.code, p.field) for p in found] == [
        ("not-own-name", "lends[0].name"),
        ("no-tenant", "lends[1].to"),
        ("no-tenant", "lends[2].to"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "fgw..qingdao.test",  # open-10
        "-fgw.qingdao.test",  # open-10
        "fgw_x.szb.qingdao.test",
        "a b.szb.qingdao.test",
        "szb.qingdao.test; return 200",
        "szb.qingdao.test\nserver_name x",
        "$host.szb.qingdao.test",
        "a.szb.qingdao.test{",
        '"x".szb.qingdao.test',
        "'x'.szb.qingdao.test",
        "a\\b.szb.qingdao.test",
        "a#b.szb.qingdao.test",
        "http://szb.qingdao.test/",
        "ab--c.szb.qingdao.test",
        "xn--a.szb.qingdao.test",
        "\u202eabc.szb.qingdao.test",
        f"{'a' * 64}.szb.qingdao.test",
        ".".join(["a" * 60] * 4) + ".szb.qingdao.test",
        "192.0.2.1:80",
        "szb.qingdao.test%00",
    ],
)
def test_what_is_no_name_is_refused_by_the_form(name: str) -> None:
    (problem,) = form_problems(PUBLIC, spec("szb.qingdao.test", name))
    assert problem.code == "bad-name"
    assert problem.remedy


def test_all_bad_names_are_reported_at_once() -> None:
    document = {"sites": [site("a..b", "*.x", "ok.szb.qingdao.test"), site("-x", "x-")]}
    assert [p.code for p in form_problems(PUBLIC, document)] == ["bad-name", "wildcard-name", "bad-name", "bad-name"]


def test_long_names_fit_or_are_refused_with_the_limit() -> None:  # open-10
    label = "n" * 60
    long = [f"{'a' * 55}{i:05d}.{label}.{label}.szb.qingdao.test" for i in range(40)]
    resources = desired(PUBLIC, spec("szb.qingdao.test", *long))
    (vhost,) = [r for r in resources if r.kind == "web.vhost"]
    assert len(vhost.attributes["names"]) == 41
    too_long = f"{'m' * 63}.{'m' * 63}.{'m' * 63}.szb.qingdao.test"
    (problem,) = form_problems(PUBLIC, spec(too_long))
    assert problem.code == "main-name-too-long"
    assert "200" in str(problem.text)
    assert desired(PUBLIC, spec("szb.qingdao.test", too_long))


def test_a_name_for_two_sites_is_refused_and_a_double_is_kept_once() -> None:
    document = {
        "sites": [site("szb.qingdao.test", "SZB.qingdao.test", "a.szb.qingdao.test"), site("A.szb.qingdao.test")]
    }
    problems = check(PUBLIC, document)
    assert [(p.code, p.severity, p.field) for p in problems] == [
        ("double-name", "warning", "sites[0].names.aliases[0]"),
        ("name-of-two-sites", "error", "sites[1].names.main"),
        ("several-main-names", "warning", "sites"),
    ]
    said = [str(p.text) for p in problems]
    assert said[0] == "szb.qingdao.test is named twice; it is kept once."
    assert said[1] == "a.szb.qingdao.test is already a name of the website szb.qingdao.test."


def test_one_english_and_one_chinese_main_name_are_well() -> None:
    assert check(PUBLIC, {"sites": [site("szb.qingdao.test"), site("书.szb.qingdao.test")]}) == []


def test_a_suffix_that_is_not_official_is_a_warning() -> None:
    world = estate([SZB], domain="example.org")
    (problem,) = check(PUBLIC, spec("szb.example.org"), SZB, world)
    assert (problem.code, problem.severity) == ("unofficial-suffix", "warning")
    assert check(PUBLIC, spec("szb.qd.gov.cn"), SZB, estate([SZB], domain="qd.gov.cn")) == []


def test_reserved_labels_are_refused() -> None:
    intra = tenant("intra", 9)
    (problem,) = check(PUBLIC, spec("a.intra.qingdao.test"), intra, estate([intra]))
    assert problem.code == "reserved-name"
    (problem,) = check(INTRANET, spec("szb.intra.qingdao.test", "preview-x.szb.intra.qingdao.test"))
    assert problem.code == "reserved-name"


def test_missing_marks_and_tiers() -> None:
    (problem,) = check(PUBLIC, spec("szb.qingdao.test", marks={"organiser": "局"}))
    assert (problem.code, problem.severity) == ("marks-missing", "warning")
    many = {"sites": [site(f"s{i}.szb.qingdao.test") for i in range(4)]}
    assert "too-many-sites" in {p.code for p in check(PUBLIC, many)}


@pytest.mark.parametrize(
    "marks",
    [
        {"icp": "鲁ICP备123号"},
        {"icp": "ICP备05000020号"},
        {"police": "鲁公网安备 123号"},
        {"site_code": "37020000201"},
        {"site_code": "bm1234567"},
        {"mark_id": "a b"},
        {"organiser": "两\n行"},
        {"organiser": " "},
        {"unknown": "x"},
    ],
)
def test_marks_have_their_patterns(marks: dict[str, str]) -> None:
    assert PUBLIC.spec is not None
    with pytest.raises(ValidationError):
        PUBLIC.spec.model_validate(spec("szb.qingdao.test", marks=marks))


def test_public_names_point_to_public_addresses_in_the_public_zone() -> None:
    resources = desired(PUBLIC, spec("szb.qingdao.test", "www.szb.qingdao.test"))
    sets = {r.id: r for r in resources if r.kind == "dns.rrset"}
    assert sorted(sets) == [
        "dns:szb.qingdao.test/A",
        "dns:szb.qingdao.test/AAAA",
        "dns:szb.qingdao.test/CAA",
        "dns:www.szb.qingdao.test/A",
        "dns:www.szb.qingdao.test/AAAA",
    ]
    assert {r.part for r in sets.values()} == {"dns:qingdao.test"}
    assert sets["dns:szb.qingdao.test/A"].attributes == {
        "name": "szb.qingdao.test",
        "type": "A",
        "ttl": 300,
        "values": ["198.51.100.80"],
    }
    assert sets["dns:szb.qingdao.test/AAAA"].attributes["values"] == ["fd94:0:1:1::80"]
    assert sets["dns:szb.qingdao.test/CAA"].attributes["values"] == ['0 issue "gasp-lab"']
    assert all(r.retire_seconds == (0 if r.kind == "dns.rrset" else 300) for r in resources)


def test_a_second_web_host_is_one_line_of_topology() -> None:
    world = estate([SZB], web_hosts=2)
    resources = desired(PUBLIC, spec("szb.qingdao.test"), SZB, world)
    assert {r.part for r in resources if r.kind == "web.vhost"} == {"web:web", "web:web1"}
    (a,) = [r for r in resources if r.id == "dns:szb.qingdao.test/A"]
    assert a.attributes["values"] == ["198.51.100.80", "198.51.100.81"]


def test_an_internal_site_is_open_to_its_own_and_shared_networks_only() -> None:
    document = spec("szb.intra.qingdao.test", shared_with=["gaj"])
    resources = desired(INTRANET, document)
    assert {r.part for r in resources} == {"dns:intra.qingdao.test", "web:intranet"}
    (vhost,) = [r for r in resources if r.kind == "web.vhost"]
    assert vhost.audience == ("gaj",)
    text = vhost.payload["text"]
    allowed = {"10.94.3.0/24", "10.94.4.0/24", "fd94:0:2:3::/64", "fd94:0:2:4::/64"}
    assert set(re.findall(r"allow (\S+);", text)) == allowed
    assert text.count("deny all;") == text.count("server {") == 2
    assert set(re.findall(r"allow (\S+);", vhost.payload["gone_text"]())) == allowed
    (a,) = [r for r in resources if r.id == "dns:szb.intra.qingdao.test/A"]
    assert a.attributes["values"] == ["10.94.0.15"]


def test_sharing_with_all_joins_neighbouring_networks() -> None:
    document = spec("szb.intra.qingdao.test", shared_with=["*"])
    (vhost,) = [r for r in desired(INTRANET, document) if r.kind == "web.vhost"]
    assert vhost.audience == ("gaj", "wjmj")
    assert set(re.findall(r"allow (1\S+);", vhost.payload["text"])) == {"10.94.3.0/24", "10.94.4.0/23"}
    assert networks_of(["szb", "old", "nobody"], WORLD) == ["10.94.3.0/24", "fd94:0:2:3::/64"]


def test_who_a_site_may_be_shared_with() -> None:
    document = spec("szb.intra.qingdao.test", shared_with=["gaj", "nobody", "old"])
    assert [(p.code, p.field) for p in check(INTRANET, document)] == [
        ("unknown-tenant", "sites[0].shared_with[1]"),
        ("tenant-without-network", "sites[0].shared_with[2]"),
    ]


def test_a_preview_is_an_internal_site_for_the_own_network_and_the_machine() -> None:
    document = spec("szb.qingdao.test", preview=RELEASE)
    resources = [r for r in desired(PUBLIC, document) if "preview-" in r.id]
    assert sorted(r.id for r in resources) == [
        "dns:preview-szb.intra.qingdao.test/A",
        "dns:preview-szb.intra.qingdao.test/AAAA",
        "web:intranet/certificate/preview-szb.intra.qingdao.test",
        "web:intranet/release/preview-szb.intra.qingdao.test",
        "web:intranet/vhost/preview-szb.intra.qingdao.test",
    ]
    (vhost,) = [r for r in resources if r.kind == "web.vhost"]
    assert set(re.findall(r"allow (\S+);", vhost.payload["text"])) == {
        "10.94.3.0/24",
        "fd94:0:2:3::/64",
        "10.94.0.1/32",
        "fd94:0:0:1::1/128",
    }
    (release,) = [r for r in resources if r.kind == "web.release"]
    assert release.attributes == {"release": RELEASE}
    assert PUBLIC.claims is not None
    assert "preview-szb.intra.qingdao.test" in {
        c.subject for c in PUBLIC.claims(subscription(PUBLIC, SZB, document), WORLD)
    }


def test_preview_names_differ_for_different_sites() -> None:
    zone, intra = "qingdao.test", "intra.qingdao.test"
    mains = ["fgw.qingdao.test", "www.fgw.qingdao.test", "www.gaj.qingdao.test", f"{'x' * 60}.fgw.qingdao.test"]
    names = [preview_name(m, zone, intra) for m in mains] + [
        preview_name("fgw.intra.qingdao.test", intra, intra),
        preview_name("www.fgw.intra.qingdao.test", intra, intra),
    ]
    assert len(set(names)) == len(names)
    assert names[:2] == ["preview-fgw.intra.qingdao.test", "preview-www.fgw.intra.qingdao.test"]
    assert all(n.endswith(".intra.qingdao.test") and max(map(len, n.split("."))) <= 63 for n in names)


def test_a_release_and_a_starter_are_named_by_content() -> None:
    (first,) = [r for r in desired(PUBLIC, spec("szb.qingdao.test")) if r.kind == "web.release"]
    (waiting,) = [
        r for r in desired(PUBLIC, spec("szb.qingdao.test", source={"kind": "release"})) if r.kind == "web.release"
    ]
    assert first.attributes == waiting.attributes
    (own,) = [
        r
        for r in desired(PUBLIC, spec("szb.qingdao.test", source={"kind": "release", "release": RELEASE}))
        if r.kind == "web.release"
    ]
    assert own.attributes == {"release": RELEASE}
    assert own.payload["source"] == {"kind": "release", "release": RELEASE}


def test_the_reference_estate_has_no_problem_and_138_sites() -> None:
    world, documents = reference_estate()
    count = 0
    for offering in (PUBLIC, INTRANET):
        assert offering.check is not None
        assert offering.desired is not None
        for view in reference_subscriptions(offering, world, documents):
            assert offering.check(view, world) == []
            count += sum(r.kind == "web.vhost" for r in offering.desired(view, world))
    assert count == 138


@settings(derandomize=True, deadline=None, max_examples=300)
@given(name=st.text(max_size=80))
def test_nothing_typed_as_a_name_can_leave_its_place(name: str) -> None:
    assert PUBLIC.spec is not None
    try:
        view = subscription(PUBLIC, SZB, spec("szb.qingdao.test", f"{name}.szb.qingdao.test"))
    except ValidationError:
        return
    assert PUBLIC.check is not None
    assert PUBLIC.desired is not None
    assert all(p.severity == "warning" for p in PUBLIC.check(view, WORLD))
    for resource in PUBLIC.desired(view, WORLD):
        if resource.kind == "dns.rrset":
            assert re.fullmatch(
                r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*szb\.qingdao\.test", resource.attributes["name"]
            )


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    labels=st.lists(
        st.text(st.sampled_from("abcxyz019-ABCÜßé北京路市政务ｗＷ"), min_size=1, max_size=12), min_size=1, max_size=3
    )
)
def test_every_spelling_of_a_name_is_the_same_resources(labels: list[str]) -> None:
    name = ".".join([*labels, "szb.qingdao.test"])
    assert PUBLIC.spec is not None
    try:
        PUBLIC.spec.model_validate(spec("szb.qingdao.test", name))
    except ValidationError:
        return
    first = desired(PUBLIC, spec("szb.qingdao.test", name))
    for variant in (name.upper().replace("ẞ", "ß") if "ß" not in name else name, f" {name}. ", name.replace(".", "。")):
        again = desired(PUBLIC, spec("szb.qingdao.test", variant))
        assert [(r.id, dict(r.attributes)) for r in again] == [(r.id, dict(r.attributes)) for r in first]


def test_closed_doors_are_measured_from_a_stranger_and_from_outside() -> None:
    assert INTRANET.probes is not None
    world = replace(WORLD, tenants={t.code: t for t in (SZB, GAJ, WJMJ)})
    view = subscription(INTRANET, SZB, spec("szb.intra.qingdao.test", shared_with=["wjmj"]))
    by_id = {p.id.rsplit("/", 1)[1]: p for p in INTRANET.probes(view, world)}
    assert by_id["closed"].vantage == "gaj"
    assert by_id["outside"].vantage == "citizen"
    assert by_id["unknown"].spec["checks"] == [["szb.intra.qingdao.test", "A", None]]
    assert by_id["unknown"].spec["servers"] == ["198.51.100.53", "198.51.100.54"]
    assert by_id["names"].spec["servers"] == ["10.94.0.11", "10.94.0.12"]
    assert by_id["https6"].spec["family"] == 6
