"""Ports for servers that tests start. The system gives out its own range to whoever asks for any port, between our look
and the server's start too; these lie below it, and each of pytest's processes has its share and gives none out twice.
"""

from __future__ import annotations

import os
import socket
from itertools import count

FIRST, SHARE = 12_000, 4_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 5
_turns = count(os.getpid() % SHARE)


def free_port() -> int:
    """A port on loopback that nobody has now, for TCP and UDP."""
    for _ in range(SHARE):
        port = FIRST + _WORKER * SHARE + next(_turns) % SHARE
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
