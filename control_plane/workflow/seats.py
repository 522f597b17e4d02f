"""Seats for streams of events. Each holds one thread of the server, so there are few; whoever gets none asks again
instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from threading import BoundedSemaphore
from typing import Any

#: Streams at once in this process; a quarter of its threads is left for everything else.
STREAMS = BoundedSemaphore(12)
#: So many of them at most are those of programs.
PROGRAMS = BoundedSemaphore(6)


#: Seconds that a reader may take for what is sent; who takes longer reads no further.
STALLED = 20.0


class Seat:
    """One seat, given back once: when the stream ends or when its reader goes, before or after its begin."""

    def __init__(self, *of: BoundedSemaphore) -> None:
        self._taken = list(of)

    def leave(self) -> None:
        """Give it back."""
        with suppress(IndexError):
            while True:
                self._taken.pop().release()

    def hold(self, lines: Iterator[str]) -> Iterator[str]:
        """The lines of a stream; the seat is given back with the last one, or when they are read no further."""
        try:
            yield from lines
        finally:
            self.leave()


def impatient(environ: Mapping[str, Any]) -> None:
    """Let a reader of a stream who stops reading lose it, and with it the seat. The server sets its connection back
    for the next request."""
    if (connection := environ.get("gunicorn.socket")) is not None:
        connection.settimeout(STALLED)


def seat(*of: BoundedSemaphore) -> Seat | None:
    """A seat that counts for each of these; None when one of them is full."""
    taken: list[BoundedSemaphore] = []
    for one in of:
        if not one.acquire(blocking=False):
            Seat(*taken).leave()
            return None
        taken.append(one)
    return Seat(*taken)


def last_event(sent: str) -> int | None:
    """The number of an event that a reader says it has seen (`Last-Event-ID`); None for what is no number of one."""
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else None
