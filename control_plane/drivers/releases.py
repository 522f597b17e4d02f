"""Content of sites: keeps what a department uploads as a normalised tar and gives it to the driver.

Nothing is kept that `check_archive` has not accepted whole. Releases are named by their content, so the same upload
twice is one release.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from control_plane.drivers.archive_check import Checked, Limits, check_archive, content_hash
from control_plane.drivers.archives import MIB, Content, Damaged, TooLarge, members
from control_plane.drivers.content_folder import ContentFolder, Staged
from control_plane.model.content_check import LARGEST_CHECKED
from control_plane.model.errors import Invalid, NotFound, Problem
from control_plane.model.text import t

__all__ = ["Checked", "Limits", "ReleaseFolder", "check_archive", "pack"]
#: 2000-01-01; files get a time made from their content, so that a changed file never keeps its ETag.
_EPOCH = 946684800


class StagedRelease:
    """A release that lies beside its place (see `ports.StagedRelease`)."""

    def __init__(self, path: Path, staged: Staged) -> None:
        self._path, self._staged = path, staged

    def files(self) -> Iterator[tuple[str, bytes]]:
        """See `ports.StagedRelease.files`."""
        yield from _files(self._path)

    def place(self) -> None:
        """See `ports.Staged.place`."""
        self._staged.place()


class ReleaseFolder(ContentFolder):
    """Releases as `<id>.tar` below one folder of mode 0700 (see `ports.ReleaseStore`)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, r"([0-9a-f]{32})\.tar")

    @contextmanager
    def take(self, archive: Path, max_bytes: int | None = None) -> Iterator[tuple[Checked, StagedRelease]]:
        """Check an upload and write it beside its place. `max_bytes`: what it may unpack to. Raises Invalid with all
        faults."""
        limits = Limits() if max_bytes is None else Limits(max_bytes=max_bytes)
        checked = check_archive(archive, limits)
        with self.begun() as file:
            try:
                _write(file, archive, checked, limits)
            except (Damaged, TooLarge):
                raise _changed(archive) from None
            staged = self.ended(file, self.path(checked.release_id))
            yield checked, StagedRelease(Path(file.name), staged)

    @contextmanager
    def take_files(
        self, files: Mapping[str, bytes], max_bytes: int | None = None
    ) -> Iterator[tuple[Checked, StagedRelease]]:
        """The same with files that were made here, as with an upload."""
        with tempfile.TemporaryDirectory(prefix="gasp-made-") as folder:
            path = Path(folder) / "made.tar"
            path.write_bytes(pack(files))
            with self.take(path, max_bytes) as taken:
                yield taken

    @staticmethod
    def id_of(files: Mapping[str, bytes], known: Mapping[str, tuple[int, str]]) -> str:
        """See `ReleaseStore.id_of`."""
        found = {path: (len(content), hashlib.sha256(content).hexdigest()) for path, content in files.items()}
        return content_hash({**found, **known})[:32]

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

    def files(self, release_id: str) -> Iterator[tuple[str, bytes]]:
        """See `ReleaseStore.files`."""
        path = self.path(release_id)
        if not path.is_file():
            raise _unknown(release_id)
        yield from _files(path)

    def drop(self, release_id: str) -> None:
        """See `ContentStore.drop`."""
        self.path(release_id).unlink(missing_ok=True)

    def path(self, release_id: str) -> Path:
        """Where an uploaded release lies. Raises NotFound for an id that is none."""
        if not re.fullmatch(r"[0-9a-f]{32}", release_id):
            raise _unknown(release_id)
        return self._folder / f"{release_id}.tar"


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file of a normalised tar, one after the other; of one that is too large to be checked
    (an older version took them) no more than shows that."""
    with tarfile.open(path, mode="r:") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, content.read(LARGEST_CHECKED + 1)


def _write(file: IO[bytes], archive: Path, checked: Checked, limits: Limits) -> None:
    """The normalised tar of a checked archive."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
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
