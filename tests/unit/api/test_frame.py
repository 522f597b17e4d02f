"""What holds for every operation: who gets in, how a fault is told, how lists are cut, what is never looked at."""

from __future__ import annotations

import logging
from dataclasses import replace

import orjson
import pytest

from control_plane.api.services import FAILURES, RATE
from control_plane.model.problem_type import PROBLEM_TYPES
from control_plane.model.token import new_token
from tests.unit.api.conftest import Programs
from tests.web.world import BASE, PASSWORD, send


def problem(answer, status: int, code: str):
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json["type"] == f"/problems/{code}"
    assert answer.json["status"] == status
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    return answer.json


def test_a_cookie_of_the_console_is_nothing_here(programs: Programs) -> None:
    world = programs.world
    browser = world.enter(world.person("auditor"), PASSWORD)
    assert browser.get("/console/tenants", base_url=BASE).status_code == 200
    answer = browser.get("/api/v1/tenants", base_url=BASE)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Set-Cookie" not in answer.headers
    token = programs.token("auditor")
    page = world.app.test_client().get("/console/tenants", base_url=BASE, headers={"Authorization": f"Bearer {token}"})
    assert page.status_code == 302, "a token is nothing on pages"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "no-token"),
        ("Basic YTpi", "no-token"),
        ("Bearer ", "no-token"),
        ("Bearer gasp_x", "unknown-token"),
        pytest.param(f"Bearer {new_token()}", "unknown-token", id="well-formed"),
        ("Bearer \u00e9", "no-token"),
    ],
)
def test_without_a_good_token_there_is_nothing(programs: Programs, header: str | None, code: str) -> None:
    headers = {"Authorization": header} if header else {}
    problem(programs.send(None, "GET", "/tenants", headers=headers), 401, code)


def test_a_scope_and_a_role_are_both_needed(programs: Programs) -> None:
    reading = programs.token("operator", scopes=("tenants:read",))
    body = programs.send(reading, "POST", "/plans", json={"scope": "tenant:fgw"})
    said = problem(body, 403, "scope-missing")
    assert (said["scope"], "plans:write" in said["detail"]) == ("plans:write", True)
    problem(programs.post("/plans", {"scope": "tenant:fgw"}, "finance"), 403, "forbidden")
    assert programs.post("/plans", {"scope": "tenant:fgw"}).status_code == 201


def test_a_bound_token_stays_in_its_department(programs: Programs) -> None:
    bound = programs.token("operator", tenant="fgw")
    assert [row["code"] for row in programs.send(bound, "GET", "/tenants").json["items"]] == ["fgw"]
    assert programs.send(bound, "GET", "/tenants/fgw").status_code == 200
    problem(programs.send(bound, "GET", "/tenants/gaj"), 404, "not-found")
    said = problem(programs.send(bound, "GET", "/runs"), 403, "token-bound")
    assert said["tenant"] in said["detail"]
    problem(programs.send(bound, "POST", "/freezes", json={"scope": "estate", "reason": "x"}), 403, "token-bound")
    assert {row["tenant"] for row in programs.send(bound, "GET", "/hosts").json["items"]} == {"fgw"}
    assert "10.95." not in programs.send(bound, "GET", "/hosts/fgw").text, "management address"


