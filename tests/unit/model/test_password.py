"""What a new password must be: common ones, and those made of names, dates and repeats, are refused."""

from __future__ import annotations

import pytest

from control_plane.model.password import JUDGED, LONGEST, easy, problems

WORDS = ("qingdao", "test", "青岛市信息中心", "fgw", "丁芳辉")


@pytest.mark.parametrize(
    "guessed",
    [
        "password1234", "Password123456", "qwertyuiop12", "123456789012", "iloveyou123456", "aaaaaaaaaaaa",
        "abcabcabcabcabc", "qingdao2026!", "QingDao-2026", "dingfanghui1985", "gasp-gasp-gasp", "青岛市信息中心2026年",
    ],
)  # fmt: skip
def test_what_is_guessed_first_is_refused_with_what_helps(guessed: str) -> None:
    (found,) = problems("the old one", guessed, guessed, "wangwei", (*WORDS, "dingfanghui"))
    assert (found.code, found.field) == ("bad-new", "new")
    assert "easy to guess" in str(found.text) and "several words" in str(found.remedy)


@pytest.mark.parametrize(
    "good",
    [
        "correct horse 电池 staple",
        "我们单位的食堂星期三有鱼",
        "another long sentence",
        "Qd@2026#Gov!x",
        "9fK-x2Lq-77Wd",
    ],
)
def test_any_composition_is_fine(good: str) -> None:
    assert problems("the old one", good, good, "wangwei", WORDS) == []


def test_the_longest_is_judged_by_its_beginning() -> None:
    assert not easy(("correct horse 电池 staple " * 10)[:LONGEST], WORDS)
    assert easy("a" * JUDGED + "correct horse", WORDS), "what nobody would get to does not count"


def test_all_problems_come_at_once() -> None:
    found = problems("", "short", "other", "wang", ())
    assert [problem.field for problem in found] == ["old", "new", "again"]
