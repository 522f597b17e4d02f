"""A real Chromium beside the labs, in a network of its own: loopback, and a door to one centre's console.

Chromium drops what it is doing whenever an interface of its network comes or goes (ERR_NETWORK_CHANGED), and the other
process of the tests takes a lab up or down on the same machine at any moment.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from tests.conftest import Centre
from tests.web.serving import chromium

LIBC = ctypes.CDLL(None, use_errno=True)
NETWORK = 0x40000000  # CLONE_NEWNET of <sched.h>; os.unshare and os.setns are of Python 3.12


@contextmanager
def chromium_apart(centre: Centre) -> Iterator[Browser]:
    """A browser that reaches the console of this centre and nothing else."""
    port = urlsplit(centre.console()).port or 443
    with ExitStack() as stack:
        with _a_network_of_its_own():
            door = stack.enter_context(ThreadingTCPServer(("127.0.0.1", port), Door))
            door.daemon_threads = True
            browser = stack.enter_context(chromium())
        Thread(target=door.serve_forever, daemon=True).start()
        stack.callback(door.shutdown)
        yield browser


@contextmanager
def _a_network_of_its_own() -> Iterator[None]:
    """What this thread opens and starts meanwhile stays in it."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _done(LIBC.unshare(NETWORK))
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            _done(LIBC.setns(here, NETWORK))
    finally:
        os.close(here)


def _done(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Door(BaseRequestHandler):
    """Carries octets between a connection from in there and the same port out here."""

    server: ThreadingTCPServer

    def handle(self) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server.server_address[1])) as there:
            back = Thread(target=_pour, args=(there, self.request), daemon=True)
            back.start()
            _pour(self.request, there)
            back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
