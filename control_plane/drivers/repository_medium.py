"""What somebody carried to a closed network: a folder or an archive, judged whole before anything of it is sent.

Links, devices and names that lead elsewhere are refused; nothing is unpacked on this machine. Whether its content is
to be believed is decided on the repository host, by signatures.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from control_plane.drivers.archive_check import resolve
from control_plane.drivers.archives import MIB, Damaged, TooLarge, members
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.text import Text, t

MOST_OCTETS = 1 << 41
MOST_FILES = 500_000
MOST_RATIO = 1000
BLOCK = 1 << 18


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Medium:
    """A sound medium: names and sizes of its files."""

    path: Path
    files: tuple[tuple[str, int], ...]

    @property
    def octets(self) -> int:
        """All files together."""
        return sum(size for _, size in self.files)

    def pieces(self) -> Iterator[bytes]:
        """The content as an uncompressed tar of plain files."""
        for (name, size), content in zip(self.files, self._contents(), strict=True):
            info = tarfile.TarInfo(name)
            info.size = size
            yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
            left = size
            while left:
                block = content.read(min(BLOCK, left))
                if not block:
                    raise Rejected(t("{file} became shorter while it was read.", file=name), t("Copy it again."))
                left -= len(block)
                yield block
            yield bytes(-size % tarfile.BLOCKSIZE)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _contents(self) -> Iterator[_Readable]:
        if self.path.is_dir():
            for name, _ in self.files:
                handle = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                with os.fdopen(handle, "rb") as file:
                    yield file
            return
        for member in members(self.path, MOST_OCTETS, MOST_RATIO):
            if member.kind == "file":
                yield member.content


def read_medium(path: Path) -> Medium:
    """Judge a folder or an archive (tar, tar.gz, tar.xz, zip). Raises Invalid with every bad entry, NotFound."""
    if not path.exists():
        raise NotFound(t("There is no {path}.", path=path), t("Name the folder or archive on the medium."))
    problems: list[Problem] = []
    files = tuple(_folder(path, problems) if path.is_dir() else _archive(path, problems))
    seen: set[str] = set()
    for name, _ in files:
        if name in seen:
            problems.append(_bad(path, name, t("it is there twice")))
        seen.add(name)
    if not files and not problems:
        problems.append(Problem("empty-medium", t("There are no files in it."), t("Name another folder."), str(path)))
    if problems:
        raise Invalid(problems, t("The medium has {count} faults; nothing was taken from it.", count=len(problems)))
    return Medium(path, files)


def _folder(path: Path, problems: list[Problem]) -> Iterator[tuple[str, int]]:
    for folder, folders, names in os.walk(path, onerror=_raise):
        folders.sort()
        for name in [*sorted(names), *(f for f in folders if (Path(folder) / f).is_symlink())]:
            place = Path(folder) / name
            shown, found = str(place.relative_to(path)), place.lstat()
            if stat.S_ISREG(found.st_mode):
                yield shown, found.st_size
            else:
                problems.append(_bad(path, shown, t("it is neither a file nor a folder")))


def _raise(error: OSError) -> None:
    raise Rejected(
        t("{path} cannot be read: {reason}", path=error.filename, reason=error.strerror or error), t("Copy it again.")
    )


def _archive(path: Path, problems: list[Problem]) -> Iterator[tuple[str, int]]:
    try:
        for count, member in enumerate(members(path, MOST_OCTETS, MOST_RATIO)):
            name = member.raw.decode("utf-8", "surrogateescape")
            place, reasons = resolve(name)
            if member.kind not in ("file", "directory"):
                reasons.append(t("it is neither a file nor a folder"))
            problems.extend(_bad(path, name, reason) for reason in reasons)
            if count >= MOST_FILES:
                raise TooLarge
            if member.kind == "file" and not reasons:
                yield place, member.size
    except Damaged as error:
        problems.append(
            Problem(
                "damaged-archive",
                t("The archive is damaged or is neither zip nor tar: {reason}.", reason=error),
                t("Copy it again."),
                str(path),
            )
        )
    except TooLarge:
        problems.append(
            Problem(
                "archive-too-large",
                t("The archive unpacks to far more than it may ({limit} MiB).", limit=MOST_OCTETS // MIB),
                t("Carry a folder instead of an archive."),
                str(path),
            )
        )


def _bad(path: Path, name: str, reason: Text) -> Problem:
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)
    return Problem("bad-entry", reason, t("Take it away and import again."), str(path), field=shown)
