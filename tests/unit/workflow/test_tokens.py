"""Tokens of programs: made once, kept as a hash, never worth more than their owner is now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from control_plane.model.errors import Invalid, NotFound, Rejected
from control_plane.model.people import Act
from control_plane.model.text import in_language
from control_plane.model.token import MOST, new_token, well_formed
from control_plane.workflow import access
from control_plane.workflow.tokens import Admitted, OwnerNotReady, TokenOver, TokenRefused, TokenUse
from tests.web.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("tokens"), applied=False)
        for role in ("clerk", "auditor", "finance"):
            made.person(role)
        yield made
        made.close()


def make(world: World, person: str, tenant: str | None = None, *scopes: str) -> str:
    made = world.client.tokens.create(person=person, name="backup", scopes=scopes or ("tenants:read",), tenant=tenant)
    return str(made["token"])


def use(world: World, value: str) -> Admitted:
    return TokenUse(world.store, world.services.sign_in, world.clock).admit(value, "10.94.1.9")


def test_a_checksum_tells_a_token_from_another_word() -> None:
    value = new_token()
    assert well_formed(value)
    assert not any(
        map(well_formed, (value[:-1] + ("0" if value[-1] != "0" else "1"), value[5:], value + "0", "", "gasp_"))
    )
    assert len({new_token() for _ in range(100)}) == 100


def test_only_its_hash_is_kept(world: World) -> None:
    value = make(world, "auditor1")
    use(world, value)
    with closing(sqlite3.connect(world.folder / "gasp.db")) as database:
        everything = "\n".join(database.iterdump())
    assert value not in everything
    assert value[5:-6] not in everything
    row = world.client.tokens.list(person="auditor1")[0]
    assert value.endswith(row["hint"])
    assert row["used_from"] == "10.94.1.9"
    assert value not in str(world.client.tokens.list(ended=True)) + str(world.client.audit.list(limit=None))


def test_what_is_wrong_is_told_at_once(world: World) -> None:
    with pytest.raises(Invalid) as found:
        world.client.tokens.create(person="auditor1", name=" ", scopes=["all"], until="2029-01-01", tenant="fgw")
    assert [p.field for p in found.value.problems] == ["name", "scopes", "until"]
    with pytest.raises(Invalid) as found:
        world.client.tokens.create(person="clerk1", name="x", scopes=["tenants:read"], tenant="gaj")
    assert [p.field for p in found.value.problems] == ["tenant"]
    with pytest.raises(NotFound):
        world.client.tokens.create(person="nobody7", name="x", scopes=["tenants:read"])
    last = world.client.tokens.create(person="auditor1", name="x", scopes=["tenants:read"], until="2027-11-24")
    assert last["expires_at"].startswith("2027-11-24")


def test_a_form_sent_twice_makes_one(world: World) -> None:
    mine = world.client.acting_as("directory:finance1").tokens
    mine.create(name="x", scopes=["tenants:read"], once="y" * 20)
    with pytest.raises(Rejected, match="made already"):
        mine.create(name="x", scopes=["tenants:read"], once="y" * 20)
    assert len(mine.list()) == 1
    for _ in range(MOST - 1):
        mine.create(name="x", scopes=["tenants:read"])
    with pytest.raises(Rejected, match="50 tokens"):
        mine.create(name="x", scopes=["tenants:read"])


def test_of_others_there_is_nothing(world: World) -> None:
    make(world, "auditor1")
    number = world.client.tokens.list(person="auditor1")[0]["id"]
    mine = world.client.acting_as("directory:clerk1").tokens
    assert all(row["person"] == "directory:clerk1" for row in mine.list(ended=True))
    for act in (lambda: mine.revoke(number), lambda: mine.list(person="auditor1")):
        with pytest.raises(NotFound):
            act()


def test_a_bound_token_sees_its_department_only(world: World) -> None:
    person = use(world, make(world, "auditor1", "fgw")).person
    assert access.tenants_in_sight(person) == {"fgw"}
    assert not access.allows(person, Act.SEE_TENANT, "gaj")
    assert access.tenants_in_sight(use(world, make(world, "auditor1")).person) is None


def test_it_ends_with_its_day_and_by_hand(world: World) -> None:
    value = make(world, "auditor1")
    number = world.client.tokens.list(person="auditor1")[0]["id"]
    assert world.client.tokens.revoke(number, reason="lost")["end_reason"] == "lost"
    with pytest.raises(TokenOver):
        use(world, value)
    short = world.client.tokens.create(person="auditor1", name="x", scopes=["tenants:read"], until="2026-11-25")
    use(world, short["token"])
    before = world.clock.now
    world.clock.advance(3 * 86400)
    with pytest.raises(TokenOver):
        use(world, short["token"])
    world.clock.now = before
    with pytest.raises(TokenRefused):
        use(world, new_token())


@pytest.mark.parametrize("how", ["role", "reset", "left", "disabled"])
def test_it_ends_when_its_owner_is_not_what_they_were(world: World, how: str) -> None:
    uid = f"goes-{how}"
    entry = world.directory.add(uid, "gaj")
    world.store.people.ensure(f"directory:{uid}", "走", "gaj", f"directory:person/{uid}")
    world.client.people.grant(uid, "clerk", tenant="gaj", reason="test")
    world.client.people.grant(uid, "approver", tenant="gaj", reason="test")
    value = make(world, uid)
    use(world, value)
    match how:
        case "role":
            world.client.people.revoke(uid, "clerk", tenant="gaj", reason="moved")
        case "reset":
            world.client.people.reset(uid)
        case "left":
            del world.directory.entries[uid]
        case _:
            entry.disabled = True
    world.clock.advance(1)
    with pytest.raises(TokenOver):
        use(world, value)
    assert world.client.tokens.list(person=uid, ended=True)[0]["state"] == "ended"
    assert any(e["act"] == "token.ended" for e in world.client.audit.list({"subject": f"person:{uid}"}))


def test_an_owner_who_cannot_get_in_has_no_token_either(world: World) -> None:
    world.person("operator")
    with pytest.raises(OwnerNotReady):
        use(world, make(world, "operator1"))
    world.enter("operator1")
    use(world, make(world, "operator1"))


def test_nobody_without_a_role_gets_one(world: World) -> None:
    world.directory.add("bare1", "gaj")
    world.store.people.ensure("directory:bare1", "空", "gaj", "directory:person/bare1")
    with pytest.raises(Rejected, match="holds no role"):
        make(world, "bare1")


def test_nothing_of_it_is_beside_the_database(world: World, tmp_path: Path) -> None:
    value = make(world, "auditor1")
    for file in world.folder.rglob("*"):
        if file.is_file():
            assert value.encode() not in file.read_bytes(), file
