"""Passwords, sign-in and who may see what, enforced by the real server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.drivers.directory_accounts import DirectoryAccounts
from control_plane.drivers.directory_session import DirectoryUnavailable
from control_plane.model.errors import Invalid, NotFound, Rejected
from tests.drivers.directory_world import World, driver, look, person_dn, settle, unit_dn
from tests.drivers.slapd import CONTROL_PLANE, PASSWORD, SUFFIX, TENANTS, Slapd, running_slapd

#: What slapd answers to a password that others could read on its way (`confidentialityRequired`).
CONFIDENTIALITY = 13
GOOD = "correct horse 电池 staple"
PEOPLE = {"fgw": ("t01", "t02", "t03", "t04", "t05"), "jyj": ("j01", "j02")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    world = World()
    for code, uids in PEOPLE.items():
        world.unit(code)
        for uid in uids:
            world.person(code, uid, mail=f"{uid}@qingdao.test")
        world.group(code, "all", uids)
    with running_slapd(tmp_path_factory.mktemp("slapd")) as running:
        settle(driver(running), world)
        with accounts_of(running) as accounts:
            for uid in ("t01", "t02", "t03"):
                accounts.set_password(person_dn("fgw", uid), GOOD)
            accounts.set_password(person_dn("jyj", "j01"), GOOD)
        yield running


def accounts_of(server: Slapd) -> DirectoryAccounts:
    return DirectoryAccounts(server.endpoint, SUFFIX, CONTROL_PLANE, server.password_path)


def as_person(server: Slapd, dn: str | None, *command: str, text: str = "", url: str = "ldaps") -> tuple[int, str]:
    """Run an LDAP tool bound as somebody (None: anonymous) with the good password."""
    environment = {**os.environ, "LDAPTLS_CACERT": str(server.authority.certificate)}
    secret = server.folder / "good"
    secret.touch(mode=0o600)
    secret.write_text(GOOD)
    port = server.port if url == "ldaps" else server.plain
    where = ["-H", f"{url}://127.0.0.1:{port}", "-x", *(["-D", dn, "-y", str(secret)] if dn else [])]
    done = subprocess.run(
        [command[0], *where, *command[1:]], input=text, capture_output=True, text=True, env=environment, timeout=60
    )
    return done.returncode, done.stdout


def seen_by(server: Slapd, dn: str | None, base: str, *wanted: str) -> str:
    return as_person(server, dn, "ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", base, "(objectClass=*)", *wanted)[1]


def test_a_person_reads_the_own_unit_and_no_other(server: Slapd) -> None:
    me = person_dn("fgw", "t01")
    for base in (unit_dn("fgw"), TENANTS, SUFFIX):
        found = seen_by(server, me, base, "*", "+")
        assert found.count("dn: ") == 4 + 5 + 1, base
        assert "mail: t02@qingdao.test" in found
        assert "member: " in found
        for hidden in ("jyj", "j01", "userPassword", "pwdHistory", "gaspOwner", "gaspKey", "ARGON2", "dn: cn=c"):
            assert hidden not in found, (base, hidden)
    for base in (unit_dn("jyj"), person_dn("jyj", "j01"), f"ou=system,{SUFFIX}", f"ou=policies,{SUFFIX}", "cn=config"):
        assert "dn: " not in seen_by(server, me, base, "*", "+"), base
    assert "j02" in seen_by(server, person_dn("jyj", "j01"), unit_dn("jyj"))


def test_with_a_password_that_was_given_one_takes_ones_own_and_reads_nothing(server: Slapd) -> None:
    me, own = person_dn("fgw", "t04"), "a sentence of my own"
    with accounts_of(server) as accounts:
        accounts.issue({"t04": GOOD})
        assert accounts.check_bind(me, GOOD), "who signs in to the console is led to a password of their own"
        assert "dn: " not in seen_by(server, me, unit_dn("fgw"))
        assert as_person(server, me, "ldapmodify", text=f"dn: {me}\nreplace: mail\nmail: a@b.test\n")[0] != 0
        assert as_person(server, me, "ldappasswd", "-a", GOOD, "-s", own)[0] == 0
        assert not accounts.find("t04").must_change
        assert accounts.check_bind(me, own)
        accounts.set_password(me, "another of my own")
        assert not accounts.find("t04").must_change, "one that the console sets, as they typed it, is their own"


def test_anonymous_reads_nothing(server: Slapd) -> None:
    for base in (SUFFIX, TENANTS, unit_dn("fgw"), CONTROL_PLANE, "", "cn=Subschema", "cn=config"):
        assert "dn:" not in seen_by(server, None, base, "*", "+"), base


def test_nobody_reads_a_password_not_even_the_control_plane(server: Slapd) -> None:
    from_root = server.dump(person_dn("fgw", "t01"), "(objectClass=*)", "userPassword")
    assert "userPassword:: e0FSR09OM" in from_root  # {ARGON2 in base64
    me = person_dn("fgw", "t01")
    assert "userPassword" not in seen_by(server, me, me, "userPassword")
    seen = look(driver(server)).resources["directory:person/p_t01"]
    assert "ARGON2" not in str(seen)
    with accounts_of(server) as accounts:
        connection = accounts._connection
        connection.search(me, "(objectClass=*)", search_scope="BASE", attributes=["userPassword", "pwdHistory", "cn"])
        assert "ARGON2" not in str(connection.response)
        assert "张三" in str(connection.response)


WRITES = {
    "own mail": (person_dn("fgw", "t01"), "replace: mail\nmail: boss@qingdao.test"),
    "own number": (person_dn("fgw", "t01"), "replace: uidNumber\nuidNumber: 0"),
    "own owner": (person_dn("fgw", "t01"), "replace: gaspOwner\ngaspOwner: t_x/directory"),
    "another's password": (person_dn("fgw", "t02"), "replace: userPassword\nuserPassword: stolen stolen"),
    "a group": (f"cn=all,{unit_dn('fgw', 'groups')}", f"delete: member\nmember: {person_dn('fgw', 't02')}"),
    "the policy": (f"cn=default,ou=policies,{SUFFIX}", "replace: pwdMinLength\npwdMinLength: 1"),
    "the control plane": (CONTROL_PLANE, f"replace: userPassword\nuserPassword: {'stolen ' * 5}."),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_person_writes_nothing_but_the_own_password(server: Slapd, what: str) -> None:
    dn, change = WRITES[what]
    before = server.dump()
    code, _ = as_person(server, person_dn("fgw", "t01"), "ldapmodify", text=f"dn: {dn}\nchangetype: modify\n{change}\n")
    assert code == 50, "insufficient access"
    assert server.dump() == before


def test_a_person_changes_the_own_password_within_the_policy(server: Slapd, tmp_path: Path) -> None:
    me, accounts = person_dn("fgw", "t02"), accounts_of(server)

    def change(new: str) -> int:
        (tmp_path / "new").write_text(new)
        return as_person(server, me, "ldappasswd", "-T", str(tmp_path / "new"), me)[0]

    assert change("too short") != 0
    assert change(GOOD) != 0, "in the history"
    assert accounts.check_bind(me, GOOD)
    assert change("another long password") == 0
    assert accounts.check_bind(me, "another long password")
    assert not accounts.check_bind(me, GOOD)


def test_the_policy_binds_the_control_plane_too(server: Slapd) -> None:
    dn = person_dn("fgw", "t03")
    with accounts_of(server) as accounts:
        for bad in ("short", "   ", "密码"):
            with pytest.raises(Rejected, match="policy") as caught:
                accounts.set_password(dn, bad)
            assert bad not in str(caught.value) or not bad.strip()
        with pytest.raises(NotFound):
            accounts.set_password(person_dn("fgw", "nobody"), GOOD)
        for empty in ("", "\0", "long enough but\0"):
            with pytest.raises(Invalid):
                accounts.set_password(dn, empty)
        with pytest.raises(Invalid):
            accounts.set_password("", GOOD)
    assert accounts.check_bind(dn, GOOD)


def test_open_13_empty_passwords_are_refused_without_a_bind(server: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts, dn = accounts_of(server), person_dn("fgw", "t03")
    accounts.set_password(dn, " " * 12)
    assert accounts.check_bind(dn, " " * 12)
    asked: list[str] = []
    connect = type(server.endpoint).connect
    monkeypatch.setattr(type(server.endpoint), "connect", lambda e, d, p: asked.append(d) or connect(e, d, p))
    for who, password in ((dn, ""), (dn, "\0"), (dn, GOOD + "\0"), ("", "x")):
        assert not accounts.check_bind(who, password)
    assert accounts.find("") is None
    assert asked == []
    assert not accounts.check_bind(dn, " " * 11)
    assert not accounts.check_bind("no dn at all", GOOD)
    assert not accounts.check_bind(person_dn("fgw", "t05"), GOOD), "has no password yet"
    assert len(asked) == 3


LOGINS = [
    "*)(uid=*",
    "t01)(|(objectClass=*)",
    "t0*",
    "t01\\00",
    "*",
    "t01\0",
    "uid=t01",
    "t01,ou=people",
    "\udcff",
    "é" * 300,
]


@pytest.mark.parametrize("login", LOGINS)
def test_open_12_filter_injection(server: Slapd, login: str) -> None:
    assert accounts_of(server).find_dn(login) is None


def test_find_is_exact(server: Slapd) -> None:
    accounts = accounts_of(server)
    assert accounts.find_dn("t01") == person_dn("fgw", "t01")
    assert accounts.find_dn("T01") == person_dn("fgw", "t01")
    assert accounts.find_dn("t0") is None


def test_five_failures_lock_for_half_an_hour(server: Slapd) -> None:
    accounts, dn = accounts_of(server), person_dn("jyj", "j01")
    assert accounts.check_bind(dn, GOOD)
    for _ in range(4):
        assert not accounts.check_bind(dn, "wrong")
    assert accounts.find("j01").locked_since is None  # type: ignore[union-attr]
    assert not accounts.check_bind(dn, "wrong")
    since = accounts.find("j01").locked_since  # type: ignore[union-attr]
    assert since is not None
    assert abs(datetime.now(UTC) - since) < timedelta(minutes=1)
    assert not accounts.check_bind(dn, GOOD), "locked, though right"
    assert accounts.check_bind(person_dn("fgw", "t01"), GOOD), "nobody else is"
    seen = look(driver(server)).resources["directory:person/p_j01"]
    assert not any(name.startswith("pwd") for name in seen.attributes)


def test_wrong_guesses_do_not_lock_the_control_plane_out(server: Slapd) -> None:
    accounts = accounts_of(server)
    for _ in range(8):
        assert not accounts.check_bind(CONTROL_PLANE, "a wrong guess")
    assert accounts.check_bind(CONTROL_PLANE, PASSWORD)


def test_a_password_goes_over_tls_only(server: Slapd) -> None:
    who = person_dn("fgw", "t01")
    assert as_person(server, who, "ldapwhoami") == (0, f"dn:{who}\n")
    assert as_person(server, who, "ldapwhoami", url="ldap") == (CONFIDENTIALITY, "")
    assert as_person(server, None, "ldapsearch", "-b", SUFFIX, url="ldap")[0] != 0, "nor is anything read there"


def test_no_answer_is_no_wrong_password(server: Slapd, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("S3cr;et wrong")
    accounts = DirectoryAccounts(server.endpoint, SUFFIX, CONTROL_PLANE, wrong)
    with pytest.raises(DirectoryUnavailable) as caught:
        accounts.find("t01")
    assert "S3cr" not in str(caught.value)
    with pytest.raises(DirectoryUnavailable), accounts:
        pass
    elsewhere = type(server.endpoint)("127.0.0.1", 1, "x.test", server.authority.certificate, 2)
    with pytest.raises(DirectoryUnavailable):
        DirectoryAccounts(elsewhere, SUFFIX, CONTROL_PLANE, server.password_path).check_bind(CONTROL_PLANE, PASSWORD)


def test_a_thousand_are_locked_and_one_that_is_refused_stops_no_other(tmp_path: Path) -> None:
    world, uids = World(), [f"l{number:04}" for number in range(1000)]
    world.unit("fgw")
    for uid in uids:
        world.person("fgw", uid)
    with running_slapd(tmp_path) as server:
        settle(driver(server), world)
        accounts = accounts_of(server)
        with server.refusing_locks(person_dn("fgw", "l0003")):
            with pytest.raises(DirectoryUnavailable, match=r"refused 1 lock \(l0003\)"):
                accounts.lock(uids)
            assert accounts.locked() == {*uids} - {"l0003"}
        assert accounts.lock([*uids, "nobody"]) == {*uids} == accounts.locked()
        assert accounts.unlock(uids) == {*uids} and not accounts.locked()
