"""Installs on machines by pyinfra: implements `model.machine.Installer`.

pyinfra keeps its state in globals and patches what everything uses, so each installation has a child process of its
own (`pyinfra_child.py`). Must ask `proceed` before each machine is touched; must not end a child in the middle of a
package: its input is closed, and then it touches nothing more.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_plane.model.errors import TemporaryError
from control_plane.model.machine import Depot, Installed, Machine, Proceed
from control_plane.model.text import t

DEPLOYS = Path(__file__).parents[2] / "playbooks" / "deploys"
BOOT = (
    "from gevent import monkey; monkey.patch_all(); "
    "from control_plane.drivers.pyinfra_child import main; main()"
)  # fmt: skip
#: Machines side by side; seconds that one may take, and that a connection may take.
PARALLEL, SECONDS, CONNECT_SECONDS = 10, 1800, 10
#: Seconds after which a machine that has vanished in the middle (no power, no network) counts as one that is off.
SILENT_SECONDS = 60
#: What may hold machines up after the child's input was closed.
END_SECONDS = SECONDS + 60


@dataclass(frozen=True, slots=True)
class Reach:
    """How hosts are reached: host name → address, port; a private key, and the keys by which hosts are known."""

    addresses: Callable[[], Mapping[str, tuple[str, int]]]
    key: Callable[[], Path]
    known_hosts: Callable[[], Path]


Refresh = Callable[[Sequence[Machine]], Iterator[Installed]]
"""Lets machines take their ring's signatures, many at once."""


class PyinfraInstaller:
    """`signatures` refreshes those; packages are done here."""

    def __init__(
        self,
        reach: Reach,
        signatures: Refresh,
        parallel: int = PARALLEL,
        seconds: int = SECONDS,
        silent_seconds: int = SILENT_SECONDS,
    ) -> None:
        self._reach = reach
        self._signatures = signatures
        self._parallel = parallel
        self._seconds = seconds
        self._silent_seconds = silent_seconds
        self._waiting: _Child | None = None

    def install(self, machines: Sequence[Machine], what: Depot, proceed: Proceed) -> Iterator[Installed]:
        """See `Installer`."""
        if what == "patches":
            yield from self._patches(machines, proceed)
        else:
            yield from self._refresh(machines, proceed)

    def _refresh(self, machines: Sequence[Machine], proceed: Proceed) -> Iterator[Installed]:
        for start in range(0, len(machines), self._parallel):
            batch = machines[start : start + self._parallel]
            going = [m for m in batch if proceed(m.id)]
            yield from (Installed(m.id, "untouched") for m in batch if m not in going)
            if going:
                yield from self._signatures(going)

    @contextlib.contextmanager
    def ready(self, machines: Sequence[Machine], what: Depot) -> Iterator[None]:
        """See `Installer`: pyinfra is loaded and connects; it asks before it does anything else."""
        addresses = self._reach.addresses()
        there = {m.id: m for m in machines if m.host in addresses}
        if what == "patches" and there:
            self._waiting = _Child(self._request(there, addresses))
        try:
            yield
        finally:
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                waiting.close()

    def _patches(self, machines: Sequence[Machine], proceed: Proceed) -> Iterator[Installed]:
        addresses = self._reach.addresses()
        there: dict[str, Machine] = {}
        for machine in machines:
            if machine.host in addresses:
                there[machine.id] = machine
            else:
                yield Installed(machine.id, "unreachable", str(t("No host is known by its name.")))
        if there:
            yield from self._run(there, self._request(there, addresses), proceed)

    def _request(self, machines: Mapping[str, Machine], addresses: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
        return {
            "deploy": str(DEPLOYS / "patch.py"),
            "parallel": self._parallel,
            "seconds": self._seconds,
            "connect_seconds": CONNECT_SECONDS,
            "silent_seconds": self._silent_seconds,
            "hosts": {
                name: dict(zip(("ssh_hostname", "ssh_port"), addresses[m.host or ""], strict=True))
                for name, m in machines.items()
            },
            "ssh": {
                "ssh_user": "root",
                "ssh_key": str(self._reach.key()),
                "ssh_known_hosts_file": str(self._reach.known_hosts()),
                "ssh_strict_host_key_checking": "yes",
                "ssh_allow_agent": False,
                "ssh_look_for_keys": False,
                "ssh_config_file": "/dev/null",
            },
        }

    def _child(self, request: Mapping[str, Any]) -> _Child:
        """The one that waits for just this, or a new one."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.request == request:
            return waiting
        if waiting is not None:
            waiting.close()
        return _Child(request)

    def _run(
        self, machines: Mapping[str, Machine], request: Mapping[str, Any], proceed: Proceed
    ) -> Iterator[Installed]:
        left = dict.fromkeys(machines, False)  # id → whether it was touched
        with contextlib.closing(self._child(request)) as child:
            for row in child.rows():
                if row["is"] == "ask":
                    go = proceed(row["host"])
                    left[row["host"]] = go
                    child.tell(host=row["host"], go=go)
                elif row["is"] == "result":
                    left.pop(row["host"], None)
                    yield Installed(row["host"], row["state"], row.get("text") or "", row.get("fault"))
                else:
                    break
            else:
                for name, touched in left.items():
                    text = str(t("The installation ended without an answer.")) if touched else ""
                    yield Installed(name, "unreachable" if touched else "untouched", text)
                raise TemporaryError(
                    t("The installer ended early: {reason}", reason=child.last_words()),
                    t("It is tried again by itself; gasp worker status says when."),
                )


class _Child:
    """The process; closing it lets it finish what it has begun."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.request = request
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )
        self.tell(**request)

    def close(self) -> None:
        """It touches nothing more, and is waited for."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # it is gone
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def last_words(self) -> str:
        """The last line that it wrote to nobody in particular."""
        self._said.seek(0)
        words = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return words[-1] if words else "–"

    def tell(self, **row: Any) -> None:
        """One line to it; one that is gone shows at the next reading."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(row).encode() + b"\n")
            self._process.stdin.flush()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Its events; ends when it does."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)
