"""Libraries that only drivers import are named in the contract that keeps them there."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = ("control_plane", "lab")


def imported(folder: Path) -> Iterator[tuple[str, Path]]:
    """Libraries that files import, each with the file."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            roots = {name.partition(".")[0] for name in names}
            yield from ((root, path) for root in roots - sys.stdlib_module_names - set(OWN))


def test_libraries_of_drivers_are_in_the_contract() -> None:
    drivers = ROOT / "control_plane" / "drivers"
    found = [item for name in OWN for item in imported(ROOT / name)]
    elsewhere = {library for library, path in found if not path.is_relative_to(drivers)}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = [c for c in contracts if "ldap3" in c.get("forbidden_modules", ())]
    assert set(contract["forbidden_modules"]) == {library for library, _ in found} - elsewhere
