"""A department's request in real browsers on the real centre: asked for in the portal, signed in the console by two
people, live for the citizen; its content is uploaded and published; in the end it is taken away again."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Centre
from tests.web.serving import Visitor, chromium, visit

pytestmark = pytest.mark.lab
CODE, NEW = "jyj", "a sentence of my own"
TAG = f"p{uuid.uuid4().hex[:6]}"
SITE = f"{TAG}.{CODE}.qingdao.test"
LIVE = 120_000
Enter = Callable[[str], Visitor]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def enter(centre: Centre, browser: Browser) -> Iterator[Enter]:
    """Somebody with one role, signed in by hand; the same window each time."""
    centre.run("web", "--background")
    centre.run("worker", "start")
    origin, known = centre.json("status")["console_url"].rstrip("/"), dict[str, Visitor]()

    def do(role: str) -> Visitor:
        if role in known:
            return known[role]
        name = f"{TAG}-{role[:3]}"
        made = centre.json("users", "add", name, "--yes")
        where = ("--tenant", CODE) if role in ("clerk", "approver") else ()
        centre.run("users", "grant", f"account:{name}", role, *where, "--reason", "a test", "--yes")
        visitor = visit(browser, origin)
        page, first = visitor.page, Path(made["password_file"]).read_text().strip()
        visitor.go("/sign-in")
        page.fill("#name", name)
        page.fill("#password", first)
        page.keyboard.press("Enter")
        page.wait_for_url("**/sign-in/password")
        for field, value in (("old", first), ("new", NEW), ("again", NEW)):
            page.fill(f"#{field}", value)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/second-factor$|/portal/$"))
        if page.url.endswith("/second-factor"):
            page.fill("#code", pyotp.TOTP(page.inner_text(".secret code").replace(" ", "")).now())
            page.keyboard.press("Enter")
            page.wait_for_url("**/console/")
        known[role] = visitor
        return visitor

    yield do
    for visitor in known.values():
        visitor.context.close()


def onward(visitor: Visitor, then: str) -> None:
    visitor.page.click("main .acts .btn-primary")
    visitor.page.wait_for_url(then, timeout=60_000)


def handed_in(clerk: Visitor, reason: str) -> str:
    """From the list of sites over tier and purpose to the button; the reference."""
    page = clerk.page
    onward(clerk, "**/form/tier")
    onward(clerk, "**/form/reason")
    page.fill("#reason", reason)
    onward(clerk, "**/check")
    clerk.shot("lab-portal-check")
    onward(clerk, "**said=submitted")
    return re.findall(r"R-\d{4}-\d{4}", page.url)[0]


def signed(signer: Visitor, reference: str) -> None:
    signer.go("/console/requests")
    signer.page.click(f"main a[href$='/console/requests/{reference}']")
    expect(signer.page.locator(".changes")).to_be_visible()
    signer.shot("lab-portal-review")
    signer.page.click("button[value^=sign]")
    signer.page.wait_for_url("**said=sign", timeout=60_000)


def live(clerk: Visitor, reference: str) -> None:
    """Its page follows by itself until all four steps are done."""
    clerk.go(f"/portal/requests/{reference}")
    expect(clerk.page.locator(".tracker .good")).to_have_count(4, timeout=LIVE)
    clerk.shot("lab-portal-live")


def begun(clerk: Visitor) -> None:
    clerk.go("/portal/catalogue/public_site")
    clerk.page.click("button[value=change]")
    clerk.page.wait_for_url("**/form/sites")


def test_a_public_site_from_the_form_to_the_citizen(centre: Centre, enter: Enter) -> None:
    clerk = enter("clerk")
    page = clerk.page
    assert centre.fetch("citizen", f"https://{SITE}/") != "200"
    begun(clerk)
    page.click("button[value=add]")
    page.fill("[id='title.zh']", "门户测试")
    page.fill("[id='title.en']", "Trial of the portal")
    onward(clerk, "**-names")
    page.fill("[id='names.main']", f"{TAG}.fgw.qingdao.test")
    page.keyboard.press("Tab")
    expect(page.locator("[id='names.main-problem']")).to_contain_text(f"{CODE}.qingdao.test")
    page.fill("[id='names.main']", SITE)
    onward(clerk, "**-marks")
    onward(clerk, "**/form/sites")
    reference = handed_in(clerk, "for people who read <b>")
    for role in ("approver", "security_officer"):
        signed(enter(role), reference)
    live(clerk, reference)
    assert centre.fetch("citizen", f"https://{SITE}/") == "200"
    row = centre.json("requests", "show", reference)
    assert [(s["role"], s["holds"], s["digest"]) for s in row["signoffs"]] == [
        (role, True, row["digest"]) for role in ("approver", "security_officer")
    ]


def test_content_is_uploaded_and_published(centre: Centre, enter: Enter) -> None:
    clerk = enter("clerk")
    page, packed = clerk.page, io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", f"<h1>{TAG}</h1>")
        archive.writestr("big.txt", uuid.uuid4().hex * 100_000)
    clerk.go(f"/portal/sites/{CODE}/{SITE}")
    page.set_input_files("#archive", {"name": "x.zip", "mimeType": "application/zip", "buffer": packed.getvalue()})
    page.click("button[value=upload]")
    page.wait_for_url("**release=**", timeout=60_000)
    clerk.shot("lab-portal-site")
    page.click("button[value^=publish]")
    page.wait_for_url("**said=agreed", timeout=60_000)
    expect(page.locator(".tracker .good")).to_have_count(4, timeout=LIVE)
    assert f"<h1>{TAG}</h1>" in centre.on("citizen", "curl", "-s", f"https://{SITE}/")


def test_it_is_taken_away_by_a_change(centre: Centre, enter: Enter) -> None:
    clerk = enter("clerk")
    begun(clerk)
    clerk.page.click(f"button[value^=remove]:has-text('{SITE}')")
    expect(clerk.page.get_by_text(SITE)).to_have_count(0)
    reference = handed_in(clerk, "it was a trial")
    needs = [need["role"] for need in centre.json("requests", "show", reference)["needs"]]
    for role in needs:
        signed(enter(role), reference)
    live(clerk, reference)
    assert centre.fetch("citizen", f"https://{SITE}/") != "200"
    assert [f for role in ("clerk", "approver", "security_officer") for f in enter(role).faults] == []
