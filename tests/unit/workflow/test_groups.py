"""Groups of departments: made, renamed, ended, who is in them; previewed, undone, and lost by movers and leavers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.model.errors import Invalid, NotFound, StalePlan
from control_plane.model.text import in_language
from tests.web.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("groups"))
        yield made
        made.close()


def change(world: World, code: str, act: str, name: str, **more: Any) -> dict[str, Any]:
    done = world.client.groups.change(code, {"act": act, "name": name, **more})
    assert world.client.run(done["run"])["state"] == "done", world.client.run(done["run"])
    return done


def real(world: World, code: str, name: str) -> dict[str, Any] | None:
    """The group as the directory has it."""
    seen = world.drivers[1].things["directory:tenants"].get(f"directory:group/{code}/{name}")
    return dict(seen.attributes) if seen is not None else None


def faults(world: World, code: str, **wish: Any) -> list[tuple[str, str | None]]:
    with pytest.raises(Invalid) as raised:
        world.client.groups.preview(code, wish)
    return [(problem.code, problem.field) for problem in raised.value.problems]


def test_from_its_making_to_its_end(world: World) -> None:
    here = [row["uid"] for row in world.client.accounts("fgw")][:3]
    seen = world.client.groups.preview("fgw", {"act": "make", "name": "leaders", "zh": "领导"})
    assert [(c["action"], c["id"]) for c in seen["plan"]["changes"]] == [("create", "directory:group/fgw/leaders")]
    assert real(world, "fgw", "leaders") is None, "a preview writes nothing"
    change(world, "fgw", "make", "leaders", zh="领导")
    number = world.client.groups.show("fgw", "leaders")["gid"]
    change(world, "fgw", "people", "leaders", put=here)
    assert len(real(world, "fgw", "leaders")["member"]) == 3  # type: ignore[index]
    last = change(world, "fgw", "people", "leaders", out=here[:1])
    assert world.client.groups.show("fgw", "leaders")["people"] == here[1:]
    plan = world.client.undo_run(last["run"])
    world.client.apply(plan["digest"])
    assert world.client.groups.show("fgw", "leaders")["people"] == here
    assert len(real(world, "fgw", "leaders")["member"]) == 3  # type: ignore[index]
    change(world, "fgw", "rename", "leaders", to="heads", en="Heads")
    row = world.client.groups.show("fgw", "heads")
    assert (row["gid"], row["people"], row["zh"], row["en"]) == (number, here, "领导", "Heads")
    assert real(world, "fgw", "leaders") is None
    assert real(world, "fgw", "heads")["gidNumber"] == [str(number)]  # type: ignore[index]
    change(world, "fgw", "rename", "heads", to="leaders")
    change(world, "fgw", "end", "leaders")
    assert real(world, "fgw", "leaders") is None
    assert not any("leaders" in row["groups"] for row in world.client.accounts("fgw"))
    assert world.client.plan("tenant:fgw")["changes"] == []
    acts = [row["act"] for row in world.client.audit.list({"act": "account.group"})]
    assert len(acts) == 6


def test_who_moves_or_leaves_is_in_none_any_more(world: World) -> None:
    stays, moves, leaves = [row["uid"] for row in world.client.accounts("jyj")][:3]
    change(world, "jyj", "make", "shift", zh="值班")
    change(world, "jyj", "people", "shift", put=[stays, moves, leaves])
    world.client.staff.take(f"单位,账号\nczj,{moves}\n".encode())
    world.client.staff.leave(leaves, reason="gone")
    assert world.client.groups.show("jyj", "shift")["people"] == [stays]
    assert [dn.split(",")[0] for dn in real(world, "jyj", "shift")["member"]] == [f"uid={stays}"]  # type: ignore[index]
    assert world.client.staff.show(moves)["groups"] == []


def test_all_that_is_wrong_is_said_at_once(world: World) -> None:
    uid = world.client.accounts("gaj")[0]["uid"]
    assert faults(world, "gaj", act="make", name="Big Group", zh=" ") == [("bad-group", "name"), ("no-title", "zh")]
    assert faults(world, "gaj", act="make", name="all", zh="x\n") == [("taken", "name"), ("bad-title", "zh")]
    assert faults(world, "gaj", act="people", name="all", put=["nobody", uid], out=[uid, "none"]) == [
        *(("unknown-person", "put"), ("both", "put"), ("unknown-person", "out")),
    ]
    assert faults(world, "gaj", act="rename", name="all") == [("nothing-changes", None)]
    other = world.client.accounts("czj")[0]["uid"]
    assert faults(world, "gaj", act="people", name="all", put=[other]) == [("unknown-person", "put")]
    for code, name in (("gaj", "none"), ("zzz", "all")):
        with pytest.raises(NotFound):
            world.client.groups.show(code, name)
        with pytest.raises(NotFound):
            world.client.groups.change(code, {"act": "end", "name": name})


def test_a_name_that_was_anothers_is_not_given_again(world: World) -> None:
    change(world, "sjj", "make", "first", zh="一")
    change(world, "sjj", "rename", "first", to="second")
    assert faults(world, "sjj", act="make", name="first", zh="二") == [("taken", "name")]


def test_an_old_preview_counts_no_more(world: World) -> None:
    wish = {"act": "make", "name": "stale", "zh": "旧"}
    digest = world.client.groups.preview("czj", wish)["digest"]
    change(world, "czj", "make", "other", zh="新")
    with pytest.raises(StalePlan):
        world.client.groups.change("czj", wish, digest=digest)
    assert real(world, "czj", "stale") is None
    fresh = world.client.groups.preview("czj", wish)["digest"]
    world.client.groups.change("czj", wish, digest=fresh)
    assert real(world, "czj", "stale") is not None
