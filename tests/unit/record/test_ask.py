"""Asking: only with case and reason, only the window, always recorded, and what was not recorded is said."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.errors import CouldNotMeasureError, Invalid
from control_plane.workflow.access_search import MOST_LINES
from control_plane.workflow.audit import Audit
from tests.databases import sqlite_only

from .conftest import START, Centre, Gateway, direct, proxied

AT = START.timestamp()


@pytest.fixture
def asked(gateway: Gateway, centre: Centre) -> Centre:
    gateway.start()
    gateway.write(
        proxied(AT + 60, "www.example.test:443", nat_port="41000"),
        proxied(AT + 70, "http://%E6%94%BF%E5%8A%A1.example.test/", client="10.95.2.10", nat_port="41001"),
        proxied(AT + 80, "blocked.test:443", result="TCP_DENIED", status="403", client="10.95.1.11"),
    )
    gateway.tick(direct(AT + 1), seconds=100)
    gateway.tick(direct(AT + 650, event="open", since=f"{AT + 1:.6f}"), seconds=560)
    gateway.tick(direct(AT + 1200, event="closed", since=f"{AT + 1:.6f}"), seconds=600)
    gateway.tick(direct(AT + 1300, "10.95.2.10", 40000), seconds=600)
    gateway.stop()
    centre.record.collect()
    return centre


def when(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def test_a_police_query_finds_who_had_the_port_at_that_moment(asked: Centre):
    asked.record.add_to_register(
        [
            {
                "address": "10.95.1.10",
                "machine": "PC-1",
                "person": "王伟",
                "from": "2026-11-01",
                "to": "2026-11-24T11:00",
            },
            {"address": "10.95.1.10", "machine": "PC-1", "person": "李娜", "from": "2026-11-24T11:00"},
        ]
    )
    answer = asked.ask(nat_address="198.18.95.254", nat_port=40000, begin=when(700), end=when(701))
    assert {(x["tenant"], x["address"], x["machine"], x["person"]) for x in answer["lines"]} == {
        ("fgw", "10.95.1.10", "PC-1", "王伟")
    }
    later = asked.ask(nat_address="198.18.95.254", nat_port=40000, begin=when(1290), end=when(1310))
    assert {(x["tenant"], x["person"]) for x in later["lines"]} == {("czj", None)}
    assert asked.ask(nat_port=40000, begin=when(1210), end=when(1290))["lines"] == []


def test_a_tunnel_that_was_open_is_found_though_the_proxy_noted_it_days_later(gateway: Gateway, centre: Centre):
    gateway.start()
    ends = {41000: 3 * 3600, 41001: 2 * 86400}
    for port, end in ends.items():
        gateway.time.go(AT + end - gateway.time.wall)
        gateway.write(proxied(AT + end, "www.example.test:443", nat_port=str(port), took=str((end - 60) * 1000)))
        late = direct(AT + end, nat_port=port - 1000, event="closed", since=f"{AT:.6f}")
        gateway.tick(late, seconds=1)
    gateway.stop()
    centre.record.collect()

    def found(begin: float, end: float) -> list[int]:
        return [x["nat_port"] for x in centre.ask(begin=when(begin), end=when(end), host="www.example.test")["lines"]]

    assert len(centre.store.access.files()) == 2
    assert found(0, 600) == found(3600, 3 * 3600) == [41000, 41001]
    assert found(3 * 3600 + 1, 4 * 3600) == found(86400, 86460) == [41001]
    assert found(0, 60) == found(2 * 86400 + 1, 2 * 86400 + 60) == []
    every = centre.ask(begin=when(0), end=when(600))
    assert {x["kind"] for x in every["lines"]} == {"proxy"}, "an open connection past the proxy has lines of its own"


@pytest.mark.parametrize(
    ("query", "ports"),
    [
        ({"tenant": "czj"}, [41001, 40000]),
        ({"address": "10.95.1.11"}, [41000]),
        ({"host": "www.example.test"}, [41000]),
        ({"host": ".example.test"}, [41000, 41001]),
        ({"host": "政务.example.test"}, [41001]),
        ({"host": "xn--1.example.test"}, None),
        ({"host": "198.18.95.10", "tenant": "czj"}, [41001, 40000]),
        ({"host": "example.test"}, []),
        ({"person": "nobody"}, []),
        ({"address": "10.95.1.10", "person": "nobody"}, []),
        ({"host": "x' OR '1'='1"}, None),
    ],
)
def test_what_may_be_asked(asked: Centre, query: dict[str, Any], ports: list[int] | None):
    if ports is None:
        with pytest.raises(Invalid):
            asked.ask(**query)
        return
    assert [x["nat_port"] for x in asked.ask(**query)["lines"]] == ports


def test_without_case_reason_or_window_nothing_is_asked_and_every_problem_is_told(asked: Centre):
    with pytest.raises(Invalid) as error:
        asked.record.log(
            case=" ", reason="", begin="yesterday", end="2026-13-01",
            asked={"address": "1.2.3", "nat_port": 70000, "nat_address": "x"}, limit=1,
        )  # fmt: skip
    fields = {p.field for p in error.value.problems}
    assert fields == {"case", "reason", "from", "to", "address", "nat_port", "nat_address"}
    assert all(p.remedy for p in error.value.problems)
    assert asked.record.searches() == []
    with pytest.raises(Invalid, match="31"):
        asked.ask(begin="2026-09-01", end="2026-11-24")


@pytest.mark.parametrize("day", [f"{START:%Y-%m-%d}", f"{START:%Y%m%d}", f" {START:%Y-%m-%d} "])
def test_a_day_alone_is_the_whole_day_however_it_is_written(asked: Centre, day: str):
    lines = asked.ask(begin=day, end=day)["lines"]
    assert lines == asked.ask()["lines"] != []


def test_each_search_is_recorded_with_who_why_what_and_how_much(asked: Centre):
    answer = asked.ask(tenant="fgw")
    asked.ask(nat_port=1)
    newest, first = asked.record.searches()
    assert (first["number"], first["lines"], first["asked"]) == (
        answer["number"],
        len(answer["lines"]),
        {"tenant": "fgw"},
    )
    assert first["actor"]["name"] == "local:test" and first["case"] == "Q-1" and first["reason"] == "test"
    assert (newest["lines"], newest["asked"]) == (0, {"nat_port": 1})


def test_a_search_that_cannot_be_recorded_shows_nothing(asked: Centre, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any) -> None:
        raise OSError("no space")

    monkeypatch.setattr(asked.store.access, "enter", broken)
    with pytest.raises(OSError, match="space"):
        asked.ask()


def test_never_more_than_asked(asked: Centre):
    answer = asked.record.log(case="Q-1", reason="x", begin="2026-11-24", end="2026-11-24", asked={}, limit=2)
    assert len(answer["lines"]) == 2 and answer["cut"] and not answer["complete"] and answer["remarks"]
    assert MOST_LINES == 10_000
    window = asked.ask(begin=when(60), end=when(75))["lines"]
    assert {x["nat_port"] for x in window} == {40000, 41000, 41001}


def test_what_was_not_recorded_is_said_and_no_record_is_no_empty_answer(asked: Centre):
    assert asked.ask(begin=when(2), end=when(1800))["complete"]
    answer = asked.ask(begin="2026-11-24", end="2026-11-24")
    assert {g["reason"] for g in answer["unrecorded"]} == {"not-collected"}
    with pytest.raises(CouldNotMeasureError):
        asked.ask(begin="2026-11-20", end="2026-11-21")
    assert asked.record.searches()[0]["from"].startswith("2026-11-19T16:00")


def test_files_that_are_missing_are_no_empty_answer(asked: Centre):
    for path in (asked.root / "access").glob("*.parquet"):
        path.unlink()
    with pytest.raises(CouldNotMeasureError, match="missing"):
        asked.ask()


@sqlite_only
def test_the_ledger_only_grows_and_shows_every_change(asked: Centre):
    for _ in range(3):
        asked.ask()
    assert asked.record.verify()["ok"]
    database = asked.root / "gasp.db"
    with closing(sqlite3.connect(database)) as connection:
        for act in ("UPDATE access_ledger SET body = '{}' WHERE number = 2", "DELETE FROM access_ledger"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                connection.execute(act)
        connection.execute("DROP TRIGGER access_ledger_no_update")
        connection.execute("UPDATE access_ledger SET body = replace(body, 'test', 'tist') WHERE number = 2")
        connection.commit()
    (problem,) = asked.record.verify()["problems"]
    assert (problem["what"], problem["name"], problem["fault"]) == ("entry", "2", "changed")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TRIGGER access_ledger_no_delete")
        connection.execute("DELETE FROM access_ledger WHERE number = 2")
        connection.commit()
    assert {p["fault"] for p in asked.record.verify()["problems"]} == {"missing"}


REGISTER = """address,machine,person,from,to,source
10.95.1.10,PC-1,王伟,2026-11-01,2026-11-10,交接单
fd95:0:2:1::10,PC-1,王伟,2026-11-01T08:00,,交接单
10.95.2.10,"'=cmd",李娜,2026-11-01,,交接单
"""


def test_the_register_is_read_whole_and_a_second_time_adds_nothing(asked: Centre, tmp_path: Path):
    file = tmp_path / "handover.csv"
    file.write_text(REGISTER, "gb18030")
    shown = asked.record.preview_register(file)
    assert (shown["count"], shown["encoding"]) == (3, "GB18030")
    assert asked.record.add_to_register(shown["rows"]) == {"new": 3, "same": 0}
    assert asked.record.add_to_register(shown["rows"]) == {"new": 0, "same": 3}
    rows = {r["address"]: r for r in asked.record.register()}
    assert rows["10.95.2.10"]["machine"] == "=cmd" and rows["10.95.2.10"]["tenant"] == "czj"
    assert rows["10.95.1.10"]["to"] == "2026-11-10T16:00:00+00:00"
    assert [r["address"] for r in asked.record.register(person="王伟")] == ["10.95.1.10", "fd95:0:2:1::10"]
    found = asked.ask(person="李娜")["lines"]
    assert {x["address"] for x in found} == {"10.95.2.10"} and {x["machine"] for x in found} == {"=cmd"}


def test_every_problem_of_a_register_is_told_with_its_line(asked: Centre, tmp_path: Path):
    file = tmp_path / "bad.csv"
    file.write_text(
        "address,machine,person,from,to\n10.95.1.300,PC,,2026-11-01,\n10.95.1.10,,,2026-11-01,\n"
        "10.95.1.10,PC,,2026-11-10,2026-11-01\n10.95.1.10,PC,,soon,\n10.95.1.10,PC\n"
    )
    with pytest.raises(Invalid) as error:
        asked.record.preview_register(file)
    assert sorted((p.line, p.field) for p in error.value.problems if p.field) == [
        (2, "address"), (3, "person"), (4, "to"), (5, "from"),
    ]  # fmt: skip
    assert any(p.line == 6 for p in error.value.problems)
    assert asked.record.register() == []
    file.write_text("address,who\n")
    with pytest.raises(Invalid):
        asked.record.preview_register(file)


def test_each_search_is_in_the_audit_trail_too(asked: Centre):
    number = asked.ask(tenant="fgw", nat_port=40001)["number"]
    entry = asked.store.access.ledger("search")[-1]
    (row,) = Audit(asked.store).list({"act": "record.searched", "tenant": "fgw"})
    assert (row["digest"], row["detail"]["case"]) == (entry.hash, "Q-1")
    assert row["subjects"][0] == {"kind": "entry", "value": str(number), "name": str(number)}


def test_a_mistyped_department_is_not_answered_like_one_that_did_nothing(asked: Centre):
    assert asked.ask(tenant="fgw")["remarks"] == []
    searches = len(asked.store.access.ledger("search"))
    with pytest.raises(Invalid) as told:
        asked.ask(tenant="fgv")
    (problem,) = told.value.problems
    assert (problem.field, str(problem.remedy)) == ("tenant", "Did you mean fgw?")
    assert len(asked.store.access.ledger("search")) == searches, "nothing was searched"


def test_what_an_ended_department_left_is_found_and_said_to_be_that(asked: Centre):
    asked.store.estate.end_tenant("czj", asked.record.actor())
    answer = asked.ask(tenant="czj")
    assert answer["lines"]
    assert any("czj" in str(remark) for remark in answer["remarks"])
