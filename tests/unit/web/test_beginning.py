"""What is done first stands on the first page, until all of it is done."""

from __future__ import annotations

import re

import pytest

from tests.web.world import BASE, World, send

ROLE, CHANGE = (
    "Give others their roles: nobody signs what they asked for.",
    "Carry out a first change; it can be undone.",
)


def said(world: World, role: str) -> dict[str, str]:
    """Sentence → done or waiting, as this role's first page lists it; empty without a list."""
    browser = world.enter(world.person(role))
    send(browser, "/language", language="en")
    page = browser.get("/console/", base_url=BASE).text
    listed = re.search(r"Begin here: (\d) of (\d) done</summary>(.*?)</details>", page, re.S)
    if listed is None:
        return {}
    found = {text: state for state, text in re.findall(r"(done|waiting)</span> <a [^>]+>([^<]+)</a>", listed[3])}
    assert (int(listed[1]), int(listed[2])) == ([*found.values()].count("done"), len(found))
    return found


def test_it_says_how_each_thing_stands_and_goes_away(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = [{**row, "state": "running"} for row in fresh.client.hosts()]
    monkeypatch.setattr(fresh.client.status_, "host_rows", lambda: hosts)
    assert said(fresh, "operator") == {
        f"{len(hosts)} of {len(hosts)} hosts run.": "done",
        "6 departments are here.": "done",
        "Make real what was wished.": "waiting",
        ROLE: "waiting",
        CHANGE: "waiting",
    }
    assert said(fresh, "auditor") == {}, "who changes nothing begins nothing"
    fresh.client.apply("estate")
    for role in ("security_officer", "deputy_director"):
        fresh.person(role)
    fresh.store.people.ensure("directory:second1", "Second", "fgw")
    fresh.client.people.grant("second1", "operator", reason="test")
    fresh.clock.advance(60)
    assert {text for text, state in said(fresh, "operator").items() if state == "waiting"} == {CHANGE}
    fresh.client.apply("estate")
    hosts[0]["state"] = "stopped"
    assert said(fresh, "operator") == {}
