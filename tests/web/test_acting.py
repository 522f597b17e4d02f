"""An operator at work in a real Chromium: plan, carry out, watch it live, undo; by keyboard, and without scripts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from control_plane.model.client_internet import Wish
from control_plane.model.run import EventType, RunState
from control_plane.model.text import in_language, t
from control_plane.workflow.process import myself
from tests.web.serving import LOOKED_AT, Visitor, visit
from tests.web.world import PASSWORD, PEOPLE, World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("acting"))
        yield made
        made.close()


@pytest.fixture
def worker(world: World) -> Iterator[None]:
    """The worker's two chores, turning as they do in the centre."""
    over = threading.Event()

    def turn() -> None:
        while not over.wait(0.3):
            for lanes in (("at_once", "runs"), ("machines",)):
                world.client.jobs.work(lanes)

    thread = threading.Thread(target=turn)
    thread.start()
    yield
    over.set()
    thread.join(30)


def enter(world: World, visitor: Visitor, login: str) -> None:
    world.person(next(role for role, (uid, _) in PEOPLE.items() if uid == login))
    page = visitor.page
    visitor.go("/sign-in")
    page.fill("#name", login)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/(code|second-factor)$"))
    if page.url.endswith("/second-factor"):
        world.factors[login] = page.inner_text(".secret code").replace(" ", "")
    page.fill("#code", world.code(login))
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/")


def reach(page: Page, selector: str, steps: int = 150) -> None:
    """Go on with Tab until the element has the focus; every stop on the way must be seen."""
    for _ in range(steps):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"Tab never came to {selector}")


def remove(world: World, count: int = 1) -> None:
    things = world.drivers[0].things["dns:qingdao.test"]
    for name in [name for name in things if name.startswith("dns:fgw.qingdao.test/")][:count]:
        del things[name]


def alter(world: World) -> None:
    things = world.drivers[0].things["dns:qingdao.test"]
    name = next(name for name in things if name.startswith("dns:czj.qingdao.test/"))
    things[name] = replace(things[name], attributes={**things[name].attributes, "ttl": 60})


@pytest.mark.usefixtures("worker")
def test_plan_carry_out_and_undo_by_keyboard(world: World, origin: str, browser: Browser) -> None:
    world.client.internet.change("fgw", Wish(block=["games.example.test"], reason_zh="测试", reason_en="a test"))
    remove(world)
    visitor = visit(browser, origin)
    enter(world, visitor, "operator1")
    page = visitor.page
    visitor.go("/console/plans?scope=tenant:fgw")
    reach(page, "main form button")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/plans/[0-9a-f]{64}$"))
    visitor.shot("act-plan-en-light-1440")
    assert visitor.axe() == []
    reach(page, ".consent button")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs/\d+\?done="), timeout=20_000)
    expect(page.get_by_text("1 change done.")).to_be_visible(timeout=20_000)
    expect(page.locator("[data-live]")).to_have_count(0, timeout=20_000)
    expect(page.locator("[data-lines]")).to_contain_text("verified: planning again finds nothing")
    assert visitor.axe() == []
    visitor.shot("act-run-en-light-1440")
    number = next(run["id"] for run in world.client.runs() if "fgw/internet" in run["scope"])
    visitor.go(f"/console/runs/{number}")
    reach(page, "form[action$='/undo'] button")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/plans/[0-9a-f]{64}$"))
    expect(page.get_by_text("What would be wanted again")).to_be_visible()
    visitor.shot("act-undo-en-light-1440")
    assert visitor.axe() == []
    reach(page, ".consent button")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs/\d+\?done="), timeout=20_000)
    expect(page.locator("[data-live]")).to_have_count(0, timeout=20_000)
    assert world.client.subscription("fgw/internet")["generation"] == 3
    assert visitor.faults == []
    visitor.context.close()


