"""Content of sites: keeps what a department uploads as a normalised tar and gives it to the driver.

Nothing is kept that `check_archive` has not accepted whole. Releases are named by their content, so the same upload
twice is one release.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from control_plane.drivers.archive_check import Checked, Limits, check_archive, content_hash
from control_plane.drivers.archives import MIB, Content, Damaged, TooLarge, members
from control_plane.model.errors import Invalid, NotFound, Problem
from control_plane.model.text import t

__all__ = ["Checked", "Limits", "ReleaseFolder", "check_archive", "pack"]
#: 2000-01-01; files get a time made from their content, so that a changed file never keeps its ETag.
_EPOCH = 946684800


class ReleaseFolder:
    """Releases as `<id>.tar` below one folder of mode 0700 (see `ports.ReleaseStore`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, archive: Path, max_bytes: int | None = None) -> Checked:
        """Check an upload and keep it. `max_bytes`: what it may unpack to. Raises Invalid with all faults."""
        limits = Limits() if max_bytes is None else Limits(max_bytes=max_bytes)
        checked = check_archive(archive, limits)
        target = self.path(checked.release_id)
        if target.exists():
            return checked
        try:
            self._keep(archive, checked, limits, target)
        except (Damaged, TooLarge):
            raise _changed(archive) from None
        return checked

    def take_files(self, files: Mapping[str, bytes], max_bytes: int | None = None) -> Checked:
        """Check files that were made here and keep them, as an upload would be."""
        with tempfile.TemporaryDirectory(prefix="gasp-made-") as folder:
            path = Path(folder) / "made.tar"
            path.write_bytes(pack(files))
            return self.take(path, max_bytes)

    @staticmethod
    def id_of(files: Mapping[str, bytes], known: Mapping[str, tuple[int, str]]) -> str:
        """See `ReleaseStore.id_of`."""
        found = {path: (len(content), hashlib.sha256(content).hexdigest()) for path, content in files.items()}
        return content_hash({**found, **known})[:32]

    def _keep(self, archive: Path, checked: Checked, limits: Limits, target: Path) -> None:
        with _new_file(target) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _add_folders(tar, checked.contents)
            for index, member in enumerate(members(archive, limits.max_bytes, limits.max_ratio)):
                place = checked.places.get(index)
                if place is None:
                    continue
                size, digest = checked.contents[place]
                hashed = _Hashing(member.content)
                tar.addfile(_info(place, size, digest), hashed)
                if hashed.hexdigest() != digest:
                    raise _changed(archive)

    def open_archive(self, source: Mapping[str, Any]) -> bytes:
        """The normalised tar of a release: rendered when it is a starter site, else what was taken.

        Raises NotFound when there is no such release.
        """
        if source["kind"] == "starter":
            return pack(source["render"]())
        try:
            return self.path(source["release"]).read_bytes()
        except FileNotFoundError:
            raise _unknown(source["release"]) from None

    def drop(self, release_id: str) -> None:
        """See `ReleaseStore.drop`."""
        self.path(release_id).unlink(missing_ok=True)

    def path(self, release_id: str) -> Path:
        """Where an uploaded release lies. Raises NotFound for an id that is none."""
        if not re.fullmatch(r"[0-9a-f]{32}", release_id):
            raise _unknown(release_id)
        return self._folder / f"{release_id}.tar"


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """A file of mode 0600 that appears whole or not at all."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".new-", delete=False) as file:
        path = Path(file.name)
        try:
            yield file.file
            file.flush()
            os.fsync(file.fileno())
            path.rename(target)
        finally:
            path.unlink(missing_ok=True)


def _unknown(release_id: str) -> NotFound:
    return NotFound(t("There is no release “{release}”.", release=release_id), t("See gasp sites list."))


def _changed(archive: Path) -> Invalid:
    return Invalid([Problem("archive-changed", t("The archive changed while it was read."), where=archive.name)])


class _Hashing(io.RawIOBase):
    def __init__(self, source: Content) -> None:
        self._source = source
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        block = self._source.read(size if size >= 0 else MIB)
        self._digest.update(block)
        return block

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def pack(files: Mapping[str, bytes]) -> bytes:
    """A normalised tar of these files: sorted, owned by root, times made from contents. Same files, same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add_folders(tar, files)
        for path, content in sorted(files.items()):
            tar.addfile(_info(path, len(content), hashlib.sha256(content).hexdigest()), io.BytesIO(content))
    return out.getvalue()


def _add_folders(tar: tarfile.TarFile, paths: Mapping[str, Any]) -> None:
    for folder in sorted({parent for path in paths for parent in _parents(path)}):
        info = tarfile.TarInfo(folder)
        info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, _EPOCH
        tar.addfile(info)


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))


def _info(path: str, size: int, digest: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.size, info.mode, info.mtime = size, 0o644, _EPOCH + int(digest[:7], 16)
    return info
