"""The console of a `World` over real HTTPS, and a real Chromium that sees nothing but it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import make_server

from tests.drivers.slapd import Authority
from tests.web.world import PASSWORD, PEOPLE, World

CHROMIUM = "/usr/bin/chromium"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-component-update", "--disable-background-networking")
AXE = Path(__file__).parent / "vendor" / "axe-core-4.14.0" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: Name → (locale, width, height, theme).
VARIANTS = {
    "zh-light-1440": ("zh-CN", 1440, 900, "light"),
    "en-dark-390": ("en", 390, 844, "dark"),
    "en-light-1440": ("en", 1440, 900, "light"),
    "zh-dark-390": ("zh-CN", 390, 844, "dark"),
}
#: Those in which pages are looked at; `GASP_AXE=all`: in all of them.
LOOKED_AT = [*VARIANTS] if os.environ.get("GASP_AXE") == "all" else [*VARIANTS][:2]


@contextmanager
def served(world: World, folder: Path) -> Iterator[str]:
    """Its address while the block lasts."""
    certificate, key = Authority(folder / "tls").issue("localhost")
    server = make_server("127.0.0.1", 0, world.app, threaded=True, ssl_context=(str(certificate), str(key)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(30)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, "--no-first-run"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """One window and everything that went wrong in it."""

    context: BrowserContext
    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)
    expected: tuple[int, ...] = (404, 403, 422)

    def go(self, address: str) -> None:
        self.page.goto(self.origin + address)

    def reference(self) -> str:
        """The request that the page's address names."""
        return re.findall(r"R-\d{4}-\d{4}", self.page.url)[0]

    def shot(self, name: str) -> None:
        """A picture, where somebody wants pictures."""
        folder = os.environ.get("GASP_SHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{folder}/{name}.png", full_page=True)

    def axe(self) -> list[str]:
        """What axe finds: rule and elements."""
        if not self.page.evaluate("() => !!window.axe"):
            self.page.evaluate(AXE.read_text("utf-8"))  # by the debugger, so that the page's own policy stays
        found: Any = self.page.evaluate("(tags) => axe.run({runOnly: {type: 'tag', values: tags}})", TAGS)
        return [
            f"{v['id']} {v['impact']}: {[n['target'] + [n.get('failureSummary', '')[-160:]] for n in v['nodes'][:3]]}"
            for v in found["violations"]
        ]

    def wide(self) -> int:
        """Pixels that the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def visit(browser: Browser, origin: str, variant: str = "en-light-1440", *, scripts: bool = True) -> Visitor:
    """A fresh window; requests to anywhere else and errors are noted."""
    locale, width, height, theme = VARIANTS[variant]
    context = browser.new_context(
        ignore_https_errors=True,
        locale=locale,
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        java_script_enabled=scripts,
    )
    page = context.new_page()
    visitor = Visitor(context, page, origin)

    def said(message: Any) -> None:
        if message.type == "error" and not any(f"status of {code}" in message.text for code in visitor.expected):
            visitor.faults.append(message.text)

    def asked(request: Any) -> None:
        if not request.url.startswith((origin, "data:")):
            visitor.faults.append(f"asks {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: visitor.faults.append(str(error)))
    page.on("request", asked)
    return visitor


def enter(world: World, visitor: Visitor, login: str) -> None:
    """Sign in as a directory person, by hand."""
    world.person(next(role for role, (uid, _) in PEOPLE.items() if uid == login))
    page = visitor.page
    visitor.go("/sign-in")
    page.fill("#name", login)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/(console|portal)/$|/(code|second-factor)$"))
    if page.url.endswith("/second-factor"):
        world.factors[login] = page.inner_text(".secret code").replace(" ", "")
    if not page.url.endswith(("/console/", "/portal/")):
        page.fill("#code", world.code(login))
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/(console|portal)/$"))