def test_everything_is_stopped_and_goes_on_again_by_keyboard(world: World, origin: str, browser: Browser) -> None:
    """From the sign-in on, nothing but keys; who set the freeze does not lift it."""
    lifted = len(world.client.freezes.list())
    for login in ("operator1", "deputy1"):
        visitor = visit(browser, origin)
        world.person(next(role for role, (uid, _) in PEOPLE.items() if uid == login))
        page = visitor.page
        visitor.go("/sign-in")
        expect(page.locator("#name")).to_be_focused()
        page.keyboard.type(login)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/(code|second-factor)$"))
        if page.url.endswith("/second-factor"):
            world.factors[login] = page.inner_text(".secret code").replace(" ", "")
            reach(page, "#code")
        expect(page.locator("#code")).to_be_focused()  # a page takes keys from its load on, its field a frame later
        page.keyboard.type(world.code(login))
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/")
        reach(page, ".side a[href$='/freezes']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/freezes")
        if login == "operator1":
            assert page.locator("form[action$='/lift']").count() == lifted
            reach(page, "#reason")
            page.keyboard.type("a fault in the hall")
            page.keyboard.press("Enter")
            page.wait_for_url("**/freezes?done=**")
            expect(page.locator("main .note.freeze").filter(has_text="estate")).to_have_count(1)
            assert page.locator("form[action$='/lift']").count() == lifted, "nobody lifts the own freeze"
        else:
            mine = next(row["id"] for row in world.client.freezes.list() if row["scope"] == "estate")
            reach(page, f"#lift_reason{mine}")
            page.keyboard.type("it is mended")
            page.keyboard.press("Enter")
            page.wait_for_url("**/freezes?done=**")
            expect(page.locator("main .note.freeze").filter(has_text="estate")).to_have_count(0)
        assert visitor.faults == []
        visitor.context.close()


