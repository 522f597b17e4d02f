"""Portal and review in a real Chromium: a request by keyboard, one without scripts, and axe on every page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from control_plane.model.text import in_language
from tests.web.serving import LOOKED_AT, Visitor, enter, visit
from tests.web.world import PEOPLE, World, make_world

FORMS = {
    "public_site": ("sites", "sites-1-title", "sites-1-names", "sites-1-marks", "tier", "reason"),
    "intranet": ("sites-1-readers",),
    "internet": ("access", "rules", "rules-1-rule", "rules-1-hours", "direct", "peers", "contact", "limits"),
    "directory": ("people", "people-1-person", "people-1-work", "groups", "services"),
    "security": ("machines",),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("portal"))
        for role in PEOPLE:
            made.person(role)
        yield made
        made.close()


def client(world: World, login: str):  # type: ignore[no-untyped-def]
    return world.client.acting_as(f"directory:{login}").requests


def press(page: Page, target: str, *, most: int = 90) -> None:
    """Walk to an element with Tab, seeing the focus all the way, and press Enter on it."""
    for _ in range(most):
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", target):
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
    raise AssertionError(f"{target} is not reached by Tab on {page.url}")


def write(page: Page, target: str, text: str, *, most: int = 60) -> None:
    """Walk to a field with Tab and type."""
    for _ in range(most):
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", target):
            page.keyboard.type(text)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} is not reached by Tab on {page.url}")


def test_a_request_by_keyboard_from_the_clerk_to_the_live_service(world: World, origin: str, browser: Browser) -> None:
    clerk = visit(browser, origin)
    enter(world, clerk, "clerk1")
    page = clerk.page
    assert page.url.endswith("/portal/")
    press(page, ".headline a")
    page.wait_for_url("**/portal/catalogue")
    press(page, "a[href$='/catalogue/public_site']")
    page.wait_for_url("**/catalogue/public_site")
    press(page, "button[value=change]")
    page.wait_for_url("**/form/sites")
    press(page, "button[value=add]")
    page.wait_for_url("**/form/sites-2-title")
    press(page, "main .acts .btn-primary")
    expect(page.get_by_role("alert")).to_be_focused()
    press(page, "a[href='#title.zh']")
    write(page, "[id='title.zh']", "键盘")
    expect(page.locator("[data-saved]")).to_contain_text("kept whenever")
    page.keyboard.press("Tab")
    expect(page.locator("[data-saved]")).to_contain_text("Draft saved")
    expect(page.locator("[id='title.zh-problem']")).to_be_hidden()
    page.keyboard.type("Keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url("**/form/sites-2-names")
    write(page, "[id='names.main']", "keys.gaj.qingdao.test")
    page.keyboard.press("Tab")
    expect(page.locator("[id='names.main-problem']")).to_contain_text("does not lie in fgw.qingdao.test")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("keys.fgw.qingdao.test")
    page.keyboard.press("Enter")
    page.wait_for_url("**/form/sites-2-marks")
    press(page, "main .acts .btn-primary")
    page.wait_for_url("**/form/sites")
    press(page, "main .acts .btn-primary")
    page.wait_for_url("**/form/tier")
    write(page, "[type=radio]", " ")
    press(page, "main .acts .btn-primary")
    page.wait_for_url("**/form/reason")
    write(page, "#reason", "for people who like keys")
    press(page, "main .acts .btn-primary")
    page.wait_for_url("**/check")
    press(page, "main .btn-lg")
    page.wait_for_url("**said=submitted")
    reference = clerk.reference()
    expect(page.get_by_role("status").first).to_contain_text("handed in")

    for login, start in (("approver1", "/portal/"), ("security1", "/console/requests")):
        signer = visit(browser, origin)
        enter(world, signer, login)
        signer.go(start)
        press(signer.page, f"main a[href$='/console/requests/{reference}']")
        expect(signer.page.locator(".decide")).to_be_in_viewport()
        press(signer.page, "button[value^=sign]", most=200)
        signer.page.wait_for_url("**said=sign")
        assert signer.faults == []
        signer.context.close()
    clerk.go(f"/portal/requests/{reference}")
    expect(page.locator("[data-live]")).to_have_count(1)
    assert world.work() == [reference]
    expect(page.locator(".tracker .good")).to_have_count(4, timeout=15_000)
    assert clerk.faults == []
    clerk.context.close()


def test_a_request_without_scripts(world: World, origin: str, browser: Browser) -> None:
    clerk = visit(browser, origin, "en-dark-390", scripts=False)
    enter(world, clerk, "clerk1")
    page = clerk.page
    clerk.go("/portal/catalogue/intranet")
    page.click("button[value=change]")
    page.click("main .rows a")
    for _ in range(2):
        page.click("main .acts .btn-primary")
    page.wait_for_url("**/form/sites-1-readers")
    page.click("button[value='more:shared_with']")
    fields = page.locator("[name=shared_with]")
    expect(fields).to_have_count(2)
    fields.last.fill("zzz")
    page.click("main .acts .btn-primary")
    expect(page.locator(".problem:not([hidden])")).to_have_count(1)
    page.click("button[value='drop:shared_with:1']")
    expect(fields).to_have_count(1)
    page.click("button[value='more:shared_with']")
    fields.last.fill("gaj")
    for address in ("sites-1-sign-in", "sites", "tier", "reason"):
        page.click("main .acts .btn-primary")
        page.wait_for_url(f"**/form/{address}")
    page.fill("#reason", "gaj shall read it")
    page.click("main .acts .btn-primary")
    page.wait_for_url("**/check")
    page.click("main .btn-lg")
    page.wait_for_url("**said=submitted")
    page.click("details.more summary >> nth=-1")
    page.click("button[value=withdraw]")
    page.wait_for_url("**said=withdrawn")
    clerk.context.close()


@pytest.mark.parametrize("variant", LOOKED_AT)
def test_every_page_in_both_languages_and_widths(world: World, origin: str, browser: Browser, variant: str) -> None:
    requests = client(world, "clerk1")
    wrong: list[str] = []
    clerk, approver, officer = (visit(browser, origin, variant) for _ in range(3))
    for visitor, login in ((clerk, "clerk1"), (approver, "approver1"), (officer, "security1")):
        enter(world, visitor, login)

    def look(visitor: Visitor, name: str, address: str | None) -> None:
        if address is not None:
            visitor.go(address)
        assert visitor.page.locator("h1").count() == 1, name
        wrong.extend(f"{name}: {fault}" for fault in visitor.axe())
        wrong.extend([f"{name}: {visitor.wide()} px too wide"] if visitor.wide() > 0 else [])
        visitor.shot(f"{name}-{variant}")

    mine = world.ask("clerk1", "fgw", "looked", submit=False)
    look(clerk, "ask-check", f"/portal/requests/{mine}/check")
    requests.submit(mine)
    look(approver, "approver-portal", "/portal/")
    look(approver, "approver-review", f"/console/requests/{mine}")
    review = client(world, "approver1").show(mine)
    client(world, "approver1").sign(mine, digest=review["digest"], role="approver", note="Good.")
    client(world, "security1").send_back(mine, reason="Which office?\nAnd until when?")
    forms = {offering: requests.draft("fgw", offering, "change") for offering in FORMS if offering != "public_site"}
    look(clerk, "portal-returned", f"/portal/requests/{mine}")
    for step in FORMS["public_site"]:
        look(clerk, f"ask-public_site-{step}", f"/portal/requests/{mine}/form/{step}")
    look(clerk, "ask-check-returned", f"/portal/requests/{mine}/check")
    for offering, row in forms.items():
        for step in FORMS[offering]:
            if step == "rules-1-rule":
                clerk.page.click("button[value=add]")
                look(clerk, f"ask-{offering}-{step}", None)
                clerk.page.click("main .acts .btn-primary")
                look(clerk, f"ask-{offering}-{step}-wrong", None)
                continue
            look(clerk, f"ask-{offering}-{step}", f"/portal/requests/{row['reference']}/form/{step}")
        look(clerk, f"ask-{offering}-check", f"/portal/requests/{row['reference']}/check")
    for name, address in (
        ("portal", "/portal/"),
        ("portal-catalogue", "/portal/catalogue"),
        ("portal-offering", "/portal/catalogue/internet"),
        ("portal-service", "/portal/services/fgw/internet"),
        ("portal-service-sites", "/portal/services/fgw/public_site"),
        ("portal-site", "/portal/sites/fgw/fgw.qingdao.test"),
        ("portal-requests", "/portal/requests"),
    ):
        look(clerk, name, address)
    requests.answer(mine, text="The one in the south.")
    look(clerk, "portal-request", f"/portal/requests/{mine}")
    look(officer, "requests", "/console/requests?all=1")
    look(officer, "review", f"/console/requests/{mine}")
    officer.page.click("button[value=refuse]")
    look(officer, "review-wrong", None)
    for row in (requests.show(mine), *forms.values()):
        requests.withdraw(row["id"])
    assert wrong == []
    for visitor in (clerk, approver, officer):
        assert visitor.faults == []
        visitor.context.close()
