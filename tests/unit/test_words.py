"""One word for one thing in Chinese: words that were used beside the glossary's are not used again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "control_plane"
FILES = sorted(path for ending in ("*.po", "*.py", "*.md") for path in ROOM.rglob(ending))


@pytest.mark.parametrize(("word", "instead"), [("(?<!存)档位", "档次")])
def test_nothing_is_called_two_things(word: str, instead: str) -> None:
    found = [str(path.relative_to(ROOM)) for path in FILES if re.search(word, path.read_text("utf-8"))]
    assert found == [], f"the word is {instead}"