def test_everything_wrong_is_told_at_once_in_the_readers_language(programs: Programs) -> None:
    told = problem(programs.get("/tenants?nix=1&limit=900&kind=a&kind=b&sort=nothing"), 422, "invalid")
    assert [(e["pointer"], e["code"]) for e in told["errors"]] == [
        (None, "unknown-parameter"), ("limit", "bad-parameter"), ("kind", "bad-parameter"),
    ]  # fmt: skip
    assert all(e["remedy"] for e in told["errors"])
    told = problem(programs.get("/tenants?sort=nothing&fields=code,x&cursor=!"), 422, "invalid")
    assert [e["pointer"] for e in told["errors"]] == ["sort", "fields", "cursor"]
    told = problem(programs.post("/freezes", {"scope": 5, "nix": 1}), 422, "invalid")
    assert {(e["pointer"], e["code"]) for e in told["errors"]} == {
        ("scope", "bad-value"), ("reason", "missing-field"), ("nix", "unknown-field"),
    }  # fmt: skip
    chinese = programs.get("/tenants/zzz", headers={"Accept-Language": "zh-CN"})
    assert chinese.headers["Content-Language"] == "zh-CN"
    assert chinese.json["code"] == "not-found"
    assert "zzz" in chinese.json["detail"]


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("GET", "/nothing", {}, 404, "no-such-address"),
        ("GET", "/runs/99999999999", {}, 404, "no-such-address"),
        ("GET", "/runs/x", {}, 404, "no-such-address"),
        ("GET", "//runs", {}, 404, "no-such-address"),
        ("GET", "/tenants/%00", {}, 422, "invalid"),
        ("POST", "/freezes", {"json": {"scope": "tenant:fgw", "reason": "a\0b"}}, 422, "invalid"),
        ("DELETE", "/runs", {}, 405, "wrong-method"),
        ("OPTIONS", "/runs", {}, 405, "wrong-method"),
        ("GET", "/runs", {"headers": {"Accept": "text/html"}}, 406, "not-acceptable"),
        ("POST", "/plans", {"data": b"x" * (2 << 20), "content_type": "application/json"}, 413, "too-large"),
        ("POST", "/plans", {"data": b"scope=estate", "content_type": "text/plain"}, 415, "wrong-type"),
        ("POST", "/plans", {"data": b"{", "content_type": "application/json"}, 400, "bad-request"),
        ("POST", "/plans", {"data": b'{"scope":"\\ud800"}', "content_type": "application/json"}, 400, "bad-request"),
        ("POST", "/plans", {"data": b"[1]", "content_type": "application/json"}, 422, "invalid"),
        ("POST", "/plans", {"json": {}, "headers": {"Idempotency-Key": "a b"}}, 400, "key-missing"),
    ],
)
def test_whatever_is_wrong_is_a_problem(
    programs: Programs, method: str, path: str, sent: dict, status: int, code: str
) -> None:
    answer = programs.as_("operator", method, path, **sent)
    problem(answer, status, code)
    if status == 405:
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("depth", [40, 150, 250, 300, 1000, 5000])
def test_what_lies_too_deep_within_itself_is_understood_by_nobody(programs: Programs, depth: int) -> None:
    body = (
        '{"tenant": "fgw", "offering": "internet", "action": "change", "spec": {"a": '
        + "[" * depth
        + "]" * depth
        + "}}"
    )
    answer = programs.as_("clerk", "POST", "/requests?dry_run=true", data=body, content_type="application/json")
    if depth == 40:
        assert answer.status_code == 200, answer.text
    else:
        problem(answer, 400, "bad-request")


def test_every_type_has_a_page_in_both_languages(programs: Programs) -> None:
    browser = programs.world.app.test_client()
    for name, kind in PROBLEM_TYPES.items():
        page = browser.get(f"/problems/{name}", base_url=BASE, headers={"Accept-Language": "en"})
        assert page.status_code == 200
        assert str(kind.about)[:20] in page.text
    assert browser.get("/problems/nothing", base_url=BASE).status_code == 404
    assert browser.get("/problems", base_url=BASE).text.count("/problems/") >= len(PROBLEM_TYPES)


def test_a_fault_of_the_program_is_a_reference_only(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: object) -> list:
        raise RuntimeError("the secret inside")

    token = programs.token("operator")
    monkeypatch.setattr("control_plane.workflow.freezes.Freezes.list", lambda self, lifted=False: broken(self))
    with caplog.at_level(logging.ERROR):
        told = problem(programs.get("/freezes"), 500, "unexpected")
    assert "secret inside" not in orjson.dumps(told).decode()
    assert told["request_id"] in caplog.text
    assert token not in caplog.text


def test_a_list_is_walked_without_gaps_while_it_grows(programs: Programs) -> None:
    seen, path, first = [], "/accounts?limit=7&sort=-uid", None
    while path:
        answer = programs.get(path)
        seen += [row["uid"] for row in answer.json["items"]]
        first = first or answer.json["total"]
        link = answer.headers.get("Link")
        assert bool(link) == bool(answer.json["next"])
        path = link[1:].partition(">")[0].removeprefix("/api/v1") if link else None
    assert len(seen) == len(set(seen)) == first
    assert seen == sorted(seen, reverse=True)


