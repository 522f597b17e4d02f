"""The SSH runner against a stand-in for `ssh` on the path: options, failures, streaming."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.drivers.ssh import Completed, SshRunner
from control_plane.model.errors import TemporaryError


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshRunner:
    """`ssh` runs what comes after `--` here; host names choose how it fails."""
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/argv\n'
        'while [ "$1" != -- ]; do host="$1"; shift; done; shift\n'
        'case "$host" in dead) echo "connect to host dead port 22: No route to host" >&2; exit 255;; '
        'slow) exec sleep 60;; esac\nexec sh -c "$1"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    return SshRunner(tmp_path / "config", tmp_path / "s")


def test_input_output_and_status_pass_through(runner: SshRunner, tmp_path: Path) -> None:
    done = runner.run("web", ["sh", "-c", 'cat; echo "a  b" >&2; exit 3'], b"secret\0\xff")
    assert done == Completed(3, b"secret\0\xff", b"a  b\n")
    argv = (tmp_path / "argv").read_text()
    assert "secret" not in argv
    assert f"-F {tmp_path}/config" in argv
    assert "StrictHostKeyChecking=yes" in argv
    assert "BatchMode=yes" in argv
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


def test_control_sockets_are_left_out_when_their_path_would_be_too_long(tmp_path: Path) -> None:
    short = SshRunner(tmp_path / "config", Path("/tmp") / tmp_path.name)
    long = SshRunner(tmp_path / "config", tmp_path / ("x" * 80))
    (Path("/tmp") / tmp_path.name).rmdir()
    assert "ControlMaster=auto" in short._ssh
    assert "ControlPath=none" in long._ssh


def test_a_host_that_cannot_be_reached_is_temporary(runner: SshRunner) -> None:
    with pytest.raises(TemporaryError, match="No route to host"):
        runner.run("dead", ["true"])
    with pytest.raises(TemporaryError, match="No route to host"):
        list(runner.lines("dead", ["true"], [b"x" * 1_000_000], 10))


def test_a_host_that_is_too_slow_is_temporary(runner: SshRunner) -> None:
    with pytest.raises(TemporaryError, match="did not finish"):
        runner.run("slow", ["true"], timeout=0.2)
    with pytest.raises(TemporaryError, match="did not finish"):
        list(runner.lines("slow", ["true"], [b""], 0.2))


def test_lines_come_as_they_are_said(runner: SshRunner) -> None:
    lines = runner.lines("web", ["sh", "-c", "echo one; cat >/dev/null; echo two; exit 0"], [b"x" * 300_000], 20)
    assert list(lines) == [b"one\n", b"two\n"]


def test_a_caller_that_stops_reading_ends_the_command(runner: SshRunner) -> None:
    lines = runner.lines("web", ["sh", "-c", "echo one; exec sleep 60"], [b""], 30)
    assert next(iter(lines)) == b"one\n"
    lines.close()  # type: ignore[attr-defined]


def test_an_end_in_the_middle_is_temporary_after_the_lines_that_came(runner: SshRunner) -> None:
    came: list[bytes] = []
    with pytest.raises(TemporaryError):
        came.extend(runner.lines("web", ["sh", "-c", "echo one; exit 1"], [b""], 20))
    assert came == [b"one\n"]
