"""Sends to receivers of webhooks over HTTP(S). Follows no redirection; reads no more of an answer than its head.

A receiver that sends its answer drop by drop gets no more time than one that sends none.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from control_plane.model.errors import TemporaryError
from control_plane.model.text import t

#: Seconds that a receiver has to answer, all in all, from the moment when it is connected.
SECONDS = 10.0


class HttpPoster:
    """Implements `model.webhook.Poster`. `authority`: trusted besides the system's, where it exists."""

    def __init__(self, authority: Path | None = None, seconds: float = SECONDS) -> None:
        self.authority = authority
        self.seconds = seconds

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """See `Poster.post`."""
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        try:
            trusted = self._trusted() if secure else None
            connection = (
                HTTPSConnection(host, parts.port, context=trusted) if trusted else HTTPConnection(host, parts.port)
            )
            with socket.create_connection((host, connection.port), self.seconds) as plain, self._in_time(plain):
                connection.sock = trusted.wrap_socket(plain, server_hostname=host) if trusted else plain
                try:
                    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                    connection.request("POST", path, body, dict(headers))
                    return connection.getresponse().status
                finally:
                    connection.close()
        except (OSError, HTTPException, UnicodeError) as error:
            raise TemporaryError(t("{url} gave no answer: {reason}", url=host, reason=error)) from error

    @contextmanager
    def _in_time(self, plain: socket.socket) -> Iterator[None]:
        """Break the connection off when its time is over, whatever it is at."""
        late = threading.Event()
        with plain.dup() as same:

            def over() -> None:
                late.set()
                with suppress(OSError):
                    same.shutdown(socket.SHUT_RDWR)

            timer = threading.Timer(self.seconds, over)
            timer.daemon = True
            timer.start()
            try:
                yield
            except (OSError, HTTPException) as error:
                if late.is_set():
                    raise TimeoutError("timed out") from error
                raise
            finally:
                timer.cancel()

    def _trusted(self) -> ssl.SSLContext:
        made = ssl.create_default_context()
        if self.authority is not None and self.authority.is_file():
            made.load_verify_locations(self.authority)
        return made
