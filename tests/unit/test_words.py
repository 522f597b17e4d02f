"""One word for one thing in Chinese: words that were used beside the glossary's are not used again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "control_plane"
GUIDES = ROOM.parent / "docs" / "guides" / "zh"
FILES = sorted(path for ending in ("*.po", "*.py", "*.md") for path in (*ROOM.rglob(ending), *GUIDES.glob(ending)))


@pytest.mark.parametrize(("word", "instead"), [("(?<!存)档位", "档次"), ("冻结", "紧急停止"), ("分批发布", "分批推送")])
def test_nothing_is_called_two_things(word: str, instead: str) -> None:
    found = [path.name for path in FILES if re.search(word, path.read_text("utf-8"))]
    assert found == [], f"the word is {instead}"
