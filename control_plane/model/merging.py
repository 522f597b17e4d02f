"""Three-way merge of forms: what two people changed from the same beginning, put together where both can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MISSING: Any = object()


def merge(base: Any, ours: Any, theirs: Any, *, keep_ours: bool = False) -> tuple[Any, tuple[str, ...]]:
    """`ours` on top of `theirs`, and the fields (`sites[0].names.main`) that both changed to something else; those are
    as in `theirs`, or as in `ours` when it is to be kept. Lists of people are merged person by
    person (`uid`), others item by item when none has grown, and joined when both only grew."""
    clashes: list[str] = []
    return _merge("", base, ours, theirs, clashes, keep_ours), tuple(clashes)


def _merge(path: str, base: Any, ours: Any, theirs: Any, clashes: list[str], keep_ours: bool) -> Any:
    if ours == base:
        return theirs
    if theirs in (base, ours):
        return ours
    three = (base, ours, theirs)
    if all(isinstance(value, Mapping) for value in three):
        found = {}
        for key in {**theirs, **ours}:
            place = f"{path}.{key}" if path else str(key)
            old, new, other = (form.get(key, _MISSING) for form in three)
            value = _merge(place, old, new, other, clashes, keep_ours)
            if value is not _MISSING:
                found[key] = value
        return found
    if all(isinstance(value, list) for value in three):
        if all(_keyed(value) for value in three):
            return _people(path, base, ours, theirs, clashes, keep_ours)
        if len(base) == len(ours) == len(theirs):
            rows = enumerate(zip(base, ours, theirs, strict=True))
            return [_merge(f"{path}[{n}]", old, new, other, clashes, keep_ours) for n, (old, new, other) in rows]
        if ours[: len(base)] == base == theirs[: len(base)]:
            return [*theirs, *(item for item in ours[len(base) :] if item not in theirs)]
    clashes.append(path)
    return ours if keep_ours else theirs


def _keyed(items: list[Any]) -> bool:
    uids = [item.get("uid") for item in items if isinstance(item, Mapping)]
    return len(uids) == len(items) and all(isinstance(uid, str) for uid in uids) and len({*uids}) == len(uids)


def _people(path: str, base: Any, ours: Any, theirs: Any, clashes: list[str], keep_ours: bool) -> list[Any]:
    """By uid and not by place: who stands where another stood before must not get what was meant for the other."""
    forms = [{item["uid"]: item for item in items} for items in (base, ours, theirs)]
    found = []
    for place, uid in enumerate({**forms[2], **forms[1]}):
        old, new, other = (form.get(uid, _MISSING) for form in forms)
        value = _merge(f"{path}[{place}]", old, new, other, clashes, keep_ours)
        if value is not _MISSING:
            found.append(value)
    return found
