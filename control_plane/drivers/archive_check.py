"""Judges an uploaded archive of a site's content, whole, before anything of it is written.

Every bad entry is named. Names are judged by the place they lead to, not by their text. Must not write anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from control_plane.drivers.archives import FREE_OUTPUT, Damaged, Member, TooLarge, charset, members
from control_plane.model.content_check import LARGEST_CHECKED
from control_plane.model.errors import Invalid, Problem
from control_plane.model.text import Text, t, tn

GIB = 1 << 30
BLOCK = 1 << 16
MAX_PATH = 1000
MAX_COMPONENT = 255
HOME_PAGES = ("index.html", "index.htm")
#: Left out with a warning: traces of desktops, and names that the web server does not serve anyway.
_JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_DRIVE = re.compile(r"[A-Za-z]:")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to. `max_ratio`: unpacked to packed size, beyond 64 MiB; `max_file_bytes`: what the
    antivirus engine takes."""

    max_bytes: int = 5 * GIB
    max_files: int = 20_000
    max_file_bytes: int = LARGEST_CHECKED
    max_ratio: int = 200


@dataclass(frozen=True)
class Checked:
    """A sound archive. `sha256` covers paths and contents; `release_id` are its first 32 digits."""

    release_id: str
    sha256: str
    files: int
    bytes: int
    warnings: tuple[Text, ...]
    contents: Mapping[str, tuple[int, str]] = field(repr=False, compare=False, default_factory=dict)
    places: Mapping[int, str] = field(repr=False, compare=False, default_factory=dict)
    """`contents`: path → (size, SHA-256); `places`: index of a member in the archive → its path."""


def check_archive(path: Path, limits: Limits = Limits()) -> Checked:
    """Read an archive whole without writing anything. Raises Invalid with every bad entry and its reason."""
    return _Inspection(path, limits).result()


