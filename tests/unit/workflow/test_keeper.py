"""The keeper of worker and web server: starts them again, ends with them, and leaves none when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.workflow.background import LOG_LIMIT, living, log_of, start_background, stop_background, trim
from control_plane.workflow.process import start_time
from tests.waiting import wait_until

#: A worker that writes its pid and waits.
WORKER = (
    "import os, time, pathlib; pathlib.Path(os.environ['PIDS']).open('a').write(f'{os.getpid()}\\n'); time.sleep(600)"
)
KEEPER = (
    "import pathlib, sys; from control_plane.workflow.keeper import keep; "
    f"sys.exit(keep([sys.executable, '-c', {WORKER!r}], pathlib.Path('/dev/null')))"
)


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "pids"
    stop_background(tmp_path, "worker")


def started(folder: Path, pids: Path) -> int:
    before = workers(pids)
    return start_background(
        folder, "worker", [sys.executable, "-c", KEEPER],
        {"PIDS": str(pids), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, lambda: workers(pids) != before,
    )  # fmt: skip


def workers(pids: Path) -> list[int]:
    return [int(line) for line in pids.read_text().split()] if pids.exists() else []


def test_a_worker_that_ends_is_started_again_and_none_is_left(tmp_path: Path, pids: Path) -> None:
    keeper = started(tmp_path, pids)
    assert start_background(tmp_path, "worker", ["/bin/false"], {}, lambda: False) == keeper
    (first,) = workers(pids)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(workers(pids)) == 2, 60)
    assert stop_background(tmp_path, "worker")
    assert living(tmp_path, "worker") is None
    wait_until(lambda: not any(map(start_time, workers(pids))), 60)


def test_a_keeper_that_is_killed_takes_its_worker_along(tmp_path: Path, pids: Path) -> None:
    os.kill(started(tmp_path, pids), signal.SIGKILL)
    wait_until(lambda: not any(map(start_time, workers(pids))), 60)
    again = started(tmp_path, pids)
    assert living(tmp_path, "worker").pid == again  # type: ignore[union-attr]
    assert len(workers(pids)) == 2


def test_what_outlives_one_that_was_killed_is_ended_before_the_next_begins(tmp_path: Path, pids: Path) -> None:
    """As a web server's own processes would be, which go on answering for a while."""
    leader = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WORKER!r}]).wait()"
    command = [sys.executable, "-c", leader]

    def killed_leader_with_workers(number: int) -> None:
        environment, begun = {"PIDS": str(pids)}, lambda: len(workers(pids)) == number
        os.kill(start_background(tmp_path, "worker", command, environment, begun), signal.SIGKILL)
        wait_until(lambda: living(tmp_path, "worker") is None, 60)

    killed_leader_with_workers(1)
    (orphan,) = workers(pids)
    assert start_time(orphan) is not None
    killed_leader_with_workers(2)
    assert start_time(orphan) is None
    assert stop_background(tmp_path, "worker"), "its child still lived"
    assert not any(map(start_time, workers(pids)))


def test_what_cannot_begin_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    from control_plane.model.errors import TemporaryError

    with pytest.raises(TemporaryError):
        start_background(tmp_path, "worker", ["/bin/false"], {}, lambda: False)
    assert not (tmp_path / "worker.json").exists()


def test_a_first_one_that_fails_ends_its_keeper_with_its_code() -> None:
    keeper = KEEPER.replace(repr(WORKER), "'raise SystemExit(7)'")
    done = subprocess.run([sys.executable, "-c", keeper], capture_output=True, text=True, timeout=120)
    assert done.returncode == 7
    assert "ended with 7" in done.stdout


def test_a_log_is_kept_short_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = log_of(tmp_path, "worker")
    log.parent.mkdir()
    with log.open("ab") as sink:
        subprocess.run(["head", "-c", str(LOG_LIMIT + 1), "/dev/zero"], stdout=sink, check=True)
        trim(log)
        assert log.stat().st_size == 0
        sink.write(b"on")
        sink.flush()
    assert log.read_bytes() == b"on"
    assert log.with_suffix(".log.1").stat().st_size == LOG_LIMIT + 1
