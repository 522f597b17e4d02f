"""A relay on loopback that breaks or falls silent after a number of bytes from the server."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Passes connections on to `port`. `limit`: bytes from the server until it breaks (or, `silent`, stalls)."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.limit: int | None = None
        self.silent = False
        self.passed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.passed = 0
            server = socket.create_connection(("127.0.0.1", self.target))
            self._open += [client, server]
            for source, sink, counted in ((client, server, False), (server, client, True)):
                thread = threading.Thread(target=self._pass, args=(source, sink, counted), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(4096):
                if counted and self.limit is not None and self.passed + len(data) > self.limit:
                    if self.silent:
                        return
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                self.passed += len(data) if counted else 0
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            _end(end)

    def close(self) -> None:
        for end in self._open:
            _end(end)
        for thread in self._threads:
            thread.join(10)


def _end(end: socket.socket) -> None:
    """Close a socket on which another thread may be waiting."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()
