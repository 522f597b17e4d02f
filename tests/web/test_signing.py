"""Pages of who signs in a real Chromium: both languages and widths, light and dark, with axe, without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from control_plane.model.text import in_language
from tests.web.printed import lost_on_paper, missing_on_paper, words_of
from tests.web.serving import LOOKED_AT, enter, visit
from tests.web.world import World, make_world

#: Who looks at what.
PAGES = {
    "substitutes": ("operator1", "/console/substitutes"),
    "substitutes-own": ("approver1", "/console/substitutes"),
    "classes": ("security1", "/console/classes"),
    "emergencies": ("security1", "/console/emergencies"),
    "emergency-overview": ("security1", "/console/"),
    "emergency-portal": ("approver1", "/portal/"),
    "review-letter": ("operator1", "/console/requests/{lettered}"),
    "review-emergency": ("operator1", "/console/requests/{waiting}"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("signing"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def references(world: World) -> dict[str, str]:
    """An emergency, a letter, a proposal, two substitutes."""
    for role in ("clerk", "approver", "operator", "security_officer"):
        world.person(role)
    operator = world.client.acting_as("directory:operator1")
    urgent = world.ask("clerk1", "fgw", "urgent")
    shown = operator.requests.show(urgent)
    operator.emergencies.apply(urgent, digest=shown["digest"], reason="城东光缆中断，须立即改道")
    world.store.people.ensure("directory:clerk9", "九", "gaj", "directory:person/clerk9")
    world.client.people.grant("clerk9", "clerk", tenant="gaj", reason="test")
    lettered, today = world.ask("clerk9", "gaj", "lettered"), world.clock().date()
    given = {"number": "公函〔2026〕14号", "date": today.isoformat(), "brought_by": "李娜"}
    digest = world.client.requests.show(lettered)["digest"]
    operator.requests.letter(lettered, digest=digest, **given)
    world.store.people.ensure("directory:clerk8", "八", "jyj", "directory:person/clerk8")
    world.client.people.grant("clerk8", "clerk", tenant="jyj", reason="test")
    waiting = world.ask("clerk8", "jyj", "waiting")
    table = world.client.classes.show()["table"]
    operator.classes.propose({**table, "most_tenants": 25}, reason="机构改革新增三个单位")
    for uid, role in (("helper1", "approver"), ("helper2", "clerk")):
        world.store.people.ensure(f"directory:{uid}", "帮手", "fgw", f"directory:person/{uid}")
        until = (today + timedelta(days=9)).isoformat()
        holder = "approver1" if role == "approver" else "clerk1"
        world.client.substitutes.name(uid, role, tenant="fgw", until=until, reason="年休假", stands_for=holder)
    return {"lettered": lettered, "waiting": waiting}


@pytest.mark.parametrize("variant", LOOKED_AT)
def test_pages_in_both_languages(
    world: World, references: dict[str, str], origin: str, browser: Browser, variant: str
) -> None:
    for person in dict.fromkeys(who for who, _ in PAGES.values()):
        visitor = visit(browser, origin, variant)
        enter(world, visitor, person)
        for name, (who, path) in PAGES.items():
            if who == person:
                visitor.go(path.format(**references))
                for folded in visitor.page.locator("main details > summary").all():
                    folded.click()
                assert visitor.axe() == [], name
                assert visitor.wide() <= 0, name
                visitor.shot(f"signing-{name}-{variant}")
        assert visitor.faults == []
        visitor.context.close()


@pytest.mark.parametrize("variant", LOOKED_AT)
def test_an_approval_is_printed_whole(
    world: World, references: dict[str, str], origin: str, browser: Browser, variant: str
) -> None:
    """Who signs on paper has on it all that is folded on the screen, in black on white, and nothing is cut off."""
    visitor = visit(browser, origin, variant)
    enter(world, visitor, "security1")
    visitor.go(f"/console/requests/{references['waiting']}")
    page = visitor.page
    assert page.locator(".changes details:not([open])").count() > 0, "something is folded"
    assert lost_on_paper(page) == []
    assert missing_on_paper(page) == []
    assert page.locator("time.ago").count() > 0
    words = words_of(page.pdf(format="A4"))
    assert re.search(r"2026-11-\d\d ?\d\d:\d\d:\d\d", words), words
    assert not re.search("刚刚|justnow|分钟前|minago", words), "how long ago means nothing on paper"
    visitor.shot(f"signing-printed-{variant}")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert visitor.faults == []
    visitor.context.close()


def test_a_substitute_is_named_and_ended_by_keyboard_and_without_scripts(
    world: World, references: dict[str, str], origin: str, browser: Browser
) -> None:
    assert references
    world.store.people.ensure("directory:helper3", "帮手三", "gaj", "directory:person/helper3")
    visitor = visit(browser, origin, scripts=False)
    enter(world, visitor, "operator1")
    page = visitor.page
    visitor.go("/console/substitutes")
    page.locator("details summary", has_text="somebody else").press("Enter")
    page.locator("#for-role").select_option("clerk")
    page.fill("#for-tenant", "gaj")
    page.fill("#stands_for", "clerk9")
    page.fill("#for-person", "helper3")
    page.fill("#for-until", (world.clock().date() + timedelta(days=3)).isoformat())
    page.fill("#for-reason", "training")
    page.keyboard.press("Enter")
    page.wait_for_url("**/substitutes?said=named")
    expect(page.get_by_text("The substitute is named")).to_be_visible()
    panel = page.locator("section", has_text="帮手三")
    panel.locator("input[name=reason]").fill("back")
    panel.locator("input[name=reason]").press("Enter")
    page.wait_for_url("**/substitutes?said=ended")
    expect(page.locator("section", has_text="帮手三")).to_have_count(0)
    assert visitor.faults == []
    visitor.context.close()
