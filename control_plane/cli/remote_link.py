"""Requests to a control plane elsewhere, over its interface for programs: lists, acts, and what an answer that is a
problem stands for. Must not keep or print a token.
"""

from __future__ import annotations

import json
import re
import secrets
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from control_plane.cli.places import Place
from control_plane.model.errors import (
    ControlPlaneError,
    CouldNotMeasureError,
    Invalid,
    NotFound,
    PermanentError,
    Problem,
    Rejected,
    StalePlan,
    TemporaryError,
    UnsafePlan,
)
from control_plane.model.text import Text, language, t

Json = dict[str, Any]


class _NotSent(Exception):
    """Ends an act that is only judged."""


class AnswerLost(TemporaryError):
    """It was sent, and no answer came: it may be done or not."""


class UnderWay(TemporaryError):
    """The very act is being done there."""


SECONDS = 60.0
PART = 200
#: Seconds before an act whose answer was lost is sent again, with its key; and how long one under way is waited for.
AGAIN, UNDER_WAY = (1.0, 3.0, 10.0), 900.0
AUTHORITY = t("Take ca/ca.pem of the centre's state folder: gasp login URL --ca FILE (or GASP_CA).")
_TOKEN = re.compile(r"[!-~]+")
#: Codes of problems → the errors that they stand for; what is not here is Rejected, or a fault of the other side.
ERRORS: Mapping[str, type[ControlPlaneError]] = {
    "not-found": NotFound, "stale-plan": StalePlan, "changed-meanwhile": StalePlan, "unexpected": PermanentError,
    "could-not-measure": CouldNotMeasureError, "temporary": TemporaryError, "key-busy": UnderWay,
    "too-many-requests": TemporaryError,
}  # fmt: skip


def at(template: str, *names: object) -> str:
    """A path with names in it, each in the place of `{}`. Raises NotFound for what can be no name of one thing."""
    for name in map(str, names):
        if "/" in name or name in ("", ".", ".."):
            raise NotFound(t("There is no “{name}” there.", name=name))
    return template.format(*(quote(str(name), safe="") for name in names))


