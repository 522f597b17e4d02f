"""What `docs` name as proof is there: every test, and a proof or a reason in every row."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("security.md", "mlps.md", "data-protection.md")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_ROW = re.compile(r"^\| (\d+(?:\.\d+)+[^|]*) \|(.*)\|$", re.MULTILINE)
STATES = ("met", "part", "open", "n/a", "centre")


@cache
def named_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def rows(document: str) -> list[list[str]]:
    text = (ROOT / "docs" / document).read_text("utf-8")
    return [[number, *(cell.strip() for cell in rest.split("|"))] for number, rest in _ROW.findall(text)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_exists(document: str) -> None:
    named = _TEST.findall((ROOT / "docs" / document).read_text("utf-8"))
    assert len(named) >= 10
    assert [f"{file}::{name}" for file, name in named if not (ROOT / file).exists() or name not in named_in(file)] == []


@pytest.mark.parametrize("document", ["security.md", "mlps.md"])
def test_every_row_has_a_state_and_what_shows_it(document: str) -> None:
    found = rows(document)
    assert len(found) >= 40
    assert len({row[0] for row in found}) == len(found)
    for row in found:
        state, proof = row[-2:]
        assert state in STATES, row
        assert len(proof) > 5, row


def test_requirements_are_in_their_order() -> None:
    numbers = [tuple(int(part) for part in row[0].split(".")) for row in rows("security.md")]
    assert numbers == sorted(numbers)
    assert {number[0] for number in numbers} == {2, 4, 5, 6, 7, 8, 13}
    assert {row[1] for row in rows("security.md")} == {"1", "2"}
