"""`-o`, `--fields`, `--filter`, `--sort`, `--limit`: the same on every verb that lists or shows.

A verb gives its answer and its columns; this chooses rows and prints them. Must not call the client.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import click

from control_plane.cli.app import App, current
from control_plane.cli.base import option
from control_plane.cli.output import FORMATS, as_csv, as_json, as_yaml, pick
from control_plane.cli.table import layout
from control_plane.cli.terminal import clean, clean_lines, moment, state_mark
from control_plane.model.scope import part_words, scope_words
from control_plane.model.text import Text, t, tn, worded

Row = Mapping[str, Any]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Column:
    """One column: the dotted path in the row, its head, and how its value is shown.

    `wide` columns appear with `-o wide` only. `show`: `text`, `state` (shape and word), `host` (a host's state),
    `patches` (of a machine: patches, antivirus, findings), `octets` (a volume), `name` (one host or several), `label`
    (of a resource), `time`,
    `scope`, `part` and `who` in words, or `id` (a number that counts nothing and gets no separators), `item` (of a
    rollout) and `items` (how many are how). `words`: for values.
    """

    field: str
    head: Text
    wide: bool = False
    show: str = "text"
    words: Mapping[str, Text] | None = None

    def cell(self, row: Row) -> tuple[str, str]:
        """Text and style."""
        value = pick(row, self.field)
        if self.show == "state" and value is not None:
            return state_mark(str(value))
        if self.show == "host" and value is not None:
            return state_mark("up" if value == "running" else str(value))
        if self.show == "patches" and value is not None:
            return state_mark(f"machine-{value}")
        if self.show == "going" and value is not None:
            return state_mark(f"going-{value}")
        if self.show == "emergency" and value is not None:
            return state_mark(f"emergency-{value}")
        if self.show == "scope" and value is not None:
            return clean(str(scope_words(str(value)))), ""
        if self.show == "part" and value is not None:
            return clean(str(part_words(str(value)))), ""
        if self.show == "who" and value is not None:
            from control_plane.model.naming import actor_words

            return clean(str(actor_words(str(value)))), ""
        if self.show == "item" and value is not None:
            return item_mark(str(value))
        if self.show == "items" and value is not None:
            return items_words(value), ""
        if self.show == "octets":
            return octets_words(value), ""
        if self.show == "label" and value is not None:
            from control_plane.model.internet_words import label_words

            return clean(str(label_words(str(row.get("kind")), str(value)))), ""
        if self.show == "name" and value is not None:
            from control_plane.model.names import name_both

            return plain([name_both(str(one)) for one in (value if isinstance(value, list) else [value])]), ""
        if self.show == "time":
            return moment(value), ""
        if self.show == "id" and isinstance(value, int) and not isinstance(value, bool):
            return str(value), ""
        return plain(worded(value, self.words)), ""


def item_mark(state: str) -> tuple[str, str]:
    """What became of one machine or subscription of a rollout, as `state_mark`."""
    from control_plane.model.rollout import ITEM_STATES

    return state_mark(ITEM_STATES.get(state, state))


def items_words(counts: Mapping[str, int]) -> str:
    """How many of a rollout's machines or subscriptions are how."""
    return ", ".join(f"{item_mark(state)[0]} {count}" for state, count in counts.items()) or "–"


def octets_words(value: int | None) -> str:
    """A volume for people; `–` for one that is not known or has no limit."""
    from control_plane.model.volume import volume_words

    return "–" if value is None else volume_words(value)


def plain(value: Any) -> str:
    """A value for people: `–` for nothing, lists with commas, numbers with thousands separators, yes and no."""
    match value:
        case None | "" | [] | ():
            return "–"
        case dict() if not value:
            return "–"
        case bool():
            return str(t("yes") if value else t("no"))
        case int():
            return f"{value:,}"
        case list() | tuple():
            return ", ".join(plain(v) for v in value)
        case dict():
            return ", ".join(f"{clean(str(k))}={plain(v)}" for k, v in value.items())
        case _:
            return clean(str(value))


def listing_options(function: Function) -> Function:
    """The options of a verb that lists or shows."""

    def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
            setattr(ctx.ensure_object(App).listing, name, value)

        return callback

    for decorate in (
        option("--limit", help=t("At most this many rows."), type=click.IntRange(1), expose_value=False,
               callback=keep("limit")),
        option("--sort", help=t("Fields to sort by, such as name or -updated."), metavar="FIELDS", expose_value=False,
               callback=keep("sort")),
        option("--filter", "filters", help=t("Only rows with this value, such as state=failed,warning or state!=done."),
               metavar="FIELD=VALUES", multiple=True, expose_value=False, callback=keep("filters")),
        option("--fields", help=t("Only these fields, such as id,state."), metavar="FIELDS", expose_value=False,
               callback=keep("fields")),
        option("-o", "--output", help=t("Form of the answer; also GASP_OUTPUT."), type=click.Choice(FORMATS),
               default="table", envvar="GASP_OUTPUT", expose_value=False, callback=keep("output")),
    ):  # fmt: skip
        function = decorate(function)
    return function


def show_list(rows: Sequence[Row], columns: Sequence[Column], *, empty: Text, name: str) -> None:
    """Print a list. JSON is `{items, total, next}` as in the REST interface; `total` counts before `--limit`."""
    app = current()
    chosen, total = choose(rows, app, [c.field for c in columns])
    fields = _fields(app, chosen, columns)
    match app.listing.output:
        case "json" | "yaml":
            items = [{f: pick(r, f) for f in fields} for r in chosen] if app.listing.fields else list(chosen)
            print_data({"items": items, "total": total, "next": None})
        case "csv":
            print_csv(app, fields if app.listing.fields else [c.field for c in columns], chosen)
        case "name":
            print_names(app, chosen, name)
        case _:
            if chosen:
                print_table(app, chosen, columns)
                if total > len(chosen):
                    app.note(
                        tn(
                            "{shown} of {total} row (--limit).",
                            "{shown} of {total} rows (--limit).",
                            shown=len(chosen),
                            count=total,
                            total=total,
                        ),
                        "dim",
                    )
            elif rows:
                app.note(
                    tn(
                        "The only row does not fit the filter.",
                        "None of {total} rows fits the filter.",
                        count=len(rows),
                        total=len(rows),
                    )
                )
            else:
                app.note(empty)


def show_one(
    answer: dict[str, Any], view: Callable[[], None], *, rows: str | None = None, name: str = "id",
    columns: Sequence[Column] = (),
) -> None:  # fmt: skip
    """Print one thing: `view` draws it for people; JSON and YAML are the answer itself.

    `rows` names the list inside it that `--filter`, `--sort` and `--limit` work on and CSV and names come from.
    """
    app = current()
    wanted = app.listing
    if rows is not None and (wanted.filters or wanted.sort or wanted.limit):
        chosen, _ = choose(answer[rows], app, [c.field for c in columns])
        answer[rows] = list(chosen)
    match wanted.output:
        case "json" | "yaml":
            if wanted.fields and rows is not None:
                fields = _fields(app, answer[rows], columns)
                print_data({**answer, rows: [{f: pick(r, f) for f in fields} for r in answer[rows]]})
            elif wanted.fields:
                print_data({f: pick(answer, f) for f in _fields(app, [answer], columns)})
            else:
                print_data(answer)
        case "csv":
            found = answer[rows] if rows is not None else [answer]
            fields = [c.field for c in columns] or list(answer)
            print_csv(app, _fields(app, found, columns) if wanted.fields else fields, found)
        case "name":
            print_names(app, answer[rows] if rows is not None else [answer], name)
        case _:
            if wanted.fields and (columns or rows is None):
                print_table(app, answer[rows] if rows is not None else [answer], columns)
            else:
                view()


def choose(rows: Sequence[Row], app: App, known: Sequence[str]) -> tuple[Sequence[Row], int]:
    """Rows that fit, sorted and cut, and how many fitted."""
    wanted = app.listing
    fields = {*known, *(key for row in rows[:1] for key in row)}
    chosen = list(rows)
    for text in wanted.filters:
        field, sign, values = text.partition("=")
        if not sign:
            raise click.UsageError(
                str(t("--filter wants FIELD=VALUE, such as state=failed; got “{text}”.", text=clean(text)))
            )
        wants = field.endswith("!")
        _known(field.rstrip("!"), fields)
        accepted = {value.casefold() for value in values.split(",")}
        chosen = [r for r in chosen if _fits(pick(r, field.rstrip("!")), accepted) != wants]
    for word in reversed(wanted.sort.split(",") if wanted.sort else []):
        chosen = _sorted(chosen, word.lstrip("-"), fields, word.startswith("-"))
    return chosen[: wanted.limit], len(chosen)


def _sorted(rows: Sequence[Row], field: str, fields: set[str], reverse: bool) -> list[Row]:
    """Rows by one field; those without a value come last either way."""
    _known(field, fields)
    have = [row for row in rows if pick(row, field) is not None]
    have.sort(key=lambda row: _order(pick(row, field)), reverse=reverse)
    return have + [row for row in rows if pick(row, field) is None]


def _fits(value: Any, accepted: set[str]) -> bool:
    values = value if isinstance(value, (list, tuple)) else [value]
    words = {"" if v is None else str(v).lower() if isinstance(v, bool) else str(v).casefold() for v in values}
    return bool(words & accepted)


def _order(value: Any) -> tuple[bool, float, str]:
    if isinstance(value, (int, float)):
        return False, value, ""
    return True, 0, str(value)


def _known(field: str, fields: set[str]) -> None:
    if field.split(".")[0] not in {f.split(".")[0] for f in fields}:
        near = get_close_matches(field, fields, 1)
        hint = t("Did you mean {near}?", near=near[0]) if near else t("Known are: {fields}.", fields=_join(fields))
        raise click.UsageError(f"{t('There is no field “{field}”.', field=clean(field))} {hint}")


def _join(fields: set[str]) -> str:
    return ", ".join(sorted(fields))


def _fields(app: App, rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    if not app.listing.fields:
        return [c.field for c in columns]
    wanted = [f.strip() for f in app.listing.fields.split(",") if f.strip()]
    known = {*(c.field for c in columns), *(key for row in rows[:1] for key in row)}
    for field in wanted if known else ():
        _known(field, known)
    return wanted


def print_data(data: Any) -> None:
    """JSON or YAML."""
    app = current()
    app.out(as_json(data) if app.listing.output == "json" else as_yaml(data))


def print_csv(app: App, fields: Sequence[str], rows: Sequence[Row]) -> None:
    """CSV; bytes as they are in a file or pipe, steering characters escaped on a terminal."""
    text = as_csv(fields, rows)
    click.echo(clean_lines(text.replace("\r\n", "\n")) if sys.stdout.isatty() else text, nl=False)


def print_names(app: App, rows: Sequence[Row], name: str) -> None:
    """One name a line."""
    for row in rows:
        app.out(clean(str(pick(row, name))))


def print_table(app: App, rows: Sequence[Row], columns: Sequence[Column]) -> None:
    """An aligned table; numbers to the right, states with shape and word."""
    by_field = {c.field: c for c in columns}
    if app.listing.fields:
        shown = [by_field.get(f, Column(f, Text(f.upper()))) for f in _fields(app, rows, columns)]
    else:
        shown = [c for c in columns if not c.wide or app.listing.output == "wide"]
    cells = [[c.cell(row) for c in shown] for row in rows]
    right = [
        all(isinstance(pick(row, c.field), (int, float, type(None))) for row in rows)
        and any(isinstance(pick(row, c.field), (int, float)) for row in rows)
        for c in shown
    ]

    def paint(number: int, column: int, text: str) -> str:
        return app.paint(text, "bold" if number < 0 else cells[number][column][1])

    app.out(layout([str(c.head) for c in shown], [[text for text, _ in row] for row in cells], right, paint))
