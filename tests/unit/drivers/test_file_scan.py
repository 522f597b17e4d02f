"""Files are given to the engine, and what it does not say is never taken for clean. The engine here is a script."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers.file_folder import FileFolder
from control_plane.drivers.file_scan import HostScanner
from control_plane.drivers.scan_agent import LIMITS, SECONDS
from control_plane.drivers.ssh import Completed
from control_plane.model.attachment import Scan
from control_plane.model.errors import NotFound, TemporaryError

ENGINE = """#!{python}
import pathlib, sys
folder = pathlib.Path(sys.argv[-1])
bad = 0
for path in sorted(folder.iterdir()):
    evil = b"EVIL" in path.read_bytes()
    bad |= evil
    print(f"{{path}}: Test.Evil FOUND" if evil else f"{{path}}: OK")
sys.exit({status} or (1 if bad else 0))
"""


class Here:
    """Runs the agent on this machine."""

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        done = subprocess.run([sys.executable, *argv[1:]], input=stdin, capture_output=True, timeout=60, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)


def scanner(folder: Path, engine: str, manifest: str | None = '{"id": "s1"}') -> HostScanner:
    program = folder / "engine"
    program.write_text(engine)
    program.chmod(0o755)
    signatures, work = folder / "ring0", folder / "work"
    for place in (signatures, work):
        place.mkdir(exist_ok=True)
    if manifest is not None:
        (signatures / "manifest.json").write_text(manifest)
    runner: Any = Here()
    return HostScanner(
        runner, "repository", {"signatures": str(signatures), "program": str(program), "work": str(work)}
    )


def engine(status: int = 0) -> str:
    return ENGINE.format(python=sys.executable, status=status)


def test_each_content_has_its_answer_and_nothing_stays(tmp_path: Path) -> None:
    found = scanner(tmp_path, engine()).scan({"a1": b"fine", "b2": b"so EVIL", "c3": b"\x00\xff" * 70_000})
    assert found == {"a1": Scan(None, "s1"), "b2": Scan("Test.Evil", "s1"), "c3": Scan(None, "s1")}
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("script", "manifest"),
    [
        (engine(2), '{"id": "s1"}'),
        ("#!/bin/sh\nexit 0\n", '{"id": "s1"}'),
        ("#!/bin/sh\necho something else\nexit 1\n", '{"id": "s1"}'),
        ("#!/nonexistent\n", '{"id": "s1"}'),
        (engine(), None),
        (engine(), "{"),
    ],
)
def test_could_not_look_is_never_clean(tmp_path: Path, script: str, manifest: str | None) -> None:
    with pytest.raises(TemporaryError, match="could not look"):
        scanner(tmp_path, script, manifest).scan({"a1": b"fine"})
    assert list((tmp_path / "work").iterdir()) == []


def test_half_of_a_file_is_never_clean(tmp_path: Path) -> None:
    whole = scanner(tmp_path, engine())

    class Torn(Here):
        def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Completed:
            return super().run(host, argv, stdin[:-4], timeout)

    runner: Any = Torn()
    torn = HostScanner(runner, "repository", whole._options)
    with pytest.raises(TemporaryError, match="did not arrive whole"):
        torn.scan({"a1": b"fine", "b2": b"so EVIL"})
    assert list((tmp_path / "work").iterdir()) == []


def test_a_busy_host_is_no_malware() -> None:
    limit = next(word for word in LIMITS if word.startswith("--max-scantime="))
    assert int(limit.partition("=")[2]) > SECONDS * 1000, "the engine's own limit of time says FOUND"


def test_a_file_is_kept_once_and_whole(tmp_path: Path) -> None:
    folder = FileFolder(tmp_path / "files")
    digest = hashlib.sha256(b"paper").hexdigest()
    with folder.staged(b"paper") as staged:
        assert list(folder.names()) == []
        staged.place()
    with folder.staged(b"paper"), folder.staged(b"other"):
        pass
    assert list(folder.names()) == [digest]
    assert [path.name for path in (tmp_path / "files").iterdir()] == [digest], "nothing else stays"
    assert folder.get(digest) == b"paper"
    assert (tmp_path / "files").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "files" / digest).stat().st_mode & 0o777 == 0o600
    (tmp_path / "files" / digest).write_bytes(b"other")
    for name in (digest, "0" * 64, "../etc/passwd", ""):
        with pytest.raises(NotFound):
            folder.get(name)
    folder.drop(digest)
    folder.drop(digest)


def test_what_a_killed_process_began_goes_after_a_day(tmp_path: Path) -> None:
    folder = FileFolder(tmp_path / "files")
    with folder.begun():
        young = tmp_path / "files" / ".new-young"
        old = tmp_path / "files" / ".new-old"
        for path in (young, old):
            path.write_bytes(b"half")
        os.utime(old, (0, 0))
        assert folder.tidy() == 1
        assert young.exists()
        assert not old.exists()
