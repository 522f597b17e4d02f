"""The caller's side of the supervisor: start it, tell it what is wanted, read what it sees, end it.

All talk goes through files in the lab's folder and two signals, so that either side may die at any point. Must be
used under the lab's lock where it changes anything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import lab as package
from lab import cgroups
from lab.cgroups import Cgroups
from lab.commands import LabError
from lab.files import read_json, write_json

#: Files the supervisor and its callers share; they go with `down`.
FILES = ("supervisor.pid", "status.json", "boot.json", "desired.json")
#: How many hosts may boot at once; more of them only wait for each other.
PARALLEL = 6 * (os.cpu_count() or 2)
POLL = 0.05


class Keeper:
    """The supervisor of the lab in `folder`, alive or not."""

    def __init__(self, folder: Path, place: Cgroups) -> None:
        self.folder = folder
        self.cgroups = place

    def pid(self) -> int | None:
        """The living supervisor's process id."""
        found = read_json(self.folder / "supervisor.pid")
        if found and cgroups.start_time(found["pid"]) == found["start"]:
            return int(found["pid"])
        return None

    def states(self) -> dict[str, dict[str, Any]]:
        """What the living supervisor sees, by host: `state`, `restarts`, `pid`, `since`, `exit`; else nothing."""
        if self.pid() is None:
            return {}
        document = read_json(self.folder / "status.json")
        found: dict[str, dict[str, Any]] = document["hosts"] if document else {}
        return found

    def desired(self) -> dict[str, list[str]]:
        """Hosts to be kept `stopped`, those of them that are to lose their power (`hard`), and hosts to be `cut`."""
        found: dict[str, list[str]] | None = read_json(self.folder / "desired.json")
        return {"stopped": [], "hard": [], "cut": [], **(found or {})}

    def want(self, desired: dict[str, list[str]]) -> None:
        """Write down what is wanted and have it done, if a supervisor lives."""
        write_json(self.folder / "desired.json", {key: sorted(set(names)) for key, names in desired.items()})
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGHUP)

    def ensure(self, specs: dict[str, dict[str, Any]]) -> None:
        """Have a supervisor keep exactly these hosts, starting one if none lives. Raises LabError."""
        bases = [str(base) for base in self.cgroups.bases]
        place = {"bases": bases, "unified": self.cgroups.unified}
        write_json(self.folder / "boot.json", {"parallel": PARALLEL, "cgroups": place, "hosts": specs})
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGHUP)
            return
        self._kill_lost()
        (self.folder / "status.json").unlink(missing_ok=True)
        root = str(Path(package.__path__[0]).parent)
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        argv = [*self.cgroups.launcher, sys.executable, "-m", "lab.supervisor", str(self.folder)]
        log = self.folder / "supervisor.log"
        with log.open("ab") as output:
            done = subprocess.run(
                argv,
                env={**os.environ, "PYTHONPATH": path},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                check=False,
            )
        end = time.monotonic() + 20
        while self.pid() is None:
            if done.returncode or time.monotonic() > end:
                raise LabError(f"the lab's supervisor did not start, see {log}")
            time.sleep(POLL)

    def end(self, watching: Callable[[int, int], None]) -> None:
        """Have the supervisor stop every host and end; `watching(done, total)` is called meanwhile."""
        pid = self.pid()
        if pid is not None:
            start, total = cgroups.start_time(pid), len(self.cgroups.members())
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + 90
            while cgroups.start_time(pid) == start:
                watching(max(0, total - len(self.cgroups.members())), total)
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(POLL)
        self._kill_lost()

    def wait(self, host: str, states: set[str], limit: float) -> None:
        """Wait until the supervisor sees the host in one of `states`. Raises LabError after `limit` seconds."""
        end = time.monotonic() + limit
        while True:
            state = self.states().get(host, {}).get("state")
            if state in states:
                return
            if time.monotonic() > end or self.pid() is None:
                raise LabError(f"{host} is {state or 'unknown'} and not {' or '.join(sorted(states))}")
            time.sleep(POLL)

    def halt(self, names: Iterable[str]) -> None:
        """Make sure none of these hosts runs, with or without a supervisor; it will not start them again."""
        chosen = list(names)
        if not chosen:
            return
        known = self.states()
        desired = self.desired()
        self.want({**desired, "stopped": [*desired["stopped"], *chosen]})
        for name in chosen:
            if name in known:
                self.wait(name, {"stopped"}, 60)
            self.kill(name)

    def kill(self, member: str) -> None:
        """End whatever is left of a host and take its cgroups away. Raises LabError."""
        try:
            cgroups.kill_all(self.cgroups, member)
        except TimeoutError as error:
            raise LabError(str(error)) from error
        self.cgroups.remove(member)

    def forget(self) -> None:
        """Remove the files of a supervisor that has ended."""
        for name in FILES:
            (self.folder / name).unlink(missing_ok=True)

    def _kill_lost(self) -> None:
        """A supervisor that was killed between its start and its pid file, or whose file is gone."""
        for pid in self.cgroups.pids(cgroups.SUPERVISOR):
            if pid != self.pid():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
