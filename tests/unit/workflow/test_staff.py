"""Lists of people against the rules of the centre: whole lists, words for many, roles of movers, a directory away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from bench.items.staff import as_list, moved_and_left
from control_plane.model.errors import Invalid, NotFound, Rejected, StalePlan, TemporaryError, UnsafePlan
from control_plane.model.text import in_language, t
from control_plane.store.estate_rows import SubscriptionChange
from tests.web.world import BASE, World, make_world

HEADS = "单位,账号,姓名,状态\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("staff"))
        yield made
        made.close()


def people(world: World, code: str) -> list[str]:
    return [row["uid"] for row in world.client.accounts(code) if row["status"] == "active"]


def test_whoever_is_missing_in_a_complete_list_leaves_and_others_stay(world: World) -> None:
    here, others = people(world, "sjj"), people(world, "fgw")
    text = ("账号\n" + "".join(f"{uid}\n" for uid in here[1:])).encode()
    seen = world.client.staff.check(text, tenant="sjj", complete=True)
    assert [(line["uid"], line["what"], line["row"]) for line in seen["lines"]] == [(here[0], "leaves", None)]
    assert world.client.staff.check(text, tenant="sjj")["lines"] == []
    world.client.staff.take(text, tenant="sjj", complete=True)
    assert people(world, "sjj") == here[1:] and people(world, "fgw") == others
    assert world.client.staff.take(text, tenant="sjj", complete=True)["run"] is None


def test_many_need_the_previews_word_and_an_old_preview_counts_no_more(world: World) -> None:
    rows = [row for row in world.client.accounts() if row["status"] == "active"]
    lines = (f"{row['tenant']},{row['uid']},人员{number},\n" for number, row in enumerate(rows))
    text = (HEADS + "".join(lines)).encode()
    assert len(rows) > 50
    seen = world.client.staff.check(text)
    assert seen["confirm"] == seen["digest"][:8]
    with pytest.raises(UnsafePlan) as raised:
        world.client.staff.take(text, digest=seen["digest"])
    assert raised.value.word == seen["confirm"]
    world.client.staff.take(f"{HEADS}{rows[0]['tenant']},{rows[0]['uid']},别名,\n".encode())
    with pytest.raises(StalePlan):
        world.client.staff.take(text, digest=seen["digest"], confirm=seen["confirm"])


def test_a_mover_loses_the_roles_of_the_department_and_its_tokens(world: World) -> None:
    uid = people(world, "jyj")[0]
    world.client.people.grant(uid, "clerk", tenant="jyj", reason="test")
    made = world.client.acting_as(f"directory:{uid}").tokens.create(name="x", scopes=["tenants:read"])
    world.client.staff.take(f"单位,账号\nczj,{uid}\n".encode())
    assert world.client.staff.show(uid)["tenant"] == "czj"
    assert world.client.people.show(uid)["roles"] == []
    assert next(row for row in world.client.tokens.list(ended=True) if row["id"] == made["id"])["state"] == "ended"
    assert world.client.audit.verify()["ok"]


def test_a_mover_stands_in_for_nobody_of_the_old_department(world: World) -> None:
    holder, uid = people(world, "jyj")[:2]
    world.client.people.grant(holder, "approver", tenant="jyj", reason="test")
    days = [(world.clock() + timedelta(days=count)).date().isoformat() for count in (9, 10, 12)]
    for since, until in ((None, days[0]), (days[1], days[2])):
        world.client.acting_as(f"directory:{holder}").substitutes.name(
            uid, "approver", tenant="jyj", since=since, until=until, reason="away"
        )
    assert len([one for one in world.client.substitutes.list() if one["person"] == f"directory:{uid}"]) == 2
    world.client.staff.take(f"单位,账号\nczj,{uid}\n".encode())
    assert not [one for one in world.client.substitutes.list() if one["person"] == f"directory:{uid}"]
    assert world.client.people.show(uid)["roles"] == []


def test_a_new_full_name_is_told_apart_anew(world: World) -> None:
    uid = people(world, "fgw")[-1]
    world.client.staff.take(f"账号,姓,名,拼音\n{uid},王,芳,wangfang\n".encode(), tenant="fgw")
    world.client.staff.take(f"账号,姓名\n{uid},欧阳新名\n".encode(), tenant="fgw")
    row = world.client.staff.show(uid)
    told = [row[name] for name in ("name", "family_name", "given_name", "pinyin")]
    assert told == ["欧阳新名", "欧阳", "新名", None]
    assert world.client.staff.check(f"账号,姓名\n{uid},欧阳新名\n".encode(), tenant="fgw")["lines"] == []


def test_a_directory_that_is_away_stops_no_leaver(world: World) -> None:
    uid = people(world, "fgw")[0]
    world.directory.add(uid, "fgw")
    world.enter(uid)
    world.directory.away = TemporaryError(t("away"))
    with pytest.raises(TemporaryError):
        world.client.staff.leave(uid, reason="gone")
    assert world.client.staff.show(uid)["status"] == "left"
    assert world.client.people.show(uid)["sessions"] == []
    with pytest.raises(TemporaryError):
        world.client.staff.remove_left()
    world.directory.away = None
    world.client.staff.remove_left()
    assert world.directory.entries[uid].disabled


def central(world: World, code: str, role: str) -> str:
    """Somebody of a department who also holds a role of the centre: login name."""
    uid = people(world, code)[-1]
    row = world.client.staff.show(uid)
    world.store.people.ensure(f"directory:{uid}", row["name"], code, f"directory:person/{uid}")
    world.client.people.grant(uid, role, reason="test")
    return uid


def test_a_department_ends_no_roles_of_the_centre_and_an_operator_does(world: World) -> None:
    uid, clerk = central(world, "fgw", "finance"), world.person("clerk")
    for act in ("cut", "leave"):
        with pytest.raises(Rejected, match="roles outside this department") as caught:
            getattr(world.client.acting_as(f"directory:{clerk}").staff, act)(uid, tenant="fgw", reason="gone")
        assert f"gasp accounts leave {uid}" in str(caught.value.hint)
    with pytest.raises(Rejected):
        world.client.acting_as(f"directory:{clerk}").staff.take(f"账号,状态\n{uid},离职\n".encode(), tenant="fgw")
    assert world.client.staff.show(uid)["status"] == "active"
    assert [held["role"] for held in world.client.people.show(uid)["roles"]] == ["finance"]
    operator = world.client.acting_as(f"directory:{world.person('operator')}").staff
    assert operator.leave(uid, reason="gone")["grants"] == 1


def test_the_last_officer_does_not_leave_before_there_is_another(world: World) -> None:
    uid = central(world, "gaj", "security_officer")
    for act in (
        lambda: world.client.staff.leave(uid, reason="gone"),
        lambda: world.client.staff.take(f"账号,状态\n{uid},离职\n".encode(), tenant="gaj"),
    ):
        with pytest.raises(Rejected, match="Nobody else holds the role security officer"):
            act()
    assert world.client.staff.show(uid)["status"] == "active"
    world.second("security_officer")
    assert world.client.staff.leave(uid, reason="gone")["grants"] == 1


def wished(world: World, code: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """What a request, an import or a former day wishes of a department's people."""
    row = next(row for row in world.store.estate.subscriptions(tenant=code) if row.offering == "directory")
    spec = {**row.spec, "people": change(row.spec["people"])}
    wish = SubscriptionChange(code, row.offering, row.tier, spec, row.generation)
    world.store.estate.change(world.client.staff.actor(), "a request", [wish], {})  # type: ignore[attr-defined]


