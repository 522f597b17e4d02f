"""Excel workbooks that open safely: every text is a text, whatever it begins with; numbers and moments keep their kind.

Pure. A workbook is the same, octet for octet, whenever it is made of the same rows. XlsxWriter knows the format.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unicodedata import east_asian_width

from control_plane.model.windows import ZONE

MIMETYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: What a cell may hold at most, in characters, and a column at most be wide.
MOST_CELL, WIDEST = 32767, 60
#: When every workbook was made, so that equal rows make equal octets.
_MADE = datetime(2000, 1, 1)
#: What XML cannot hold.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: What a spreadsheet program would take for a formula once somebody edits the cell.
_FORMULA = re.compile("^[=+\\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its name (at most 31 characters), heads, and rows of texts, numbers, moments (with zone) and None."""

    name: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]


def as_xlsx(sheets: Sequence[Sheet]) -> bytes:
    """A workbook of these sheets; moments stand in it as Asia/Shanghai has them."""
    from xlsxwriter import Workbook

    packed = io.BytesIO()
    with Workbook(packed, {"in_memory": True, "use_zip64": False}) as book:
        book.set_properties({"created": _MADE})
        head = book.add_format({"bold": True})
        quoted = book.add_format({"quote_prefix": True})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for sheet in sheets:
            page = book.add_worksheet(_name(sheet.name))
            page.freeze_panes(1, 0)
            for column, title in enumerate(sheet.heads):
                page.write_string(0, column, _text(title), head)
                width = _width(title, [row[column] for row in sheet.rows])
                page.set_column(column, column, width)
            for number, row in enumerate(sheet.rows, 1):
                for column, value in enumerate(row):
                    match value:
                        case None | "":
                            continue
                        case datetime():
                            page.write_datetime(number, column, value.astimezone(ZONE).replace(tzinfo=None), moment)
                        case int() | float() if not isinstance(value, bool):
                            page.write_number(number, column, value)
                        case _:
                            text = _text(str(value))
                            page.write_string(number, column, text, quoted if _FORMULA.match(text) else None)
            page.autofilter(0, 0, len(sheet.rows), max(len(sheet.heads) - 1, 0))
    return packed.getvalue()


def _text(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)[:MOST_CELL]


def _width(head: str, values: Sequence[Any]) -> int:
    """Enough for what stands there; a Chinese character takes two."""
    shown = [head, *("0000-00-00 00:00:00" if isinstance(v, datetime) else str(v or "") for v in values[:500])]
    longest = max(sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text) for text in shown)
    return min(longest, WIDEST) + 3


def _name(text: str) -> str:
    """Of a sheet: without what a name may not have."""
    return re.sub(r"[\[\]:*?/\\']", " ", _ILLEGAL.sub("", text))[:31].strip() or "1"
