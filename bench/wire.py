"""What a tenant notices, asked by its own workstation without pause: whether a page is refused, how fast data comes.

A program runs on the workstation over ssh; it says `ready` when it sees the state before, and `there` as soon as it
sees the one after. Only the moments at which these words arrive are used, so clocks need not agree.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence

SECONDS = 60.0
"""What is not there by then never comes."""

#: Requests a page through the proxy again and again; arguments: proxy, URL, status before, status after.
ASK = """
import http.client, sys, time
proxy, url, before, after = sys.argv[1:]
wanted, word = before, "ready"
while True:
    link = http.client.HTTPConnection(proxy, 3128, timeout=2)
    try:
        link.request("GET", url, headers={"Connection": "close"})
        status = str(link.getresponse().status)
    except (OSError, http.client.HTTPException):
        status = ""
    link.close()
    if status == wanted:
        print(word, flush=True)
        if word == "there":
            break
        wanted, word = after, "there"
    time.sleep(0.01)
"""

#: Loads a large file through the proxy and looks at every twentieth of a second; arguments: proxy, URL, kbit/s between
#: the two rates, and `below` or `above`. Two windows in a row decide, and the end of the first counts.
LOAD = """
import http.client, sys, time
proxy, url, border, side = sys.argv[1:]
link = http.client.HTTPConnection(proxy, 3128, timeout=10)
link.request("GET", url)
answer = link.getresponse()
if answer.status != 200:
    sys.exit(f"{url}: {answer.status}")
source = answer.fp.raw._sock
source.settimeout(0.01)
word, needed, row, octets, end = "ready", 10, 0, 0, time.monotonic() + 0.05
while True:
    try:
        got = source.recv(1 << 16)
        if not got:
            sys.exit("the file ended")
        octets += len(got)
    except TimeoutError:
        pass
    if time.monotonic() >= end:
        there = (octets * 8 / 50 < float(border)) == (side == "below")
        row = row + 1 if there == (word == "there") else 0
        if row == needed:
            print(word, flush=True)
            if word == "there":
                break
            word, needed, row = "there", 2, 0
        octets, end = 0, time.monotonic() + 0.05
"""
WINDOW = 0.05
"""Seconds by which the word of `LOAD` is late."""


class Watch:
    """Runs one of the programs above on a host; the clock starts when `ready` has come and `start` is called."""

    def __init__(self, ssh: Sequence[str], host: str, program: str, *arguments: str, late: float = 0.0) -> None:
        self._late, self._began, self._there = late, 0.0, 0.0
        quoted = " ".join(f"'{word}'" for word in arguments)
        self._process = subprocess.Popen(
            [*ssh, host, f"timeout {SECONDS:.0f} python3 -I - {quoted}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(program)
        self._process.stdin.close()
        self._word("ready")
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def start(self) -> None:
        """The change begins now."""
        self._began = time.perf_counter()

    def seconds(self) -> float:
        """From `start` to the state after. Raises RuntimeError when it never came."""
        self._thread.join(timeout=SECONDS + 10)
        said = self._end()
        if not self._there:
            raise RuntimeError(f"the change never reached the workstation: {said}")
        return self._there - self._began - self._late

    def _wait(self) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() == "there":
            self._there = time.perf_counter()

    def _word(self, word: str) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != word:
            raise RuntimeError(f"the workstation does not see the state before: {self._end()}")

    def _end(self) -> str:
        """Wait for the program's end; what it complained of."""
        with self._process as process:
            assert process.stderr is not None
            return process.stderr.read().strip()[-500:]
