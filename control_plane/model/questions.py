"""How a service is asked for, as data: what one gets, what to have ready, and the pages of the form in words.

Which fields there are, what they hold and which are needed is said by the offering's typed spec alone; here is only how
a person is asked. A field that no page names is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from control_plane.model.tenant import Tier
from control_plane.model.text import Text

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """One field. `path` below its page (`title.zh`); `example` is shown and offered when a value is wrong; `choices`:
    words for the values of the spec, or a few common values of a text; `long`: a list is typed one a line."""

    path: str
    label: Text
    hint: Text | None = None
    example: str = ""
    choices: Mapping[str, Text] | None = None
    long: bool = False
    code: bool = False
    """Whether it is a technical name, shown in a fixed width."""


@dataclass(frozen=True)
class Page:
    """One page: one question, and the few fields that answer it."""

    name: str
    title: Text
    asks: Sequence[Ask]
    lead: Text | None = None


def _blank(items: Sequence[Item], today: date) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Several:
    """A list of things, each asked for on pages of its own. `label` is the path of what one of them is called by;
    `fresh` makes the next one, from those that are there and today's date; one of them alone (the last in some order)
    decides on it, so that thousands need not be looked at for each. From a file: `key` is the field by which a
    row is one that is there already; or rows that are equal but for the list `gather` (and for what is `counted` up for
    each) become one."""

    path: str
    title: Text
    one: Text
    add: Text
    none: Text
    label: str
    pages: Sequence[Page]
    fresh: Callable[[Sequence[Item], date], dict[str, Any]] = _blank
    key: str | None = None
    gather: str | None = None
    counted: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its place among the pages."""
        return self.path

    @property
    def from_file(self) -> bool:
        """Whether many can come from a file."""
        return self.key is not None or self.gather is not None


@dataclass(frozen=True)
class Questions:
    """Everything about one service. `first`: what a new form starts with."""

    summary: Text
    gets: Sequence[Text]
    ready: Sequence[Text]
    tiers: Mapping[Tier, Text]
    parts: Sequence[Page | Several]
    first: Mapping[str, Any] = field(default_factory=dict)
