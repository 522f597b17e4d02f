"""Signals wake the worker; without them, doubled or early, everything goes on all the same. Celery is the real one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from control_plane.model.jobs import KINDS
from control_plane.store.repository import Store
from control_plane.workflow import signals
from control_plane.workflow.process import myself
from control_plane.workflow.signals import Signals
from control_plane.workflow.worker import Chore, Worker
from tests.databases import database_url
from tests.waiting import wait_until

LISTENER = """
import sys
from pathlib import Path
from control_plane.workflow.signals import Signals
Signals(Path(sys.argv[1]), *sys.argv[2:]).listen(lambda name: print(name, flush=True))
"""


@contextmanager
def listener(folder: Path, *broker: str) -> Iterator[list[str]]:
    """What another process hears."""
    heard: list[str] = []
    command = [sys.executable, "-c", LISTENER, str(folder), *broker]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: [heard.append(line.strip()) for line in process.stdout or ()])
    reader.start()
    try:
        yield heard
    finally:
        process.kill()
        process.wait()
        reader.join(10)
        process.stdout.close()


def reach(folder: Path, heard: list[str], name: str) -> None:
    """Until it listens, what is given may be dropped."""

    def came() -> bool:
        Signals(folder).give(name)
        return name in heard

    wait_until(came, 30)


def test_a_signal_reaches_another_process_also_one_that_takes_the_place_of_a_killed_one(tmp_path: Path) -> None:
    folder = tmp_path / "signals"
    for turn in ("first", "second"):
        with listener(folder) as heard:
            reach(folder, heard, turn)
            for _ in range(3):
                Signals(folder).give("jobs")
            wait_until(lambda heard=heard: heard.count("jobs") == 3, 30)  # type: ignore[misc]
        Signals(folder).give("jobs")  # nobody listens: dropped by the next one
    assert heard.count("jobs") == 3
    assert (folder / "messages").stat().st_mode & 0o077 == 0


def test_a_file_without_content_stops_no_listener(tmp_path: Path) -> None:
    messages = tmp_path / "messages"
    with listener(tmp_path) as heard:
        reach(tmp_path, heard, "first")
        for name in ("1_torn.gasp.msg", "2_binary.gasp.msg"):
            (messages / name).write_bytes(b"\xff" if "binary" in name else b"")
        wait_until(lambda: not list(messages.iterdir()), 30)
        Signals(tmp_path).give("jobs")
        wait_until(lambda: "jobs" in heard, 30)


def test_a_message_is_whole_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    written = Path.write_text

    def watched(path: Path, *content: str, **options: str) -> int:
        path.touch()
        seen.extend(found.read_bytes() for found in (tmp_path / "messages").glob("*.msg"))
        return written(path, *content, **options)

    monkeypatch.setattr(Path, "write_text", watched)
    for _ in range(3):
        Signals(tmp_path).give("jobs")
    assert len(seen) == 1 + 2 and all(seen)
    assert [found.suffix for found in (tmp_path / "messages").iterdir()] == [".msg"] * 3


def test_without_a_listener_few_signals_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "WAITING", 5)
    for _ in range(10):
        Signals(tmp_path).give("jobs")
    assert len(list((tmp_path / "messages").iterdir())) == 5


def test_a_signal_that_cannot_be_given_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "signals").write_text("in the way")
    Signals(tmp_path / "signals").give("jobs")
    assert "no signal for jobs" in caplog.text


def made(centre, listen, *chores: Chore, lines: list[str]) -> Worker:  # type: ignore[no-untyped-def]
    return Worker(centre.store, chores, lambda: None, lambda *line: lines.append(":".join(line)), listen)


def test_a_woken_chore_takes_its_turn_at_once_and_a_failed_one_keeps_its_pause(centre) -> None:  # type: ignore[no-untyped-def]
    turns, failed, bell = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def fail() -> str:
        failed.release()
        raise ValueError("no answer")

    def listen(told) -> None:  # type: ignore[no-untyped-def]
        bell.wait()
        for name in ("slow", "bad", "nobody's"):
            told(name)
        raise OSError("the folder is gone")

    lines: list[str] = []
    chores = Chore("slow", 3600, lambda: turns.release()), Chore("bad", 3600, fail)  # type: ignore[func-returns-value]
    worker = made(centre, listen, *chores, lines=lines)
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert turns.acquire(timeout=10) and failed.acquire(timeout=10)
    wait_until(lambda: any(row.failures for row in centre.store.chores.list()), 60)
    bell.set()
    assert turns.acquire(timeout=10)
    wait_until(lambda: "error:signals:the folder is gone" in lines, 60)
    worker.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert not failed.acquire(blocking=False)


def test_the_store_tells_once_and_only_what_is_committed(tmp_path: Path) -> None:
    told: list[str] = []
    store = Store(database_url(tmp_path), wake=told.append)
    store.upgrade()

    def write(fault: bool) -> None:
        with store.transaction():
            store.database.tell("jobs")
            with store.transaction():
                store.database.tell("jobs")
            assert told == []
            if fault:
                raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        write(True)
    assert told == []
    write(False)
    assert told == ["jobs"]
    actor = store.actors.get("somebody")
    for kind, holder in (("apply", None), ("scan", None), ("freeze", myself())):
        store.jobs.place(KINDS[kind], "x", {}, actor, f"{kind}-of-this-form", holder)
    assert told == ["jobs", "jobs", "errands"]  # what is done at once needs nobody
    store.database.close()
