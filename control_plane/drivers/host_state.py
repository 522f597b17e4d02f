"""What lies on this host and what our manifest says of it; only reads, never writes.

Part of the agent: runs ON the managed host, sent over SSH. Standard library of Python 3.9 only, and of
ours nothing but `host_*` modules.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SMALL = 1 << 20
"""Files of a release above this many octets are known by size and time instead of a hash."""
LONGEST_MAIN = 240
"""Octets of a site's main name that leave room for `.access.log` and the like in a file name (NAME_MAX 255)."""
KEPT_RELEASES = 3
MISSING = "missing"
VERSION = 1


class AgentError(Exception):
    """A reason with a stable code; the driver has the sentence for it. `detail` is raw words, never a secret."""

    def __init__(self, code: str, path: str = "", detail: str = "") -> None:
        super().__init__(code, path, detail)
        self.code, self.path, self.detail = code, path, detail

    def as_json(self) -> dict[str, Any]:
        """What goes over the wire."""
        return {"code": self.code, "path": self.path, "detail": self.detail}


def from_os(error: OSError) -> AgentError:
    """A full disk has a code of its own."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return AgentError("no-space" if full else "os-error", str(error.filename or ""), error.strerror or str(error))


class Layout:
    """Where things are below `root` (`/` on a host, a directory in tests).

    Names in the manifest are absolute as seen from `root`; `real` turns them into paths.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.root = Path(options.get("root", "/"))
        self._prefix = str(self.root).rstrip("/")
        self._plain: set[str] = set()
        self.nginx = self.root / "etc/nginx"
        self.vhosts = self.nginx / "sites-enabled"
        self.tls = self.nginx / "tls"
        self.sites = self.root / "srv/sites"
        self.home = self.root / "var/lib/gasp"
        self.manifest = self.home / "manifest.json"
        self.journal = self.home / "journal.json"
        self.ready = self.home / "ready"
        self.good = self.home / "good"
        self.lock = self.home / "lock"
        self.candidate = self.root / "run/gasp-candidate"
        self.stages = (self.nginx / ".gasp", self.sites / ".gasp", self.home / "stage")

    def real(self, name: str) -> Path:
        """The path of a name from the manifest."""
        return Path(self._prefix + name)

    def text(self, name: str) -> str:
        """The path of a name from the manifest as plain text: there are thousands of them in a look."""
        return self._prefix + name

    def name(self, path: str | Path) -> str:
        """The name of a path, as in the manifest."""
        return str(path)[len(self._prefix) :]

    def bad_parent(self, name: str, fresh: bool = False) -> str | None:
        """The name of a component between the sites' folder and `name` that is no plain directory of ours, if any.

        `fresh` asks the disk again instead of remembering.
        """
        current = "/srv/sites"
        for part in name[len(current) + 1 :].split("/")[:-1]:
            current = f"{current}/{part}"
            if fresh or current not in self._plain:
                found = _lstat(self.text(current))
                if found is not None and not (stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()):
                    return current
                self._plain.add(current)
        return None


def _lstat(path: str | Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def file_state(content: bytes, mode: int) -> str:
    """The state of a file that we are about to write."""
    return f"file {hashlib.sha256(content).hexdigest()} {mode:o}"


def link_state(target: str) -> str:
    """The state of a symbolic link."""
    return "link " + target


def _hashed(path: str | Path, found: os.stat_result) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        digest = hashlib.sha256()
        while True:
            block = os.read(fd, SMALL)
            if not block:
                break
            digest.update(block)
    finally:
        os.close(fd)
    state = f"file {digest.hexdigest()} {stat.S_IMODE(found.st_mode):o}"
    return state if found.st_uid == os.geteuid() else f"{state} uid={found.st_uid}"


def state_of(path: str | Path) -> str:
    """One line that changes when the thing at `path` does: `file HASH MODE`, `link TARGET`, `tree HASH`, `missing`…

    Never follows a link.
    """
    found = _lstat(path)
    if found is None:
        return MISSING
    if stat.S_ISLNK(found.st_mode):
        return link_state(os.readlink(path))  # noqa: PTH115 thousands in a look
    if stat.S_ISREG(found.st_mode):
        try:
            return _hashed(path, found)
        except FileNotFoundError:
            return MISSING
    if stat.S_ISDIR(found.st_mode):
        return tree_state(tree_listing(path))
    return f"other {stat.S_IFMT(found.st_mode):o}"


def tree_listing(top: str | Path) -> dict[str, str]:
    """Relative path → state of everything below `top`."""
    listing: dict[str, str] = {}
    todo = [("", str(top))]
    while todo:
        prefix, folder = todo.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    listing[name] = f"dir {stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode):o}"
                    todo.append((name + "/", entry.path))
                    continue
                found = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode):
                    listing[name] = state_of(entry.path)
                elif found.st_size > SMALL:
                    listing[name] = f"big {found.st_size} {found.st_mtime_ns}"
                else:
                    listing[name] = _hashed(entry.path, found)
    return listing


