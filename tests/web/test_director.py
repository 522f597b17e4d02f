"""The director's page: one sheet of A4 with all departments of the city, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from control_plane.model.text import in_language
from tests.web.serving import VARIANTS, enter, visit
from tests.web.world import CITY, World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("director"), CITY, applied=False)
        for role in ("clerk", "approver", "operator"):
            made.person(role)
        for code in ("fgw", "czj", "gaj", "jyj", "sfj", "wsj", "wjj"):
            if code != "fgw":
                made.client.people.grant("clerk1", "clerk", tenant=code, reason="test")
            made.ask("clerk1", code, "late")
        for code in ("czj", "gaj", "jyj", "sfj", "wsj"):
            made.client.freezes.set(f"tenant:{code}", reason="an audit of files, until the accounts are closed")
        made.clock.advance(30 * 86400)
        yield made
        made.close()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_city_fits_on_one_sheet(world: World, origin: str, browser: Browser, variant: str) -> None:
    visitor = visit(browser, origin, variant)
    enter(world, visitor, "deputy1")
    visitor.go("/console/director")
    assert visitor.axe() == []
    assert visitor.wide() <= 0
    visitor.shot(f"director-{variant}")
    assert visitor.page.locator(".matrix tbody tr").count() == 94
    assert "approver1" in visitor.page.inner_text(".late")
    assert visitor.page.locator(".late li").count() == 6
    assert visitor.page.locator(".needs li").count() == 3
    printed = visitor.page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    assert visitor.faults == []
    visitor.context.close()
