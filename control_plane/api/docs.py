"""`/api/v1/docs`: the interface for people, made on the server from the same document as `openapi.json`.

No script and nothing from elsewhere. Must not know an operation by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template, request

from control_plane.api import openapi
from control_plane.api.services import services
from control_plane.model.client import Json
from control_plane.model.text import Text, language, t
from control_plane.model.token import SCOPES

STYLE = Path(__file__).parent / "docs.css"
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def install(app: Flask) -> None:
    """The page and its style; both for everybody, as the document is."""
    app.add_url_rule("/v1/docs", "docs", page, provide_automatic_options=False)
    app.add_url_rule("/v1/docs.css", "docs_style", _style, provide_automatic_options=False)


def page() -> Response:
    """Every operation: what it needs, what is sent, what is answered."""
    document = openapi.document(services().version)
    nouns: dict[str, list[Json]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            nouns.setdefault(operation["tags"][0], []).append(_shown(path, method, operation, document))
    text = render_template(
        "docs.html",
        t=t,
        lang="zh-CN" if language() == "zh_CN" else "en",
        version=document["info"]["version"],
        nouns=dict(sorted(nouns.items())),
        scopes=SCOPES,
        base=f"{request.script_root}/v1",
    )
    return Response(text, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


def _style() -> Response:
    return Response(STYLE.read_text("utf-8"), mimetype="text/css")


def _shown(path: str, method: str, operation: Mapping[str, Any], document: Json) -> Json:
    body = operation.get("requestBody")
    schema = next(iter(body["content"].values()))["schema"] if body else None
    scopes = operation["security"][0]["token"]
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": Text(operation["summary"]),
        "scope": scopes[0] if scopes else None,
        "parameters": [
            {**p, "words": _words(p["schema"]), "needed": p.get("required", False)} for p in operation["parameters"]
        ],
        "media": next(iter(body["content"])) if body else None,
        "fields": list(_fields(schema, document)) if schema else [],
        "answers": [
            {"status": status, "about": one["description"], "leads": list(one.get("links", ()))}
            for status, one in operation["responses"].items()
        ],
    }


def _fields(schema: Json, document: Json) -> Iterator[Json]:
    """What is sent, field by field."""
    found = _resolved(schema, document)
    needed = set(found.get("required", ()))
    for name, one in found.get("properties", {}).items():
        known = _resolved(one, document)
        yield {"name": name, "needed": name in needed, "words": _words(known), "about": one.get("description", "")}


def _resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        found: Json = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        schema = found
    return schema


def _words(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_words(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("format") or schema.get("type") or schema.get("$ref", "object").rpartition("/")[2]
    if kind == "array":
        return f"{_words(schema.get('items', {}))}[]"
    return str(kind)