def tree_state(listing: Mapping[str, str]) -> str:
    """The state of a folder from the listing of what is below it."""
    text = "\0".join("{}\0{}".format(*item) for item in sorted(listing.items()))
    return "tree " + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@contextlib.contextmanager
def locked(layout: Layout, write: bool, seconds: float) -> Iterator[None]:
    """One writer or many readers at a time, so that no look falls into the middle of an apply. Raises AgentError."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_RDWR | os.O_CREAT if write else os.O_RDONLY)
    try:
        lock = os.open(layout.lock, flags, 0o600)
    except FileNotFoundError:
        if write:
            raise AgentError("not-ready", layout.name(layout.ready)) from None
        yield  # nobody ever wrote here
        return
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, (fcntl.LOCK_EX if write else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AgentError("busy") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(lock)


def load_json(path: Path) -> Any:
    """The JSON value in a file of ours. Raises OSError or ValueError."""
    return json.loads(path.read_bytes())


def load_manifest(layout: Layout) -> dict[str, dict[str, Any]]:
    """Resource id → entry. Raises AgentError when it cannot be trusted: nothing may be concluded then."""
    name = layout.name(layout.manifest)
    try:
        data = load_json(layout.manifest)
        resources: dict[str, dict[str, Any]] = data["resources"]
        if data["version"] != VERSION:
            raise ValueError("version {!r}".format(data["version"]))
        for entry in resources.values():
            if not {"kind", "owner", "main", "attributes", "files", "retire_seconds"} <= entry.keys():
                raise ValueError("an entry lacks fields")
        return resources
    except FileNotFoundError:
        if not layout.ready.exists():
            raise AgentError("not-ready", layout.name(layout.ready)) from None
        if layout.good.exists():
            raise AgentError("manifest-lost", name) from None
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgentError("manifest-garbled", name, str(error)) from None


def load_journal(layout: Layout) -> dict[str, Any] | None:
    """What an interrupted apply had decided to do, if there is one. Raises AgentError when it is garbled."""
    try:
        data = load_json(layout.journal)
        if not {"ids", "entries", "old", "before_reload", "reload", "after_reload"} <= data.keys():
            raise ValueError("fields are missing")
        return dict(data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise AgentError("journal-garbled", layout.name(layout.journal), str(error)) from None


class Seen:
    """One managed resource as it is now, beside what the manifest says."""

    def __init__(self, layout: Layout, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.actual: dict[str, str] = {}
        for name in entry["files"]:
            blocked = layout.bad_parent(name) if name.startswith("/srv/sites/") else None
            self.actual[name] = f"behind a link {blocked}" if blocked else state_of(layout.text(name))

    @property
    def clean(self) -> bool:
        """Everything is as we left it."""
        return bool(self.actual == self.entry["files"])

    @property
    def differing(self) -> list[str]:
        """Names whose state is not the manifest's, sorted."""
        return sorted(n for n, state in self.actual.items() if state != self.entry["files"][n])

    def token(self) -> str:
        """The precondition for whoever saw the resource like this."""
        return token_of(self.entry, self.actual)


def token_of(entry: Mapping[str, Any], actual: Mapping[str, str]) -> str:
    """Hash over all that a writer must have seen: owner, content, states of files, retirement, kept releases."""
    parts = [
        entry["owner"],
        entry["attributes"],
        sorted(actual.items()),
        entry.get("retiring_until"),
        entry.get("kept"),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
