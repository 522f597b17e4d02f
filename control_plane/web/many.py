"""Many at once from a file: rows of one list of a form are checked whole, then put into a draft or not at all.

The file is CSV or an Excel workbook; its columns are the fields of the list. A row whose key is there already changes
that thing, any other is added; nothing is taken away. What follows is the last look of any request, with its preview.
"""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem
from control_plane.model.people import Act
from control_plane.model.questions import Ask, Several
from control_plane.model.spreadsheet import BOM, csv_cell
from control_plane.model.table_file import LARGEST, MOST_ROWS, TableFile, read_table
from control_plane.model.text import in_language, language, t
from control_plane.web import door, show
from control_plane.web.asking import Locked, form_of, told
from control_plane.web.door import needs
from control_plane.web.form_shape import Shape, as_text, get, put, typed
from control_plane.web.forms import Form, Stop
from control_plane.web.sent import download, sent_file
from control_plane.web.services import services

pages = Blueprint("many", __name__)
#: So many faults are shown; the rest is counted.
MOST_SHOWN = 200


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


@pages.get("/portal/requests/<reference>/many/<part>")
@needs(Act.ASK)
def start(reference: str, part: str) -> Any:
    """The template, and where the file goes."""
    row, form, several = _found(reference, part)
    return _page(row, form, several)


@pages.post("/portal/requests/<reference>/many/<part>")
@needs(Act.ASK, largest=LARGEST + (1 << 20))
def take(reference: str, part: str) -> Any:
    """Check a file whole; what is right goes into the draft at once."""
    row, form, several = _found(reference, part)
    try:
        with sent_file("file") as (path, _):
            if path is None:
                raise Invalid([Problem("no-file", t("No file was chosen."), t("Choose a file."), field="file")])
            if path.stat().st_size > LARGEST:
                text = t("The file is larger than {limit} MiB.", limit=LARGEST >> 20)
                raise Invalid([Problem("file-too-large", text, t("Send it in parts."), field="file")])
            table = read_table(path.read_bytes(), "file")
        if isinstance(table, Problem):
            raise Invalid([table])
        read = read_rows(form, several, table, services().clock().astimezone(show.ZONE).date())
        if not read.problems:
            read.problems += _by_the_rules(row, form, several, read)
        if read.problems:
            raise Invalid(read.problems)
        spec = copy.deepcopy(form.answers["spec"])
        spec[several.path] = read.items
        door.client().requests.save(row["id"], spec=spec, version=row["version"])
    except ControlPlaneError as error:
        return _page(row, form, several, error), 422
    where: dict[str, Any] = {
        "reference": row["reference"],
        "added": read.added,
        "changed": read.changed,
        "same": read.same,
    }
    return redirect(url_for("asking.check", **where), 303)


@pages.get("/portal/requests/<reference>/many/<part>/table.csv")
@needs(Act.ASK)
def template(reference: str, part: str) -> Response:
    """The empty table, or with `now` what the draft holds, to be edited and sent back."""
    _, form, several = _found(reference, part)
    columns = columns_of(form, several)
    things = form.items(several) if request.args.get("now") else []
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([str(column.ask.label) for column in columns])
    writer.writerows([[csv_cell(column.cell(thing)) for column in columns] for thing in things])
    return download(f"{several.name}.csv", "text/csv; charset=utf-8", (BOM + buffer.getvalue()).encode())


# what the file says ---------------------------------------------------------------------------------------------------
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


def columns_of(form: Form, several: Several) -> list[Column]:
    """The columns of a list, in the order in which they are asked for."""
    asks = [(page, ask) for page in several.pages for ask in page.asks]
    return [Column(ask, form.shape(Stop("", page, ("spec", several.path, 0), 0, several), ask)) for page, ask in asks]


