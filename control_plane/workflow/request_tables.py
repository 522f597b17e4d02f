"""Rows of a table for one list of a service's form: read whole, checked whole, put on top of the list that is there.

The columns are the fields of the list. A row whose key is there already changes that thing, any other is added; nothing
is taken away. Pages and the command line both come here. Must not keep anything: `requests.py` does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson

from control_plane.model.errors import Invalid, NotFound, Problem
from control_plane.model.offering import Offering
from control_plane.model.questions import Ask, Several
from control_plane.model.table_file import LARGEST, TableFile, read_table
from control_plane.model.text import in_language, t
from control_plane.workflow.form_shape import Shape, as_text, get, model_of, path_of, put, shape_of, typed

#: Each is judged only where those before find nothing.
LEVELS = ("form", "rules", "uniqueness")


@dataclass
class Read:
    """What a file says of a list: the list as it would be, and what is wrong, by row and column of the file."""

    items: list[Any]
    problems: list[Problem] = field(default_factory=list)
    added: int = 0
    changed: int = 0
    same: int = 0
    #: Place in the list → row of the file.
    rows: dict[int, int] = field(default_factory=dict)
    #: What equal rows have in common → place in the list of the thing they are gathered in, and what it has gathered.
    twins: dict[bytes, tuple[int, set[str]]] = field(default_factory=dict)
    #: The thing that decides what the next new one starts with (`Several.fresh`), if there is one.
    last: list[Any] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """For people."""
        return {"added": self.added, "changed": self.changed, "same": self.same}


@dataclass(frozen=True)
class Column:
    """One field of the things in a list."""

    ask: Ask
    shape: Shape

    @property
    def path(self) -> tuple[str, ...]:
        """Where it lies in a thing."""
        return tuple(self.ask.path.split("."))

    @property
    def lists(self) -> bool:
        """Whether it holds several texts."""
        return self.shape.kind in ("rows", "lines")

    def names(self) -> set[str]:
        """What its head may be called: the path, or its label in both languages."""
        said = {self.ask.path}
        for spoken in ("zh_CN", "en"):
            with in_language(spoken):
                said.add(str(self.ask.label))
        return {name.casefold() for name in said}

    def cell(self, thing: Any) -> str:
        """Its value in a table."""
        value = get(thing, self.path)
        if isinstance(value, list):
            return "; ".join(as_text(item) for item in value)
        return as_text(value)

    def value(self, text: str) -> Any:
        """What a cell says, as the field wants it; a choice by its word too."""
        if self.lists:
            parts = text.replace("；", ";").replace("\n", ";").split(";")
            return [part.strip() for part in parts if part.strip()]
        for key, word in (self.ask.choices or {}).items():
            if text.casefold() in {word.render(spoken).casefold() for spoken in ("zh_CN", "en")}:
                text = key
        return typed(self.shape, text)


def part_of(offering: Offering, name: str | None) -> Several:
    """The list of a form that can come from a file; `name` None: the only one. Raises NotFound."""
    found = [
        p for p in (offering.questions.parts if offering.questions else ()) if isinstance(p, Several) and p.from_file
    ]
    for one in found:
        if name == one.name or (name is None and len(found) == 1):
            return one
    names = ", ".join(one.name for one in found)
    if not found:
        raise NotFound(t("Nothing of “{title}” can come from a file.", title=offering.title))
    raise NotFound(
        t("“{name}” is no list of “{title}”.", name=name or "–", title=offering.title),
        t("Lists are: {names}.", names=names),
    )


def columns_of(offering: Offering, several: Several) -> list[Column]:
    """The columns of a list, in the order in which they are asked for."""
    assert offering.spec is not None
    model = model_of(offering.spec.model_fields[several.path].annotation)
    return [Column(ask, shape_of(model, ask)) for page in several.pages for ask in page.asks]


def table_of(content: bytes) -> TableFile:
    """The table in a file. Raises Invalid."""
    if len(content) > LARGEST:
        text = t("The file is larger than {limit} MiB.", limit=LARGEST >> 20)
        raise Invalid([Problem("file-too-large", text, t("Send it in parts."), field="file")])
    table = read_table(content, "file")
    if isinstance(table, Problem):
        raise Invalid([table])
    return table


def read_file(
    offering: Offering,
    several: Several,
    spec: Mapping[str, Any] | None,
    content: bytes,
    today: date,
    judge: Callable[[Mapping[str, Any]], Iterable[Problem]],
) -> tuple[dict[str, Any], Read]:
    """The spec with the rows of a file in it, and what they were. `judge` says what is wrong with a spec. Raises
    Invalid with every problem of every row."""
    columns, items = columns_of(offering, several), get(spec, (several.path,))
    read = read_rows(columns, several, items if isinstance(items, list) else [], table_of(content), today)
    wanted = {**copy.deepcopy(dict(spec or {})), several.path: read.items}
    if read.rows:  # also where rows were left out: whoever mends them learns all of it at once
        read.problems += _all_judged(several, columns, read, wanted, judge)
        read.problems.sort(key=lambda problem: problem.line or 0)
    if read.problems:
        raise Invalid(read.problems)
    return wanted, read


def _all_judged(
    several: Several,
    columns: Sequence[Column],
    read: Read,
    wanted: Mapping[str, Any],
    judge: Callable[[Mapping[str, Any]], Iterable[Problem]],
) -> list[Problem]:
    """What the form and the centre's rules say of the list as it would be, by row and column. The centre looks at what
    is sound in itself only, so what was found is left out and the rest judged again, once for each of `LEVELS`."""
    found, places = list[Problem](), list(range(len(read.items)))
    for _ in LEVELS:
        rows = {here: read.rows[place] for here, place in enumerate(places) if place in read.rows}
        said = list(judge({**wanted, several.path: [read.items[place] for place in places]}))
        found += judged(several, columns, rows, said)
        wrong = {index for problem in said if (index := _index(several, problem)) is not None}
        if not wrong or len(wrong) >= len(places):
            break
        places = [place for here, place in enumerate(places) if here not in wrong]
    return found


def _index(several: Several, problem: Problem) -> int | None:
    """The thing of the list that is wrong."""
    path = path_of(problem.field)
    index = path[2] if path[:2] == ("spec", several.path) and len(path) > 2 and problem.severity == "error" else None
    return index if isinstance(index, int) else None


def judged(
    several: Several, columns: Sequence[Column], rows: Mapping[int, int], said: Iterable[Problem]
) -> list[Problem]:
    """Problems by row and column; `rows`: place in the list → row of the file. What is wrong with things that the file
    does not name, or with other parts of the form, is left out: the last look says it."""
    found: dict[tuple[int, str, str], Problem] = {}
    for problem in said:
        index = _index(several, problem)
        number = rows.get(index) if index is not None else None
        if number is None:
            continue
        column = _column(columns, path_of(problem.field)[3:])
        found.setdefault((number, column.ask.path if column else "", problem.code), _worded(number, column, problem))
    return sorted(found.values(), key=lambda problem: problem.line or 0)


def _column(columns: Sequence[Column], rest: Sequence[str | int]) -> Column | None:
    """The column of a path below a thing: the field itself, else the first below it."""
    words = tuple(word for word in rest if isinstance(word, str))
    exact = (column for column in columns if words[: len(column.path)] == column.path)
    below = (column for column in columns if words and column.path[: len(words)] == words)
    return next(exact, None) or next(below, None)


def _worded(number: int, column: Column | None, problem: Problem) -> Problem:
    """A fault of the form in the words of the table; the centre's own sentences stay."""
    text, remedy = problem.text, problem.remedy
    if problem.code == "missing-field" and column is not None:
        text, remedy = t("“{label}” is empty.", label=column.ask.label), t("Fill it in.")
    elif problem.code == "bad-value":
        example = column.ask.example if column is not None else ""
        remedy = t("Write it like {example}.", example=example) if example else None
    return _wrong(number, column, text, remedy)


