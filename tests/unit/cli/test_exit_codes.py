"""0 done · 1 failed · 2 usage · 3 changes · 4 refused · 5 unsafe · 6 temporary · 7 stale · 130 interrupted."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from control_plane.model.errors import (
    CouldNotMeasureError,
    Invalid,
    NotFound,
    PermanentError,
    Problem,
    StalePlan,
    TemporaryError,
    UnsafePlan,
)
from control_plane.model.run import RunState
from control_plane.model.text import t

from .conftest import Gasp, both
from .fake_client import ANSWERS, AT, GUARD, UNSEEN_DRIFT, change, guarded_apply, plan, run

EMPTY = plan()
UNSEEN = plan(unmeasured=[{"part": "dns:qingdao.test", "reason": "SERVFAIL"}])
RUN_CODES = {
    "done": 0,
    "done_with_conflicts": 1,
    "partly": 1,
    "failed": 1,
    "stopped": 1,
    "interrupted": 1,
    "could_not_measure": 6,
    "stale": 7,
}


@both
@pytest.mark.parametrize(
    ("answer", "options", "code"),
    [
        (EMPTY, [], 0),
        (EMPTY, ["--exit-code"], 0),
        (plan(change("create")), [], 0),
        (plan(change("create")), ["--exit-code"], 3),
        (plan(change("conflict")), ["--exit-code"], 3),
        (UNSEEN, [], 6),
        (plan(broken=[{"subscription": "fgw/public_site", "reason": "no host"}]), [], 1),
        (UNSEEN, ["--exit-code"], 6),
    ],
)
def test_plan(gasp: Gasp, answer: dict[str, object], options: list[str], code: int) -> None:
    assert gasp("plan", *options, plan=answer).code == code


@both
@pytest.mark.parametrize(("state", "code"), RUN_CODES.items())
def test_runs_end_with_the_code_of_their_state(gasp: Gasp, state: str, code: int) -> None:
    ended = run(state)
    assert gasp("apply", "estate", "--yes", apply=ended).code == code
    assert gasp("runs", "resume", "482", "--yes", resume_run=ended).code == code
    assert gasp("runs", "follow", "482", run=ended).code == code
    assert gasp("runs", "show", "482", run=ended).code == 0


@pytest.mark.parametrize(("state", "code"), RUN_CODES.items())
def test_so_do_acts_on_sites(gasp: Gasp, state: str, code: int) -> None:
    assert gasp("sites", "activate", "s", "r", "--yes", run=run(state)).code == code


def test_every_final_state_has_a_code() -> None:
    assert {*RUN_CODES, "waiting", "running", "stopping"} == {state.value for state in RunState}


ERRORS = [
    (Invalid([Problem("x", t("bad"))]), 4, "invalid"),
    (NotFound(t("not here")), 4, "not-found"),
    (UnsafePlan(t("destroys")), 5, "unsafe-plan"),
    (TemporaryError(t("busy")), 6, "temporary"),
    (CouldNotMeasureError(t("unseen")), 6, "could-not-measure"),
    (StalePlan(t("moved")), 7, "stale-plan"),
    (PermanentError(t("broken")), 1, "permanent"),
]
FAULTS = [
    (RuntimeError("a fault of ours"), 1, "internal"),
    (PermissionError(13, "no permission", "/etc/x"), 1, "failed"),
    (KeyboardInterrupt(), 130, "interrupted"),
]


@pytest.mark.parametrize(
    ("gasp", "error", "code", "word"),
    [("here", *one) for one in ERRORS + FAULTS] + [("there", *one) for one in ERRORS],
    indirect=["gasp"],
)
def test_errors_for_people_and_for_programs(gasp: Gasp, error: BaseException, code: int, word: str) -> None:
    people = gasp("plan", plan=error)
    assert people.code == code
    assert people.out == ""
    assert people.err.lstrip().startswith("Error:")
    assert "Traceback" not in people.err
    programs = gasp("plan", "-o", "json", plan=error)
    assert (programs.code, programs.out) == (code, "")
    body = json.loads(programs.err)
    assert body["code"] == word
    assert set(body) == {"code", "detail", "hint", "errors"}


def test_debug_shows_where(gasp: Gasp) -> None:
    assert "Traceback" in gasp("plan", "--debug", plan=RuntimeError("x")).err
    assert "Traceback" in gasp("--debug", "plan", plan=RuntimeError("x")).err


@pytest.mark.parametrize(
    "argv",
    [
        ["plan", "--nonsense"],
        ["plan", "one", "two"],
        ["explain"],
        ["runs", "show", "many"],
        ["tenants", "list", "-o", "xml"],
        ["tenants", "list", "--filter", "served"],
        ["tenants", "list", "--sort", "colour"],
        ["tenants", "list", "--fields", "colour"],
        ["tenants", "import", "/no/such/place"],
        ["sites", "maintenance", "s", "perhaps"],
        ["snapshots", "prune"],
        ["hosts", "enrol", "fgw", "--tenant", "fgw", "--ring", "0"],
    ],
)
def test_usage(gasp: Gasp, argv: list[str]) -> None:
    answer = gasp(*argv)
    assert answer.code == 2
    assert answer.out == ""
    assert "Error:" in answer.err
    assert "--help" in answer.err
    assert "\\x" not in answer.err, "a sentence, on one line"
    body = json.loads(gasp(*argv, env={"GASP_OUTPUT": "json"}).err) if "-o" not in argv else {"code": "usage"}
    assert body["code"] == "usage"


def test_output_of_the_environment_must_be_known(gasp: Gasp) -> None:
    assert gasp("status", env={"GASP_OUTPUT": "xml"}).code == 2
    assert gasp("status", env={"GASP_OUTPUT": "json"}).json["estate"] == "qingdao"


def test_all_problems_at_once_with_place_field_and_remedy(gasp: Gasp) -> None:
    problems = [
        Problem("a", t("is unknown"), t("leave it out"), "fgw.yaml", 7, "subscriptions[0].x"),
        Problem("b", t("is missing"), None, "czj.yaml", 1, "code"),
        Problem("c", t("“\x1b[31m” is no name"), None, "sjj.yaml"),
    ]
    answer = gasp("tenants", "import", "/", "--yes", preview_import=Invalid(problems))
    assert answer.code == 4
    for text in ("fgw.yaml:7", "subscriptions[0].x", "leave it out", "czj.yaml:1", "is missing", "sjj.yaml"):
        assert text in answer.err
    assert "\x1b" not in answer.err
    assert not answer.client.acted
    body = json.loads(gasp("tenants", "import", "/", "-o", "json", preview_import=Invalid(problems)).err)
    assert [p["pointer"] for p in body["errors"]] == ["subscriptions[0].x", "code", None]
    assert body["errors"][0]["line"] == 7


@both
class TestConsentToAPlan:
    """The rules of `apply`: a yes, a word, or a refusal that says what to pass."""

    unsafe = plan(change("delete", destroys_data=True), guards=[GUARD])

    def test_a_yes_is_not_enough_for_lost_data(self, gasp: Gasp) -> None:
        answer = gasp("apply", "7f3a9c1e", "--yes", get_plan=self.unsafe, apply=guarded_apply)
        assert answer.code == 5
        assert "--confirm=dagj" in answer.err

    def test_the_word_is_a_yes(self, gasp: Gasp) -> None:
        answer = gasp("apply", "7f3a9c1e", "--confirm=dagj", get_plan=self.unsafe, apply=guarded_apply)
        assert answer.code == 0

    def test_a_wrong_word_is_refused(self, gasp: Gasp) -> None:
        answer = gasp("apply", "7f3a9c1e", "--confirm=fgw", get_plan=self.unsafe, apply=guarded_apply)
        assert answer.code == 5

    def test_nobody_there(self, gasp: Gasp) -> None:
        answer = gasp("apply", "7f3a9c1e", get_plan=self.unsafe)
        assert answer.code == 4
        assert "--confirm=dagj" in answer.err
        assert not answer.client.acted

    def test_typed_at_a_terminal(self, gasp: Gasp) -> None:
        answer = gasp("apply", "7f3a9c1e", tty=True, typed="dagj\n", get_plan=self.unsafe, apply=guarded_apply)
        assert answer.code == 0
        assert "destroys data" in answer.err
        assert "destroys data" not in answer.out

    @pytest.mark.parametrize("typed", ["y\n", "yes\n", "\n"])
    def test_typed_wrongly(self, gasp: Gasp, typed: str) -> None:
        answer = gasp("apply", "7f3a9c1e", tty=True, typed=typed, get_plan=self.unsafe)
        assert answer.code == 5
        assert not answer.client.acted

    def test_plain_yes_at_a_terminal_applies_exactly_the_plan_shown(self, gasp: Gasp) -> None:
        answer = gasp("apply", "tenant:dagj", tty=True, typed="y\n")
        assert answer.code == 0
        ((target,), options) = answer.client.called("apply")[0]
        assert target.startswith("7f3a9c1e")
        assert options["confirm"] is None

    @pytest.mark.parametrize("typed", ["n\n", "\n"])
    def test_no_at_a_terminal(self, gasp: Gasp, typed: str) -> None:
        answer = gasp("apply", "tenant:dagj", tty=True, typed=typed)
        assert answer.code == 4
        assert not answer.client.acted

    def test_terminal_that_closes(self, gasp: Gasp) -> None:
        answer = gasp("apply", "tenant:dagj", tty=True, typed="")
        assert answer.code == 130
        assert not answer.client.acted

    def test_nothing_to_do_asks_nobody(self, gasp: Gasp) -> None:
        assert gasp("apply", "estate", plan=EMPTY).code == 0

    def test_older_wishes_are_asked_about_even_if_nothing_real_changes(self, gasp: Gasp) -> None:
        undo = plan(restores=[{"subscription": "dagj/x", "from_generation": 2, "to_generation": 1}])
        assert gasp("apply", "7f3a9c1e", get_plan=undo).code == 4

    def test_waiting_for_another_run(self, gasp: Gasp) -> None:
        waits = [
            gasp("apply", "estate", "--yes", *options).client.called("apply")[0][1]["wait"]
            for options in ([], ["--timeout", "5"], ["--no-wait"])
        ]
        assert waits == [600.0, 5.0, 0.0]


def test_a_machine_is_given_up_with_a_reason_only(gasp: Gasp) -> None:
    for words in (["--lost"], ["--lost", "--reason", " "], ["--reason", "stolen"]):
        answer = gasp("hosts", "retire", "fgw", *words, "--yes")
        assert answer.code == 4 and not answer.client.acted
    answer = gasp("hosts", "retire", "fgw", "--lost", "--reason", "stolen", "--yes")
    assert answer.code == 0 and "machine:m_3k7/baseline" in answer.out


def test_offboard_wants_the_code_typed(gasp: Gasp, tmp_path: object) -> None:
    place = f"{tmp_path}/a.tar.gz"
    base = ("tenants", "offboard", "dagj", "--archive", place)
    assert gasp(*base, "--yes").code == 5
    assert gasp(*base, "--confirm=fgw").code == 5
    assert gasp(*base).code == 4
    assert gasp(*base, tty=True, typed="dagj\n").code == 0


def test_probes_and_doctor_say_what_is_wrong_by_their_code(gasp: Gasp) -> None:
    def result(state: str) -> dict[str, object]:
        return {"id": "x", "state": state, "tenant": "fgw", "at": None, "seconds": None, "detail": ""}

    assert gasp("probes", "run", run_probes=[result("passed")]).code == 0
    assert gasp("probes", "run", run_probes=[result("passed"), result("unmeasured")]).code == 6
    assert gasp("probes", "run", run_probes=[result("unmeasured"), result("failed")]).code == 1
    assert gasp("doctor").code == 0
    assert gasp("doctor", doctor=[{"check": "x", "state": "failed", "detail": "", "remedy": None}]).code == 1


@pytest.mark.parametrize(("measured", "silent", "code"), [(2, 0, 0), (1, 1, 6), (0, 2, 6), (0, 0, 0)])
def test_machines_that_were_not_measured_are_seen_in_the_code(
    gasp: Gasp, measured: int, silent: int, code: int
) -> None:
    answer = {**ANSWERS["machines.measure"], "measured": measured, "silent": silent}
    for form in ([], ["-o", "json"], ["-o", "name"]):
        listed = gasp("hosts", "measure", *form, **{"machines.measure": answer})
        assert listed.code == code
        assert "fgw" in listed.out, "what was seen is shown all the same"


def test_what_was_not_seen_is_not_called_nothing(gasp: Gasp, tmp_path: object) -> None:
    listed = gasp("drift", "list", drift=[UNSEEN_DRIFT])
    assert listed.code == 6
    assert "Could not measure DNS zone qingdao.test: SERVFAIL" in listed.out
    assert "No hand-made changes" not in listed.out + listed.err
    assert gasp("drift", "list", "-o", "json", drift=[UNSEEN_DRIFT]).code == 6
    preview = {"code": "dagj", "plan": UNSEEN, "subscriptions": ["x"], "people": 0, "sites": 0, "releases": 0}
    preview["retiring_seconds"] = 0
    for options in (["--dry-run"], ["--confirm=dagj", "--archive", f"{tmp_path}/a"]):
        answer = gasp("tenants", "offboard", "dagj", *options, preview_offboard=preview)
        assert answer.code == 6
        assert "0 people" not in answer.out + answer.err
        assert not answer.client.acted


@both
def test_follow_gives_up_in_time(gasp: Gasp) -> None:
    answer = gasp("runs", "follow", "482", "--timeout", "0", run=run("running"))
    assert answer.code == 6
    assert "gasp runs follow 482" in answer.err


@both
def test_what_is_followed_has_the_times_of_the_run(gasp: Gasp) -> None:
    began = (datetime.fromisoformat(AT) - timedelta(seconds=75)).isoformat()
    assert "01:15" in gasp("runs", "follow", "482", run=run(started_at=began)).err


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({"changed": 1}, 0),
        ({"already": 1, "unreachable": 3}, 0),
        ({"changed": 3, "failed": 1}, 1),
        ({"changed": 3, "untouched": 1}, 1),
        ({"unreachable": 2}, 1),
        ({}, 0),
    ],
)
def test_a_refresh_that_reached_nobody_is_no_success(gasp: Gasp, counts: dict[str, int], code: int) -> None:
    machines = [
        {"machine": f"{state}{n}", "tenant": "fgw", "state": state, "text": ""}
        for state, count in counts.items()
        for n in range(count)
    ]
    states = dict.fromkeys(("changed", "already", "failed", "unreachable", "untouched"), 0)
    told = {**states, **counts, "machines": machines}
    assert gasp("security", "refresh", "--yes", **{"machines.refresh_signatures": told}).code == code
