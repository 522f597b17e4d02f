"""Chromium on a workstation of the lab, in the workstation's own network and with its resolver and proxy file.

`visit(centre, host, visits)` starts it there and returns what its reader would have seen.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import REPO, Centre

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-component-update", "--disable-background-networking", "--no-first-run",
]  # fmt: skip
SIZES = {"1440": (1440, 900), "390": (390, 844)}


def visit(centre: Centre, host: str, pac_url: str, visits: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Open pages one after the other. Of each: {url, status, error, title, text, scripts, dialogs, foreign}.

    A visit may name a `shot`: a path without suffix, for pictures at two widths, light and dark; and `forms`, filled in
    one after the other: {fill: selector → value, until: pattern of the address that follows}. With forms there is also
    `landed`, the address at the end, and `cookies` as the browser holds them.
    """
    with tempfile.TemporaryDirectory() as folder:
        resolver = Path(folder) / "resolv.conf"
        resolver.write_text(centre.on(host, "cat", "/etc/resolv.conf"))
        request = Path(folder) / "request.json"
        request.write_text(json.dumps({"pac": pac_url, "visits": list(visits)}))
        # `ip netns exec` has a mount namespace of its own: the resolver's file is seen in there only
        script = (
            f"mount --bind {shlex.quote(str(resolver))} /etc/resolv.conf && "
            f"exec {shlex.quote(sys.executable)} -m tests.lab.browser {shlex.quote(str(request))}"
        )
        done = subprocess.run(
            ["ip", "netns", "exec", f"{centre.lab}-{host}", "sh", "-ec", script],
            capture_output=True, timeout=180, cwd=REPO, env={**os.environ, "PYTHONPATH": str(REPO), "HOME": folder},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


def _look(browser: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    from playwright.sync_api import Error

    context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
    page = context.new_page()
    dialogs: list[str] = []
    asked: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    seen: dict[str, Any] = {"url": wanted["url"], "status": None, "error": None}
    try:
        answer = page.goto(wanted["url"], timeout=20000)
        seen["status"] = answer.status if answer else None
        for form in wanted.get("forms", ()):
            for selector, value in form["fill"].items():
                page.fill(selector, value)
            page.keyboard.press("Enter")
            page.wait_for_url(form["until"], timeout=20000)
        seen |= {"landed": page.url, "cookies": context.cookies()}
    except Error as error:
        seen["error"] = error.message.splitlines()[0]
    seen |= {
        "title": page.title(),
        "text": page.inner_text("body") if seen["error"] is None else "",
        "scripts": page.locator("script").count(),
        "dialogs": dialogs,
        "asked": asked,
    }
    context.close()
    if wanted.get("shot"):
        for width, (wide, high) in SIZES.items():
            for scheme in ("light", "dark"):
                _picture(browser, wanted["url"], f"{wanted['shot']}-{width}-{scheme}.png", wide, high, scheme, seen)
    return seen


def _picture(browser: Any, url: str, path: str, wide: int, high: int, scheme: str, seen: dict[str, Any]) -> None:
    context = browser.new_context(viewport={"width": wide, "height": high}, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    page.screenshot(path=path, full_page=True)
    seen.setdefault("overflow", []).append(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
    context.close()


def main(path: str) -> None:
    """In the workstation's network."""
    from playwright.sync_api import sync_playwright

    request = json.loads(Path(path).read_text())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, f"--proxy-pac-url={request['pac']}"]
        )
        print(json.dumps([_look(browser, wanted) for wanted in request["visits"]]))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
