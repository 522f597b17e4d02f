"""What a typed spec says of each field of a form, and how answers are read and written by path.

Answers are plain JSON as typed, also while they are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from control_plane.model.questions import Ask

Path = tuple[str | int, ...]
Kind = Literal["text", "number", "yes_no", "rows", "lines", "choice"]


@dataclass(frozen=True)
class Shape:
    """What a field holds, as its spec says."""

    kind: Kind
    required: bool
    default: Any
    number: bool = False


def path_of(field: str | None) -> Path:
    """`subscriptions[0].spec.sites[1].names.main` → `("spec", "sites", 1, "names", "main")`."""
    parts: list[str | int] = [
        int(number) if number else word for word, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", field or "")
    ]
    if "spec" in parts:
        parts = parts[parts.index("spec") + 1 :]
    return ("spec", *parts) if parts and parts != ["reason"] and parts != ["tier"] else tuple(parts)


def shape_of(model: type[BaseModel], ask: Ask) -> Shape:
    """What a spec says of the field at `ask.path`; KeyError when there is none."""
    required, default, annotation, absent = True, None, None, False
    inner: Any = model
    for name in ask.path.split("."):
        info = inner.model_fields[name]
        absent = absent or (name != ask.path and not required and default is None)
        required = required and info.is_required()
        annotation = _peel(info.annotation)
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        inner = annotation
    if absent or isinstance(default, BaseModel):
        default = None
    origin = get_origin(annotation)
    if origin in (tuple, list):
        return Shape("lines" if ask.long else "rows", required, default)
    if annotation is bool:
        return Shape("yes_no", required, default)
    number = isinstance(annotation, type) and issubclass(annotation, int)
    if ask.choices is not None:
        return Shape("choice", required, default, number)
    if ask.long:
        return Shape("lines" if origin in (tuple, list) else "text", required, default)
    return Shape("number" if number else "text", required, default, number)


def _peel(annotation: Any) -> Any:
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, UnionType):
            annotation = next(a for a in get_args(annotation) if a is not NoneType)
        else:
            return annotation


def model_of(annotation: Any) -> type[BaseModel]:
    """The model of the things in a list."""
    found: type[BaseModel] = _peel(get_args(_peel(annotation))[0])
    return found


def get(value: Any, path: Path) -> Any:
    """What stands at a path; None when nothing does."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def put(document: dict[str, Any], path: Path, value: Any, needed: bool) -> None:
    """Set a value; an empty one is taken out, and with it a group that need not be there."""
    trail: list[tuple[Any, str | int]] = []
    here: Any = document
    for part in path[:-1]:
        inner = get(here, (part,))
        if not isinstance(inner, dict | list):
            inner = here[part] = {}
        trail.append((here, part))
        here = inner
    if value in ("", None, []):
        here.pop(path[-1], None)
        if not here and not needed and trail and isinstance(trail[-1][1], str):
            trail[-1][0].pop(trail[-1][1], None)
    else:
        here[path[-1]] = value


def typed(shape: Shape, text: str) -> Any:
    """A text from a page as its field wants it, or as it is."""
    if shape.kind == "yes_no":
        return {"true": True, "false": False}.get(text)
    if shape.number and text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return text


def as_text(value: Any) -> str:
    """A value as it stands in a field."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case Mapping() | list() | tuple():
            return ""
        case _:
            return str(value)
