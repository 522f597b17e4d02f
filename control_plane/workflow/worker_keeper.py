"""What keeps a worker: it starts it again when it ends, and ends with it when told to.

`background` starts and ends the keeper like every program of ours. Must not import more than it needs: it lives long.
"""

from __future__ import annotations

import ctypes
import json
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


def keep(command: Sequence[str], log: Path) -> None:
    """Start the worker, wait for its end, start it again; until SIGTERM. `log` is where it writes, kept short."""
    ending: list[int] = []
    worker: subprocess.Popen[bytes] | None = None

    def end(number: int, _frame: object) -> None:
        ending.append(number)
        if worker is not None and worker.poll() is None:
            worker.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pause = PAUSE
    while not ending:
        trim(log)
        began = time.monotonic()
        worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd="/", preexec_fn=_end_with_the_keeper)
        if ending:
            worker.terminate()
        code = worker.wait()
        if ending:
            break
        pause = PAUSE if time.monotonic() - began > SOUND else min(2 * pause, LONGEST)
        print(json.dumps({"level": "error", "chore": "keeper", "message": f"worker ended with {code}"}), flush=True)
        _sleep(pause, ending)


def _end_with_the_keeper() -> None:
    """In the worker, before it begins: it is told to stop when its keeper is gone, however that went."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _sleep(seconds: float, ending: list[int]) -> None:
    end = time.monotonic() + seconds
    while not ending and time.monotonic() < end:
        time.sleep(0.1)
