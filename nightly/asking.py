"""Requests over HTTPS with one token, and how a finding says them again."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

#: Seconds for one answer; longer is a finding.
TIMEOUT = 60
#: Headers that a program's act needs. The check never sends them, so nothing begins.
KEYS = ("idempotency-key", "if-match")


@dataclass
class Asker:
    """`origin`: the console's address; `authority`: the certificate that it must have been signed by."""

    origin: str
    authority: Path
    token: str
    cases: int = 0

    @property
    def base(self) -> str:
        """Where the interface for programs is."""
        return f"{self.origin}/api/v1"

    @property
    def sent(self) -> dict[str, Any]:
        """What every request is sent with, Schemathesis's too.

        No session, so each has a connection of its own: the server may close a kept one just when the next request
        goes out, and that is no fault of it.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        return {"headers": headers, "verify": str(self.authority), "timeout": TIMEOUT, "allow_redirects": False}

    def patient(self, ask: Callable[[], Any]) -> Any:
        """An answer; once more after the pause that was asked for, when it was too much within the minute."""
        self.cases += 1
        answer = ask()
        if answer.status_code == 429:
            time.sleep(min(60.0, float(_header(answer, "retry-after") or 1)))
            answer = ask()
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """One request. Raises `requests.RequestException`."""
        sent = {**self.sent, "headers": {**self.sent["headers"], "Accept-Language": "en"}}
        found: requests.Response = self.patient(lambda: requests.request(method, self.base + path, json=body, **sent))
        return found

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The first rows of a list; none when it is not for this token."""
        answer = self.ask("GET", path)
        return list(answer.json()["items"]) if answer.status_code == 200 else []

    def curl(self, method: str, path: str, body: str | None = None) -> str:
        """The same by hand, with the token in `$TOKEN`."""
        words = ["curl", "--cacert", str(self.authority), "-X", method, self.base + path]
        line = f'{shlex.join(words)} -H "Authorization: Bearer $TOKEN"'
        if body is not None:
            line += f" -H 'Content-Type: application/json' -d {shlex.quote(body)}"
        return line


def _header(answer: Any, name: str) -> str | None:
    found = {key.lower(): value for key, value in answer.headers.items()}.get(name)
    return found[0] if isinstance(found, list) else found
