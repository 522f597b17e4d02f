"""Collecting: every segment once, kept before it is deleted on the gateway, and whatever is missing is named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from control_plane.model.record import Segment

from .conftest import START, Centre, Gateway, direct, document, proxied

AT = START.timestamp()


def run(gateway: Gateway, *lines: str, proxy: tuple[str, ...] = ()) -> None:
    gateway.start()
    gateway.write(*proxy)
    gateway.tick(*lines)
    gateway.stop()
    gateway.time.go(1)


def found(centre: Centre) -> list[tuple[str, int]]:
    return [(line["tenant"], line["nat_port"]) for line in centre.ask()["lines"]]


def test_collected_lines_have_tenant_and_host_and_are_gone_on_the_gateway(gateway: Gateway, centre: Centre):
    run(gateway, direct(AT), direct(AT, "10.95.2.10", 40001), direct(AT, "10.95.0.17", 40002),
        proxy=(proxied(AT, "http://%E6%94%BF%E5%8A%A1.test/"),))  # fmt: skip
    answer = centre.record.collect()
    assert (answer["state"], answer["hosts"][0]["lines"]) == ("done", 4)
    assert not list(gateway.folder.glob("*.seg"))
    lines = centre.ask()["lines"]
    assert [(x["tenant"], x["nat_port"]) for x in lines] == [
        (None, 40002),
        ("fgw", 40000),
        ("fgw", 41000),
        ("czj", 40001),
    ]
    assert [x["host"] for x in lines if x["kind"] == "proxy"] == ["xn--bfvp5h.test"] or lines[2]["host"].startswith(
        "xn--"
    )
    assert centre.record.collect()["hosts"][0]["segments"] == 0
    assert centre.record.verify()["ok"]
    assert (centre.root / "access").stat().st_mode & 0o777 == 0o700


def test_killed_between_storing_and_deleting_nothing_is_double(
    gateway: Gateway, centre: Centre, monkeypatch: pytest.MonkeyPatch
):
    run(gateway, direct(AT))
    collected = centre.store.access.collected

    def killed(*arguments: Any) -> None:
        collected(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(centre.store.access, "collected", killed)
        with pytest.raises(KeyboardInterrupt):
            centre.record.collect()
    assert len(list(gateway.folder.glob("*.seg"))) == 1
    assert centre.record.collect()["hosts"][0]["segments"] == 0
    assert found(centre) == [("fgw", 40000)]
    assert not list(gateway.folder.glob("*.seg"))
    assert centre.record.verify()["ok"]


def test_killed_between_file_and_row_nothing_is_double_or_lost(
    gateway: Gateway, centre: Centre, monkeypatch: pytest.MonkeyPatch
):
    run(gateway, direct(AT))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(centre.store.access, "collected", killed)
        with pytest.raises(KeyboardInterrupt):
            centre.record.collect()
    run(gateway, direct(gateway.time.wall, nat_port=40001))
    centre.record.collect()
    assert found(centre) == [("fgw", 40000), ("fgw", 40001)]


def test_an_answer_that_ends_early_is_no_answer(gateway: Gateway, centre: Centre):
    run(gateway, direct(AT))
    gateway.cut = lambda answer: answer[:-5]
    answer = centre.record.collect()
    assert (answer["state"], answer["hosts"][0]["state"]) == ("partly", "unmeasured")
    gateway.cut = lambda answer: answer
    centre.record.collect()
    assert found(centre) == [("fgw", 40000)]


def test_a_silent_gateway_is_said_to_be_so(gateway: Gateway, centre: Centre):
    run(gateway, direct(AT))
    centre.record.collect()
    gateway.unreachable = True
    gateway.time.go(50)
    waiting = centre.record.status()
    assert (waiting["silent_seconds"], waiting["short_gaps"]) == (pytest.approx(50, abs=5), 0), (
        "it is only not fetched yet"
    )
    gateway.time.go(3 * 3600 - 50)
    assert centre.record.collect()["hosts"][0]["state"] == "unmeasured"
    status = centre.record.status()
    assert status["hosts"][0]["state"] == "unmeasured" and "test" in status["hosts"][0]["reason"]
    assert status["silent_seconds"] == pytest.approx(3 * 3600, abs=5)
    (gap,) = status["gaps"]
    assert gap["reason"] == "not-collected"


def test_lost_damaged_and_doubled_segments_are_named_and_stop_nothing(gateway: Gateway, centre: Centre):
    for number in range(5):
        run(gateway, direct(gateway.time.wall, nat_port=40000 + number))
    paths = sorted(gateway.folder.glob("*.seg"))
    paths[1].unlink()
    paths[2].write_bytes(paths[2].read_bytes().replace(b"10.95.1.10", b"10.95.1.11"))
    answer = centre.record.collect()
    assert answer["hosts"][0]["damaged"] == 1
    assert [port for _, port in found(centre)] == [40000, 40003, 40004]
    reasons = {gap["reason"] for gap in centre.ask()["unrecorded"]}
    assert {"segments-missing", "damaged"} <= reasons
    assert [p.name for p in gateway.folder.glob("*.seg")] == [paths[2].name]  # never confirmed, so never deleted
    assert centre.record.collect()["hosts"][0]["damaged"] == 0
    verified = centre.record.verify()
    assert {(p["what"], p["fault"]) for p in verified["problems"]} == {("segment", "missing"), ("segment", "changed")}
    assert len(list((centre.root / "access" / "damaged").iterdir())) == 1


def test_a_second_segment_under_a_name_that_is_taken_is_evidence_and_not_stored(gateway: Gateway, centre: Centre):
    run(gateway, direct(AT))
    (path,) = gateway.folder.glob("*.seg")
    first = path.read_bytes()
    centre.record.collect()
    changed = first.replace(b"40000", b"40009")
    import hashlib

    body = changed[: changed.rindex(b"\nS\t") + 1]
    path.write_bytes(body + b"S\t" + hashlib.sha256(body).hexdigest().encode() + b"\n")
    centre.record.collect()
    centre.record.collect()
    assert found(centre) == [("fgw", 40000)]
    assert [g["reason"] for g in centre.ask()["unrecorded"]].count("damaged") == 1
    assert path.exists()


def test_a_gateway_that_begins_a_new_record_is_told(gateway: Gateway, centre: Centre):
    import shutil

    run(gateway, direct(AT))
    centre.record.collect()
    shutil.rmtree(gateway.folder)
    gateway.time.go(300)
    run(gateway, direct(gateway.time.wall, nat_port=40001))
    answer = centre.record.collect()
    (gap,) = [g for g in answer["hosts"][0]["gaps"] if g["reason"] == "chain-began-anew"]
    assert gap["seconds"] == pytest.approx(300, abs=5)
    assert centre.record.verify()["ok"]


def test_many_small_files_become_one_and_a_day_that_is_over_is_closed(gateway: Gateway, centre: Centre):
    for number in range(34):
        run(gateway, direct(gateway.time.wall, nat_port=40000 + number))
        centre.record.collect()
    assert len(centre.store.access.files()) < 5
    assert [port for _, port in found(centre)] == [40000 + n for n in range(34)]
    centre.ahead = timedelta(days=1)
    centre.record.collect()
    (file,) = centre.store.access.files()
    assert file.level == 2 and file.lines == 34
    assert [e.act for e in centre.store.access.ledger()].count("close") == 1
    assert centre.archive.names() == [file.name]
    assert centre.record.verify()["ok"]
    run(gateway, direct(AT, nat_port=50000))  # a late line of the closed day
    centre.record.collect()
    (file,) = centre.store.access.files()
    assert file.lines == 35 and centre.record.verify()["ok"]


def test_a_merge_that_was_killed_leaves_nothing_double(
    gateway: Gateway, centre: Centre, monkeypatch: pytest.MonkeyPatch
):
    run(gateway, direct(AT))
    centre.record.collect()
    run(gateway, direct(gateway.time.wall, nat_port=40001))
    centre.record.collect()
    centre.ahead = timedelta(days=1)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(centre.archive, "discard", killed)
        with pytest.raises(KeyboardInterrupt):
            centre.record.collect()
    assert found(centre) == [("fgw", 40000), ("fgw", 40001)]
    centre.record.collect()
    assert found(centre) == [("fgw", 40000), ("fgw", 40001)]
    assert len(centre.archive.names()) == 1 and centre.record.verify()["ok"]


def test_a_segment_over_midnight_is_in_both_days(gateway: Gateway, centre: Centre):
    gateway.time.go(14 * 3600 - 2)  # 2 s before midnight in Asia/Shanghai
    gateway.start()
    gateway.tick(direct(gateway.time.wall))
    gateway.time.go(3)
    gateway.tick(direct(gateway.time.wall, nat_port=40001))
    gateway.stop()
    centre.record.collect()
    assert sorted(str(f.day) for f in centre.store.access.files()) == ["2026-11-24", "2026-11-25"]
    assert [x["nat_port"] for x in centre.ask(begin="2026-11-24", end="2026-11-26")["lines"]] == [40000, 40001]
    assert centre.record.verify()["ok"]


def test_an_address_belongs_to_the_tenant_that_had_the_network_then(gateway: Gateway, centre: Centre):
    gateway.time.go(3600)
    actor = centre.store.actors.get("local:test")
    centre.store.estate.end_tenant("fgw", actor, at=centre.clock())
    gateway.time.go(60)
    centre.store.estate.put_tenants(actor, "test", [document("xfj", 1)])
    gateway.time.go(60)
    now = gateway.time.wall
    run(gateway, direct(AT), direct(AT + 3630, nat_port=40001), direct(now, nat_port=40002))
    centre.record.collect()
    assert found(centre) == [("fgw", 40000), (None, 40001), ("xfj", 40002)]


def test_only_one_collects(gateway: Gateway, centre: Centre, monkeypatch: pytest.MonkeyPatch):
    run(gateway, direct(AT))
    inside: list[str] = []
    fetch = centre.reader.fetch

    def second(*arguments: Any, **more: Any) -> Any:
        inside.append(centre.record.collect()["state"])
        return fetch(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(centre.reader, "fetch", second)
        centre.record.collect()
    assert set(inside) == {"busy"}
    assert found(centre) == [("fgw", 40000)]


def test_batches_are_limited_and_nothing_is_left(gateway: Gateway, centre: Centre, monkeypatch: pytest.MonkeyPatch):
    for number in range(6):
        run(gateway, direct(gateway.time.wall, nat_port=40000 + number))
    fetch, sizes = centre.reader.fetch, []

    def small(confirmed: Any = (), skipped: Any = (), limit: int = 0, close: bool = False) -> Any:
        state, segments = fetch(confirmed, skipped, 1000, close)
        sizes.append(len([s for s in segments if isinstance(s, Segment)]))
        return state, segments

    monkeypatch.setattr(centre.reader, "fetch", small)
    centre.record.collect()
    assert sum(sizes) == 6 and max(sizes) < 4
    assert [port for _, port in found(centre)] == [40000 + n for n in range(6)]


def test_a_spool_that_grows_or_has_no_service_warns_and_keeps_everything(gateway: Gateway, centre: Centre):
    run(gateway, direct(AT))
    assert "Nobody records" in centre.record.status()["hosts"][0]["warning"]
