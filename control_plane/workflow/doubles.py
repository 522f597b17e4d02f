"""The same name twice in one list of a form: all spellings of it are one name to every service, so nothing would come
of the second. What was there before the request is left alone: documents may hold it, and it is kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from control_plane.model.errors import Problem
from control_plane.model.names import NoName, to_ascii, to_unicode
from control_plane.model.text import t
from control_plane.workflow.import_yaml import Path, field_text

#: The name beside a list of names that is one of them already.
MAIN = "main"


def doubles(spec: Any, before: Any) -> list[Problem]:
    """Names that a form brings twice into one list, each with its place. `before`: the form in force, or None."""
    known = {(_kind(path), name) for path, name, _ in _found(before, ())}
    return [
        Problem(
            "double-name",
            t("“{name}” is here already, as “{other}”.", name=to_unicode(name), other=other),
            t("Remove one of the two."),
            field=field_text(path),
        )
        for path, name, other in _found(spec, ())
        if (_kind(path), name) not in known
    ]


def _found(value: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            first = [value[MAIN]] if isinstance(value.get(MAIN), str) else []
            yield from _list(inner, (*path, key), first) if _names(inner) else _found(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _found(inner, (*path, place))


def _names(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str) for one in value)


def _list(values: Iterable[str], path: Path, first: Iterable[str]) -> Iterator[tuple[Path, str, str]]:
    seen = {_same(one): one for one in first}
    for place, value in enumerate(values):
        name = _same(value)
        if name in seen:
            yield (*path, place), name, seen[name]
        seen.setdefault(name, value)


def _same(name: str) -> str:
    """What all spellings of a name have in common."""
    try:
        return to_ascii(name)
    except NoName:
        return name.strip().casefold()


def _kind(path: Path) -> Path:
    return tuple(part for part in path if not isinstance(part, int))
