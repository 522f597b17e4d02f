"""`updated_after=` and `expand=` of every list that has a time or names something; the page of the interface."""

from __future__ import annotations

import re

import pytest

from control_plane.api import application, expanding, listing
from control_plane.api.operation import OPERATIONS
from tests.unit.api.conftest import Programs
from tests.web.world import BASE

assert application.MODULES
LISTS = [one for one in OPERATIONS.values() if one.rows]


def test_what_happened_since(programs: Programs) -> None:
    world = programs.world
    first = programs.post("/freezes", {"scope": "tenant:gaj", "reason": "one"}).json
    since = world.clock().isoformat().replace("+00:00", "Z")
    world.clock.advance(3600)
    second = programs.post("/freezes", {"scope": "tenant:czj", "reason": "two"}).json
    found = programs.get(f"/freezes?updated_after={since}").json["items"]
    assert [row["id"] for row in found] == [second["id"]]
    world.clock.advance(60)
    programs.post(f"/freezes/{first['id']}/lifts", {"reason": "over"}, "deputy_director")
    found = programs.get(f"/freezes?lifted=true&updated_after={since}").json["items"]
    assert {row["id"] for row in found} == {first["id"], second["id"]}, "to be lifted is to be updated"
    assert programs.get("/freezes?updated_after=2999-01-01T00:00:00Z").json["items"] == []
    for wrong in ("yesterday", "2026-11-24", "2026-11-24T00:00:00"):
        answer = programs.get(f"/freezes?updated_after={wrong}")
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "updated_after")


def test_what_is_named_stands_beside_it(programs: Programs) -> None:
    (row,) = programs.get("/accounts?limit=1&expand=tenant", "clerk").json["items"]
    assert row["expanded"]["tenant"]["code"] == row["tenant"] == "fgw"
    narrow = programs.get("/accounts?limit=1&expand=tenant&fields=uid,expanded.tenant.name_en", "clerk").json["items"]
    assert set(narrow[0]) == {"uid", "expanded.tenant.name_en"}
    answer = programs.get("/accounts?expand=tenant,password")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "expand")
    assert programs.get("/runs?expand=tenant").status_code == 422
    world = programs.world
    reference = world.ask(world.person("clerk"), "fgw", "expanded")
    (row,) = programs.get(f"/requests?q={reference}&expand=run", "clerk").json["items"]
    assert row["expanded"] == {"run": None}
    both = programs.get("/hosts?tenant=gaj,fgw&expand=tenant", "clerk").json["items"]
    assert {row["expanded"]["tenant"]["code"] for row in both} == {"fgw"}, "nothing of others"


@pytest.mark.parametrize("operation", LISTS, ids=lambda one: one.id)
def test_every_list_says_what_it_takes(operation: object) -> None:
    names = {query.name for query in listing.parameters(operation)}  # type: ignore[arg-type]
    assert ("updated_after" in names) == bool(listing.times(operation))  # type: ignore[arg-type]
    assert ("expand" in names) == bool(expanding.names(operation))  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_page_shows_every_operation_without_script_or_anything_from_elsewhere(
    programs: Programs, language: str
) -> None:
    browser = programs.world.app.test_client(use_cookies=False)
    answer = browser.get("/api/v1/docs", base_url=BASE, headers={"Accept-Language": language})
    assert answer.status_code == 200 and f'lang="{language}"' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'") and "unsafe" not in policy
    assert not re.search(r"<script|\sstyle=|\son\w+=|https?://(?!HOST)", answer.text)
    for operation in OPERATIONS.values():
        assert f'id="op-{operation.id}"' in answer.text
        assert operation.path.removeprefix("/v1") in answer.text
    said = re.findall(r'class="about"[^>]*>([^<]+)<', answer.text)
    assert len(said) == len(OPERATIONS)
    assert all(bool(re.search("[\u4e00-\u9fff]", text)) == (language == "zh-CN") for text in said)
    style = browser.get("/api/v1/docs.css", base_url=BASE)
    assert style.mimetype == "text/css" and "url(" not in style.text
    assert (
        browser.get("/api/v1/openapi.json", base_url=BASE)
        .headers["Content-Security-Policy"]
        .startswith("default-src 'none'; frame")
    )
