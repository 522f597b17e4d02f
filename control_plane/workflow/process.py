"""Who this process is, and whether another one still lives. Linux's /proc; pids alone are reused."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from control_plane.store.leases import Holder


@cache
def boot_id() -> str:
    """The kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since boot, or None when it is gone (or a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def myself() -> Holder:
    """This process as holder of a lease."""
    return Holder(os.getpid(), start_time(os.getpid()) or 0, boot_id())


def process_alive(holder: Holder) -> bool:
    """Whether the very process that took a lease still runs."""
    return holder.boot_id == boot_id() and start_time(holder.pid) == holder.start_time


def session(leader: Holder) -> list[int]:
    """Ids of the living processes in the session that this process leads or led.

    The system does not give out a number that a session still has: a newer process of that number means none is left.
    """
    if leader.boot_id != boot_id() or start_time(leader.pid) not in (None, leader.start_time):
        return []
    all_ = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in all_ if _session_of(pid) == leader.pid]


def _session_of(pid: int) -> int | None:
    """The session of a process; None when the process is gone (or a zombie)."""
    try:
        return os.getsid(pid) if start_time(pid) is not None else None
    except ProcessLookupError:
        return None
