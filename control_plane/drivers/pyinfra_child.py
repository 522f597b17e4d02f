"""The child process in which pyinfra works: one State, one deploy, many hosts; it talks JSON lines with its parent.

Started by `pyinfra.py` with gevent's patches in force before anything else is imported. Reads one request, then
answers to its own questions: before each host is touched it asks and waits. When the parent is gone, no further host
is touched; what runs on a host ends there by itself.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent.event import AsyncResult
from gevent.fileobject import FileObject
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_host_op
from pyinfra.api.state import BaseStateCallback, State
from pyinfra.context import ctx_host, ctx_state

MARK = "GASP "


class Parent:
    """The other end of the pipes."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)  # whatever a library prints is no event
        self._in = FileObject(0, "rb")
        self._asked: dict[str, AsyncResult] = {}
        self._gone = False

    def request(self) -> dict[str, Any]:
        """The first line."""
        found: dict[str, Any] = json.loads(self._in.readline())
        gevent.spawn(self._listen)
        return found

    def say(self, **row: Any) -> None:
        """One event."""
        line = json.dumps(row).encode() + b"\n"
        while line:
            line = line[os.write(self._out, line) :]

    def may(self, host: str) -> bool:
        """Ask whether a host may be touched now."""
        if self._gone:
            return False
        self._asked[host] = AsyncResult()
        self.say(**{"is": "ask", "host": host})
        return bool(self._asked[host].get())

    def _listen(self) -> None:
        for line in iter(self._in.readline, b""):
            row = json.loads(line)
            self._asked[row["host"]].set(row["go"])
        self._gone = True
        for waiting in self._asked.values():
            if not waiting.ready():
                waiting.set(False)


class Connecting(BaseStateCallback):
    """Why hosts could not be connected to."""

    reasons: dict[str, str] = {}  # noqa: RUF012  pyinfra calls the class itself

    @staticmethod
    def host_connect_error(state: Any, host: Any, error: Any) -> None:
        """Keep it."""
        Connecting.reasons[host.name] = str(error)


def load(path: Path) -> Any:
    """The operations of a deploy, by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.OPERATIONS


def notice_silence(host: Any, seconds: int) -> None:
    """End the connection when the host has said nothing to our asking for so long: one that lost its power or its
    network says no goodbye."""
    wire = host.connector.client.get_transport().sock
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        wire.setsockopt(socket.IPPROTO_TCP, option, max(1, seconds // 4))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)


def lost(host: Any) -> bool:
    """Whether the connection to a host has ended."""
    transport = host.connector.client.get_transport()
    return transport is None or not transport.is_active()


def answer_of(lines: list[str], succeeded: bool, gone: bool) -> dict[str, Any]:
    """What the agent on the host said; nothing, or a connection that is `gone`, means that it was lost in the
    middle: that is no fault of what was installed."""
    found = next((line for line in reversed(lines) if line.startswith(MARK)), None)
    if found is not None:
        row: dict[str, Any] = json.loads(found.removeprefix(MARK))
        return row
    if lines and not succeeded and not gone:
        return {"state": "failed", "text": " ".join(lines[-3:])[:600]}
    return {"state": "unreachable", "text": "no answer; it is looked at again"}


class Work:
    """One request."""

    def __init__(self, parent: Parent, request: dict[str, Any]) -> None:
        self.parent = parent
        self.operations = load(Path(request["deploy"]))
        self.seconds = int(request["seconds"])
        self.silent_seconds = int(request["silent_seconds"])
        inventory = Inventory((list(request["hosts"].items()), dict(request["ssh"])))
        config = Config(PARALLEL=int(request["parallel"]), CONNECT_TIMEOUT=int(request["connect_seconds"]))
        self.state = State(inventory, config, check_for_changes=False)
        self.state.add_callback_handler(Connecting())

    def run(self) -> None:
        """Connect, prepare each host in a greenlet of its own, then ask and run host by host, some side by side."""
        with contextlib.suppress(PyinfraError):  # “No hosts remaining!” is an outcome
            connect_all(self.state)
        active = [host for host in self.state.inventory if host.connected]
        for host in active:
            notice_silence(host, self.silent_seconds)
        for host in self.state.inventory:
            if not host.connected:
                reason = Connecting.reasons.get(host.name, "no connection")
                self._result(host, {"state": "unreachable", "text": reason})
        # `ctx_state` is one for all greenlets: the outer use keeps it while those of `add_op` come and go
        with ctx_state.use(self.state):
            prepared = {host: self.state.pool.spawn(self._prepare, host) for host in active}
            gevent.joinall(prepared.values())
            self.state.is_executing = True
            gevent.joinall([self.state.pool.spawn(self._host, host, prepared[host]) for host in active])
        disconnect_all(self.state)

    def _prepare(self, host: Any) -> list[Any]:
        return [add_op(self.state, op, self.seconds, host=host)[host] for op in self.operations]

    def _host(self, host: Any, prepared: Any) -> None:
        try:
            metas = prepared.get()
            if not self.parent.may(host.name):
                self._result(host, {"state": "untouched"})
                return
            answer: dict[str, Any] = {}
            for op_hash, meta in zip(self._order(host), metas, strict=True):
                with ctx_host.use(host):
                    succeeded = run_host_op(self.state, host, op_hash)
                answer = answer_of([*meta.stdout_lines, *meta.stderr_lines], succeeded, lost(host))
                if answer["state"] in ("failed", "unreachable"):
                    break
            self._result(host, answer)
        except Exception as error:
            state = "unreachable" if lost(host) else "failed"
            self._result(host, {"state": state, "text": f"{type(error).__name__}: {error}"})

    def _order(self, host: Any) -> list[str]:
        return [op_hash for op_hash in self.state.get_op_order() if op_hash in self.state.ops[host]]

    def _result(self, host: Any, answer: dict[str, Any]) -> None:
        self.parent.say(**{"is": "result", "host": host.name, **answer})


def main() -> None:
    """Carry out one request."""
    parent = Parent()
    Work(parent, parent.request()).run()
    parent.say(**{"is": "end"})
    sys.stderr.flush()
    os._exit(0)  # the listener may still wait for its next line
