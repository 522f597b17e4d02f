"""Internet access, machines, security, snapshots, rollouts, freezes, the worker: with content, empty, not measured."""

from __future__ import annotations

import json

import pytest

from control_plane.model.client_internet import Wish
from control_plane.model.errors import CouldNotMeasureError
from control_plane.model.text import t
from control_plane.workflow.process import boot_id, myself, process_alive
from control_plane.workflow.signals import Signals
from tests.web.world import BASE, World, send


def get(world: World, address: str, role: str = "operator", status: int = 200) -> str:
    browser = world.enter(world.person(role))
    send(browser, "/language", language="en")
    answer = browser.get(address, base_url=BASE)
    assert answer.status_code == status, answer.text
    return answer.text


def test_nothing_yet(fresh: World) -> None:
    assert "There are no rollouts yet" in get(fresh, "/console/rollouts")
    assert "Nothing is frozen" in get(fresh, "/console/freezes")
    assert "Nothing is found that is not settled." in get(fresh, "/console/security")
    assert "It is not enrolled: nobody measures it." in get(fresh, "/console/hosts/fgw")
    overview = get(fresh, "/console/")
    assert "No chore was done yet" in overview
    assert "The worker does not run: nothing goes on by itself." in overview
    for page in ("rollouts/9", "hosts/none", "internet/none"):
        get(fresh, f"/console/{page}", status=404)
    assert "This tenant has no internet access." in get(fresh, "/console/internet/shinan")


def test_machines_with_what_the_last_look_found(world: World) -> None:
    text = get(world, "/console/hosts")
    assert "1 machine did not answer at its last look" in text
    for said in ("lacks patches", "silent", "old signatures", "disk full", "1 pilot", "not enrolled"):
        assert said in text, said
    assert "<td" in get(world, "/console/hosts?f.patches=machine-pending&f.faults=disk-full")
    assert "None of" in get(world, "/console/hosts?f.patches=machine-pending&f.antivirus=machine-silent")


def test_one_machine(world: World) -> None:
    text = get(world, "/console/hosts/czj")
    for said in (
        "The disk is full",
        "What helps: gasp hosts mend czj",
        "gasp-demo",
        "critical",
        "on hold",
        "Eicar-Test",
    ):
        assert said in text, said
    good = get(world, "/console/hosts/fgw")
    assert "Nothing: it has all that its ring may have." in good
    silent = get(world, "/console/hosts/gaj")
    assert "The last look did not succeed: No route to host" in silent
    assert "What helps: Switch the machine on" in silent
    assert "What it lacks is not known." in silent
    assert "Nothing: it has all" not in silent
    assert "one of the centre&#39;s own hosts" in get(world, "/console/hosts/web")
    clerk = get(world, "/console/hosts/fgw", "clerk")
    assert "gasp " not in clerk, "commands are for the centre"


def test_three_numbers_that_are_never_added_up(world: World) -> None:
    text = get(world, "/console/security")
    assert "never added up" in text
    assert "Eicar-Test" in text
    row = text.split(">gaj</a>" if ">gaj</a>" in text else "gaj</code>")[1].split("</tr>")[0]
    assert row.count(">0<") >= 3
    assert "0 of 1 patched, 1 unknown" in row


def test_internet_access_and_what_could_not_be_measured(world: World) -> None:
    text = get(world, "/console/internet")
    assert "The volume of some tenants could not be measured; it is not 0." in text
    assert "throttled" in text
    assert "42.0 GB" in text
    world.client.internet.change("fgw", Wish(block=["games.example.test"], reason_zh="测试", reason_en="a test"))
    one = get(world, "/console/internet/fgw")
    for said in ("games.example.test", "a test", "the tenant&#39;s", "always", "blocked"):
        assert said in one, said
    assert "What comes next" not in one and "never cut" not in one
    full = get(world, "/console/internet/czj")
    for said in ("used up on 2026-11-21 16:30", "slowed to 1 Mbit/s, never cut, until 2026-12-01 00:00"):
        assert said in full, said
    world.rooms.gateway.away = True
    try:
        world.clock.advance(31)
        assert "could not measure" in get(world, "/console/internet")
        one = get(world, "/console/internet/fgw")
        assert "The volume could not be measured; it is not 0." in one
        assert "42.0 GB" not in one
    finally:
        world.rooms.gateway.away = False
        world.clock.advance(31)


