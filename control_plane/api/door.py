"""What stands before every operation: language, rate, token, scope, act, parameters, body, key; and after it: the tag
of its content, limits, and headers. Cookies are not looked at.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Flask, Response, current_app, g, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter

from control_plane.api import listing, problems, stream
from control_plane.api.operation import OPERATIONS, Answer, Body, Call, Operation, Page
from control_plane.api.problems import Refused, bound
from control_plane.api.services import FAILURES, services
from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, Problem
from control_plane.model.text import choose_language, language, set_language, t
from control_plane.model.token import FirstAnswer
from control_plane.workflow import access
from control_plane.workflow.idempotence import KeyBusy
from control_plane.workflow.import_problems import problems_of
from control_plane.workflow.tokens import Admitted, TokenRefused

MINUTE = timedelta(minutes=1)
_KEY = re.compile(r'"?([A-Za-z0-9_-]{1,200})"?')
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_]{1,100})")
#: Lists and objects within each other in a body; no form has nearly as many.
_DEEPEST = 50
_FORM = t("See /api/v1/docs for the fields and what they may hold.")
#: Headers of a first answer that a later one has too.
_KEPT = ("Location", "ETag", "Content-Type")


class Number(IntegerConverter):
    """A number in an address; one that no database has is no such address."""

    regex = r"\d{1,9}"


class Rates:
    """Requests of each within the present minute, in this process."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def take(self, who: str, most: int, seconds: float) -> tuple[int, int]:
        """(what is left, seconds until there is more); less than nothing is left when it was too much."""
        minute, length = int(seconds // 60), int(60 - seconds % 60)
        with self._lock:
            if len(self._counts) > 10_000:
                self._counts = {name: known for name, known in self._counts.items() if known[0] == minute}
            before, count = self._counts.get(who, (minute, 0))
            count = count + 1 if before == minute else 1
            self._counts[who] = (minute, count)
        return most - count, max(1, length)


def install(app: Flask) -> None:
    """Put the door before every operation of `app`, and make all errors problems."""
    app.extensions["gasp-api-rates"] = Rates()
    app.url_map.converters["int"] = Number
    app.url_map.merge_slashes = False
    for operation in OPERATIONS.values():
        rule = re.sub(r"\{(number|token)\}", r"<int:\1>", operation.path)
        app.add_url_rule(
            re.sub(r"\{(\w+)\}", r"<\1>", rule), operation.id, partial(_run, operation), methods=[operation.method],
            provide_automatic_options=False,
        )  # fmt: skip
    app.before_request(_enter)
    app.after_request(_leave)
    app.register_error_handler(ControlPlaneError, problems.told)
    app.register_error_handler(Refused, problems.refused)
    app.register_error_handler(HTTPException, problems.http)
    app.register_error_handler(Exception, problems.unexpected)


def _enter() -> None:
    g.request_id = secrets.token_hex(8)
    wanted = request.accept_languages.best_match(["zh-CN", "zh", "en"], "en") if request.accept_languages else "zh"
    set_language(choose_language(wanted))


def _leave(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    headers["Content-Language"] = "zh-CN" if language() == "zh_CN" else "en"
    headers["Vary"] = "Authorization, Accept-Language"
    headers.setdefault("Cache-Control", "private, no-cache")
    if "rate" in g:
        most, left, seconds = g.rate
        headers["RateLimit-Policy"] = f'"token";q={most};w=60'
        headers["RateLimit"] = f'"token";r={max(left, 0)};t={seconds}'
    return response


# before an operation ---------------------------------------------------------------------------------------------
def _run(operation: Operation, **where: Any) -> Response:
    given = ["application/json", problems.MEDIA, *([stream.MEDIA] if operation.streams else [])]
    if not request.accept_mimetypes.best_match(given) and request.accept_mimetypes:
        raise Refused("not-acceptable")
    admitted = _admitted()
    token, person = admitted.token, admitted.person
    if operation.scope is not None and operation.scope not in token.scopes:
        text = t("The token is not for this: it lacks the scope {scope}.", scope=operation.scope)
        raise Refused("scope-missing", detail=text, scope=operation.scope)
    if operation.estate and token.tenant is not None:
        raise bound(token.tenant)
    access.require(person, operation.act, where[operation.tenant] if operation.tenant else None)
    query = listing.read(operation, list(request.args.items(multi=True)))
    request.max_content_length = operation.largest or request.max_content_length
    client = services().client(person.name)
    tag = request.headers.get("If-Match")
    if operation.tagged and operation.method == "PATCH" and not tag:
        raise Refused("if-match-missing")
    call = Call(client, token, person, query, tag=tag, rows=partial(_kept, client))
    if operation.streams and stream.wanted():
        return stream.answer(call, where["number"], partial(_still, operation, where))
    if operation.takes_file:
        with _file() as (path, mark):
            return _done(operation, replace(call, file=path), mark, where)
    body, sent = _body(operation)
    return _done(operation, replace(call, body=body), sent, where)


def _done(operation: Operation, call: Call, sent: bytes, where: Json) -> Response:
    """Do it: what begins work once for its key. `sent`: what was sent, or a mark of it."""
    if not operation.starts or call.dry_run:
        return _answered(operation, call, where)
    match = _KEY.fullmatch(request.headers.get("Idempotency-Key", ""))
    if match is None:
        raise Refused("key-missing")
    key = match[1]
    call = replace(call, key=key)
    asked = b"\n".join((operation.id.encode(), request.full_path.encode(), sent))
    first, again = services().answers.once(call.token.id, key, asked, lambda: _stored(operation, call, where))
    answer = Response(first.body, first.status, dict(first.headers))
    if again:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _admitted() -> Admitted:
    """Who asks. Raises Refused and what `TokenUse.admit` raises."""
    address, seconds = request.remote_addr or "", services().clock().timestamp()
    rates = _rates()
    match = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if match is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="gasp"'}
        raise Refused("no-token", challenge)
    try:
        found = services().tokens.admit(match[1], address)
    except TokenRefused:
        left, wait = rates.take(f"address/{address}", FAILURES, seconds)
        if left < 0:
            raise Refused("too-many-requests", {"Retry-After": str(wait)}, retry_after=wait) from None
        raise
    most = services().rate
    left, wait = rates.take(f"token/{found.token.id}", most, seconds)
    g.rate = (most, left, wait)
    if left < 0:
        raise Refused("too-many-requests", {"Retry-After": str(wait)}, retry_after=wait)
    return found


def _still(operation: Operation, where: Json) -> bool:
    """Whether who asked may still see it: the token lives, and its owner holds a role for it."""
    try:
        found = services().tokens.admit(request.headers["Authorization"].split()[-1], request.remote_addr or "")
        access.require(found.person, operation.act, where[operation.tenant] if operation.tenant else None)
    except ControlPlaneError:
        return False
    return True


def _rates() -> Rates:
    found: Rates = current_app.extensions["gasp-api-rates"]
    return found


def _body(operation: Operation) -> tuple[Body | None, bytes]:
    """What was sent, checked whole, and its one form. Raises Refused, Invalid with every fault."""
    if operation.body is None:
        return None, b""
    raw = request.get_data()
    if raw and request.mimetype not in ("application/json", operation.media):
        raise Refused("wrong-type", {"Accept-Post": operation.media})
    try:
        given = orjson.loads(raw) if raw else {}
    except ValueError:
        raise Refused("bad-request") from None
    if _deep(given):
        raise Refused("bad-request", detail=t("Its lists and objects lie too deep within each other."))
    try:
        body = operation.body.model_validate_json(orjson.dumps(given))
    except ValidationError as error:
        raise Invalid([problem for _, problem in problems_of(error, see=_FORM)]) from None
    return body, orjson.dumps(given, option=orjson.OPT_SORT_KEYS)


def _deep(given: Any) -> bool:
    """Whether it is nested deeper than anything that is asked for: the library reads more than it writes."""
    level = [given]
    for _ in range(_DEEPEST):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [item for items in inner for item in items]
    return bool(level)


@contextmanager
def _file() -> Iterator[tuple[Path, bytes]]:
    """Where the file lies that was sent, and a mark of its content. Raises Invalid when there is none."""
    mark, octets = hashlib.sha256(), 0
    with tempfile.TemporaryDirectory(prefix="gasp-upload-") as folder:
        path = Path(folder) / "sent"
        with path.open("wb") as kept:
            while piece := request.stream.read(1 << 20):
                mark.update(piece)
                octets += kept.write(piece)
        if not octets:
            raise Invalid([Problem("no-file", t("No file was sent."), t("Send the file as the body."))])
        yield path, mark.digest()


def _kept(client: Any, name: str) -> list[Json]:
    """A list of the control plane that takes long to make; not to be changed."""
    made: list[Json] = services().kept(f"{name}/{language()}", client.stamp(), getattr(client, name))
    return made


# after it --------------------------------------------------------------------------------------------------------
def _stored(operation: Operation, call: Call, where: Json) -> FirstAnswer:
    try:
        answer = _answered(operation, call, where)
    except KeyBusy:  # it has no outcome yet that could be kept
        raise
    except ControlPlaneError as error:
        answer = problems.told(error)
    except Refused as error:
        answer = problems.refused(error)
    headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    return FirstAnswer(answer.status_code, headers, answer.get_data(as_text=True))


def _answered(operation: Operation, call: Call, where: Json) -> Response:
    made: Answer = _one(operation.view(call, **where), operation, call)
    status = made.status or (200 if call.dry_run else operation.status)
    if isinstance(made.body, Page):
        found = made.body
        body: Any = {"items": found.items, "next": found.next, "total": found.total}
    else:
        found, body = None, made.body
    answer = Response(orjson.dumps(body, default=str), status, mimetype="application/json")
    if made.location:
        answer.headers["Location"] = f"{request.script_root}/v1{made.location}"
    if found is not None and found.next:
        query = urlencode({**request.args.to_dict(), "cursor": found.next})
        answer.headers["Link"] = f'<{request.script_root}{request.path}?{query}>; rel="next"'
    if operation.method == "GET" or made.tag:
        tag = made.tag or hashlib.sha256(answer.get_data()).hexdigest()[:24]
        answer.set_etag(tag)
        if operation.method == "GET" and request.if_none_match.contains_weak(tag):
            answer.status_code = 304
            answer.set_data(b"")
            del answer.headers["Content-Type"]
    return answer


def _one(made: Any, operation: Operation, call: Call) -> Answer:
    if isinstance(made, list):
        return Answer(listing.part(operation, made, call))
    return made if isinstance(made, Answer) else Answer(made)
