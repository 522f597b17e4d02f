"""Acting: once for a key, through jobs, with the owner as the actor; a stale tag is refused with what changed."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from control_plane.model.errors import CouldNotMeasureError
from control_plane.model.jobs import KINDS
from control_plane.model.run import RunState
from control_plane.model.text import t
from control_plane.store.leases import Holder
from control_plane.workflow.idempotence import job_word
from control_plane.workflow.job_acts import DOERS
from control_plane.workflow.process import myself
from tests.unit.api.conftest import Programs
from tests.unit.api.test_frame import problem


def planned(programs: Programs, tenant: str = "gaj") -> dict:
    """A plan with something to do: somebody removed a record by hand."""
    zone = programs.world.drivers[0].things["dns:qingdao.test"]
    zone.pop(next((name for name in zone if name.startswith(f"dns:{tenant}.")), ""), None)
    answer = programs.post("/plans", {"scope": f"tenant:{tenant}"})
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_plan_is_carried_out_by_a_job(programs: Programs) -> None:
    world, plan = programs.world, planned(programs)
    assert programs.get(f"/plans/{plan['digest'][:8]}").json["digest"] == plan["digest"]
    rehearsed = programs.post("/runs?dry_run=true", {"plan": plan["digest"]}, key=False)
    assert (rehearsed.status_code, rehearsed.json["digest"]) == (200, plan["digest"])
    assert world.client.jobs.list() == []
    answer = programs.post("/runs", {"plan": plan["digest"]}, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 202
    where = answer.headers["Location"].removeprefix("/api/v1")
    assert programs.get(where).json["state"] == "waiting"
    again = programs.post("/runs", {"plan": plan["digest"]}, headers={"Idempotency-Key": "one"})
    assert (again.json, again.headers["Location"]) == (answer.json, answer.headers["Location"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert world.client.jobs.work(["runs"]) is not None
    assert world.client.jobs.work(["runs"]) is None, "one key, one job"
    job = programs.get(where).json
    run = programs.get(f"/runs/{job['run']}").json
    assert (job["state"], run["state"], run["actor"]["name"]) == ("done", "done", "directory:operator1")
    events = programs.get(f"/runs/{job['run']}/events?after=1").json["items"]
    assert events[0]["number"] == 2
    assert events[-1]["type"] == "run.finished"
    undo = programs.post(f"/runs/{job['run']}/undos")
    assert undo.status_code in (201, 409)


def test_a_key_is_one_act(programs: Programs) -> None:
    body, key = {"scope": "tenant:czj", "reason": "audit"}, {"Idempotency-Key": "freeze-1"}
    first = programs.post("/freezes", body, headers=key)
    assert first.status_code == 201
    problem(programs.post("/freezes", {**body, "reason": "other"}, headers=key), 422, "key-reused")
    problem(programs.post("/plans", {"scope": "estate"}, headers=key), 422, "key-reused")
    assert programs.post("/freezes", dict(reversed(body.items())), headers=key).json == first.json
    assert programs.post("/freezes", body, "deputy_director", headers=key).json["id"] != first.json["id"]
    programs.world.clock.advance(timedelta(hours=25).total_seconds())
    later = programs.post("/freezes", body, headers=key)
    assert later.status_code == 201, "the word of the day before is free again, but the job knows it"
    assert later.json["id"] == first.json["id"]
    programs.world.clock.advance(timedelta(hours=25).total_seconds())
    assert programs.world.store.answers.tidy() >= 1
    assert programs.world.store.answers.tidy() == 0


def test_what_is_under_way_is_not_begun_again(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, answers = threading.Event(), threading.Event(), []
    plan = type(programs.world.client).plan

    def slow(self: object, scope: str = "estate") -> dict:
        begun.set()
        assert go_on.wait(30)
        return plan(self, scope)

    monkeypatch.setattr("control_plane.workflow.local.LocalClient.plan", slow)
    sent = {"headers": {"Idempotency-Key": "slow"}}
    programs.token("operator")
    thread = threading.Thread(target=lambda: answers.append(programs.post("/plans", {"scope": "tenant:fgw"}, **sent)))
    thread.start()
    assert begun.wait(30)
    told = problem(programs.post("/plans", {"scope": "tenant:fgw"}, **sent), 409, "key-busy")
    assert told["retry_after"] > 0
    go_on.set()
    thread.join()
    assert answers[0].status_code == 201
    assert programs.post("/plans", {"scope": "tenant:fgw"}, **sent).json == answers[0].json


def test_what_a_killed_process_had_begun_is_done_by_the_next(programs: Programs) -> None:
    world = programs.world
    programs.token("operator")
    token = world.client.tokens.list(person="operator1")[0]["id"]
    gone, here = Holder(2**22, 1, "another boot"), Holder(1, 1, myself().boot_id)
    assert world.store.answers.begin(token, "k", "a", gone, lambda _: True)[0] == "begin"
    assert world.store.answers.begin(token, "k", "a", here, lambda _: True)[0] == "busy"
    assert world.store.answers.begin(token, "k", "a", here, lambda _: False)[0] == "begin"
    assert world.store.answers.begin(token, "k", "b", here, lambda _: False)[0] == "other"


def test_what_is_quick_and_was_killed_is_done_by_the_worker(programs: Programs) -> None:
    world, gone = programs.world, Holder(2**22, 1, "another boot")
    value, sent = programs.token("operator"), {"headers": {"Idempotency-Key": "killed"}}
    token = next(row["id"] for row in world.client.tokens.list(person="operator1") if row["hint"] == value[-4:])
    body = {"scope": "tenant:jyj", "reason": "audit"}
    actor = world.store.actors.get("directory:operator1")
    once = job_word(token, "killed")
    world.store.jobs.place(KINDS["freeze"], body["scope"], body, actor, once, gone)
    problem(programs.post("/freezes", body, **sent), 409, "key-busy")
    assert world.client.jobs.work(["at_once"]) is not None
    made = programs.post("/freezes", body, **sent)
    assert (made.status_code, made.json["scope"]) == (201, "tenant:jyj")


def test_what_failed_for_a_moment_may_be_sent_again(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {"headers": {"Idempotency-Key": "moment"}}

    def broken(self: object, scope: str = "estate") -> dict:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("control_plane.workflow.local.LocalClient.plan", broken)
        problem(programs.post("/plans", {"scope": "tenant:fgw"}, **sent), 500, "unexpected")
    assert programs.post("/plans", {"scope": "tenant:fgw"}, **sent).status_code == 201


def test_what_could_not_be_seen_is_looked_at_again_with_the_same_key(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, tried = {"headers": {"Idempotency-Key": "unseen"}}, []
    body = {"scope": "tenant:gaj", "reason": "audit"}
    freeze = DOERS["freeze"]

    def away(*given: Any) -> Any:
        tried.append(given)
        if len(tried) < 3:
            raise CouldNotMeasureError(t("It is away."))
        return freeze(*given)

    monkeypatch.setitem(DOERS, "freeze", away)  # type: ignore[misc]
    for _ in range(2):
        problem(programs.post("/freezes", body, **sent), 503, "could-not-measure")
    made = programs.post("/freezes", body, **sent)
    assert (made.status_code, len(tried)) == (201, 3), made.text
    assert programs.post("/freezes", body, **sent).json == made.json
    assert len(tried) == 3


def test_runs_are_stopped_and_finished(programs: Programs) -> None:
    world = programs.world
    problem(programs.post("/runs/1/stops"), 409, "rejected")
    problem(programs.post("/runs/9999/stops"), 404, "not-found")
    world.store.runs.set_state(1, RunState.STOPPED, None, world.clock())
    answer = programs.post("/runs/1/resumptions")
    assert (answer.status_code, answer.json["kind"]) == (202, "resume")
    world.client.jobs.work(["runs"])
    world.store.runs.set_state(1, RunState.DONE, None, world.clock())


def test_a_freeze_is_lifted_by_another_person(programs: Programs) -> None:
    made = programs.post("/freezes", {"scope": "tenant:sjj", "reason": "audit"})
    number = made.json["id"]
    assert made.headers["Location"] == f"/api/v1/freezes/{number}"
    told = problem(programs.post(f"/freezes/{number}/lifts", {"reason": "over"}), 409, "rejected")
    assert "another one lifts it" in told["detail"]
    lifted = programs.post(f"/freezes/{number}/lifts", {"reason": "over"}, "deputy_director")
    assert (lifted.status_code, lifted.json["second"]) == (201, "directory:deputy1")
    told = programs.post("/freezes", {"scope": "nonsense", "reason": "x"})
    assert (told.status_code, told.json["errors"][0]["pointer"]) == (422, "scope")


def asked(programs: Programs, alias: str) -> tuple[str, str, dict]:
    answer = programs.post("/requests", {"tenant": "fgw", "offering": "public_site", "action": "change"}, "clerk")
    assert answer.status_code == 201, answer.text
    row = answer.json
    row["spec"]["sites"][0]["names"]["aliases"] = [f"{alias}.fgw.qingdao.test"]
    return row["reference"], answer.headers["ETag"], row


def test_null_takes_the_note_away_and_a_wrong_field_is_told_where_fields_are_said(programs: Programs) -> None:
    reference, *_ = asked(programs, "nulled")

    def patch(**body: object) -> TestResponse:
        return programs.as_("clerk", "PATCH", f"/requests/{reference}", json=body, headers={"If-Match": "*"})

    assert patch(note="for the citizens").json["note"] == "for the citizens"
    assert patch(note=None).json["note"] == ""
    told = problem(patch(spec=3), 422, "invalid")["errors"]
    assert [(one["pointer"], "/api/v1/docs" in one["remedy"]) for one in told] == [("spec", True)]
    programs.post(f"/requests/{reference}/withdrawals", {}, "clerk")


def test_a_request_from_draft_to_live(programs: Programs) -> None:
    world = programs.world
    reference, tag, row = asked(programs, "api1")
    patch = {"spec": {"sites": row["spec"]["sites"]}, "note": "for the citizens"}
    problem(programs.as_("clerk", "PATCH", f"/requests/{reference}", json=patch), 428, "if-match-missing")
    changed = programs.as_(
        "clerk", "PATCH", f"/requests/{reference}", json=patch, headers={"If-Match": tag},
        content_type="application/merge-patch+json",
    )  # fmt: skip
    assert changed.status_code == 200, changed.text
    assert changed.json["note"] == "for the citizens"
    assert changed.json["tier"] == row["tier"], "what is not named stays"
    stale = programs.as_("clerk", "PATCH", f"/requests/{reference}", json={"note": "x"}, headers={"If-Match": tag})
    told = problem(stale, 412, "changed-meanwhile")
    assert told["changed"] == ["spec", "note"]
    assert stale.headers["ETag"] == changed.headers["ETag"]
    assert told["current"]["note"] == "for the citizens"
    rehearsed = programs.post(f"/requests/{reference}/submissions?dry_run=true", {}, "clerk", key=False)
    assert rehearsed.json["summary"]
    problem(programs.post(f"/requests/{reference}/submissions", {"digest": "0" * 64}, "clerk"), 412, "stale-plan")
    handed = programs.post(f"/requests/{reference}/submissions", {"digest": rehearsed.json["digest"]}, "clerk")
    assert handed.status_code == 201, handed.text
    assert programs.post(f"/requests/{reference}/comments", {"text": "please"}, "clerk").status_code == 201
    problem(programs.post(f"/requests/{reference}/signoffs", {"digest": "0" * 64}, "approver"), 412, "stale-plan")
    for role in ("approver", "security_officer"):
        signed = programs.post(f"/requests/{reference}/signoffs", {"digest": handed.json["digest"]}, role)
        assert signed.status_code == 201, signed.text
    assert signed.json["state"] == "approved"
    for _ in range(6):
        world.work()
    assert programs.get(f"/requests/{reference}", "clerk").json["state"] == "live"
    entries = programs.get(f"/audit?subject=request:{reference}", "auditor").json["items"]
    assert {"request.submitted", "request.signed"} <= {entry["act"] for entry in entries}


def test_duties_are_those_of_the_pages(programs: Programs) -> None:
    reference, _, _ = asked(programs, "api2")
    problem(programs.post("/requests", {"tenant": "gaj", "offering": "internet"}, "clerk"), 404, "not-found")
    problem(programs.post("/requests", {"tenant": "fgw", "offering": "internet"}, "operator"), 403, "forbidden")
    problem(programs.get(f"/requests/{reference}", "operator"), 404, "not-found")
    problem(programs.post(f"/requests/{reference}/signoffs", {"digest": "0" * 64}, "clerk"), 403, "forbidden")
    other = programs.token("operator", tenant="gaj")
    problem(programs.send(other, "GET", f"/requests/{reference}"), 404, "not-found")
    told = programs.post("/requests?dry_run=true", {"tenant": "fgw", "offering": "public_site", "action": "change",
                                                      "spec": {}}, "clerk", key=False)  # fmt: skip
    assert told.status_code == 200
    assert told.json["problems"][0]["pointer"] == "sites"
    assert programs.post(f"/requests/{reference}/withdrawals", {}, "clerk").json["state"] == "withdrawn"
    problem(programs.post(f"/requests/{reference}/withdrawals", {}, "clerk"), 409, "rejected")


def test_an_unsafe_plan_wants_its_word(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.world.client.planner, "touch_limit", -1)
    plan = planned(programs, "jyj")
    told = problem(programs.post("/runs", {"plan": plan["digest"], "confirm": "yes"}), 422, "invalid")
    assert told["errors"][0]["pointer"] == "confirm"
    assert plan["guards"][0]["confirm"] in told["errors"][0]["remedy"]
    assert programs.post("/runs", {"plan": plan["digest"], "confirm": plan["digest"][:8]}).status_code == 202


def test_the_audit_trail_is_walked_by_its_numbers(programs: Programs) -> None:
    seen, query = [], "limit=5"
    for _ in range(4):
        answer = programs.get(f"/audit?{query}", "auditor").json
        assert answer["total"] is None
        seen += [row["number"] for row in answer["items"]]
        query = f"limit=5&cursor={answer['next']}"
    assert seen == list(range(seen[0], seen[0] - 20, -1))
    told = problem(programs.get("/audit?begin=yesterday", "auditor"), 422, "invalid")
    assert told["errors"]


def test_a_bound_token_gives_no_role_away_elsewhere(programs: Programs) -> None:
    world = programs.world
    helper = {"person": "helper9", "role": "operator", "until": "2026-12-31", "reason": "leave"}
    world.directory.add("helper9", "fgw")
    world.store.people.ensure("directory:helper9", "九", "fgw", "directory:person/helper9")
    bound = programs.token("operator", tenant="fgw")
    for tenant in (None, "gaj"):
        answer = programs.send(bound, "POST", "/substitutions", json={**helper, "tenant": tenant})
        problem(answer, 403, "token-bound")
    made = programs.post("/substitutions", helper)
    assert made.status_code == 201, made.text
    end = f"/substitutions/{made.json['id']}/ends"
    problem(programs.send(bound, "POST", end, json={"reason": "over"}), 404, "not-found")
    problem(programs.send(bound, "POST", "/substitutions/999/ends", json={"reason": "over"}), 404, "not-found")
    assert programs.post(end, {"reason": "over"}).status_code == 201