def signed_in(world: World, uid: str, code: str) -> FlaskClient:
    """A browser of somebody whose entry has the key that the plan knows it by."""
    key = world.store.estate.allocations({code})["person_key", f"uid:{uid}"]
    world.directory.add(uid, code).key = f"directory:person/{key}"
    browser = world.enter(uid)
    assert browser.get("/console/me", base_url=BASE).status_code == 200
    return browser


def test_whoever_leaves_by_a_request_is_cut_by_the_worker_that_it_wakes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid, told = people(world, "czj")[0], list[str]()
    browser = signed_in(world, uid, "czj")
    world.client.people.grant(uid, "clerk", tenant="czj", reason="test")
    world.client.acting_as(f"directory:{uid}").tokens.create(name="x", scopes=["tenants:read"])
    monkeypatch.setattr(world.store.database, "_told", told.append)
    left = world.clock().date().isoformat()
    wished(world, "czj", lambda all_: [{**p, "left_on": left} if p["uid"] == uid else p for p in all_])
    assert "accounts" in told
    world.directory.away = TemporaryError(t("away"))
    with pytest.raises(TemporaryError):
        world.client.staff.remove_left()
    assert browser.get("/console/me", base_url=BASE).status_code == 302, "though the directory is away"
    world.directory.away = None
    world.client.staff.remove_left()
    assert world.directory.entries[uid].disabled
    assert world.client.people.show(uid)["roles"] == []
    world.client.staff.remove_left()
    (entry,) = [e for e in world.client.audit.list() if e["act"] == "account.left" and e["tenants"] == ["czj"]]
    assert entry["detail"] == {"people": 1, "sessions": 1, "tokens": 1, "grants": 1}, "and nothing is ended twice"


