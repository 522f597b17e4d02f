"""Events of a run as a stream (`text/event-stream`): numbered, resumed by `Last-Event-ID`, ended by `end`.

A program that gets no seat, or whose stream has lived its life, asks for the list with `after`, or comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import orjson
from flask import Response, request, stream_with_context

from control_plane.api.operation import Call
from control_plane.api.problems import Refused
from control_plane.model.run import FINAL
from control_plane.workflow.seats import PROGRAMS, STREAMS, impatient, last_event, seat

MEDIA = "text/event-stream"
#: Seconds: between two looks, two signs of life, two questions whether it may still be seen, and the longest life of
#: one stream; a reader comes back after `RETRY` milliseconds.
LOOK, BEAT, ASK, LIFE, RETRY = 0.2, 15.0, 1.0, 600.0, 2000


def wanted() -> bool:
    """Whether a stream is asked for, and not a list."""
    return request.accept_mimetypes.best_match(["application/json", MEDIA]) == MEDIA


def answer(call: Call, number: int, allowed: Callable[[], bool]) -> Response:
    """The stream of one run. `allowed` is asked now and then. Raises NotFound, Refused when there is no seat."""
    call.client.run(number)
    seen = last_event(request.headers.get("Last-Event-ID", ""))
    after = call.query.get("after", 0) if seen is None else seen
    taken = seat(PROGRAMS, STREAMS)
    if taken is None:
        raise Refused("too-many-streams", {"Retry-After": "5"}, retry_after=5)
    impatient(request.environ)
    made = Response(stream_with_context(taken.hold(_happening(call, number, after, allowed))), mimetype=MEDIA)
    made.headers["X-Accel-Buffering"] = "no"
    made.headers["Cache-Control"] = "no-store"
    made.call_on_close(taken.leave)
    return made


def _happening(call: Call, number: int, after: int, allowed: Callable[[], bool]) -> Iterator[str]:
    began = beaten = asked = time.monotonic()
    yield f"retry: {RETRY}\n\n"
    while True:
        state = call.client.run(number)["state"]  # before its events: what is final has said everything
        for event in call.client.run_events(number, after):
            after, beaten = event["number"], time.monotonic()
            yield f"id: {after}\nevent: {event['type']}\ndata: {orjson.dumps(event, default=str).decode()}\n\n"
        if state in FINAL:
            yield f"event: end\ndata: {orjson.dumps({'run': number, 'state': state}).decode()}\n\n"
            return
        now = time.monotonic()
        if now - beaten >= BEAT:
            beaten = now
            yield ": beat\n\n"
        if now - asked >= ASK:
            asked = now
            if not allowed():
                return
        if now - began >= LIFE:
            return
        time.sleep(LOOK)
