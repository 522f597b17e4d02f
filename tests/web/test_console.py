"""The console in a real Chromium: the first sign-in, every page in both languages and widths, keyboard, no scripts."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Browser, expect

from control_plane.model.text import in_language
from tests.web.serving import LOOKED_AT, VARIANTS, enter, visit
from tests.web.world import PASSWORD, World, make_world

NEW = "a sentence of my own"
PAGES = {
    "overview": "/console/",
    "tenants": "/console/tenants",
    "tenant": "/console/tenants/fgw",
    "subscription": "/console/tenants/fgw/services/public_site",
    "runs": "/console/runs",
    "run": "/console/runs/1",
    "plans": "/console/plans",
    "plan": "/console/plans/{digest}",
    "plan-empty": "/console/plans/{empty}",
    "drift": "/console/drift",
    "hosts": "/console/hosts",
    "host": "/console/hosts/web",
    "machine": "/console/hosts/czj",
    "machine-silent": "/console/hosts/gaj",
    "security": "/console/security",
    "internet": "/console/internet",
    "internet-tenant": "/console/internet/fgw",
    "internet-none": "/console/internet/shinan",
    "policies": "/console/policies",
    "policy": "/console/policies/1",
    "snapshots": "/console/snapshots",
    "rollouts": "/console/rollouts",
    "rollout": "/console/rollouts/1",
    "freezes": "/console/freezes",
    "probes": "/console/probes",
    "sites": "/console/sites",
    "accounts": "/console/accounts?size=50",
    "accounts-compact": "/console/accounts?size=25&density=compact",
    "reviews": "/console/reviews",
    "filtered": "/console/accounts?q=nothing-fits",
    "search": "/console/search?q=fgw",
    "explain": "/console/explain?subject=fgw.qingdao.test",
    "me": "/console/me",
    "tokens": "/console/me/tokens",
    "problem": "/problems/stale-plan",
    "problems": "/problems",
    "audit": "/console/audit",
    "audit-filtered": "/console/audit?tenant=fgw&act=run",
    "audit-wrong": "/console/audit?tenant=zzz",
    "audit-tenant": "/console/tenants/fgw/audit",
    "people": "/console/people",
    "person": "/console/people/directory:security1",
    "webhooks": "/console/webhooks",
    "sign-ins": "/console/sign-ins",
    "director": "/console/director",
    "savings": "/console/savings",
    "nightly": "/console/nightly",
    "missing": "/console/tenants/none",
    "password": "/sign-in/password",
}

#: What others see of the same pages: login name → name → address.
OTHERS = {
    "deputy1": {"deputy-freezes": "/console/freezes", "deputy-classes": "/console/classes"},
    "auditor1": {"auditor-audit": "/console/audit", "auditor-sign-ins": "/console/sign-ins"},
    "finance1": {"finance-tenants": "/console/tenants"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("console"))
        made.client.people.first()  # type: ignore[attr-defined]
        yield made
        made.close()


@pytest.fixture(scope="module")
def addresses(world: World) -> dict[str, str]:
    """Pages with the digests of a plan with changes and of one without; something is drifted, something unseen."""
    empty = world.client.plan("tenant:gaj")["digest"]
    policy = world.client.policies.show()["policy"]
    policy["categories"]["gambling"] += [f".bets{number}.test" for number in range(20)]
    world.client.policies.add(policy, reason="new betting sites")
    things = world.drivers[0].things["dns:qingdao.test"]
    names = [i for i in things if i.startswith("dns:fgw.qingdao.test/")]
    for name in names[:2]:
        del things[name]
    world.drivers[2].things["web:web"].pop(next(iter(world.drivers[2].things["web:web"])))
    full = world.client.plan("estate")["digest"]
    return {name: path.format(digest=full, empty=empty) for name, path in PAGES.items()}


def test_the_first_operator_comes_in(world: World, origin: str, browser: Browser) -> None:
    visitor = visit(browser, origin, "zh-light-1440")
    page = visitor.page
    visitor.go("/")
    visitor.shot("sign-in")
    assert visitor.axe() == []
    page.fill("#name", "first")
    page.fill("#password", "wrong wrong wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    visitor.shot("sign-in-refused")
    assert visitor.axe() == []
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in/password")
    page.fill("#old", PASSWORD)
    page.fill("#new", "short")
    page.fill("#again", "other")
    page.keyboard.press("Enter")
    expect(page.locator("[aria-invalid=true]")).to_have_count(2)
    visitor.shot("password-refused")
    assert visitor.axe() == []
    for name, value in (("old", PASSWORD), ("new", NEW), ("again", NEW)):
        page.fill(f"#{name}", value)
    page.keyboard.press("Enter")
    page.wait_for_url("**/second-factor")
    visitor.shot("second-factor")
    assert visitor.axe() == []
    secret = page.inner_text(".secret code").replace(" ", "")
    page.fill("#code", pyotp.TOTP(secret).at(world.clock()))
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/")
    assert visitor.faults == []
    page.click("details.menu summary")
    page.click("details.menu button")
    page.wait_for_url("**/sign-in")
    visitor.go("/console/")
    assert page.url.endswith("/sign-in")
    page.fill("#name", "first")
    page.fill("#password", NEW)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in/code")
    visitor.shot("sign-in-code")
    assert visitor.axe() == []
    visitor.context.close()


@pytest.mark.parametrize("variant", LOOKED_AT)
def test_every_page_in_both_languages_and_widths(
    world: World, origin: str, browser: Browser, addresses: dict[str, str], variant: str
) -> None:
    visitor = visit(browser, origin, variant)
    enter(world, visitor, "security1")
    token = visitor.page.locator("header [name=token]").first.get_attribute("value")
    looked = visitor.page.request.post(
        f"{origin}/console/drift", form={"token": token or ""}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert looked.status == 200
    wrong = []
    for name, address in addresses.items():
        visitor.go(address)
        assert visitor.page.locator("h1").count() == 1, name
        assert visitor.page.get_attribute("html", "lang") == VARIANTS[variant][0]
        wrong += [] if visitor.page.locator("form[action='/sign-out']").count() else [f"{name}: no way out"]
        wrong += [f"{name}: {fault}" for fault in visitor.axe()]
        wrong += [f"{name}: {visitor.wide()} px too wide"] if visitor.wide() > 0 else []
        visitor.shot(f"{name}-{variant}")
    assert wrong == []
    assert visitor.faults == []
    visitor.context.close()


@pytest.mark.parametrize("variant", ["zh-light-1440", "en-light-1440"])
def test_pages_of_those_who_watch(world: World, origin: str, browser: Browser, variant: str) -> None:
    for login, seen in OTHERS.items():
        visitor = visit(browser, origin, variant)
        enter(world, visitor, login)
        for name, address in seen.items():
            visitor.go(address)
            assert visitor.axe() == [], name
            visitor.shot(f"{name}-{variant}")
        assert visitor.faults == []
        visitor.context.close()


def test_a_clerk_sees_the_own_department(world: World, origin: str, browser: Browser) -> None:
    visitor = visit(browser, origin, "zh-dark-390")
    enter(world, visitor, "clerk1")
    visitor.shot("welcome-zh-dark-390")
    assert visitor.axe() == []
    visitor.page.click("[data-fold] > summary")
    visitor.shot("navigation-zh-dark-390")
    assert visitor.axe() == []
    visitor.page.get_by_role("link", name=re.compile("^(Tenants|单位)$")).first.click()
    expect(visitor.page.locator("tbody tr")).to_have_count(1)
    visitor.go("/console/tenants/gaj")
    assert visitor.page.locator("tbody").count() == 0
    assert visitor.faults == []
    visitor.context.close()


def test_everything_by_keyboard(world: World, origin: str, browser: Browser) -> None:
    visitor = visit(browser, origin)
    enter(world, visitor, "auditor1")
    page = visitor.page
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.locator("[data-seek]")).to_be_focused()
    page.keyboard.type("fgw")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/search?q=fgw")
    visitor.go("/console/accounts")
    for _ in range(60):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("document.activeElement.matches('thead a')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=**")
    page.locator("details.menu summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".sheet")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".sheet")).to_be_hidden()
    assert visitor.faults == []
    visitor.context.close()


def test_keys_of_lists_go_from_row_to_row_and_can_be_switched_off(world: World, origin: str, browser: Browser) -> None:
    visitor = visit(browser, origin)
    enter(world, visitor, "auditor1")
    page = visitor.page
    visitor.go("/console/tenants")
    links = page.locator(".cards tbody tr a:first-of-type")
    row = "[...document.querySelectorAll('.cards tbody tr')].findIndex((r) => r.contains(document.activeElement))"
    for key, at in (("j", 0), ("j", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        assert page.evaluate(row) == at
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("/")
    expect(page.locator(".filters input[type=search]")).to_be_focused()
    page.keyboard.type("jk?")
    expect(page.locator(".filters input[type=search]")).to_have_value("jk?")
    page.locator("main").focus()
    page.keyboard.press("?")
    help_ = page.locator("#keys")
    expect(help_).to_be_visible()
    assert visitor.axe() == []
    visitor.shot("keys")
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    page.locator("main").focus()
    page.keyboard.press("j")
    href = page.evaluate("document.activeElement.href")
    page.keyboard.press("Enter")
    page.wait_for_url(href)
    page.locator("[data-keys]").click()
    help_.locator("input").uncheck()
    page.keyboard.press("Escape")
    visitor.go("/console/tenants")
    page.locator("main").focus()
    page.keyboard.press("j")
    assert page.evaluate(row) == -1, "switched off, in this browser"
    page.locator("[data-keys]").click()
    help_.locator("input").check()
    assert links.count() > 1
    page.keyboard.press("Escape")
    page.locator(".arrange > summary").click()
    assert visitor.axe() == []
    visitor.shot("columns")
    assert visitor.faults == []
    visitor.context.close()


def test_without_scripts(world: World, origin: str, browser: Browser, addresses: dict[str, str]) -> None:
    visitor = visit(browser, origin, "en-dark-390", scripts=False)
    enter(world, visitor, "security1")
    page = visitor.page
    for name in ("overview", "tenants", "plan", "run", "drift", "me"):
        visitor.go(addresses[name])
        expect(page.locator("h1")).to_be_visible()
    visitor.go("/console/accounts")
    page.select_option("[name='f.tenant']", "fgw")
    page.click(".filters button")
    page.wait_for_url("**f.tenant=fgw**")
    visitor.go("/console/plans")
    page.fill("#scope", "tenant:sjj")
    page.click("main form button")
    page.wait_for_url(re.compile("/plans/[0-9a-f]{64}"))
    visitor.go("/console/hosts?f.role=web")
    page.click(".arrange > summary")
    page.uncheck(".arrange [value=ipv4]")
    page.click(".arrange form[method=get] button")
    page.wait_for_url("**columns=**f.role=web")
    page.click(".arrange > summary")
    page.fill("#view-name", "网页服务器")
    page.click(".arrange form[method=post] button")
    expect(page.locator(".views [aria-current]")).to_have_text("网页服务器")
    page.click(".arrange > summary")
    visitor.shot("columns-and-views")
    page.click("[data-fold] > summary")
    expect(page.locator(".side a").first).to_be_visible()
    visitor.context.close()


def test_a_run_at_work_is_followed(world: World, origin: str, browser: Browser) -> None:
    from control_plane.model.run import EventType, RunState
    from control_plane.model.text import t
    from control_plane.workflow.process import myself

    visitor = visit(browser, origin)
    enter(world, visitor, "auditor1")
    number = world.store.runs.create("apply", "estate", None, world.client.actor, myself())
    visitor.go(f"/console/runs/{number}")
    expect(visitor.page.locator("[data-live]")).to_have_count(1)
    world.store.runs.append(number, [(EventType.CREATED, {"scope": "tenant:fgw"})])
    expect(visitor.page.get_by_text("begun for department fgw")).to_be_visible(timeout=15_000)
    world.store.runs.set_state(number, RunState.DONE, t("Done and verified."), world.clock())
    expect(visitor.page.locator("[data-live]")).to_have_count(0, timeout=15_000)
    assert visitor.faults == []
    visitor.context.close()


def test_pages_are_small(world: World, origin: str, browser: Browser) -> None:
    visitor = visit(browser, origin)
    enter(world, visitor, "auditor1")
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    for name in ("/console/", "/console/accounts", "/console/probes"):
        asked.clear()
        visitor.go(name)
        visitor.page.wait_for_load_state("networkidle")
        assert len(asked) <= 8
        assert len(gzip.compress(visitor.page.content().encode())) < 30_000
    visitor.context.close()