def test_whose_account_a_run_removes_is_out_with_it(world: World) -> None:
    uid, other = people(world, "jyj")[:2]
    gone, stays = signed_in(world, uid, "jyj"), signed_in(world, other, "jyj")
    wished(world, "jyj", lambda all_: [person for person in all_ if person["uid"] != uid])
    digest = world.client.plan("subscription:jyj/directory")["digest"]
    world.client.apply(digest, confirm=digest[:8])
    assert gone.get("/console/me", base_url=BASE).status_code == 302
    assert stays.get("/console/me", base_url=BASE).status_code == 200


@pytest.mark.parametrize(
    ("family", "given", "name"), [("欧阳", "修", "欧阳修"), ("王", "", "王"), ("Smith", "John", "John Smith")]
)
def test_a_list_with_family_and_given_name_needs_no_full_name(world: World, family: str, given: str, name: str) -> None:
    text = f"单位,账号,姓,名\nfgw,parted1,{family},{given}\n".encode()
    world.client.staff.take(text)
    assert world.client.staff.show("parted1")["name"] == name
    assert world.client.staff.take(text)["run"] is None
    world.client.staff.take(f"单位,账号,姓名,姓,名\nfgw,parted1,another name,{family},{given}\n".encode())
    assert world.client.staff.take(text)["run"] is None, "a name of their own stays"


def faults(error: Invalid) -> list[tuple[int | None, str | None]]:
    return [(problem.line, problem.field) for problem in error.problems]


def test_one_fault_of_a_row_hides_no_other(world: World) -> None:
    rows = "nowhere,n1,甲,not a mail,x,\nfgw,newone1,乙,not a mail,,no-such-group\nfgw,newone2,丙,,,no-such-group\n"
    with pytest.raises(Invalid) as caught:
        world.client.staff.check(f"单位,账号,姓名,邮箱,电话,用户组\n{rows}".encode())
    assert faults(caught.value) == [
        (2, "Account name"), (2, "Department"), (2, "E-mail"), (2, "Telephone"), (3, "E-mail"), (3, "Groups"),
        (4, "Groups"),
    ]  # fmt: skip


@pytest.mark.parametrize("code", ["ｆｇｗ", "FGW", "ＦＧＷ"])
def test_a_department_is_known_by_wide_letters_and_capitals(world: World, code: str) -> None:
    seen = world.client.staff.check(f"单位,账号,姓名\n{code},newone1,甲\n".encode())
    assert seen["lines"][0]["tenant"] == "fgw"


