"""What an operation is: data from which the routes, the checks before it and `openapi.json` are made.

Modules of operations say `@operation(...)` above a function of a `Call`. Must not answer anybody by itself.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, EncodedBytes
from pydantic.types import Base64Encoder
from pydantic_core import PydanticCustomError

from control_plane.model.client import Client, Json
from control_plane.model.people import Act, Person
from control_plane.model.token import Token
from control_plane.workflow import access

Schema = Mapping[str, Any]
WORD: Schema = {"type": "string", "maxLength": 200}


class Body(BaseModel):
    """What is sent; a field that is not known is a fault."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Strict(Base64Encoder):
    """The library's own passes over what is no base64 at all."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        """See `EncoderProtocol.decode`."""
        try:
            return base64.b64decode(b"".join(data.split()), validate=True)
        except ValueError:
            raise PydanticCustomError("base64_decode", "Base64 decoding error") from None


#: A file inside JSON.
Base64 = Annotated[bytes, EncodedBytes(encoder=_Strict)]


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
    word for this act. `tag`: If-Match. `file`: where the file lies that was sent, until the answer."""

    client: Client
    token: Token
    person: Person
    query: Mapping[str, Any]
    body: Any = None
    key: str = ""
    tag: str | None = None
    rows: Callable[[str], list[Json]] = lambda name: []
    file: Path | None = None

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
    `largest`: octets of its body, where the usual limit is too small. `takes_file`: its body is a file as it is.
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
    largest: int | None = None
    takes_file: bool = False

    @property
    def media(self) -> str:
        """The type of its body."""
        if self.takes_file:
            return "application/octet-stream"
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
