"""Scans that begin by themselves: a slice at a time, behind what was found, and not in the way of anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from control_plane.model.by_itself import SCAN_PATHS, ByItself
from control_plane.model.machine import Found, Machine, Ring, Scanned, Seen
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.workflow.scans import BATCH, Scans
from tests.unit.workflow.conftest import Centre
from tests.unit.workflow.rolling import Clock

VIRUS = Found("/home/x.com", "Eicar")


@dataclass
class Engines:
    """Each machine has so many `files`; a slice looks into `slice` of them. `bad` machines break off, `off` do not
    answer. `asked`: name and where it went on. `during` lets a test act in the middle."""

    clock: Any
    files: dict[str, int] = field(default_factory=dict)
    slice: int = 100
    bad: set[str] = field(default_factory=set)
    off: set[str] = field(default_factory=set)
    infected: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    during: Any = lambda name: None

    def scan(
        self, machine: Machine, paths: Sequence[str], after: str | None = None, seconds: float | None = None
    ) -> Iterator[Found | Seen | Scanned]:
        assert tuple(paths) == SCAN_PATHS
        assert seconds
        self.asked.append((machine.name, after))
        if machine.name in self.off:
            yield Scanned(machine.id, 0, (), t("No route to host"), silent=True)
            return
        begin, total = int(after or 0), self.files.get(machine.name, 2)
        end = min(total, begin + self.slice)
        for number in range(begin + 1, end + 1):
            if self.infected.get(machine.name) == number:
                yield VIRUS
            if machine.name in self.bad and number == 2:
                yield Scanned(machine.id, 1, (), t("The engine does not answer."))
                return
            yield Seen(number - begin, str(number))
            self.during(machine.name)
        yield Scanned(machine.id, end - begin, (), at=self.clock() if end == total else None)


@dataclass
class World:
    centre: Centre
    clock: Clock
    engines: Engines
    scans: Scans

    def enrol(self, name: str, ring: Ring = Ring.PILOT, host: bool = True) -> Machine:
        return self.centre.store.machines.add(
            self.centre.actor, name, "fgw", ring, host=name, managed=host, source="centre", fingerprint=name
        )


@pytest.fixture
def world(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock()
    clock.advance(2.5 * 3600)  # 12:30, in the window of workstations
    centre.tenant("fgw")
    for part in (centre.store.scans, centre.store.machines):
        monkeypatch.setattr(part, "_clock", clock)
    engines = Engines(clock)
    scans = Scans(centre.store, engines, ByItself(), chinese_calendar, clock)  # type: ignore[arg-type]
    return World(centre, clock, engines, scans)


def test_a_scan_is_done_in_slices_and_counts_only_when_it_is_whole(world: World) -> None:
    machine = world.enrol("fgw")
    world.engines.files["fgw"], world.engines.slice = 5, 2
    world.engines.infected["fgw"] = 3
    assert world.scans.turn() == "fgw goes on"
    record = world.centre.store.scans.get(machine.id)
    assert (record.scanned_at, record.cursor, record.files) == (None, "2", 2)
    assert world.scans.status()["under_way"][0]["files"] == 2
    assert world.scans.turn() == "fgw goes on"
    assert world.scans.turn() == "fgw scanned"
    record = world.centre.store.scans.get(machine.id)
    assert (record.scanned_at, record.began_at, record.files, record.found) == (world.clock(), None, 5, 1)
    assert [after for _, after in world.engines.asked] == [None, "2", "4"]
    (found,) = world.centre.store.machines.findings(only_open=True)
    assert (found.path, found.host) == ("/home/x.com", "fgw")
    assert world.scans.turn() is None, "it is not its turn"
    assert world.scans.status()["state"] == "idle"


def test_what_was_found_is_kept_before_the_scan_is_said_to_be_further(world: World) -> None:
    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        raise Killed

    machine = world.enrol("fgw")
    world.engines.files["fgw"], world.engines.infected["fgw"] = 9, 2
    world.engines.during = kill
    with pytest.raises(Killed):
        world.scans._go_on(machine)
    assert world.centre.store.scans.get(machine.id).cursor == "1"
    assert not world.centre.store.machines.findings()
    world.engines.during = lambda name: None
    assert world.scans.turn() == "fgw scanned"
    assert world.engines.asked[-1] == ("fgw", "1")
    assert len(world.centre.store.machines.findings()) == 1


def test_machines_that_are_off_or_break_off_are_tried_again_and_stop_no_other(world: World) -> None:
    for name in ("aa", "bb", "cc"):
        world.enrol(name)
    world.engines.off, world.engines.bad = {"aa"}, {"bb"}
    assert world.scans.turn() == "aa broke off, bb broke off, cc scanned"
    status = world.scans.status()
    assert (status["state"], status["counts"]["again"], status["counts"]["later"]) == ("again", 2, 1)
    assert "tried again at 2026-11-24 12:40" in status["sentence"]
    assert world.scans.turn() is None
    world.engines.off, world.engines.bad = set(), set()
    world.clock.advance(601)
    assert world.scans.turn() == "aa scanned"
    world.clock.advance(3600)
    assert world.scans.turn() is None, "the window is shut"
    world.clock.advance(5 * 3600)
    assert world.scans.turn() == "bb scanned"
    assert ("bb", "1") in world.engines.asked, "it goes on where it broke off"


def test_a_turn_is_bounded_and_never_scanned_machines_come_first(world: World) -> None:
    for number in range(BATCH + 3):
        world.enrol(f"pc{number:02}")
    world.enrol("list", host=False)
    assert len((world.scans.turn() or "").split(", ")) == BATCH
    assert len((world.scans.turn() or "").split(", ")) == 3
    world.clock.advance(3 * 86400)
    late = world.enrol("zz")
    assert late.name in (world.scans.turn() or "").split(", ")[0]


def test_windows_freezes_and_the_setting_are_kept(world: World) -> None:
    world.enrol("fgw")
    server = world.enrol("server", Ring.SERVERS)
    store, actor = world.centre.store, world.centre.actor
    store.freezes.set("system:scans", "a vote", actor)
    assert world.scans.turn() is None
    status = world.scans.status()
    assert (status["state"], status["counts"]["frozen"], status["counts"]["window"]) == ("frozen", 1, 1)
    assert "a vote" in status["sentence"]
    assert not world.engines.asked
    for freeze in store.freezes.list():
        store.freezes.lift(freeze.id, actor, store.actors.get("local:other"), False, "over")
    world.engines.files["fgw"] = 9
    world.engines.during = lambda name: store.freezes.set("tenant:fgw", "now", actor)
    assert world.scans.turn() == "fgw frozen", "it ends within a moment"
    assert server.name not in [name for name, _ in world.engines.asked]
    world.scans.rules = replace(world.scans.rules, scan_every=None)
    assert world.scans.turn() is None
    assert world.scans.status()["state"] == "off"
