"""Entry point of the agent that works on a managed host: one request on standard input, JSON lines as the answer.

Runs ON the managed host as root, nothing of it stays there. Must not import anything of ours but `host_*`.
"""

from __future__ import annotations

from typing import IO, Any

from control_plane.drivers.host_look import observe
from control_plane.drivers.host_serving import answer, emit
from control_plane.drivers.host_state import Layout


def serve(source: IO[bytes]) -> None:
    """Answer the request on `source`: a length in decimal on a line, that many octets of JSON, the archives."""

    def write(layout: Layout, request: dict[str, Any]) -> None:
        from control_plane.drivers.host_apply import Apply  # a look is sent without it

        Apply(layout, request, source, emit).run()

    answer(source, Layout, observe, write)
