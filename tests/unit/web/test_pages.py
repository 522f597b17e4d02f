"""Pages in their states: empty, partial, not measured, failed; lists with text, filters, sort, pages; files."""

from __future__ import annotations

import ast
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from markupsafe import escape

from control_plane.cli.terminal import MARKS
from control_plane.model.naming import RUN_KINDS
from control_plane.model.resource import Foreign
from control_plane.model.text import in_language, t
from control_plane.web.overview import CHORES
from control_plane.web.runs import sentence
from control_plane.web.shell import _surroundings
from control_plane.web.show import BESIDE, agent, ago, brought, duration, moment, plain, wave
from control_plane.web.states import WORDS
from control_plane.web.tenants import KINDS
from control_plane.wiring import chores
from tests.web.world import BASE, REPO, World, send

STATIC = REPO / "control_plane" / "web" / "static"
HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}${7*7}\r\nX-Injected: 1"


def get(world: World, address: str, role: str = "operator", status: int = 200) -> str:
    browser = world.enter(world.person(role))
    send(browser, "/language", language="en")
    answer = browser.get(address, base_url=BASE)
    assert answer.status_code == status, answer.text
    return answer.text


def rows(text: str) -> int:
    return text.count("<tr>") - text.count("<thead><tr>")


def test_nothing_yet(fresh: World) -> None:
    assert "Nothing was carried out yet" in get(fresh, "/console/runs")
    assert "No plan was made yet" in get(fresh, "/console/plans")
    assert "Nobody has looked" in get(fresh, "/console/drift")
    assert "services wait to be made real" in get(fresh, "/console/")
    service = get(fresh, "/console/tenants/fgw/services/public_site")
    assert "Version 1 is wanted and not in force yet; in force is 0." in service


def test_overview_says_what_needs_somebody(world: World) -> None:
    text = get(world, "/console/")
    assert "1 host does not run." in text
    assert "Tenants served" in text


@pytest.mark.parametrize("page", ["/console/", "/console/director"])
def test_what_is_not_kept_and_what_nobody_knows_are_counted_apart(fresh: World, page: str) -> None:
    browser = fresh.enter(fresh.person("deputy_director"))
    send(browser, "/language", language="en")
    looks, at = fresh.services.looks, datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
    states = (("fgw", "failed"), ("czj", "unmeasured"), ("gaj", "unmeasured"), ("jyj", "passed"), ("sjj", "warning"))
    looks.keep("probes:estate", at, "x", [{"tenant": code, "state": state} for code, state in states])
    actions = (("fgw", "update"), (None, "unmeasured"), ("gaj", "kept"))
    looks.keep("drift:estate", at, "x", [{"tenant": c, "action": a, "part": "dns:x"} for c, a in actions])
    text = browser.get(page, base_url=BASE).text
    for said in (
        "1 promise was not kept on 2026-11-02 09:30: fgw.",
        "2 promises could not be measured on 2026-11-02 09:30: czj, gaj.",
        "1 thing was changed by hand, as seen on 2026-11-02 09:30: fgw.",
        "1 system could not be seen on 2026-11-02 09:30: DNS zone x.",
    ):
        assert said in text, said


@pytest.mark.parametrize(("page", "role"), [("/console/director", "deputy_director"), ("/portal/", "clerk")])
def test_old_requests_that_go_on_are_not_lost_behind_many_that_are_over(
    fresh: World, monkeypatch: pytest.MonkeyPatch, page: str, role: str
) -> None:
    reference = fresh.ask(fresh.person("clerk"), "fgw", "waits")
    number = fresh.client.requests.show(reference)["id"]
    everything = type(fresh.store.requests).list

    def newest(self: Any, **asked: Any) -> Any:
        """As if so many were filed and ended after it that only what is asked for by its state is found."""
        rows = everything(self, **asked)
        return rows if asked.get("states") is not None else [row for row in rows if row.id != number]

    fresh.clock.advance(30 * 86400)
    monkeypatch.setattr(type(fresh.store.requests), "list", newest)
    browser = fresh.enter(fresh.person(role))
    assert reference in browser.get(page, base_url=BASE).text


