"""Events of a run as a stream: numbered, resumed where it broke off, ended, and never more than there is room for."""

from __future__ import annotations

import json
import re

import pytest

from control_plane.api import stream
from control_plane.workflow.seats import PROGRAMS, STREAMS, seat
from tests.unit.api.conftest import Programs
from tests.unit.api.test_frame import problem

STREAM = {"Accept": "text/event-stream"}


def events(text: str) -> list[tuple[int, str, dict]]:
    found = re.findall(r"id: (\d+)\nevent: ([\w.]+)\ndata: (.+)\n\n", text)
    return [(int(number), kind, json.loads(data)) for number, kind, data in found]


def test_every_event_and_an_end(programs: Programs) -> None:
    answer = programs.get("/runs/1/events", headers=STREAM)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    text = answer.text
    assert text.startswith("retry: 2000\n\n")
    listed = programs.get("/runs/1/events?limit=200").json["items"]
    assert [(number, kind) for number, kind, _ in events(text)] == [(e["number"], e["type"]) for e in listed]
    assert [data for _, _, data in events(text)] == listed
    assert text.endswith('event: end\ndata: {"run":1,"state":"done"}\n\n')
    assert seat(*[PROGRAMS] * 6) is not None, "its seat is free again"
    for _ in range(6):
        PROGRAMS.release()


def test_it_goes_on_after_what_was_seen(programs: Programs) -> None:
    whole = events(programs.get("/runs/1/events", headers=STREAM).text)
    rest = programs.get("/runs/1/events", headers={**STREAM, "Last-Event-ID": str(whole[3][0])})
    assert events(rest.text) == whole[4:]
    assert events(programs.get(f"/runs/1/events?after={whole[-1][0]}", headers=STREAM).text) == []


def test_one_under_way_beats_and_lives_its_life(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    world = programs.world
    for name, seconds in {"LOOK": 0.0, "BEAT": 0.0, "LIFE": 0.1, "ASK": 0.0}.items():
        monkeypatch.setattr(stream, name, seconds)
    monkeypatch.setattr(stream, "FINAL", frozenset())
    text = programs.get("/runs/1/events", headers=STREAM).text
    assert ": beat\n\n" in text
    assert "event: end" not in text
    monkeypatch.setattr(stream, "LIFE", 60.0)
    value = programs.token("operator", scopes=("tenants:read",))
    number = next(row["id"] for row in world.client.tokens.list(person="operator1") if row["hint"] == value[-4:])
    answer = programs.send(value, "GET", "/runs/1/events", headers=STREAM, buffered=False)
    chunks = answer.iter_encoded()
    assert b"retry" in next(chunks)
    world.client.tokens.revoke(number)
    assert b"event: end" not in b"".join(chunks), "it breaks off once the token has ended"
    answer.close()


def test_without_a_seat_there_is_the_list(programs: Programs) -> None:
    taken = [seat(PROGRAMS, STREAMS) for _ in range(6)]
    assert all(taken)
    told = problem(programs.get("/runs/1/events", headers=STREAM), 503, "too-many-streams")
    assert told["retry_after"] == 5
    assert programs.get("/runs/1/events").status_code == 200
    for one in taken:
        one.leave()
    assert programs.get("/runs/1/events", headers=STREAM).status_code == 200


def test_who_may_see_it_and_nothing_else_streams(programs: Programs) -> None:
    problem(programs.get("/runs/1/events", "clerk", headers=STREAM), 403, "forbidden")
    problem(programs.get("/runs/999/events", headers=STREAM), 404, "not-found")
    problem(programs.get("/runs", headers=STREAM), 406, "not-acceptable")
