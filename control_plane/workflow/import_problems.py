"""What a form says about bad values, in our own sentences: pydantic's errors become `Problem`s."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.text import Text, t
from control_plane.workflow.import_yaml import Path, field_text

_QUOTES = t("Put it in quotes.")
_FORM = t("See docs/tenant-document.md for the fields and what they may hold.")
Sentence = Callable[[Mapping[str, Any], Any], tuple[Text, Text]]


def _is(wanted: Text) -> Sentence:
    return lambda context, value: (
        t("{value} stands here, but it should be {wanted}.", value=_shown(value), wanted=wanted),
        _FORM,
    )


def _text_wanted(context: Mapping[str, Any], value: Any) -> tuple[Text, Text]:
    remedy = _FORM if isinstance(value, dict | list | None) else _QUOTES
    return t("{value} stands here, but it should be text.", value=_shown(value)), remedy


_SENTENCES: Mapping[str, Sentence] = {
    "missing": lambda c, v: (t("The field is missing."), t("Add it.")),
    "extra_forbidden": lambda c, v: (t("There is no such field."), t("Correct its name or remove it.")),
    "string_type": _text_wanted,
    "string_too_short": lambda c, v: (t("The value is empty."), t("Write something, or leave the field out.")),
    "string_too_long": lambda c, v: (
        t("The text is longer than {limit} characters.", limit=c.get("max_length")),
        t("Shorten it."),
    ),
    "string_pattern_mismatch": lambda c, v: (
        t("{value} does not have the right form.", value=_shown(v)),
        t("The form is {pattern}.", pattern=c.get("pattern")),
    ),
    "literal_error": lambda c, v: (
        t("{value} is none of the possible values.", value=_shown(v)),
        t("Use one of {values}.", values=c.get("expected")),
    ),
    "enum": lambda c, v: (
        t("{value} is none of the possible values.", value=_shown(v)),
        t("Use one of {values}.", values=c.get("expected")),
    ),
    "greater_than_equal": lambda c, v: (
        t("{value} is too small.", value=_shown(v)),
        t("The smallest value is {limit}.", limit=c.get("ge")),
    ),
    "less_than_equal": lambda c, v: (
        t("{value} is too large.", value=_shown(v)),
        t("The largest value is {limit}.", limit=c.get("le")),
    ),
    "too_long": lambda c, v: (
        t("The list has {count} entries.", count=c.get("actual_length")),
        t("At most {limit} are allowed.", limit=c.get("max_length")),
    ),
    "too_short": lambda c, v: (
        t("The list has {count} entries.", count=c.get("actual_length")),
        t("At least {limit} are needed.", limit=c.get("min_length")),
    ),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _is(t("a whole number"))),
    **dict.fromkeys(("bool_type", "bool_parsing"), _is(t("true or false"))),
    **dict.fromkeys(("list_type", "tuple_type"), _is(t("a list"))),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _is(t("a group of fields"))),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        _is(t("a date such as 2007-12-31")),
    ),
}


def problems_of(error: ValidationError, prefix: Path = ()) -> list[tuple[Path, Problem]]:
    """Each fault with its path; `field` of the problem is that path as text."""
    found = []
    for item in error.errors(include_url=False):
        path = prefix + tuple(item["loc"])
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, ProblemError):
            problem = inner.problem
            found.append((path, Problem(problem.code, problem.text, problem.remedy, field=field_text(path))))
            continue
        make = _SENTENCES.get(item["type"])
        if make is not None:
            text, remedy = make(item.get("ctx", {}), item["input"])
        else:
            text, remedy = t("{reason}", reason=item["msg"].removeprefix("Value error, ")), _FORM
        found.append((path, Problem(_code(item["type"]), text, remedy, field=field_text(path))))
    return found


def _code(kind: str) -> str:
    return {"missing": "missing-field", "extra_forbidden": "unknown-field"}.get(kind, "bad-value")


def _shown(value: Any) -> str:
    text = "nothing" if value is None else f"“{value}”" if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
