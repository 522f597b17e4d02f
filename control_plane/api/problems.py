"""Whatever goes wrong, as `application/problem+json` (RFC 9457): type, status, and every fault with its remedy.

Must not say anything of what it does not know: an error of the program itself is a reference and nothing more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from control_plane.model.errors import ControlPlaneError, Problem, TemporaryError, UnsafePlan
from control_plane.model.problem_type import PROBLEM_TYPES, ProblemType
from control_plane.model.text import Text, t

MEDIA = "application/problem+json"
#: Where an error of HTTP itself has a type.
HTTP: Mapping[int, str] = {
    400: "bad-request", 404: "no-such-address", 405: "wrong-method", 406: "not-acceptable", 413: "too-large",
    415: "wrong-type",
}  # fmt: skip
log = logging.getLogger("gasp.api")


class Refused(Exception):
    """An answer that the interface gives by itself: the name of a type, and what an answer of it has besides.
    `detail`: more than the title of the type says."""

    def __init__(
        self, name: str, headers: Mapping[str, str] | None = None, detail: Text | None = None, **more: Any
    ) -> None:
        super().__init__(name)
        self.name, self.headers, self.detail, self.more = name, dict(headers or {}), detail, more


def bound(tenant: str) -> Refused:
    """What concerns more than the one department of a token."""
    return Refused("token-bound", detail=t("The token is bound to the department {code}.", code=tenant), tenant=tenant)


def type_of(error: ControlPlaneError) -> ProblemType:
    """The type of an error: its own code's, else that of its kind."""
    for code in (error.code, *(getattr(kind, "code", "") for kind in type(error).__mro__)):
        found = PROBLEM_TYPES.get(code)
        if found is not None:
            return found
    return PROBLEM_TYPES["rejected"]


def told(error: ControlPlaneError) -> Response:
    """An error that a person may see."""
    kind = type_of(error)
    if kind.name == "unexpected" or error.code == "permanent":
        return unexpected(error)
    more: dict[str, Any] = {}
    headers = {}
    if isinstance(error, TemporaryError):
        more["retry_after"] = int(error.delay) + 1
        headers["Retry-After"] = str(more["retry_after"])
    if isinstance(error, UnsafePlan) and error.word:
        more["word"] = error.word
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="gasp", error="invalid_token"'
    return problem(kind, error.text, error.hint, error.problems, headers, **more)


def refused(error: Refused) -> Response:
    """What the interface refuses by itself."""
    kind = PROBLEM_TYPES[error.name]
    return problem(kind, error.detail or kind.title, kind.about, (), error.headers, **error.more)


def http(error: HTTPException) -> Response:
    """An error of HTTP itself."""
    name = HTTP.get(error.code or 500)
    if name is None:
        return unexpected(error)
    kind = PROBLEM_TYPES[name]
    kept = {key: value for key, value in error.get_headers() if key in ("Allow", "Retry-After")}
    return problem(kind, kind.title, kind.about, (), kept)


def unexpected(error: Exception) -> Response:
    """An error of the program itself."""
    log.error("%s %s request %s", request.method, request.path, g.get("request_id"), exc_info=error)
    kind = PROBLEM_TYPES["unexpected"]
    return problem(kind, kind.title, kind.about, (), {})


def problem(
    kind: ProblemType, detail: Text, hint: Text | None, problems: Sequence[Problem], headers: Mapping[str, str],
    **more: Any,
) -> Response:  # fmt: skip
    """The answer."""
    body = {
        "type": f"/problems/{kind.name}",
        "title": str(kind.title),
        "status": kind.status,
        "detail": str(detail),
        "remedy": str(hint) if hint else None,
        "instance": request.script_root + request.path,
        "code": kind.name,
        "request_id": g.get("request_id"),
        "errors": [
            {
                **{"pointer": p.field, "line": p.line, "code": p.code, "detail": str(p.text)},
                "remedy": str(p.remedy) if p.remedy else None,
            }
            for p in problems
        ],
        **more,
    }
    return Response(orjson.dumps(body), kind.status, dict(headers), mimetype=MEDIA)
