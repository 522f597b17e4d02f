"""What a copy of this repository, and a wheel of it, must have: no link, because whoever copies a tree may lose links,
and the document of forms where the interface for programs looks for it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("control_plane", "lab", "playbooks", "tenants", "docs", "tools")


def test_nothing_here_is_a_link() -> None:
    links = [
        Path(folder, name).relative_to(ROOT)
        for room in ROOMS
        for folder, folders, files in os.walk(ROOT / room)
        for name in (*folders, *files)
        if Path(folder, name).is_symlink()
    ]
    assert links == []


def test_a_wheel_has_the_document_of_forms_and_finds_it(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    ask = "from control_plane.api import application, openapi; print(len(openapi.document('x')['paths']))"
    said = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert int(said.stdout) > 50
