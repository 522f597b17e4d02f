"""Keeping and purging: whole days, never a held one, never a young one, and the rest still proves to be whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.errors import Invalid, NotFound, Rejected
from control_plane.workflow.audit import Audit

from .conftest import START, Centre, Gateway, direct, proxied


@pytest.fixture
def centre(tmp_path: Path, gateway: Gateway) -> Iterator[Centre]:
    made = Centre(tmp_path, gateway, days=200)
    yield made
    made.store.close()


@pytest.fixture
def old(gateway: Gateway, centre: Centre) -> Centre:
    """Three days with a line each; now is 200 days after the end of the first."""
    for number in range(3):
        gateway.start()
        gateway.tick(direct(gateway.time.wall, nat_port=40000 + number), seconds=10)
        gateway.stop()
        centre.record.collect()
        gateway.time.go(86400)
    gateway.time.go((200 - 3) * 86400 + 14 * 3600 + 60)
    centre.record.collect()
    return centre


def days(answer: dict[str, Any]) -> list[tuple[str, list[int]]]:
    return [(row["day"], row["held_by"]) for row in answer["days"]]


def test_only_days_that_are_old_enough_go_and_the_rest_is_whole(old: Centre):
    assert days(old.record.preview_purge()) == [("2026-11-24", [])]
    assert old.record.status()["purge_due"] == 1
    answer = old.record.purge()
    assert answer["number"] is not None and answer["lines"] == 1
    assert [str(f.day) for f in old.store.access.files()] == ["2026-11-25", "2026-11-26"]
    assert len(old.archive.names()) == 2
    assert old.record.verify()["ok"]
    (entry,) = old.store.access.ledger("purge")
    (day,) = entry.body["days"]
    assert day["lines"] == 1 and len(day["files"][0]["sha256"]) == 64 and "200" in entry.body["allowed"]
    assert old.record.purge()["number"] is None
    assert old.record.preview_purge()["days"] == []


def test_a_held_day_stays_until_two_people_lift_the_hold(old: Centre):
    hold = old.record.hold(case="Q-9", reason="court", begin="2026-11-24T10:00", end="2026-11-24T11:00", tenant="fgw")
    assert days(old.record.preview_purge()) == [("2026-11-24", [hold["number"]])]
    assert old.record.purge()["number"] is None
    with pytest.raises(Invalid):
        old.record.lift(hold["number"], second="test", reason="closed")  # the same person
    with pytest.raises(Invalid):
        old.record.lift(hold["number"], second="王伟", reason=" ")
    lifted = old.record.lift(hold["number"], second="王伟", reason="closed")
    assert (lifted["state"], lifted["lifted_second"]) == ("lifted", "王伟")
    assert old.store.access.ledger("lift")[0].body["verified"] is False
    with pytest.raises(Rejected):
        old.record.lift(hold["number"], second="王伟", reason="closed")
    with pytest.raises(NotFound):
        old.record.lift(99, second="王伟", reason="closed")
    assert old.record.holds() == [] and len(old.record.holds(every=True)) == 1
    assert old.record.purge()["lines"] == 1
    assert old.record.verify()["ok"]


def test_a_day_on_which_a_session_of_a_held_time_was_noted_stays_too(gateway: Gateway, centre: Centre):
    gateway.start()
    for day, took in ((0, 1), (1, 23 * 3600), (2, 1)):
        gateway.time.go(START.timestamp() + day * 86400 - gateway.time.wall)
        gateway.write(proxied(gateway.time.wall, "www.example.test:443", took=str(took * 1000)))
        gateway.tick(direct(gateway.time.wall, event="closed", since=f"{START.timestamp():.6f}"))
    gateway.stop()
    centre.record.collect()
    gateway.time.go(300 * 86400)
    words = {"case": "Q-9", "reason": "court"}
    hold = centre.record.hold(**words, begin="2026-11-24T10:00", end="2026-11-24T12:00", tenant="fgw")
    early = centre.record.hold(**words, begin="2026-11-24T10:00", end="2026-11-24T10:30", tenant="fgw")
    both, one = [hold["number"], early["number"]], [hold["number"]]
    assert days(centre.record.preview_purge()) == [("2026-11-24", both), ("2026-11-25", one), ("2026-11-26", [])]
    assert centre.record.purge()["lines"] == 2
    assert [str(f.day) for f in centre.store.access.files()] == ["2026-11-24", "2026-11-25"]
    (centre.root / "access" / centre.archive.names()[1]).write_bytes(b"rubbish")
    assert days(centre.record.preview_purge())[1] == ("2026-11-25", both), "nobody knows what is in it"


def test_who_set_a_hold_is_not_the_second_person_for_lifting_it(old: Centre):
    words = {"reason": "court", "begin": "2026-11-24T10:00", "end": "2026-11-24T11:00", "tenant": None}
    hold = old.record.keeper.hold("Q-9", **words, actor=old.store.actors.get("local:lihua"))
    for second in ("lihua", " LiHua", "local:lihua", "test"):
        with pytest.raises(Invalid) as error:
            old.record.lift(hold["number"], second=second, reason="closed")
        assert [p.code for p in error.value.problems] == ["no-second"]
    assert old.record.lift(hold["number"], second="王伟", reason="closed")["state"] == "lifted"


def test_bad_holds_are_refused_whole(old: Centre):
    with pytest.raises(Invalid) as error:
        old.record.hold(case="", reason="", begin="2026-11-25", end="2026-11-24", tenant="nobody")
    assert {p.field for p in error.value.problems} == {"case", "reason", "to", "tenant"}


def test_a_purge_that_was_killed_is_finished_by_the_next_act(old: Centre, monkeypatch: pytest.MonkeyPatch):
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(old.archive, "discard", killed)
        with pytest.raises(KeyboardInterrupt):
            old.record.purge()
    assert len(old.archive.names()) == 3
    old.record.collect()
    assert len(old.archive.names()) == 2
    assert len(old.store.access.ledger("purge")) == 1
    assert old.record.verify()["ok"]


def test_a_clock_that_was_wrong_makes_no_line_old(gateway: Gateway, centre: Centre):
    gateway.time.wall -= 400 * 86400
    gateway.start()
    gateway.tick(direct(gateway.time.wall))
    gateway.stop()
    gateway.time.wall += 400 * 86400
    centre.record.collect()
    assert str(centre.store.access.files()[0].day) == "2025-10-20"
    assert centre.record.preview_purge()["days"] == []
    centre.ahead = timedelta(days=201)
    assert len(centre.record.preview_purge()["days"]) == 1


@pytest.mark.parametrize("what", ["changed", "missing", "foreign"])
def test_verify_names_the_file(old: Centre, what: str):
    name = old.archive.names()[1]
    path = old.root / "access" / name
    if what == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif what == "missing":
        path.unlink()
    else:
        name = "2026-11-25-x-y-0.parquet"
        path.with_name(name).write_bytes(path.read_bytes())
    answer = old.record.verify()
    assert not answer["ok"]
    assert [(p["what"], p["name"], p["fault"]) for p in answer["problems"]] == [("file", name, what)]


def test_verify_finds_what_somebody_with_the_database_but_without_the_key_changed(old: Centre):
    from sqlalchemy import text

    with old.store.database.write() as connection:
        connection.execute(text("UPDATE access_segments SET hash = :h WHERE id = 1"), {"h": "0" * 64})
    problems = old.record.verify()["problems"]
    assert ("day", "2026-11-24") in {(p["what"], p["name"]) for p in problems}
    assert any(p["what"] == "segment" for p in problems)


def test_status_says_what_is_there_and_what_it_will_need(old: Centre):
    status = old.record.status()
    assert (status["days"], status["lines"], status["retention_days"]) == (3, 3, 200)
    assert status["oldest"].startswith("2026-11-24T02:00")
    assert status["disk"]["estimate"] == status["disk"]["octets_a_day"] * 200
    assert len(status["gaps"]) == 3 and status["hosts"][0]["warning"]


def test_old_days_go_by_themselves_and_many_at_once_do_not(old: Centre):
    assert old.record.purge_by_itself(0) == 0, "left to people"
    assert old.record.purge_by_itself(1) == 1
    assert old.record.purge_by_itself(1) == 0, "nothing is due"
    assert len(old.store.access.ledger("purge")) == 1
    old.ahead = timedelta(days=400)
    with pytest.raises(Rejected, match=r"2 days .* left to a person"):
        old.record.purge_by_itself(1)
    assert [str(f.day) for f in old.store.access.files()] == ["2026-11-25", "2026-11-26"]
    held = old.record.hold(case="Q-9", reason="court", begin="2026-11-25T10:00", end="2026-11-25T11:00", tenant=None)
    assert old.record.purge_by_itself(1) == 1, "of two days one is held"
    assert days(old.record.preview_purge()) == [("2026-11-25", [held["number"]])]
    assert old.record.verify()["ok"]


def test_a_purge_is_in_the_audit_trail_too(old: Centre):
    number = old.record.purge()["number"]
    (row,) = Audit(old.store).list({"act": "record.purged"})
    assert (row["actor"]["name"], row["subjects"][0]["value"]) == ("local:test", str(number))
