"""Reads the members of an uploaded archive (zip, tar, tar.gz, tar.bz2, tar.xz), one after the other, without unpacking.

Must not write anything, follow anything or hold more than a block of content in memory; what a member may be
is decided by `releases.py`. A damaged archive raises Damaged, one that grows beyond its limits TooLarge.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal, Protocol, cast

from control_plane.model.packed import DAMAGED_FAULTS

MIB = 1 << 20
#: No single read asks for more; a header that claims more is an attack.
MAX_READ = MIB
#: Output below this is never called a bomb: small files compress very well.
FREE_OUTPUT = 64 * MIB
#: A central directory has about 100 octets an entry; this is far beyond any honest site.
MAX_DIRECTORY = 64 * MIB
XZ_MEMORY = 128 * MIB

MemberKind = Literal["file", "directory", "symlink", "hardlink", "device", "fifo", "sparse", "encrypted", "other"]


class Damaged(Exception):
    """The archive ends early, fails a checksum, or is none."""


class TooLarge(Exception):
    """The archive unpacks to more than its limits allow, or to very much more than its own size."""


@contextmanager
def _translated() -> Iterator[None]:
    """Whatever the libraries raise for a damaged archive becomes Damaged."""
    try:
        yield
    except DAMAGED_FAULTS as error:
        raise Damaged(str(error)) from None


class Content:
    """The content of one member. Opened when first read; raises Damaged or TooLarge like `members`."""

    def __init__(self, opener: Callable[[], IO[bytes]]) -> None:
        self._opener = opener
        self._file: IO[bytes] | None = None

    def read(self, size: int, /) -> bytes:
        """Up to `size` octets; empty at the end."""
        with _translated():
            if self._file is None:
                self._file = self._opener()
            return self._file.read(size)


@dataclass(frozen=True)
class Member:
    """One entry. `raw` is its name as stored, `utf8` says that the archive declares it so; `packed` is its
    compressed size where the format knows it. `content` is for files only, before the next member is taken."""

    raw: bytes
    utf8: bool
    windows: bool
    kind: MemberKind
    size: int
    packed: int | None
    content: Content


class _Input(Protocol):
    def read(self, size: int, /) -> bytes: ...


def members(path: Path, max_bytes: int, max_ratio: int) -> Iterator[Member]:
    """All members in stored order. Raises Damaged or TooLarge."""
    with path.open("rb") as file:
        head = file.read(265)
        file.seek(0)
        with _translated():
            if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
                yield from _zip_members(file)
            else:
                bounded = _Bounded(_decompressed(file, head), file, max_bytes, max_ratio)
                yield from _tar_members(bounded)


# zip ---------------------------------------------------------------------------------------------------------
def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    if _directory_size(file) > MAX_DIRECTORY:
        raise TooLarge
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            utf8 = bool(info.flag_bits & 0x800)
            raw = info.orig_filename.encode("utf-8" if utf8 else "cp437")
            better = _unicode_path(info.extra, raw)
            yield Member(
                raw=better or raw,
                utf8=utf8 or better is not None,
                windows=info.create_system in (0, 10, 11, 14),
                kind=_zip_kind(info),
                size=info.file_size,
                packed=info.compress_size,
                content=Content(partial(archive.open, info)),
            )


def _zip_kind(info: zipfile.ZipInfo) -> MemberKind:
    if info.flag_bits & 0x2041:  # traditional, strong, or of the central directory
        return "encrypted"
    kinds: dict[int, MemberKind] = {
        stat.S_IFLNK: "symlink",
        stat.S_IFIFO: "fifo",
        stat.S_IFCHR: "device",
        stat.S_IFBLK: "device",
        stat.S_IFSOCK: "other",
    }
    special = kinds.get(stat.S_IFMT(info.external_attr >> 16))
    return special or ("directory" if info.orig_filename.endswith("/") or info.external_attr & 0x10 else "file")


def _unicode_path(extra: bytes, raw: bytes) -> bytes | None:
    """Info-ZIP's Unicode path field (0x7075): the UTF-8 name, if it belongs to this very name."""
    while len(extra) >= 4:
        tag, size = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + size], extra[4 + size :]
        if tag == 0x7075 and len(body) > 5 and body[0] == 1 and struct.unpack_from("<I", body, 1)[0] == zlib.crc32(raw):
            return body[5:]
    return None


