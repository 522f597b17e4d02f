"""Renames and moves: the entry stays itself, and its memberships follow, whoever moves them (open-15)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers.directory_entries import PART
from control_plane.model.dn import child_dn
from control_plane.model.plan import Change
from control_plane.model.ports import Notice
from tests.drivers.directory_world import World, carry_out, driver, look, person_dn, settle, states, unit_dn
from tests.drivers.slapd import Slapd, running_slapd

GROUPS = ("site-editors", "mail-all", "shift-b")
PERSON = "directory:person/p_77"


@pytest.fixture(params=["", "refint"], ids=["server follows", "server does not follow"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Slapd]:
    with running_slapd(tmp_path, without=request.param) as running:
        yield running


def world_with(uid: str, world: World | None = None) -> World:
    """t07 is alone in one group, with others in the second, and added to the third by the same change."""
    world = world or World()
    if not world.wanted:
        world.unit("wsj")
        for other in ("t01", "t02"):
            world.person("wsj", other)
        world.person("wsj", uid, key="p_77", homeDirectory="/home/t07", mail="t07@qingdao.test")
    world.change(PERSON, dn=person_dn("wsj", uid), uid=[uid])
    world.group("wsj", "site-editors", [uid])
    world.group("wsj", "mail-all", ["t01", "t02", uid])
    world.group("wsj", "shift-b", ["t01", uid])
    return world


def members(server: Slapd) -> dict[str, set[str]]:
    seen = look(driver(server)).resources
    return {name: set(seen[f"directory:group/wsj/{name}"].attributes["member"]) for name in GROUPS}


def test_open_15_rename_with_groups(server: Slapd) -> None:
    under_test = driver(server)
    world = world_with("t07")
    settle(under_test, world)
    uuid = server.dump(person_dn("wsj", "t07"), "(objectClass=*)", "entryUUID").splitlines()[1]
    server.root(f"dn: {person_dn('wsj', 't07')}\nchangetype: modify\nadd: userPassword\nuserPassword: its own one\n")
    hashed = server.dump(person_dn("wsj", "t07"), "(objectClass=*)", "userPassword").splitlines()[1]

    world_with("t70", world)
    plan = world.plan(look(under_test))
    assert {(c.action, c.id) for c in plan.changes} == {
        ("update", PERSON),
        *(("update", f"directory:group/wsj/{name}") for name in GROUPS),
    }
    outcomes = carry_out(under_test, plan.steps)
    assert states(outcomes) <= {"applied", "already"}, outcomes
    old, new = person_dn("wsj", "t07"), person_dn("wsj", "t70")
    assert all(new in held and old not in held for held in members(server).values())
    assert not world.plan(look(under_test)).changes
    after = server.dump(new, "(objectClass=*)", "entryUUID", "userPassword", "homeDirectory", "mail", "memberOf")
    assert after.count("memberOf: ") == len(GROUPS)
    assert uuid in after
    assert hashed in after
    assert "homeDirectory: /home/t07" in after
    assert "mail: t07@qingdao.test" in after


def test_killed_in_the_middle_of_a_rename(server: Slapd) -> None:
    """Stop after every step; the person is in each group under the name it has at that moment; a rerun finishes."""
    under_test, reader = driver(server), driver(server)
    world = world_with("t07")
    settle(under_test, world)
    names = ["t07", "t70"]
    for stop_after in range(1, 7):
        names.reverse()
        world_with(names[0], world)
        steps = world.plan(look(reader)).steps
        items = under_test.apply(PART, steps, lambda: None)
        for _ in range(stop_after):
            next(items, None)
        items.close()  # type: ignore[attr-defined]
        now = look(reader).resources[PERSON].attributes["dn"]
        if names[0] in now or stop_after == 1:
            assert all(now in held for held in members(server).values()), stop_after
        settle(under_test, world)
        assert all(person_dn("wsj", names[1]) not in held for held in members(server).values())


def test_only_the_prelude_was_done(server: Slapd) -> None:
    under_test = driver(server)
    world = world_with("t07")
    settle(under_test, world)
    for name in GROUPS:
        dn = child_dn("cn", name, unit_dn("wsj", "groups"))
        server.root(f"dn: {dn}\nchangetype: modify\nadd: member\nmember: {person_dn('wsj', 't70')}\n")
    world_with("t70", world)
    assert states(settle(under_test, world)) <= {"applied", "already"}


def test_move_to_another_tenant_keeps_the_entry(server: Slapd) -> None:
    under_test = driver(server)
    world = world_with("t07")
    world.unit("jyj")
    settle(under_test, world)
    uuid = server.dump(person_dn("wsj", "t07"), "(objectClass=*)", "entryUUID").splitlines()[1]
    old = world.wanted[PERSON]
    world.person("jyj", "t07", key="p_77", homeDirectory="/home/t07", uidNumber=old.attributes["uidNumber"][0])
    for name in GROUPS:
        world.group("wsj", name, ["t01"])
    plan = world.plan(look(under_test))
    assert [(c.action, c.tenant) for c in plan.changes if c.id == PERSON] == [("update", "jyj")]
    settle(under_test, world)
    assert uuid in server.dump(person_dn("jyj", "t07"), "(objectClass=*)", "entryUUID")
    assert look(under_test).resources[PERSON].owner_marker == "t_jyj00000000/directory"


def test_names_go_round(server: Slapd) -> None:
    """A leaver's name is taken by a rename, whose old name is taken by a newcomer: one plan, one apply."""
    under_test = driver(server)
    world = world_with("t07")
    settle(under_test, world)
    del world.wanted["directory:person/p_t02"]
    world_with("t02", world)
    world.group("wsj", "mail-all", ["t01", "t02"])
    world.person("wsj", "t07", key="p_new")
    settle(under_test, world)
    seen = look(under_test).resources
    assert seen[PERSON].attributes["uid"] == ["t02"]
    assert seen["directory:person/p_new"].attributes["uid"] == ["t07"]


