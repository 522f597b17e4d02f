"""What somebody carried to a closed network: a folder or an archive, judged whole before anything of it is sent.

Links, devices and names that lead elsewhere are refused; nothing is unpacked on this machine. Whether its content is
to be believed is decided on the repository host, by signatures.
"""

from __future__ import annotations

import os
import re
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import Protocol

from control_plane.drivers.archive_check import resolve
from control_plane.drivers.archives import MIB, Damaged, TooLarge, members
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.machine import Depot
from control_plane.model.text import Text, t, tn

MOST_OCTETS = 1 << 41
MOST_FILES = 500_000
MOST_RATIO = 1000
BLOCK = 1 << 18
_SUITE = re.compile(r"(?P<top>(?:.*/)?)dists/[^/]+/InRelease\Z")
_SET = re.compile(r"(?P<top>(?:.*/)?)manifest\.json\.asc\Z")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Medium:
    """A sound medium. `files`: name there, name to send it under (None: leave it out), size; in the order there."""

    path: Path
    files: tuple[tuple[str, str | None, int], ...]

    @property
    def octets(self) -> int:
        """All files that are sent."""
        return sum(size for _, sent, size in self.files if sent is not None)

    @property
    def holds(self) -> Sequence[Depot]:
        """What it could be taken for. Raises Invalid when it is neither."""
        names = [name for name, _, _ in self.files]
        found: list[Depot] = []
        found += ["patches"] if any(_SUITE.match(name) for name in names) else []
        found += ["signatures"] if any(_SET.match(name) for name in names) else []
        if not found:
            raise self._unfit(t("It holds neither dists/SUITE/InRelease nor manifest.json with its signature."))
        return found

    def of(self, what: Depot) -> Medium:
        """The part of one kind: trees of packages as `debian/…`, a set as `signatures/…`. Raises Invalid."""
        pattern, place, sought = {
            "patches": (_SUITE, "debian", "dists/SUITE/InRelease"),
            "signatures": (_SET, "signatures", "manifest.json"),
        }[what]
        tops = {found["top"].rstrip("/") for name, _, _ in self.files if (found := pattern.match(name))}
        if not tops:
            raise self._unfit(t("The medium has no {what}.", what=sought))
        if what == "signatures" and len(tops) > 1:
            raise self._unfit(t("It holds {count} signature sets; name the folder of one.", count=len(tops)))
        top = commonpath(tops) if "" not in tops else ""
        cut = len(top) + 1 if top else 0
        sent = (
            (name, f"{place}/{name[cut:]}" if not top or name.startswith(f"{top}/") else None, size)
            for name, _, size in self.files
        )
        return Medium(self.path, tuple(sent))

    def _unfit(self, text: Text) -> Invalid:
        return Invalid([Problem("no-medium", text, t("Carry the tree as the upstream has it."), str(self.path))])

    def pieces(self) -> Iterator[bytes]:
        """The content as an uncompressed tar of plain files."""
        for (name, sent, size), content in zip(self.files, self._contents(), strict=True):
            if sent is None:
                continue
            info = tarfile.TarInfo(sent)
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
            for name, _, _ in self.files:
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
    if problems:
        raise Invalid(
            problems,
            tn(
                "The medium has {count} fault; nothing was taken from it.",
                "The medium has {count} faults; nothing was taken from it.",
                count=len(problems),
            ),
        )
    return Medium(path, tuple((name, None, size) for name, size in files))


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
        damaged = t("The archive is damaged or is neither zip nor tar: {reason}.", reason=error)
        problems.append(Problem("damaged-archive", damaged, t("Copy it again."), str(path)))
    except TooLarge:
        large = t("The archive unpacks to far more than it may ({limit} MiB).", limit=MOST_OCTETS // MIB)
        problems.append(Problem("archive-too-large", large, t("Carry a folder instead of an archive."), str(path)))


def _bad(path: Path, name: str, reason: Text) -> Problem:
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)
    return Problem("bad-entry", reason, t("Take it away and import again."), str(path), field=shown)