def test_what_could_not_be_seen_is_said_and_never_empty(world: World) -> None:
    world.drivers[0].blind["dns:qingdao.test"] = t("SERVFAIL from {server}", server="ns1")
    try:
        browser = world.enter(world.person("operator"))
        send(browser, "/language", language="en")
        plan = browser.get(send(browser, "/console/plans", scope="estate").location, base_url=BASE).text
        assert "Could not measure DNS zone qingdao.test: SERVFAIL from ns1" in plan
        assert "What was not seen is not judged" in plan
        assert "Nothing to change" not in plan
        assert send(browser, "/console/drift").status_code == 303
        drift = browser.get("/console/drift", base_url=BASE).text
        assert "Could not measure DNS zone qingdao.test" in drift
        assert "everything is as it was last written" not in drift
        assert "1 system could not be seen on 2026-11-24 10:0" in browser.get("/console/", base_url=BASE).text
    finally:
        world.drivers[0].blind.clear()


def test_drift_is_shown_with_what_should_be_and_what_is(world: World) -> None:
    things = world.drivers[0].things["dns:qingdao.test"]
    name = next(i for i in things if i.startswith("dns:fgw.qingdao.test/A"))
    seen = things[name]
    from dataclasses import replace

    things[name] = replace(seen, attributes={**seen.attributes, "values": ["203.0.113.66"]})
    try:
        browser = world.enter(world.person("operator"))
        send(browser, "/language", language="en")
        send(browser, "/console/drift")
        text = browser.get("/console/drift", base_url=BASE).text
        assert "203.0.113.66" in text
        assert "was changed" in text
        assert "DNS zone qingdao.test" in text
        assert "dns:qingdao.test" not in text
        plan = browser.get(send(browser, "/console/plans", scope="tenant:fgw").location, base_url=BASE).text
        assert "changed by hand" in plan
        assert "203.0.113.66" in plan
        assert "fgw · DNS zone qingdao.test" in plan
    finally:
        things[name] = seen
    send(browser, "/console/drift")
    assert "everything is as it was last written" in browser.get("/console/drift", base_url=BASE).text


def test_a_good_plan_is_a_good_state(world: World) -> None:
    browser = world.enter(world.person("operator"))
    send(browser, "/language", language="en")
    text = browser.get(send(browser, "/console/plans", scope="estate").location, base_url=BASE).text
    assert "Nothing to change: what is real is what is desired." in text


def test_a_bad_scope_is_told_at_its_field(world: World) -> None:
    browser = world.enter(world.person("operator"))
    send(browser, "/language", language="en")
    answer = send(browser, "/console/plans", scope="nonsense:x")
    assert answer.status_code == 422
    assert "is no scope" in answer.text
    assert 'href="#scope"' in answer.text
    assert 'value="nonsense:x"' in answer.text


def test_a_run_shows_what_was_asked_and_what_happened(world: World) -> None:
    text = get(world, "/console/runs/1")
    for said in (
        "test (on the machine itself)",
        "estate",
        "Verified",
        "begun for the whole estate",
        "verified: planning again",
        "DNS zone qingdao.test: ",
    ):
        assert said in text
    assert "data-live" not in text
    get(world, "/console/runs/999", status=404)
    get(world, "/console/plans/abcdef123456", status=404)
    get(world, "/console/hosts/none", status=404)


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("part.notice", {"part": "web:web", "stage": "archive.sent"}, "主机 web 上的网站：内容已传送"),
        ("run.created", {"scope": "subscription:fgw/internet"}, "已开始，范围：单位 fgw 的服务“互联网接入”"),
    ],
)
def test_a_step_of_a_run_is_said_in_words(world: World, kind: str, data: dict[str, Any], said: str) -> None:
    with world.app.app_context(), in_language("zh_CN"):
        assert str(sentence({"type": kind, "data": data})) == said


@pytest.mark.parametrize(
    ("kind", "title", "policy", "said"),
    [
        ("configuration", "internet policy-4", 4, "互联网接入 · 版本 4"),
        ("configuration", "public_site", None, "公众服务网站"),
        ("patches", "p20261124-020000", None, "p20261124-020000"),
    ],
)
def test_what_a_rollout_brings_is_said_in_words(
    world: World, kind: str, title: str, policy: int | None, said: str
) -> None:
    with world.app.app_context(), in_language("zh_CN"):
        assert brought({"kind": kind, "title": title, "policy": policy}) == said


