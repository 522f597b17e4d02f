"""The answering side of an agent on a host: one request, one look or one write, every fault as an answer.

Runs ON the managed host as root, nothing of it stays there. Must not import anything of ours but `host_state`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

from control_plane.drivers.host_state import AgentError, Layout, from_os, locked

L = TypeVar("L", bound=Layout)


class Outcomes:
    """What an apply tells of its changes: of each the first outcome, and no other."""

    def __init__(self, request: Mapping[str, Any], emit: Callable[..., None]) -> None:
        self.request, self._emit = request, emit
        self.decided: set[str] = set()

    def _outcome(self, id_: str, state: str, error: AgentError | None = None, line: int = 0) -> None:
        if id_ in self.decided:
            return
        self.decided.add(id_)
        self._emit("outcome", id=id_, state=state, line=line, **(error.as_json() if error else {}))

    def _all_failed(self, error: AgentError) -> None:
        for change in self.request["changes"]:
            self._outcome(change["id"], "failed", error)


def emit(kind: str, **fields: Any) -> None:
    """One line to whoever asked; when nobody listens any more, the work goes on."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps({"is": kind, **fields}, separators=(",", ":")) + "\n")
        sys.stdout.flush()


def answer(
    source: IO[bytes],
    layout_of: Callable[[Mapping[str, Any]], L],
    observe: Callable[[L], Mapping[str, Any]],
    write: Callable[[L, dict[str, Any]], None],
) -> None:
    """Answer the request on `source`: a length in decimal on a line, and that many octets of JSON. `write` reads what
    comes after them itself."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o022)
    try:
        request: dict[str, Any] = json.loads(source.read(int(source.readline())))
        layout = layout_of(request["options"])
        if request["verb"] == "observe":
            with locked(layout, False, float(request["options"].get("look_seconds", 30))):
                look = observe(layout)
            emit("look", **look)
        else:
            write(layout, request)
        emit("end")
    except AgentError as error:
        emit("error", **error.as_json())
    except OSError as error:
        emit("error", **from_os(error).as_json())
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else ""
        emit("error", code="internal", path="", detail=f"{type(error).__name__}: {error} ({where})")
