"""What an operator does on pages: plan, carry out, stop, finish, undo; each once, by whoever signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from control_plane.model.run import EventType, RunState
from control_plane.model.text import in_language, t
from control_plane.workflow.process import myself
from tests.web.world import BASE, World, make_world, token_of


@pytest.fixture
def world(tmp_path: Any) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path)
        yield made
        made.close()


def browser(world: World, role: str = "operator") -> FlaskClient:
    return world.enter(world.person(role))


def get(who: FlaskClient, address: str, status: int = 200) -> str:
    answer = who.get(address, base_url=BASE)
    assert answer.status_code == status, answer.text
    return answer.text


def submit(who: FlaskClient, page: str, action: str, /, **fields: str) -> TestResponse:
    """Send the form of a page that goes to `action`, as a browser without scripts does."""
    text = get(who, page)
    form = next(f for f in re.findall(r"<form .*?</form>", text, re.S) if f'action="{action}"' in f)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    return who.post(action, base_url=BASE, data={**hidden, **fields})


def follow(who: FlaskClient, answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text
    found = who.get(answer.location, base_url=BASE, follow_redirects=True)
    assert found.status_code == 200
    return found.text


def remove(world: World, start: str = "dns:fgw.qingdao.test/A") -> None:
    things = world.drivers[0].things["dns:qingdao.test"]
    del things[next(name for name in things if name.startswith(start))]


def planned(world: World, who: FlaskClient, scope: str = "tenant:fgw") -> str:
    answer = who.post("/console/plans", base_url=BASE, data={"token": token_of(who), "scope": scope})
    assert answer.status_code == 303
    return str(answer.location)


def test_plan_carry_out_and_see_it(world: World) -> None:
    who = browser(world)
    remove(world)
    page = planned(world, who)
    assert "1 changes of 1 tenants in 1 systems" in get(who, page)
    answer = submit(who, page, f"{page}/apply")
    text = follow(who, answer)
    assert "carry out plan" in text and "It waits for its turn." in text
    assert "The worker does not run" in text and 'data-live="1"' in text
    world.client.jobs.work(("runs",))
    text = follow(who, answer)
    assert "Done and verified." in text or "1 changes done." in text
    assert "1 of 1 changes" in text
    assert "directory:operator1" in text
    assert "Run" in get(who, page), "the plan says which run carried it out"
    assert "carried this plan out" in get(who, page)
    assert "1 of 1 changes" in text


def test_the_same_form_twice_is_one_act(world: World) -> None:
    who = browser(world)
    remove(world)
    page = planned(world, who)
    form = {"token": token_of(who), "once": "w" * 24}
    first, second = (who.post(f"{page}/apply", base_url=BASE, data=form) for _ in range(2))
    assert first.location == second.location
    assert len(world.client.jobs.list()) == 1


def test_a_wrong_word_keeps_what_was_typed_and_says_the_right_one(world: World) -> None:
    who = browser(world)
    world.client.planner.touch_limit = -1
    remove(world)
    page = planned(world, who)
    text = get(who, page)
    assert "the limit is -1" in text
    answer = submit(who, page, f"{page}/apply", confirm="not <this>")
    assert answer.status_code == 422
    assert 'value="not &lt;this&gt;"' in answer.text and 'aria-invalid="true"' in answer.text
    assert "is not the word asked for; nothing was changed." in answer.text
    assert world.client.jobs.list() == []
    digest = page.rpartition("/")[2]
    assert submit(who, page, f"{page}/apply", confirm=digest[:8]).status_code == 303


def test_who_may_not_carry_out_sees_no_button_and_is_refused(world: World) -> None:
    remove(world)
    for role in ("security_officer", "deputy_director"):
        who = browser(world, role)
        page = planned(world, who)
        assert "/apply" not in get(who, page)
        refused = who.post(f"{page}/apply", base_url=BASE, data={"token": token_of(who), "once": "w" * 24})
        assert refused.status_code == 403
    assert world.client.jobs.list() == []


def test_stop_a_run(world: World) -> None:
    who = browser(world)
    number = world.store.runs.create("apply", "estate", None, world.client.actor, myself())
    world.store.runs.set_state(number, RunState.RUNNING)
    page = f"/console/runs/{number}"
    text = follow(who, submit(who, page, f"{page}/stop"))
    assert f"run {number} ends at its next boundary." in text
    assert world.store.runs.stop_requested(number)
    world.store.runs.set_state(number, RunState.STOPPED, t("Stopped."), world.clock())
    again = who.post(f"{page}/stop", base_url=BASE, data={"token": token_of(who), "once": "w" * 24})
    assert again.status_code == 422
    assert "has ended; there is nothing to stop." in again.text


def test_finish_what_was_killed(world: World) -> None:
    who = browser(world)
    remove(world)
    plan = world.client.plan("tenant:fgw")
    number = world.store.runs.create("apply", "tenant:fgw", plan["digest"], world.client.actor, myself())
    assert f"Finish run {number}" not in get(who, f"/console/runs/{number}")
    world.store.runs.append(number, [(EventType.CONFIRMED, {"steps": 1, "digest": plan["digest"]})])
    world.store.runs.set_state(number, RunState.INTERRUPTED, t("Ended."), world.clock())
    page = f"/console/runs/{number}"
    answer = submit(who, page, f"{page}/resume")
    world.client.jobs.work(("runs",))
    text = follow(who, answer)
    assert "1 changes done." in text
    assert world.client.plan("tenant:fgw")["changes"] == []


def test_undo_is_a_plan_first(world: World) -> None:
    from control_plane.model.client_internet import Wish

    who = browser(world)
    world.client.internet.change("fgw", Wish(block=["games.example.test"], reason_zh="测试", reason_en="a test"))
    number = world.client.runs(limit=1)[0]["id"]
    answer = submit(who, f"/console/runs/{number}", f"/console/runs/{number}/undo")
    page = answer.location
    text = get(who, page)
    assert "What would be wanted again" in text and "from version 2 back to version 1" in text
    assert world.client.subscription("fgw/internet")["generation"] == 2, "only shown"
    submit(who, page, f"{page}/apply")
    world.client.jobs.work(("runs",))
    assert world.client.subscription("fgw/internet")["generation"] == 3
    assert "games.example.test" not in get(who, "/console/internet/fgw")


def events(text: str) -> list[tuple[str, str]]:
    """(id, event) of a stream's messages."""
    blocks = [dict(line.split(": ", 1) for line in b.splitlines() if ": " in line) for b in text.split("\n\n")]
    return [(b.get("id", ""), b["event"]) for b in blocks if "event" in b]


