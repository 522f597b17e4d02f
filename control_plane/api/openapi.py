"""`openapi.json` (OpenAPI 3.1), made from the operations, from the forms of answers, and from the types of problems.

Must not know an operation by name: what is not declared as one is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from control_plane.api import listing
from control_plane.api.forms import form, forms
from control_plane.api.links import links
from control_plane.api.operation import OPERATIONS, Body, Operation, Query
from control_plane.api.problems import MEDIA
from control_plane.model.client import Json
from control_plane.model.problem_type import PROBLEM_TYPES
from control_plane.model.text import in_language
from control_plane.model.token import SCOPES

_COMPONENTS = "#/components/schemas/"
#: Types of problems that every operation may answer with.
ALWAYS = (
    *("no-token", "unknown-token", "token-over", "owner-not-ready", "scope-missing", "forbidden", "not-acceptable"),
    *("invalid", "too-many-requests", "unexpected", "temporary"),
)
TAG: Json = {"type": "string", "maxLength": 200}
PROBLEM: Json = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "remedy", "instance", "code", "request_id", "errors"],
    "properties": {
        "type": {"type": "string", "description": "a page that says what it means", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "in the language of Accept-Language"},
        "remedy": {"type": ["string", "null"], "description": "what to do next"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "name of the type, never translated", "enum": [*PROBLEM_TYPES]},
        "request_id": {"type": ["string", "null"]},
        "retry_after": {"type": "integer", "description": "seconds"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail", "remedy"],
                "properties": {
                    "pointer": {"type": ["string", "null"], "description": "field, such as `spec.sites[0].names.main`"},
                    "line": {"type": ["integer", "null"], "description": "row of a list that was sent, from 1"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                    "remedy": {"type": ["string", "null"]},
                },
            },
        },
    },
}


@cache
def document(version: str) -> Json:
    """The whole document."""
    with in_language("en"):
        components: Json = {"problem": PROBLEM}
        paths: dict[str, Json] = {}
        for operation in OPERATIONS.values():
            where = paths.setdefault(operation.path.removeprefix("/v1"), {})
            where[operation.method.lower()] = _operation(operation, components)
        _reach(paths, components)
        scopes = "; ".join(f"`{name}`: {title}" for name, title in SCOPES.items())
        about = f"A token with its scopes: {scopes}"
        scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "gasp_…", "description": about}
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "GASP",
                "version": version,
                "description": "The interface for programs. Answers are those of `gasp … -o json`; what goes wrong is "
                "`application/problem+json` (RFC 9457), whose `type` is a page.",
            },
            "servers": [{"url": "/api/v1"}],
            "security": [{"token": []}],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": {"token": scheme}},
        }


def _operation(operation: Operation, components: Json) -> Json:
    noun = operation.path.split("/")[2]
    found: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [noun],
        "security": [{"token": [operation.scope] if operation.scope else []}],
        "parameters": [*_places(operation), *map(_query, listing.parameters(operation)), *_headers(operation)],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        schema = {"$ref": _COMPONENTS + _body(operation.body, components)}
        required = bool(components[operation.body.__name__].get("required"))
        found["requestBody"] = {"required": required, "content": {operation.media: {"schema": schema}}}
    if operation.takes_file:
        content = {operation.media: {"schema": {"type": "string", "format": "binary", "minLength": 1}}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _places(operation: Operation) -> Iterable[Json]:
    for name in re.findall(r"\{(\w+)\}", operation.path):
        schema: Json = {"type": "string", "minLength": 1, "maxLength": 200}
        if name in ("number", "token"):
            schema = {"type": "integer", "minimum": 0, "maximum": 999999999}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query(query: Query) -> Json:
    return {"name": query.name, "in": "query", "description": query.about, "schema": dict(query.schema)}


def _headers(operation: Operation) -> Iterable[Json]:
    language: Json = {"type": "string", "maxLength": 40}
    yield {"name": "Accept-Language", "in": "header", "description": "Language of sentences.", "schema": language}
    if operation.starts:
        pattern = "^[A-Za-z0-9_-]{1,200}$"
        about = "A fresh word for each new act; the same word again is the same act, for 24 hours."
        needed = not operation.rehearses
        schema = {"type": "string", "pattern": pattern}
        yield {"name": "Idempotency-Key", "in": "header", "required": needed, "description": about, "schema": schema}
    if operation.method == "PATCH":
        about = "ETag of what was read."
        yield {"name": "If-Match", "in": "header", "required": True, "description": about, "schema": TAG}
    if operation.method == "GET":
        about = "ETag of what is known already."
        if operation.streams:
            about = "Number of the last event that was seen, of a stream."
            yield {"name": "Last-Event-ID", "in": "header", "description": about, "schema": TAG}
            about = "ETag of what is known already."
        yield {"name": "If-None-Match", "in": "header", "description": about, "schema": TAG}


def _responses(operation: Operation) -> Json:
    schema = _renamed(form(operation.form))
    if operation.rows or operation.form == "audit":
        items = {
            "anyOf": [
                schema,
                {"type": "object", "description": "with `fields`: these only; with `expand`: also `expanded`"},
            ]
        }
        schema = {
            "type": "object",
            "required": ["items", "next", "total"],
            "additionalProperties": False,
            "properties": {
                "items": {"type": "array", "items": items if operation.rows else schema},
                "next": {"type": ["string", "null"], "description": "cursor of what follows"},
                "total": {"type": ["integer", "null"], "description": "how many fit"},
            },
        }
    found: Json = {str(operation.status): _response("What was asked for.", "application/json", schema)}
    if leads := links(operation, operation.form):
        found[str(operation.status)]["links"] = leads
    if operation.streams:
        about = "Numbered events (`id`), `: beat` each 15 seconds, `end` at last; `Last-Event-ID` resumes."
        found["200"]["content"]["text/event-stream"] = {"schema": {"type": "string", "description": about}}
    if operation.method == "GET":
        found["304"] = {"description": "It is as If-None-Match says."}
    if operation.rehearses:
        rehearsed = _renamed(form(operation.rehearses))
        found["200"] = _response("With `dry_run`: what would be.", "application/json", rehearsed)
        if leads := links(operation, operation.rehearses):
            found["200"]["links"] = leads
    by_status: dict[int, list[str]] = {}
    for name in _refusals(operation):
        kind = PROBLEM_TYPES[name]
        by_status.setdefault(kind.status, []).append(f"`{kind.name}`: {kind.title}")
    for status, titles in sorted(by_status.items()):
        found[str(status)] = _response(" ".join(titles), MEDIA, {"$ref": _COMPONENTS + "problem"})
    return found


def _refusals(operation: Operation) -> list[str]:
    found = [*ALWAYS, *operation.refuses]
    if "{" in operation.path:
        found += ["not-found", "no-such-address"]
    if operation.estate:
        found.append("token-bound")
    if operation.body is not None:
        found += ["bad-request", "too-large", "wrong-type"]
    if operation.takes_file:
        found.append("too-large")
    if operation.starts:
        found += ["key-missing", "key-reused", "key-busy", "rejected", "frozen", "unsafe-plan", "stale-plan"]
    if operation.method == "PATCH":
        found += ["if-match-missing", "changed-meanwhile", "rejected"]
    return [*dict.fromkeys(found)]


def _response(about: str, media: str, schema: Json) -> Json:
    return {"description": about, "content": {media: {"schema": schema}}}


def _body(model: type[Body], components: Json) -> str:
    schema = model.model_json_schema(ref_template=_COMPONENTS + "{model}")
    components |= schema.pop("$defs", {})
    components[model.__name__] = schema
    return model.__name__


def _renamed(schema: Any) -> Any:
    """The same with references into the document's own components."""
    match schema:
        case dict():
            return {
                key: value.replace("#/$defs/", _COMPONENTS) if key == "$ref" else _renamed(value)
                for key, value in schema.items()
            }
        case list():
            return [_renamed(item) for item in schema]
        case _:
            return schema


def _reach(found: Any, components: Json) -> None:
    """Add whatever is referred to, and what that refers to."""
    defs, text = forms()["$defs"], [found, *components.values()]
    while text:
        for name in set(_references(text.pop())) - set(components):
            components[name] = _renamed(defs[name])
            text.append(components[name])


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                yield value.removeprefix(_COMPONENTS)
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
