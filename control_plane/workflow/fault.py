"""Fault injection for tests: where the process is killed, as GASP_FAULT says (`kill:EVENT[:N]`)."""

from __future__ import annotations

import os
import signal
from collections import Counter


def reached(event: str, fault: str | None, seen: Counter[str]) -> None:
    """The boundary `event` was reached and everything before it is written; `seen` counts how often."""
    seen[event] += 1
    if fault in (f"kill:{event}", f"kill:{event}:{seen[event]}"):
        os.kill(os.getpid(), signal.SIGKILL)