def _directory_size(file: IO[bytes]) -> int:
    """Octets of the central directory, read before `zipfile` loads all of it; 0 when there is none."""
    length = file.seek(0, os.SEEK_END)
    start = max(0, length - 65557)
    file.seek(start)
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return 0
    size: int = struct.unpack_from("<I", tail, at + 12)[0]
    if size != 0xFFFFFFFF:
        return size
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    return struct.unpack_from("<Q", tail, wide + 40)[0] if wide >= 0 and len(tail) >= wide + 48 else length


# tar ---------------------------------------------------------------------------------------------------------
def _decompressed(file: IO[bytes], head: bytes) -> _Input:
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if head.startswith(b"\xfd7zXZ\x00"):
        return _Xz(file)
    return file


class _Xz:
    """xz with a limit on memory, which `lzma.LZMAFile` does not have."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        out = b""
        while not out and size:
            if self._decoder.eof:
                rest = self._decoder.unused_data or self._file.read(65536)
                if not rest.strip(b"\0"):
                    return b""
                self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
                out = self._decoder.decompress(rest, size)
            else:
                more = self._file.read(65536) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not more:
                    raise EOFError("the compressed data ends early")
                out = self._decoder.decompress(more, size)
        return out


class _Bounded(io.RawIOBase):
    """A stream that is read forwards only, never much at a time, and not beyond its limits."""

    def __init__(self, source: _Input, packed: IO[bytes], max_bytes: int, max_ratio: int) -> None:
        self._source = source
        length = os.fstat(packed.fileno()).st_size
        # headers and padding come on top of the content
        self._limit = min(max_bytes + FREE_OUTPUT, max(FREE_OUTPUT, length * max_ratio))
        self._at = 0
        self.last = b""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MAX_READ:
            raise TooLarge
        parts: list[bytes] = []
        wanted = size
        while wanted:
            part = self._source.read(wanted)
            if not part:
                break
            parts.append(part)
            wanted -= len(part)
            self._at += len(part)
            if self._at > self._limit:
                raise TooLarge
        self.last = b"".join(parts)
        return self.last

    def tell(self) -> int:
        return self._at

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        if whence != os.SEEK_SET or position < self._at:
            raise ValueError("the archive refers backwards")
        while self._at < position and self.read(min(MAX_READ, position - self._at)):
            pass
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _tar_members(stream: _Bounded) -> Iterator[Member]:
    with tarfile.open(
        fileobj=cast(IO[bytes], stream), mode="r:", encoding="utf-8", errors="surrogateescape"
    ) as archive:
        while (info := archive.next()) is not None:
            yield Member(
                raw=info.name.encode("utf-8", "surrogateescape"),
                utf8=False,
                windows=False,
                kind=_tar_kind(info),
                size=info.size,
                packed=None,
                content=Content(partial(_extract, archive, info)),
            )
    # tarfile takes a damaged header for the end; the real end is a block of zeros
    if len(stream.last) != tarfile.BLOCKSIZE or stream.last.strip(b"\0"):
        raise Damaged("the end mark is missing")
    while stream.read(MAX_READ):  # to the end, so that the checksum of the compression is verified
        pass


def _extract(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    return cast(IO[bytes], archive.extractfile(info))


def _tar_kind(info: tarfile.TarInfo) -> MemberKind:
    if info.issym():
        return "symlink"
    if info.islnk():
        return "hardlink"
    if info.ischr() or info.isblk():
        return "device"
    if info.isfifo():
        return "fifo"
    if info.isdir():
        return "directory"
    if info.issparse():
        return "sparse"
    return "file" if info.isreg() else "other"


# names -------------------------------------------------------------------------------------------------------
def charset(names: Sequence[bytes], windows: bool) -> Literal["utf-8", "gb18030"]:
    """How the undeclared names of one archive are to be read: UTF-8 when all are, else GB18030.

    Short Chinese names can be valid UTF-8 by accident (`小` reads as a Cyrillic letter): a Windows archive whose
    names would hold only such letters is GB18030 too.
    """
    joined = b"\n".join(names)
    try:
        text = joined.decode()
    except UnicodeDecodeError:
        return "gb18030"
    if not windows or text.isascii() or any(ord(c) >= 0x800 for c in text):
        return "utf-8"
    try:
        chinese = all(c.isascii() or c >= "\u2e80" for c in joined.decode("gb18030"))
    except UnicodeDecodeError:
        return "utf-8"
    return "gb18030" if chinese else "utf-8"
