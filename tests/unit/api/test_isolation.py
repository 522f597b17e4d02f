"""Who gets what by a token: every operation × every role × own, other and absent tenant; as pages have it in
`tests/unit/web/test_isolation.py`. A new operation without a row fails."""

from __future__ import annotations

import re

import pytest
from werkzeug.test import TestResponse

from control_plane.api import application
from control_plane.api.operation import OPERATIONS
from control_plane.model.people import ROLES
from nightly.isolation import names_somebody, worded
from tests.unit.api.conftest import Programs
from tests.unit.web.test_isolation import (
    ABSENT,
    APPLIERS,
    ESTATE_ROLES,
    OTHER,
    OWN,
    PLANNERS,
    STOPPERS,
    TENANT_ROLES,
    WATCHERS,
)

assert application.MODULES
EVERY = tuple(ROLES)
GUARDS = ("operator", "security_officer")
TABLE = ("security_officer", "deputy_director")
SIGNERS = ("approver", *PLANNERS)
#: Operation → roles that get it; all others are refused with 403.
MATRIX: dict[str, tuple[str, ...]] = {
    "token": EVERY,
    "status": ESTATE_ROLES,
    "worker": ESTATE_ROLES,
    "offerings": EVERY,
    "all_jobs": ESTATE_ROLES,
    "explain": ESTATE_ROLES,
    "measure_promises": PLANNERS,
    "users": WATCHERS,
    "user": WATCHERS,
    "tenants": EVERY,
    "tenant": EVERY,
    "subscriptions": EVERY,
    "subscription": EVERY,
    "sites": EVERY,
    "accounts": EVERY,
    "probes": EVERY,
    "hosts": EVERY,
    "host": EVERY,
    "requests": EVERY,
    "request": EVERY,
    "request_parts": EVERY,
    "make_plan": PLANNERS,
    "plan": ESTATE_ROLES,
    "runs": ESTATE_ROLES,
    "run": ESTATE_ROLES,
    "run_events": ESTATE_ROLES,
    "apply": APPLIERS,
    "stop_run": STOPPERS,
    "resume_run": APPLIERS,
    "undo_run": PLANNERS,
    "job": EVERY,
    "withdraw_job": PLANNERS,
    "drift": PLANNERS,
    "keep_drift": APPLIERS,
    "accept_drift": APPLIERS,
    "revert_drift": APPLIERS,
    "rollouts": ESTATE_ROLES,
    "rollout": ESTATE_ROLES,
    "rollout_events": ESTATE_ROLES,
    "create_rollout": APPLIERS,
    "release_rollout": APPLIERS,
    "pause_rollout": STOPPERS,
    "resume_rollout": APPLIERS,
    "abort_rollout": APPLIERS,
    "roll_back_rollout": APPLIERS,
    "freezes": ESTATE_ROLES,
    "freeze": ESTATE_ROLES,
    "set_freeze": STOPPERS,
    "lift_freeze": STOPPERS,
    "ask": TENANT_ROLES,
    "change_request": TENANT_ROLES,
    "submit": TENANT_ROLES,
    "answer": TENANT_ROLES,
    "comment": EVERY,
    "mark_part": EVERY,
    "check_rows": TENANT_ROLES,
    "take_rows": TENANT_ROLES,
    "record_letter": SIGNERS,
    "withdraw": TENANT_ROLES,
    "sign": SIGNERS,
    "send_back": SIGNERS,
    "refuse": SIGNERS,
    "retry": SIGNERS,
    "audit": WATCHERS,
    "measure": APPLIERS,
    "enrol_host": APPLIERS,
    "mend_host": APPLIERS,
    "retire_host": APPLIERS,
    "transfer_host": APPLIERS,
    "scan": GUARDS,
    "fetch_signatures": GUARDS,
    "protection": EVERY,
    "findings": EVERY,
    "settle_findings": GUARDS,
    "snapshots": ESTATE_ROLES,
    "snapshot": ESTATE_ROLES,
    "snapshot_needs": ESTATE_ROLES,
    "fetch_snapshots": APPLIERS,
    "publish_snapshot": APPLIERS,
    "delete_snapshots": APPLIERS,
    "substitutions": EVERY,
    "name_substitute": EVERY,
    "end_substitution": EVERY,
    "emergencies": EVERY,
    "make_emergency": APPLIERS,
    "review_emergency": PLANNERS,
    "classes": ESTATE_ROLES,
    "class_tables": ESTATE_ROLES,
    "propose_classes": PLANNERS,
    "sign_classes": TABLE,
    "refuse_classes": PLANNERS,
    "internet": EVERY,
    "internet_of_all": EVERY,
    "internet_refusals": EVERY,
    "test_address": (*TENANT_ROLES, *PLANNERS),
    "internet_policies": ESTATE_ROLES,
    "internet_policy": ESTATE_ROLES,
    "make_internet_policy": APPLIERS,
    "account": EVERY,
    "add_account": APPLIERS,
    "take_list": APPLIERS,
    "let_leave": (*TENANT_ROLES, *APPLIERS),
    "sheets": EVERY,
    "issue_sheet": (*TENANT_ROLES, *APPLIERS),
    "groups": EVERY,
    "group": EVERY,
    "make_group": APPLIERS,
    "rename_group": APPLIERS,
    "change_members": APPLIERS,
    "end_group": APPLIERS,
    "reviews": EVERY,
    "review": EVERY,
    "decide_review": TENANT_ROLES,
    "move_reviewed": APPLIERS,
    "tokens": EVERY,
    "end_token": EVERY,
    "webhooks": GUARDS,
    "end_webhook": GUARDS,
    "deliveries": GUARDS,
    "resend_delivery": GUARDS,
    "restore_tenant": PLANNERS,
    **dict.fromkeys(("releases", "room", "notice_board", "notice", "notice_file"), EVERY),
    **dict.fromkeys(("attachments", "attachment_content"), EVERY),
    **dict.fromkeys(("upload_release", "delete_releases", "write_notice", "change_notice"), TENANT_ROLES),
    **dict.fromkeys(("withdraw_notice", "build_notices", "attach", "detach"), TENANT_ROLES),
}
BODIES = {
    "make_plan": {"scope": "tenant:fgw"},
    "apply": {"plan": "0" * 64},
    "measure_promises": {"scope": "nonsense"},
    "keep_drift": {"ids": ["x"], "until": "2027-01-31", "reason": "x"},
    "accept_drift": {"ids": ["x"], "reason": "x"},
    "revert_drift": {"ids": ["x"]},
    "create_rollout": {"kind": "patches", "reason": "x"},
    "pause_rollout": {"reason": "x"},
    "abort_rollout": {"reason": "x"},
    "roll_back_rollout": {"reason": "x"},
    "set_freeze": {"scope": "nonsense", "reason": "x"},
    "lift_freeze": {"reason": "x"},
    "ask": {"tenant": "{tenant}", "offering": "public_site", "action": "change"},
    "answer": {"text": "x"},
    "enrol_host": {"name": "none", "tenant": "{tenant}", "ring": 2},
    "transfer_host": {"tenant": "{tenant}"},
    "scan": {"target": "none"},
    "settle_findings": {"ids": ["none"], "reason": "x"},
    "publish_snapshot": {"ring": 0},
    "delete_snapshots": {"kind": "patches"},
    "name_substitute": {"person": "none", "role": "operator", "until": "2026-12-31", "reason": "x"},
    "end_substitution": {"reason": "x"},
    "make_emergency": {"digest": "0" * 64, "reason": "x"},
    "review_emergency": {"text": "x"},
    "propose_classes": {"table": {}, "reason": "x"},
    "sign_classes": {"digest": "0" * 64},
    "refuse_classes": {"reason": "x"},
    "test_address": {"url": "no address"},
    "make_internet_policy": {"policy": {}, "reason": "x"},
    "comment": {"text": "x"},
    "add_account": {"uid": "X", "display_name": "张三", "tenant": "{tenant}"},
    "take_list": {"content": "eA=="},
    "let_leave": {"uid": "nobody-here", "reason": "x"},
    "issue_sheet": {"uids": ["nobody-here"], "reason": "x"},
    "make_group": {"name": "X", "zh": "组"},
    "change_members": {"put": ["nobody-here"]},
    "restore_tenant": {"to": "yesterday"},
    "mark_part": {"part": "x"},
    "check_rows": {"tenant": "{tenant}", "offering": "directory", "content": "eA=="},
    "take_rows": {"content": "eA=="},
    "record_letter": {"digest": "0" * 64, "number": "1", "date": "2026-11-24", "brought_by": "x"},
    "sign": {"digest": "0" * 64},
    "send_back": {"reason": "x"},
    "refuse": {"reason": "x"},
    "write_notice": {"title": "x", "day": "2026-11-24"},
    "attach": {"name": "x", "content": "eA=="},
}
#: Lists of which this department has nothing here.
EMPTY = (
    "findings",
    "substitutions",
    "emergencies",
    "sheets",
    "reviews",
    "releases",
    "attachments",
    "internet_refusals",
)
#: Statuses of who got in: done, told what is wrong with it, or not possible as things are.
INSIDE = (200, 201, 202, 404, 409, 412, 422)
REFERENCES = {ABSENT: "R-2026-9999"}


