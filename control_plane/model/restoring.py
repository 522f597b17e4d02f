"""What of a service goes back to a former day, as pure rules over two forms: the one of that day and the one of now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from control_plane.model.text import Text, t

What = Literal["site", "records", "accounts", "settings"]
WHAT: tuple[What, ...] = get_args(What)
TITLES: Mapping[What, Text] = {
    "site": t("content of websites"),
    "records": t("names of websites and their records"),
    "accounts": t("people, groups and service accounts"),
    "settings": t("all other settings"),
}


def _nothing(_entry: Mapping[str, Any]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Aspects:
    """Which of these an offering's form has. `entries`: the field that holds a list whose entries are told by `key`;
    fields of an entry belong to what `fields` says, and everything else of the form to `rest`."""

    rest: What = "settings"
    entries: str | None = None
    key: Callable[[Mapping[str, Any]], str] = _nothing
    fields: Mapping[str, What] = field(default_factory=dict)

    @property
    def all(self) -> frozenset[What]:
        """Everything that the form has."""
        return frozenset({self.rest, *self.fields.values()})


def mixed(
    aspects: Aspects, then: Mapping[str, Any], now: Mapping[str, Any], wanted: Collection[What]
) -> tuple[dict[str, Any], list[str]]:
    """The form with what is wanted as it was then and everything else as it is now, and the keys of entries that only
    one of both has: these stay as they are now, unless all that the form has is wanted."""
    if aspects.all <= set(wanted):
        return dict(then), []
    made = _fields({k: v for k, v in then.items() if k != aspects.entries}, now, lambda _: aspects.rest in wanted)
    if aspects.entries is None:
        return made, []
    before = {aspects.key(entry): entry for entry in then.get(aspects.entries, ())}
    today = {aspects.key(entry): entry for entry in now.get(aspects.entries, ())}
    made[aspects.entries] = [
        _fields(before[key], entry, lambda name: aspects.fields.get(name, aspects.rest) in wanted)
        if key in before
        else entry
        for key, entry in today.items()
    ]
    return made, sorted(before.keys() ^ today.keys())


def _fields(then: Mapping[str, Any], now: Mapping[str, Any], back: Callable[[str], bool]) -> dict[str, Any]:
    names = [*now, *(name for name in then if name not in now)]
    chosen = {name: then if back(name) else now for name in names}
    return {name: source[name] for name, source in chosen.items() if name in source}
