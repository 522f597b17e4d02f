"""`expand=`: what a field of a row names, put beside it whole. One table for every list: a field that is in it can be
expanded wherever a row has it. Must not show what the token could not ask for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from control_plane.api.forms import fields
from control_plane.api.operation import Call, Operation
from control_plane.model.client import Json
from control_plane.model.errors import NotFound

Look = Callable[[Call, Any], Json | None]


def _tenant(call: Call, code: Any) -> Json | None:
    return next((row for row in call.in_sight(call.rows("tenants"), "code") if row["code"] == code), None)


def _run(call: Call, number: Any) -> Json | None:
    return call.client.run(number) if call.centre else None


def _request(call: Call, reference: Any) -> Json | None:
    return call.client.requests.show(reference)


def _host(call: Call, name: Any) -> Json | None:
    return next((row for row in call.rows("hosts") if row["name"] == name), None) if call.centre else None


#: Field → how what it names is found.
SOURCES: Mapping[str, Look] = {"tenant": _tenant, "run": _run, "request": _request, "host": _host}


def names(operation: Operation) -> list[str]:
    """Fields of a list that can be expanded."""
    return [name for name in SOURCES if name in fields(operation.form)]


def expanded(rows: Sequence[Json], wanted: Sequence[str], call: Call) -> list[Json]:
    """The rows with `expanded`: {field: what it names}; None where it names nothing that this token may see."""
    known: dict[tuple[str, Any], Json | None] = {}

    def look(name: str, value: Any) -> Json | None:
        if value is None:
            return None
        if (name, value) not in known:
            try:
                known[name, value] = SOURCES[name](call, value)
            except NotFound:
                known[name, value] = None
        return known[name, value]

    return [{**row, "expanded": {name: look(name, row.get(name)) for name in wanted}} for row in rows]
