"""Forms in files: every command reads them by one strict reader, the one of the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.model.errors import Invalid
from control_plane.workflow.yaml_form import read_form

from .conftest import Gasp

#: What is no form → what is said of it.
WRONG = {
    "a: 1\na: 2": "stands twice",
    "a: &x [1]\nb: *x": "refers to a value elsewhere",
    "a: !!python/name:os.system ''": "tag",
    "--- {}\n--- {}": "more than one document",
    "a: .nan": "infinite",
    "a: .inf": "infinite",
    f"a: {10**30}": "cannot be kept",
    "[1, 2": "no valid YAML",
    "- a\n": "no mapping",
    "~": "no mapping",
    "": "no mapping",
    "\ta: 1": "tab",
}
COMMANDS = (
    "rollouts create --kind configuration --offering internet --reason x --patch {file}",
    "requests new fgw internet --file {file}",
    "requests answer R-2026-0147 --text x --yes --file {file}",
)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=WRONG.values())
def test_what_is_no_form_is_refused_with_file_and_reason(
    gasp: Gasp, tmp_path: Path, command: str, text: str, said: str
) -> None:
    file = tmp_path / "form.yaml"
    file.write_text(text)
    answer = gasp(*command.format(file=file).split())
    assert answer.code == 4, answer.err
    assert said in answer.err
    assert "form.yaml" in answer.err
    assert not answer.client.acted


def test_another_encoding_is_named_with_its_line() -> None:
    with pytest.raises(Invalid) as refused:
        read_form("a: 1\nreason: 无关".encode("gb18030"), "form.yaml")
    (problem,) = refused.value.problems
    assert (problem.code, problem.line, problem.where) == ("not-utf8", 2, "form.yaml")


def test_a_form_is_what_was_written_and_dates_are_text() -> None:
    text = "otherwise: block\nrules: ~\nno: yes\nsince: 2026-11-20\nhosts: [青岛.test, 'a: b']\n"
    wanted = {
        "otherwise": "block", "rules": None, "no": True, "since": "2026-11-20", "hosts": ["青岛.test", "a: b"],
    }  # fmt: skip
    assert read_form(text) == read_form(b"\xef\xbb\xbf" + text.encode()) == wanted
    assert read_form('{"a": [1, 2.5, "x"]}') == {"a": [1, 2.5, "x"]}
