"""Lists: parameters as they were sent, rows that fit, one part of them. The names are those of the tables on pages.

A cursor names the last row that was given, so that what comes in between neither doubles a row nor skips one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from control_plane.api import expanding
from control_plane.api.forms import fields as fields_of
from control_plane.api.operation import Call, Operation, Page, Query
from control_plane.model.client import Json
from control_plane.model.errors import Invalid, Problem
from control_plane.model.searching import holds
from control_plane.model.spreadsheet import pick
from control_plane.model.text import Text, t

LIMIT, USUAL = 200, 50
_NAMES = "Names of fields of an item, with commas"
PARTS = (
    Query("limit", "Items in one answer.", {"type": "integer", "minimum": 1, "maximum": LIMIT, "default": USUAL}),
    Query("cursor", "`next` of the answer before.", {"type": "string", "maxLength": 400}),
    Query(
        "q", "Only items in which this stands, Chinese also by its pinyin; ids made by chance and digests only whole."
    ),
    Query("sort", f"{_NAMES}; a hyphen before a name turns it round."),
    Query("fields", f"{_NAMES}: only these are given."),
)
#: Fields that say when something happened to a row.
HAPPENED = (
    *("at", "made_at", "created_at", "submitted_at", "started_at", "opened_at", "found_at", "reported_at", "last_seen"),
    *("decided_at", "sent_at", "used_at", "lifted_at", "reviewed_at", "cleared_at", "finished_at", "ended_at"),
    *("measured_at", "last_contact"),
)
TIME: Json = {"type": "string", "format": "date-time", "maxLength": 40}


def times(operation: Operation) -> list[str]:
    """Fields of a list that say when something happened to a row."""
    return [name for name in HAPPENED if name in fields_of(operation.form)]


def parameters(operation: Operation) -> list[Query]:
    """Everything that may stand behind the question mark."""
    found = list(operation.query)
    if operation.rehearses:
        found.append(Query("dry_run", "Say what would be; change nothing.", {"type": "boolean"}))
    if operation.rows:
        chosen = [Query(name, f"Only items whose `{name}` is one of these, with commas.") for name in operation.filters]
        found += [*chosen, *PARTS]
        if known := times(operation):
            names = ", ".join(f"`{name}`" for name in known)
            found.append(Query("updated_after", f"Only items of which one of {names} is later (RFC 3339).", TIME))
        if known := expanding.names(operation):
            names = ", ".join(known)
            about = f"Put beside an item what these fields of it name, with commas: {names}. Each is in `expanded`."
            found.append(Query("expand", about))
    return found


def read(operation: Operation, given: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What was sent behind the question mark, checked whole. Raises Invalid with every fault."""
    known = {query.name: query for query in parameters(operation)}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in given:
        if name not in known:
            remedy = t("Known are: {fields}.", fields=", ".join(known) or "–")
            problems.append(Problem("unknown-parameter", t("There is no parameter “{name}”.", name=name[:80]), remedy))
        elif name in values:
            problems.append(_wrong(name, t("It was sent twice."), t("Send it once, with commas between values.")))
        else:
            values[name], fault = _value(known[name], text)
            problems += fault
    if problems:
        raise Invalid(problems)
    return values


