"""A program of ours in the background: in a session of its own, with pid and start time on file, never twice.

`<state>/NAME.json` names the process, `<state>/log/NAME.log` has what it says. Must not know what the program is.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from control_plane.model.errors import TemporaryError
from control_plane.model.text import t
from control_plane.store.leases import Holder
from control_plane.workflow.process import boot_id, process_alive, session, start_time

#: Seconds: to begin to answer, and to end before it is killed.
BEGIN, END = 30.0, 60.0
LOG_LIMIT = 8 << 20
#: What this very process started, by pid: it is the parent and must take note of their end.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def living(folder: Path, name: str) -> Holder | None:
    """The process on file, if it lives."""
    holder = _on_file(folder, name)
    return holder if holder is not None and process_alive(holder) else None


def _on_file(folder: Path, name: str) -> Holder | None:
    try:
        found = json.loads((folder / f"{name}.json").read_text())
        return Holder(int(found["pid"]), int(found["start"]), str(found["boot"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def start_background(
    folder: Path, name: str, command: Sequence[str], environment: Mapping[str, str], answers: Callable[[], bool]
) -> int:
    """Start `command` unless it lives already; returns its pid once `answers()`. Raises TemporaryError.

    What outlived one that was killed is ended first: it could answer in the new one's place, or work beside it.
    """
    with _locked(folder, name):
        before = _on_file(folder, name)
        if before is not None and process_alive(before):
            return before.pid
        if before is not None:
            _end(before)
        log = log_of(folder, name)
        log.parent.mkdir(mode=0o700, exist_ok=True)
        trim(log)
        with log.open("ab") as sink:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd="/", start_new_session=True,
                env={**os.environ, **environment},
            )  # fmt: skip
        fresh = folder / f"{name}.json.new"
        fresh.write_text(json.dumps({"pid": process.pid, "start": start_time(process.pid), "boot": boot_id()}))
        fresh.replace(folder / f"{name}.json")
        end = time.monotonic() + BEGIN
        while time.monotonic() < end and process.poll() is None:
            if answers():
                _CHILDREN[process.pid] = process
                return process.pid
            time.sleep(0.05)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        (folder / f"{name}.json").unlink(missing_ok=True)
        raise TemporaryError(t("{name} did not start.", name=name), t("See {path}.", path=log))


def stop_background(folder: Path, name: str) -> bool:
    """End it with all its children; returns whether it or one of them lived."""
    if not folder.is_dir():
        return False
    with _locked(folder, name):
        holder = _on_file(folder, name)
        if holder is None:
            return False
        lived = bool(session(holder))
        _end(holder)
        (folder / f"{name}.json").unlink(missing_ok=True)
        return lived


def _end(leader: Holder) -> None:
    """Ask it to end, then whatever outlives it; kill what is still there after `END` seconds."""
    asked: set[int] = set()
    late = time.monotonic() + END
    while left := session(leader):
        if time.monotonic() > late:
            _signal(left, signal.SIGKILL)
        else:
            next_ = {leader.pid} if process_alive(leader) else set(left)
            _signal(next_ - asked, signal.SIGTERM)
            asked |= next_
        time.sleep(0.05)
    for child in list(_CHILDREN.values()):
        if child.poll() is not None:
            del _CHILDREN[child.pid]


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def log_of(folder: Path, name: str) -> Path:
    """Where it says what it does."""
    return folder / "log" / f"{name}.log"


def trim(log: Path) -> None:
    """Keep one older log; the file stays the same one, because a program that lives writes to it."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.with_suffix(".log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    with (folder / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