def read_rows(columns: Sequence[Column], several: Several, items: Sequence[Any], table: TableFile, today: date) -> Read:
    """The rows of a table on top of the list that is there; faults of cells and heads, not those of rules."""
    read = Read(copy.deepcopy(list(items)))
    items = read.items
    known = {name: column for column in columns for name in column.names()}
    heads = [known.get(head.casefold()) for head in table.head]
    read.problems += _of_heads(table, heads, several, known)
    if read.problems:
        return read
    key = next((column for column in heads if column and column.ask.path == several.key), None)
    places = {key.cell(item): place for place, item in enumerate(items)} if key else {}
    here: dict[str, int] = {}
    for place, item in enumerate(items):
        _follow(read, several, item, today)
        if (alike := _alike(several, item)) is not None:
            read.twins.setdefault(alike, (place, set(map(str, item[several.gather]))))
    for number, cells in table.rows:
        given = [(head, text) for head, text in zip(heads, cells, strict=False) if head is not None]
        extra = [cell for cell in cells[len(heads) :] if cell]
        if extra:
            text_ = t("There are cells beyond the last column: {cell}.", cell=extra[0][:40])
            read.problems.append(_wrong(number, None, text_, t("Put it below a head, or delete it.")))
        name = next((text for head, text in given if head is key), "") if key else ""
        if name and name in here:
            text_ = t("“{name}” is in row {row} already.", name=name[:40], row=here[name])
            read.problems.append(_wrong(number, key, text_, t("Keep one of the two rows.")))
            continue
        here[name] = number
        _put(read, several, given, places.get(name) if name else None, number, today)
    if not table.rows:
        read.problems.append(_wrong(1, None, t("There is no row below the heads."), t("Fill in at least one.")))
    elif not read.problems and not read.added and not read.changed:
        read.problems.append(
            Problem("nothing-changes", t("All of this is there already; nothing would change."), field="file")
        )
    return read


