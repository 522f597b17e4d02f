"""People of departments against a real directory: they join, move and leave; first passwords are good once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from control_plane.drivers.directory_accounts import DirectoryAccounts
from control_plane.model.errors import Invalid, Rejected, TemporaryError
from control_plane.model.people import Act
from control_plane.model.text import in_language
from control_plane.workflow.access import allows
from control_plane.workflow.sign_in import SignInRefused
from control_plane.workflow.tokens import TokenRefused, TokenUse
from tests.drivers.directory_world import driver
from tests.drivers.slapd import CONTROL_PLANE, SUFFIX, TENANTS, Slapd, running_slapd
from tests.web.world import World, make_world, send

GOOD = "correct horse 电池 staple"
HEADS = "单位,账号,姓名,工号,用户组,状态\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running_slapd(tmp_path_factory.mktemp("slapd")) as running:
        yield running


@pytest.fixture(scope="module")
def world(server: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    accounts = DirectoryAccounts(server.endpoint, SUFFIX, CONTROL_PLANE, server.password_path)
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("world"), directory=accounts, tree=driver(server))
        yield made
        made.close()


def take(world: World, text: str, **how: object) -> dict[str, object]:
    answer = world.client.staff.take((HEADS + text).encode("gb18030"), **how)  # type: ignore[arg-type]
    if answer["run"] is not None:
        assert world.client.run(answer["run"])["state"] == "done", world.client.run(answer["run"])
    return answer


def entry(server: Slapd, uid: str) -> str:
    return server.dump(TENANTS, f"(uid={uid})")


def bind(world: World, uid: str, password: str) -> bool:
    account = world.directory.find(uid)
    return bool(account and world.directory.check_bind(account.dn, password))


def test_a_joiner_a_mover_and_the_same_list_again(world: World, server: Slapd) -> None:
    rows = "fgw,ljoin,李新,００１２３,all,在职\n市财政局,lmove,王大,000124,,在职\n"
    seen = world.client.staff.check((HEADS + rows).encode())
    assert (seen["counts"]["joins"], seen["tenants"]) == (2, ["czj", "fgw"])
    take(world, rows, digest=seen["digest"])
    before = entry(server, "ljoin")
    assert "ou=fgw," in before and "employeeNumber: 00123\n" in before and "cn=all,ou=groups,ou=fgw" in before
    world.directory.set_password(world.directory.find("ljoin").dn, GOOD)
    assert take(world, rows)["run"] is None

    take(world, "czj,ljoin,李新,00123,,在职\n")
    after = entry(server, "ljoin")
    assert "ou=czj," in after and "memberOf" not in after
    for line in before.splitlines():
        if line.startswith(("uidNumber:", "gaspKey:", "homeDirectory:")):
            assert line in after
    assert bind(world, "ljoin", GOOD)
    assert f"gaspOwner: {world.store.estate.tenant('czj').id}/" in after  # type: ignore[union-attr]
    assert world.client.plan()["changes"] == []


def test_a_leaver_cannot_bind_sign_in_or_use_a_token_at_once(world: World, server: Slapd) -> None:
    take(world, "fgw,lgone,赵走,000125,all,在职\n")
    world.directory.set_password(world.directory.find("lgone").dn, GOOD)
    browser = world.enter("lgone", GOOD)
    world.client.people.grant("lgone", "clerk", tenant="fgw", reason="test")
    person = world.store.people.find("directory:lgone")
    assert person is not None
    token = world.client.acting_as(person.name).tokens.create(name="x", scopes=["tenants:read"])["token"]
    use = TokenUse(world.store, world.services.sign_in, world.clock)
    assert allows(use.admit(token, "192.0.2.1").person, Act.ASK, "fgw")

    answer = take(world, "fgw,lgone,赵走,000125,all,离职\n")
    assert answer["cut"] == {"people": 1, "sessions": 1, "tokens": 1, "grants": 1}
    assert not bind(world, "lgone", GOOD)
    with pytest.raises(SignInRefused):
        world.services.sign_in.start("lgone", GOOD, "192.0.2.1", "test")
    assert browser.get("/console/me", base_url="https://localhost").status_code == 302
    with pytest.raises(TokenRefused):
        use.admit(token, "192.0.2.1")
    assert "memberOf" not in entry(server, "lgone")
    assert take(world, "fgw,lgone,赵走,000125,all,离职\n")["run"] is None

    assert world.client.staff.remove_left() == []
    assert "pwdAccountLockedTime: 000001010000Z" in entry(server, "lgone")
    world.directory.unlock(["lgone"])
    world.client.staff.remove_left()  # whoever unlocks by hand is put right
    assert not bind(world, "lgone", GOOD)
    world.clock.advance(timedelta(days=31).total_seconds())
    assert world.client.staff.remove_left() == ["lgone"]
    assert entry(server, "lgone").strip() == ""


def test_a_lock_that_is_refused_stops_neither_others_nor_the_rest_of_the_list(world: World, server: Slapd) -> None:
    rows = "".join(f"fgw,lref{n},孙{n},,all,在职\n" for n in range(4))
    take(world, rows)
    with server.refusing_locks(world.directory.find("lref0").dn):
        with pytest.raises(TemporaryError, match="refused 1 lock"):
            take(world, rows.replace("在职", "离职") + "fgw,lref4,孙来,,all,在职\n")
        assert world.directory.locked() >= {"lref1", "lref2", "lref3"}
        assert all("memberOf" not in entry(server, f"lref{n}") for n in range(4))
        assert "memberOf" in entry(server, "lref4")
        with pytest.raises(TemporaryError, match="refused 1 lock"):
            world.client.staff.remove_left()
    world.client.staff.remove_left()
    assert "lref0" in world.directory.locked()


def test_a_leaver_comes_back(world: World) -> None:
    take(world, "fgw,lback,钱回,000126,,在职\n")
    world.directory.set_password(world.directory.find("lback").dn, GOOD)
    assert world.client.staff.leave("lback", reason="a year abroad")["grants"] == 0
    assert not bind(world, "lback", GOOD)
    take(world, "fgw,lback,钱回,000126,,在职\n")
    assert bind(world, "lback", GOOD)


def test_every_problem_of_every_row_and_nothing_is_changed(world: World) -> None:
    rows = (
        "fgw,lfine,孙好,000127,,在职\n"
        "没有局,l1x,甲,1,,在职\nfgw,L X,乙,2,,在职\nfgw,l3x,,3,,在职\nfgw,l4x,丁,4,nogroup,在职\nfgw,l4x,丁,4,,在职\n"
        "fgw,root,戊,5,,在职\nfgw,l6x,己,6,,也许\nczj,wangwei13,王伟,,,在职\nfgw,lgone,赵走,000125,,在职\n"
    )
    with pytest.raises(Invalid) as raised:
        world.client.staff.take((HEADS + rows).encode())
    uid = "Account name"
    assert [(p.line, p.field) for p in raised.value.problems] == [
        (3, "Department"), (4, uid), (5, "Name as it is shown"), (6, "Groups"), (7, uid), (8, uid), (9, "State"),
    ]  # fmt: skip
    assert world.directory.find("lfine") is None


def test_a_first_password_is_shown_once_and_good_once(world: World, server: Slapd) -> None:
    take(world, "fgw,lnew1,周一,000128,,在职\nfgw,lnew2,周二,000129,,在职\n")
    sheet = world.client.sheets.issue("fgw", uids=["lnew1", "lnew2"], reason="new colleagues")
    assert sheet["state"] == "ready"
    rows = {row["uid"]: row["password"] for row in world.client.sheets.open(sheet["id"])["rows"]}
    with pytest.raises(Rejected):
        world.client.sheets.open(sheet["id"])
    first = rows["lnew1"]
    account = world.directory.find("lnew1")
    assert account.must_change
    browser = world.enter("lnew1", first, until="password")
    assert send(browser, "/sign-in/password", old=first, new=GOOD, again=GOOD).status_code == 303
    assert bind(world, "lnew1", GOOD) and not world.directory.find("lnew1").must_change

    world.clock.advance(timedelta(days=15).total_seconds())
    assert world.client.sheets.expire() == [sheet["id"]]
    assert bind(world, "lnew1", GOOD)
    assert not bind(world, "lnew2", rows["lnew2"])

    kept = (world.folder / "gasp.db").read_bytes() + b"".join(p.read_bytes() for p in world.folder.glob("*.db-*"))
    for password in rows.values():
        assert password.encode() not in kept


def test_a_password_that_is_set_for_a_leaver_opens_nothing(world: World, server: Slapd) -> None:
    take(world, "fgw,lsheet,吴单,000130,,在职\n")
    sheet = world.client.sheets.issue("fgw", uids=["lsheet"], reason="new")
    password = world.client.sheets.open(sheet["id"])["rows"][0]["password"]
    world.client.staff.leave("lsheet", reason="gone")
    world.clock.advance(timedelta(days=15).total_seconds())
    assert world.client.sheets.expire() == [sheet["id"]]
    assert "pwdAccountLockedTime: 000001010000Z" in entry(server, "lsheet")
    take(world, "fgw,lsheet,吴单,000130,,在职\n")
    assert "pwdAccountLockedTime" not in entry(server, "lsheet")
    assert not bind(world, "lsheet", password)


def test_what_was_set_before_a_refusal_is_to_be_changed(world: World) -> None:
    take(world, "fgw,lset1,郑一,000131,,在职\nfgw,lset2,郑二,000132,,在职\n")
    with pytest.raises(Rejected):
        world.directory.issue({"lset1": "k7pm-x3qd-h9ra-w2tf", "lset2": "short"})
    assert world.directory.find("lset1").must_change
    assert not bind(world, "lset2", "short")


def test_a_kill_while_passwords_are_set_leaves_none_that_need_not_be_changed(world: World) -> None:
    class Killed(dict[str, str]):
        """Can be gone through once; the second time the process is killed in the middle."""

        times = 0

        def __iter__(self) -> Iterator[str]:
            self.times += 1
            for number, uid in enumerate(super().__iter__()):
                if self.times > 1 and number == 6:
                    raise KeyboardInterrupt
                yield uid

    take(world, "".join(f"fgw,lkill{n},冯{n},,,在职\n" for n in range(9)))
    passwords = Killed({f"lkill{n}": f"k7pm-x3qd-h9ra-{n:04}" for n in range(9)})
    with pytest.raises(KeyboardInterrupt):
        world.directory.issue(passwords)
    done = [uid for uid in dict.keys(passwords) if bind(world, uid, dict.__getitem__(passwords, uid))]
    assert all(world.directory.find(uid).must_change for uid in done)
    world.directory.issue({f"lkill{n}": f"w2tf-x3qd-h9ra-{n:04}" for n in range(9)})
    assert all(bind(world, f"lkill{n}", f"w2tf-x3qd-h9ra-{n:04}") for n in range(9))
    assert all(world.directory.find(f"lkill{n}").must_change for n in range(9))


def test_groups_are_real_groups_and_lose_who_moves_or_leaves(world: World, server: Slapd) -> None:
    def group(name: str) -> str:
        return server.dump(f"ou=groups,ou=fgw,{TENANTS}", f"(cn={name})")

    def change(act: str, name: str, **more: object) -> int:
        run = world.client.groups.change("fgw", {"act": act, "name": name, **more})["run"]
        assert world.client.run(run)["state"] == "done", world.client.run(run)
        return int(run)

    take(world, "fgw,lgr1,韩一,,,在职\nfgw,lgr2,韩二,,,在职\nfgw,lgr3,韩三,,,在职\n")
    change("make", "leaders", zh="领导")
    assert "objectClass: groupOfNames" in group("leaders") and "member: cn=empty" in group("leaders")
    put = change("people", "leaders", put=["lgr1", "lgr2", "lgr3"])
    assert all("cn=leaders,ou=groups,ou=fgw" in entry(server, f"lgr{n}") for n in (1, 2, 3))
    number = next(line for line in group("leaders").splitlines() if line.startswith("gidNumber:"))
    change("rename", "leaders", to="heads")
    assert number in group("heads") and group("leaders").strip() == ""
    assert "cn=heads,ou=groups" in entry(server, "lgr1") and "cn=leaders" not in entry(server, "lgr1")
    take(world, "czj,lgr1,韩一,,,在职\n")
    world.client.staff.leave("lgr2", reason="gone")
    assert all("memberOf" not in entry(server, uid) for uid in ("lgr1", "lgr2"))
    assert group("heads").count("member: ") == 1 and "uid=lgr3" in group("heads")
    world.client.apply(world.client.undo_run(change("end", "heads"))["digest"])
    assert "uid=lgr3" in group("heads") and "cn=heads,ou=groups" in entry(server, "lgr3")
    change("end", "heads")
    assert group("heads").strip() == "" and "memberOf" not in entry(server, "lgr3")
    assert world.client.plan("tenant:fgw")["changes"] == []
    assert put


def test_a_locked_person_is_given_out_and_erased_from_the_directory(world: World, server: Slapd) -> None:
    take(world, "fgw,lforget,周忘,000177,all,在职\n")
    world.directory.set_password(world.directory.find("lforget").dn, GOOD)
    given = world.client.persons.export("lforget", reason="asked for it")
    assert given["directory"]["employeeNumber"] == ["000177"] and given["directory"]["displayName"] == ["周忘"]
    assert not [name for name in given["directory"] if "password" in name.lower()]
    world.client.staff.leave("lforget", reason="gone")
    done = world.client.persons.erase(
        "lforget", reason="as the law asks", digest=world.client.persons.find("lforget")["digest"]
    )
    assert world.client.run(done["run"])["state"] == "done"
    assert entry(server, "lforget").strip() == ""
    assert done["left"]["confirm"] is None and world.client.audit.verify()["ok"]
    assert world.client.plan()["changes"] == []