@pytest.fixture(scope="module", autouse=True)
def _requests(programs: Programs) -> None:
    world = programs.world
    for role in ROLES:
        programs.token(role)
    world.directory.add("clerk9", OTHER)
    world.store.people.ensure("directory:clerk9", "九", OTHER, "directory:person/clerk9")
    world.client.people.grant("clerk9", "clerk", tenant=OTHER, reason="test")
    for tenant, login in ((OWN, "clerk1"), (OTHER, "clerk9")):
        REFERENCES[tenant] = world.ask(login, tenant, "isolated")


def ask(programs: Programs, name: str, token: str | None, tenant: str = OWN) -> TestResponse:
    operation = OPERATIONS[name]
    values = {
        "token": "999999999",
        "code": tenant,
        "name": tenant,
        "offering": "public_site",
        "reference": REFERENCES[tenant],
        "site": f"{tenant}.qingdao.test",
    }
    values |= {"digest": programs.world.client.status()["last_plan"]["digest"]} if "{digest}" in operation.path else {}
    path = re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], "1"), operation.path.removeprefix("/v1"))
    body = {k: tenant if v == "{tenant}" else v for k, v in BODIES.get(name, {}).items()}
    sent = {} if operation.method == "GET" else {"json": body, "headers": {"If-Match": "*"}}
    return programs.send(token, operation.method, path, **sent)


