"""Field by field: what differs between two documents. Lists of named things are compared by name, not by place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: Fields that name an element of a list.
_NAMES = ("uid", "offering", "name")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field; None stands for absent."""

    code: str
    field: str
    before: Any
    after: Any

    @property
    def summary(self) -> str:
        """The field without the name of a list's element."""
        return self.field.split("[", 1)[0]

    def as_json(self) -> dict[str, Any]:
        """Stable form."""
        return {"code": self.code, "field": self.field, "before": self.before, "after": self.after}


def differences(code: str, before: Any, after: Any, field: str = "") -> list[Difference]:
    """All fields of tenant `code` that differ."""
    return [Difference(code, name, old, new) for name, old, new in _walk(before, after, field)]


def _walk(before: Any, after: Any, field: str) -> Iterator[tuple[str, Any, Any]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = [(f"{field}.{key}" if field else key, key) for key in dict.fromkeys([*before, *after])]
    elif isinstance(before, list) and isinstance(after, list) and (name := _name(before + after)) is not None:
        before, after = ({element[name]: element for element in side} for side in (before, after))
        pairs = [(f"{field}[{key}]", key) for key in dict.fromkeys([*before, *after])]
        if list(before) != list(after) and before == after:
            yield f"{field}[]", list(before), list(after)
    else:
        yield field, _shown(before), _shown(after)
        return
    for text, key in pairs:
        yield from _walk(before.get(key, _MISSING), after.get(key, _MISSING), text)


def _shown(value: Any) -> Any:
    return None if value is _MISSING else value


def _name(elements: list[Any]) -> str | None:
    if not elements or not all(isinstance(element, dict) for element in elements):
        return None
    return next((name for name in _NAMES if all(isinstance(e.get(name), str) for e in elements)), None)