def test_a_run_is_told_event_by_event_over_lost_connections(
    world: World, origin: str, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from control_plane.web import live

    monkeypatch.setattr(live, "LIFE", 0.5)  # every stream is cut after half a second, and the browser comes back
    visitor = visit(browser, origin)
    enter(world, visitor, "operator1")
    page = visitor.page
    number = world.store.runs.create("apply", "tenant:fgw", None, world.client.actor, myself())
    world.store.runs.set_state(number, RunState.RUNNING)
    world.store.runs.append(number, [(EventType.CREATED, {"scope": "tenant:fgw"})])
    visitor.go(f"/console/runs/{number}")
    events: list[tuple[EventType, dict[str, Any]]] = [
        (EventType.CONFIRMED, {"steps": 40}),
        (EventType.PART_STARTED, {"part": "dns:qingdao.test", "changes": 40}),
        *((EventType.PROGRESS, {"done": n, "total": 40}) for n in range(1, 41)),
    ]
    for at in range(0, len(events), 14):
        world.store.runs.append(number, events[at : at + 14])
        expect(page.locator("[data-lines] li")).to_have_count(min(at + 14, len(events)) + 1, timeout=15_000)
        page.wait_for_event("request", lambda request: "/events?after=" in request.url)  # it was cut, and comes back
    expect(page.get_by_text("40 of 40 changes").first).to_be_visible(timeout=10_000)
    numbers = page.eval_on_selector_all("[data-lines] li", "items => items.map((i) => Number(i.id.slice(1)))")
    assert numbers == list(range(1, len(events) + 2)), "none lost, none doubled"
    visitor.shot("act-run-live-en-light-1440")
    assert visitor.axe() == []
    world.store.runs.set_state(number, RunState.DONE, t("Done and verified."), world.clock())
    world.store.runs.append(number, [(EventType.FINISHED, {"state": "done"})])
    expect(page.locator("[data-live]")).to_have_count(0, timeout=15_000)
    assert visitor.faults == []
    visitor.context.close()


def test_without_streams_the_page_looks_again(world: World, origin: str, browser: Browser) -> None:
    from control_plane.web.live import STREAMS

    held = 0
    while STREAMS.acquire(blocking=False):
        held += 1
    try:
        visitor = visit(browser, origin)
        visitor.expected = (*visitor.expected, 503)
        enter(world, visitor, "operator1")
        number = world.store.runs.create("apply", "tenant:fgw", None, world.client.actor, myself())
        visitor.go(f"/console/runs/{number}")
        world.store.runs.append(number, [(EventType.CREATED, {"scope": "tenant:fgw"})])
        expect(visitor.page.get_by_text("begun for department fgw")).to_be_visible(timeout=15_000)
        world.store.runs.set_state(number, RunState.DONE, t("Done."), world.clock())
        expect(visitor.page.locator("[data-live]")).to_have_count(0, timeout=15_000)
        visitor.context.close()
    finally:
        for _ in range(held):
            STREAMS.release()


@pytest.mark.usefixtures("worker")
def test_without_scripts(world: World, origin: str, browser: Browser) -> None:
    remove(world)
    visitor = visit(browser, origin, "en-dark-390", scripts=False)
    enter(world, visitor, "operator1")
    page = visitor.page
    visitor.go("/console/plans?scope=tenant:fgw")
    page.click("main form button")
    page.wait_for_url(re.compile("/plans/[0-9a-f]{64}$"))
    page.click(".consent button")
    page.wait_for_url(re.compile(r"/(runs|jobs)/\d+"))
    expect(page.get_by_text("1 change done.")).to_be_visible(timeout=20_000)
    visitor.context.close()


@pytest.mark.parametrize("variant", LOOKED_AT)
def test_every_page_with_its_forms(world: World, origin: str, browser: Browser, variant: str) -> None:
    visitor = visit(browser, origin, variant)
    enter(world, visitor, "operator1")
    remove(world, 2)
    alter(world)
    token = visitor.page.locator("header [name=token]").first.get_attribute("value") or ""
    visitor.page.request.post(
        f"{origin}/console/drift", form={"token": token}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    world.client.planner.touch_limit = 0
    digest = world.client.plan("estate")["digest"]
    operator = world.client.acting_as("directory:operator1")
    job = operator.jobs.place(
        "scan", {"target": "tenant:fgw", "paths": []}, subject="tenant:fgw", once=f"{variant:_<20}"
    )
    undoable = next(run["id"] for run in world.client.runs() if "fgw/internet" in run["scope"])
    addresses = {
        "overview": "/console/",
        "rollout-new": "/console/rollouts/new",
        "rollout-draft": "/console/rollouts/2",
        "freezes": "/console/freezes",
        "drift": "/console/drift",
        "plan-word": f"/console/plans/{digest}",
        "jobs": "/console/jobs",
        "job": f"/console/jobs/{job['id']}",
        "run-undoable": f"/console/runs/{undoable}",
        "host-acts": "/console/hosts/czj",
        "security-acts": "/console/security",
        "internet-acts": "/console/internet/fgw",
        "try": "/console/try",
        "accounts": "/console/accounts?f.tenant=fgw",
        "account": "/console/tenants/fgw/accounts/dingfanghui",
        "account-new": "/console/accounts/new?tenant=fgw",
        "people-list": "/console/accounts/import?tenant=fgw",
        "people": "/console/tenants/fgw/people",
        "groups": "/console/tenants/fgw/people/groups",
        "group": "/console/tenants/fgw/people/groups/approvers",
        "people-review": "/console/tenants/fgw/people/review",
    }
    world.client.sheets.issue("fgw", uids=["dingfanghui"], reason="forgot it")
    world.store.reviews.begin(world.client.tenant("fgw")["id"], "2026Q4", world.clock())
    wrong = []
    for name, address in addresses.items():
        visitor.go(address)
        visitor.shot(f"act-{name}-folded-{variant}")
        visitor.page.evaluate("document.querySelectorAll('main details').forEach((d) => { d.open = true; })")
        wrong += [f"{name}: {fault}" for fault in visitor.axe()]
        wrong += [f"{name}: {visitor.wide()} px too wide"] if visitor.wide() > 0 else []
        visitor.shot(f"act-{name}-{variant}")
    assert wrong == []
    assert visitor.faults == []
    visitor.context.close()


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("variant", LOOKED_AT)
def test_a_list_of_people_and_a_group_are_seen_before_they_are_taken(
    world: World, origin: str, browser: Browser, variant: str
) -> None:
    visitor = visit(browser, origin, variant)
    enter(world, visitor, "operator1")
    page, number = visitor.page, LOOKED_AT.index(variant)

    def looked(name: str) -> None:
        visitor.shot(f"act-{name}-{variant}")
        assert (visitor.axe(), visitor.wide()) == ([], 0), name

    def send_list(text: str) -> None:
        visitor.go("/console/accounts/import")
        page.set_input_files("#file", {"name": "list.csv", "mimeType": "text/csv", "buffer": text.encode()})
        page.click("main form [name=act][value=check]")

    mover, leaver = [row["uid"] for row in world.client.accounts("gaj") if row["status"] == "active"][:2]
    send_list("单位,账号,姓名\nfgw,X,张三\nnowhere,new1,李四\ngaj,new3,\n")
    expect(page.get_by_role("alert")).to_be_focused()
    assert page.locator(".problems li").count() >= 3
    looked("people-wrong")
    send_list(f"单位,账号,姓名,状态\nfgw,joiner{number},张三,\nfgw,{mover},,\n,{leaver},,离职\ngaj,nobody,,离职\n")
    expect(page.locator("tbody tr")).to_have_count(3)
    looked("people-preview")
    page.click(".consent [value=take]")
    page.wait_for_url(re.compile(r"/runs/\d+"), timeout=20_000)
    assert world.client.staff.show(mover)["tenant"] == "fgw"
    assert world.client.staff.show(leaver)["status"] == "left"
    visitor.go(f"/console/tenants/gaj/accounts/{leaver}")
    looked("account-left")
    visitor.go("/console/tenants/fgw/people/groups/approvers")
    page.fill("#put", mover)
    page.click("main form [value=people]")
    expect(page.locator(".consent")).to_be_visible()
    looked("group-plan")
    assert visitor.faults == []
    visitor.context.close()


@pytest.mark.parametrize("variant", LOOKED_AT)
def test_a_revision_of_the_centres_internet_rules_is_made_by_a_form(
    world: World, origin: str, browser: Browser, variant: str
) -> None:
    visitor = visit(browser, origin, variant)
    enter(world, visitor, "operator1")
    page = visitor.page
    visitor.go("/console/policies/new?rule=video")
    visitor.shot(f"act-policy-form-{variant}")
    assert (visitor.axe(), visitor.wide()) == ([], 0)
    name = f"games-{variant.lower()}"
    for field, value in (("name", name), ("hosts", "games.test bad!name.test"), ("reason", "not for work")):
        page.fill(f"#{field}", value)
    page.select_option("#category", "")
    page.click("button[value=preview]")
    expect(page.locator("#hosts[aria-invalid=true]")).to_have_count(1)
    visitor.shot(f"act-policy-refused-{variant}")
    assert (visitor.axe(), visitor.wide()) == ([], 0)
    page.fill("#hosts", ".games.test")
    page.click("button[value=preview]")
    expect(page.get_by_role("status").first).to_contain_text(f"centre-{name}")
    visitor.shot(f"act-policy-preview-{variant}")
    assert (visitor.axe(), visitor.wide()) == ([], 0)
    page.click("button[value=make]")
    page.wait_for_url(re.compile(r"/policies/\d+\?done="))
    visitor.shot(f"act-policy-made-{variant}")
    assert (visitor.axe(), visitor.wide()) == ([], 0)
    page.locator("form #reason").fill("not for work")
    page.click("details form .btn-primary")
    page.wait_for_url(re.compile(r"/rollouts/\d+\?done="))
    visitor.shot(f"act-policy-rollout-{variant}")
    assert visitor.faults == []
    visitor.context.close()
