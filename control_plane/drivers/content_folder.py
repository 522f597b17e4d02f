"""Contents below one folder of mode 0700: each is written beside its place, whole, and brought there in one step.

Which contents there should be is not known here; `workflow/contents.py` owns that rule.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

#: What is being written begins like this; after so many seconds nobody writes it any more.
_BEGUN, _LEFT_SECONDS = ".new-", 86_400.0


class Staged:
    """A content that lies whole beside its place (see `ports.Staged`)."""

    def __init__(self, path: Path, target: Path) -> None:
        self._path, self._target = path, target

    def place(self) -> None:
        """See `Staged.place`."""
        self._path.rename(self._target)
        folder = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class ContentFolder:
    """Contents of one kind. `form` matches the names of their files, with the name of the content as its group."""

    def __init__(self, folder: Path, form: str) -> None:
        self._folder, self._form = folder, re.compile(form)

    @contextmanager
    def begun(self) -> Iterator[IO[bytes]]:
        """A file of mode 0600 to be written; what was not placed is gone at the end."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=_BEGUN, delete=False) as file:
            try:
                yield file.file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def ended(self, file: IO[bytes], target: Path) -> Staged:
        """It is written: what brings it to its place."""
        file.flush()
        os.fsync(file.fileno())
        return Staged(Path(file.name), target)

    def names(self) -> Iterator[str]:
        """See `ContentStore.names`."""
        for path in self._folder.glob("[!.]*"):
            if found := self._form.fullmatch(path.name):
                yield found[1]

    def tidy(self) -> int:
        """See `ContentStore.tidy`."""
        old = time.time() - _LEFT_SECONDS
        left = [path for path in self._folder.glob(f"{_BEGUN}*") if path.stat().st_mtime < old]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)