def read_rows(form: Form, several: Several, table: TableFile, today: date) -> Read:
    """The rows of a table on top of the list that is there; faults of cells and heads, not those of rules."""
    items = copy.deepcopy(form.items(several))
    read = Read(items)
    known = {name: column for column in columns_of(form, several) for name in column.names()}
    heads = [known.get(head.casefold()) for head in table.head]
    read.problems += _of_heads(table, heads, several, known)
    if read.problems:
        return read
    key = next((column for column in heads if column and column.ask.path == several.key), None)
    places = {key.cell(item): place for place, item in enumerate(items)} if key else {}
    here: dict[str, int] = {}
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
    thing: Any = copy.deepcopy(read.items[place]) if place is not None else several.fresh(read.items, today)
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
    twin = _twin(read, several, thing)
    if twin is not None:
        hosts = read.items[twin][several.gather]
        fresh = [value for value in thing[several.gather] if value not in hosts]
        hosts += fresh
        read.added += bool(fresh)
        read.same += not fresh
        return
    read.items.append(thing)
    read.rows[len(read.items) - 1] = number
    read.added += 1


def _twin(read: Read, several: Several, thing: Mapping[str, Any]) -> int | None:
    """Place of a thing that differs in the gathered list only (and in what was counted up for it)."""
    if several.gather is None or not thing.get(several.gather):
        return None
    own = {several.gather, *several.counted}

    def rest(one: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in one.items() if name not in own}

    for place, other in enumerate(read.items):
        if isinstance(other, Mapping) and other.get(several.gather) and rest(other) == rest(thing):
            return place
    return None


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


def _by_the_rules(row: Json, form: Form, several: Several, read: Read) -> list[Problem]:
    """What the form and the centre's rules say of the list as it would be, by row and column. What is wrong with things
    that the file does not name, or with other parts of the form, is said at the last look."""
    answers = copy.deepcopy(form.answers)
    answers["spec"][several.path] = read.items
    trial = Form(services().catalogue[row["offering"]], answers)
    client = door.client().requests
    said = client.check(row["tenant"], row["offering"], row["action"], answers["spec"], answers.get("tier") or None)
    columns = {column.ask.path: column for column in columns_of(form, several)}
    found: list[Problem] = []
    for stop, problem in trial.wrong(told(said)):
        mine = stop is not None and stop.of is not None and stop.of.path == several.path
        number = read.rows.get(stop.index) if stop is not None and mine and stop.index is not None else None
        if problem.severity == "error" and number is not None:
            path = (problem.field or "").rstrip("0123456789").rstrip(".")
            found.append(
                _wrong(number, columns.get(problem.field or "") or columns.get(path), problem.text, problem.remedy)
            )
    return sorted(found, key=lambda problem: problem.line or 0)


# pages ----------------------------------------------------------------------------------------------------------------
def _found(reference: str, part: str) -> tuple[Json, Form, Several]:
    row = door.client().requests.show(reference)
    if "save" not in row["acts"] or row["action"] == "end":
        raise Locked(row["reference"])
    form = form_of(row)
    for one in form.parts:
        if isinstance(one, Several) and one.name == part and one.from_file:
            return row, form, one
    raise NotFound(t("There is no such page in this form."))


@pages.errorhandler(Locked)
def _locked(error: Locked) -> Any:
    return redirect(url_for("requests.request_page", reference=error.reference, said="locked"), 303)


def _page(row: Json, form: Form, several: Several, error: ControlPlaneError | None = None) -> str:
    columns = columns_of(form, several)
    problems = list(error.problems) if error is not None else []
    return render_template(
        "many.html",
        row=row,
        part=several,
        columns=columns,
        key=next((column.ask.label for column in columns if column.ask.path == several.key), None),
        gathered=several.gather is not None,
        there=len(form.items(several)),
        most=MOST_ROWS,
        error=error,
        problems=problems[:MOST_SHOWN],
        more=max(0, len(problems) - MOST_SHOWN),
        chinese=language() == "zh_CN",
    )
