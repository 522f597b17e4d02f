"""The directory's driver against a real slapd: what is declared gets there, and nothing else moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers.directory_accounts import DirectoryAccounts
from control_plane.drivers.directory_entries import PART
from control_plane.model.dn import normalise_dn
from control_plane.model.ports import Outcome
from tests.drivers.directory_world import EMPTY, World, carry_out, driver, look, person_dn, settle, states, unit_dn
from tests.drivers.slapd import CONTROL_PLANE, SUFFIX, Slapd, running_slapd


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slapd]:
    with running_slapd(tmp_path) as running:
        yield running


def small_world() -> World:
    world = World()
    for code in ("fgw", "jyj", "wsj"):
        world.unit(code)
        uids = [f"{code}{n:02d}" for n in range(8)]
        for uid in uids:
            world.person(code, uid, mail=f"{uid}@qingdao.test")
        world.group(code, "all", uids)
        world.group(code, "approvers")
        world.service(code, "scanner")
    return world


def test_apply_then_the_plan_is_empty(server: Slapd) -> None:
    world, under_test = small_world(), driver(server)
    outcomes = settle(under_test, world)
    assert len(outcomes) == 3 * (4 + 8 + 2 + 1)
    assert states(outcomes) == {"applied"}
    seen = look(under_test)
    assert seen.reads == 1
    assert not seen.foreign
    assert states(carry_out(under_test, [])) == set()
    world.change("directory:person/p_fgw01", title=["处长"], mail=None, sn=["王"])
    world.change("directory:ou/jyj", description=["教育局"])
    world.change("directory:group/wsj/approvers", member=[person_dn("wsj", "wsj00"), person_dn("wsj", "wsj01")])
    world.change("directory:group/wsj/all", member=[EMPTY])
    del world.wanted["directory:person/p_wsj07"], world.wanted["directory:service/fgw/scanner"]
    assert states(settle(under_test, world)) == {"applied"}
    assert "wsj07" not in server.dump()
    memberships = {
        f"wsj0{n}": server.dump(person_dn("wsj", f"wsj0{n}"), "(objectClass=*)", "memberOf") for n in range(3)
    }
    assert {uid: text.count("memberOf: cn=approvers") for uid, text in memberships.items()} == {
        "wsj00": 1,
        "wsj01": 1,
        "wsj02": 0,
    }
    assert not any("memberOf: cn=all" in text for text in memberships.values())


AWKWARD = {
    "t01": '张三, "小张" + 1 \\ <测试>;=#',
    "t02": "#123",
    "t03": " 李四",
    "t04": "李四 ",
    "t06,ou=admins": "王五",
    "t07": "",
    "t08": "🀄 \u200b𠮷",
    "t09": "a" * 5000,
}


def test_open_11_dn_escaping(server: Slapd) -> None:
    world, under_test = World(), driver(server)
    world.unit("jyj")
    for number, (uid, name) in enumerate(AWKWARD.items()):
        world.person("jyj", uid, key=f"p_{number}", cn=name)
        world.group("jyj", f"{uid[:3]} {name or 'x'}"[:60], [uid])
    ids = {uid: f"directory:person/p_{number}" for number, uid in enumerate(AWKWARD)}
    outcomes = carry_out(under_test, world.plan(look(under_test)).steps)
    bad = outcomes.pop(ids["t07"])
    assert (bad.state, "attribute cn" in str(bad.text)) == ("failed", True), bad.text
    assert states(outcomes) == {"applied"}
    assert [c.id for c in world.plan(look(under_test)).changes] == [ids["t07"]]
    seen = look(under_test).resources
    accounts = DirectoryAccounts(under_test.endpoint, SUFFIX, CONTROL_PLANE, server.password_path)
    for uid, name in AWKWARD.items():
        if name:
            assert seen[ids[uid]].attributes["cn"] == [name]
            dn = accounts.find_dn(uid)
            assert dn == seen[ids[uid]].attributes["dn"]
            assert (dn or "").endswith("," + unit_dn("jyj", "people"))
    del world.wanted[ids["t07"]]
    for uid in ("t01", "t06,ou=admins"):
        world.change(ids[uid], title=["科员"])
    settle(under_test, world)
    world.wanted = {}
    assert states(settle(under_test, world)) == {"applied"}


def entries(dump: str) -> dict[str, str]:
    """LDIF by DN."""
    found = {}
    for text in dump.strip().split("\n\n"):
        dn = text.splitlines()[0]
        found[dn] = text
    return found


FOREIGN = f"""
dn: uid=guest,{unit_dn("fgw", "people")}
changetype: add
objectClass: account
uid: guest
description:: 5aSW5p2l

dn: cn=Approvers 2,{unit_dn("fgw", "groups")}
changetype: add
objectClass: groupOfNames
cn: approvers 2
member: {person_dn("fgw", "fgw00")}

