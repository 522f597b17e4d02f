"""CSV that spreadsheet programs open safely: with a byte order mark, and nothing in it that they would run."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

BOM = "\ufeff"
#: What spreadsheet programs take for the start of a formula, also in its full-width form.
_FORMULA = re.compile("^[=+\\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")


def csv_cell(value: Any) -> str:
    """One cell: numbers stay numbers; text that a spreadsheet would run gets an apostrophe in front.

    Text that already begins with an apostrophe and such a sign gets one more, so that taking one off restores it.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)) and all(not isinstance(v, (dict, list, tuple)) for v in value):
        value = "; ".join(str(v) for v in value)
    elif not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if _NUMBER.match(value):
        return str(value)
    return f"'{value}" if _FORMULA.match(value.lstrip("'")) else str(value)


def as_csv(fields: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """RFC 4180 with a byte order mark, so that spreadsheet programs show Chinese. Heads are the JSON's names."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(fields)
    writer.writerows([[csv_cell(pick(row, field)) for field in fields] for row in rows])
    return BOM + buffer.getvalue()


def pick(row: Any, path: str) -> Any:
    """The value at a dotted path such as `actor.name`; None when it is not there."""
    for step in path.split("."):
        if not isinstance(row, Mapping) or step not in row:
            return None
        row = row[step]
    return row
