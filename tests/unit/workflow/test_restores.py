"""One tenant back to a former day: its wishes of then, nothing of others, and clear words where it cannot be."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from control_plane.model.errors import Invalid, NotFound, Rejected, StalePlan
from control_plane.model.restoring import Aspects, mixed
from control_plane.model.text import in_language
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.access_times import ZONE
from control_plane.workflow.wishes import wish_order
from tests.unit.audit.test_every_act import publish
from tests.web.world import World, make_world

SITES = Aspects(entries="sites", key=lambda s: str(s["n"]), fields={"source": "site", "names": "records"})


def site(n: str, source: str, names: str, title: str) -> dict[str, str]:
    return {"n": n, "source": source, "names": names, "title": title}


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        (("site",), site("a", "old", "new", "new")),
        (("records",), site("a", "new", "old", "new")),
        (("settings",), site("a", "new", "new", "old")),
        (("site", "settings"), site("a", "old", "new", "old")),
    ],
)
def test_a_part_goes_back_alone(what: Any, wanted: dict[str, str]) -> None:
    then = {"sites": [site("a", "old", "old", "old"), site("gone", "x", "x", "x")], "mode": "old"}
    now = {"sites": [site("new", "y", "y", "y"), site("a", "new", "new", "new")], "mode": "new", "more": 1}
    made, apart = mixed(SITES, then, now, what)
    assert made["sites"] == [site("new", "y", "y", "y"), wanted]
    assert made["mode"] == ("old" if "settings" in what else "new")
    assert ("more" in made) == ("settings" not in what)
    assert apart == ["gone", "new"]


def test_all_of_it_is_the_form_of_then() -> None:
    then, now = {"sites": [site("gone", "x", "x", "x")]}, {"sites": [], "mode": 1}
    assert mixed(SITES, then, now, ("site", "records", "settings")) == (then, [])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Each test has a department of its own."""
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("restores"))
        yield made
        made.close()


def spec(world: World, name: str) -> dict[str, Any]:
    found = world.store.estate.subscription(name)
    assert found is not None
    return found.spec


def change(world: World, name: str, **fields: Any) -> None:
    """A later wish that is made real; `alias` adds a name of the website, None as spec ends the service."""
    code, _, offering = name.partition("/")
    wanted: Any = copy.deepcopy(spec(world, name))
    if "alias" in fields:
        wanted["sites"][0]["names"]["aliases"].append(fields["alias"])
    if "people" in fields:
        wanted["people"] = wanted["people"][: fields["people"]]
    changes = [SubscriptionChange(code, offering, "S", None if fields.get("end") else wanted)]
    order = wish_order(world.client.planner.catalogue, changes, world.client.actor, "test", "apply")
    world.client.applier.apply(replace(order, accept=lambda _plan: None), world.client.actor)


def later(world: World) -> str:
    """Time goes on; what was before, as people write it."""
    before = world.clock.now.isoformat()
    world.clock.advance(timedelta(days=2).total_seconds())
    return before


def applied(world: World, plan: dict[str, Any]) -> dict[str, Any]:
    word = next((guard["confirm"] for guard in plan["guards"] if guard["confirm"]), None)
    return world.client.apply(plan["digest"], confirm=word)


def test_everything_of_a_tenant_goes_back_and_nothing_of_others(world: World) -> None:
    client, before = world.client, {s.id: s.spec for s in world.store.estate.subscriptions()}
    _, first = publish(world, client)
    client.activate_release("fgw.qingdao.test", first)
    then = {s.id: s.spec for s in world.store.estate.subscriptions()}
    moment = later(world)
    _, second = publish(world, client)
    client.activate_release("fgw.qingdao.test", second)
    client.maintenance("fgw.qingdao.test", True)
    change(world, "fgw/public_site", alias="more.fgw.qingdao.test")
    change(world, "fgw/directory", people=1)
    change(world, "gaj/public_site", alias="more.gaj.qingdao.test")
    others = {s.id: s.spec for s in world.store.estate.subscriptions() if s.code != "fgw"}
    generation = world.store.estate.subscription("fgw/public_site").generation  # type: ignore[union-attr]

    plan = client.restores.plan("fgw", to=moment)
    assert {c["tenant"] for c in plan["changes"]} == {"fgw"}
    assert {r["subscription"] for r in plan["restores"]} == {"fgw/public_site", "fgw/directory"}
    assert {"from_generation": generation, "to_generation": 2, "subscription": "fgw/public_site"} in plan["restores"]
    assert spec(world, "fgw/public_site") != then["fgw/public_site"], "a preview changes nothing"
    assert client.get_plan(plan["digest"])["restores"] == plan["restores"]
    assert applied(world, plan)["kind"] == "restore"
    now = {s.id: s.spec for s in world.store.estate.subscriptions()}
    assert {name: now[name] for name in now if name.startswith("fgw/")} == {
        name: then[name] for name in then if name.startswith("fgw/")
    }
    assert {name: now[name] for name in others} == others
    assert not client.plan("tenant:fgw")["changes"]
    assert not client.plan("tenant:gaj")["changes"]
    assert now["fgw/public_site"]["sites"][0]["source"] == {"kind": "release", "release": first}
    assert before["fgw/directory"] == now["fgw/directory"]
    cause = world.store.estate.revisions("fgw/public_site")[-1].cause
    assert cause.startswith("restore fgw 2026-11-24T")
    assert client.audit.verify()["ok"]
    with pytest.raises(Rejected, match="stands as it did"):
        client.restores.plan("fgw", to=moment)


