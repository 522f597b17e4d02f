"""The centre's internet rules by programs: read, tried, made once, refused when they would undo a newer one."""

from __future__ import annotations

import copy

from tests.unit.api.conftest import Programs

WHERE = "/internet-policies"


def test_a_revision_is_tried_made_once_and_brought_out(programs: Programs) -> None:
    shipped = programs.get(f"{WHERE}/0", "auditor").json
    policy = copy.deepcopy(shipped["policy"])
    policy["categories"]["gambling"].append(".bets.test")
    body = {"policy": policy, "reason": "betting", "based_on": 0}
    tried = programs.post(f"{WHERE}?dry_run=true", body)
    assert (tried.status_code, tried.json["based_on"]) == (200, 0)
    assert [one["field"] for one in tried.json["changes"]] == ["categories.gambling"]
    assert programs.get(WHERE).json["total"] == 1
    key = {"headers": {"Idempotency-Key": "one-revision"}}
    made = programs.post(WHERE, body, **key)
    assert (made.status_code, made.json["number"], made.json["state"]) == (201, 1, "new")
    assert made.headers["Location"].endswith(f"{WHERE}/1")
    assert programs.post(WHERE, body, **key).json["number"] == 1
    assert [row["number"] for row in programs.get(WHERE).json["items"]] == [1, 0]
    again = programs.post(WHERE, {**body, "policy": {**policy, "last": []}})
    assert (again.status_code, again.json["code"]) == (412, "stale-plan")
    order = {"kind": "configuration", "offering": "internet", "policy": 1, "reason": "betting"}
    rollout = programs.post("/rollouts", order)
    assert (rollout.status_code, rollout.json["policy"], rollout.json["title"]) == (201, 1, "internet policy-1")


def test_what_is_wrong_is_told_by_field(programs: Programs) -> None:
    told = programs.post(WHERE, {"policy": {"first": [{"name": "X"}], "categories": {}}, "reason": "x"})
    assert told.status_code == 422
    assert "first[0].name" in told.text and "categories.video" in told.text
    assert programs.post(WHERE, {"policy": {}, "reason": "x"}, "security_officer").status_code == 403
    assert programs.get(f"{WHERE}/99").status_code == 404