def test_a_group_of_a_rollout_is_said_in_words() -> None:
    with in_language("zh_CN"):
        assert (wave("group 2"), wave("pilot")) == ("第 2 组", "pilot")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0 Safari/537.36 Edg/150.0", "Edge · Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox · Linux"),
        ("curl/8 <b>", "curl/8 &lt;b&gt;"),
    ],
)
def test_a_browser_is_called_by_its_name(said: str, shown: str) -> None:
    told = agent(said)
    assert told.endswith(f">{shown}</span>")
    assert f'title="{escape(said)}"' in told, "all it says of itself is there still"


def test_a_run_at_work_looks_again_by_itself_and_without_scripts(world: World) -> None:
    from control_plane.workflow.process import myself

    number = world.store.runs.create("apply", "estate", None, world.client.actor, myself())
    text = get(world, f"/console/runs/{number}")
    assert 'data-live="3"' in text
    assert '<noscript><meta http-equiv="refresh"' in text


def test_lists_by_text_filter_sort_and_page(world: World) -> None:
    everything = get(world, "/console/accounts?size=25")
    assert rows(everything) == 25
    assert "Page 1 of" in everything
    own = get(world, "/console/accounts?f.tenant=fgw&sort=-uid")
    uids = re.findall(r"<code>([a-z0-9.]+)</code></a></td>\s*<td data-label=\"Name\"", own)
    assert uids == sorted(uids, reverse=True)
    assert len(uids) == sum(1 for r in world.client.accounts() if r["tenant"] == "fgw")
    assert 'aria-sort="descending"' in own
    turned = re.search(r'<a href="([^"]*)">Name</a>', own)
    assert turned
    assert "f.tenant=fgw" in turned[1], "changing the order keeps the filter"
    assert "fits the filter" in get(world, "/console/accounts?q=zzzzzz")
    id_ = world.client.tenants()[0]["id"]
    assert "fits the filter" in get(world, f"/console/tenants?q={id_[2:12]}"), "random letters are nobody's words"
    assert rows(get(world, "/console/accounts?page=99999&size=77&sort=nothing&f.none=1")) > 0


@pytest.mark.parametrize("page", ["tenants", "accounts", "sites", "probes", "hosts", "runs", "search", "people"])
def test_hostile_text_is_text(world: World, page: str) -> None:
    from urllib.parse import quote

    role = "security_officer" if page == "people" else "operator"
    text = get(world, f"/console/{page}?q={quote(HOSTILE)}&sort={quote(HOSTILE)}&f.tenant={quote(HOSTILE)}", role)
    assert "<img" not in text
    assert "${49}" not in text


def test_search_finds_by_the_very_text(world: World) -> None:
    assert "Nothing here contains" in get(world, "/console/search?q=*)(userPassword=*")
    assert "/console/tenants/fgw" in get(world, "/console/search?q=fgw")
    name = next(r["name_zh"] for r in world.client.tenants() if r["code"] == "fgw")
    assert "/console/tenants/fgw" in get(world, f"/console/search?q={name[:4]}")
    assert "/console/hosts/ns1" in get(world, "/console/search?q=10.94.0.11")
    assert "public web server · 10.94.0.14" in get(world, "/console/search?q=10.94.0.14")


def test_search_finds_a_request_by_its_reference_for_who_may_see_it(world: World) -> None:
    world.person("clerk")
    mine = world.client.acting_as("directory:clerk1").requests
    reference = mine.draft("fgw", "public_site", "change")["reference"]
    assert f"/portal/requests/{reference}" in get(world, f"/console/search?q={reference.lower()}", "clerk")
    assert "Nothing here contains" in get(world, f"/console/search?q={reference}", "operator"), "it is a draft"
    assert "Nothing here contains" in get(world, "/console/search?q=R-2026-999999", "clerk")
    mine.withdraw(reference)


def test_chores_kinds_and_what_is_promised_have_words() -> None:
    assert {chore.name for chore in chores()} <= set(CHORES)
    city = (yaml.safe_load(path.read_text("utf-8")) for path in sorted((REPO / "tenants" / "qingdao").glob("*.yaml")))
    assert {document["kind"] for document in city if "kind" in document} <= set(KINDS)
    assert {"network"} <= set(BESIDE)
    orders = (REPO / "control_plane" / "workflow").glob("*.py")
    calls = (n for path in orders for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call))
    kinds = set()
    for call in calls:
        named = [k.value for k in call.keywords if k.arg == "kind" and ast.unparse(call.func) == "Order"]
        named += call.args[4:5] if ast.unparse(call.func) == "wish_order" else []
        kinds |= {value.value for value in named if isinstance(value, ast.Constant)}
    assert "internet" in kinds
    assert kinds <= set(RUN_KINDS)