def _put(
    read: Read, several: Several, given: Sequence[tuple[Column, str]], place: int | None, number: int, today: date
) -> None:
    """One row into the list: into the thing that is there, into one that is gathered from equal rows, or a new one."""
    thing: Any = copy.deepcopy(read.items[place]) if place is not None else several.fresh(read.last, today)
    for column, text in given:
        if text:
            put(thing, column.path, column.value(text), False)
        elif place is not None and not column.shape.required:
            put(thing, column.path, "", False)
    if place is not None:
        read.changed += thing != read.items[place]
        read.same += thing == read.items[place]
        read.items[place] = thing
        read.rows[place] = number
        return
    alike = _alike(several, thing)
    if alike is not None and alike in read.twins:
        twin, hosts = read.twins[alike]
        fresh = [value for value in dict.fromkeys(thing[several.gather]) if value not in hosts]
        read.items[twin][several.gather] += fresh
        hosts.update(fresh)
        read.added += bool(fresh)
        read.same += not fresh
        return
    read.items.append(thing)
    _follow(read, several, thing, today)
    if alike is not None:
        read.twins[alike] = len(read.items) - 1, set(thing[several.gather])
    read.rows[len(read.items) - 1] = number
    read.added += 1


def _follow(read: Read, several: Several, thing: Any, today: date) -> None:
    """Note which of two things the next new one follows."""
    both = [*read.last, thing]
    wanted = several.fresh(both, today)
    read.last = next(([one] for one in reversed(both) if several.fresh([one], today) == wanted), both)


def _alike(several: Several, thing: Any) -> bytes | None:
    """What a thing has in common with those that may be gathered with it: all but the gathered list, and what was
    counted up for it. None: it is gathered with nothing."""
    if several.gather is None or not isinstance(thing, Mapping):
        return None
    if not thing.get(several.gather) or not isinstance(thing[several.gather], list):
        return None
    own = {several.gather, *several.counted}
    rest = {name: value for name, value in thing.items() if name not in own}
    return orjson.dumps(rest, option=orjson.OPT_SORT_KEYS, default=str)


def _of_heads(
    table: TableFile, heads: Sequence[Column | None], several: Several, known: Mapping[str, Column]
) -> Iterable[Problem]:
    names = ", ".join(dict.fromkeys(str(column.ask.label) for column in known.values()))
    for head, column in zip(table.head, heads, strict=True):
        if column is None and head:
            text = t("“{head}” is no column of this table.", head=head[:40])
            yield _wrong(1, None, text, t("Columns are: {names}.", names=names))
    seen: set[str] = set()
    for column in heads:
        if column is not None and column.ask.path in seen:
            text = t("There are two columns “{head}”.", head=column.ask.label)
            yield _wrong(1, column, text, t("Delete one of them."))
        seen.add(column.ask.path if column else "")
    if several.key is not None and several.key not in seen:
        label = next(str(column.ask.label) for column in known.values() if column.ask.path == several.key)
        text = t("The column “{head}” is missing; by it rows and what is there are told apart.", head=label)
        yield _wrong(1, None, text, t("Begin with the template."))


def _wrong(number: int, column: Column | None, text: Any, remedy: Any) -> Problem:
    where = t("row {row}, {column}", row=number, column=column.ask.label) if column else t("row {row}", row=number)
    return Problem("bad-row", t("{where}: {text}", where=where, text=text), remedy, line=number, field="file")
