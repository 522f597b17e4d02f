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
    """One translatable sentence with named parameters (`{name}` in the msgid)."""

    msgid: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def render(self, language: str | None = None) -> str:
        """The sentence in `language` (default: the current reader's)."""
        template = _catalogue(language or _language.get()).gettext(self.msgid) if self.msgid else ""
        return template.format(**self.params) if self.params else template

    def __str__(self) -> str:
        return self.render()

    def as_json(self) -> dict[str, Any]:
        """Storable form; parameters become strings."""
        return {"msgid": self.msgid, "params": {k: str(v) for k, v in self.params.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Text:
        """Inverse of `as_json`."""
        return cls(data["msgid"], dict(data.get("params", {})))


def t(msgid: str, /, **params: Any) -> Text:
    """Mark a sentence for translation: `t("Zone {zone} was refused.", zone=name)`.

    The msgid must be a literal, so that `make messages` finds it.
    """
    return Text(msgid, params)
