"""One table for every list: text, filters, sort, columns, page, all in the address, so a view is an address.

Works without scripts; rows are cards on a narrow screen. Must not fetch anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from markupsafe import Markup, escape
from werkzeug.datastructures import MultiDict

from control_plane.model.searching import holds
from control_plane.model.text import Text, tn, worded
from control_plane.web import show
from control_plane.web.states import WORDS, mark, word

SIZES = (25, 50, 100)
COMPACT = "compact"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: the field of the row, its head, how it is shown (`text`, `state`, `time`, `number`, `code`,
    `id`, `service`, `scope`, `part`, `who`), where it leads, whether there is a filter for its values, words for its
    values. `draw` replaces how it is shown; `unit` is that of its number where what is shown has one of its own.
    `total`: its numbers may be added up (each counts something else), and their sum is shown so."""

    field: str
    head: Text
    show: str = "text"
    link: Callable[[Row], str | None] | None = None
    filter: bool = False
    draw: Callable[[Row], Markup | str] | None = None
    words: Mapping[str, Text] | None = None
    unit: Text | None = None
    total: Callable[[int], Markup | str] | None = None

    def cell(self, row: Row, now: datetime) -> Markup | str:
        """What stands in the table."""
        inner, address = self._inner(row, now), self.link(row) if self.link else None
        return Markup('<a href="{}">{}</a>').format(address, inner) if address else inner

    def value(self, row: Row, now: datetime) -> str | float | datetime | None:
        """What stands in a file: numbers and moments as such, all else as people read it; None for nothing."""
        value = row.get(self.field)
        if self.show in ("number", "id") and isinstance(value, int | float):
            return value
        if self.show == "time" and isinstance(value, str):
            return show.point(value) or value
        text = escape(self._inner(row, now)).replace("<br>", " · ").striptags()
        return None if text == show.NOTHING.striptags() else text

    def _inner(self, row: Row, now: datetime) -> Markup | str:
        value = row.get(self.field)
        inner: Markup | str
        if self.draw is not None:
            inner = self.draw(row)
        elif self.show == "state":
            inner = mark(value)
        elif self.show == "time":
            inner = show.moment(value, now)
        elif self.show == "id":
            inner = show.NOTHING if value is None else Markup("{}").format(value)
        elif self.show == "service":
            several = value if isinstance(value, list) else [value]
            inner = Markup(", ").join(map(show.service, several)) if several else show.NOTHING
        elif self.show == "scope":
            inner = show.scope(value) if value else show.NOTHING
        elif self.show == "part":
            inner = show.part(value) if value else show.NOTHING
        elif self.show == "who":
            inner = show.who(value)
        elif self.show == "code" and value not in (self.words or ()):
            inner = Markup("<code>{}</code>").format(value) if value else show.NOTHING
        else:
            inner = show.plain(worded(value, self.words))
        return inner


