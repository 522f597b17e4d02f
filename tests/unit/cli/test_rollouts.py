"""`gasp rollouts`, `gasp freezes` and `gasp worker`: what they ask the client, refuse and show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from control_plane.model.errors import Rejected
from control_plane.model.text import Text, t

from .conftest import Gasp, both
from .fake_client import POLICY
from .fake_rollouts import CHORE, PREVIEW, SHOWN


@both
def test_create_hands_on_what_was_typed(gasp: Gasp, tmp_path: Path) -> None:
    patch = tmp_path / "p.yaml"
    patch.write_text("otherwise: block\nrules: null\n")
    line = f"rollouts create --kind configuration --offering internet --patch {patch} --group fgw --group czj,gaj"
    answer = gasp(*line.split(), "--errors", "5 %", "--soak", "1h", "--reason", "new policy")
    assert answer.code == 0, answer.err
    ((_, order),) = answer.client.called("rollouts.create")
    assert order["patch"] == {"otherwise": "block", "rules": None}
    assert order["groups"] == [["fgw"], ["czj", "gaj"]]
    assert order["thresholds"] == {"errors": "5 %", "soak": "1h"}
    assert not answer.client.called("rollouts.release")


@both
def test_create_and_start_asks_and_releases(gasp: Gasp) -> None:
    line = "rollouts create --kind patches --snapshot p1 --reason x --start"
    assert gasp(*line.split()).code == 4
    answer = gasp(*line.split(), "--yes")
    (((number,), how),) = answer.client.called("rollouts.release")
    assert (number, any(how.values())) == (4, False)


@both
def test_a_dry_run_shows_waves_and_machines(gasp: Gasp) -> None:
    answer = gasp(*["rollouts", "create", "--kind", "patches", "--snapshot", "p1", "--reason", "x", "--dry-run"])
    assert answer.code == 0
    assert "Wave 1, ring 1 pilot: 2 machines: fgw, czj" in answer.out
    assert "good, after 24 h." in answer.out
    assert not answer.client.acted


@both
def test_a_dry_run_says_what_departments_lose_and_what_agrees_to_it(gasp: Gasp) -> None:
    lost = [{"tenant": "fgw", "field": "rules", "items": ["number: 5, action: block", "number: 9, action: allow"]}]
    line = ["rollouts", "create", "--kind", "configuration", "--tier", "M", "--reason", "x", "--dry-run"]
    answer = gasp(*line, **{"rollouts.preview": {**PREVIEW, "replaced": lost}})
    assert "fgw loses of its own in rules: number: 5, action: block; number: 9, action: allow" in answer.out
    assert "refused without --replace-lists" in answer.err
    agreed = gasp(*line, "--replace-lists", **{"rollouts.preview": {**PREVIEW, "replaced": lost}})
    assert "The rollout would be made." in agreed.err
    ((_, order),) = agreed.client.called("rollouts.preview")
    assert order["replace_lists"] is True


@both
def test_a_patch_that_cannot_be_read_is_refused(gasp: Gasp, tmp_path: Path) -> None:
    for content in ("[1, 2", "- a\n", ""):
        (tmp_path / "p.yaml").write_text(content)
        line = f"rollouts create --kind configuration --offering internet --patch {tmp_path / 'p.yaml'} --reason x"
        assert gasp(*line.split()).code == 4


@both
def test_show_names_the_machine_the_fault_and_what_to_do(gasp: Gasp) -> None:
    answer = gasp("rollouts", "show", "4")
    assert "waits for a person to release" in answer.out
    assert "post-installation script returned 1" in answer.out
    assert "gasp rollouts rollback 4 --reason WHY" in answer.out


@both
def test_follow_ends_with_what_it_ended_in(gasp: Gasp) -> None:
    answer = gasp("rollouts", "follow", "4")
    assert answer.code == 1
    assert "rollout.created" in answer.out
    done = gasp("rollouts", "follow", "4", "-o", "json", **{"rollouts.show": {**SHOWN, "state": "done"}})
    assert done.code == 0
    assert json.loads(done.out)["type"] == "rollout.created"


@both
def test_release_on_and_again(gasp: Gasp) -> None:
    answer = gasp(*["rollouts", "release", "4", "--go-on", "--reason", "scrap", "--yes"])
    assert answer.client.called("rollouts.release") == [((4,), {"reason": "scrap", "go_on": True, "confirm": None})]


@both
def test_groups_are_read_with_blanks_between_them(gasp: Gasp, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("ttl: 5\n")
    line = ["rollouts", "create", "--kind", "configuration", "--offering", "toy", "--patch", str(tmp_path / "p.yaml")]
    made = gasp(*line, "--group", "fgw, czj ,", "--group", " gaj", "--reason", "x")
    assert made.client.called("rollouts.create")[0][1]["groups"] == [["fgw", "czj"], ["gaj"]], made.err


@pytest.mark.parametrize("act", ["release", "pause", "resume", "abort", "rollback"])
def test_an_act_that_cannot_be_is_refused_before_anybody_is_asked(gasp: Gasp, act: str) -> None:
    refusal = Rejected(t("Rollout 4 is done; that cannot be done now."))
    reason = [] if act == "resume" else ["--reason", "x"]
    answer = gasp("rollouts", act, "4", *reason, **{"rollouts.rehearse": refusal})
    assert answer.code == 4 and "Rollout 4 is done" in answer.err
    assert not answer.client.called(f"rollouts.{act}")


def test_a_freeze_says_who_why_and_how_it_is_lifted(gasp: Gasp) -> None:
    answer = gasp("freezes", "set", "--reason", "storm warning")
    assert answer.code == 0
    assert "root (on the machine itself)" in answer.out
    assert "gasp freezes lift 3 --second NAME" in answer.out
    assert gasp(*["freezes", "lift", "3", "--reason", "over", "--yes"]).code == 2, "a second person is needed"


def test_a_chore_that_fails_is_an_exit_code(gasp: Gasp) -> None:
    bad = {**CHORE, "state": "failed", "error": "no answer", "failures": 3}
    answer = gasp(
        "worker", "status", **{"worker.status": {"running": False, "pid": None, "signals": None, "chores": [bad]}}
    )
    assert answer.code == 1
    assert "no answer" in answer.out
    assert "gasp worker start" in answer.err


def test_a_revision_that_could_not_begin_is_not_made(gasp: Gasp, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("first: []\n")
    line = ["internet", "policy", "set", str(tmp_path / "p.yaml"), "--reason", "x", "--start", "--yes"]
    refused = gasp(*line)
    assert refused.code != 0
    assert "Revision 3" in refused.err
    assert not refused.client.called("policies.add")
    begun = gasp(*line, **{"policies.list": [{**POLICY, "state": "former"}]})
    assert begun.code == 0, begun.err
    assert begun.client.called("policies.add")
    assert begun.client.called("rollouts.release")


@both
def test_a_rollout_is_shown_in_words_and_a_program_gets_what_it_types(gasp: Gasp) -> None:
    waves = [{**SHOWN["waves"][0], "ring": None, "title": "group 1", "counts": {"ok": 2}}]
    found = {**SHOWN, "kind": "configuration", "counts": {"ok": 2}, "waves": waves}
    found["items"] = [{**SHOWN["items"][0], "state": "ok"}]
    answers = {"rollouts.show": found, "rollouts.list": [found]}
    shown = gasp("rollouts", "show", "4", env={"GASP_LANG": "zh"}, **answers).out
    listed = gasp("rollouts", "list", env={"GASP_LANG": "zh"}, **answers).out
    assert "正常 2" in shown and "正常 2" in listed
    for text in (shown, listed):
        assert "配置" in text
        assert not {"configuration", "ok", "ok=2", "group"} & set(text.split())
    typed = gasp("rollouts", "show", "4", "-o", "json", **answers).json
    assert (typed["kind"], typed["counts"], typed["waves"][0]["title"]) == ("configuration", {"ok": 2}, "group 1")
    preview = {**PREVIEW, "kind": "configuration", "waves": waves}
    line = "rollouts create --kind configuration --tier M --reason x --dry-run"
    assert "Wave 1, group 1: 2 departments" in gasp(*line.split(), **{"rollouts.preview": preview}).out


HOSTS = ("enrol", "retire", "give_up", "transfer")


def test_a_rehearsal_refuses_what_the_act_would_refuse(gasp: Gasp) -> None:
    asked = ("rollouts.rehearse", *(f"machines.preview_{act}" for act in HOSTS))
    for line, words in (
        ("freezes set --scope ring:9 --reason x", "no scope of a freeze"),
        ("hosts enrol fgw --tenant fgw", "too soon"),
        ("hosts retire fgw", "too soon"),
        ("hosts retire fgw --lost --reason stolen", "too soon"),
        ("hosts transfer fgw --tenant czj", "too soon"),
        ("rollouts release 4", "too soon"),
        ("rollouts resume 4", "too soon"),
        *((f"rollouts {act} 4 --reason x", "too soon") for act in ("pause", "abort", "rollback")),
    ):
        answer = gasp(*line.split(), "--dry-run", **dict.fromkeys(asked, Rejected(Text("too soon"))))
        assert (answer.code, answer.out) == (4, ""), answer.err
        assert words in answer.err


@pytest.mark.parametrize("gasp", ["there"], indirect=True)
def test_a_rehearsal_from_elsewhere_refuses_by_what_is_known_there(gasp: Gasp) -> None:
    for line, words in (
        ("freezes lift 99 --second li --reason x", "second person yourself"),
        ("rollouts resume 4", "Rollout 4 is stopped"),
        ("rollouts pause 4 --reason x", "Rollout 4 is stopped"),
    ):
        answer = gasp(*line.split(), "--dry-run")
        assert (answer.code, answer.out) == (4, ""), answer.err
        assert words in answer.err


@both
def test_a_table_of_freezes_has_words_and_a_program_gets_what_it_types(gasp: Gasp) -> None:
    shown = gasp("freezes", "list").out
    assert "department fgw" in shown or "the whole estate" in shown
    assert "local:" not in shown
    (row,) = json.loads(gasp("freezes", "list", "-o", "json").out)["items"]
    assert row["scope"].partition(":")[0] in ("estate", "tenant")
    assert row["by"].startswith("local:")
