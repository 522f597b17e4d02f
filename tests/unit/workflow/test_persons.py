"""Everything that is known of one person is found, given out and erased; who is called the same keeps everything."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from control_plane.model.errors import Invalid, NotFound, Rejected, StalePlan
from control_plane.model.jobs import JobState, refusal_of
from control_plane.model.notice import Address, Notice, NoticeKind
from control_plane.model.text import in_language, t
from control_plane.model.token import FirstAnswer
from control_plane.store.every_table import metadata
from control_plane.store.persons import GONE, GROWS, OWN, PROOFS, RECENT, STANDS, UNDER_WAY
from control_plane.store.tables import actors
from control_plane.workflow.process import myself
from tests.databases import sqlite_only
from tests.web.world import World, make_world

UID, OTHER, NAME = "goneone7", "otherone7", "欧阳无名"
MAIL, PHONE, NUMBER = "goneone7@fgw.qingdao.test", "0532-7700123", "E770077"
PERSON = {
    "uid": UID, "display_name": NAME, "mail": MAIL, "phone": PHONE, "employee_number": NUMBER, "groups": ["all"],
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("persons"))
        yield made
        made.close()


def live(world: World, uid: str = UID) -> None:
    """Somebody comes, works here as people do, and is still there."""
    client = world.client
    own = {} if uid == UID else {"phone": "0532-1", "employee_number": "E1", "mail": f"{uid}@fgw.qingdao.test"}
    client.staff.add({**PERSON, "uid": uid, **own}, tenant="fgw")
    world.directory.add(uid, "fgw")
    client.people.grant(uid, "clerk", tenant="fgw", reason=f"{NAME} is new")
    world.enter(uid)
    client.acting_as(f"directory:{uid}").tokens.create(name=f"tool of {uid}", scopes=["tenants:read"])
    world.ask(uid, "fgw", f"alias-{uid[:3]}", submit=False, note=f"{NAME} asks")
    client.sheets.issue("fgw", uids=[uid], reason="new")
    notice = Notice(f"x-{len(uid)}-{uid[:1]}", NoticeKind.LIVE, people=(), params={"request": "R-1", "person": uid})
    world.store.mail.notify(notice)
    for stored in world.store.mail.unaddressed():
        world.store.mail.addressed(stored.id, [Address(f"{uid}@fgw.qingdao.test", NAME, "en")])
    row = {"address": "10.95.17.10", "machine": "PC", "person": uid, "from": "2026-11-20", "to": "2026-11-24"}
    client.record.add_to_register([{**row, "source": "desk"}])
    client.plan("tenant:fgw")
    ask_by_programs(world, uid)


def ask_by_programs(world: World, uid: str) -> None:
    """What programs ask for about somebody, done and refused, and what they were answered."""
    asks = {"people_add": {"person": {"uid": uid}, "tenant": "fgw"},
            "account_leave": {"tenant": "fgw", "uid": uid, "reason": f"{uid} wants it", "cut": {}},
            "passwords_issue": {"tenant": "fgw", "uids": [uid], "reason": f"{NAME} forgot it"}}  # fmt: skip
    for number, (kind, given) in enumerate(asks.items()):
        jobs = world.client.acting_as(f"directory:{world.person('operator')}").jobs
        placed = jobs.place(kind, given, subject=f"{uid} (fgw)", once=f"{uid[:3]}{number}".ljust(24, "x"))
        refusal = refusal_of(Rejected(t("{person} has gone.", person=uid), t("gasp accounts show {uid}", uid=uid)))
        over = (JobState.REFUSED, None, refusal) if number else (JobState.DONE, {})
        world.store.jobs.finish(placed["id"], *over)
        token = world.store.tokens.list(world.store.people.find(f"directory:{uid}").key, ended=True)[0]  # type: ignore[union-attr]
        world.store.answers.begin(token.id, f"k{number}", "0" * 64, myself(), lambda _: False)
        body = orjson.dumps({**placed, "sentence": f"{uid} (fgw): {NAME} waits."}).decode()
        world.store.answers.end(token.id, f"k{number}", FirstAnswer(202, {}, body))


def leave(world: World, uid: str = UID) -> None:
    world.client.people.leave(uid, reason="gone")
    world.client.staff.leave(uid, reason="gone")


def tables_with(world: World, *words: str) -> set[str]:
    """Tables in which one of these stands anywhere."""
    with world.store.database.read() as connection:
        rows = {table.name: str(connection.execute(select(table)).all()) for table in metadata.sorted_tables}
    return {name for name, text in rows.items() if any(word in text for word in words)}


def erased(world: World) -> dict[str, Any]:
    seen = world.client.persons.find(UID)
    assert seen["confirm"] is None or "would be erased" in seen["sentence"]
    return world.client.persons.erase(UID, reason="as the law asks", digest=seen["digest"])


def test_a_person_is_given_out_and_erased_and_the_trail_verifies(world: World) -> None:
    client = world.client
    live(world)
    live(world, OTHER)
    file = world.folder / "secrets" / "first-passwords.csv"
    file.write_text(f"tenant,uid,dn,password\nfgw,{UID},x,y\nfgw,{OTHER},x,y\n")
    with pytest.raises(Rejected, match=r"work here.*hold a role"):
        erased(world)

    given = client.persons.export(UID, reason="asked for it")
    text = orjson.dumps(given).decode()
    for word in (NAME, MAIL, PHONE, NUMBER, "10.95.17.10", f"alias-{UID[:3]}"):
        assert word in text, word
    assert {"people", "grants", "web_sessions", "api_tokens", "sign_in_attempts", "password_sheets", "mail_lines",
            "access_register", "requests", "revisions", "allocations"} <= given["tables"].keys()  # fmt: skip
    assert not PROOFS & {column for rows in given["tables"].values() for row in rows for column in row}
    assert given["directory"]["uid"] == [UID] and given["record"] is None
    for colleague in client.accounts("fgw"):
        assert colleague["uid"] == UID or colleague["uid"] not in text, colleague["uid"]

    leave(world)
    with pytest.raises(Invalid, match="1 problem"):
        client.persons.erase(UID, reason=f"{NAME} asked", digest=client.persons.find(UID)["digest"])
    with pytest.raises(StalePlan):
        client.persons.erase(UID, reason="x", digest="0" * 64)
    before, others = client.audit.verify(), client.persons.find(OTHER)
    done = erased(world)
    assert done["run"] and done["left"]["confirm"] is None and not done["left"]["erased"]
    assert {row["table"] for row in done["left"]["kept"]} == {
        "access_register", "allocations", "sign_in_attempts",
    }  # fmt: skip
    after = client.audit.verify()
    assert after["ok"] and after["entries"] > before["entries"]
    assert tables_with(world, UID, MAIL, PHONE, NUMBER) <= {*GROWS, *RECENT, "allocations"}
    assert [row["uid"] for row in csv.DictReader(io.StringIO(file.read_text()))] == [OTHER]
    with pytest.raises(NotFound):
        client.staff.show(UID)
    assert client.staff.show(OTHER)["name"] == NAME
    assert {row["table"] for row in client.persons.find(OTHER)["erased"]} == {row["table"] for row in others["erased"]}
    assert client.plan("estate")["changes"] == []

    again = erased(world)
    assert (again["confirm"], again["run"], again["entry"]) == (None, None, None)
    assert "left to erase" in again["sentence"]


def test_who_comes_back_is_somebody_new(world: World) -> None:
    """Nothing of before is theirs, also in a process that knew them: keys of the old name are not used again."""
    with world.store.database.read() as connection:
        before = set(connection.scalars(select(actors.c.key)))
    world.client.staff.add({**PERSON, "groups": []}, tenant="fgw")
    assert world.store.actors.get(f"directory:{UID}").key not in before
    world.directory.add(UID, "fgw")
    world.enter(UID)
    assert world.client.people.show(UID)["roles"] == [] and world.client.people.show(UID)["history"] == []
    world.client.people.leave(UID, reason="gone")
    world.client.staff.leave(UID, reason="gone")
    erased(world)


def test_what_is_kept_for_a_time_goes_after_it(world: World) -> None:
    world.clock.advance(timedelta(days=201).total_seconds())
    seen = world.client.persons.find(UID)
    assert {row["table"] for row in seen["erased"]} == {"access_register", "allocations", "sign_in_attempts"}
    left = erased(world)["left"]
    assert left["kept"] == [] and left["confirm"] is None and tables_with(world, UID, MAIL) <= GROWS
    assert world.client.audit.verify()["ok"]


def test_a_legal_hold_keeps_the_register(world: World) -> None:
    row = {"address": "10.95.17.11", "machine": "PC", "person": UID, "from": "2026-11-20", "to": "2026-11-24"}
    world.client.record.add_to_register([{**row, "source": "desk"}])
    hold = world.client.record.hold(case="Q-1", reason="x", tenant=None, begin="2026-11-01", end="2026-11-30")
    assert [row["why"] for row in world.client.persons.find(UID)["kept"] if row["table"] == "access_register"] == [
        "It is under a legal hold."
    ]
    world.client.record.lift(hold["number"], second="wang", reason="closed")
    assert "access_register" in {row["table"] for row in world.client.persons.find(UID)["erased"]}


def test_nobody_is_known_who_never_was(world: World) -> None:
    nobody = world.client.persons.find("nobody99")
    assert (nobody["known"], nobody["sentence"]) == (False, "Nothing is known of directory:nobody99 here.")
    with pytest.raises(NotFound):
        world.client.persons.export("nobody99", reason="x")
    with pytest.raises(Invalid):
        world.client.persons.find("local:root")


@sqlite_only
def test_the_database_from_before_a_move_is_named_while_it_is_there(world: World) -> None:
    def files() -> dict[str, str]:
        return {file["file"]: file["why"] for file in world.client.persons.find(OTHER)["files"]}

    with sqlite3.connect(world.folder / "gasp.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert "gasp.db" not in files()
    note = world.folder / "gasp.db.moved"
    note.write_text("postgresql+psycopg:///gasp\n")
    assert "before it was moved" in files()["gasp.db"]
    note.unlink()


def test_the_tables_that_are_named_are_there() -> None:
    tables = metadata.tables
    named = {*OWN, *GROWS, *RECENT, *STANDS, *UNDER_WAY, *GONE}
    assert named <= tables.keys()
    assert all(column in tables[table].c for table, values in OWN.items() for column in values)