def test_requests_are_filtered_by_state(world: World) -> None:
    world.person("clerk")
    mine = world.client.acting_as("directory:clerk1").requests
    gone = mine.draft("fgw", "public_site", "change")["reference"]
    mine.withdraw(gone)
    kept = mine.draft("fgw", "public_site", "change")["reference"]
    page = get(world, "/portal/requests?f.state=draft", "clerk")
    assert kept in page
    assert gone not in page
    mine.withdraw(kept)


def test_a_department_sees_what_it_has_and_where_it_looks_for_more(world: World) -> None:
    page = get(world, "/portal/", "clerk")
    for address in ("/portal/internet/fgw", "/console/hosts?f.tenant=fgw", "/console/tenants/fgw/audit"):
        assert address in page
    assert page.count("</svg>listed</span>") == 3, "approval, mailbox and disclosure are declared only"


def test_the_place_of_savings_shows_no_figure(world: World) -> None:
    assert "there is no figure here" in get(world, "/console/savings", "finance")


def test_explain_says_who_asked_and_what_is(world: World) -> None:
    text = get(world, "/console/explain?subject=fgw.qingdao.test")
    assert "test (on the machine itself)" in text
    assert "Should be" in text
    assert "dns.rrset" not in text
    assert "Nothing here is called" in get(world, "/console/explain?subject=none.qingdao.test", status=404)


def test_things_that_are_not_ours_are_counted(world: World) -> None:
    world.drivers[0].foreign["dns:qingdao.test"] = [Foreign("dns:x/A", "dns.rrset", "<b>x</b>", ())]
    try:
        browser = world.enter(world.person("operator"))
        send(browser, "/language", language="en")
        text = browser.get(send(browser, "/console/plans", scope="system:dns").location, base_url=BASE).text
        assert "1 thing that is not ours is left alone" in text
        assert "<b>x</b>" not in text
    finally:
        world.drivers[0].foreign["dns:qingdao.test"] = []


def test_language_and_theme_follow_person_then_cookie_then_browser(world: World) -> None:
    browser = world.browser()
    assert '<html lang="en"' in browser.get("/sign-in", base_url=BASE).text
    chinese = world.app.test_client()
    assert '<html lang="zh-CN"' in chinese.get("/sign-in", base_url=BASE).text
    send(browser, "/language", language="zh")
    assert '<html lang="zh-CN"' in browser.get("/sign-in", base_url=BASE).text
    world.directory.add("look1", "fgw")
    inside = world.enter("look1")
    send(inside, "/console/me", language="en", theme="dark")
    again = world.enter("look1").get("/console/me", base_url=BASE).text
    assert '<html lang="en" data-bs-theme="dark"' in again
    send(inside, "/console/me", language="xx", theme="pink")
    assert 'data-bs-theme="auto"' in inside.get("/console/me", base_url=BASE).text


