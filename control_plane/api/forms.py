"""The document of forms of answers, which the command line has too (`json-forms.yaml`). Must not know an operation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from control_plane.model.client import Json

FORMS = Path(__file__).parent / "json-forms.yaml"


@cache
def forms() -> Mapping[str, Any]:
    """The document: `$defs`, `forms`, and those that only this interface has (`api`)."""
    import yaml

    found: Mapping[str, Any] = yaml.load(FORMS.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return found


def form(name: str) -> Json:
    """The schema of an answer; of a list, that of an item. References lead to `#/$defs/`."""
    document = forms()
    found: Json = {**document["forms"], **document["api"]}[name]["schema"]
    return found


@cache
def fields(name: str) -> frozenset[str]:
    """Names of the fields of an answer; of a list, those of an item."""
    return frozenset(_fields(form(name)))


def _fields(schema: Mapping[str, Any]) -> set[str]:
    if "$ref" in schema:
        return _fields(forms()["$defs"][schema["$ref"].rpartition("/")[2]])
    found = set(schema.get("properties", ()))
    for part in schema.get("allOf", ()):
        found |= _fields(part)
    return found