class Connection:
    """Requests to one place. Raises what the control plane answers as the error that it is."""

    def __init__(self, place: Place) -> None:
        self.place = place
        try:
            parts = urlsplit(place.url)
            host, port = parts.hostname, parts.port or 443
        except ValueError:  # half an IPv6 address, a port that there cannot be
            host = None
        if host is None or parts.scheme != "https":
            raise Rejected(
                t("“{url}” is no address that starts with https://.", url=place.url),
                t("Write it like {example}.", example="https://localhost:8443"),
            )
        if not _TOKEN.fullmatch(place.token):  # said without it: it would stand in an error otherwise
            raise Rejected(
                t("The token for {url} has characters that no token has.", url=place.url),
                t("Set GASP_TOKEN anew, or sign in: gasp login URL"),
            )
        self._host, self._port = host, port
        self._trusted: ssl.SSLContext | None = None
        self._judging = False

    def get(self, path: str, **query: Any) -> Json:
        """One answer."""
        return self._ask("GET", path, query)[0]

    def tagged(self, path: str) -> tuple[Json, str]:
        """One answer with its tag, for `change`."""
        answer, tag = self._ask("GET", path, {})
        return answer, tag or "*"

    def act(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Do something, once: a key of its own goes with it, so it is sent again when its answer was lost."""
        return self._once(path, {}, {k: v for k, v in (body or {}).items() if v is not None})

    def send(self, path: str, file: Path, **query: Any) -> Json:
        """Send a file as it is, once."""
        return self._once(path, query, file)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """In the block nothing is done: what is judged here is, and the act ends where it would be sent."""
        self._judging = True
        try:
            yield
        except _NotSent:
            pass
        finally:
            self._judging = False

    def _once(self, path: str, query: Mapping[str, Any], sent: Mapping[str, Any] | Path) -> Json:
        self._may_send()
        key = {"Idempotency-Key": secrets.token_urlsafe(18)}
        pause, lost, until = threading.Event(), 0, time.monotonic() + UNDER_WAY
        while True:
            try:
                return self._ask("POST", path, query, sent, key)[0]
            except UnderWay as error:
                if time.monotonic() > until:
                    raise _unknown(error) from error
                pause.wait(error.delay)
            except TemporaryError as error:
                if not lost and not isinstance(error, AnswerLost):
                    raise
                if lost == len(AGAIN):
                    raise _unknown(error) from error
                pause.wait(AGAIN[lost])
                lost += 1

    def rehearse(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """What an act would do."""
        sent = {k: v for k, v in (body or {}).items() if v is not None}
        return self._ask("POST", path, {"dry_run": "true"}, sent)[0]

    def change(self, path: str, patch: Mapping[str, Any], tag: str) -> Json:
        """Merge a patch into what has this tag."""
        self._may_send()
        return self._ask("PATCH", path, {}, patch, {"If-Match": tag})[0]

    def _may_send(self) -> None:
        if self._judging:
            raise _NotSent

    def _ask(
        self, method: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> tuple[Json, str | None]:  # fmt: skip
        sent = {name: value for name, value in query.items() if value is not None}
        address = f"/api/v1{path}" + (f"?{urlencode(sent)}" if sent else "")
        headers = {
            "Authorization": f"Bearer {self.place.token}",
            "Accept": "application/json",
            "Accept-Language": "zh-CN" if language() == "zh_CN" else "en",
            **(more or {}),
        }
        if isinstance(body, Path):
            headers["Content-Type"] = "application/octet-stream"
            headers["Content-Length"] = str(body.stat().st_size)
        elif body is not None:
            headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        if self._trusted is None:
            self._trusted = self._authority()
        try:
            connection = HTTPSConnection(self._host, self._port, timeout=SECONDS, context=self._trusted)
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            text = t("The certificate of {url} is not accepted: {reason}", url=self.place.url, reason=error)
            raise TemporaryError(text, AUTHORITY) from error
        except (OSError, HTTPException) as error:
            raise self._silent(TemporaryError, error) from error
        try:
            with body.open("rb") if isinstance(body, Path) else nullcontext() as file:
                content = file or (json.dumps(body, default=str) if body is not None else None)
                connection.request(method, address, content, headers)
                response = connection.getresponse()
                return self._read(response), response.headers.get("ETag")
        except (OSError, HTTPException) as error:
            raise self._silent(AnswerLost, error) from error
        finally:
            connection.close()

    def _authority(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.place.ca)
        except OSError as error:
            text = t("{file} is no certificate of an authority: {reason}", file=self.place.ca, reason=error)
            raise Rejected(text, AUTHORITY) from error

    def _silent(self, kind: type[TemporaryError], error: Exception) -> TemporaryError:
        return kind(
            t("{url} gave no answer: {reason}", url=self.place.url, reason=error),
            t("See whether the console runs there, and whether the address is right."),
        )

    def rows(self, path: str, most: int | None = None, **query: Any) -> list[Json]:
        """A whole list, part by part; at most so many."""
        found: list[Json] = []
        cursor: str | None = None
        while True:
            limit = PART if most is None else min(PART, most - len(found))
            part = self.get(path, **query, limit=limit, cursor=cursor)
            found += part["items"]
            cursor = part["next"]
            if cursor is None or (most is not None and len(found) >= most):
                return found

    def _read(self, response: HTTPResponse) -> Json:
        body = response.read()
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if response.status in (200, 201, 202) and isinstance(answer, dict):
            return answer
        if not isinstance(answer, dict) or not {"code", "detail"} <= answer.keys():
            raise TemporaryError(t("{url} is no control plane.", url=self.place.url), t("Look at the address."))
        raise problem(answer)


def _unknown(error: TemporaryError) -> TemporaryError:
    return TemporaryError(
        t("{reason} It is not known whether it was done.", reason=error.text),
        t("Look before you do it again: gasp runs list, gasp requests list"),
    )


def problem(answer: Json) -> ControlPlaneError:
    """The error that a problem stands for."""
    faults = [(p["code"], p["detail"], p["remedy"], p["pointer"], p.get("line")) for p in answer.get("errors", ())]
    seconds = float(answer.get("retry_after", 30))
    detail = answer["detail"]
    if answer["code"] == "unexpected":  # nobody but the centre's log knows more
        detail = str(t("{reason} Its reference there: {id}.", reason=detail, id=answer.get("request_id")))
    return error_of(answer["code"], detail, answer.get("remedy"), faults, str(answer.get("word", "")), seconds)


def error_of(
    code: str, detail: str, remedy: str | None, faults: Sequence[tuple[str, str, str | None, str | None, int | None]],
    word: str = "", seconds: float = 30.0,
) -> ControlPlaneError:  # fmt: skip
    """The error that was raised there, with its faults (code, detail, remedy, field, line)."""

    def said(text: str | None) -> Text | None:
        return t("{reason}", reason=text) if text else None

    text, hint = t("{reason}", reason=detail), said(remedy)
    if code == Invalid.code:
        found = [Problem(c, t("{reason}", reason=d), said(r), line=n, field=f) for c, d, r, f, n in faults]
        return Invalid(found, text)
    if code == UnsafePlan.code:
        return UnsafePlan(text, hint, word)
    kind = ERRORS.get(code, Rejected)
    return kind(text, hint, seconds) if issubclass(kind, TemporaryError) else kind(text, hint)


def refused() -> Rejected:
    """What is not done over the interface for programs."""
    return Rejected(
        t("This is not done from elsewhere yet."),
        t("Do it on the centre's own machine, on a page of the console, or by its REST API. GASP_URL= means here."),
    )


class Rest:
    """Whatever is not here."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise refused()


class Area(Rest):
    """A part of the control plane."""

    def __init__(self, connection: Connection) -> None:
        self._at = connection