def test_a_stream_is_numbered_goes_on_where_it_was_and_ends(world: World) -> None:
    who = browser(world)
    number = world.client.runs(limit=1)[0]["id"]
    address = f"/console/runs/{number}/events"
    found = events(get(who, address))
    numbers = [int(i) for i, kind in found if kind == "line"]
    assert numbers == list(range(1, len(world.client.run_events(number)) + 1))
    assert found[-1] == ("", "end")
    answer = who.get(address, base_url=BASE, headers={"Last-Event-ID": str(numbers[-3])})
    assert [int(i) for i, kind in events(answer.text) if kind == "line"] == numbers[-2:]
    assert answer.mimetype == "text/event-stream"
    assert get(who, "/console/runs/999/events", 404)


def test_there_are_few_streams_and_each_is_given_back(world: World) -> None:
    from control_plane.web.live import STREAMS

    who = browser(world)
    address = f"/console/runs/{world.client.runs(limit=1)[0]['id']}/events"
    for _ in range(20):
        get(who, address)
    held = 0
    while STREAMS.acquire(blocking=False):
        held += 1
    try:
        assert held == 12
        assert who.get(address, base_url=BASE).status_code == 503
    finally:
        for _ in range(held):
            STREAMS.release()


def test_a_stream_ends_when_its_reader_may_not_see_it_any_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from control_plane.web import live

    who = browser(world)
    number = world.store.runs.create("apply", "estate", None, world.client.actor, myself())
    monkeypatch.setattr(live, "ASK", 0.0)
    world.client.people.revoke("operator1", "operator", reason="test")
    world.client.people.grant("operator1", "clerk", tenant="fgw", reason="test")
    assert who.get(f"/console/runs/{number}/events", base_url=BASE).status_code == 403
    world.client.people.revoke("operator1", "clerk", tenant="fgw", reason="test")
    world.client.people.grant("operator1", "operator", reason="test")
    monkeypatch.setattr(live, "_still_allowed", lambda: False)
    assert "event: end" not in get(who, f"/console/runs/{number}/events")


def test_a_run_as_text(world: World) -> None:
    who = browser(world)
    number = world.client.runs(limit=1)[0]["id"]
    answer = who.get(f"/console/runs/{number}/log", base_url=BASE)
    assert answer.mimetype == "text/plain"
    assert len(answer.text.splitlines()) == len(world.client.run_events(number))
