"""One word for one thing in Chinese: words that were used beside the glossary's are not used again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "control_plane"
GUIDES = ROOM.parent / "docs" / "guides" / "zh"
PLAYBOOKS = ROOM.parent / "playbooks"
FILES = sorted(
    path
    for ending in ("*.po", "*.py", "*.yml", "*.md", "*.j2")
    for path in (*ROOM.rglob(ending), *GUIDES.glob(ending), *PLAYBOOKS.rglob(ending))
)


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("(?<!存)档位", "档次"),
        ("冻结", "紧急停止"),
        ("分批发布|(?<!分批)发布 {subject}", "分批推送"),
        ("运行 {subject}", "执行记录"),
        ("信息中心", "计算机中心"),
        ("操作员", "运维人员"),
        ("逾期", "超期"),
        ("无法测量", "无法监测"),
    ],
)
def test_nothing_is_called_two_things(word: str, instead: str) -> None:
    found = [path.name for path in FILES if re.search(word, path.read_text("utf-8"))]
    assert found == [], f"the word is {instead}"
