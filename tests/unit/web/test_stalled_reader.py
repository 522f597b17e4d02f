"""Who stops reading a stream loses it: a real gunicorn, a reader that reads nothing, and the one seat is free again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

from tests.waiting import wait_until

APPLICATION = """
from control_plane.workflow import seats

seats.STALLED = 0.3
ONE = seats.BoundedSemaphore(1)

def application(environ, start):
    taken = seats.seat(ONE)
    if taken is None:
        start("503 Full", [("Content-Length", "0")])
        return [b""]
    seats.impatient(environ)
    start("200 OK", [])
    return Lines(taken)

class Lines:
    def __init__(self, taken):
        self.lines, self.close = taken.hold("x" * 65536 for _ in range(1000)), taken.leave

    def __iter__(self):
        return (line.encode() for line in self.lines)
"""


def test_a_reader_who_stops_gives_the_seat_back(tmp_path: Path) -> None:
    (tmp_path / "stalling.py").write_text(APPLICATION)
    path = tmp_path / "socket"
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--no-control-socket", "--worker-class", "gthread", "--threads", "4",
         "--bind", f"unix:{path}", "--log-level", "critical", "stalling:application"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', Path.cwd())}"},
    )  # fmt: skip
    try:
        wait_until(path.exists, 60)
        with socket.socket(socket.AF_UNIX) as reader:
            reader.connect(str(path))
            reader.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            reader.recv(1)  # it has begun; nothing is read from now on
            wait_until(lambda: status(path) == 200, 60, "the seat is free")
    finally:
        server.terminate()
        server.wait(30)


def status(path: Path) -> int:
    connection = HTTPConnection("x", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status
    finally:
        connection.close()
