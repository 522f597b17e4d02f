"""Open case 27 and the other rules of a rollout, as data."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from control_plane.model.errors import Invalid, Rejected
from control_plane.model.rollout import (
    ACTS,
    ItemState,
    RolloutState,
    Thresholds,
    WaveFacts,
    judge,
    read_thresholds,
    refuse_by_state,
    sentence,
)
from control_plane.model.text import Text, in_language

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
AT_ONCE = {"soak": 0}


def facts(settled: datetime | None = NOW, **states: int) -> WaveFacts:
    return WaveFacts({ItemState(name): n for name, n in states.items()}, settled)


@pytest.mark.parametrize("text", ["abc", "", "250", "-1", "5,5", "nan", "1e2", "5 % 5", "100.5", "%", "0x5"])
@pytest.mark.parametrize("name", ["errors", "success", "reached"])
def test_open_27_what_is_no_share_is_refused_when_the_rollout_is_made(name: str, text: str):  # open-27
    with pytest.raises(Invalid) as refused:
        read_thresholds({name: text})
    (problem,) = refused.value.problems
    assert problem.field == name
    assert problem.remedy is not None


def test_all_faults_are_said_at_once():
    with pytest.raises(Invalid) as refused:
        read_thresholds({"errors": "abc", "error_count": "-1", "soak": "soon", "unknown": "5"})
    assert [p.field for p in refused.value.problems] == ["errors", "error_count", "soak", "unknown"]


@pytest.mark.parametrize("text", ["5", "5 %", "5%", " 5 ", "5.0", "５％", "005"])
def test_open_27_five_is_five_per_cent(text: str):  # open-27
    assert read_thresholds({"errors": text}).errors == Decimal(5)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90", 90), ("90 s", 90), ("30m", 1800), ("24h", 86400), ("2d", 172800)]
)
def test_soak_times(text: str, seconds: int):
    assert read_thresholds({"soak": text}).soak == seconds


def test_thresholds_survive_storage():
    made = read_thresholds({"errors": "2.5", "success": "95 %", "error_count": "3", "soak": "1h"})
    assert read_thresholds(made.as_json()) == made


#: name, states of the wave, thresholds, act
WAVES = [
    # hawkBit's comparisons of the open case: more than the limit stops, the limit itself does not
    ("25 % is over 20 %", {"ok": 3, "failed": 1}, {"errors": 20}, "stop"),
    ("5 % is not over 5 %", {"ok": 19, "failed": 1}, {"errors": 5}, "next"),
    ("nobody left", {"removed": 5}, {}, "person"),
    ("nobody answered", {"off": 5}, {}, "person"),
    ("nobody measured", {"unmeasured": 5}, {}, "person"),
    ("an empty wave", {}, {}, "person"),
    # errors are judged before success and before the end of the wave
    ("errors before success", {"ok": 99, "failed": 3}, {"success": 10}, "stop"),
    ("errors before the rest", {"untouched": 9, "failed": 1}, {"errors": 5}, "stop"),
    ("errors before an empty wave", {"failed": 1, "removed": 4}, {}, "stop"),
    ("one of many goes on while it runs", {"untouched": 99, "failed": 1}, {"errors": 5}, "work"),
    ("absolute count stops", {"ok": 996, "failed": 4}, {"errors": 50, "error_count": 3}, "stop"),
    ("absolute count at its limit", {"ok": 997, "failed": 3}, {"errors": 50, "error_count": 3}, "next"),
    ("no error allowed at all", {"ok": 999, "failed": 1}, {"errors": 0}, "stop"),
    ("a count of nought", {"ok": 999, "failed": 1}, {"errors": 50, "error_count": 0}, "stop"),
    # those that did not answer do not thin the errors out
    ("errors of those reached", {"ok": 3, "failed": 1, "off": 96}, {"errors": 20, "reached": 0}, "stop"),
    # success
    ("all good", {"ok": 4}, {}, "next"),
    ("unmeasured is no success", {"ok": 8, "unmeasured": 2}, {}, "person"),
    ("unmeasured within the share", {"ok": 9, "unmeasured": 1}, {}, "next"),
    ("removed is no success", {"ok": 1, "removed": 9}, {}, "next"),
    ("one that is off waits", {"ok": 5, "off": 1}, {}, "next"),
    ("half of them off", {"ok": 3, "off": 3}, {}, "next"),
    ("more than half off", {"ok": 2, "off": 3}, {}, "person"),
    ("still installing", {"ok": 2, "touching": 1}, {}, "work"),
    ("installed, not measured", {"ok": 2, "installed": 1}, {}, "work"),
    ("nobody good, though no share is asked", {"unmeasured": 3}, {"success": 0}, "person"),
]  # fmt: skip


@pytest.mark.parametrize(("states", "limits", "act"), [w[1:] for w in WAVES], ids=[w[0] for w in WAVES])
def test_judge(states: dict[str, int], limits: dict[str, int], act: str):
    thresholds = read_thresholds({**AT_ONCE, **limits})
    verdict = judge(facts(**states), thresholds, NOW, "patches")
    assert verdict.act == act, str(verdict.text)
    assert str(verdict.text)


def test_open_27_going_on_at_the_limit_says_so():  # open-27
    verdict = judge(facts(ok=19, failed=1), read_thresholds({"errors": "5 %", "soak": "0"}), NOW, "patches")
    assert str(verdict.text) == "19 of 20 machines are good; 1 failed: 5 % is not over 5 %."


def test_open_27_a_threshold_that_cannot_be_read_later_stops():  # open-27
    assert judge(facts(ok=4), None, NOW, "patches").act == "stop"


def test_soak():
    thresholds = Thresholds(soak=3600)
    early = judge(facts(ok=4), thresholds, NOW + timedelta(seconds=3599), "patches")
    assert (early.act, early.until) == ("soak", NOW + timedelta(hours=1))
    assert judge(facts(ok=4), thresholds, NOW + timedelta(hours=1), "patches").act == "next"
    assert judge(facts(ok=3, failed=1), thresholds, NOW, "patches").act == "stop"
    assert judge(facts(None, ok=4), thresholds, NOW, "patches").act == "work"


#: How a rollout may stand, and what its sentence must tell: what goes on, what it waits for, until when.
STANDS: list[tuple[RolloutState, dict[str, Any], list[str]]] = [
    (RolloutState.DRAFT, {}, ["Nothing goes on", "waits for a person", "no time set"]),
    (RolloutState.SCHEDULED, {}, ["Nothing goes on", "waits for the worker", "within seconds"]),
    (RolloutState.SCHEDULED, {"until": "20:00"}, ["Nothing goes on", "waits for its time", "20:00"]),
    (RolloutState.SCHEDULED, {"until": "20:00", "past": True}, ["Nothing goes on", "waits for the worker", "seconds"]),
    (RolloutState.RUNNING, {"left": 3}, ["Wave 1 of 4 goes on", "3 still open", "ends when"]),
    (RolloutState.RUNNING, {}, ["Wave 1 of 4 goes on", "is judged", "within seconds"]),
    (RolloutState.RUNNING, {"left": 3, "until": "20:00"}, ["Wave 1 of 4 goes on", "their window", "20:00"]),
    (RolloutState.RUNNING, {"left": 3, "why": "frost"}, ["Wave 1 of 4 is held up", "3 still open", "is over: frost"]),
    (RolloutState.SOAKING, {"until": "20:00", "why": "good"}, ["Wave 1 of 4", "measured once more", "20:00", "good"]),
    (RolloutState.SOAKING, {"until": "20:00", "past": True}, ["was watched until 20:00", "waits to be measured"]),
    (RolloutState.PAUSED, {"wave": 0, "why": "calls"}, ["before its first wave", "waits for a person", "calls"]),
    (RolloutState.PAUSED, {"left": 3, "why": "calls"}, ["wave 1 of 4", "3 still open", "waits for a person", "calls"]),
    (RolloutState.WAITING, {"why": "silence"}, ["Wave 1 of 4 stands still", "for a person", "no time", "silence"]),
    (RolloutState.STOPPED, {"why": "faults"}, ["by itself in wave 1", "waits for a person", "no time", "faults"]),
    (RolloutState.ABORTED, {"until": "20:00", "why": "enough"}, ["Ended by a person", "20:00", "enough"]),
    (RolloutState.ROLLING_BACK, {"left": 3, "why": "faults"}, ["goes back", "ends when the 3 still open", "faults"]),
    (RolloutState.ROLLED_BACK, {"until": "20:00", "why": "faults"}, ["Ended at 20:00", "had before", "faults"]),
    (RolloutState.CATCHING_UP, {"left": 3}, ["All waves are done", "3 that were off", "waited for", "are back"]),
    (RolloutState.DONE, {"until": "20:00"}, ["Ended at 20:00", "all waves are done"]),
]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("state", "facts", "told"), STANDS, ids=[f"{s}-{'-'.join(f)}" for s, f, _ in STANDS])
def test_every_state_tells_what_goes_on_what_it_waits_for_and_until_when(
    state: RolloutState, facts: dict[str, Any], told: list[str], language: str
):
    given = {"wave": 1, "waves": 4, **facts}
    if "why" in given:
        given["why"] = Text(given["why"])
    with in_language(language):
        said = str(sentence(state, **given))
    assert "\n" not in said
    assert "{" not in said
    if language == "en":
        assert all(part in said for part in told), said
    else:
        assert re.search("[\u4e00-\u9fff]", said), said
        for value in map(str, facts.values()):
            assert value in said or not any(value in part for part in told)


def test_no_state_is_without_a_sentence():
    assert {state for state, _, _ in STANDS} == set(RolloutState)


def test_what_people_may_do():
    assert RolloutState.RUNNING in ACTS["pause"]
    assert RolloutState.ROLLING_BACK not in ACTS["pause"]
    assert RolloutState.ROLLING_BACK in ACTS["abort"], "a machine that stays off would hold up every later rollout"
    assert RolloutState.DONE in ACTS["rollback"]
    assert RolloutState.DRAFT not in ACTS["rollback"]


@pytest.mark.parametrize("act", sorted(ACTS))
def test_a_state_that_forbids_an_act_is_said_in_words(act: str):
    for state in set(RolloutState) - ACTS[act]:
        with pytest.raises(Rejected) as refused:
            refuse_by_state(act, 1, state)
        with in_language("zh"):
            assert state.value not in str(refused.value.text), str(refused.value.text)
        assert "_" not in str(refused.value.text)


@pytest.mark.parametrize(("states", "limits", "act"), [w[1:] for w in WAVES], ids=[w[0] for w in WAVES])
def test_a_configuration_goes_to_departments_not_to_machines(states: dict[str, int], limits: dict[str, int], act: str):
    verdict = judge(facts(**states), read_thresholds({**AT_ONCE, **limits}), NOW, "configuration")
    assert verdict.act == act
    assert "machine" not in str(verdict.text)


def test_a_way_back_from_nothing_says_that_nothing_had_been_touched():
    said = str(sentence(RolloutState.ROLLED_BACK, until="20:00", why=Text("no"), touched=False))
    assert "has again" not in said
    assert "nothing had been touched" in said
