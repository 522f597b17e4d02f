"""Sentences that count, sentences within sentences, and scopes and causes in words."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from control_plane.drivers.directory import DirectoryDriver
from control_plane.drivers.dns import DnsDriver
from control_plane.drivers.gateway import GatewayDriver
from control_plane.drivers.host_files import HostFilesDriver
from control_plane.drivers.machines import MachinesDriver
from control_plane.model.errors import Invalid, Problem, TemporaryError, told_of
from control_plane.model.freeze import Freeze
from control_plane.model.naming import cause_words
from control_plane.model.run import Actor
from control_plane.model.scope import part_words, parts_words, scope_words
from control_plane.model.telling import telling
from control_plane.model.text import Listed, Text, in_language, t, tn, worded

FREEZE = Freeze(1, "tenant:gaj", "audit", Actor("a1", "directory:wang"), datetime(2026, 11, 24, 15, 8, 41, tzinfo=UTC))


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts"), ("1", "1 host"), ("1,001", "1,001 hosts")]
)
def test_one_is_no_plural(count: int | str, said: str) -> None:
    text = tn("{count} host", "{count} hosts", count=count)
    with in_language("en"):
        assert str(text) == said
        assert str(Text.from_json(json.loads(json.dumps(text.as_json())))) == said, "also when it was stored"


def test_a_number_decides_that_is_not_said() -> None:
    with in_language("en"):
        assert str(tn("the only row", "{total} rows", total="1", count=1)) == "the only row"


def test_a_stored_sentence_speaks_every_readers_language_in_all_of_its_parts() -> None:
    with in_language("en"):
        kept = json.loads(json.dumps(t("Run {run} will begin: {why}", run=3, why=FREEZE.text).as_json()))
        assert str(Text.from_json(kept)).endswith("department gaj is frozen by wang since 2026-11-24 23:08: audit")
    with in_language("zh_CN"):
        assert "单位 gaj" in str(Text.from_json(kept))
    several = Listed([t("yes"), "x"])
    again = Text.from_json(json.loads(json.dumps(t("{list}", list=several).as_json())))
    with in_language("zh_CN"):
        assert str(again) == "是, x"


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("estate", "the whole estate"),
        ("tenant:fgw,host:web", "department fgw, host web"),
        ("subscription:fgw/public_site", "service Public website of department fgw"),
        ("subscription:fgw/x", "service x of department fgw"),
        ("ring:pilot", "ring 1 pilot"),
        ("system:patches", "patching"),
        ("a,tenant:b,tenant:c,tenant:d,tenant:e", "a, department b, department c, and 2 more"),
        ("strange:thing", "strange:thing"),
    ],
)
def test_scopes_in_words(scope: str, words: str) -> None:
    with in_language("en"):
        assert str(scope_words(scope, {"public_site": Text("Public website")})) == words


@pytest.mark.parametrize(
    ("part", "words", "chinese"),
    [
        ("dns:qingdao.test", "DNS zone qingdao.test", "DNS 区域 qingdao.test"),
        ("directory:tenants", "the directory", "目录"),
        ("web:intranet", "websites on host intranet", "主机 intranet 上的网站"),
        ("gateway:gateway", "the internet gateway", "互联网网关"),
        ("gateway:second", "internet gateway second", "互联网网关 second"),
        ("security:machines", "protection of machines", "终端防护"),
        ("strange:thing", "strange:thing", "strange:thing"),
    ],
)
def test_what_one_look_covers_in_words(part: str, words: str, chinese: str) -> None:
    said = part_words(part)
    with in_language("en"):
        assert str(said) == words
        assert str(t("Could not measure {parts}.", parts=parts_words([part, part]))).count(words) == 2
    with in_language("zh_CN"):
        assert str(said) == chinese


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("import 3", "import 3"),
        ("undo 482", "undo of run 482"),
        ("restore fgw 2026-11-24T01:30:00Z", "fgw as it was at 2026-11-24 09:30"),
        ("activate 1a2b3c4d fgw.qingdao.test", "publication of 1a2b3c4d on fgw.qingdao.test"),
        ("maintenance off fgw.qingdao.test", "fgw.qingdao.test opened again"),
        ("leavers", "people who left"),
        ("something else", "something else"),
    ],
)
def test_causes_in_words(cause: str, words: str) -> None:
    with in_language("en"):
        assert str(cause_words(cause)) == words


def test_values_are_shown_by_their_words_also_in_a_list() -> None:
    words = {"on": t("yes"), "off": t("no")}
    with in_language("zh_CN"):
        assert worded(["on", "other", "off"], words) == ["是", "other", "否"]
        assert (worded("on", words), worded("on", None), worded(3, words)) == ("是", "on", 3)


@pytest.mark.parametrize("driver", [DnsDriver, DirectoryDriver, HostFilesDriver, GatewayDriver, MachinesDriver])
def test_every_line_of_progress_is_a_sentence(driver: type) -> None:
    for stage in driver.stages:
        with in_language("zh_CN"):
            said = str(telling("part.notice", {"part": "dns:city.test", "stage": stage}, str))
        assert "." not in said.removeprefix("DNS 区域 city.test") and re.search("[一-鿿]{2}$", said), said
    assert telling("part.notice", {"part": "dns:city.test", "stage": "something.new"}, str) is None


def test_what_is_told_of_an_error_names_no_class_unless_it_is_a_fault_of_ours() -> None:
    away = TemporaryError(t("{server} is away.", server="ns1"))
    with in_language("en"):
        assert str(told_of(away)) == "ns1 is away."
        assert str(told_of(Invalid([Problem("x", t("yes"))]))) == "yes"
        assert str(told_of(FileNotFoundError(2, "No such file", "x"))) == "[Errno 2] No such file: 'x'"
        assert str(told_of(ValueError("odd"))) == "Internal fault: ValueError: odd"
