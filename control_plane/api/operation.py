"""What an operation is: data from which the routes, the checks before it and `openapi.json` are made.

Modules of operations say `@operation(...)` above a function of a `Call`. Must not answer anybody by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from control_plane.model.client import Client, Json
from control_plane.model.people import Act, Person
from control_plane.model.token import Token
from control_plane.workflow import access

Schema = Mapping[str, Any]
WORD: Schema = {"type": "string", "maxLength": 200}


class Body(BaseModel):
    """What is sent; a field that is not known is a fault."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Body):
    """An act that needs no words."""


@dataclass(frozen=True)
class Query:
    """One parameter of an address. `schema`: `integer` with bounds, `boolean`, an `enum`, or words."""

    name: str
    about: str
    schema: Schema = field(default_factory=lambda: WORD)


@dataclass(frozen=True)
class Call:
    """One request: the control plane with the token's owner as its actor, and what was sent. `key`: the program's own
    word for this act. `tag`: If-Match."""

    client: Client
    token: Token
    person: Person
    query: Mapping[str, Any]
    body: Any = None
    key: str = ""
    tag: str | None = None
    rows: Callable[[str], list[Json]] = lambda name: []

    @property
    def centre(self) -> bool:
        """Whether the whole estate may be seen with this token."""
        return self.token.tenant is None and access.allows(self.person, Act.SEE_ESTATE)

    @property
    def dry_run(self) -> bool:
        """Whether it is only to be said what would be."""
        return bool(self.query.get("dry_run"))

    def in_sight(self, found: Sequence[Json], name: str = "tenant") -> list[Json]:
        """Those rows that belong to departments which this token may see."""
        seen = access.tenants_in_sight(self.person)
        return list(found) if seen is None else [row for row in found if row[name] in seen]


@dataclass(frozen=True)
class Answer:
    """What is answered. `location` and `tag` become headers; `form`: another form than the operation's usual one."""

    body: Any
    status: int | None = None
    location: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Page:
    """A part of a list that the operation has cut itself."""

    items: list[Json]
    next: str | None
    total: int | None


@dataclass(frozen=True)
class Operation:
    """One operation.

    `act` is asked of the owner's roles: in the department that the part `tenant` of the address names, or anywhere.
    `estate`: it concerns the whole estate, so a token bound to a department does not do it. `form` names the answer in
    `json-forms.yaml`; `rows` is the field by which a row of a list is known; `filters` are fields by which a list is
    chosen. `starts`: it begins work, so a program says its key. `rehearses`: the form of the answer with `dry_run`.
    `refuses`: types of problems beyond those that every operation has. `streams`: the same as `text/event-stream`.
    """

    id: str
    method: str
    path: str
    summary: str
    form: str
    scope: str | None
    act: Act
    view: Callable[..., Any]
    tenant: str | None = None
    estate: bool = False
    rows: str | None = None
    filters: tuple[str, ...] = ()
    query: tuple[Query, ...] = ()
    body: type[Body] | None = None
    status: int = 200
    starts: bool = False
    rehearses: str | None = None
    tagged: bool = False
    refuses: tuple[str, ...] = ()
    streams: bool = False

    @property
    def media(self) -> str:
        """The type of its body."""
        return "application/merge-patch+json" if self.method == "PATCH" else "application/json"


OPERATIONS: dict[str, Operation] = {}


def operation(method: str, path: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function an operation; its docstring's first line is the summary, its name the id."""

    def declare(view: Callable[..., Any]) -> Callable[..., Any]:
        summary = (view.__doc__ or "").strip().split("\n")[0]
        made = Operation(view.__name__, method, f"/v1{path}", summary, view=view, **facts)
        OPERATIONS[made.id] = made
        return view

    return declare
