"""Fields are called what people call them; programs keep the codes."""

from __future__ import annotations

import pytest

from control_plane.cli.errors import problem_table
from control_plane.model.errors import Problem
from control_plane.model.field_words import PERSON, field_words
from control_plane.model.text import in_language, t
from control_plane.offerings.directory.form import Person


@pytest.mark.parametrize(
    ("field", "english", "chinese"),
    [
        ("uid", "Account name", "账号"),
        ("reason", "Reason", "原因"),
        ("people[3].mail", "E-mail (people[3].mail)", "电子邮件（people[3].mail）"),
        ("people[3].title", "Position (people[3].title)", "职务（people[3].title）"),
        ("spec.sites[0].names.main", "spec.sites[0].names.main", "spec.sites[0].names.main"),
        ("TARGET", "TARGET", "TARGET"),
        ("电子邮件", "电子邮件", "电子邮件"),
    ],
)
def test_fields_in_words(field: str, english: str, chinese: str) -> None:
    problem = Problem("x", t("yes"), field=field)
    for language, words in (("en", english), ("zh_CN", chinese)):
        with in_language(language):
            assert str(field_words(field)) == words
            assert words in problem_table([problem])
    assert problem.as_json()["pointer"] == field


def test_every_field_of_a_person_has_a_word() -> None:
    assert {*Person.model_fields} - {"first_uid"} == {*PERSON}
