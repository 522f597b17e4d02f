"""What there is only one of: conflicts, quarantine, numbers that never come back, races.

Cases open-19 (race for the last free number) and open-29 (created again under the same name) are here as data.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from control_plane.model.errors import Invalid
from control_plane.model.offering import Claim
from control_plane.store.allocations import Pools
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from tests.unit.store.conftest import tenant

DAYS_UID, DAYS_NAME = 180, 30


def person(uid: str, field: str = "people[0].uid") -> list[Claim]:
    subject = f"uid:{uid}"
    return [Claim("uid", uid, field), Claim("uid_number", subject, field), Claim("person_key", subject, field)]


def wish(store, code, claims, offering="directory", spec=()):
    change = SubscriptionChange(code, offering, "S", None if spec is None else {})
    store.estate.change(store.actors.get("local:test"), "import 1", [change], {(code, offering): claims})


@pytest.fixture
def two(store, actor):
    store.estate.put_tenants(actor, "import 1", [tenant("fgw", 1), tenant("wjmj", 2)])
    return store


def test_numbers_count_up_and_stay(two):
    wish(two, "fgw", [*person("zhang"), *person("wang"), Claim("gid_number", "group:fgw/all", "groups[0]")])
    first = two.estate.allocations()
    assert (first["uid_number", "uid:zhang"], first["uid_number", "uid:wang"]) == ("100000", "100001")
    assert first["gid_number", "group:fgw/all"] == "200000"
    assert first["person_key", "uid:zhang"].startswith("p_")
    assert len(first["person_key", "uid:zhang"]) == 14
    wish(two, "fgw", [*person("wang"), *person("zhang"), *person("li")])
    second = two.estate.allocations()
    assert {k: v for k, v in second.items() if k in first} == {k: v for k, v in first.items() if k[0] != "gid_number"}
    assert second["uid_number", "uid:li"] == "100002"


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ([Claim("dns_name", "gaj.qingdao.test", "sites[0].names.main")], "gaj.qingdao.test"),
        (person("zhang", "people[4].uid"), "zhang"),
    ],
    ids=["name", "uid"],
)
def test_what_another_has_is_refused_with_the_field_and_changes_nothing(two, claims, subject):
    wish(two, "fgw", claims)
    before = two.estate.allocations()
    with pytest.raises(Invalid) as caught:
        wish(two, "wjmj", [*person("new"), *claims])
    (problem,) = caught.value.problems
    assert (problem.where, problem.field, problem.code) == ("wjmj/directory", claims[0].field, "taken")
    assert subject in str(problem.text)
    assert two.estate.allocations() == before
    assert [s.id for s in two.estate.subscriptions()] == ["fgw/directory"]


def test_two_of_one_import_want_the_same(two, actor):
    names = {("fgw", "site"): [Claim("dns_name", "x", "a")], ("wjmj", "site"): [Claim("dns_name", "x", "b")]}
    changes = [SubscriptionChange(code, "site", "S", {}) for code in ("fgw", "wjmj")]
    with pytest.raises(Invalid) as caught:
        two.estate.change(actor, "import 1", changes, names)
    assert [(p.where, p.field) for p in caught.value.problems] == [("wjmj/site", "b")]


def test_a_claim_moves_between_offerings_of_a_tenant(two, actor):
    name = Claim("dns_name", "fgw.qingdao.test", "sites[0].names.main")
    wish(two, "fgw", [name], "intranet")
    with pytest.raises(Invalid):
        wish(two, "fgw", [name], "public_site")
    changes = [SubscriptionChange("fgw", offering, "S", {}) for offering in ("intranet", "public_site")]
    two.estate.change(actor, "import 2", changes, {("fgw", "intranet"): [], ("fgw", "public_site"): [name]})
    with pytest.raises(Invalid):
        wish(two, "fgw", [name], "intranet")


@pytest.mark.parametrize(
    ("days", "claimant", "outcome"),
    [
        (0, "fgw", "same"),
        (DAYS_UID - 1, "fgw", "same"),
        (DAYS_UID + 1, "fgw", "new"),
        (0, "wjmj", "refused"),
        (DAYS_UID - 1, "wjmj", "refused"),
        (DAYS_UID + 1, "wjmj", "new"),
    ],
)
def test_quarantine_of_a_person(two, clock, days, claimant, outcome):
    wish(two, "fgw", person("zhang"))
    before = two.estate.allocations()
    wish(two, "fgw", [])
    clock.advance(days=days)
    if outcome == "refused":
        with pytest.raises(Invalid) as caught:
            wish(two, claimant, person("zhang"))
        assert [p.code for p in caught.value.problems] == ["reserved"]
        return
    wish(two, claimant, person("zhang"))
    after = two.estate.allocations()
    same = [key for key in before if before[key] == after[key] and key[0] != "uid"]
    assert same == ([k for k in before if k[0] != "uid"] if outcome == "same" else [])


@pytest.mark.parametrize(("days", "free"), [(DAYS_NAME - 1, False), (DAYS_NAME + 1, True)])
def test_quarantine_of_a_name(two, clock, days, free):
    name = [Claim("dns_name", "old.qingdao.test", "sites[0].names.main")]
    wish(two, "fgw", name)
    wish(two, "fgw", [], spec=None)
    clock.advance(days=days)
    if free:
        wish(two, "wjmj", name)
    else:
        with pytest.raises(Invalid):
            wish(two, "wjmj", name)


OPEN_29 = [
    {"variant": "another office gets the code", "uid": "newcomer"},
    {"variant": "the same person comes back with the same uid", "uid": "zhang"},
]


@pytest.mark.parametrize("case", OPEN_29, ids=lambda case: case["variant"])
def test_open_29_a_new_tenant_under_a_former_code_inherits_nothing(store, actor, clock, case):
    site = Claim("dns_name", "skl.intra.qingdao.test", "sites[0].names.main")
    group = Claim("gid_number", "group:skl/all", "groups[0].name")
    old = store.estate.put_tenants(actor, "import 1", [tenant("skl", 5)])["skl"]
    wish(store, "skl", [*person("zhang"), group])
    wish(store, "skl", [site], "intranet")
    store.releases.add("r1", "skl.intra.qingdao.test", old, "0" * 64, 1, 1, "", actor)
    former = store.estate.allocations()
    store.estate.end_tenant("skl", actor)
    assert store.estate.allocations() == {}
    clock.advance(days=365)

    new = store.estate.put_tenants(actor, "import 2", [tenant("skl", 5)])["skl"]
    assert new != old
    wish(store, "skl", [*person(case["uid"]), group])
    wish(store, "skl", [site], "intranet")
    now = store.estate.allocations()
    assert not {v for (pool, _), v in former.items() if pool in ("uid_number", "gid_number", "person_key")} & {
        *now.values()
    }
    assert store.releases.list("skl.intra.qingdao.test") == []
    assert [r.generation for r in store.estate.revisions("skl/intranet")] == [1]
    markers = store.memory(clock()).owners
    assert {f"{old}/intranet", f"{new}/intranet"} <= markers.keys()


OPEN_19 = {"free": 13, "concurrent": 16}


def test_open_19_the_last_free_numbers_go_to_thirteen_of_sixteen(url, clock):
    """Sixteen at once for thirteen numbers: thirteen get different ones, three are told that the pool is full."""
    pools = Pools(numbers={"uid_number": (100_003, 100_003 + OPEN_19["free"] - 1)})
    store = Store(url, clock=clock, pools=pools)
    store.upgrade()
    codes = [f"t{number:02d}" for number in range(OPEN_19["concurrent"])]
    store.estate.put_tenants(store.actors.get("local:test"), "import 1", [tenant(c, i) for i, c in enumerate(codes, 1)])

    def ask(code: str) -> str:
        try:
            wish(store, code, [Claim("uid_number", f"uid:{code}", "people[0].uid")])
        except Invalid as error:
            return error.problems[0].code
        return "got"

    with ThreadPoolExecutor(len(codes)) as pool:
        answers = Counter(pool.map(ask, codes))
    assert answers == {"got": OPEN_19["free"], "pool-full": 3}
    values = list(store.estate.allocations().values())
    assert sorted(map(int, values)) == list(range(100_003, 100_003 + OPEN_19["free"]))
    assert len(store.estate.subscriptions()) == OPEN_19["free"]
    store.close()


def ask_many(arguments: tuple[str, list[str]]) -> list[str]:
    url, codes = arguments
    store = Store(url)
    for code in codes:
        wish(store, code, [Claim("uid_number", f"uid:{code}", "people[0].uid")])
    store.close()
    return codes


def test_two_processes_allocate_at_once(store, actor, url):
    codes = [f"t{number:02d}" for number in range(30)]
    store.estate.put_tenants(actor, "import 1", [tenant(c, i) for i, c in enumerate(codes, 1)])
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(ask_many, [(url, codes[::2]), (url, codes[1::2])], chunksize=1)
    assert sorted(map(int, store.estate.allocations().values())) == list(range(100_000, 100_030))
