"""Signing in to the console against a real directory: injection, empty passwords, leavers, the policy's own lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from control_plane.drivers.directory_accounts import DirectoryAccounts
from control_plane.model.errors import TemporaryError
from control_plane.model.text import in_language
from control_plane.workflow.sign_in import SignInRefused
from tests.drivers.directory_world import World as Tree
from tests.drivers.directory_world import driver, person_dn, settle
from tests.drivers.slapd import CONTROL_PLANE, SUFFIX, Slapd, running_slapd
from tests.web.world import BASE, World, make_world, send

GOOD = "correct horse 电池 staple"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    tree = Tree()
    tree.unit("fgw")
    for uid in ("t01", "t02", "t03", "t04"):
        tree.person("fgw", uid, displayName="张三")
    tree.group("fgw", "leaders", ("t01", "t02"))
    tree.group("fgw", "all", ("t01",))
    with running_slapd(tmp_path_factory.mktemp("slapd")) as running:
        settle(driver(running), tree)
        with accounts_of(running) as accounts:
            for uid in ("t01", "t02", "t03", "t04"):
                accounts.set_password(person_dn("fgw", uid), GOOD)
        yield running


def accounts_of(server: Slapd) -> DirectoryAccounts:
    return DirectoryAccounts(server.endpoint, SUFFIX, CONTROL_PLANE, server.password_path)


@pytest.fixture
def world(server: Slapd, tmp_path: Path) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path, directory=accounts_of(server), applied=False)
        yield made
        made.close()


def test_somebody_of_the_directory_comes_in_with_name_and_department(world: World) -> None:
    browser = world.enter("T01", GOOD)
    text = browser.get("/console/me", base_url=BASE).text
    assert "张三" in text
    person = world.store.people.find("directory:t01")
    assert person is not None
    assert person.tenant == "fgw"
    assert world.store.people.credentials(person.key).directory_key == "directory:person/p_t01"


def test_groups_are_those_of_the_own_department(server: Slapd) -> None:
    accounts = accounts_of(server)
    assert accounts.member_of(person_dn("fgw", "t01")) == {"all", "leaders"}
    assert accounts.member_of(person_dn("fgw", "t02")) == {"leaders"}
    assert accounts.member_of(person_dn("fgw", "t03")) == set()
    assert accounts.member_of("cn=control-plane,ou=system,dc=qingdao,dc=test") == set()
    with pytest.raises(TemporaryError):
        accounts.member_of(person_dn("nobody", "t01"))


@pytest.mark.parametrize("name", ["*)(uid=*", "t01)(|(objectClass=*)", "t0*", "t01\\00", "uid=t01,ou=people", "张三"])
def test_open_12_a_name_is_never_part_of_a_filter(world: World, name: str) -> None:
    with pytest.raises(SignInRefused):
        world.services.sign_in.start(name, GOOD, "192.0.2.1", "test")
    assert world.client.people.sign_ins()[0]["typed"] == name


@pytest.mark.parametrize(("name", "password"), [("t01", ""), ("t01", "\0"), ("", "x"), ("t01", "wrong")])
def test_open_13_no_proof_no_entry(world: World, name: str, password: str) -> None:
    with pytest.raises(SignInRefused):
        world.services.sign_in.start(name, password, "192.0.2.2", "test")


def test_known_and_unknown_names_take_about_the_same_time(world: World) -> None:
    def took(name: str) -> float:
        start = time.monotonic()
        with pytest.raises(SignInRefused):
            world.services.sign_in.start(name, "wrong wrong wrong", "192.0.2.3", "test")
        world.clock.advance(3600)
        return time.monotonic() - start

    took("nobody"), took("t04")
    rounds = [(took("t04"), took("not-there")) for _ in range(4)]
    known, unknown = (median(times) for times in zip(*rounds, strict=True))
    print(f"known {known * 1000:.0f} ms, unknown {unknown * 1000:.0f} ms")
    assert 0.4 < known / unknown < 2.5


def test_a_leaver_is_cut_and_cannot_come_back(world: World, server: Slapd) -> None:
    browser = world.enter("t02", GOOD)
    server.root(f"dn: {person_dn('fgw', 't02')}\nchangetype: delete\n")
    world.clock.advance(61)
    assert browser.get("/console/me", base_url=BASE).status_code == 302
    with pytest.raises(SignInRefused):
        world.services.sign_in.start("t02", GOOD, "192.0.2.4", "test")


def test_a_disabled_entry_is_cut(world: World, server: Slapd) -> None:
    browser = world.enter("t03", GOOD)
    locked = "changetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"
    server.root(f"dn: {person_dn('fgw', 't03')}\n{locked}")
    world.clock.advance(61)
    assert browser.get("/console/me", base_url=BASE).status_code == 302
    with pytest.raises(SignInRefused):
        world.services.sign_in.start("t03", GOOD, "192.0.2.5", "test")


def test_somebody_changes_the_own_password(world: World, server: Slapd) -> None:
    browser = world.enter("t01", GOOD)
    new = "a wholly different 句子"
    assert send(browser, "/sign-in/password", old=GOOD, new=new, again=new).status_code == 303
    assert accounts_of(server).check_bind(person_dn("fgw", "t01"), new)
    used = send(browser, "/sign-in/password", old=new, new=GOOD, again=GOOD)
    assert used.status_code == 422
    assert "policy" in used.text


def test_a_silent_directory_is_said_and_local_accounts_work(world: World, server: Slapd) -> None:
    world.client.people.add("night")
    server.stop()
    try:
        with pytest.raises(TemporaryError):
            world.services.sign_in.start("t04", GOOD, "192.0.2.6", "test")
        assert world.services.sign_in.start("night", "a long enough sentence", "192.0.2.6", "test")
    finally:
        server.start()
