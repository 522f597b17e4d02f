"""Answers in every form: JSON, YAML, CSV, names. Pure functions from data to text.

Must not change what data says: only what a terminal or a spreadsheet would act upon is made inert.
"""

from __future__ import annotations

import json
import re
from typing import Any

from control_plane.cli.terminal import UNSAFE
from control_plane.model.spreadsheet import BOM, as_csv, csv_cell, pick

__all__ = ["BOM", "FORMATS", "as_csv", "as_json", "as_yaml", "csv_cell", "pick"]
FORMATS = ("table", "wide", "json", "yaml", "csv", "name")


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def as_json(data: Any) -> str:
    """Indented JSON; characters that steer a terminal are written as `\\u009b`, which reads back the same."""
    text = json.dumps(data, ensure_ascii=False, indent=2, default=str)
    return UNSAFE.sub(lambda m: m[0] if m[0] == "\n" else _escape(m), text)


def as_yaml(data: Any) -> str:
    """YAML that reads back the same; steering characters are escaped here too."""
    import yaml

    class Dumper(yaml.CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def string(dumper: Any, value: str) -> yaml.Node:
        node: yaml.Node = dumper.represent_scalar("tag:yaml.org,2002:str", value, '"' if UNSAFE.search(value) else None)
        return node

    Dumper.add_representer(str, string)
    plain = json.loads(json.dumps(data, default=str))
    text = yaml.dump(plain, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=110)
    # Strings with such characters are double-quoted, so an escape means the character itself.
    return str(UNSAFE.sub(lambda m: m[0] if m[0] == "\n" else _escape(m), text)).rstrip("\n")
