"""Commands on hosts over the system's OpenSSH, one connection a host kept open by a control socket.

Must verify host keys, must never put input into argv, must raise TemporaryError for a host that cannot be reached;
what a command's exit status means is the caller's business.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from control_plane.model.errors import TemporaryError
from control_plane.model.text import t

SOCKET_LIMIT = 108
"""Octets of a Unix socket's path; OpenSSH adds a hash of 40 and, while it makes the socket, 17 more."""
UNREACHABLE = 255
PERSIST_SECONDS = 150
"""A connection is kept for the next command: the worker asks a gateway every minute, so there is always one."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a remote command ended."""

    rc: int
    stdout: bytes
    stderr: bytes


class Runner(Protocol):
    """Runs commands on hosts as root. Must raise TemporaryError when the host does not answer in time."""

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run to the end."""
        ...

    def lines(self, host: str, argv: Sequence[str], stdin: Iterable[bytes], timeout: float) -> Iterator[bytes]:
        """Lines of standard output as they come. Raises TemporaryError when the host is lost before the end."""
        ...


class SshRunner:
    """`config` is an ssh_config file with an entry for each host; `sockets` a folder (0700) for control sockets."""

    def __init__(self, config: Path, sockets: Path, connect_seconds: int = 10) -> None:
        self._config, self._sockets = config, sockets
        sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": str(connect_seconds),
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
            "LogLevel": "ERROR",
        }
        if len(str(sockets)) + 60 < SOCKET_LIMIT:
            options |= {
                "ControlMaster": "auto",
                "ControlPersist": str(PERSIST_SECONDS),
                "ControlPath": f"{sockets}/%C",
            }
        else:
            options |= {"ControlPath": "none"}
        self._ssh = ["ssh", "-F", str(config), "-T"]
        for name, value in options.items():
            self._ssh += ["-o", f"{name}={value}"]

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run to the end; see `Runner`."""
        try:
            done = subprocess.run(
                [*self._ssh, host, "--", shlex.join(argv)],
                input=stdin,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _late(host, timeout) from None
        if done.returncode == UNREACHABLE:
            raise _lost(host, done.stderr)
        return Completed(done.returncode, done.stdout, done.stderr)

    def lines(self, host: str, argv: Sequence[str], stdin: Iterable[bytes], timeout: float) -> Iterator[bytes]:
        """Lines as they come; see `Runner`. Ends the command's connection when the caller stops reading."""
        yield from stream([*self._ssh, host, "--", shlex.join(argv)], host, stdin, timeout)

    def close(self, hosts: Sequence[str]) -> None:
        """End the kept connections to these hosts."""
        for host in hosts:
            subprocess.run([*self._ssh, "-O", "exit", host], capture_output=True, check=False)


def stream(command: Sequence[str], host: str, stdin: Iterable[bytes], timeout: float) -> Iterator[bytes]:
    """Start a local command, feed it and yield its lines; any end but exit status 0 raises TemporaryError."""
    late = threading.Event()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)
        assert process.stdin is not None
        assert process.stdout is not None
        feeder = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, give_up)
        feeder.start()
        timer.start()
        try:
            yield from process.stdout
            rc = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            feeder.join()
            process.stdout.close()
        if late.is_set():
            raise _late(host, timeout)
        if rc != 0:
            said.seek(0)
            raise _lost(host, said.read())


def _feed(pipe: IO[bytes], content: Iterable[bytes]) -> None:
    with contextlib.suppress(OSError), pipe:
        pipe.writelines(content)


def _late(host: str, timeout: float) -> TemporaryError:
    return TemporaryError(
        t("Host {host} did not finish within {seconds} s.", host=host, seconds=round(timeout)),
        t("See whether it is up: gasp lab status."),
    )


def _lost(host: str, said: bytes) -> TemporaryError:
    words = said.decode("utf-8", "replace").strip().splitlines()
    return TemporaryError(
        t("Host {host} cannot be reached: {reason}", host=host, reason=words[-1] if words else "connection lost"),
        t("See whether it is up: gasp lab status."),
    )
