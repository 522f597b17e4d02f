"""First output within 300 ms: what help may load. The time itself is measured by `make bench`."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "pydantic",
    "sqlalchemy",
    "rich.console",
    "rich.progress",
    "yaml",
    "ldap3",
    "dns",
    "ansible_runner",
    "orjson",
    "pypinyin",
)


@pytest.mark.parametrize("argv", [["--help"], ["plan", "--help"], ["tenants", "--help"], ["lab", "run", "--help"]])
def test_help_loads_nothing_heavy(argv: list[str]) -> None:
    program = (
        "import sys\nfrom control_plane.cli.main import gasp\n"
        f"try:\n    gasp.main({argv!r})\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
