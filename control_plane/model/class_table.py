"""The table of classes as it is written down and changed: read it, check it whole, tell two of them apart.

Pure. Whatever it says, two different people sign and one of them is the department's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from control_plane.model.change_class import CLASSES, CONDITION_TITLES, SIGNING_ORDER, ClassTable, Condition
from control_plane.model.errors import Invalid, Problem
from control_plane.model.people import ROLES
from control_plane.model.text import Text, t

Json = dict[str, Any]
#: The largest numbers that still mean something.
LARGEST = {"most_tenants": 1000, "most_hosts": 10_000}
_FIELDS = (*LARGEST, "not_standard", "lines")


def as_json(table: ClassTable) -> Json:
    """The form in which it is stored, shown and proposed."""
    return {
        "most_tenants": table.most_tenants,
        "most_hosts": table.most_hosts,
        "not_standard": sorted(table.not_standard),
        "lines": {line.name: {"class": line.change_class, "signs": [*line.signs]} for line in table.lines},
    }


def digest_of(body: Json) -> str:
    """What a signature is bound to."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def read(body: Any, offerings: Collection[str]) -> ClassTable:
    """A proposed table. Raises Invalid with every problem: all fields, known words, two roles a line."""
    problems: list[Problem] = []
    given: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    for name in sorted({str(name) for name in given} - {*_FIELDS}):
        problems.append(_bad(name, t("“{field}” is no field of the table.", field=name), _one_of(_FIELDS)))
    numbers = {name: _number(given.get(name), name, largest, problems) for name, largest in LARGEST.items()}
    not_standard = given.get("not_standard", [])
    if not isinstance(not_standard, list) or not {str(name) for name in not_standard} <= {*offerings}:
        problems.append(_bad("not_standard", t("It is no list of services."), _one_of(sorted(offerings))))
        not_standard = []
    found = given.get("lines")
    lines: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    for name in sorted({str(name) for name in lines} - {*CONDITION_TITLES}):
        problems.append(
            _bad(f"lines.{name}", t("“{field}” is no line of the table.", field=name), _one_of(CONDITION_TITLES))
        )
    made = [_line(name, lines.get(name), problems) for name in CONDITION_TITLES]
    if problems:
        raise Invalid(problems)
    return ClassTable(**numbers, lines=tuple(made), not_standard=frozenset(map(str, not_standard)))


def _number(given: Any, name: str, largest: int, problems: list[Problem]) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= largest:
        return given
    remedy = t("Write a number from 1 to {largest}.", largest=largest)
    problems.append(_bad(name, t("“{text}” is no such number.", text=str(given)), remedy))
    return 1


def _line(name: Any, given: Any, problems: list[Problem]) -> Condition:
    row: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    kind, signs = row.get("class"), row.get("signs")
    classes = ("ordinary", "wide")
    if kind not in classes:
        problems.append(
            _bad(f"lines.{name}.class", t("“{text}” is no class of a line.", text=str(kind)), _one_of(classes))
        )
    roles = [str(role) for role in signs] if isinstance(signs, list) else []
    where = f"lines.{name}.signs"
    if not {*roles} <= {*SIGNING_ORDER}:
        problems.append(_bad(where, t("Not all of these are roles that sign."), _one_of(SIGNING_ORDER)))
    elif len({*roles}) < 2 or "approver" not in roles:
        text = t("Two different people sign every change, one of them for the department.")
        problems.append(_bad(where, text, t("Name approver and at least one role of the centre.")))
    return Condition(name, kind or "wide", tuple(role for role in SIGNING_ORDER if role in roles))


def differences(before: Json, after: Json) -> list[Json]:
    """Field by field: [{field, title, before, after}], for people."""
    found: list[Json] = []
    for name, title in (("most_tenants", MOST_TENANTS), ("most_hosts", MOST_HOSTS)):
        if before[name] != after[name]:
            found.append(_differs(name, title, str(before[name]), str(after[name])))
    if before["not_standard"] != after["not_standard"]:
        named = [", ".join(body["not_standard"]) or "–" for body in (before, after)]
        found.append(_differs("not_standard", NOT_STANDARD, *named))
    for name, title in CONDITION_TITLES.items():
        old, new = before["lines"][name], after["lines"][name]
        if old["class"] != new["class"]:
            words = [str(CLASSES[line["class"]].title) for line in (old, new)]
            found.append(_differs(f"lines.{name}.class", t("class of {what}", what=title), *words))
        if old["signs"] != new["signs"]:
            words = [_roles(line["signs"]) for line in (old, new)]
            found.append(_differs(f"lines.{name}.signs", t("who signs {what}", what=title), *words))
    return found


MOST_TENANTS = t("departments from which on it reaches many")
MOST_HOSTS = t("hosts from which on it reaches many")
NOT_STANDARD = t("services of which nothing is agreed on beforehand")


def _differs(field: str, title: Text, before: str, after: str) -> Json:
    return {"field": field, "title": str(title), "before": before, "after": after}


def _roles(names: Sequence[str]) -> str:
    return ", ".join(str(ROLES[name].title) for name in names)


def _bad(field: str, text: Text, remedy: Text) -> Problem:
    return Problem("bad-table", text, remedy, field=field)


def _one_of(names: Collection[str]) -> Text:
    return t("Use one of {names}.", names=", ".join(names))
