"""My tokens in a real Chromium: with the keyboard alone, shown once, ended."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from control_plane.model.text import in_language
from tests.web.serving import enter, visit
from tests.web.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("tokens"), applied=False)
        made.person("auditor")
        made.client.tokens.create(person="auditor1", name="monthly report", scopes=["tenants:read", "audit:read"])
        yield made
        made.close()


@pytest.mark.parametrize("variant", ["en-light-1440", "zh-dark-390"])
def test_a_token_is_made_shown_once_and_ended(world: World, origin: str, browser: Browser, variant: str) -> None:
    visitor = visit(browser, origin, variant)
    enter(world, visitor, "auditor1")
    page = visitor.page
    visitor.go("/console/me/tokens")
    visitor.shot(f"tokens-{variant}")
    page.focus("#until")
    page.fill("#name", " ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    visitor.shot(f"tokens-wrong-{variant}")
    assert visitor.axe() == []
    page.fill("#name", "backup")
    page.focus("#scope-1")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    value = page.inner_text(".secret code")
    assert re.fullmatch(r"gasp_[0-9A-Za-z]{38}", value)
    visitor.shot(f"tokens-new-{variant}")
    assert visitor.axe() == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    visitor.go("/console/me/tokens")
    assert value not in page.content()
    page.locator("section.panel form button").first.click()
    expect(page.get_by_role("status")).to_be_visible()
    visitor.shot(f"tokens-ended-{variant}")
    assert visitor.faults == []
    visitor.go("/problems/stale-plan")
    assert visitor.axe() == []
    visitor.shot(f"problem-{variant}")
    visitor.go("/problems")
    assert visitor.axe() == []
    visitor.shot(f"problems-{variant}")
    visitor.context.close()
