"""`gasp internet`: what is special about it; forms and help are tested with those of all verbs."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.model.internet_words import label_words
from control_plane.model.text import in_language

from .conftest import Gasp
from .fake_client import ANSWERS, INTERNET

BLOCKED = {**ANSWERS["internet.test"], "reachable": False, "verdict": "blocked"}


def test_an_address_that_cannot_be_reached_is_exit_code_1(gasp: Gasp) -> None:
    answer = gasp("internet", "test", "fgw", "http://www.games.test/", **{"internet.test": BLOCKED})
    assert answer.code == 1
    assert "fgw-10" in answer.out
    assert "与工作无关" in answer.out
    assert "A change of the rule." in answer.out
    assert gasp("internet", "test", "fgw", "http://www.games.test/").code == 0


def test_a_volume_that_was_not_measured_is_not_shown_as_nothing(gasp: Gasp) -> None:
    unknown = {**INTERNET, "state": "unmeasured", "used_octets": None, "used_percent": None}
    answer = gasp("internet", "list", **{"internet.list": [unknown]})
    assert answer.code == 0
    assert "could not be measured" in answer.err
    assert "–" in answer.out


def test_what_a_used_month_means_is_said(gasp: Gasp) -> None:
    shown = gasp("internet", "show", "fgw").out
    assert "80 % of the month's volume was used on 2026-11-20 09:00" in shown
    assert "never cut, until 2026-12-01 00:00" in shown


def test_files_are_written_once(gasp: Gasp, tmp_path: Path) -> None:
    file = tmp_path / "fgw.pdf"
    done = gasp("internet", "sheet", "fgw", "--format", "pdf", "--output", str(file))
    assert done.code == 0, done.err
    assert file.read_bytes() == b"sheet\n"
    assert gasp("internet", "sheet", "fgw", "--format", "pdf", "--output", str(file)).code == 2
    assert gasp("internet", "sheet", "fgw", "--format", "pdf").code == 2
    assert "FindProxyForURL" in gasp("internet", "pac", "fgw").out


FILES = [
    "internet sheet fgw --format pdf --output",
    "audit export --output",
    "attachments fetch 147 12 --output",
    "people export fgw.li --reason x --to",
    "accounts open 12 --yes --to",
    "tenants export --yes",
    "tenants offboard dagj --confirm=dagj --archive",
]


@pytest.mark.parametrize("line", FILES)
def test_a_place_that_cannot_be_written_is_said_with_field_and_remedy_before_anything_is_done(
    gasp: Gasp, tmp_path: Path, line: str
) -> None:
    (tmp_path / "file").touch()
    answer = gasp(*line.split(), str(tmp_path / "file" / "x"))
    assert answer.code == 2
    assert "Errno" not in answer.err
    assert f"{tmp_path}/file is no folder in which you may write" in answer.err
    assert line.split()[-1] in answer.err or "FOLDER" in answer.err
    assert not answer.client.calls


def test_people_read_volumes_rates_and_names_in_their_own_words(gasp: Gasp) -> None:
    name = "xn--fiqs8s.test"
    row = ANSWERS["internet.show"]
    rules = [{**row["rules"][0], "category": None, "hosts": [f".{name}", "b.test"]}]
    shown = gasp("internet", "show", "fgw", **{"internet.show": {**row, "rules": rules}}).out
    assert "200 GiB of 200 GiB" in shown
    assert "octets" not in shown
    assert "kbit" not in shown
    assert f".中国.test (.{name}), b.test" in shown
    tested = {**ANSWERS["internet.test"], "url": f"http://{name}/a"}
    assert (
        f"http://中国.test/a (http://{name}/a)" in gasp("internet", "test", "fgw", "x", **{"internet.test": tested}).out
    )
    refused = [{**ANSWERS["internet.refusals"][0], "host": name}]
    assert f"中国.test ({name})" in gasp("internet", "refused", "fgw", **{"internet.refusals": refused}).out
    assert "中国" not in gasp("internet", "refused", "fgw", "-o", "json", **{"internet.refusals": refused}).out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 2),
        (["--block", ".games.test"], 2),
        (["--off"], 4),
        (["--off", "--dry-run"], 0),
    ],
)
def test_a_change_wants_a_wish_a_reason_and_a_yes(gasp: Gasp, options: list[str], code: int) -> None:
    answer = gasp("internet", "set", "fgw", *options)
    assert answer.code == code
    assert not answer.client.acted


def test_a_wish_is_handed_on_as_it_was_typed(gasp: Gasp) -> None:
    answer = gasp(
        "internet", "set", "fgw", "--block", ".games.test", "--remove", "a.test.test", "--reason", "无关", "--yes"
    )
    (args, _), *_ = answer.client.called("internet.change")
    assert args[0] == "fgw"
    assert (args[1].block, args[1].remove, args[1].reason_zh, args[1].enabled) == (
        (".games.test",), ("a.test.test",), "无关", None,
    )  # fmt: skip


def test_a_dry_run_shows_the_plan_and_the_word_it_would_want(gasp: Gasp) -> None:
    answer = gasp("internet", "set", "fgw", "--off", "--dry-run")
    assert answer.code == 0
    assert "Needs --confirm=7f3a9c1e" in answer.out
    assert "gasp apply" not in answer.out, "this plan is kept nowhere"
    ((tenant, wish), _), *_ = answer.client.called("internet.preview")
    assert (tenant, wish.enabled) == ("fgw", False)
    assert not answer.client.acted
    assert gasp("internet", "set", "fgw", "--off", "--dry-run", "-o", "json").json["changes"]


def test_access_is_shown_in_words_and_a_program_gets_what_it_types(gasp: Gasp) -> None:
    shown = gasp("internet", "show", "fgw", env={"GASP_LANG": "zh"}).out
    assert "周一 周二 周三 周四 周五 08:00–18:00" in shown
    assert not {"on", "block", "MTWHF"} & set(shown.split())
    (rule,) = gasp("internet", "show", "fgw", "-o", "json").json["rules"]
    assert (rule["action"], rule["hours"]["days"]) == ("block", "MTWHF")


def test_a_chinese_reader_is_told_in_chinese(gasp: Gasp) -> None:
    shown = gasp("snapshots", "list", env={"GASP_LANG": "zh_CN"}).out
    assert "patches" not in shown
    assert "补丁" in shown
    hosts = gasp("hosts", "list", "-o", "wide", env={"GASP_LANG": "zh_CN"}).out
    assert "workstation" not in hosts
    assert "core" not in hosts
    assert "integer" not in gasp("rollouts", "show", "four", env={"GASP_LANG": "zh_CN"}).err
    change = {"kind": "gateway.proxy", "label": "fgw: proxy rules"}
    with in_language("zh"):
        assert str(label_words(**change)) == "fgw：代理规则"
        assert str(label_words("dns.rrset", "a.test A")) == "a.test A"
