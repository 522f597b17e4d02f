"""My tokens on a page: shown once, ended with one button."""

from __future__ import annotations

import re

from tests.web.world import BASE, World, send


def test_a_value_is_shown_once(world: World) -> None:
    browser = world.enter(world.person("auditor"))
    page = send(browser, "/console/me/tokens", name="backup", scopes="tenants:read", once="z" * 20)
    (value,) = re.findall(r"gasp_[0-9A-Za-z]{38}", page.text)
    again = send(browser, "/console/me/tokens", name="backup", scopes="tenants:read", once="z" * 20)
    assert again.status_code == 422
    assert "made already" in again.text
    listed = browser.get("/console/me/tokens", base_url=BASE).text
    assert value not in again.text + listed
    assert f"…{value[-4:]}" in listed
    number = world.client.tokens.list(person="auditor1")[0]["id"]
    assert send(browser, "/console/me/tokens/end", number=str(number)).status_code == 303
    assert "ended by directory:auditor1" in browser.get("/console/me/tokens?q=backup", base_url=BASE).text


def test_what_is_wrong_stands_at_its_field(world: World) -> None:
    browser = world.enter(world.person("auditor"))
    page = send(browser, "/console/me/tokens", name="")
    assert page.status_code == 422
    assert 'href="#scopes"' in page.text
    assert "A name is missing." in page.text


def test_those_of_others_are_not_there(world: World) -> None:
    browser = world.enter(world.person("auditor"))
    world.person("finance")
    number = world.client.tokens.create(person="finance1", name="x", scopes=["tenants:read"])["id"]
    assert send(browser, "/console/me/tokens/end", number=str(number)).status_code == 404
    assert world.client.tokens.list(person="finance1")[0]["state"] == "valid"
