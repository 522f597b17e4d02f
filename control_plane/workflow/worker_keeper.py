"""The one background process that keeps a worker: it starts it again when it ends, and ends with it when told to.

Its pid and start time are in `worker.json` in the state folder, so that there is never a second one and nobody else's
process is ended. The worker's log is `log/worker.log` there. Must not import more than it needs: it lives long.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from control_plane.store.leases import Holder
from control_plane.workflow.process import myself, process_alive

COMMAND = [sys.executable, "-c", "from control_plane.cli.main import run; run()"]
#: Seconds: how long the keeper may take to begin and to end, the pause between two starts, and its longest form.
BEGIN, END, PAUSE, LONGEST = 20.0, 60.0, 0.5, 30.0
#: A worker that lived this long ended for a new reason: the pause is short again.
SOUND = 60.0
LOG_LIMIT = 8 << 20


def kept(folder: Path) -> Holder | None:
    """The keeper that is on file, alive or not."""
    try:
        found = json.loads((folder / "worker.json").read_text())
        return Holder(int(found["pid"]), int(found["start"]), str(found["boot"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def living(folder: Path) -> Holder | None:
    """The keeper, if it lives."""
    holder = kept(folder)
    return holder if holder is not None and process_alive(holder) else None


def start(folder: Path) -> int:
    """Start the keeper unless it lives; returns its pid. Raises TimeoutError when it did not begin."""
    with _locked(folder):
        holder = living(folder)
        if holder is not None:
            return holder.pid
        log = folder / "log"
        log.mkdir(mode=0o700, exist_ok=True)
        with (log / "worker.log").open("ab") as sink:
            process = subprocess.Popen(
                [*COMMAND, "worker", "keep"], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd="/",
                start_new_session=True, env={**os.environ, "GASP_STATE": str(folder)},
            )  # fmt: skip
        end = time.monotonic() + BEGIN
        while time.monotonic() < end:
            holder = living(folder)
            if holder is not None:
                return holder.pid
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise TimeoutError(f"see {folder / 'log' / 'worker.log'}")


def stop(folder: Path) -> bool:
    """End the keeper and its worker; returns whether there was one. A chore under way is waited for, then killed."""
    if not folder.is_dir():
        return False
    with _locked(folder):
        holder = living(folder)
        if holder is None:
            return False
        os.kill(holder.pid, signal.SIGTERM)
        end = time.monotonic() + END
        while process_alive(holder) and time.monotonic() < end:
            time.sleep(0.05)
        if process_alive(holder):
            with suppress(ProcessLookupError):
                os.killpg(holder.pid, signal.SIGKILL)
        return True


def keep(folder: Path) -> None:
    """What the keeper does: start the worker, wait for its end, start it again; until SIGTERM."""
    ending: list[int] = []
    worker: subprocess.Popen[bytes] | None = None

    def end(number: int, _frame: object) -> None:
        ending.append(number)
        if worker is not None and worker.poll() is None:
            worker.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    me = myself()
    fresh = folder / "worker.json.new"
    fresh.write_text(json.dumps({"pid": me.pid, "start": me.start_time, "boot": me.boot_id}))
    fresh.replace(folder / "worker.json")
    pause = PAUSE
    while not ending:
        _trim(folder / "log" / "worker.log")
        began = time.monotonic()
        worker = subprocess.Popen([*COMMAND, "worker", "run", "--log", "json"], stdin=subprocess.DEVNULL, cwd="/")
        if ending:
            worker.terminate()
        code = worker.wait()
        if ending:
            break
        pause = PAUSE if time.monotonic() - began > SOUND else min(2 * pause, LONGEST)
        print(json.dumps({"level": "error", "chore": "keeper", "message": f"worker ended with {code}"}), flush=True)
        _sleep(pause, ending)
    (folder / "worker.json").unlink(missing_ok=True)


def _sleep(seconds: float, ending: list[int]) -> None:
    end = time.monotonic() + seconds
    while not ending and time.monotonic() < end:
        time.sleep(0.1)


def _trim(log: Path) -> None:
    """Keep one older log; the worker appends to whatever its keeper's standard output is."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.with_suffix(".log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "worker.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
