"""What a file that somebody sends is, by its content: its name is only a word. Pure; reads no more than the content.

Whatever does not fit one kind whole is refused, so that no browser and no program takes it for something else.
"""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from control_plane.model.errors import Problem
from control_plane.model.packed import DAMAGED_FAULTS
from control_plane.model.text import Text, t

MOST_NAME = 120
#: An office file has some hundred parts; its list of parts may say no more than this.
MOST_PARTS, MOST_UNPACKED = 5000, 512 << 20
_MACROS = re.compile(r"vba|macro|activeX|/embeddings/.*\.(exe|bin|dll)$|^Basic/|^Scripts/", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind: its ending, the type under which it is sent, and its word for people."""

    ending: str
    type: str
    title: Text


KINDS: Mapping[str, FileKind] = {
    kind.ending: kind
    for kind in (
        FileKind("pdf", "application/pdf", t("PDF")),
        FileKind("png", "image/png", t("PNG picture")),
        FileKind("jpg", "image/jpeg", t("JPEG picture")),
        FileKind("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", t("Word document")),
        FileKind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", t("Excel workbook")),
        FileKind("odt", "application/vnd.oasis.opendocument.text", t("OpenDocument text")),
        FileKind("csv", "text/csv; charset=utf-8", t("CSV table")),
        FileKind("txt", "text/plain; charset=utf-8", t("plain text")),
    )
}
ENDINGS = tuple(f".{ending}" for ending in KINDS)


def file_kind(content: bytes, name: str, field: str) -> FileKind | Problem:
    """Which kind the content is; `name` only tells a table from other text. A problem when it is none, or damaged."""
    if content.startswith(b"%PDF-"):
        whole = b"%%EOF" in content[-2048:]
        return KINDS["pdf"] if whole else _problem("file-damaged", t("The PDF ends before its end."), field)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        whole = b"IEND" in content[-16:]
        return KINDS["png"] if whole else _problem("file-damaged", t("The picture ends before its end."), field)
    if content.startswith(b"\xff\xd8\xff"):
        whole = b"\xff\xd9" in content[-64:]
        return KINDS["jpg"] if whole else _problem("file-damaged", t("The picture ends before its end."), field)
    if content.startswith(b"PK\x03\x04"):
        return _office(content, field)
    if as_text(content) is not None:
        return KINDS["csv"] if name.lower().endswith(".csv") else KINDS["txt"]
    return _problem("file-kind", t("This kind of file is not taken, whatever its name says."), field)


def as_text(content: bytes) -> str | None:
    """Text in UTF-8 or GB18030 without control characters and without markup at its beginning; None for anything
    else."""
    if not content:
        return None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        plain = not _CONTROL.search(text) and not text.lstrip().startswith(("<", "#!", "{\\rtf", "%!"))
        return text if plain else None
    return None


def _office(content: bytes, field: str) -> FileKind | Problem:
    """A document or workbook by the parts inside, without macros and without programs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            parts = packed.infolist()
            names = {part.filename for part in parts}
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                return _problem("file-bomb", t("The file unpacks to far more than it should."), field)
            if any(part.flag_bits & 1 for part in parts):
                return _problem("file-locked", t("The file is locked with a password; nobody could check it."), field)
            head = _beginning(packed, "mimetype") if "mimetype" in names else b""
            damaged = packed.testzip()
    except DAMAGED_FAULTS:
        return _problem("file-damaged", t("The file is damaged."), field)
    if damaged is not None:
        return _problem("file-damaged", t("The file is damaged."), field)
    if any(_MACROS.search(name) for name in names):
        return _problem("file-macros", t("The file holds macros or programs."), field)
    if "[Content_Types].xml" in names and "word/document.xml" in names:
        return KINDS["docx"]
    if "[Content_Types].xml" in names and "xl/workbook.xml" in names:
        return KINDS["xlsx"]
    if head == b"application/vnd.oasis.opendocument.text":
        return KINDS["odt"]
    return _problem("file-kind", t("This kind of file is not taken, whatever its name says."), field)


def _beginning(packed: zipfile.ZipFile, name: str) -> bytes:
    """The first octets of a part, which may be very large."""
    with packed.open(name) as part:
        return part.read(100)


def _problem(code: str, text: Text, field: str) -> Problem:
    return Problem(code, text, t("Use one of {endings}.", endings=" ".join(ENDINGS)), field=field)


def shown_name(name: str, kind: FileKind) -> str:
    """What a file is called to people: the last part of its name without signs that cannot be seen or lead elsewhere,
    with the ending of what it is."""
    plain = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    plain = "".join(c for c in plain if unicodedata.category(c)[0] not in "CZ" or c == " ").strip(" .")
    stem, dot, ending = plain.rpartition(".")
    same = ending.lower() == kind.ending or {ending.lower(), kind.ending} == {"jpeg", "jpg"}
    stem = (stem if dot and same else plain)[:MOST_NAME].strip(" .")
    return f"{stem or 'file'}.{kind.ending}"


def size_problem(octets: int, most: int, field: str) -> Problem | None:
    """A file that is empty or larger than it may be (octets)."""
    if octets == 0:
        return Problem("file-empty", t("The file is empty."), t("Choose another one."), field=field)
    if octets > most:
        size, limit = _mib(octets), _mib(most)
        return Problem(
            "file-too-large",
            t("The file has {size} MiB; {limit} MiB are the most.", size=size, limit=limit),
            t("Make it smaller, for example with pictures of a lower resolution, or send it in parts."),
            field=field,
        )
    return None


def _mib(octets: int) -> str:
    return f"{octets / (1 << 20):.1f}"
