"""Whoever fills in a form wrongly is told in words of their own language: no pattern, no sentence of a library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError, create_model

from control_plane.model import form_faults
from control_plane.model.errors import Invalid
from control_plane.model.text import in_language
from control_plane.model.upstream import UpstreamDocument
from control_plane.offerings import discover
from control_plane.settings import Settings
from control_plane.workflow.import_problems import problems_of

SOURCES = Path(form_faults.__file__).parents[1]


def said(model: type[BaseModel], given: Any, language: str) -> str:
    with in_language(language), pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    with in_language(language):
        return " ".join(f"{p.text} {p.remedy}" for _, p in problems_of(caught.value))


def test_every_pattern_has_words_and_nobody_is_shown_a_pattern() -> None:
    assert discover(), "their forms are read"
    for file in SOURCES.rglob("*.py"):
        if file != Path(form_faults.__file__):
            assert "StringConstraints(pattern" not in file.read_text("utf-8"), file
            assert not re.search(r"StringConstraints\([^)]*pattern=", file.read_text("utf-8")), file
    assert len(form_faults._WORDS) > 15
    for pattern, remedy in form_faults._WORDS.items():
        model = create_model("M", x=(Annotated[str, form_faults.written(pattern, remedy)], ...))
        for language in ("en", "zh_CN"):
            told = said(model, {"x": "\x01"}, language)
            assert pattern not in told and "^" not in told, told
            assert remedy.render(language) in told
        assert remedy.render("zh_CN") != remedy.render("en")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_what_is_told_of_settings_is_in_the_readers_language(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    given = {"WORKERS": "abc", "WEB_PROCESSES": "0", "LAB": "nix", "WEB_LISTEN": "here", "TTL": "99999",
             "WEB_URL": "http://x", "SCAN_ALWAYS": "perhaps", "DATABASE": "mysql://x"}  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"GASP_{name}", value)
    with in_language(language), pytest.raises(Invalid) as caught:
        Settings.from_environment()
    with in_language(language):
        told = {str(p.field): f"{p.text} {p.remedy}" for p in caught.value.problems}
    assert {*told} == {f"GASP_{name}" for name in given}
    for text in told.values():
        assert bool(re.search("[一-鿿]", text)) == (language == "zh_CN"), text
        assert "Input" not in text and " or '" not in text, text
    assert not any(value in text for value in ("abc", "nix", "perhaps") for text in told.values())


def test_what_is_told_of_the_sources_of_packages_is_in_the_readers_language(tmp_path: Path) -> None:
    from control_plane.drivers.upstream_file import read_upstream

    (tmp_path / "upstream").mkdir()
    (tmp_path / "upstream" / "sources.yaml").write_text("version: 2\nkeep: some\nreach: [nowhere]\npackages: 3\n")
    with in_language("zh_CN"), pytest.raises(Invalid) as caught:
        read_upstream(tmp_path)
    with in_language("zh_CN"):
        told = [str(p.text) for p in caught.value.problems]
    assert len(told) >= 4 and all(re.search("[一-鿿]", text) for text in told), told
    with in_language("zh_CN"):
        assert "两" in said(UpstreamDocument, {"packages": [_source(), _source()], "keys": {"k": "x"}}, "zh_CN")


def _source() -> dict[str, str]:
    return {"name": "a", "url": "https://a.test/", "suite": "s", "key": "k"}


def test_a_list_with_one_entry_has_one_entry() -> None:
    fault = {"type": "too_short", "ctx": {"actual_length": 1, "min_length": 2}, "input": [1], "msg": ""}
    text, remedy = form_faults.words_of(fault, form_faults.t("-"))
    assert (str(text), str(remedy)) == ("The list has 1 entry.", "At least 2 are needed.")
