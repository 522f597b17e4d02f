"""Files that people bring in, kept by the hash of their content below one folder of mode 0700.

Implements `model.ports.FileStore`. What a file is, and who may have it, is decided before.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from control_plane.model.errors import NotFound
from control_plane.model.text import t


class FileFolder:
    """`<sha256>` below `folder`, mode 0600, whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """See `FileStore.put`."""
        digest = hashlib.sha256(content).hexdigest()
        target = self._path(digest)
        if target.exists():
            return digest
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".new-", delete=False) as file:
            path = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                path.rename(target)
            finally:
                path.unlink(missing_ok=True)
        return digest

    def get(self, digest: str) -> bytes:
        """See `FileStore.get`."""
        try:
            content = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise _gone() from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise _gone()
        return content

    def drop(self, digest: str) -> None:
        """See `FileStore.drop`."""
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise _gone()
        return self._folder / digest


def _gone() -> NotFound:
    return NotFound(t("The content of this file is not there any more."))
