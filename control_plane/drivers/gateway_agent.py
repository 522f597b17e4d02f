"""Entry point of the agent on the gateway: one request on standard input, JSON lines as the answer.

Runs ON the gateway as root, nothing of it stays there. Must not import anything of ours but `host_*` and `gateway_*`.
"""

from __future__ import annotations

from typing import IO, Any

from control_plane.drivers.gateway_look import observe
from control_plane.drivers.gateway_state import GatewayLayout
from control_plane.drivers.host_serving import answer, emit


def serve(source: IO[bytes]) -> None:
    """Answer the request on `source`: a length in decimal on a line, and that many octets of JSON."""

    def write(layout: GatewayLayout, request: dict[str, Any]) -> None:
        from control_plane.drivers.gateway_apply import Apply  # a look is sent without it

        Apply(layout, request, emit).run()

    answer(source, GatewayLayout, observe, write)
