"""What keeps workers: it starts one again when it ends, and ends with them when told to.

`background` starts and ends the keeper like every program of ours. Must not import more than it needs: it lives long.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from control_plane.workflow.background import trim

#: Seconds: the pause between two starts, and its longest form.
PAUSE, LONGEST = 0.5, 30.0
#: A worker that lived this long ended for a new reason: the pause is short again.
SOUND = 60.0
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def keep(command: Sequence[str], log: Path, count: int = 1) -> None:
    """Start `count` workers, wait for the end of one, start it again; until SIGTERM. `log` is where they write, kept
    short."""
    ending: list[int] = []
    workers: dict[int, tuple[subprocess.Popen[bytes], float]] = {}  # those whose end nobody took note of yet

    def end(number: int, _frame: object) -> None:
        ending.append(number)
        for pid in list(workers):
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pause = PAUSE
    while not ending:
        trim(log)
        while len(workers) < count and not ending:
            worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd="/", preexec_fn=_end_with_the_keeper)
            workers[worker.pid] = (worker, time.monotonic())
            if ending:
                os.kill(worker.pid, signal.SIGTERM)
        ended, began = workers.pop(os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT).si_pid)  # type: ignore[union-attr]
        code = ended.wait()
        if ending:
            break
        pause = PAUSE if time.monotonic() - began > SOUND else min(2 * pause, LONGEST)
        print(json.dumps({"level": "error", "chore": "keeper", "message": f"worker ended with {code}"}), flush=True)
        _sleep(pause, ending)
    for worker, _began in workers.values():
        worker.wait()


def _end_with_the_keeper() -> None:
    """In the worker, before it begins: it is told to stop when its keeper is gone, however that went."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _sleep(seconds: float, ending: list[int]) -> None:
    end = time.monotonic() + seconds
    while not ending and time.monotonic() < end:
        time.sleep(0.1)
