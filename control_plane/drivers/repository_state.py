"""What the repository host holds and where: layout, locks, errors, our own records of snapshots and rings.

Part of the agent: runs ON the repository host, sent over SSH. Standard library only, and of ours nothing but
`repository_*` modules.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RINGS = ("0", "1", "2", "3", "4")
ID = re.compile(r"[ps]\d{8}-\d{6}\Z")
LETTER = {"patches": "p", "signatures": "s"}
Tell = Callable[[int, int, str], None]
"""Progress: octets done, octets in all, what is being worked on."""


class AgentError(Exception):
    """A reason with a stable code; the driver has the sentence for it. `words` are raw words, never a secret."""

    def __init__(self, code: str, **words: Any) -> None:
        super().__init__(code, words)
        self.code, self.words = code, words


def from_os(error: OSError) -> AgentError:
    """A full disk has a code of its own."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AgentError("disk-full", path=str(error.filename or ""))
    return AgentError("os-error", path=str(error.filename or ""), reason=error.strerror or str(error))


class Layout:
    """Where things are below `root` (`/` on the host, a directory in tests). Raises AgentError `not-ready`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        root = Path(options.get("root", "/"))
        self.keys = root / "etc/gasp/repository"
        self.home = root / "var/lib/gasp/repository"
        self.gnupg = self.home / "gnupg"
        self.records = self.home / "snapshots"
        self.rings = self.home / "rings.json"
        self.pending = self.home / "pending.json"
        self.advisories = self.home / "advisories.json"
        self.work = self.home / "work"
        self.content = root / "srv/repository"
        self.pool = self.content / "aptly/pool"
        self.fetching = self.content / "aptly/pool/.fetching"
        self.signatures = self.content / "signatures"
        self.sets = self.signatures / "sets"
        try:
            self.config: dict[str, Any] = json.loads((self.keys / "repository.json").read_text("utf-8"))
        except FileNotFoundError:
            raise AgentError("not-ready", path=self.keys) from None
        for folder in (self.records, self.work, self.sets, self.pool):
            folder.mkdir(parents=True, exist_ok=True)

    def keyring(self, name: str) -> Path:
        """The keyring that signatures of a source are checked with."""
        path = self.keys / f"{name}.gpg"
        if not path.is_file():
            raise AgentError("no-key", key=name)
        return path

    def record(self, id_: str) -> dict[str, Any]:
        """Our record of a snapshot or set. Raises AgentError `unknown`."""
        if not ID.match(id_):
            raise AgentError("unknown", id=id_)
        try:
            found: dict[str, Any] = json.loads((self.records / f"{id_}.json").read_text("utf-8"))
        except FileNotFoundError:
            raise AgentError("unknown", id=id_) from None
        return found

    def all_records(self, what: str) -> list[dict[str, Any]]:
        """Records of a kind, newest first."""
        names = sorted((p.stem for p in self.records.glob(f"{LETTER[what]}*.json")), reverse=True)
        return [self.record(name) for name in names]

    def new_id(self, what: str) -> str:
        """A time-based id later than all others of its kind, also when the clock went back."""
        last = next((r["id"] for r in self.all_records(what)), "")
        seconds = int(time.time())
        while (made := LETTER[what] + time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))) <= last:
            seconds += 1
        return made

    def history(self) -> dict[str, dict[str, list[str]]]:
        """Kind → ring → what it had, the newest last."""
        try:
            found: dict[str, dict[str, list[str]]] = json.loads(self.rings.read_text("utf-8"))
        except FileNotFoundError:
            return {"patches": {}, "signatures": {}}
        return found

    def remember(self, what: str, ring: str, id_: str) -> None:
        """Add to the history of a ring."""
        history = self.history()
        had = history[what].setdefault(ring, [])
        if not had or had[-1] != id_:
            history[what][ring] = [*had, id_][-20:]
            write(self.rings, history)


@dataclass(frozen=True)
class Room:
    """What can be done with one kind: snapshots of packages, or sets of signatures. `medium`: an unpacked one."""

    estimate: Callable[[Layout], dict[str, Any]]
    sync: Callable[[Layout, Tell, Path | None], dict[str, Any]]
    published: Callable[[Layout], dict[str, str | None]]
    publish: Callable[[Layout, str, str], bool]
    drop: Callable[[Layout, Sequence[str]], int]


def write(path: Path, data: Any, mode: int = 0o600) -> None:
    """JSON or octets into a file, atomically and durably."""
    content = data if isinstance(data, bytes) else json.dumps(data, indent=1, ensure_ascii=False).encode()
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def free(path: Path) -> int:
    """Octets that may still be written below `path`."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def stamp(seconds: float | None = None) -> str:
    """A time as JSON has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@contextlib.contextmanager
def locked(layout: Layout, name: str, seconds: float) -> Iterator[None]:
    """Only one at a time; freed when this process ends, however it ends. Raises AgentError `busy`."""
    handle = os.open(layout.home / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise AgentError("busy", work=name) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)
