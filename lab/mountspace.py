"""A lab's mounts live in the mount namespace of whoever started it; later commands must look from there.

On an ordinary machine there is one such namespace. In a chroot, a build container or a unit with private mounts
each session may have its own, and would see hosts running on disks that it cannot see.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: Set in the process that has joined, so that it never tries again.
JOINED = "GASP_JOINED"


def elsewhere(pid: int) -> bool:
    """Whether the process `pid` sees other mounts than this one."""
    try:
        return (Path("/proc") / str(pid) / "ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
    except FileNotFoundError:
        return False


def join(pid: int) -> None:
    """Run this very command again where `pid` lives, unless that is here. Returns only when it is."""
    if JOINED in os.environ or not elsewhere(pid):
        return
    enter = ["nsenter", "--target", str(pid), "--mount", "--root", f"--wdns={Path.cwd()}", "--"]
    sys.stdout.flush()
    os.execvpe(enter[0], [*enter, sys.executable, *sys.orig_argv[1:]], {**os.environ, JOINED: str(pid)})
