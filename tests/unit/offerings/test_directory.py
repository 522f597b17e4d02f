"""A unit in the directory: what is refused, what is written, and that names survive as they were typed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from control_plane.model.dn import COMPARED, normalise_dn
from control_plane.model.errors import Problem
from control_plane.model.offering import EstateView
from control_plane.model.resource import Resource
from control_plane.offerings import discover
from tests.unit.offerings.estates import (
    allocate,
    estate,
    reference_estate,
    reference_subscriptions,
    subscription,
    tenant,
)

DIRECTORY = discover()["directory"]
JYJ = tenant("jyj", 3, zh="市教育局")
WORLD = estate([JYJ])


def person(uid: str, name: str = "张三", **more: Any) -> dict[str, Any]:
    return {"uid": uid, "family_name": "张", "given_name": "三", "display_name": name} | more


def group(name: str) -> dict[str, Any]:
    return {"name": name, "title": {"zh": "组", "en": "Group"}}


def check(spec: dict[str, Any], tier: Any = "S") -> list[Problem]:
    assert DIRECTORY.check is not None
    return DIRECTORY.check(subscription(DIRECTORY, JYJ, spec, tier), WORLD)


def desired(spec: dict[str, Any], world: EstateView = WORLD) -> dict[str, Resource]:
    view = subscription(DIRECTORY, JYJ, spec)
    assert DIRECTORY.desired is not None
    full = replace(world, allocations=allocate(DIRECTORY, [view], world))
    return {r.id: r for r in DIRECTORY.desired(view, full)}


def people(resources: dict[str, Resource]) -> dict[str, dict[str, Any]]:
    return {r.attributes["uid"][0]: dict(r.attributes) for r in resources.values() if r.kind == "directory.person"}


@pytest.mark.parametrize(  # open-11
    ("typed", "kept"),
    [
        ('张三, "小张" + 1 \\ <测试>;=#', '张三, "小张" + 1 \\ <测试>;=#'),
        ("#123", "#123"),
        (" 李四", "李四"),
        ("李四 ", "李四"),
        ("O'Brien-Smith", "O'Brien-Smith"),
        ("𠮷野家", "𠮷野家"),
    ],
)
def test_awkward_names_are_kept_below_the_own_branch(typed: str, kept: str) -> None:
    entry = people(desired({"people": [person("t01", typed)]}))["t01"]
    assert entry["displayName"] == [kept]
    assert entry["cn"] == [kept]
    assert entry["dn"] == "uid=t01,ou=people,ou=jyj,ou=tenants,dc=qingdao,dc=test"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", ""),  # open-11, t05
        ("display_name", "   "),
        ("display_name", "a\nb"),
        ("display_name", "a\x00b"),
        ("display_name", "a\u2028b"),
        ("display_name", "张\u202e三"),
        ("display_name", "a\x85b"),
        ("uid", "t06,ou=admins"),  # open-11, t06
        ("uid", "T07"),
        ("uid", "ab"),
        ("uid", "1abc"),
        ("uid", "*)(uid=*"),
        ("uid", "t01\\00"),
        ("mail", "two@x.test,three@x.test"),
        ("mail", "张@x.test"),
        ("phone", "call me"),
        ("employee_number", "a b"),
        ("groups", ["all,ou=x"]),
        ("unknown", "x"),
    ],
)
def test_the_form_refuses_with_the_field_named(field: str, value: Any) -> None:
    assert DIRECTORY.spec is not None
    with pytest.raises(ValidationError) as caught:
        DIRECTORY.spec.model_validate({"people": [person("t01") | {field: value}]})
    assert [e["loc"][:3] for e in caught.value.errors()] == [("people", 0, field)]


def test_entries_are_as_the_server_gives_them_back() -> None:
    resources = desired(
        {
            "people": [
                person(
                    "t02", "李四", pinyin="Li Si", mail="t02@x.test", phone="0532-5550-1", title="科员", groups=["all"]
                ),
                person("t01", "John Smith", pinyin="john  smith", groups=["all"]),
            ],
            "groups": [group("all"), group("empty")],
            "services": [{"name": "scanner", "title": {"zh": "扫描仪", "en": "Scanner"}}],
        }
    )
    units = [i for i in resources if i.startswith("directory:ou/")]
    assert units == [
        "directory:ou/jyj",
        "directory:ou/jyj/groups",
        "directory:ou/jyj/people",
        "directory:ou/jyj/services",
    ]
    found = people(resources)
    assert found["t02"]["cn"] == ["Li Si", "李四"]
    assert found["t01"]["cn"] == ["John Smith"]  # the server takes both for one value
    assert found["t02"]["departmentNumber"] == ["jyj"]
    assert found["t02"]["preferredLanguage"] == ["zh-CN"]
    assert found["t02"]["homeDirectory"] == ["/home/t02"]
    assert found["t01"]["gidNumber"] == found["t02"]["gidNumber"]
    base = "ou=jyj,ou=tenants,dc=qingdao,dc=test"
    everybody = resources["directory:group/jyj/all"].attributes
    assert everybody["member"] == [f"uid=t01,ou=people,{base}", f"uid=t02,ou=people,{base}"]
    assert resources["directory:group/jyj/empty"].attributes["member"] == ["cn=empty,ou=system,dc=qingdao,dc=test"]
    service = resources["directory:service/jyj/scanner"]
    assert service.attributes["uid"] == ["jyj-scanner"]
    assert service.attributes["dn"] == f"uid=jyj-scanner,ou=services,{base}"
    for resource in resources.values():
        assert set(resource.attributes) <= {"dn", *COMPARED[resource.kind]}
        assert resource.attributes["dn"] == normalise_dn(resource.attributes["dn"])
        for name, values in resource.attributes.items():
            if name != "dn":
                assert values == sorted(set(values))
                assert all(isinstance(v, str) and v == v.strip() and v for v in values)


def test_a_person_is_known_by_an_opaque_key_that_survives_a_rename() -> None:  # open-15
    view = subscription(DIRECTORY, JYJ, {"people": [person("t07", groups=["a"])], "groups": [group("a")]})
    world = replace(WORLD, allocations=allocate(DIRECTORY, [view], WORLD))
    renamed = subscription(
        DIRECTORY, JYJ, {"people": [person("t70", first_uid="t07", groups=["a"])], "groups": [group("a")]}
    )
    assert DIRECTORY.desired is not None
    before = {r.id: r for r in DIRECTORY.desired(view, world)}
    after = {r.id: r for r in DIRECTORY.desired(renamed, world)}
    assert set(before) == set(after)
    (key,) = [i for i in before if i.startswith("directory:person/")]
    assert "t07" not in key
    assert before[key].label == "张三 (t07)"
    for same in ("uidNumber", "homeDirectory"):
        assert before[key].attributes[same] == after[key].attributes[same]
    assert after[key].attributes["dn"].startswith("uid=t70,")
    assert after["directory:group/jyj/a"].attributes["member"] == [after[key].attributes["dn"]]


def test_all_problems_come_at_once() -> None:
    spec = {
        "people": [
            person("t01", groups=["nobody"]),
            person("t01"),
            person("root"),
            person("jyj-scanner"),
            person("t08", first_uid="t01"),
        ],
        "groups": [group("a"), group("a")],
        "services": [{"name": "scanner", "title": {"zh": "扫描仪", "en": "Scanner"}}],
    }
    problems = check(spec)
    assert not [str(p.text) for p in problems if "[" in str(p.text)], "people know no places in a document"
    assert [(p.code, p.field) for p in problems] == [
        ("double", "people[1].uid"),
        ("double", "services[0].name"),
        ("double", "people[4].first_uid"),
        ("double", "groups[1].name"),
        ("unknown-group", "people[0].groups[0]"),
        ("reserved-uid", "people[2].uid"),
    ]


@pytest.mark.parametrize(("tier", "seats"), [("S", 50), ("M", 200), ("L", 1000)])
def test_seats(tier: str, seats: int) -> None:
    full = {"people": [person(f"t{i:05d}") for i in range(seats)]}
    assert check(full, tier) == []
    more = {"people": [person(f"t{i:05d}") for i in range(seats + 1)]}
    assert [p.code for p in check(more, tier)] == ["too-many-people"]


def test_nothing_is_made_up_when_a_number_was_not_recorded() -> None:
    assert DIRECTORY.desired is not None
    with pytest.raises(KeyError):
        DIRECTORY.desired(subscription(DIRECTORY, JYJ, {"people": [person("t01")]}), WORLD)


def test_ten_thousand_people_are_read_and_planned_quickly() -> None:
    world, documents = reference_estate()
    started = time.process_time()
    views = reference_subscriptions(DIRECTORY, world, documents)
    assert DIRECTORY.check is not None
    assert DIRECTORY.desired is not None
    assert [p for v in views for p in DIRECTORY.check(v, world)] == []
    full = replace(world, allocations=allocate(DIRECTORY, views, world))
    resources = [r for v in views for r in DIRECTORY.desired(v, full)]
    assert time.process_time() - started < 5  # measured: 0.4 s
    assert len(views) == 94
    assert sum(r.kind == "directory.person" for r in resources) >= 10000
    assert len({r.id for r in resources}) == len(resources)
    assert len({r.attributes["dn"] for r in resources}) == len(resources)