def test_a_row_of_another_department_says_whose_list_it_is(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        world.client.staff.wished("单位,账号,姓名\nczj,newone1,甲\n".encode(), tenant="fgw")
    assert "is not this department" in str(caught.value.problems[0].text)
    with pytest.raises(Invalid) as caught:
        world.client.staff.add({"uid": "newone1", "display_name": "甲"}, tenant="nowhere")
    assert "“nowhere” is no department" in str(caught.value.problems[0].text)


def test_what_one_more_person_would_be_is_looked_at_as_a_list_is(world: World) -> None:
    person = {"uid": "newone1", "display_name": "甲"}
    seen = world.client.staff.joining(person, tenant="fgw")
    assert [(row["uid"], row["tenant"], row["what"]) for row in seen["lines"]] == [("newone1", "fgw", "joins")]
    for wrong in ({"uid": people(world, "czj")[0]}, {"mail": "nowhere"}, {"groups": ["none"]}, {"uid": "X"}):
        with pytest.raises(Invalid) as looked:
            world.client.staff.joining({**person, **wrong}, tenant="fgw")
        with pytest.raises(Invalid) as added:
            world.client.staff.add({**person, **wrong}, tenant="fgw")
        assert [p.as_json() for p in looked.value.problems] == [p.as_json() for p in added.value.problems]
    with pytest.raises(NotFound):
        world.client.staff.show("newone1")


def test_a_department_takes_nobody_from_another(world: World) -> None:
    other = people(world, "czj")[0]
    with pytest.raises(Invalid, match="1 problem"):
        world.client.staff.wished(f"账号,姓名\n{other},李四\n".encode(), tenant="fgw")
    with pytest.raises(NotFound):
        world.client.staff.cut(other, tenant="fgw", reason="x")
    with pytest.raises(Invalid):
        world.client.sheets.issue("fgw", uids=[other], reason="x")


def test_a_sheet_of_another_department_is_none(world: World) -> None:
    uid = people(world, "gaj")[0]
    sheet = world.client.sheets.issue("gaj", uids=[uid], reason="new")["id"]
    with pytest.raises(NotFound):
        world.client.sheets.open(sheet, tenant="fgw")
    assert len(world.client.sheets.open(sheet, tenant="gaj")["rows"]) == 1


def test_a_sheet_whose_passwords_were_not_all_set_is_never_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = people(world, "gaj")[1]
    monkeypatch.setattr(type(world.directory), "issue", lambda *_: (_ for _ in ()).throw(TemporaryError(t("away"))))
    with pytest.raises(TemporaryError):
        world.client.sheets.issue("gaj", uids=[uid], reason="new")
    sheet = world.client.sheets.list("gaj")[0]
    assert sheet["state"] == "unfinished"
    with pytest.raises(Rejected, match="not finished"):
        world.client.sheets.open(sheet["id"])


def test_a_sheet_gives_out_nothing_of_who_moved_or_left_since(world: World) -> None:
    moves, leaves, stays = people(world, "jyj")[:3]
    sheet = world.client.sheets.issue("jyj", uids=[moves, leaves, stays], reason="new")["id"]
    world.client.staff.take(f"单位,账号\nczj,{moves}\n".encode())
    world.client.staff.leave(leaves, reason="gone")
    assert [row["uid"] for row in world.client.sheets.open(sheet, tenant="jyj")["rows"]] == [stays]


def test_the_sheet_of_the_old_department_does_not_spoil_that_of_the_new_one(world: World) -> None:
    uid = people(world, "jyj")[0]
    world.client.sheets.issue("jyj", uids=[uid], reason="new")
    world.client.staff.take(f"单位,账号\nczj,{uid}\n".encode())
    world.clock.advance(86400)
    newer = world.client.sheets.issue("czj", uids=[uid], reason="moved")["id"]
    password = world.client.sheets.open(newer)["rows"][0]["password"]
    world.clock.advance(13 * 86400)
    world.client.sheets.expire()
    assert world.directory.check_bind(world.directory.entries[uid].dn, password)
    world.clock.advance(2 * 86400)
    world.client.sheets.expire()
    assert not world.directory.check_bind(world.directory.entries[uid].dn, password)


def test_who_had_a_password_that_nobody_can_hand_out_gets_another(world: World) -> None:
    sheet = world.client.sheets.issue("shinan", reason="new")["id"]
    with pytest.raises(Rejected, match="has a password"):
        world.client.sheets.issue("shinan", reason="new")
    used, *others = people(world, "shinan")
    world.directory.set_password(world.directory.entries[used].dn, "a password of one's own")
    world.clock.advance(15 * 86400)
    with pytest.raises(Rejected, match="have expired"):  # though no worker was there yet
        world.client.sheets.open(sheet)
    world.client.sheets.expire()
    assert sorted(world.client.sheets.issue("shinan", reason="once more")["uids"]) == sorted(others)


def test_whoever_comes_back_by_another_way_than_a_list_is_unlocked_and_nobody_else(world: World) -> None:
    back, by_hand = people(world, "gaj")[2:4]
    for uid in (back, by_hand):
        world.directory.add(uid, "gaj")
    world.client.staff.leave(back, reason="gone")
    world.directory.lock([by_hand])
    row = next(row for row in world.store.estate.subscriptions(tenant="gaj") if row.offering == "directory")
    spec = {**row.spec, "people": [{k: v for k, v in p.items() if k != "left_on"} for p in row.spec["people"]]}
    change = SubscriptionChange("gaj", row.offering, row.tier, spec, row.generation)
    world.store.estate.change(world.client.staff.actor(), "a request", [change], {})  # type: ignore[attr-defined]
    world.client.staff.remove_left()
    assert not world.directory.entries[back].disabled
    assert world.directory.entries[by_hand].disabled


def test_who_came_back_while_nobody_looked_is_unlocked_however_long_ago(world: World) -> None:
    back = people(world, "gaj")[0]
    world.directory.add(back, "gaj")
    world.client.staff.leave(back, reason="gone")
    row = next(row for row in world.store.estate.subscriptions(tenant="gaj") if row.offering == "directory")
    spec = {**row.spec, "people": [{k: v for k, v in p.items() if k != "left_on"} for p in row.spec["people"]]}
    change = SubscriptionChange("gaj", row.offering, row.tier, spec, row.generation)
    world.store.estate.change(world.client.staff.actor(), "a request", [change], {})  # type: ignore[attr-defined]
    world.clock.advance(10 * 86400)
    world.client.staff.remove_left()
    assert not world.directory.entries[back].disabled
    world.directory.lock([back])
    world.client.staff.remove_left()
    assert world.directory.entries[back].disabled, "a lock that is not ours stays"
    world.directory.unlock([back])


def test_what_was_left_undone_while_the_directory_was_away_is_done_when_it_answers(world: World) -> None:
    uid = people(world, "czj")[0]
    world.client.groups.change("czj", {"act": "make", "name": "watch", "zh": "值班"})
    world.client.groups.change("czj", {"act": "people", "name": "watch", "put": [uid]})
    world.directory.add(uid, "czj")
    world.directory.away = TemporaryError(t("away"))
    assert not world.client.staff.cut(uid, tenant="czj", reason="gone")["locked"]
    world.directory.away = None
    world.client.staff.remove_left()
    assert world.directory.entries[uid].disabled
    group = world.drivers[1].things["directory:tenants"]["directory:group/czj/watch"].attributes
    assert not any(uid in dn for dn in group["member"])


def test_every_fault_of_a_row_is_said_beside_a_wrong_date(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        world.client.staff.check("单位,账号,姓名,用户组,离职日期\nsjj,B X,某人,nowhere,2026-13-40\n".encode())
    assert len(caught.value.problems) > 1
    assert {"Left on"} < {problem.field for problem in caught.value.problems}


def test_a_row_lets_nobody_of_another_department_leave_and_who_is_not_there_counts_nowhere(world: World) -> None:
    mine, other = people(world, "sjj")[0], people(world, "gaj")[0]
    with pytest.raises(Invalid) as caught:
        world.client.staff.check(f"单位,账号,状态\nsjj,{other},离职\n".encode())
    assert [(problem.line, problem.field) for problem in caught.value.problems] == [(2, "Department")]
    assert f"“{other}” is of gaj, not of sjj." == str(caught.value.problems[0].text)
    seen = world.client.staff.check(f"单位,账号,状态\nsjj,nobody9,离职\nsjj,{mine},离职\n".encode())
    assert (seen["counts"]["same"], seen["counts"]["leaves"], len(seen["warnings"])) == (0, 1, 1)


def test_a_leaver_who_moved_meanwhile_is_none_of_the_old_department(world: World) -> None:
    uid = people(world, "sjj")[0]
    world.client.staff.take(f"单位,账号\nczj,{uid}\n".encode())
    with pytest.raises(NotFound):
        world.client.staff.leave(uid, tenant="sjj", reason="gone")
    assert world.client.staff.show(uid)["status"] == "active"


def test_a_day_so_long_ago_that_the_account_goes_at_once_is_told(world: World) -> None:
    uid, other = people(world, "sjj")[:2]
    year = world.clock().year
    text = f"账号,离职日期\n{uid},{year - 10}-11-20\n{other},{world.clock().date()}\n"
    warnings = world.client.staff.check(text.encode(), tenant="sjj")["warnings"]
    assert [(w["line"], w["detail"]) for w in warnings] == [
        (2, f"{year - 10}-11-20 is so long ago that the account is removed at once.")
    ]


def test_what_lay_sealed_for_a_department_goes_with_it(world: World) -> None:
    uid = people(world, "sjj")[-1]
    sheet = world.client.sheets.issue("sjj", uids=[uid], reason="new")["id"]
    given = {"name": "x", "url": "https://hooks.example.test/", "families": ["run"], "tenant": "sjj"}
    hook = world.client.webhooks.create(**given)["id"]
    world.client.webhooks.rotate(hook)
    world.store.estate.end_tenant("sjj", world.client.actor)
    with world.store.database.read() as connection:
        sealed = connection.exec_driver_sql(f"select sealed from password_sheets where id = {sheet}").scalar()
        secrets = connection.exec_driver_sql(f"select secret, former from webhooks where id = {hook}").one()
    assert (sealed, *secrets) == (None, "", None)


def test_half_of_all_move_and_a_tenth_leaves_in_one_list_and_every_entry_is_right(tmp_path: Path) -> None:
    """The list that is measured with 10,000 on a real directory (`bench/items/staff.py`)."""
    world = make_world(tmp_path)
    before = {row["uid"]: row for row in world.client.accounts()}
    wanted = moved_and_left(before)
    content = as_list(wanted).encode()
    seen = world.client.staff.check(content)
    counts = Counter(what for _, what in wanted.values())
    assert {name: count for name, count in seen["counts"].items() if count} == counts
    assert min(counts["moves"], counts["leaves"]) > 5
    world.client.staff.take(content, digest=seen["digest"], confirm=seen["confirm"])
    after = {row["uid"]: row for row in world.client.accounts()}
    assert {uid: (row["tenant"], row["status"] == "left", row["uid_number"]) for uid, row in after.items()} == {
        uid: (code, what == "leaves", before[uid]["uid_number"]) for uid, (code, what) in wanted.items()
    }
    assert world.client.plan()["changes"] == []
    assert world.client.staff.take(content)["run"] is None
    world.close()


def test_nobody_gets_the_password_of_whoever_may_do_more(world: World) -> None:
    client, (first, second, third) = world.client, ("highone", "hightwo", "lowone")
    for uid in (first, second, third):
        client.staff.add({"uid": uid, "display_name": "高一", "groups": []}, tenant="fgw")
        world.directory.add(uid, "fgw")
    client.people.grant(first, "approver", tenant="fgw", reason="x")
    client.people.grant(second, "auditor", reason="x")
    clerk = client.acting_as(f"directory:{world.person('clerk')}").sheets
    operator = client.acting_as(f"directory:{world.person('operator')}").sheets
    for sheets, uid in ((clerk, first), (clerk, second), (operator, second)):
        with pytest.raises(Rejected, match="roles that you do not"):
            sheets.issue("fgw", uids=[uid], reason="x")
    assert operator.issue("fgw", uids=[first], reason="x")["uids"] == [first]
    assert client.sheets.issue("fgw", uids=[second], reason="x")["uids"] == [second]
    assert clerk.issue("fgw", uids=[third], reason="x")["uids"] == [third]