class Table:
    """Rows as they were asked for. `args` is the query of the request; `keep` is what else of it belongs to the
    view."""

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Row],
        args: MultiDict[str, str],
        *,
        caption: Text,
        empty: Text,
        now: datetime,
        sort: str = "",
    ) -> None:
        self.every, self.caption, self.empty, self.now = columns, caption, empty, now
        self.total = len(rows)
        self.exports = True
        self.keep: Mapping[str, str] = {}
        self.text = args.get("q", "").strip()
        known = {column.field: column for column in columns}
        wanted_columns = dict.fromkeys(name for part in args.getlist("columns") for name in part.split(","))
        self.columns = tuple(known[name] for name in wanted_columns if name in known) or tuple(columns)
        self.filters = {f: args[f"f.{f}"] for f, c in known.items() if c.filter and args.get(f"f.{f}")}
        self.choices = {c.field: _choices(rows, c.field) for c in columns if c.filter}
        wanted = args.get("sort", sort)
        self.sort = wanted if wanted.removeprefix("-") in known else sort
        self.size = _number(args.get("size"), SIZES[-1], SIZES)
        self.compact = args.get("density") == COMPACT
        found = [row for row in rows if self.fits(row)]
        if self.sort:
            field = self.sort.removeprefix("-")
            found.sort(key=lambda row: _sortable(row.get(field)), reverse=self.sort.startswith("-"))
        self.fitting: Sequence[Row] = found
        self.found = len(found)
        self.pages = max(1, -(-self.found // self.size))
        self.page = min(max(1, _number(args.get("page"), 1)), self.pages)
        self.rows = found[(self.page - 1) * self.size : self.page * self.size]

    def fits(self, row: Row) -> bool:
        """Whether the text and the filters leave this row in the list."""
        if any(str(wanted) not in _values(row.get(field)) for field, wanted in self.filters.items()):
            return False
        return holds(row, self.text)

    @property
    def narrowed(self) -> bool:
        """Whether some rows may be hidden by what was asked."""
        return bool(self.text or self.filters)

    @property
    def chosen(self) -> str:
        """The columns of this view, as the address has them; empty when they are all of them."""
        return "" if self.columns == tuple(self.every) else ",".join(column.field for column in self.columns)

    @property
    def totals(self) -> list[tuple[Column, Markup | str | None]]:
        """Columns of this view with the sum of all rows that fit, on whatever page; none where nothing adds up. Rows
        without a figure are said, never taken for 0."""
        sums = [(column, self._sum(column)) for column in self.columns] if self.found > 1 else []
        return sums if any(total is not None for _, total in sums) else []

    def _sum(self, column: Column) -> Markup | str | None:
        values = [row.get(column.field) for row in self.fitting] if column.total is not None else []
        numbers = [value for value in values if isinstance(value, int)]
        if column.total is None or not numbers:
            return None
        shown, lacking = column.total(sum(numbers)), len(values) - len(numbers)
        without = tn("{count} has no figure", "{count} have no figure", count=lacking)
        return Markup("{} <small>({})</small>").format(shown, without) if lacking else shown

    @property
    def first(self) -> int:
        """Number of the first row shown, from 1."""
        return (self.page - 1) * self.size + 1 if self.rows else 0

    def address(self, **changed: Any) -> str:
        """The query of this view with something else in it; what is not named stays."""
        query: dict[str, Any] = {"q": self.text, **{f"f.{f}": v for f, v in self.filters.items()}, "sort": self.sort}
        query |= {"columns": self.chosen, "size": self.size if self.size != SIZES[-1] else None}
        query |= {"density": COMPACT if self.compact else None, **self.keep, **changed}
        return "?" + urlencode({key: value for key, value in query.items() if value not in (None, "")})

    def hidden(self) -> list[tuple[str, str]]:
        """What of this view a form carries that chooses other columns."""
        return parse_qsl(self.address(columns="")[1:])

    def bare(self) -> str:
        """The view without text and filters."""
        looks = {"columns": self.chosen, "density": COMPACT if self.compact else ""}
        return "?" + urlencode({**self.keep, **{name: value for name, value in looks.items() if value}})

    def turned(self, field: str) -> str:
        """The view sorted by a column, or the other way round."""
        return self.address(sort=f"-{field}" if self.sort == field else field)

    def direction(self, field: str) -> str | None:
        """`aria-sort` of a column."""
        if self.sort.removeprefix("-") != field:
            return None
        return "descending" if self.sort.startswith("-") else "ascending"

    def choice(self, column: Column, value: str) -> str:
        """A value of a filter, in words."""
        if column.words is not None and value in column.words:
            return str(column.words[value])
        if column.show == "service":
            return str(show.service(value).unescape())
        if column.show in ("scope", "part", "who"):
            return str({"scope": show.scope, "part": show.part, "who": show.who}[column.show](value))
        return word(value) if column.show == "state" and value in WORDS else value


def _choices(rows: Sequence[Row], field: str) -> list[tuple[str, int]]:
    counted = Counter(value for row in rows for value in _values(row.get(field)))
    return sorted(counted.items())


def _values(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [] if value is None else [str(value)]


def _sortable(value: Any) -> tuple[int, float, str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        if isinstance(value, list | tuple):
            return 0, len(value), ""
        return (2, 0, "") if value is None else (1, 0, str(value).lower())
    return 0, value, ""


def _number(text: str | None, otherwise: int, allowed: Sequence[int] = ()) -> int:
    number = int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else otherwise
    return number if not allowed or number in allowed else otherwise