def test_an_unexpected_fault_is_a_page_with_a_reference(world: World, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    browser = world.enter(world.person("operator"))
    monkeypatch.setattr(type(world.client), "hosts", lambda self: 1 / 0)
    answer = browser.get("/console/hosts", base_url=BASE)
    assert answer.status_code == 500
    reference = re.search(r"[0-9a-f]{8}(?=</p>)", answer.text)
    assert reference
    assert reference[0] in caplog.text
    assert "ZeroDivisionError" not in answer.text


def test_files_are_kept_by_their_hash_and_sent_small(world: World) -> None:
    page = world.browser().get("/sign-in", base_url=BASE).text
    total = 0
    for address in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page)):
        answer = world.browser().get(address, base_url=BASE, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        total += len(answer.data)
    assert total < 45_000
    for bad in ("/static/none.css", "/static/../door.py", "/static/vendor/bootstrap-5.3.9/LICENSE"):
        assert world.browser().get(bad, base_url=BASE).status_code == 404


def test_vendored_files_are_as_published() -> None:
    sums = dict(reversed(line.split("  ")) for line in (STATIC / "vendor" / "SHA256SUMS").read_text().splitlines())
    found = {
        str(p.relative_to(STATIC / "vendor")): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in (STATIC / "vendor").rglob("*")
        if p.is_file() and p.name != "SHA256SUMS"
    }
    assert found == sums


def test_dark_rules_for_the_systems_colours_are_up_to_date() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("auto_dark", REPO / "tools" / "auto_dark.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (STATIC / "auto-dark.css").read_text("utf-8") == module.made()


def test_one_word_for_one_state_here_and_on_the_command_line() -> None:
    for state in set(WORDS) & set(MARKS):
        assert WORDS[state][1].msgid == MARKS[state].word.msgid, state


def test_templates_hold_no_sentence_of_their_own() -> None:
    """Words between tags come from `t()`; what is left are marks, names of formats and our own name."""
    allowed = {
        "GASP",
        "Ctrl K",
        "Ctrl",
        "Enter",
        "English",
        "中文",
        "·",
        "/",
        "–",
        "()",
        "+",
        "(",
        ")",
        ":",
        "inside",
        "outside",
        "inside director",
    }
    for path in sorted(Path(REPO / "control_plane" / "web" / "templates").glob("*.html")):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text("utf-8"), flags=re.S)
        text = re.sub(r"<!doctype html>|<(\w+)[^<>]*?>|</\w+>", "\n", text, flags=re.S)
        for line in text.splitlines():
            words = line.strip().strip("·").strip()
            assert not words or words in allowed or not re.search(r"[A-Za-z\u4e00-\u9fff]{2,}", words), (
                path.name,
                words,
            )


def test_values_for_people() -> None:
    with in_language("en"):
        assert "2026-11-24 10:00" in moment("2026-11-24T02:00:00+00:00")
        assert "10:00:00 (UTC+8)" in moment("2026-11-24T02:00:00+00:00")
        assert str(ago(61)) == "1 min ago"
        assert duration("2026-11-24T02:00:00+00:00", "2026-11-24T02:02:14+00:00") == "2 min 14 s"
        assert str(plain(12345)) == "12,345"
        assert "–" in plain([])
        assert plain("<b>") == "&lt;b&gt;"
        assert plain({"a": ["<i>"]}) == "a=&lt;i&gt;"


def test_what_goes_on_is_marked_on_every_page(world: World) -> None:
    from control_plane.model.run import RunState
    from control_plane.workflow.process import myself

    watcher, clerk = world.enter(world.person("auditor")), world.enter(world.person("clerk"))
    number = world.store.runs.create("apply", "estate", None, world.client.actor, myself())
    for page in ("/console/", "/console/tenants", "/console/me"):
        text = watcher.get(page, base_url=BASE).text
        assert f'<a href="/console/runs/{number}">Run {number}</a>' in text
    assert "What goes on just now" not in clerk.get("/console/tenants", base_url=BASE).text
    world.store.runs.set_state(number, RunState.DONE, t("Done and verified."), world.clock())
    assert f"Run {number}<" not in watcher.get("/console/tenants", base_url=BASE).text


def test_what_was_kept_of_myself_is_said_on_the_page_that_follows(world: World) -> None:
    browser = world.enter(world.person("clerk"))
    kept = send(browser, "/console/me", language="en", theme="dark")
    assert kept.status_code == 303
    text = browser.get(kept.location, base_url=BASE)
    assert text.status_code == 200
    assert "Kept." in text.text
    send(browser, "/console/me", language="en", theme="auto")


def test_no_page_hides_what_surrounds_every_page(world: World) -> None:
    """A value of the same name that a page gives to its template would be taken for what `base.html` shows."""
    with world.app.test_request_context("/"):
        surroundings = set(_surroundings())
    hidden = []
    for path in sorted((REPO / "control_plane" / "web").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("render_template", "exporting.page"):
                hidden += [f"{path.name}:{node.lineno} {k.arg}" for k in node.keywords if k.arg in surroundings]
    assert hidden == []


@pytest.mark.parametrize("subject", ["*)(uid=*", "=", "a==b", "http://[::", "uid=", "\x00=", "ou=\\"])
def test_what_cannot_be_a_name_is_explained_as_not_there(world: World, subject: str) -> None:
    browser = world.enter(world.person("operator"))
    answer = browser.get("/console/explain", query_string={"subject": subject}, base_url=BASE)
    assert answer.status_code == 404, answer.text