def test_every_operation_has_a_row() -> None:
    assert set(MATRIX) == set(OPERATIONS)


@pytest.mark.parametrize("name", MATRIX)
def test_every_role_gets_what_the_row_says(programs: Programs, name: str) -> None:
    for role in ROLES:
        answer = ask(programs, name, programs.token(role))
        if role in MATRIX[name]:
            assert answer.status_code in INSIDE, (role, answer.text)
        else:
            assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), role
            assert set(answer.json) <= {
                *("type", "title", "status", "detail", "remedy", "instance", "code", "request_id", "errors"),
            }


@pytest.mark.parametrize("name", MATRIX)
def test_a_stranger_gets_nothing(programs: Programs, name: str) -> None:
    assert ask(programs, name, None).status_code == 401


@pytest.mark.parametrize("name", [n for n in MATRIX if n != "token"])
def test_a_token_for_something_else_gets_nothing(programs: Programs, name: str) -> None:
    operation = OPERATIONS[name]
    role = MATRIX[name][0]
    other = "audit:read" if operation.scope != "audit:read" else "tenants:read"
    answer = ask(programs, name, programs.token(role, scopes=(other,)))
    assert (answer.status_code, answer.json["code"]) == (403, "scope-missing")


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if names_somebody(o)])
def test_a_tenant_of_others_is_as_one_that_is_not_there(programs: Programs, name: str) -> None:
    for token in (programs.token("clerk"), programs.token("approver"), programs.token("operator", tenant=OWN)):
        other, absent = ask(programs, name, token, OTHER), ask(programs, name, token, ABSENT)
        assert other.status_code == absent.status_code in (403, 404)
        assert worded(other.text, OTHER, REFERENCES[OTHER]) == worded(absent.text, ABSENT, REFERENCES[ABSENT])


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if o.rows and "clerk" in MATRIX[n]])
def test_no_word_of_others_in_any_list(programs: Programs, name: str) -> None:
    world = programs.world
    for token in (programs.token("clerk"), programs.token("operator", tenant=OWN)):
        rows = ask(programs, name, token).json["items"]
        assert rows or name in EMPTY
        vantages = {row.pop("vantage", None) for row in rows}
        text = str(rows)
        for row in world.client.tenants():
            if row["code"] != OWN and not (name == "probes" and row["code"] in vantages):
                assert not re.search(rf"\b{row['code']}\b", text), row["code"]
                assert row["name_zh"] not in text
        for row in world.client.accounts():
            if row["tenant"] != OWN:
                assert f"'{row['uid']}'" not in text


def test_counts_of_others_do_not_leak(programs: Programs) -> None:
    own = sum(1 for row in programs.world.client.accounts() if row["tenant"] == OWN)
    assert programs.get("/accounts?limit=1", "clerk").json["total"] == own
    assert programs.get("/accounts?tenant=gaj", "clerk").json["total"] == 0
    assert programs.get("/hosts", "clerk").json["total"] == 1


def test_a_draft_is_seen_by_who_wrote_it_only(programs: Programs) -> None:
    body = {"tenant": OWN, "offering": "internet", "action": "change"}
    draft = programs.post("/requests", body, "clerk").json["reference"]
    for role in ROLES:
        status = programs.get(f"/requests/{draft}", role).status_code
        assert status == (200 if role == "clerk" else 404), role


def test_the_centres_own_ways_are_not_for_departments(programs: Programs) -> None:
    answer = programs.get("/hosts/fgw", "clerk")
    assert "10.95." not in answer.text
    assert answer.json["history"] == []
    assert "10.95." in programs.get("/hosts/fgw").text
    for name in ("web", "gateway"):
        assert programs.get(f"/hosts/{name}", "clerk").status_code == 404