def test_filters_search_sort_and_fields(programs: Programs) -> None:
    every = programs.get("/probes?limit=200").json
    some = programs.get("/probes?tenant=fgw,gaj&offering=public_site&limit=200").json
    assert 0 < some["total"] < every["total"]
    assert {row["tenant"] for row in some["items"]} == {"fgw", "gaj"}
    found = programs.get("/tenants?q=FGW&fields=code,status").json["items"]
    assert found == [{"code": "fgw", "status": "served"}]
    codes = [row["code"] for row in programs.get("/tenants?sort=status,-code").json["items"]]
    by_hand = sorted(programs.get("/tenants").json["items"], key=lambda r: r["code"], reverse=True)
    assert codes == [row["code"] for row in sorted(by_hand, key=lambda r: r["status"])]
    assert programs.get("/tenants?q=nothing-fits").json == {"items": [], "next": None, "total": 0}


def test_ids_made_by_chance_are_nobodys_words(programs: Programs) -> None:
    """An id of random letters held `fgw` now and then, and one more department was found."""
    row = programs.get("/tenants").json["items"][0]
    assert programs.get(f"/tenants?q={row['id'][2:12]}").json["total"] == 0
    assert [one["id"] for one in programs.get(f"/tenants?q={row['id']}").json["items"]] == [row["id"]]


def test_what_is_known_already_is_not_sent_again(programs: Programs) -> None:
    first = programs.get("/tenants/fgw")
    again = programs.get("/tenants/fgw", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert programs.get("/tenants/gaj", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200
    assert programs.as_("operator", "HEAD", "/tenants/fgw").headers["ETag"] == first.headers["ETag"]


def test_there_are_limits(programs: Programs) -> None:
    answer = programs.get("/tenants", "finance")
    assert answer.headers["RateLimit-Policy"] == f'"token";q={RATE};w=60'
    world = programs.world
    for _ in range(FAILURES):
        answer = programs.send(new_token(), "GET", "/tenants", environ_base={"REMOTE_ADDR": "10.94.3.3"})
        assert answer.status_code == 401
    answer = programs.send(new_token(), "GET", "/tenants", environ_base={"REMOTE_ADDR": "10.94.3.3"})
    told = problem(answer, 429, "too-many-requests")
    assert int(answer.headers["Retry-After"]) == told["retry_after"] > 0
    world.clock.advance(61)
    answer = programs.send(new_token(), "GET", "/tenants", environ_base={"REMOTE_ADDR": "10.94.3.3"})
    assert answer.status_code == 401


def test_too_many_of_one_token_wait(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    token, api = programs.token("deputy_director"), programs.world.app.extensions["gasp-api"]
    monkeypatch.setitem(api.extensions, "gasp-api", replace(api.extensions["gasp-api"], rate=5))
    answers = [programs.send(token, "GET", "/token").status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert programs.get("/token").status_code == 200, "others go on"
    programs.world.clock.advance(61)
    assert programs.send(token, "GET", "/token").status_code == 200


def test_a_token_is_gone_at_the_next_request(programs: Programs) -> None:
    world = programs.world
    world.directory.add("gone1", "gaj")
    world.store.people.ensure("directory:gone1", "走", "gaj", "directory:person/gone1")
    world.client.people.grant("gone1", "clerk", tenant="gaj", reason="test")
    token = world.client.tokens.create(person="gone1", name="x", scopes=["tenants:read"])["token"]
    assert programs.send(token, "GET", "/tenants").status_code == 200
    world.client.people.revoke("gone1", "clerk", tenant="gaj", reason="test")
    problem(programs.send(token, "GET", "/tenants"), 401, "token-over")


def test_pages_of_the_console_still_work_beside_it(programs: Programs) -> None:
    world = programs.world
    browser = world.enter(world.person("auditor"))
    assert send(browser, "/language", language="en").status_code in (302, 303)
    assert browser.get("/api", base_url=BASE).status_code == 404
