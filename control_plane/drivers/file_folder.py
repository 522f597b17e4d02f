"""Files that people bring in, kept by the hash of their content below one folder of mode 0700.

Implements `model.ports.FileStore`. What a file is, and who may have it, is decided before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from control_plane.drivers.content_folder import ContentFolder, Staged
from control_plane.model.errors import NotFound
from control_plane.model.text import t


class FileFolder(ContentFolder):
    """`<sha256>` below `folder`, mode 0600, whole or not there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "([0-9a-f]{64})")

    @contextmanager
    def staged(self, content: bytes) -> Iterator[Staged]:
        """See `FileStore.staged`."""
        with self.begun() as file:
            file.write(content)
            yield self.ended(file, self._path(hashlib.sha256(content).hexdigest()))

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
        """See `ContentStore.drop`."""
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise _gone()
        return self._folder / digest


def _gone() -> NotFound:
    return NotFound(t("The content of this file is not there any more."))
