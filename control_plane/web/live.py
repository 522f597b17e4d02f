"""What a run does, as it happens: a stream of numbered events. A browser that comes back says which it has seen.

There are few streams, each is short, and whoever gets none looks again instead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Blueprint, Response, g, render_template, request, stream_with_context

from control_plane.model.people import Act
from control_plane.web import door, runs, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.workflow import access
from control_plane.workflow.seats import STREAMS, impatient, last_event, seat

pages = Blueprint("live", __name__)
#: Seconds: between two looks, between two heads, between two questions whether the person may still see it, and the
#: longest life of one stream; the browser comes back after `RETRY` milliseconds.
LOOK, HEAD, ASK, LIFE, RETRY = 0.2, 1.0, 1.0, 25.0, 500


@pages.get("/console/runs/<int:number>/events")
@needs(Act.SEE_ESTATE)
def run(number: int) -> Any:
    """Events after `Last-Event-ID` (or `after`), the head now and then, and `end` when the run has ended."""
    door.client().run(number)
    after = last_event(request.headers.get("Last-Event-ID") or request.args.get("after", "")) or 0
    taken = seat(STREAMS)
    if taken is None:
        return Response(status=503, headers={"Retry-After": "5"})
    impatient(request.environ)
    response = Response(stream_with_context(taken.hold(_happening(number, after))), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(taken.leave)
    return response


def _happening(number: int, after: int) -> Iterator[str]:
    client, began = door.client(), time.monotonic()
    drawn, asked, stale = began - HEAD, began, False
    yield f"retry: {RETRY}\n\n"
    while True:
        now, fresh = time.monotonic(), client.run_events(number, after)
        for event in fresh:
            after, stale = event["number"], True
            line = {"number": after, "at": show.exact(event["at"]), "text": str(runs.sentence(event))}
            yield f"id: {after}\nevent: line\ndata: {orjson.dumps(line).decode()}\n\n"
        if now - drawn >= HEAD or (fresh and fresh[-1]["type"] == "run.finished"):
            drawn = now
            if client.run(number)["state"] not in runs.WORKING and not client.run_events(number, after):
                yield "event: end\ndata: {}\n\n"
                return
            if stale:
                stale = False
                head = render_template("run-head.html", **runs.surroundings(number))
                yield f"event: head\ndata: {orjson.dumps(head).decode()}\n\n"
        if now - asked >= ASK:
            asked = now
            if not _still_allowed():
                return
            yield ": beat\n\n"
        if now - began >= LIFE:
            return
        time.sleep(LOOK)


def _still_allowed() -> bool:
    session = services().sign_in.session(g.token)
    return session is not None and access.allows(session.person, Act.SEE_ESTATE)
