"""Sentences for people: written once in English, shown in the reader's language, rendered late.

A `Text` keeps its msgid and parameters apart, so that a stored problem or event can be shown in
Chinese to one reader and in English to another. Must not be compared by code: compare codes instead.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("zh_CN", "en")
LOCALES = Path(__file__).parent.parent / "locale"
_language: ContextVar[str] = ContextVar("language", default="en")


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("gasp", localedir=LOCALES, languages=[language], fallback=True)


def language() -> str:
    """The language of the current reader: `zh_CN` or `en`."""
    return _language.get()


def choose_language(wanted: str | None) -> str:
    """Map a locale string such as `zh_CN.UTF-8`, `zh` or `C` to one of `LANGUAGES`; English if unknown."""
    return "zh_CN" if (wanted or "").lower().startswith("zh") else "en"


def set_language(name: str) -> None:
    """Set the reader's language for this context."""
    _language.set(choose_language(name))


@contextmanager
def in_language(name: str) -> Iterator[None]:
    """Set the reader's language for a block."""
    token = _language.set(choose_language(name))
    try:
        yield
    finally:
        _language.reset(token)


@dataclass(frozen=True)
class Text:
    """One translatable sentence with named parameters (`{name}` in the msgid). With a `plural` the msgid is for one
    only, and the parameter `count` decides."""

    msgid: str
    params: Mapping[str, Any] = field(default_factory=dict)
    plural: str | None = None

    def render(self, language: str | None = None) -> str:
        """The sentence in `language` (default: the current reader's)."""
        catalogue = _catalogue(language or _language.get())
        if self.plural is not None:
            template = catalogue.ngettext(self.msgid, self.plural, 1 if str(self.params.get("count")) == "1" else 2)
        else:
            template = catalogue.gettext(self.msgid) if self.msgid else ""
        return template.format(**self.params) if self.params else template

    def __str__(self) -> str:
        return self.render()

    def as_json(self) -> dict[str, Any]:
        """Storable form; sentences within it stay sentences, other parameters become strings."""
        body: dict[str, Any] = {"msgid": self.msgid, "params": {k: _stored(v) for k, v in self.params.items()}}
        return body if self.plural is None else {**body, "plural": self.plural}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Text:
        """Inverse of `as_json`."""
        params = {k: _restored(v) for k, v in data.get("params", {}).items()}
        return cls(data["msgid"], params, data.get("plural"))


class Listed(tuple[Any, ...]):
    """Several texts as one parameter of a sentence: rendered as late as the sentence, with commas between them."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(map(str, self))


def _stored(value: Any) -> Any:
    if isinstance(value, Text):
        return value.as_json()
    return [_stored(item) for item in value] if isinstance(value, Listed) else str(value)


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Text.from_json(value)
    return Listed(map(_restored, value)) if isinstance(value, list) else value


def worded(value: Any, words: Mapping[str, Text] | None) -> Any:
    """A value, or every one of a list, by its word where it has one."""
    if not words:
        return value
    if isinstance(value, list):
        return [worded(one, words) for one in value]
    return str(words[value]) if isinstance(value, str) and value in words else value


def t(msgid: str, /, **params: Any) -> Text:
    """Mark a sentence for translation: `t("Zone {zone} was refused.", zone=name)`.

    The msgid must be a literal, so that `make messages` finds it.
    """
    return Text(msgid, params)


def tn(one: str, many: str, /, **params: Any) -> Text:
    """As `t`, for a sentence that counts: `tn("{count} host", "{count} hosts", count=number)`.

    The parameter `count`, a number or one that was written out (`1,234`), decides; it need not stand in the sentence.
    """
    return Text(one, params, many)