dn: cn=elsewhere,{unit_dn("fgw")}
changetype: add
objectClass: referral
objectClass: extensibleObject
cn: elsewhere
ref: ldap://192.0.2.1/dc=nowhere

dn: ou=stray,ou=tenants,{SUFFIX}
changetype: add
objectClass: organizationalUnit
ou: stray

dn: uid=a\\2Cb\\20,ou=stray,ou=tenants,{SUFFIX}
changetype: add
objectClass: account
uid: a,b
"""


def test_foreign_entries_and_attributes_stay_byte_for_byte(server: Slapd) -> None:
    world, under_test = small_world(), driver(server, person_id={"guest": "directory:person/p_guest"}.get)
    settle(under_test, world)
    server.root(FOREIGN)
    mine = person_dn("jyj", "jyj03")
    extra = (
        "add: objectClass\nobjectClass: shadowAccount\n-\nadd: shadowFlag\nshadowFlag: 7\n-\nadd: mobile\nmobile: 139"
    )
    server.root(f"dn: {mine}\nchangetype: modify\n{extra}\n-\nadd: userPassword\nuserPassword: from elsewhere\n")
    before = entries(server.dump())
    strangers = {dn for dn in before if any(word in dn for word in ("guest", "pprovers 2", "elsewhere", "stray"))}
    assert len(strangers) == 5
    world.group("fgw", "approvers 2", [])
    world.person("fgw", "guest")
    plan = world.plan(look(under_test))
    assert {f.label for f in plan.foreign} == {dn.removeprefix("dn: ") for dn in strangers}
    conflicts = {c.id: c.in_the_way for c in plan.changes if c.action == "conflict"}
    assert set(conflicts) == {"directory:group/fgw/approvers 2", "directory:person/p_guest"}
    assert "uid=guest" in str(conflicts["directory:person/p_guest"])
    world.change("directory:person/p_jyj03", title=["科员"])
    world.change("directory:group/fgw/all", member=[EMPTY])
    assert states(carry_out(under_test, world.plan(look(under_test)).steps)) == {"applied"}
    after = entries(server.dump())
    assert {dn: after[dn] for dn in strangers} == {dn: before[dn] for dn in strangers}
    kept = [line for line in before[f"dn: {mine}"].splitlines() if line.startswith(("userPass", "shadow", "mobile"))]
    assert len(kept) == 3
    assert set(kept) < set(after[f"dn: {mine}"].splitlines())

    blind = driver(server)
    steps = [c for c in world.plan(look(blind)).steps if c.id == "directory:person/p_guest"]
    outcome = carry_out(blind, steps)["directory:person/p_guest"]
    assert outcome.state == "refused"
    assert f"uid=guest,{unit_dn('fgw', 'people')}" in str(outcome.text)

    world.wanted = {i: r for i, r in world.wanted.items() if r.owner.tenant != "fgw"}
    outcomes = carry_out(under_test, world.plan(look(under_test)).steps)
    stuck = {i.removeprefix("directory:"): str(o.text) for i, o in outcomes.items() if o.state != "applied"}
    assert set(stuck) == {"ou/fgw", "ou/fgw/people", "ou/fgw/groups"}
    assert "uid=guest" in stuck["ou/fgw/people"]
    assert {dn for dn in entries(server.dump()) if dn in strangers} == strangers


UNIQUE = [
    ("uid", {"uid": "fgw00"}, "directory:person/p_fgw00"),
    ("uidNumber", {"uidNumber": "100001"}, "directory:person/p_fgw00"),
]


@pytest.mark.parametrize(("attribute", "clash", "who"), UNIQUE, ids=[case[0] for case in UNIQUE])
def test_what_is_taken_in_another_unit_is_named(server: Slapd, attribute: str, clash: dict[str, str], who: str) -> None:
    world, under_test = small_world(), driver(server)
    settle(under_test, world)
    world.person("jyj", clash.get("uid", "new"), key="p_new", **{k: v for k, v in clash.items() if k != "uid"})
    outcome = carry_out(under_test, world.plan(look(under_test)).steps)["directory:person/p_new"]
    assert outcome.state == "refused"
    assert attribute in str(outcome.text)
    assert who in str(outcome.text)


BAD: dict[str, dict[str, Any]] = {
    "uidNumber": {"uidNumber": ["many"]},
    "sn": {"sn": None},
    "uidNumber twice": {"uidNumber": ["7", "8"]},
    "mail": {"mail": ["不@是"]},
    "mobile": {"mobile": ["139"]},
    "shadowAccount": {"objectClass": ["gaspManaged", "inetOrgPerson", "posixAccount", "shadowAccount"]},
    "normal form": {"dn": f"UID=fgw03,{unit_dn('fgw', 'people')}"},
    "no dn": {"dn": None},
    "None": {"title": [None]},
}


@pytest.mark.parametrize("what", BAD)
def test_one_bad_entry_stops_no_other(server: Slapd, what: str) -> None:
    world, under_test = small_world(), driver(server)
    world.change("directory:person/p_fgw03", **BAD[what])
    outcomes = carry_out(under_test, world.plan(look(under_test)).steps)
    bad = outcomes.pop("directory:person/p_fgw03")
    assert bad.state == "failed"
    assert what.split()[0] in str(bad.text)
    assert states(outcomes) == {"applied"}
    assert [c.id for c in world.plan(look(under_test)).changes] == ["directory:person/p_fgw03"]


def test_two_writers(server: Slapd) -> None:
    """A late writer is refused when the content moved, not when only a password did; equal work is done already."""
    world, under_test = small_world(), driver(server)
    early = world.plan(look(under_test)).steps
    assert states(carry_out(under_test, early)) == {"applied"}
    assert states(carry_out(driver(server), early)) == {"already"}

    people = {n: f"directory:person/p_fgw0{n}" for n in range(8)}
    for n in range(6):
        world.change(people[n], title=["科员"])
    del world.wanted[people[6]], world.wanted[people[7]]
    world.change("directory:group/fgw/all", member=[person_dn("fgw", f"fgw0{n}") for n in range(6)])
    late = world.plan(look(under_test)).steps

    def modify(n: int, what: str) -> str:
        return f"dn: {person_dn('fgw', f'fgw0{n}')}\nchangetype: {what}\n"

    server.root(
        modify(0, "modify\nreplace: sn\nsn: other")
        + "\n"
        + modify(1, "modify\nreplace: userPassword\nuserPassword: a new password")
        + "\n"
        + modify(2, "delete")
        + "\n"
        + modify(3, "modify\nreplace: title\ntitle:: 56eR5ZGY")
        + "\n"
        + modify(4, "modify\nreplace: mobile\nmobile: 1")
        + "\n"
        + modify(6, "modify\nreplace: sn\nsn: other")
        + "\n"
        + modify(7, "delete")
    )
    outcomes = carry_out(under_test, late)
    found = {n: outcomes[people[n]].state for n in people}
    wanted = ["refused", "applied", "refused", "already", "applied", "applied", "refused", "already"]
    assert found == dict(enumerate(wanted))
    assert "sn" in str(outcomes[people[0]].text)
    assert outcomes["directory:group/fgw/all"].state == "refused"  # it lost a member to the other writer
    settle(under_test, world)


def test_fence_ends_the_work_between_windows(server: Slapd) -> None:
    class LostLease(Exception):
        pass

    world, under_test = World(), driver(server)
    world.unit("fgw")
    for n in range(450):
        world.person("fgw", f"p{n:04d}")
    calls = 0

    def fence() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise LostLease

    steps = world.plan(look(under_test)).steps
    outcomes: list[Outcome] = []
    with pytest.raises(LostLease):
        outcomes += (item for item in under_test.apply(PART, steps, fence) if isinstance(item, Outcome))
    assert calls == 5
    seen = look(under_test).resources
    assert 0 < len(seen) < len(steps)
    settle(under_test, world)


def test_killed_server_in_the_middle(server: Slapd) -> None:
    """What got no answer is unknown, nothing is lost or doubled, and the next run finishes."""
    world, under_test = World(), driver(server)
    world.unit("fgw")
    for n in range(500):
        world.person("fgw", f"p{n:04d}")
    world.group("fgw", "all", (f"p{n:04d}" for n in range(500)))
    steps = world.plan(look(under_test)).steps
    outcomes: list[Outcome] = []
    for item in under_test.apply(PART, steps, lambda: None):
        if isinstance(item, Outcome):
            outcomes.append(item)
            if len(outcomes) == 200:
                server.stop(kill=True)
    assert {o.state for o in outcomes} == {"applied", "unknown"}
    assert sorted(o.change_id for o in outcomes) == sorted(c.id for c in steps)
    server.start()
    applied = {o.change_id for o in outcomes if o.state == "applied"}
    assert applied <= set(look(under_test).resources)
    again = carry_out(under_test, steps)
    assert {i for i, o in again.items() if o.state == "already"} >= applied
    assert states(again) == {"applied", "already"}
    assert not world.plan(look(under_test)).changes


def test_everything_of_a_tenant_goes_and_nothing_of_others(server: Slapd) -> None:
    world, under_test = small_world(), driver(server)
    settle(under_test, world)
    before = entries(server.dump())
    del before[f"dn: {EMPTY}"]  # the server notes in it which groups are empty
    world.wanted = {i: r for i, r in world.wanted.items() if r.owner.tenant != "jyj"}
    outcomes = settle(under_test, world)
    assert len(outcomes) == 15
    after = entries(server.dump())
    del after[f"dn: {EMPTY}"]
    assert after == {dn: text for dn, text in before.items() if "ou=jyj" not in normalise_dn(dn.removeprefix("dn: "))}