def test_swapped_names_are_refused(server: Slapd) -> None:
    under_test = driver(server)
    world = world_with("t07")
    settle(under_test, world)
    world_with("t01", world)
    other = "directory:person/p_t01"
    world.change(other, dn=person_dn("wsj", "t07"), uid=["t07"])
    outcomes = carry_out(under_test, world.plan(look(under_test)).steps)
    assert outcomes[PERSON].state == outcomes[other].state == "refused"
    assert other in str(outcomes[PERSON].text)


def renamed_by_hand(server: Slapd, dn: str, rdn: str) -> None:
    server.root(f"dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\n")


def test_a_unit_renamed_by_hand_comes_back_with_all_below_it(server: Slapd) -> None:
    under_test = driver(server)
    world = world_with("t07")
    settle(under_test, world)
    renamed_by_hand(server, unit_dn("wsj"), "ou=stolen")
    renamed_by_hand(server, unit_dn("stolen", "people"), "ou=leute")
    plan = world.plan(look(under_test))
    assert {c.action for c in plan.changes} == {"update"}
    settle(under_test, world)


CASES: list[dict[str, Any]] = [
    {"rdn": "uid=T07", "changed": True},
    {"rdn": "uid=hand", "changed": True},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["rdn"]))
def test_a_person_renamed_by_hand_comes_back(server: Slapd, case: dict[str, Any]) -> None:
    under_test = driver(server)
    world = world_with("t07")
    settle(under_test, world)
    renamed_by_hand(server, person_dn("wsj", "t07"), case["rdn"])
    plan = world.plan(look(under_test))
    assert bool([c for c in plan.changes if c.id == PERSON]) == case["changed"]
    settle(under_test, world)
    assert all(person_dn("wsj", "t07") in held for held in members(server).values())


def test_a_writer_between_rename_and_modification_is_not_overwritten(server: Slapd) -> None:
    """The rename succeeds, then somebody else is faster: refused, and the other's value stands."""
    under_test = driver(server)
    world = world_with("t07")
    settle(under_test, world)
    world_with("t70", world)
    world.change(PERSON, title=["科员"])
    steps: tuple[Change, ...] = world.plan(look(under_test)).steps
    late = f"dn: {person_dn('wsj', 't70')}\nchangetype: modify\nreplace: sn\nsn: other\n"
    sent = 0

    def fence() -> None:
        nonlocal sent
        sent += 1
        if sent == 3:  # prelude, rename, then the search for the entry's new version
            server.root(late)

    outcomes = carry_out(under_test, steps, fence)
    assert outcomes[PERSON].state == "refused"
    assert "sn" in str(outcomes[PERSON].text)
    assert look(under_test).resources[PERSON].attributes["sn"] == ["other"]
    assert [i for i in under_test.apply(PART, [], lambda: None) if not isinstance(i, Notice)] == []


def test_who_moves_out_of_a_group_is_not_its_member_by_any_attribute(server: Slapd) -> None:
    """The server follows renames a moment later; `memberOf` must not stay behind, however many move at once."""
    world = World()
    movers = [f"m{number:02}" for number in range(30)]
    for code in ("wsj", "jyj"):
        world.unit(code)
    for uid in (*movers, "stays"):
        world.person("wsj", uid)
    world.group("wsj", "mail-all", [*movers, "stays"])
    world.group("wsj", "shift-b", movers)
    settle(driver(server), world)
    assert server.dump(unit_dn("wsj", "people"), "(memberOf=*)", "dn").count("dn: ") == len(movers) + 1
    for uid in movers:
        world.person("jyj", uid)
    world.group("wsj", "mail-all", ["stays"])
    world.group("wsj", "shift-b")
    settle(driver(server), world)
    assert server.dump(unit_dn("jyj", "people"), "(uid=m*)", "dn").count("dn: ") == len(movers)
    assert server.dump(unit_dn("jyj", "people"), "(memberOf=*)", "dn") == ""