class _Inspection:
    """One pass over one archive, collecting problems."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits
        self._problems: list[Problem] = []
        self._warnings: list[Text] = []
        self._files: dict[str, tuple[int, str]] = {}
        self._members: dict[int, str] = {}
        self._spellings: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._folders: set[str] = set()
        self._total = 0
        self._junk = 0

    def result(self) -> Checked:
        """Check everything and say what it is."""
        try:
            self._scan()
        except Damaged as error:
            self._whole(
                "damaged-archive",
                t("The archive is damaged or is neither zip nor tar: {reason}.", reason=error),
                t("Make the archive again and upload it whole."),
            )
        except TooLarge:
            self._whole(
                "archive-too-large",
                t("The archive unpacks to far more than it may ({limit} MiB).", limit=self._limits.max_bytes >> 20),
                t("Leave out what does not belong to the site, or choose a larger tier."),
            )
        self._check_parents()
        if not self._problems:
            self._strip_top()
        if self._problems:
            raise Invalid(
                self._problems,
                tn(
                    "The archive has {count} fault; nothing was unpacked.",
                    "The archive has {count} faults; nothing was unpacked.",
                    count=len(self._problems),
                ),
            )
        sha256 = content_hash(self._files)
        if self._junk:
            self._warnings.append(t("{count} hidden or desktop files were left out.", count=self._junk))
        return Checked(
            sha256[:32], sha256, len(self._files), self._total, tuple(self._warnings), self._files, self._members
        )

    def _scan(self) -> None:
        encoding = self._encoding()
        for index, member in enumerate(members(self._path, self._limits.max_bytes, self._limits.max_ratio)):
            if index >= self._limits.max_files:
                self._whole(
                    "too-many-files",
                    t("The archive has more than {limit} entries.", limit=self._limits.max_files),
                    t("Split the site, or leave out what does not belong to it."),
                )
                return
            self._member(index, member, encoding)

    def _encoding(self) -> str:
        """The character set of names that do not declare theirs (a first, quick pass: names only)."""
        names: list[bytes] = []
        windows = False
        with contextlib.suppress(Damaged, TooLarge):  # the second pass will find it again, after the bad entries
            for member in members(self._path, self._limits.max_bytes, self._limits.max_ratio):
                if not member.utf8 and not member.raw.isascii():
                    names.append(member.raw)
                    windows |= member.windows
                if len(names) > self._limits.max_files:
                    break
        found = charset(names, windows)
        if names and found == "gb18030":
            self._warnings.append(
                tn("{count} name was read as GB18030.", "{count} names were read as GB18030.", count=len(names))
            )
        return found

    def _member(self, index: int, member: Member, encoding: str) -> None:
        try:
            name = member.raw.decode("utf-8" if member.utf8 else encoding)
        except UnicodeDecodeError:
            shown = member.raw.decode("ascii", "backslashreplace")
            self._bad(shown, t("the name is neither UTF-8 nor GB18030"))
            return
        place, reasons = resolve(name)
        kind = _KINDS.get(member.kind)
        if kind is not None:
            reasons.append(kind)
            if place:
                self._links[place] = member.kind
        for reason in reasons:
            self._bad(name, reason)
        if reasons or not place:
            return
        if _is_junk(place):
            self._junk += member.kind == "file"
            return
        if member.kind == "directory":
            self._spelling(name, place)
            self._folders.add(place)
        elif self._spelling(name, place) and self._fits(name, member):
            self._read(index, name, place, member)

    def _spelling(self, name: str, place: str) -> bool:
        """Refuse what would be the same file where case does not count, and what is there twice."""
        parts = place.split("/")
        for length in range(1, len(parts) + 1):
            prefix = "/".join(parts[:length])
            first = self._spellings.setdefault(prefix.casefold(), prefix)
            if first != prefix:
                self._bad(name, t("it differs from {other} by case only", other=first))
                return False
        if place in self._files:
            self._bad(name, t("it is there twice"))
            return False
        return True

    def _fits(self, name: str, member: Member) -> bool:
        limits = self._limits
        if member.size > limits.max_file_bytes:
            most = limits.max_file_bytes >> 20
            self._bad(name, t("it is larger than {limit} MiB, the most that can be checked for malware", limit=most))
            return False
        if self._total + member.size > limits.max_bytes:
            self._bad(name, t("it would need {size} MiB, more than there is room for", size=member.size >> 20))
            return False
        if member.packed is not None and member.size > max(FREE_OUTPUT, member.packed * limits.max_ratio):
            self._bad(name, t("it unpacks to more than {ratio} times its size", ratio=limits.max_ratio))
            return False
        return True

    def _read(self, index: int, name: str, place: str, member: Member) -> None:
        digest, size = hashlib.sha256(), 0
        while block := member.content.read(BLOCK):
            size += len(block)
            if size > member.size:
                raise TooLarge
            digest.update(block)
        if size != member.size:
            self._bad(name, t("it has {size} octets instead of {stated}", size=size, stated=member.size))
            return
        self._total += size
        self._files[place] = size, digest.hexdigest()
        self._members[index] = place

    def _check_parents(self) -> None:
        """Entries below a link or below a file lead elsewhere when unpacked in order."""
        for place in [*self._files, *self._folders]:
            parts = place.split("/")
            for length in range(1, len(parts)):
                parent = "/".join(parts[:length])
                if parent in self._links:
                    self._bad(place, t("it leads through the link {link}", link=parent))
                elif parent in self._files:
                    self._bad(place, t("{parent} is a file, not a folder", parent=parent))
            if place in self._files and place in self._folders:
                self._bad(place, t("it is both a file and a folder"))

    def _strip_top(self) -> None:
        """Take away one folder around everything, and insist on a home page."""
        if not any(page in self._files for page in HOME_PAGES):
            tops = {place.split("/", 1)[0] for place in self._files}
            top = next(iter(tops)) if len(tops) == 1 else ""
            if top and any(f"{top}/{page}" in self._files for page in HOME_PAGES):
                cut = len(top) + 1
                self._files = {place[cut:]: value for place, value in self._files.items()}
                self._members = {index: place[cut:] for index, place in self._members.items()}
                self._warnings.append(t("The folder {name} around everything was taken away.", name=top))
                return
            self._whole(
                "no-home-page",
                t("There is no index.html at the top of the archive."),
                t("Pack the content of the site's folder, with its home page at the top."),
            )

    def _bad(self, name: str, reason: Text) -> None:
        shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)
        self._problems.append(
            Problem("bad-entry", reason, t("Take it out of the archive."), where=self._path.name, field=shown)
        )

    def _whole(self, code: str, text: Text, remedy: Text) -> None:
        self._problems.append(Problem(code, text, remedy, where=self._path.name))


_KINDS: Mapping[str, Text] = {
    "symlink": t("it is a symbolic link"),
    "hardlink": t("it is a hard link"),
    "device": t("it is a device"),
    "fifo": t("it is a named pipe"),
    "sparse": t("it is a sparse file"),
    "encrypted": t("it is encrypted"),
    "other": t("it is neither a file nor a folder"),
}


def content_hash(files: Mapping[str, tuple[int, str]]) -> str:
    """The hash of a site: of its paths with size and hash of each content."""
    listing = "".join(f"{path}\0{size}\0{digest}\n" for path, (size, digest) in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def resolve(name: str) -> tuple[str, list[Text]]:
    """Where an entry's name leads below the site's folder (composed Unicode), and why it may not be there."""
    reasons: list[Text] = []
    if "\\" in name:
        reasons.append(t("it has backslashes"))
    if _DRIVE.match(name):
        reasons.append(t("it names a drive"))
    if name.startswith("/"):
        reasons.append(t("it is an absolute path"))
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _BIDI for c in name):
        reasons.append(t("its name has control characters"))
    parts: list[str] = []
    outside = ".." in name.split("/")
    escaped = False
    for part in unicodedata.normalize("NFC", name).split("/"):
        if part == "..":
            escaped |= not parts
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    if escaped:
        reasons.append(t("it leads out of the site's folder"))
    elif outside:
        reasons.append(t("it goes up a folder (..)"))
    place = "/".join(parts)
    if len(place.encode("utf-8", "replace")) > MAX_PATH or any(
        len(part.encode("utf-8", "replace")) > MAX_COMPONENT for part in parts
    ):
        reasons.append(t("its name is too long"))
    return place, reasons


def _is_junk(place: str) -> bool:
    return any(
        part.casefold() in _JUNK or (part.startswith(".") and part != ".well-known") for part in place.split("/")
    )