def _value(query: Query, text: str) -> tuple[Any, list[Problem]]:
    schema = query.schema
    if schema.get("type") == "integer":
        low, high = schema["minimum"], schema["maximum"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
        if number is not None and low <= number <= high:
            return number, []
        return None, [_wrong(query.name, t("It is no whole number that fits."), _range(low, high))]
    if schema.get("type") == "boolean":
        if text in ("true", "false"):
            return text == "true", []
        return None, [_wrong(query.name, t("It is neither true nor false."), t("Write true or false."))]
    if schema.get("format") == "date-time":
        moment = _moment(text)
        if moment is None:
            remedy = t("Write it like 2026-11-29T09:30:00Z; a + of the zone is %2B in an address.")
            return None, [_wrong(query.name, t("It is no time with a zone."), remedy)]
        return moment, []
    if "enum" in schema and text not in schema["enum"]:
        names = ", ".join(schema["enum"])
        return None, [_wrong(query.name, t("It is none of the words known."), t("Use one of {names}.", names=names))]
    if len(text) > schema.get("maxLength", 200) or not text.isprintable():
        return None, [_wrong(query.name, t("It is too long, or has characters that nobody can see."), t("Send less."))]
    return text, []


def part(operation: Operation, rows: Sequence[Json], call: Call) -> Page:
    """The rows that fit, as sorted, from the cursor on. Raises Invalid (a field or cursor that is not known)."""
    assert operation.rows is not None
    query, expand = call.query, _names(call.query.get("expand"))
    found = [row for row in rows if _fits(operation, row, query)]
    fields = {name for row in rows[:1] for name in row}
    problems: list[Problem] = []
    for name in reversed(_names(query.get("sort"))):
        field = name.removeprefix("-")
        if rows and field not in fields:
            problems.append(_unknown("sort", field, fields))
            continue
        found = _sorted(found, field, name.startswith("-"))
    wanted = _names(query.get("fields"))
    able = set(expanding.names(operation))
    problems += [_unknown("expand", name, able) for name in expand if name not in able]
    fields |= {"expanded"} if expand else set()
    problems += [_unknown("fields", name, fields) for name in wanted if rows and name.split(".")[0] not in fields]
    start = _start(found, operation.rows, query.get("cursor"), problems)
    if problems:
        raise Invalid(problems)
    limit = query.get("limit", USUAL)
    items = found[start : start + limit]
    after = items[-1][operation.rows] if items else None
    items = expanding.expanded(items, expand, call) if expand else items
    more = start + limit < len(found)
    following = cursor({"after": after, "place": start + limit}) if more else None
    chosen = [{name: pick(row, name) for name in wanted} for row in items] if wanted else items
    return Page(chosen, following, len(found))


def _sorted(rows: Sequence[Json], field: str, turned: bool) -> list[Json]:
    """By one field; those without a value come last either way."""
    have = [row for row in rows if row.get(field) is not None]
    have.sort(key=lambda row: _order(row[field]), reverse=turned)
    return have + [row for row in rows if row.get(field) is None]


def cursor(place: Json) -> str:
    """A place as an opaque word."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def place(word: str | None) -> Json | None:
    """The place that a cursor names. Raises Invalid."""
    if word is None:
        return None
    try:
        found = orjson.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
        if isinstance(found, dict) and isinstance(found.get("place"), int) and found["place"] >= 0:
            return found
    except (ValueError, binascii.Error):
        pass
    raise Invalid([_no_cursor()])


def _start(found: Sequence[Json], name: str, word: str | None, problems: list[Problem]) -> int:
    try:
        known = place(word)
    except Invalid as error:
        problems += error.problems
        return 0
    if known is None:
        return 0
    last = next((number for number, row in enumerate(found) if row[name] == known.get("after")), None)
    return int(known["place"]) if last is None else last + 1


def _no_cursor() -> Problem:
    return _wrong("cursor", t("It is no cursor of this list."), t("Send `next` of the answer before, or none."))


def _fits(operation: Operation, row: Json, query: Mapping[str, Any]) -> bool:
    for name in operation.filters:
        if name in query:
            value = row.get(name)
            held = value if isinstance(value, list | tuple) else [value]
            wanted = {word.casefold() for word in query[name].split(",")}
            if not wanted & {_plain(one) for one in held}:
                return False
    since = query.get("updated_after")
    if since is not None and not any((at := _moment(row.get(n))) is not None and at > since for n in times(operation)):
        return False
    return holds(row, query.get("q", ""))


def _moment(value: Any) -> datetime | None:
    """A time with a zone; None for anything else."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def _plain(value: Any) -> str:
    return str(value).casefold() if value is not None else ""


def _order(value: Any) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return False, value, ""
    return True, 0, str(value)


def _names(text: str | None) -> list[str]:
    return [name for name in (text or "").split(",") if name]


def _range(low: int, high: int) -> Text:
    return t("Write a whole number from {low} to {high}.", low=low, high=high)


def _wrong(name: str, text: Text, remedy: Text) -> Problem:
    return Problem("bad-parameter", text, remedy, field=name)


def _unknown(name: str, field: str, fields: set[str]) -> Problem:
    text = t("There is no field “{field}”.", field=field[:80])
    return _wrong(name, text, t("Known are: {fields}.", fields=", ".join(sorted(fields))))
