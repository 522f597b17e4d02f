"""All tables: for those who need to know every one, as a migration or a move does. Others import what they use."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from control_plane.store.tables import metadata

__all__ = ["metadata"]

for _file in sorted(Path(__file__).parent.glob("*_tables.py")):
    import_module(f"control_plane.store.{_file.stem}")
