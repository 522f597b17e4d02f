"""What a form says about bad values, in our own sentences: pydantic's faults by their kind, patterns by what they mean.

A pattern is written by `written`, with its words, so that nobody is shown a regular expression. Must not know where a
form comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import StringConstraints

from control_plane.model.errors import ProblemError
from control_plane.model.text import Text, t, tn

_QUOTES = t("Put it in quotes.")
#: Pattern → what to write instead of something that does not fit it.
_WORDS: dict[str, Text] = {}
Sentence = Callable[[Mapping[str, Any], Any], tuple[Text, Text | None]]


def written(pattern: str, remedy: Text, *, strip: bool = False, shortest: int | None = None,
            longest: int | None = None) -> StringConstraints:  # fmt: skip
    """A text that fits `pattern`; `remedy` says in words what does."""
    _WORDS[pattern] = remedy
    return StringConstraints(pattern=pattern, strip_whitespace=strip or None, min_length=shortest, max_length=longest)


class _Hidden:
    """A value that may not be shown."""


def _always(text: Text, remedy: Text) -> Sentence:
    return lambda context, value: (text, remedy)


def _is(wanted: Text) -> Sentence:
    return lambda context, value: (
        t("This should be {wanted}.", wanted=wanted)
        if isinstance(value, _Hidden)
        else t("{value} stands here, but it should be {wanted}.", value=_shown(value), wanted=wanted),
        None,
    )


def _text_wanted(context: Mapping[str, Any], value: Any) -> tuple[Text, Text | None]:
    text, _ = _is(t("text"))(context, value)
    return text, None if isinstance(value, dict | list | None) else _QUOTES


def _one_of(context: Mapping[str, Any], value: Any) -> tuple[Text, Text | None]:
    values = str(context.get("expected")).replace(" or ", ", ")
    return t("{value} is none of the possible values.", value=_shown(value)), t("Use one of {values}.", values=values)


def _entries(context: Mapping[str, Any]) -> Text:
    return tn("The list has {count} entry.", "The list has {count} entries.", count=context.get("actual_length"))


_SENTENCES: Mapping[str, Sentence] = {
    "missing": _always(t("The field is missing."), t("Add it.")),
    "extra_forbidden": _always(t("There is no such field."), t("Correct its name or remove it.")),
    "string_type": _text_wanted,
    "string_too_short": _always(t("The value is empty."), t("Write something, or leave the field out.")),
    "string_too_long": lambda c, v: (
        t("The text is longer than {limit} characters.", limit=c.get("max_length")),
        t("Shorten it."),
    ),
    "string_pattern_mismatch": lambda c, v: (
        t("{value} does not have the right form.", value=_shown(v)),
        _WORDS.get(str(c.get("pattern"))),
    ),
    "literal_error": _one_of,
    "enum": _one_of,
    "greater_than_equal": lambda c, v: (
        t("{value} is too small.", value=_shown(v)),
        t("The smallest value is {limit}.", limit=c.get("ge")),
    ),
    "less_than_equal": lambda c, v: (
        t("{value} is too large.", value=_shown(v)),
        t("The largest value is {limit}.", limit=c.get("le")),
    ),
    "too_long": lambda c, v: (_entries(c), t("At most {limit} are allowed.", limit=c.get("max_length"))),
    "too_short": lambda c, v: (
        _entries(c),
        tn("At least {limit} is needed.", "At least {limit} are needed.", count=c.get("min_length"),
           limit=c.get("min_length")),
    ),
    "base64_decode": _always(t("This is no Base64."), t("Encode the file's octets in Base64.")),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _is(t("a whole number"))),
    **dict.fromkeys(("bool_type", "bool_parsing"), _is(t("true or false"))),
    **dict.fromkeys(("list_type", "tuple_type"), _is(t("a list"))),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _is(t("a group of fields"))),
    **dict.fromkeys(
        ("ip_v4_network", "ip_v6_network", "ip_any_network"), _is(t("a network such as 10.1.0.0/16 or fd00:1::/32"))
    ),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        _is(t("a date such as 2007-12-31")),
    ),
}  # fmt: skip


def words_of(fault: Mapping[str, Any], remedy: Text) -> tuple[Text, Text]:
    """What is wrong and what to do, of one of pydantic's faults (`ValidationError.errors()`). Without its `input` the
    value is not shown. `remedy`: where a fault has none of its own."""
    context = fault.get("ctx", {})
    inner = context.get("error")
    if isinstance(inner, ProblemError):
        return inner.problem.text, inner.problem.remedy or remedy
    sentence = _SENTENCES.get(fault["type"])
    if sentence is None:
        return t("{reason}", reason=fault["msg"].removeprefix("Value error, ")), remedy
    text, own = sentence(context, fault.get("input", _Hidden()))
    return text, own or remedy


def _shown(value: Any) -> Text | str:
    if value is None:
        return t("nothing")
    if isinstance(value, _Hidden):
        return t("The value")
    text = f"“{value}”" if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