def test_a_part_and_a_day(world: World) -> None:
    change(world, "czj/public_site", alias="kept.czj.qingdao.test")
    day = f"{world.clock.now:%Y-%m-%d}"
    later(world)
    world.client.maintenance("czj.qingdao.test", True)
    change(world, "czj/public_site", alias="more.czj.qingdao.test")
    applied(world, world.client.restores.plan("czj", to=day, what=["records"]))
    made = spec(world, "czj/public_site")["sites"][0]
    assert "kept.czj.qingdao.test" in made["names"]["aliases"]
    assert "more.czj.qingdao.test" not in made["names"]["aliases"]
    assert made["maintenance"] is True


def test_a_service_that_ended_comes_back_whole_and_one_that_began_stays(world: World) -> None:
    moment = later(world)
    change(world, "gaj/intranet", end=True)
    with pytest.raises(Rejected, match="stands as it did"):
        world.client.restores.plan("gaj", to=moment, what=["site"])
    between = later(world)
    plan = world.client.restores.plan("gaj", to=moment)
    assert [r["subscription"] for r in plan["restores"]] == ["gaj/intranet"]
    applied(world, plan)
    change(world, "gaj/public_site", alias="again.gaj.qingdao.test")
    plan = world.client.restores.plan("gaj", to=between)
    words = "It was not wanted then and stays; whoever wants it no more ends it."
    assert plan["left"] == [{"subscription": "gaj/intranet", "sentence": words}]


def test_what_cannot_be_is_said(world: World) -> None:
    restores = world.client.restores
    moment = later(world)
    with pytest.raises(NotFound, match="zzz"):
        restores.plan("zzz", to=moment)
    with pytest.raises(Rejected, match="known since 2026-11-24 10:00"):
        restores.plan("fgw", to="2026-11-23")
    with pytest.raises(Invalid) as told:
        restores.plan("fgw", to="yesterday", what=["sites"])
    assert {(p.field, p.code) for p in told.value.problems} == {("to", "bad-time"), ("what", "bad-what")}
    today = world.clock().astimezone(ZONE).date()
    for coming in ("2999-01-01T10:00", "2999-01-01", f"{today + timedelta(days=1)}"):
        with pytest.raises(Invalid, match="still to come") as told:
            restores.plan("fgw", to=coming)
        (problem,) = told.value.problems
        assert problem.field == "to" and "in the past" in str(problem.remedy), coming
    with pytest.raises(Rejected, match="stands as it did then"):
        restores.plan("fgw", to=f"{today}")


def test_content_that_was_deleted_is_named(world: World) -> None:
    _, first = publish(world, world.client)
    world.client.activate_release("fgw.qingdao.test", first)
    moment = later(world)
    _, second = publish(world, world.client)
    world.client.activate_release("fgw.qingdao.test", second)
    change(world, "fgw/public_site", alias="more.fgw.qingdao.test")
    row = next(row for row in world.store.releases.list("fgw.qingdao.test") if row.id == first)
    world.store.releases.delete(row, world.client.actor, "room")
    with pytest.raises(Invalid) as told:
        world.client.restores.plan("fgw", to=moment)
    (problem,) = told.value.problems
    assert problem.code == "content-deleted"
    assert first[:8] in str(problem.text)
    assert world.client.restores.plan("fgw", to=moment, what=["records"])["changes"]


def test_a_change_in_between_makes_it_stale(world: World) -> None:
    moment = later(world)
    change(world, "jyj/public_site", alias="more.jyj.qingdao.test")
    plan = world.client.restores.plan("jyj", to=moment)
    change(world, "jyj/public_site", alias="again.jyj.qingdao.test")
    with pytest.raises(StalePlan):
        applied(world, plan)
    assert "again.jyj.qingdao.test" in spec(world, "jyj/public_site")["sites"][0]["names"]["aliases"]


def test_who_left_since_comes_back_and_nobody_leaves_by_it(world: World) -> None:
    client = world.client
    again, gone = [row["uid"] for row in client.accounts("sjj") if row["status"] == "active"][:2]
    client.staff.leave(again, reason="a year abroad")
    moment = later(world)
    client.staff.take(f"账号,状态\n{again},在职\n".encode(), tenant="sjj")
    client.staff.leave(gone, reason="gone")
    plan = client.restores.plan("sjj", to=moment, what=["accounts"])
    assert [row["sentence"] for row in plan["left"]] == [
        "1 person who left since comes back, with the old password.",
        "1 person who had left then is here again, and stays.",
    ]
    applied(world, plan)
    assert {client.staff.show(uid)["status"] for uid in (again, gone)} == {"active"}


def test_who_moved_since_stays_where_they_are(world: World) -> None:
    client = world.client
    uid, other = [row["uid"] for row in client.accounts("jyj") if row["status"] == "active"][:2]
    moment = later(world)
    client.staff.take(f"单位,账号,姓名\nczj,{uid},{uid}\njyj,{other},改名\n".encode())
    there = spec(world, "czj/directory")
    plan = client.restores.plan("jyj", to=moment, what=["accounts"])
    assert [row["sentence"] for row in plan["left"]] == [
        "1 person of then is in another department now, and stays there."
    ]
    applied(world, plan)
    assert (client.staff.show(uid)["tenant"], spec(world, "czj/directory")) == ("czj", there)
    assert client.staff.show(other)["name"] != "改名"
    with pytest.raises(Rejected, match="stands as it did"):
        client.restores.plan("jyj", to=moment, what=["accounts"])
