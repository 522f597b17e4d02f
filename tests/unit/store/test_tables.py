"""A repository loads its own tables only: whatever these point to must come with them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from control_plane.store import tables

FOLDER = Path(tables.__file__).parent
BASE = frozenset(re.findall(r"= Table\(\s*\"(\w+)\"", (FOLDER / "tables.py").read_text("utf-8")))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*_tables.py")), ids=lambda path: path.stem)
def test_keys_to_other_tables_bring_these_with_them(path: Path):
    """A key that names a table by a string works by chance, as long as somebody else has loaded that table."""
    text = path.read_text("utf-8")
    own = frozenset(re.findall(r"= Table\(\s*\"(\w+)\"", text))
    named = frozenset(re.findall(r"ForeignKey(?:Constraint)?\(\s*\"(\w+)\.", text))
    assert own
    assert named <= own | BASE, "use ForeignKey(table.c.column) of an imported table"
