"""Rollouts in a small world: waves, thresholds, machines that are off, freezes, people who interfere, kills."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.errors import Invalid, Rejected
from control_plane.model.machine import MachineState, Pending, Ring
from control_plane.model.ports import ProbeState
from control_plane.model.rollout import ItemState, RolloutEvent, RolloutState
from control_plane.model.text import in_language
from control_plane.store.repository import Store
from control_plane.workflow import rollout_tick
from control_plane.workflow.rollout_carriers import MachineCarrier
from tests.databases import database_url
from tests.unit.workflow.rolling import MADE, Clock, Office, World, machine, retire

MACHINES = [
    machine("p1", Ring.PILOT),
    machine("p2", Ring.PILOT),
    machine("b1", Ring.BROAD),
    machine("b2", Ring.BROAD),
    machine("a1", Ring.ALL),
    machine("s1", Ring.SERVERS),
]
NAMES = [m.name for m in MACHINES]


@pytest.fixture
def world(tmp_path: Path) -> Any:
    clock = Clock()
    store = Store(database_url(tmp_path), clock=clock)
    store.upgrade()
    yield World(store, clock, list(MACHINES))
    store.close()


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def test_it_goes_out_in_rings_and_ends(world: World, office: Office):
    rollout = office.begin()
    done = office.run(rollout)
    assert done["state"] == "done", done["sentence"]
    assert world.touched == NAMES
    assert set(world.has.values()) == {"1.1"}
    assert [ring for ring, _ in world.published] == [Ring.PILOT, Ring.BROAD, Ring.ALL, Ring.SERVERS]
    assert [w["title"] for w in done["waves"]] == ["pilot", "broad", "all", "servers"]
    assert [w["before"] for w in done["waves"]] == ["1.0"] * 4
    numbers = [e["number"] for e in office.rollouts.events(rollout)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_bad_one_stops_in_the_pilot_ring_and_rolls_back(world: World, office: Office):
    world.bad = {"p1": "1.2", "p2": "1.2"}
    rollout = office.begin("1.2")
    stopped = office.run(rollout)
    assert stopped["state"] == "stopped"
    assert world.touched == ["p1"], "the first failure stops before the next host is touched"
    assert world.rings == {Ring.PILOT: "1.2"}, "nobody else may have it"
    assert office.states(rollout) == {"p1": "failed", "p2": "untouched", **dict.fromkeys(NAMES[2:], "untouched")}
    assert "100 %" in stopped["sentence"] or "50 %" in stopped["sentence"]
    office.rollouts.rollback(rollout, reason="broken")
    back = office.run(rollout)
    assert back["state"] == "rolled_back", back["sentence"]
    assert world.has == {"p1": "1.0"}
    assert world.rings == {Ring.PILOT: "1.0"}
    assert set(world.touched) == {"p1"}


def test_a_failure_while_the_gateway_is_down_is_nobodys_and_it_goes_on_by_itself(world: World, office: Office):
    world.cut, world.bad = True, {"p1": "1.1"}
    rollout = office.begin()
    for _ in range(2):
        held = office.run(rollout)
        assert held["state"] == "running"
        assert "Wave 1 of 4 is held up with 2 still open" in held["sentence"]
        assert "No route to gateway." in held["sentence"]
        assert held["counts"] == {"touching": 1, "untouched": 5}, "nothing failed, nothing succeeded"
        assert world.touched == ["p1"], "nobody else is touched, and nobody again"
    world.cut, world.bad = False, {}
    done = office.run(rollout)
    assert done["state"] == "done", done["sentence"]
    assert (done["counts"], set(world.has.values())) == ({"ok": 6}, {"1.1"})
    assert world.touched == ["p1", *NAMES]


@pytest.mark.parametrize("broken", ["failed", "unmeasured"])
def test_a_measurement_while_the_gateway_is_down_judges_nobody(world: World, office: Office, broken: ProbeState):
    world.cut, world.promised = True, {"p1": broken}
    rollout = office.begin(soak="60")
    held = office.run(rollout)
    assert (held["state"], held["counts"]) == ("running", {"installed": 2, "untouched": 4})
    world.cut, world.promised = False, {}
    assert office.run(rollout)["state"] == "soaking"
    assert "is measured once more at 2026-11-24 10:01" in office.rollouts.show(rollout)["sentence"]
    world.clock.advance(61)
    world.cut, world.promised = True, {"p1": broken}
    watched = office.run(rollout)
    assert (watched["state"], watched["counts"]) == ("soaking", {"ok": 2, "untouched": 4})
    assert "waits to be measured once more: The way over the gateway is cut" in watched["sentence"]
    assert set(world.touched) == {"p1", "p2"}
    world.cut, world.promised = False, {}
    for _ in range(4):
        office.run(rollout)
        world.clock.advance(61)
    assert office.run(rollout)["state"] == "done"


def test_a_way_back_while_the_gateway_is_down_goes_on_later(world: World, office: Office):
    world.bad = {"p1": "1.1"}
    rollout = office.begin()
    assert office.run(rollout)["state"] == "stopped"
    world.cut, world.bad = True, {"p1": "1.0"}
    office.rollouts.rollback(rollout, reason="broken")
    held = office.run(rollout)
    assert held["state"] == "rolling_back"
    assert "No route to gateway." in held["sentence"]
    world.cut, world.bad = False, {}
    assert office.run(rollout)["state"] == "rolled_back"
    assert world.has == {"p1": "1.0"}


def test_machines_enrolled_meanwhile_go_with_their_ring_or_catch_up(world: World, office: Office):
    rollout = office.begin(soak="1h")
    office.run(rollout)
    assert office.rollouts.show(rollout)["state"] == "soaking"
    world.bare = {"b9"}
    world.machines += [machine("p9", Ring.PILOT), machine("s9", Ring.SERVERS), machine("b9", Ring.BROAD)]
    office.run(rollout)
    assert (office.states(rollout)["s9"], "s9" in world.touched) == ("untouched", False), "its ring had no turn yet"
    assert "p9" not in office.states(rollout), "its ring is being watched, and is judged without it"
    assert "b9" not in office.states(rollout), "it has no baseline, and would only fail"
    world.clock.advance(3601)
    office.run(rollout)
    assert (office.states(rollout)["p9"], world.has["p9"]) == ("ok", "1.1"), "its ring had its turn: it catches up"
    world.bare = set()
    for _ in range(5):
        world.clock.advance(3601)
        office.run(rollout)
    done = office.rollouts.show(rollout)
    assert (done["state"], done["counts"]) == ("done", {"ok": 9}), done["sentence"]
    assert world.has == dict.fromkeys([*NAMES, "p9", "b9", "s9"], "1.1")
    assert sum(e["type"] == "item.joined" for e in office.rollouts.events(rollout)) == 3


def test_a_machine_enrolled_while_others_catch_up_does_so_too(world: World, office: Office):
    world.off = {"b1"}
    rollout = office.begin()
    assert office.run(rollout)["state"] == "catching_up"
    world.machines += [machine("a9", Ring.ALL), machine("s9", Ring.SERVERS)]
    world.clock.advance(31)
    assert office.run(rollout)["state"] == "catching_up"
    assert [office.states(rollout)[name] for name in ("a9", "s9", "b1")] == ["ok", "ok", "off"]


def test_a_machine_enrolled_after_the_end_goes_back_with_the_others(world: World, office: Office):
    rollout = office.begin()
    assert office.run(rollout)["state"] == "done"
    world.machines.append(machine("p9", Ring.PILOT))
    world.has["p9"] = "1.1"
    office.rollouts.rollback(rollout, reason="broken")
    assert office.run(rollout)["state"] == "rolled_back"
    assert set(world.has.values()) == {"1.0"}


def test_a_machine_in_a_ring_without_a_wave_gets_one_at_its_rings_place(world: World, office: Office):
    world.machines = [m for m in world.machines if m.ring is not Ring.BROAD]
    rollout = office.begin(soak="1h")
    assert [w["title"] for w in office.run(rollout)["waves"]] == ["pilot", "all", "servers"]
    world.bare = {"b9"}
    world.machines.append(machine("b9", Ring.BROAD))
    assert len(office.run(rollout)["waves"]) == 3, "it has no baseline, and would only fail"
    world.bare = set()
    opened = office.run(rollout)
    assert [(w["number"], w["title"], w["names"]) for w in opened["waves"]] == [
        (1, "pilot", ["p1", "p2"]), (2, "broad", ["b9"]), (3, "all", ["a1"]), (4, "servers", ["s1"]),
    ]  # fmt: skip
    assert (opened["wave"], opened["state"], world.rings) == (1, "soaking", {Ring.PILOT: "1.1"}), "its turn is to come"
    assert sum(e["type"] == "wave.opened" for e in office.rollouts.events(rollout)) == 1
    for _ in range(4):
        world.clock.advance(3601)
        office.run(rollout)
    done = office.rollouts.show(rollout)
    assert (done["state"], done["counts"]) == ("done", {"ok": 5}), done["sentence"]
    assert world.touched == ["p1", "p2", "b9", "a1", "s1"]
    assert [w["before"] for w in done["waves"]] == ["1.0"] * 4
    office.rollouts.rollback(rollout, reason="broken")
    assert office.run(rollout)["state"] == "rolled_back"
    assert (set(world.has.values()), set(world.rings.values())) == ({"1.0"}, {"1.0"})


def test_a_ring_whose_place_is_past_comes_next_and_is_judged_as_any_other(world: World, office: Office):
    world.machines = [m for m in world.machines if m.ring is not Ring.PILOT]
    rollout = office.begin(soak="1h")
    office.run(rollout)
    world.machines += [machine("p8", Ring.PILOT), machine("p9", Ring.PILOT)]
    world.bad = {"p8": "1.1"}
    assert [w["title"] for w in office.run(rollout)["waves"]] == ["broad", "pilot", "all", "servers"]
    world.clock.advance(3601)
    stopped = office.run(rollout)
    assert (stopped["state"], stopped["wave"]) == ("stopped", 2), stopped["sentence"]
    assert world.touched == ["b1", "b2", "p8"]


@pytest.mark.parametrize("late", ["b1", ""], ids=["while others catch up", "in the last step"])
def test_a_ring_that_comes_last_is_one_more_wave(world: World, office: Office, late: str):
    world.machines = [m for m in world.machines if m.ring is not Ring.SERVERS]
    world.off = {late}
    rollout, came = office.begin(), machine("s9", Ring.SERVERS)
    if late:
        assert office.run(rollout)["state"] == "catching_up"
        world.machines.append(came)
        world.clock.advance(31)
    else:
        world.before_touch = lambda name: world.machines.append(came) if name == "a1" else None
    end = office.run(rollout)
    assert (end["state"], end["wave"]) == ("catching_up" if late else "done", 4), end["sentence"]
    assert (office.states(rollout)["s9"], world.has["s9"], world.rings[Ring.SERVERS]) == ("ok", "1.1", "1.1")
    assert [w["before"] for w in end["waves"]] == ["1.0"] * 4


@pytest.mark.parametrize("has", ["1.1", "1.2"])
def test_a_ring_that_has_it_or_something_newer_is_left_so(world: World, office: Office, has: str):
    world.machines = [m for m in world.machines if m.ring is not Ring.BROAD]
    rollout = office.begin()
    world.machines.append(machine("b9", Ring.BROAD))
    world.rings = {Ring.BROAD: has}
    done = office.run(rollout)
    assert (done["state"], [w["title"] for w in done["waves"]]) == ("done", ["pilot", "all", "servers"])
    assert (world.rings[Ring.BROAD], "b9" in world.touched) == (has, False)


def test_a_way_back_opens_no_wave(world: World, office: Office):
    world.machines = [m for m in world.machines if m.ring is not Ring.BROAD]
    rollout = office.begin()
    assert office.run(rollout)["state"] == "done"
    world.machines.append(machine("b9", Ring.BROAD))
    office.rollouts.rollback(rollout, reason="broken")
    back = office.run(rollout)
    assert (back["state"], len(back["waves"]), world.rings.get(Ring.BROAD)) == ("rolled_back", 3, None)


def test_of_two_that_went_out_the_later_one_goes_back_first(world: World, office: Office):
    first = office.begin()
    assert office.run(first)["state"] == "done"
    second = office.begin("1.2", soak="1h")
    assert office.run(second)["state"] == "soaking"
    touched = list(world.touched)
    with pytest.raises(Rejected, match=f"Rollout {second} moves the same things now") as moving:
        office.rollouts.rollback(first, reason="x")
    assert f"gasp rollouts rollback {second}" in str(moving.value.hint)
    office.rollouts.abort(second, reason="x")
    with pytest.raises(Rejected, match=f"Rollout {second} went out after {first}"):
        office.rollouts.rollback(first, reason="x")
    assert world.touched == touched
    assert office.rollouts.show(first)["state"] == "done"
    for rollout in (second, first):
        office.rollouts.rollback(rollout, reason="x")
        assert office.run(rollout)["state"] == "rolled_back"
    assert (set(world.has.values()), set(world.rings.values())) == ({"1.0"}, {"1.0"})


def test_a_way_back_that_waits_for_a_machine_may_be_ended_and_begun_again(world: World, office: Office):
    rollout = office.begin()
    assert office.run(rollout)["state"] == "done"
    world.off = {"b1"}
    office.rollouts.rollback(rollout, reason="broken")
    assert office.run(rollout)["state"] == "rolling_back"
    with pytest.raises(Rejected) as second:
        office.begin("1.2")
    assert f"gasp rollouts abort {rollout}" in str(second.value.hint)
    office.rollouts.abort(rollout, reason="it is away for weeks")
    assert (office.run(rollout)["state"], world.has["b1"], world.has["p1"]) == ("aborted", "1.1", "1.0")
    world.off = set()
    office.rollouts.rollback(rollout, reason="it is back")
    assert office.run(rollout)["state"] == "rolled_back"
    assert set(world.has.values()) == {"1.0"}


def test_one_that_was_aborted_before_it_began_is_in_nobodys_way(world: World, office: Office):
    first = office.begin()
    assert office.run(first)["state"] == "done"
    office.rollouts.abort(office.begin("1.2"), reason="x")
    office.rollouts.rollback(first, reason="x")
    assert office.run(first)["state"] == "rolled_back"


def test_a_machine_that_is_off_catches_up_after_the_end(world: World, office: Office):
    world.off = {"b1"}
    rollout = office.begin()
    end = office.run(rollout)
    assert end["state"] == "catching_up"
    assert "1 that were off or not measured are waited for" in end["sentence"]
    assert "b1" not in world.touched
    world.off = set()
    office.ticker.tick()
    assert "b1" not in world.touched, "not at every tick"
    world.clock.advance(rollout_tick.CATCH_UP_SECONDS)
    assert office.run(rollout)["state"] == "done"
    assert world.has["b1"] == "1.1"


def test_a_silent_wave_waits_for_a_person_and_is_done_again(world: World, office: Office):
    world.off = {"p1", "p2"}
    rollout = office.begin()
    waiting = office.run(rollout)
    assert waiting["state"] == "waiting"
    assert world.touched == []
    world.off = set()
    assert office.run(rollout)["state"] == "waiting", "only a person decides"
    office.rollouts.release(rollout, reason="they are on again")
    assert office.run(rollout)["state"] == "done"


def test_an_empty_wave_waits_for_a_person(world: World, office: Office):
    rollout = office.begin()
    world.before_touch = lambda name: [retire(world, n) for n in ("p1", "p2")] and None  # type: ignore[func-returns-value]
    world.off = {"p1", "p2"}
    office.ticker.tick()
    retire(world, "p1")
    retire(world, "p2")
    office.rollouts.release(rollout, reason="again")
    waiting = office.run(rollout)
    assert waiting["state"] == "waiting"
    assert "Nobody is left" in waiting["sentence"]
    office.rollouts.release(rollout, reason="we know", go_on=True)
    assert office.run(rollout)["state"] == "done"
    assert office.states(rollout)["p1"] == "removed"


def test_what_could_not_be_measured_is_no_success_and_is_listed(world: World, office: Office):
    world.blind = {"p2"}
    rollout = office.begin()
    waiting = office.run(rollout)
    assert waiting["state"] == "waiting"
    assert office.states(rollout)["p2"] == "unmeasured"
    assert "1 of 2 machines were measured as good" in waiting["sentence"]


def test_failures_past_the_limit_stop_and_a_person_may_let_it_go_on(world: World, office: Office):
    world.bad = {"b2": "1.1"}
    rollout = office.begin()
    assert office.run(rollout)["state"] == "stopped"
    assert "a1" not in world.touched
    with pytest.raises(Invalid):
        office.rollouts.release(rollout, go_on=True)
    office.rollouts.release(rollout, reason="that one is broken anyway", go_on=True)
    assert office.run(rollout)["state"] == "done"
    assert office.states(rollout)["b2"] == "failed"


def test_the_limit_itself_goes_on(world: World, office: Office):
    world.bad = {"b2": "1.1"}
    rollout = office.begin(errors="50 %", success="50")
    assert office.run(rollout)["state"] == "done"


def test_soak_is_waited_for_and_measured_again(world: World, office: Office):
    rollout = office.begin(soak="1h")
    soaking = office.run(rollout)
    assert (soaking["state"], world.touched) == ("soaking", ["p1", "p2"])
    world.clock.advance(3599)
    assert office.run(rollout)["state"] == "soaking"
    world.has["p1"] = "1.0"  # what it does to a machine after an hour
    world.clock.advance(1)
    assert office.run(rollout)["state"] == "stopped"
    assert world.touched == ["p1", "p2"]


def test_windows(world: World, office: Office):
    world.clock.now = world.clock.now.replace(hour=1)
    rollout = office.begin(windows=True)
    waiting = office.run(rollout)
    assert (waiting["state"], world.touched) == ("running", [])
    assert "opens at 2026-11-24 12:00" in waiting["sentence"]
    world.clock.now = world.clock.now.replace(hour=4)
    assert office.run(rollout)["state"] == "running"
    assert world.touched == ["p1", "p2", "b1", "b2", "a1"], "servers have a window of their own"
    assert "opens at 2026-11-28 20:00" in office.rollouts.show(rollout)["sentence"]


def test_a_freeze_in_the_middle_touches_no_further_host(world: World, office: Office):
    rollout = office.begin()
    frozen: list[int] = []
    told: list[str] = []

    def freeze(name: str) -> None:
        if name == "b1":
            frozen.append(world.store.freezes.set("estate", "flood", office.actor).id)
            told.append(office.rollouts.show(rollout)["sentence"])

    world.before_touch = freeze
    standing = office.run(rollout)
    assert told and "estate is frozen by test (on the machine itself)" in told[0], (
        "also while the step is still under way"
    )
    assert world.touched == ["p1", "p2"]
    assert standing["state"] == "running"
    assert "estate is frozen by test (on the machine itself)" in standing["sentence"]
    world.store.freezes.lift(frozen[0], office.actor, world.store.actors.get("local:li"), False, "dry again")
    world.before_touch = lambda name: None
    assert office.run(rollout)["state"] == "done"


@pytest.mark.parametrize(
    ("scope", "touched"),
    [
        ("tenant:b1", ["p1", "p2", "b2"]),
        ("ring:pilot", []),
        ("ring:all", ["p1", "p2", "b1", "b2"]),
        ("system:patches", []),
        ("system:snapshots", []),
        ("system:dns", NAMES),
    ],
)
def test_scopes_of_a_freeze(world: World, office: Office, scope: str, touched: list[str]):
    world.store.freezes.set(scope, "x", office.actor)
    rollout = office.begin()
    office.run(rollout)
    assert world.touched == touched


def test_pause_in_the_middle_resume_and_abort(world: World, office: Office):
    rollout = office.begin()

    def pause(name: str) -> None:
        if name == "p2" and office.rollouts.show(rollout)["state"] == "running":
            office.rollouts.pause(rollout, reason="look at p1 {first}")

    world.before_touch = pause
    paused = office.run(rollout)
    assert (paused["state"], world.touched) == ("paused", ["p1"])
    assert "look at p1 {first}" in paused["sentence"]
    world.before_touch = lambda name: None
    office.rollouts.resume(rollout)
    assert office.run(rollout)["state"] == "done"
    with pytest.raises(Rejected):
        office.rollouts.abort(rollout, reason="too late")
    second = office.begin("1.2")
    office.rollouts.abort(second, reason="not today")
    assert office.run(second)["state"] == "aborted"
    assert set(world.has.values()) == {"1.1"}


def test_two_of_a_kind_do_not_take_turns(office: Office):
    office.begin()
    with pytest.raises(Rejected, match="same kind"):
        office.begin("1.2")


def test_a_rehearsal_refuses_what_the_act_would_and_moves_nothing(world: World, office: Office):
    first, rehearse = office.begin(), office.rollouts.rehearse
    with pytest.raises(Rejected, match="cannot be done now"):
        rehearse("resume", first)
    with pytest.raises(Invalid):
        rehearse("pause", first, reason=" ")
    for act in ("pause", "abort"):
        before = office.rollouts.show(first), office.rollouts.events(first)
        rehearse(act, first, reason="x")
        assert (office.rollouts.show(first), office.rollouts.events(first)) == before
    assert office.run(first)["state"] == "done"
    for act in ("pause", "release", "abort"):
        with pytest.raises(Rejected, match="cannot be done now"):
            rehearse(act, first, reason="x")
    rehearse("rollback", first, reason="x")
    second = office.begin("1.2")
    with pytest.raises(Rejected, match="mix both"):
        rehearse("rollback", first, reason="x")
    assert office.rollouts.show(second)["state"] == "scheduled"


def test_a_repository_that_does_not_answer_is_waited_for(world: World, office: Office):
    world.unseen = True
    rollout = office.begin()
    assert office.run(rollout)["state"] == "running"
    assert "does not answer" in office.rollouts.show(rollout)["sentence"]
    world.unseen = False
    assert office.run(rollout)["state"] == "done"


def test_open_27_thresholds_that_cannot_be_read_later_stop(world: World, office: Office):  # open-27
    rollout = office.begin()
    world.store.rollouts.note(rollout, thresholds='{"errors": "abc"}')
    assert office.run(rollout)["state"] == "stopped"
    assert world.touched == []


def test_wrong_orders_are_refused_with_everything_that_is_wrong(office: Office):
    with pytest.raises(Invalid) as refused:
        office.rollouts.create(
            kind="patches",
            reason=" ",
            snapshot="1.3",
            thresholds={"errors": "250"},
            ignore_windows="",
            not_before="soon",
        )
    assert {p.field for p in refused.value.problems} == {"reason", "snapshot", "errors", "ignore_windows", "not_before"}
    assert office.rollouts.list() == []


@pytest.mark.parametrize("kind", ["patches", "signatures"])
def test_what_would_narrow_a_rollout_of_machines_is_refused_and_not_ignored(office: Office, kind: str):
    more = {
        "offering": "internet",
        "tier": "S",
        "policy": 0,
        "tenants": ["nope"],
        "groups": [["fgw"]],
        "patch": {"x": 1},
    }
    with pytest.raises(Invalid) as refused:
        office.rollouts.preview(kind=kind, reason="December", snapshot="1.1", replace_lists=True, **more)
    assert {p.field for p in refused.value.problems if p.code == "foreign"} == {*more, "replace_lists"}


def test_a_time_without_an_offset_is_the_centres(office: Office):
    order = {"kind": "patches", "reason": "December", "snapshot": "1.1"}
    for typed in ("2026-12-01T20:00", "2026-12-01 20:00", "2026-12-01T12:00Z"):
        assert office.rollouts.preview(**order, not_before=typed)["not_before"] == "2026-12-01T12:00:00+00:00"


def test_a_time_that_has_gone_by_is_refused_and_today_is_not(office: Office):
    order = {"kind": "patches", "reason": "December", "snapshot": "1.1"}
    for typed in ("2026-11-24T09:59", "2026-11-24T01:59:59Z", "2026-11-23"):
        with pytest.raises(Invalid) as refused:
            office.rollouts.preview(**order, not_before=typed)
        (problem,) = refused.value.problems
        assert (problem.field, problem.remedy is not None) == ("not_before", True)
        assert typed in str(problem.text)
    assert office.rollouts.preview(**order, not_before="2026-11-24")["not_before"] == "2026-11-23T16:00:00+00:00"


def test_what_is_missing_is_named_not_a_dash(office: Office):
    with pytest.raises(Invalid) as refused:
        office.rollouts.preview(kind="patches", reason="December")
    (problem,) = refused.value.problems
    assert (problem.field, problem.remedy is not None) == ("snapshot", True)
    assert "–" not in str(problem.text)


def test_a_roll_back_that_found_nothing_touched_says_so(world: World, office: Office):
    world.off = {one.name for one in world.machines}
    rollout = office.begin()
    assert office.run(rollout)["state"] == "waiting"
    office.rollouts.rollback(rollout, reason="x")
    ended = office.run(rollout)
    assert ended["state"] == "rolled_back"
    assert "nothing had been touched" in ended["sentence"]


def test_a_state_in_a_refusal_is_a_word_of_the_reader(office: Office):
    rollout = office.begin()
    office.run(rollout)
    office.rollouts.rollback(rollout, reason="x")
    office.run(rollout)
    with pytest.raises(Rejected) as refused:
        office.rollouts.rollback(rollout, reason="again")
    with in_language("zh"):
        assert str(refused.value.text) == "分批推送 1 的状态是已回退；现在不能这样做。"


def test_roll_back_of_what_others_changed_since_is_left_to_a_person(world: World, office: Office):
    rollout = office.begin()
    office.run(rollout)
    world.rings[Ring.ALL] = "1.2"
    office.rollouts.rollback(rollout, reason="x")
    waiting = office.run(rollout)
    assert waiting["state"] == "waiting"
    assert world.rings[Ring.ALL] == "1.2"
    world.rings[Ring.ALL] = "1.1"
    office.rollouts.release(rollout, reason="mended")
    assert office.run(rollout)["state"] == "rolled_back"
    assert set(world.has.values()) == {"1.0"}


def test_roll_back_waits_for_a_machine_that_is_off(world: World, office: Office):
    rollout = office.begin()
    office.run(rollout)
    world.off = {"a1"}
    office.rollouts.rollback(rollout, reason="x")
    assert office.run(rollout)["state"] == "rolling_back"
    assert world.has["a1"] == "1.1"
    world.off = set()
    world.clock.advance(rollout_tick.CATCH_UP_SECONDS)
    assert office.run(rollout)["state"] == "rolled_back"
    assert world.has["a1"] == "1.0"


def test_only_one_process_ticks(world: World, office: Office):
    office.begin()
    lease = world.store.leases.acquire(rollout_tick.LEASE, rollout_tick.myself(), lambda holder: True)
    assert lease is not None
    assert office.ticker.tick() == []
    assert world.touched == []


# --- kill -9 at every boundary ---

#: Those that a person's act writes, or that need a fault, are killed elsewhere or never by this process.
FORWARD = [
    RolloutEvent.STARTED, RolloutEvent.PUBLISHING, RolloutEvent.PUBLISHED, RolloutEvent.TOUCHING, RolloutEvent.ITEM,
    RolloutEvent.MEASURED, RolloutEvent.SETTLED, RolloutEvent.JUDGED, RolloutEvent.FINISHED, RolloutEvent.ENDED,
]  # fmt: skip
BACK = [
    RolloutEvent.UNPUBLISHED,
    RolloutEvent.TOUCHING,
    RolloutEvent.RETURNED,
    RolloutEvent.MEASURED,
    RolloutEvent.ENDED,
]


class Told(dict[Any, Any]):
    """A dictionary that tells the parent at once: what is real outlives the process."""

    def __init__(self, content: dict[Any, Any], name: str, out: Any) -> None:
        super().__init__(content)
        self.name, self.out = name, out

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.out.send((self.name, dict(self)))


def child(folder: Path, rollout: int, fault: str, rings: dict[Ring, str | None], has: dict[str, str], out: Any) -> None:
    clock = Clock()
    store = Store(database_url(folder), clock=clock)
    world = World(store, clock, list(MACHINES), Told(rings, "rings", out), Told(has, "has", out))
    Office(world, fault).run(rollout)


@pytest.mark.parametrize(
    ("event", "back"),
    [(e, False) for e in FORWARD] + [(e, True) for e in BACK],
    ids=lambda v: str(getattr(v, "value", v)),
)
def test_killed_at_a_boundary_it_goes_on(world: World, office: Office, tmp_path: Path, event: RolloutEvent, back: bool):
    rollout = office.begin()
    if back:
        office.run(rollout)
        office.rollouts.rollback(rollout, reason="x")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = (tmp_path, rollout, f"kill:{event.value}", dict(world.rings), dict(world.has), theirs)
    process = context.Process(target=child, args=arguments)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    while ours.poll():
        name, value = ours.recv()
        setattr(world, name, value)
    end = office.run(rollout)
    wanted, version = (RolloutState.ROLLED_BACK, "1.0") if back else (RolloutState.DONE, "1.1")
    assert end["state"] == wanted.value, end["sentence"]
    assert set(world.rings.values()) == {version}
    assert set(world.has.values()) == {version}
    assert all(w["before"] == "1.0" for w in end["waves"]), "what was before is never overwritten"
    states = {"returned"} if back else {"ok"}
    assert set(office.states(rollout).values()) == states
    numbers = [e["number"] for e in office.rollouts.events(rollout)]
    assert numbers == list(range(1, len(numbers) + 1))


class Killed(BaseException):
    """What a SIGKILL looks like to those inside: nothing of theirs is done any more."""


def test_a_step_that_kills_its_process_again_and_again_is_given_up(world: World, office: Office):
    def poison(name: str) -> None:
        if name == "b2":
            raise Killed

    world.before_touch = poison
    rollout = office.begin()
    for _ in range(1 + rollout_tick.ATTEMPTS):  # the first one came further before it was killed
        with pytest.raises(Killed):
            office.ticker.tick()
    for _ in range(3):
        office.ticker.tick()
    halted = office.rollouts.show(rollout)
    assert halted["state"] == "waiting"
    assert f"killed {rollout_tick.ATTEMPTS} times at this very step" in halted["sentence"]
    assert [office.states(rollout)[name] for name in NAMES] == ["ok", "ok", "installed", *["untouched"] * 3]
    assert world.touched == ["p1", "p2", "b1"], "nobody is done twice"
    office.rollouts.release(rollout, reason="once more")
    with pytest.raises(Killed):
        office.ticker.tick()
    world.before_touch = lambda name: None
    done = office.run(rollout)
    assert done["state"] == "done", done["sentence"]
    assert world.touched == NAMES


def test_kills_between_which_it_gets_on_are_not_counted_together(world: World, office: Office):
    def kill_each_once(name: str) -> None:
        if name not in seen:
            seen.add(name)
            raise Killed

    seen: set[str] = set()
    world.machines = [machine(f"p{n}", Ring.PILOT) for n in range(rollout_tick.ATTEMPTS + 3)]
    world.before_touch = kill_each_once
    rollout = office.begin()
    for _ in world.machines:
        with pytest.raises(Killed):
            office.ticker.tick()
    assert office.run(rollout)["state"] == "done"


def test_a_way_back_that_kills_its_process_is_given_up_and_goes_on_as_one(world: World, office: Office):
    rollout = office.begin()
    office.run(rollout)

    def poison(name: str) -> None:
        raise Killed

    world.before_touch = poison
    office.rollouts.rollback(rollout, reason="x")
    for _ in range(rollout_tick.ATTEMPTS):
        with pytest.raises(Killed):
            office.ticker.tick()
    assert office.run(rollout)["state"] == "waiting"
    world.before_touch = lambda name: None
    office.rollouts.release(rollout, reason="mended")
    assert office.run(rollout)["state"] == "rolled_back"
    assert set(world.has.values()) == {"1.0"}


PACKAGE = Pending("demo", "1.0", "1.1")
#: What a look at a pilot finds after an installation, and what its wave makes of it.
SEEN: list[tuple[str, dict[str, Any], str]] = [
    ("lists of 19 days", {"lists_at": MADE}, "unmeasured"),
    ("no lists", {"lists_at": None}, "unmeasured"),
    ("the fault of old lists", {"faults": {"lists-stale": "19 days"}}, "unmeasured"),
    ("a lock is held", {"faults": {"dpkg-locked": "1 apt"}}, "unmeasured"),
    ("another machine answers", {"faults": {"not-enrolled-here": "x y"}}, "unmeasured"),
    ("another one, and broken", {"faults": {"dpkg-interrupted": "x", "not-enrolled-here": "x y"}}, "unmeasured"),
    ("locked, and broken", {"faults": {"dpkg-locked": "1 apt", "dpkg-interrupted": "x"}}, "failed"),
    ("a security fix is kept back", {"pending": [replace(PACKAGE, kept_back=True, security=True)]}, "failed"),
    ("one on hold", {"pending": [replace(PACKAGE, held=True)]}, "failed"),
    ("a restart is needed", {"reboot_required": True}, "ok"),
]


@pytest.mark.parametrize(("seen", "state"), [s[1:] for s in SEEN], ids=[s[0] for s in SEEN])
def test_only_what_was_measured_as_patched_is_a_success(world: World, office: Office, seen: dict[str, Any], state: str):
    world.seen = {"p1": seen}
    rollout = office.begin()
    office.run(rollout, ticks=1)
    assert office.states(rollout)["p1"] == state


def test_another_machine_says_nothing_about_signatures(world: World, office: Office):
    look = MachineState("m", MADE, {}, (), None, False, "1.1", MADE, True, {"not-enrolled-here": "x y"})
    repository = office.ticker.carriers["patches"].repository  # type: ignore[attr-defined]
    carrier = MachineCarrier("signatures", list, set, repository, world, world.measure, world.promises)
    assert carrier._found(look, "1.1").state is ItemState.UNMEASURED
    assert carrier._found(replace(look, faults={}), "1.1").state is ItemState.OK


@pytest.mark.parametrize(
    ("found", "ends", "state"), [("failed", "stopped", "failed"), ("unmeasured", "waiting", "unmeasured")]
)
def test_a_wave_is_judged_by_its_tenants_promises_too(
    world: World, office: Office, found: ProbeState, ends: str, state: str
):
    world.promised = {"p1": found}
    rollout = office.begin()
    stands = office.run(rollout)
    assert stands["state"] == ends, stands["sentence"]
    assert (office.states(rollout)["p1"], office.states(rollout)["b1"]) == (state, "untouched")
    assert "The site answers" in next(i["sentence"] for i in stands["items"] if i["name"] == "p1")
    assert world.asked[0] == {"p1", "p2"}, "of all tenants of the wave at once, and of no other"
    world.promised = {}
    office.rollouts.rollback(rollout, reason="their site is down")
    asked = len(world.asked)
    assert office.run(rollout)["state"] == "rolled_back"
    assert len(world.asked) == asked, "the way back needs no promise"
