"""The nightly check asks over a connection of its own each time: a kept one that the server closes is no finding."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nightly.asking import Asker


class Impatient(BaseHTTPRequestHandler):
    """Keeps a connection, and closes it the moment the next request comes over it."""

    protocol_version = "HTTP/1.1"
    used = False

    def do_GET(self) -> None:
        if self.used:
            self.close_connection = True
            return
        self.used = True
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Impatient)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_kept_connection_that_is_closed_is_no_finding(server: str) -> None:
    asker = Asker(server, Path("/nowhere"), "gasp_x")
    assert [asker.ask("GET", "/x").status_code for _ in range(3)] == [200, 200, 200]
