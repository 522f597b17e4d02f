"""The nightly check, small, over real HTTPS: it finds nothing, changes nothing, and finds what is planted; and its page
in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select
from werkzeug.exceptions import Forbidden

from control_plane.model.text import in_language
from control_plane.store.every_table import metadata
from nightly.asking import Asker
from nightly.check import Check
from nightly.roles import BOUND, WHO, tokens
from tests.web.serving import enter, visit
from tests.web.world import World, make_world

OWN, OTHER = "fgw", "gaj"
#: Reads of every shape, what begins something, and what can be rehearsed.
SOME = (
    *("tenant", "hosts", "account", "requests", "request", "freezes"),
    *("set_freeze", "let_leave", "fetch_signatures", "change_request", "ask", "make_group"),
)
#: What a check leaves: its own people with their roles and tokens, and the trail of that.
ITS_OWN = {"actors", "people", "grants", "api_tokens", "audit_entries", "audit_subjects"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("nightly"))
        made.person("clerk")
        made.directory.add("clerk9", OTHER)
        made.store.people.ensure("directory:clerk9", "九", OTHER, "directory:person/clerk9")
        made.client.people.grant("clerk9", "clerk", tenant=OTHER, reason="test")
        made.ask("clerk1", OWN, "nightly")
        made.ask("clerk9", OTHER, "nightly")
        yield made
        made.close()


@pytest.fixture(scope="module")
def authority(tls: Path, origin: str) -> Path:
    return tls / "tls/ca.pem"


def checked(world: World, origin: str, authority: Path, *only: str, seconds: float = 600) -> dict[str, Any]:
    world.clock.advance(61)  # another minute for the limit
    world.services.nightly.begin({"url": origin})
    vault = world.services.sign_in.proofs
    with tokens(world.store, vault, world.client.actor, world.clock, OWN) as values:
        assert set(values) == {*WHO, BOUND}
        askers = {role: Asker(origin, authority, value) for role, value in values.items()}
        found = Check(askers, OWN, OTHER, only or SOME, 1, seconds).run(lambda what: None)
        assert not any(value in str(found) for value in values.values())
    world.services.nightly.end(found)
    for role in WHO:
        person = world.store.people.find(f"account:nightly-{role}")
        assert person is not None
        assert not person.grants
        assert not world.store.tokens.list(person.key, ended=False)
    return found


def rows(world: World) -> dict[str, Any]:
    with world.store.database.read() as connection:
        return {
            name: sorted(map(str, connection.execute(select(table))))
            for name, table in metadata.tables.items()
            if name not in ITS_OWN
        }


def page(world: World, origin: str, browser: Browser, variant: str) -> str:
    visitor = visit(browser, origin, variant)
    enter(world, visitor, "auditor1")
    visitor.go("/console/nightly")
    assert visitor.axe() == []
    assert visitor.wide() <= 0
    visitor.shot(f"nightly-{world.services.nightly.check()[0]}-{variant}")
    said = visitor.page.inner_text("main")
    visitor.context.close()
    return said


def doctor(world: World) -> tuple[str, str]:
    state, said, _ = world.services.nightly.check()
    return state, str(said)


def test_before_the_first_one_the_page_says_so(world: World, origin: str, browser: Browser) -> None:
    assert "has not run yet" in page(world, origin, browser, "en-dark-390")
    assert doctor(world) == ("warning", "The nightly check has not run yet.")


def test_it_finds_nothing_and_changes_nothing(world: World, origin: str, authority: Path, browser: Browser) -> None:
    before = rows(world)
    found = checked(world, origin, authority)
    assert (found["findings"], found["complete"], found["operations"]) == ([], True, len(SOME))
    assert found["cases"] > 4 * 3 * len(SOME)
    assert rows(world) == before
    state, said = doctor(world)
    assert state == "passed"
    assert f"{len(SOME)} operations, {found['cases']} cases" in said
    text = page(world, origin, browser, "zh-dark-390")
    assert "未发现" in text
    assert "fetch_signatures" in text
    world.clock.advance(37 * 3600)
    assert doctor(world)[0] == "warning"
    assert "36 h" in page(world, origin, browser, "en-light-1440")


def test_it_finds_what_is_planted(
    world: World, origin: str, authority: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, lifted: bool = False) -> list[Any]:
        raise RuntimeError("planted")

    def told(call: Any, reference: str) -> Any:
        row = call.client.requests.show(reference)
        if row["tenant"] != OWN:
            raise Forbidden
        return row

    monkeypatch.setattr("control_plane.workflow.freezes.Freezes.list", broken)
    monkeypatch.setattr("control_plane.api.requests.seen", told)
    monkeypatch.setattr("control_plane.api.operation.Call.in_sight", lambda call, found, name="tenant": list(found))
    found = checked(world, origin, authority, "freezes", "request", "accounts", "tenants")
    monkeypatch.undo()
    names = {(row["operation"], row["who"]) for row in found["findings"]}
    assert ("freezes", "operator") in names
    assert ("request", BOUND) in names
    assert ("accounts", "clerk") in names
    freezes = next(row for row in found["findings"] if row["operation"] == "freezes")
    assert freezes["curl"].startswith("curl ")
    assert "$TOKEN" in freezes["curl"]
    assert "/api/v1/freezes" in freezes["curl"]
    assert doctor(world)[0] == "failed"
    text = page(world, origin, browser, "en-light-1440")
    assert "request" in text
    assert "differ" in text


def test_one_that_runs_out_of_time_did_not_finish(world: World, origin: str, authority: Path) -> None:
    found = checked(world, origin, authority, "freezes", "tenants", seconds=0)
    assert not found["complete"]
    assert doctor(world) == ("warning", doctor(world)[1])
    assert "did not finish" in doctor(world)[1]
