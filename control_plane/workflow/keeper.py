"""What keeps the worker and the web server: it starts them again when they end, and ends with them when told to.

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

from control_plane.workflow.background import BEGIN, trim

#: Seconds: the pause between two starts, and its longest form.
PAUSE, LONGEST = 0.5, 30.0
#: What lived this long ended for a new reason: the pause is short again.
SOUND = 60.0
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def keep(command: Sequence[str], log: Path, count: int = 1) -> int:
    """Start `count` processes, wait for the end of one, start it again; until SIGTERM. `log` is where they write, kept
    short. Returns 0, or the code of a first one that failed within `BEGIN` seconds: what cannot begin is not kept."""
    ending: list[int] = []
    kept: dict[int, tuple[subprocess.Popen[bytes], float]] = {}  # those whose end nobody took note of yet
    failed = 0

    def end(number: int = 0, _frame: object = None) -> None:
        ending.append(number)
        for pid in list(kept):
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pause, first = PAUSE, True
    while not ending:
        trim(log)
        while len(kept) < count and not ending:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd="/", preexec_fn=_end_with_the_keeper)
            kept[process.pid] = (process, time.monotonic())
            if ending:
                os.kill(process.pid, signal.SIGTERM)
        ended, began = kept.pop(os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT).si_pid)  # type: ignore[union-attr]
        code, lived = ended.wait(), time.monotonic() - began
        if ending:
            break
        print(json.dumps({"level": "error", "chore": "keeper", "message": f"{log.stem} ended with {code}"}), flush=True)
        if first and code > 0 and lived < BEGIN:
            failed = code
            end()
            break
        first = False
        pause = PAUSE if lived > SOUND else min(2 * pause, LONGEST)
        _sleep(pause, ending)
    for process, _began in kept.values():
        process.wait()
    return failed


def _end_with_the_keeper() -> None:
    """In the new process, before it begins: it is told to stop when its keeper is gone, however that went."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _sleep(seconds: float, ending: list[int]) -> None:
    end = time.monotonic() + seconds
    while not ending and time.monotonic() < end:
        time.sleep(0.1)
