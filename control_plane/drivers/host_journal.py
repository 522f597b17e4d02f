"""Making a decided change live so that a kill at any point leaves a host that starts and can be finished.

Runs ON the managed host (see host_state). All content is written and synced before the journal is; from then on
there are only renames and removals, each valid by itself and each harmless when repeated.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from control_plane.drivers.host_check import Service
from control_plane.drivers.host_state import VERSION, AgentError, Layout, load_journal

STEPS = (
    "request.read",
    "changes.judged",
    "content.staged",
    "check.passed",
    "journal.temporary",
    "journal.written",
    "operation",
    "files.replaced",
    "reload.done",
    "clean.operation",
    "stages.cleared",
    "journal.removed",
)
"""Where a kill is tried in tests; `operation` is passed once for each rename."""

Operation = list[Any]
"""`[move, from, to]`, `[folder, path]`, `[remove, path]`, `[prune, path]`; names as in the manifest."""
Emit = Callable[..., None]


class Faults:
    """`GASP_AGENT_FAULT=STEP[:N]` in the environment kills the agent when it passes STEP the Nth time. Tests only."""

    def __init__(self) -> None:
        name, _, count = os.environ.get("GASP_AGENT_FAULT", "").partition(":")
        self._name, self._left = name, int(count or 1)

    def step(self, name: str) -> None:
        """Passing a named point."""
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def write_file(path: Path, content: bytes | IO[bytes], mode: int) -> None:
    """Create a file that was not there, with exactly this mode."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)
        if isinstance(content, bytes):
            file.write(content)
        else:
            shutil.copyfileobj(content, file)


def sync(folder: Path) -> None:
    """Bring everything on the file system of `folder` to the disk: one call for any number of files."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(fd)


def clear_stages(layout: Layout) -> None:
    """Remove what an apply staged and does not need any more, finished or not. Only under the lock."""
    for stage in (*layout.stages, layout.candidate):
        if stage.is_symlink():
            stage.unlink()
        elif stage.exists():
            shutil.rmtree(stage)


def manifest_bytes(resources: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The manifest as it is written."""
    return json.dumps({"version": VERSION, "resources": resources}, sort_keys=True, separators=(",", ":")).encode()


class Commit:
    """Carries out a journal; the same code for the first time and for finishing after a kill."""

    def __init__(self, layout: Layout, service: Service, emit: Emit, faults: Faults) -> None:
        self.layout, self.service, self.emit, self.faults = layout, service, emit, faults

    def write(self, journal: Mapping[str, Any]) -> None:
        """The point of no return: after this, the change will be finished by whoever comes next."""
        temporary = self.layout.stages[2] / "journal.json"
        write_file(temporary, json.dumps(journal, separators=(",", ":")).encode(), 0o600)
        synced = set()
        for stage in self.layout.stages:
            device = os.lstat(stage).st_dev if stage.exists() else None
            if device is not None and device not in synced:
                synced.add(device)
                sync(stage)
        self.faults.step("journal.temporary")
        temporary.replace(self.layout.journal)
        sync(self.layout.home)
        self.faults.step("journal.written")

    def run(self, journal: Mapping[str, Any]) -> None:
        """Do all that the journal says. Raises OSError or AgentError and leaves the journal for the next try."""
        for operation in journal["before_reload"]:
            self._do(operation)
            self.faults.step("operation")
        sync(self.layout.home)
        self.emit("files.replaced", resources=len(journal["ids"]))
        self.faults.step("files.replaced")
        if journal["reload"]:
            self.service.reload()
            self.emit("reload.done", reloads=1)
        self.faults.step("reload.done")
        for operation in journal["after_reload"]:
            self._do(operation)
            self.faults.step("clean.operation")
        clear_stages(self.layout)
        self.faults.step("stages.cleared")
        self.layout.journal.unlink()
        self.faults.step("journal.removed")

    def recover(self) -> dict[str, Any] | None:
        """Finish what a killed apply left; returns its journal. Clears half-staged content in any case."""
        journal = load_journal(self.layout)
        if journal is None:
            clear_stages(self.layout)
        else:
            self.run(journal)
        return journal

    def _blocked(self, name: str) -> str | None:
        return self.layout.bad_parent(name, fresh=True) if name.startswith("/srv/sites/") else None

    def _do(self, operation: Operation) -> None:
        verb, name = operation[0], operation[1]
        path = self.layout.real(name)
        blocked = self._blocked(operation[-1])
        if blocked and verb in ("remove", "prune"):
            return  # whatever a planted link leads to is not ours to remove
        if blocked:
            raise AgentError("link-in-the-way", blocked)
        if verb == "move":
            target = self.layout.real(operation[2])
            if path.is_symlink() or path.exists():
                path.replace(target)
        elif verb == "folder":
            path.mkdir(mode=0o755, exist_ok=True)
        elif verb == "remove":
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.exists():
                shutil.rmtree(path)
        elif verb == "prune":
            prune(path)


def prune(path: Path) -> None:
    """Remove a folder if nothing is left in it."""
    if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
        path.rmdir()


def without_doubles(operations: Iterable[Operation]) -> list[Operation]:
    """Many sites need the same folders: make each once, where it is first needed."""
    made: set[str] = set()
    kept: list[Operation] = []
    for operation in operations:
        if operation[0] == "folder":
            if operation[1] in made:
                continue
            made.add(operation[1])
        kept.append(operation)
    return kept


def folders(names: Iterable[str]) -> list[Operation]:
    """Operations that make folders, outer ones first, each once."""
    return [["folder", name] for name in sorted(set(names), key=lambda n: (n.count("/"), n))]
