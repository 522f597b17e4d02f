"""Guides per role say what stands on the screen: their bold words are words of the product in their language, their
pictures are there, every role has one, and both languages say the same.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from control_plane.model.people import ROLES
from control_plane.model.text import in_language

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs/guides"
CATALOGUE = ROOT / "control_plane/locale/zh_CN/LC_MESSAGES/gasp.po"
LANGUAGES = {"en": "en", "zh": "zh_CN"}
FILES = [f"{language}/{path.name}" for language in LANGUAGES for path in sorted((GUIDES / language).glob("*.md"))]
NAMES = sorted({name.partition("/")[2] for name in FILES})
#: Rooms whose sentences stand on pages.
PAGES = ("control_plane/web/", "control_plane/model/", "control_plane/offerings/", "control_plane/workflow/")

_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_PICTURE = re.compile(r"!\[[^\]]+\]\(\.\./pictures/([\w-]+\.png)\)")
_HEADING = re.compile(r"^(#+) ", re.MULTILINE)
_VALUE = re.compile(r"\{\w+\}")


def text(name: str) -> str:
    return (GUIDES / name).read_text("utf-8")


@cache
def words(language: str) -> tuple[frozenset[str], re.Pattern[str]]:
    """Sentences of pages in a language: those without values, and one pattern for those that hold some."""
    plain, shaped = set(), set()
    with CATALOGUE.open("rb") as file:
        for message in read_po(file, locale="zh_CN"):
            if not any(place.startswith(PAGES) for place, _ in message.locations):
                continue
            said = message.id if language == "en" else message.string
            for one in (said,) if isinstance(said, str) else said or ():
                if not _VALUE.search(one):
                    plain.add(one)
                elif len(re.findall(r"[^\W\d_]", _VALUE.sub("", one))) >= (8 if one.startswith("{") else 1):
                    shaped.add(".{1,40}".join(re.escape(part) for part in _VALUE.split(one)))
    return frozenset(plain), re.compile("|".join(sorted(shaped)))


def stands_on_a_page(language: str, said: str) -> bool:
    plain, shaped = words(language)
    return said in plain or shaped.fullmatch(said) is not None


def test_a_word_that_is_not_on_a_page_is_found() -> None:
    assert stands_on_a_page("en", "Hand it in")
    assert stands_on_a_page("en", "Take R-2026-0147 back")
    assert stands_on_a_page("zh", "批准（运维人员）")
    assert not stands_on_a_page("en", "Hand it over")
    assert not stands_on_a_page("zh", "Hand it in")


@pytest.mark.parametrize("name", FILES)
def test_bold_words_stand_on_the_screen(name: str) -> None:
    said = _BOLD.findall(text(name))
    assert len(set(said)) >= 15
    assert [one for one in said if not stands_on_a_page(name[:2], one)] == []


@pytest.mark.parametrize("name", FILES)
def test_a_guide_is_short_and_has_pictures(name: str) -> None:
    assert 40 <= len(text(name).splitlines()) <= 90
    assert 2 <= len(_PICTURE.findall(text(name))) <= 4


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_say_the_same(name: str) -> None:
    english, chinese = text(f"en/{name}"), text(f"zh/{name}")
    assert _HEADING.findall(english) == _HEADING.findall(chinese)
    assert [picture.replace("-zh-", "-en-") for picture in _PICTURE.findall(chinese)] == _PICTURE.findall(english)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_guide_in_both_languages(role: str) -> None:
    found = [name for name in NAMES if role.replace("_", "-") in name.removesuffix(".md").split("-and-")]
    assert len(found) == 1
    for language, locale in LANGUAGES.items():
        head = text(f"{language}/{found[0]}").splitlines()[0]
        with in_language(locale):
            assert str(ROLES[role].title).lower() in head.lower()
        assert f"{language}/{found[0]}" in text("README.md")


def test_pictures_are_those_that_guides_show() -> None:
    shown = {picture for name in FILES for picture in _PICTURE.findall(text(name))}
    assert {path.name for path in (GUIDES / "pictures").iterdir()} == shown


def test_pictures_are_small() -> None:
    pictures = sorted((GUIDES / "pictures").glob("*.png"))
    sizes = [struct.unpack(">II", path.read_bytes()[16:24]) for path in pictures]
    assert all(width <= 1440 and height <= 1100 for width, height in sizes)
    assert [path.name for path in pictures if path.stat().st_size > 100_000] == []
    assert sum(path.stat().st_size for path in pictures) < 3_000_000
