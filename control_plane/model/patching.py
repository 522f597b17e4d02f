"""A change of one form as a patch: JSON merge patch (RFC 7386), a way to add to lists, and what a patch takes away.

`{rules: […]}` takes the place of a list, `{rules+: […]}` adds to it what it lacks, `{rules: null}` takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from control_plane.model.errors import Problem
from control_plane.model.text import t

#: A field with this at its end is added to.
ADD = "+"
#: Characters of one entry that are shown.
SHOWN = 120


@dataclass(frozen=True, slots=True)
class Loss:
    """Entries of a list (`rules`, `limits.hours`) that are not in it any more after a patch."""

    field: str
    items: Sequence[Any]


def merge(target: Any, patch: Any, *, additions: bool = True) -> Any:
    """`target` with a patch. Where a list is added to, entries that it has already are not doubled. Without `additions`
    a `+` at the end of a field means nothing: the patch is RFC 7386's alone."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if additions and adds(key):
            name = key.removesuffix(ADD)
            old = merged.get(name) or []
            merged[name] = [*old, *(item for item in value if item not in old)]
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value, additions=additions)
    return merged


def adds(key: Any) -> bool:
    """Whether a field of a patch adds to a list."""
    return isinstance(key, str) and len(key) > len(ADD) and key.endswith(ADD)


def faults(patch: Any, field: str = "patch") -> list[Problem]:
    """What is wrong with a patch itself: an addition that is no list, or that is also replaced."""
    return [Problem("bad-addition", text, remedy, field=field) for text, remedy in _faults("", patch)]


def _faults(path: str, patch: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in patch.items() if isinstance(patch, Mapping) else ():
        place = f"{path}{key}"
        if not adds(key):
            yield from _faults(f"{place}.", value)
            continue
        if not isinstance(value, list):
            yield t("“{field}” adds to a list, and what it adds is none.", field=place), t("Write a list.")
        if key.removesuffix(ADD) in patch:
            yield (
                t("“{field}” is added to and replaced at once.", field=place.removesuffix(ADD)),
                t("Do one of the two."),
            )


def unfit(target: Any, patch: Any, path: str = "") -> list[str]:
    """Fields that are to be added to and are no list."""
    found = []
    for key, value in patch.items() if isinstance(patch, Mapping) else ():
        name = key.removesuffix(ADD) if adds(key) else key
        old = target.get(name) if isinstance(target, Mapping) else None
        if adds(key):
            found += [f"{path}{name}"] if old is not None and not isinstance(old, list) else []
        else:
            found += unfit(old, value, f"{path}{name}.")
    return found


def losses(before: Any, after: Any, path: str = "") -> list[Loss]:
    """What lists had in `before` and lack in `after`, by field; lists within entries of lists count as their entry."""
    if isinstance(before, list):
        kept = after if isinstance(after, list) else []
        gone = [item for item in before if item not in kept]
        return [Loss(path, gone)] if gone else []
    found = []
    for key, value in before.items() if isinstance(before, Mapping) else ():
        there = after.get(key) if isinstance(after, Mapping) else None
        found += losses(value, there, f"{path}.{key}" if path else str(key))
    return found


def brief(item: Any) -> str:
    """One entry for people, on one line and cut short: `number: 10, action: block, hosts: .games.test`."""
    said = _words(item)
    return said if len(said) <= SHOWN else f"{said[: SHOWN - 1]}…"


def _words(item: Any) -> str:
    if isinstance(item, Mapping):
        return ", ".join(f"{key}: {_words(value)}" for key, value in item.items())
    if isinstance(item, list):
        return " ".join(_words(one) for one in item)
    return str(item)
