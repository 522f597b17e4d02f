"""What is looked for in lists is found in words, and in ids made by chance only as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.model.searching import holds

ROW: dict[str, Any] = {
    "id": "t_afgwbcdefgh2",
    "subject": "machine:m_xyfgwzabcde7",
    "digest": "ab" * 16 + "c0de" * 8,
    "code": "gaj",
    "names": ["公安局", "GAJ City"],
    "uid_number": 100234,
    "phone": "053212345678901234",
    "served": True,
    "nothing": None,
}


@pytest.mark.parametrize(
    "text", ["gaj", "GAJ", "公安", "city", "1002", "machine:", "12345678901234", "", "t_afgwbcdefgh2", "m_xyfgwzabcde7"]
)
def test_words_and_whole_ids_are_found(text: str) -> None:
    assert holds(ROW, text)
    assert holds(ROW, ROW["digest"])


@pytest.mark.parametrize(
    "asked", ["gonganju", "GongAn", "gong'an", "gong an ju", "gongan", "anju", "gonganj", "GAJ", "ga"]
)
def test_chinese_words_are_found_by_their_sound(asked: str) -> None:
    assert holds({"names": ["市公安局"]}, asked)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("市发展和改革委员会", "shifazhan"),
        ("市发展和改革委员会", "sfz"),
        ("重庆路银行", "chongqinglu"),
        ("会计处", "kuaiji"),
        ("绿地", "lvdi"),
        ("绿地", "lüdi"),
    ],
)
def test_any_reading_of_a_sign_will_do(text: str, asked: str) -> None:
    assert holds({"name": text}, asked)


@pytest.mark.parametrize("asked", ["g", "gongju", "gj", "gonganx", "gonganjuu", "ng", "ongan", "gongan1", "公a"])
def test_other_sounds_are_not(asked: str) -> None:
    assert not holds({"names": ["市公安局"]}, asked)


@pytest.mark.parametrize("text", ["fgw", "t_", "afgwbc", "c0de", "abab", "true", "none", "gaj\n公", "m_xyfgw"])
def test_a_part_of_chance_is_not(text: str) -> None:
    assert not holds(ROW, text)
