"""A page of something that is not there: it stays 404, says so, and leads on; nothing of others shows through."""

from __future__ import annotations

import re

import pytest

from tests.web.world import BASE, World, send


@pytest.mark.parametrize(
    ("role", "page", "offered", "withheld"),
    [
        ("operator", "/console/hosts/none", ["/console/hosts", "/console/search?q=none"], []),
        ("operator", "/console/runs/999", ["/console/runs"], ["/console/search?q="]),
        ("operator", "/console/tenants/fgw/services/none", ["/console/tenants/fgw"], []),
        ("operator", "/console/tenants/zzz/services/none", ["/console/tenants"], ["/console/tenants/zzz"]),
        ("operator", "/console/hostz/x", ["/console/search?q=x"], []),
        ("clerk", "/console/hosts/web", ["/console/hosts"], []),
        ("clerk", "/console/tenants/gaj/services/none", ["/console/tenants"], ["/console/tenants/gaj"]),
        ("clerk", "/portal/people/fgw/groups/none", ["/portal/people/fgw/groups"], []),
        ("clerk", "/portal/people/gaj/groups/none", ["/portal/"], ["/portal/people/gaj"]),
        ("clerk", "/portal/requests/R-2026-9999", ["/portal/requests"], []),
    ],
)
def test_what_was_removed_leads_to_the_list_it_would_be_in(
    world: World, role: str, page: str, offered: list[str], withheld: list[str]
) -> None:
    browser = world.enter(world.person(role))
    send(browser, "/language", language="en")
    answer = browser.get(page, base_url=BASE)
    assert answer.status_code == 404
    links = re.findall(r'href="([^"]*)"', answer.text.partition("<main")[2])
    for address in offered:
        assert address in links
        assert browser.get(address, base_url=BASE).status_code == 200
    assert not [address for address in links for start in withheld if address.startswith(start)]
    assert "hostz" in page or "It may have been removed meanwhile" in answer.text


def test_a_thing_that_is_gone_when_its_button_is_pressed_leads_to_the_list(world: World) -> None:
    browser = world.enter(world.person("operator"))
    answer = send(browser, "/console/rollouts/999/pause")
    assert answer.status_code == 404
    assert 'href="/console/rollouts"' in answer.text.partition("<main")[2]
