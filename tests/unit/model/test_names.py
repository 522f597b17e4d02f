"""Why something is no name is said in the reader's language, whatever the library says."""

from __future__ import annotations

import re

import pytest

from control_plane.model.names import check_name
from control_plane.model.text import in_language


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a;b.czj.qingdao.test", "“;”"),
        ("财政\u202e.czj.qingdao.test", "U+202E"),
        ("a b.qingdao.test", "空格"),
        ("a\u3000b.qingdao.test", "空格"),
        ("a..qingdao.test", "1 至 63"),
        ("-a.qingdao.test", "连字符"),
        ("ab--c.qingdao.test", "第 3、4 位"),
        ("xn--9.qingdao.test", "域名"),
        ("\u0300a.qingdao.test", "域名"),
        (".".join(["a" * 60] * 5), "253"),
    ],
)
def test_what_is_no_name_is_said_in_chinese(name: str, said: str) -> None:
    with in_language("zh_CN"):
        kept, (problem,) = check_name(name, "names")
        text = str(problem.text)
    assert kept is None
    assert said in text
    assert not re.search("[A-Za-z]{3,}", text.replace(name, "").replace("a" * 60, "")), text
