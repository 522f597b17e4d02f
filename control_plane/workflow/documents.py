"""Tenant documents on disk: how they are read with line numbers and how they are written.

Knows files, encodings, YAML and CSV. Must not know the database or what an offering's spec means.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

ESTATE_FILE = "estate.yaml"
PEOPLE_FOLDER = "people"
PEOPLE_COLUMNS = (
    "uid",
    "family_name",
    "given_name",
    "display_name",
    "pinyin",
    "employee_number",
    "mail",
    "title",
    "phone",
    "groups",
)
#: A spreadsheet would run these cells as formulas: written with an apostrophe before them, read without it.
_FORMULA = re.compile(r"^'*[=+\-@\t\r]")


def write_yaml(content: Mapping[str, Any]) -> bytes:
    """A document as YAML, UTF-8: keys in the given order, innermost collections on one line, Chinese as it is."""
    text: bytes = yaml.dump(
        content,
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=None,
        width=120,
        encoding="utf-8",
    )
    return text


def write_people(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """People as CSV (RFC 4180 quoting, UTF-8, LF), in the order given; `groups` joined by semicolons."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(PEOPLE_COLUMNS)
    for row in rows:
        cells = [";".join(row.get(c) or ()) if c == "groups" else str(row.get(c) or "") for c in PEOPLE_COLUMNS]
        writer.writerow([f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells])
    return out.getvalue().encode()


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
