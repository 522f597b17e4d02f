"""What an operator does on pages: plan, carry out, stop, finish, undo; each once, by whoever signed in."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from control_plane.model.errors import Rejected
from control_plane.model.run import EventType, RunState
from control_plane.model.text import in_language, t
from control_plane.workflow.process import myself
from tests.web.world import BASE, PASSWORD, World, make_world, token_of


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
    assert "1 change of 1 tenant in 1 system" in get(who, page)
    answer = submit(who, page, f"{page}/apply")
    text = follow(who, answer)
    assert "carry out plan" in text and "It waits for its turn." in text
    assert "The worker does not run" in text and 'data-live="1"' in text
    world.client.jobs.work(("runs",))
    text = follow(who, answer)
    assert "Done and verified." in text or "1 change done." in text
    assert "1 of 1 change" in text
    assert "<dd>operator1</dd>" in text
    assert "Run" in get(who, page), "the plan says which run carried it out"
    assert "carried this plan out" in get(who, page)
    assert "1 of 1 change" in text


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
    assert f"Run {number} ends at its next boundary." in text
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
    assert "1 change done." in text
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
    assert '<span class="grow">Internet access · fgw</span>' in text
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
    world.second("operator")
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


# hand-made changes -----------------------------------------------------------------------------------------------
def drifted(world: World, who: FlaskClient, count: int = 2) -> list[str]:
    """That many hand-made changes, looked at."""
    for _ in range(count):
        remove(world)
    assert who.post("/console/drift", base_url=BASE, data={"token": token_of(who)}).status_code == 303
    return [row["id"] for row in world.services.looks.last("drift:estate")[2]]  # type: ignore[index]


def answer(who: FlaskClient, ids: list[str], kind: str, **more: str) -> TestResponse:
    form: dict[str, Any] = {"token": token_of(who), "once": secrets.token_urlsafe(18), "id": ids, "answer": kind}
    return who.post("/console/drift/answer", base_url=BASE, data={**form, **more})


def test_keep_accept_and_revert(world: World) -> None:
    who = browser(world)
    ids = drifted(world, who)
    text = follow(who, answer(who, ids[:1], "keep", until="2027-01-31", reason="a move"))
    assert f"{ids[0]}: kept as found." in text
    assert "kept until 2027-01-31 23:59" in text
    kept = world.store.drift.kept(world.clock())
    assert [(k.resource_id, k.reason) for k in kept] == [(ids[0], "a move")]
    world.clock.advance(1)
    found = answer(who, ids[1:], "revert")
    world.client.jobs.work(("runs",))
    assert "1 change done." in follow(who, found)
    assert "Something was carried out since this look" in get(who, "/console/drift")
    assert [row["action"] for row in world.client.drift()] == ["kept"]
    who.post("/console/drift", base_url=BASE, data={"token": token_of(who)})
    text = follow(who, answer(who, ids[:1], "accept", reason="a new address"))
    assert f"{ids[0]}: desired from now on." in text
    assert world.client.drift() == []
    assert world.client.plan("tenant:fgw")["changes"] == []


def test_everything_that_fits_the_filter_at_once(world: World) -> None:
    who = browser(world)
    remove(world, "dns:gaj.qingdao.test/A")
    ids = drifted(world, who, 2)
    assert len(ids) == 3
    form = {"token": token_of(who), "once": "e" * 24, "everything": "1", "answer": "revert"}
    assert who.post("/console/drift/answer?f.tenant=fgw", base_url=BASE, data=form).status_code == 303
    world.client.jobs.work(("runs",))
    assert [row["tenant"] for row in world.client.drift()] == ["gaj"]


def test_an_answer_that_lacks_something_changes_nothing_and_keeps_what_was_typed(world: World) -> None:
    who = browser(world)
    ids = drifted(world, who)
    for kind, more, said in (
        ("keep", {"reason": "why <b>", "until": "2020-01-01"}, "is no date in the future."),
        ("keep", {"until": "2027-01-31"}, "A reason is needed."),
        ("accept", {"reason": "  "}, "A reason is needed."),
        ("other", {}, "No answer is chosen."),
    ):
        found = answer(who, ids, kind, **more)
        assert found.status_code == 422, (kind, more)
        assert said in found.text
        if more.get("reason") == "why <b>":
            assert 'value="why &lt;b&gt;"' in found.text
    assert "Nothing is chosen." in answer(who, [], "revert").text


# freezes -----------------------------------------------------------------------------------------------------------
def test_one_sets_a_freeze_and_another_lifts_it(world: World) -> None:
    one, other = browser(world), browser(world, "security_officer")
    text = follow(one, submit(one, "/console/freezes", "/console/freezes", scope="estate", reason="a storm <warning>"))
    assert "estate is frozen." in text
    for page in ("/console/", "/console/tenants", "/console/me"):
        assert "estate is frozen by operator1" in get(other, page)
        assert "a storm &lt;warning&gt;" in get(other, page)
    number = world.client.freezes.list()[0]["id"]
    lift = f"/console/freezes/{number}/lift"
    assert lift not in get(one, "/console/freezes"), "who set it is told that another one lifts it"
    form = {"token": token_of(one), "once": "l" * 24, "lift_reason": "over"}
    refused = one.post(lift, base_url=BASE, data=form)
    assert refused.status_code == 422
    assert "You set freeze" in refused.text
    refused = submit(other, "/console/freezes", lift, lift_reason=" ")
    assert refused.status_code == 422
    assert f'href="#lift_reason{number}"' in refused.text and f'id="lift_reason{number}"' in refused.text
    text = follow(other, submit(other, "/console/freezes", lift, lift_reason="it is over"))
    assert f"Freeze {number} is lifted." in text
    row = next(f for f in world.client.freezes.list(lifted=True) if f["id"] == number)
    assert (row["lifted_by"], row["second"], row["second_verified"]) == (*["directory:security1"] * 2, True)
    assert "is frozen by operator1" not in get(one, "/console/")


def test_many_freezes_take_no_more_room_than_three(world: World) -> None:
    for scope in ("tenant:fgw", "tenant:gaj", "tenant:czj", "tenant:jyj", "estate"):  # one is in force already
        world.client.freezes.set(scope, reason=f"storm over {scope}")
    text = get(browser(world), "/console/")
    assert [f"storm over {n}" in text for n in ("estate", "tenant:jyj", "tenant:czj", "tenant:gaj")] == [
        *[True] * 3,
        False,
    ]
    assert "3 more freezes</a>" in text
    assert get(browser(world, "clerk"), "/console/").count("changes nothing of yours") == 1


def test_nobody_lifts_without_having_signed_in(world: World) -> None:
    made = world.client.freezes.set("tenant:fgw", reason="test")
    with pytest.raises(Rejected, match="did not sign in"):
        world.client.freezes.lift(made["id"], reason="test")
    assert world.client.freezes.lift(made["id"], second="li", reason="test")["second_verified"] is False


def test_a_department_is_told_of_freezes_that_concern_it(world: World) -> None:
    world.client.freezes.set("tenant:gaj", reason="not for others")
    clerk = browser(world, "clerk")
    assert "not for others" not in get(clerk, "/console/")
    world.client.freezes.set("tenant:fgw", reason="for you")
    text = get(clerk, "/console/")
    assert "The centre changes nothing of yours since" in text
    assert "for you" not in text, "reasons are the centre's own"
    assert "on the machine itself" not in text, "who set it is for the centre"


def test_a_frozen_estate_refuses_and_says_why(world: World) -> None:
    who = browser(world)
    remove(world)
    page = planned(world, who)
    world.client.freezes.set("estate", reason="a storm")
    found = submit(who, page, f"{page}/apply")
    world.client.jobs.work(("runs",))
    assert "estate is frozen by test (on the machine itself)" in follow(who, found)


def test_a_freeze_with_a_bad_scope_keeps_what_was_typed(world: World) -> None:
    who = browser(world)
    found = submit(who, "/console/freezes", "/console/freezes", scope="planet:x", reason="a reason")
    assert found.status_code == 422
    assert 'value="planet:x"' in found.text and 'value="a reason"' in found.text
    assert "is no scope of a freeze." in found.text


# rollouts ----------------------------------------------------------------------------------------------------------
NEW = {"kind": "patches", "snapshot": "p20261124-020000", "reason": "December", "ignore_windows": "a test", "soak": "0"}


def test_a_rollout_is_previewed_made_begun_paused_and_aborted(world: World) -> None:
    who = browser(world)
    world.client.rollouts.abort(1, reason="test")
    token, once = token_of(who), "r" * 24
    shown = who.post("/console/rollouts/new", base_url=BASE, data={"token": token, "once": once, **NEW})
    assert "Nothing was made yet." in shown.text and "1 pilot" in shown.text
    before = len(world.client.rollouts.list())
    form = {"token": token, "once": once, "act": "create", **NEW}
    made = who.post("/console/rollouts/new", base_url=BASE, data=form)
    assert who.post("/console/rollouts/new", base_url=BASE, data=form).location == made.location
    assert len(world.client.rollouts.list()) == before + 1
    page = made.location.partition("?")[0]
    assert "is made." in follow(who, made)
    assert "goes on." in follow(who, submit(who, page, page, act="release"))
    assert submit(who, page, page, act="abort").status_code == 422, "a reason is wanted"
    officer = browser(world, "security_officer")
    assert f"{page}/pause" in get(officer, page) and "Abort rollout" not in get(officer, page)
    paused = officer.post(
        f"{page}/pause", base_url=BASE, data={"token": token_of(officer), "once": "p" * 24, "reason": "calls"}
    )
    assert "is paused." in follow(officer, paused)
    assert "goes on." in follow(who, submit(who, page, page, act="resume"))
    assert "is aborted." in follow(who, submit(who, page, page, act="abort", reason="no more"))
    number = int(page.rpartition("/")[2])
    actors = [event["actor"] for event in world.client.rollouts.events(number)]
    assert actors == ["directory:operator1"] * 2 + ["directory:security1"] + ["directory:operator1"] * 2


def test_a_rollout_with_faults_says_all_of_them_and_keeps_what_was_typed(world: World) -> None:
    who = browser(world)
    form = {"token": token_of(who), "once": "r" * 24, "act": "create", "kind": "patches", "snapshot": "<none>"}
    found = who.post("/console/rollouts/new", base_url=BASE, data=form)
    assert found.status_code == 422
    assert "There is no snapshot" in found.text and 'value="&lt;none&gt;"' in found.text
    assert found.text.count('aria-invalid="true"') == 2
    bad = who.post("/console/rollouts/new", base_url=BASE, data={**form, "kind": "configuration", "patch": "[1"})
    assert "no valid YAML" in bad.text
    assert world.client.jobs.list() == [] or all(job["state"] != "done" for job in world.client.jobs.list())


@pytest.mark.parametrize(
    "patch",
    ["1: 2", "a: !!binary aGk=", f"a: {10**30}", 'a: "\\uD800"', "a: 2026-13-45", "a: 2026-01-01", "a: .nan", "a: .inf",
     "a: &x [*x]", "a: 1\na: 2", "a: !!python/name:os.system ''", "--- {}\n--- {}", "[" * 2000, "? {b: 1}\n: 1", "~"],
)  # fmt: skip
def test_a_patch_that_is_none_is_told_and_leaves_no_act(world: World, patch: str) -> None:
    who = browser(world)
    form = {"token": token_of(who), "kind": "configuration", "offering": "internet", "reason": "for a test"}
    for act in ("create", "preview"):
        sent = {**form, "once": secrets.token_urlsafe(18), "act": act, "patch": patch}
        answer = who.post("/console/rollouts/new", base_url=BASE, data=sent)
        assert answer.status_code == 422, answer.text
        assert "sent before" not in answer.text
    assert {job["state"] for job in world.client.jobs.list()} <= {"refused"}


def test_a_patch_that_takes_rules_away_shows_whose_and_wants_the_box(world: World) -> None:
    who = browser(world)
    form = {"token": token_of(who), "kind": "configuration", "offering": "directory", "reason": "test"}
    form["patch"] = "services: []"

    def send(act: str, **more: str) -> Any:
        sent = {**form, "once": secrets.token_urlsafe(18), "act": act, **more}
        return who.post("/console/rollouts/new", base_url=BASE, data=sent)

    shown = send("preview")
    assert "Departments lose entries of their own lists:" in shown.text and "scanner" in shown.text
    refused = send("create")
    assert refused.status_code == 422
    assert "fgw would lose 1 of its own in services" in refused.text and "“services+”" in refused.text
    assert 'href="#replace_lists"' in refused.text
    made = send("create", replace_lists="1")
    assert made.status_code == 303, made.text
    page = get(who, made.location.partition("?")[0])
    assert "Departments lose entries of their own lists:" in page


def test_a_patch_is_what_was_written(world: World) -> None:
    who = browser(world)
    world.client.rollouts.abort(1, reason="test")
    form = {"token": token_of(who), "once": "r" * 24, "act": "create", "kind": "configuration", "offering": "internet"}
    patch = "rules:\n- {number: 5, action: block, hosts: [a.test], since: 2026-11-20, reason: {zh: 无, en: none}}"
    made = who.post("/console/rollouts/new", base_url=BASE, data={**form, "reason": "test", "patch": patch})
    assert made.status_code == 303, made.text
    assert world.client.jobs.list()[0]["state"] == "done"


# machines, security, internet --------------------------------------------------------------------------------------
def ask(who: FlaskClient, address: str, **form: str) -> TestResponse:
    data = {"token": token_of(who), "once": secrets.token_urlsafe(18), **form}
    return who.post(address, base_url=BASE, data=data)


def test_machines_are_measured_enrolled_and_retired_by_the_worker(world: World) -> None:
    who = browser(world)
    answer = ask(who, "/console/hosts", act="measure")
    world.client.jobs.work(("machines",))
    assert "Silent" in follow(who, answer)
    answer = ask(who, "/console/hosts", act="enrol", name="fgw", tenant="gaj", ring="9")
    world.client.jobs.work(("machines",))
    text = follow(who, answer)
    assert "stands in the network of fgw" in text and "is none for machines of departments" in text
    answer = ask(who, "/console/hosts", act="mend", name="czj")
    world.client.jobs.work(("machines",))
    assert "czj" in follow(who, answer)
    assert ask(who, "/console/hosts", act="retire", name="fgw", typed="gaj").status_code == 422
    answer = ask(who, "/console/hosts", act="retire", name="fgw", typed="fgw")
    world.client.jobs.work(("runs",))
    follow(who, answer)
    assert "fgw" not in {m.name for m in world.store.machines.all()}


def test_scans_and_signatures(world: World) -> None:
    who = browser(world, "security_officer")
    for act in ("scan", "refresh"):
        answer = ask(who, "/console/security", act=act, target="tenant:fgw")
        world.client.jobs.work(("machines",))
        assert "fgw" in follow(who, answer)
    assert [job["state"] for job in world.client.jobs.list()] == ["done", "done"]


def test_findings_are_settled_with_a_reason(world: World) -> None:
    who = browser(world, "security_officer")
    page = get(who, "/console/security")
    finding = re.search(r'name="findings" value="([^"]+)"', page)
    assert finding is not None
    for wrong in ({"findings": finding[1]}, {"reason": "a test file"}, {"findings": "f_none", "reason": "x"}):
        answer = ask(who, "/console/security", act="clear", **wrong)
        assert answer.status_code == 422, answer.text
        assert "Settle the chosen findings" in answer.text
    answer = ask(who, "/console/security", act="clear", findings=finding[1], reason="a test file")
    assert f"Settled: {finding[1]}." in follow(who, answer)
    assert [f["reason"] for f in world.client.machines.findings() if f["id"] == finding[1]] == ["a test file"]
    entry = world.client.audit.list({"act": "finding.cleared"})[0]
    assert (entry["actor"]["name"], entry["reason"]) == ("directory:security1", "a test file")
    watcher = get(browser(world, "auditor"), "/console/security")
    assert "Settle the chosen findings" not in watcher


def test_snapshots_are_fetched_imported_given_and_deleted(world: World) -> None:
    who = browser(world)
    page = "/console/snapshots"
    assert "1.0 MB to fetch" in ask(who, page, act="estimate", kind="patches").text
    answer = ask(who, page, act="sync", kind="patches")
    world.client.jobs.work(("machines",))
    assert "nothing new: p20261124-020000 is the latest" in follow(who, answer)
    world.rooms.repository.enough = False
    answer = ask(who, page, act="sync", kind="")
    world.client.jobs.work(("machines",))
    assert "has not enough room" in follow(who, answer)
    assert "Nothing lies there now." in get(who, page)
    for name in ("disk", ".hidden"):
        (world.folder / "media" / name).mkdir(parents=True)
    assert '<option value="disk"' in get(who, page) and ".hidden" not in get(who, page)
    for medium, said in (("disk", "is the latest"), ("../secrets", "There is no medium"), ("", "There is no medium")):
        answer = ask(who, page, act="take", medium=medium)
        world.client.jobs.work(("machines",))
        assert said in follow(who, answer)
    for ring, sure, said in (("1", "", "nothing measures it"), ("7", "1", "is no ring"), ("", "", "is no ring")):
        answer = ask(who, page, act="publish", snapshot="p20261124-020000", ring=ring, sure=sure)
        assert answer.status_code == 422 and said in answer.text
    answer = ask(who, page, act="publish", snapshot="p20261124-020000", ring="1", sure="1")
    world.client.jobs.work(("machines",))
    assert "Rollout 1 decides what ring 1 pilot has" in follow(who, answer)
    world.client.rollouts.abort(1, reason="test")
    answer = ask(who, page, act="publish", snapshot="p20261124-020000", ring="1", sure="1")
    world.client.jobs.work(("machines",))
    assert "Ring 1 has p20261124-020000 now. Before it had p202611" in follow(who, answer)
    assert ask(who, page, act="preview", kind="all").status_code == 422
    shown = ask(who, page, act="preview", kind="patches", keep="2").text
    assert "p20261101-020000" in shown and "Delete 1 of patches for good" in shown
    answer = ask(who, page, act="prune", kind="patches", keep="2", removed="")
    world.client.jobs.work(("machines",))
    assert "More would be deleted now than was shown" in follow(who, answer)
    answer = ask(who, page, act="prune", kind="patches", keep="2", removed="p20261101-020000")
    world.client.jobs.work(("machines",))
    assert "1 deleted, 1 kept" in follow(who, answer)
    acts = [row["act"] for row in world.client.audit.list({"act": "snapshot"})]
    assert set(acts) == {"snapshot.fetched", "snapshot.published", "snapshot.pruned"}


def test_roles_are_given_and_taken_by_the_security_officer(world: World) -> None:
    who = browser(world, "security_officer")
    world.directory.add("new1", "fgw")
    world.store.people.ensure("directory:new1", "新人", "fgw", "directory:person/new1")
    page, form = "/console/people", {"act": "grant", "person": "new1", "reason": "new colleague"}
    assert "Which roles exclude each other" in get(who, page)
    assert "Say which one" in ask(who, page, role="clerk", **form).text
    assert ask(who, page, role="king", **form).status_code == 422
    text = follow(who, ask(who, page, role="clerk", tenant="fgw", **form))
    assert "new1 has the role." in text and "new colleague" in text
    assert ask(who, page, role="operator", **{**form, "person": "approver1"}).status_code == 422
    world.person("approver")
    clash = ask(who, page, role="operator", **{**form, "person": "approver1"})
    assert clash.status_code == 422 and "exclude each other" in clash.text
    own = ask(who, page, role="finance", **{**form, "person": "security1"})
    assert own.status_code == 422 and "Nobody gives a role to themselves." in own.text
    world.person("auditor")
    for wanted in (
        {"act": "grant", "role": "auditor", "person": "new1"},
        {"act": "revoke", "role": "auditor/", "person": "auditor1"},
        {"act": "reset", "person": "auditor1"},
    ):
        refused = ask(who, page, reason="x", **wanted)
        assert refused.status_code == 422 and "auditors watch who does it" in refused.text
    assert "auditors watch who does it" in get(who, "/console/people/auditor1")
    assert ask(who, page, act="revoke", person="new1", role="clerk/fgw", reason="").status_code == 422
    text = follow(who, ask(who, page, act="revoke", person="new1", role="clerk/fgw", reason="moved"))
    assert "No role is held now" in text and "moved" in text
    assert world.store.people.find("directory:new1").grants == ()  # type: ignore[union-attr]
    acts = [r["act"] for r in world.client.audit.list({"act": "role"}) if r["actor"]["name"] == "directory:security1"]
    assert acts == ["role.revoked", "role.granted"]


def test_accounts_are_added_and_sign_ins_reset(world: World) -> None:
    who, operator = browser(world, "security_officer"), browser(world)
    assert ask(who, "/console/people", act="add", account="Night Duty!").status_code == 422
    text = follow(who, ask(who, "/console/people", act="add", account="night", name="夜班"))
    assert str(world.folder / "secrets" / "sign-in-night") in text
    assert PASSWORD not in text, "the password itself is on no page"
    get(operator, "/console/")
    text = follow(who, ask(who, "/console/people", act="reset", person="operator1"))
    assert "is signed out everywhere" in text
    assert not world.store.people.find("directory:operator1").enrolled  # type: ignore[union-attr]
    assert world.client.audit.list({"act": "account.reset"})[0]["actor"]["name"] == "directory:security1"
    assert operator.get("/console/", base_url=BASE).status_code == 302
    assert ask(who, "/console/people", act="reset", person="nobody9").status_code == 422
    get(who, "/console/people/nobody9", 404)


def test_a_number_that_no_database_has_is_no_such_page(world: World) -> None:
    who = browser(world)
    for page in ("runs", "jobs", "rollouts"):
        get(who, f"/console/{page}/{'9' * 30}", 404)
        get(who, f"/console/{page}/999999999", 404)
