"""Tables that people send as CSV or as an Excel workbook: rows of texts, with the number that each row has in the file.

Pure. Formulas are not calculated: a cell is what the file says it showed last. Nothing but texts leaves this module.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from control_plane.model.errors import Problem
from control_plane.model.packed import DAMAGED_FAULTS
from control_plane.model.text import Text, t

LARGEST, MOST_ROWS, MOST_COLUMNS, MOST_CELL = 2 << 20, 5000, 60, 2000
DELIMITERS = ",;\t"
#: Octets of all parts of a workbook for each row that is allowed, and elements in one part: five per cell.
_UNPACKED, _MOST_ELEMENTS = 5 << 10, 5 * MOST_ROWS * MOST_COLUMNS
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
#: How a workbook writes what XML or its own escapes would swallow: `_x000A_`. Half a character stays as it is written.
_ESCAPED = re.compile("_x((?![Dd][89A-Fa-f])[0-9A-Fa-f]{4})_")
_REL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_PACKAGE = "{http://schemas.openxmlformats.org/package/2006/relationships}"
#: An apostrophe that our own files put before what a spreadsheet would run.
_INERT = re.compile("^'+[=+\\-@\t\r\n＝＋－＠]")
_WHOLE = re.compile(r"(-?\d+)\.0+\Z")


@dataclass(frozen=True)
class TableFile:
    """`head`: the first row that holds something; `rows`: (number in the file from 1, cells), empty ones left out;
    `encoding`: how its text was written."""

    head: list[str]
    rows: list[tuple[int, list[str]]]
    encoding: str


def read_table(content: bytes, field: str, most_rows: int = MOST_ROWS) -> TableFile | Problem:
    """The table in a file, or why there is none. A table of more than `most_rows` rows is refused."""
    if not content.strip():
        return Problem("file-empty", t("The file is empty."), t("Choose another one."), field=field)
    if content.startswith(b"PK\x03\x04"):
        try:
            return _table(_workbook(content, most_rows), "XLSX", field, most_rows)
        except (*DAMAGED_FAULTS, LookupError, ElementTree.ParseError):
            return _bad(t("The workbook is damaged or no workbook."), field)
    for encoding, name in (("utf-8-sig", "UTF-8"), ("gb18030", "GB18030")):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return _table(enumerate(_csv(text), 1), name, field, most_rows)
    return _bad(t("This is neither CSV nor an Excel workbook."), field)


def _bad(text: Text, field: str) -> Problem:
    remedy = t("Save it as CSV (UTF-8) or as an Excel workbook (.xlsx) and send that.")
    return Problem("no-table", text, remedy, field=field)


def _table(found: Iterator[tuple[int, list[str]]], encoding: str, field: str, most_rows: int) -> TableFile | Problem:
    head: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    try:
        for number, cells in found:
            plain = [_plain(cell) for cell in cells]
            if not any(plain):
                continue
            if not head:
                head = plain
                if len(head) > MOST_COLUMNS:
                    return _bad(t("The table has more than {limit} columns.", limit=MOST_COLUMNS), field)
            elif len(rows) == most_rows:
                return _bad(t("The table has more than {limit} rows.", limit=most_rows), field)
            else:
                rows.append((number, plain))
    except csv.Error as error:
        return _bad(t("The table cannot be read: {reason}.", reason=error), field)
    return TableFile(head, rows, encoding)


def _plain(cell: str) -> str:
    text = cell.strip()
    return text[1:] if _INERT.match(text) else text


def _csv(text: str) -> Iterator[list[str]]:
    first = next((line for line in text.splitlines() if any(sign in line for sign in DELIMITERS)), "")
    delimiter = max(DELIMITERS, key=first.count)  # a title above the heads has none
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _workbook(content: bytes, most_rows: int) -> Iterator[tuple[int, list[str]]]:
    """Rows of the first sheet."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if sum(part.file_size for part in packed.infolist()) > _UNPACKED * most_rows:
            raise ValueError("too large")
        texts = []
        if "xl/sharedStrings.xml" in packed.namelist():
            texts = [_text(item) for item in _each(packed, "xl/sharedStrings.xml", f"{_MAIN}si")]
        for place, row in enumerate(_each(packed, _first_sheet(packed), f"{_MAIN}row"), 1):
            yield int(row.get("r", place)), _cells(row, texts)


def _cells(row: ElementTree.Element, texts: list[str]) -> list[str]:
    cells: list[str] = []
    for cell in row.iter(f"{_MAIN}c"):
        column = _column(cell.get("r", "")) or len(cells) + 1
        if column > MOST_COLUMNS:
            continue
        cells += [""] * (column - len(cells))
        cells[column - 1] = _value(cell, texts)
    return cells


def _first_sheet(packed: zipfile.ZipFile) -> str:
    sheet = next(_each(packed, "xl/workbook.xml", f"{_MAIN}sheet"))
    for relation in _each(packed, "xl/_rels/workbook.xml.rels", f"{_PACKAGE}Relationship"):
        if relation.get("Id") == sheet.get(_REL):
            target = relation.get("Target", "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise ValueError("no sheet")


def _each(packed: zipfile.ZipFile, name: str, tag: str) -> Iterator[ElementTree.Element]:
    """The elements of one name in a part, which are forgotten one after the other; what nobody asks for is not read.

    The part declares nothing of its own: a document type could make it grow without end. Such a declaration would be
    overlooked in UTF-16, which no spreadsheet program writes.
    """
    content = packed.read(name)
    if b"\0" in content[:4096]:
        raise ValueError("is UTF-16")
    if b"<!" in content[:4096].replace(b"<!--", b"") or b"<!ENTITY" in content:
        raise ValueError("declares entities")
    count, within = 0, list[ElementTree.Element]()
    for event, element in ElementTree.iterparse(io.BytesIO(content), events=("start", "end")):
        if event == "start":
            count += 1
            if count > _MOST_ELEMENTS:
                raise ValueError("too many elements")
            within.append(element)
            continue
        within.pop()
        if element.tag == tag:
            yield element
            for parent in within[-1:]:
                parent.clear()


def _value(cell: ElementTree.Element, texts: list[str]) -> str:
    kind, value = cell.get("t", "n"), cell.findtext(f"{_MAIN}v") or ""
    if kind == "s":
        return texts[int(value)]
    if kind == "inlineStr":
        return _text(cell)
    if kind == "b":
        return "true" if value == "1" else "false"
    return _WHOLE.sub(r"\1", value)


def _text(item: ElementTree.Element) -> str:
    """The text of an item without the readings of signs that may stand beside it."""
    phonetic = {id(found) for reading in item.iter(f"{_MAIN}rPh") for found in reading.iter(f"{_MAIN}t")}
    text = "".join(found.text or "" for found in item.iter(f"{_MAIN}t") if id(found) not in phonetic)
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _column(reference: str) -> int:
    number = 0
    for letter in reference:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    return number
