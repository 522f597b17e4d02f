"""What nginx on intranet hosts asks for each visitor of a site with sign-in (docs/adr/0024): a status, and no page.

Beside the console's pages and their door, because it is asked often and must know no session of theirs. Answers only
who shows the secret.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from control_plane.model.errors import TemporaryError
from control_plane.model.site_sign_in import COOKIE, Said
from control_plane.workflow.site_gate import PATH, SiteGate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Questions of all hosts together within a second, of one process; nginx asks again after `CACHE_SECONDS`.
MOST = 1000
#: Hours that a browser keeps a site's cookie; the session behind it may end long before.
COOKIE_SECONDS = 12 * 3600
log = logging.getLogger(__name__)


class Gate:
    """The WSGI application below `/gate`."""

    def __init__(self, gate: SiteGate, most: int = MOST, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.gate = gate
        self._most, self._monotonic = most, monotonic
        self._second, self._count = 0, 0
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One question of nginx."""
        status, headers = self._answer(environ)
        fixed = [("Content-Length", "0"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
        if status == Said.YES.value:
            del fixed[0]
        start_response(f"{status} {HTTPStatus(status).phrase}", [*fixed, *headers])
        return [b""]

    def _answer(self, environ: WSGIEnvironment) -> tuple[int, list[tuple[str, str]]]:
        if environ.get("REQUEST_METHOD") != "GET" or environ.get("PATH_INFO") not in ("/verify", "/exchange"):
            return HTTPStatus.NOT_FOUND, []
        if not self._has_room():
            return HTTPStatus.TOO_MANY_REQUESTS, []
        if not self.gate.knows(environ.get("HTTP_X_GASP_SECRET", "")):
            return HTTPStatus.NOT_FOUND, []
        try:
            return self._verify(environ) if environ["PATH_INFO"] == "/verify" else self._exchange(environ)
        except TemporaryError:
            return HTTPStatus.SERVICE_UNAVAILABLE, []
        except Exception:
            log.exception("The gate of intranet sites failed")
            return HTTPStatus.INTERNAL_SERVER_ERROR, []

    def _has_room(self) -> bool:
        with self._lock:
            second = int(self._monotonic())
            self._count = self._count + 1 if second == self._second else 1
            self._second = second
            return self._count <= self._most

    def _verify(self, environ: WSGIEnvironment) -> tuple[int, list[tuple[str, str]]]:
        departments, groups = (_several(environ, name) for name in ("DEPARTMENTS", "GROUPS"))
        value, name = environ.get("HTTP_X_GASP_COOKIE", ""), environ.get("HTTP_X_GASP_NAME", "")
        said = self.gate.judge(value, name, departments, groups)
        return said.value, [("X-Gasp-Said", said.name.lower())]

    def _exchange(self, environ: WSGIEnvironment) -> tuple[int, list[tuple[str, str]]]:
        first, _, back = environ.get("QUERY_STRING", "").partition("&back=")
        name = environ.get("HTTP_X_GASP_NAME", "")
        value = self.gate.exchange(first.removeprefix("code="), environ.get("HTTP_X_GASP_STATE", ""), name)
        if value is None:
            return HTTPStatus.FORBIDDEN, []
        path = back if PATH.match(back) and name.isascii() else "/"
        kept = f"{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={COOKIE_SECONDS}"
        return HTTPStatus.SEE_OTHER, [
            ("Location", f"https://{name}{path}"), ("Set-Cookie", kept), ("Referrer-Policy", "no-referrer")
        ]  # fmt: skip


def _several(environ: Any, name: str) -> list[str]:
    return [item for item in unquote(environ.get(f"HTTP_X_GASP_{name}", "")).split(",") if item]