def test_a_look_is_shown_again_for_half_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.clock.advance(31)
    browser = world.enter(world.person("operator"))
    looks: list[int] = []
    usual = type(world.rooms.gateway).__call__
    monkeypatch.setattr(type(world.rooms.gateway), "__call__", lambda self: looks.append(1) or usual(self))
    for _ in range(3):
        assert browser.get("/console/internet", base_url=BASE).status_code == 200
    assert len(looks) == 1
    world.clock.advance(31)
    browser.get("/console/internet", base_url=BASE)
    assert len(looks) == 2


def test_snapshots_and_a_repository_that_does_not_answer(world: World) -> None:
    text = get(world, "/console/snapshots")
    assert "p20261124-020000" in text
    assert "2.0 MB" in text
    world.rooms.repository.away = CouldNotMeasureError(t("No route to host"), t("See gasp lab status."))
    try:
        world.clock.advance(31)
        text = get(world, "/console/snapshots")
        assert "Could not measure the repository host: No route to host" in text
        assert "See gasp lab status." in text
        assert "There are no snapshots" not in text
    finally:
        world.rooms.repository.away = None


def test_a_rollout_with_its_sentence_waves_and_machines(world: World) -> None:
    assert "Stopped by itself in wave 2 of 3" in get(world, "/console/rollouts")
    text = get(world, "/console/rollouts/1")
    for said in (
        "Stopped by itself",
        "November&#39;s patches",
        "does not answer",
        "no space left",
        "1 pilot",
        "2 broad",
    ):
        assert said in text, said
    assert "It does not wait for maintenance windows: test" in text
    assert "data-live" not in text
    filtered = get(world, "/console/rollouts/1?f.state=failed")
    assert "no space left" in filtered
    assert "It was not touched yet." not in filtered
    assert "Nothing goes on yet; it waits for a person to release it, with no time set." in get(
        world, "/console/rollouts/2"
    )


def test_freezes_in_force_and_lifted(world: World) -> None:
    text = get(world, "/console/freezes")
    assert "the annual accounts are being closed" in text
    assert "Nothing is frozen" not in text
    assert "the audit is over" in text
    assert "in force" not in get(world, "/console/freezes?f.state=lifted").split("<tbody>")[1]


def test_the_overview_says_what_waits_and_what_goes_on_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = get(world, "/console/")
    assert "Rollout 1: Stopped by itself" in text
    assert "1 finding on machines is not settled." in text
    assert "freeze is in force." in text
    me = myself()
    file = world.folder / "worker.json"
    file.write_text(json.dumps({"pid": me.pid, "start": me.start_time, "boot": boot_id()}))
    try:
        world.store.chores.begin("record", 60, myself(), process_alive)
        world.store.chores.end("record", t("no answer"))
        text = get(world, "/console/")
        assert "The worker does not run" not in text
        assert "Chores that fail or are late: record." in text
        assert "collecting the access record: no answer" in text
        assert "No signal wakes the worker" not in text
        away = Signals(world.folder / "signals", "redis://127.0.0.1:1/0")
        monkeypatch.setattr(world.client.worker, "signals", away.check)
        assert "No signal wakes the worker" in get(world, "/console/")
    finally:
        file.unlink()


def test_a_tenants_page_leads_to_its_machines_and_access(world: World) -> None:
    text = get(world, "/console/tenants/fgw", "clerk")
    assert 'href="/console/hosts/fgw"' in text
    assert 'href="/console/internet/fgw"' in text
    assert "/console/internet/" not in get(world, "/console/tenants/shinan")
