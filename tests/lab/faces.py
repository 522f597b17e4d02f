"""What clerks, signers and operators do at the faces of the real centre, in real browsers: come in, ask, sign, look."""

from __future__ import annotations

import re
from pathlib import Path

import pyotp
from playwright.sync_api import expect

from tests.conftest import Centre
from tests.web.serving import Visitor

OWN = "a sentence of my own"
#: Milliseconds until what was signed is live.
LIVE = 120_000


def come_in(visitor: Visitor, name: str, first: str, own: str = OWN) -> None:
    """Sign in with a password that somebody else gave: one of one's own, and a second factor where a role wants one."""
    page = visitor.page
    visitor.go("/sign-in")
    page.fill("#name", name)
    page.fill("#password", first)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in/password")
    for field, value in (("old", first), ("new", own), ("again", own)):
        page.fill(f"#{field}", value)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/second-factor$|/(portal|console)/$"))
    if page.url.endswith("/second-factor"):
        page.fill("#code", pyotp.TOTP(page.inner_text(".secret code").replace(" ", "")).now())
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/")


def hired(centre: Centre, visitor: Visitor, name: str, role: str, tenant: str | None = None) -> Visitor:
    """A new local account with one role, signed in by hand."""
    made = centre.json("users", "add", name, "--yes")
    where = ("--tenant", tenant) if tenant else ()
    centre.run("users", "grant", f"account:{name}", role, *where, "--reason", "a test", "--yes")
    come_in(visitor, name, Path(made["password_file"]).read_text().strip())
    return visitor


def onward(visitor: Visitor, *then: str) -> None:
    """Press the page's main button until these pages came, one after the other."""
    for address in then:
        visitor.page.click("main .acts .btn-primary")
        visitor.page.wait_for_url(address, timeout=60_000)


def begun(clerk: Visitor, code: str, offering: str, action: str, first: str) -> None:
    """From the service's page to the first page of its form."""
    clerk.go(f"/portal/catalogue/{offering}" if action == "new" else f"/portal/services/{code}/{offering}")
    clerk.page.click(f"button[name=action][value={action}]")
    clerk.page.wait_for_url(f"**/form/{first}")


def handed_in(clerk: Visitor, reason: str, tier: str | None = None) -> str:
    """From tier and purpose over the last look to the button; the reference."""
    page = clerk.page
    if page.url.endswith("/form/tier"):
        if tier is not None:
            page.check(f"input[name=tier][value={tier}]")
        onward(clerk, "**/form/reason")
    page.fill("#reason", reason)
    onward(clerk, "**/check")
    clerk.shot("lab-portal-check")
    onward(clerk, "**said=submitted")
    return clerk.reference()


def opened(signer: Visitor, reference: str) -> None:
    """The change itself, from the list of what waits."""
    signer.go("/console/requests")
    signer.page.click(f"main a[href$='/console/requests/{reference}']")
    expect(signer.page.locator(".changes").first).to_be_visible()


def signed(signer: Visitor, reference: str) -> None:
    """Looked at and approved."""
    opened(signer, reference)
    signer.shot("lab-portal-review")
    signer.page.click("button[value^=sign]")
    signer.page.wait_for_url("**said=sign", timeout=60_000)


def live(clerk: Visitor, *references: str) -> None:
    """The page of each follows by itself until all four steps are done."""
    for reference in references:
        clerk.go(f"/portal/requests/{reference}")
        expect(clerk.page.locator(".tracker .good")).to_have_count(4, timeout=LIVE)
        clerk.shot("lab-portal-live")
