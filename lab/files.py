"""Small file helpers of the lab: atomic writes, locks on folders, and writing inside a host's disk.

A host's disk is not trusted: whoever is root in it may have planted links, so `HostDisk` follows none.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any


def write_atomic(path: Path, data: bytes | str, mode: int = 0o600) -> None:
    """Write `path` so that a reader or a kill sees the old text or the new, never a part."""
    raw = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(raw)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, value: Any) -> None:
    """`write_atomic` of readable JSON, mode 0600."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any | None:
    """The value in `path`; None when the file is missing or not JSON (a caller then starts from nothing)."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


@contextmanager
def locked(folder: Path, *, blocking: bool = True) -> Iterator[int]:
    """Hold an exclusive lock on `folder` itself, so that no lock file is left behind; gives its inode.

    Raises BlockingIOError when `blocking` is false and another process holds it, FileNotFoundError when the
    folder is missing. The kernel drops the lock when this process dies.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        yield os.fstat(handle).st_ino
    finally:
        os.close(handle)


class HostDisk:
    """Reads and writes files below `root` without following a symbolic link in any component."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def _folder(self, path: PurePosixPath, *, create: bool) -> Iterator[int]:
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in path.relative_to("/").parts:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=handle)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                below = os.open(part, flags, dir_fd=handle)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)

    def write(self, path: str, data: bytes | str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> bool:
        """Make the file exactly this; True when it had to be changed. Parent folders are made 0755."""
        raw = data.encode() if isinstance(data, str) else data
        place = PurePosixPath(path)
        with self._folder(place.parent, create=True) as folder:
            if self._same(folder, place.name, raw, mode, owner):
                return False
            temporary = f".{place.name}.{secrets.token_hex(4)}"
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=folder)
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                os.fchmod(file.fileno(), mode)
                os.fchown(file.fileno(), *owner)
            os.replace(temporary, place.name, src_dir_fd=folder, dst_dir_fd=folder)
        return True

    @staticmethod
    def _same(folder: int, name: str, raw: bytes, mode: int, owner: tuple[int, int]) -> bool:
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            return False
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if (found.st_mode & 0o7777, found.st_uid, found.st_gid, found.st_size) != (mode, *owner, len(raw)):
                return False
            return file.read() == raw

    def link(self, path: str, target: str) -> None:
        """Make `path` a symbolic link to `target`, whatever it was (a folder excepted)."""
        place = PurePosixPath(path)
        with self._folder(place.parent, create=True) as folder:
            with suppress(OSError):
                if os.readlink(place.name, dir_fd=folder) == target:
                    return
            temporary = f".{place.name}.{secrets.token_hex(4)}"
            os.symlink(target, temporary, dir_fd=folder)
            os.replace(temporary, place.name, src_dir_fd=folder, dst_dir_fd=folder)

    def remove(self, path: str) -> None:
        """Remove the file or link; nothing happens when it is not there."""
        place = PurePosixPath(path)
        with suppress(FileNotFoundError), self._folder(place.parent, create=False) as folder:
            os.unlink(place.name, dir_fd=folder)

    def exists(self, path: str) -> bool:
        """Whether there is anything at `path` (a dangling link counts)."""
        place = PurePosixPath(path)
        try:
            with self._folder(place.parent, create=False) as folder:
                os.stat(place.name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def links_to(self, folder_path: str, target: str) -> list[str]:
        """Names in `folder_path` that are links to exactly `target`, sorted."""
        found = []
        with suppress(FileNotFoundError), self._folder(PurePosixPath(folder_path), create=False) as folder:
            for name in os.listdir(folder):  # noqa: PTH208 (a descriptor)
                with suppress(OSError):
                    if os.readlink(name, dir_fd=folder) == target:
                        found.append(name)
        return sorted(found)
