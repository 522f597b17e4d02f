"""A cgroup of its own for every host: counting and limits a host, and the way to find hosts nobody waits for.

Two worlds, told apart once: separate hierarchies (version 1, also beside an empty version 2) where `<lab>/<host>`
is made in each of them; one hierarchy (version 2), where the lab has a place that systemd leaves alone (a scope
with Delegate=yes). Must not touch a cgroup outside the lab's own place.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
#: Where the supervisor itself sits. The underscore keeps it apart from every possible host name.
SUPERVISOR = "_supervisor"
#: Version 1 hierarchies the lab uses when they are mounted. The first one is asked for a host's processes.
V1 = ("memory", "systemd", "unified", "pids", "cpu", "cpuacct", "cpu,cpuacct")
V2_CONTROLLERS = "+cpu +memory +pids"


@dataclass(frozen=True)
class Cgroups:
    """The lab's place in the cgroup tree(s): `bases` are its folders, one a hierarchy.

    `launcher` is put before the supervisor's command line where the place has to be asked for.
    """

    bases: tuple[Path, ...]
    unified: bool
    launcher: tuple[str, ...] = ()

    def folders(self, member: str) -> list[Path]:
        """The cgroup folders of a host (or of SUPERVISOR), one a hierarchy."""
        return [base / member for base in self.bases]

    def prepare(self) -> None:
        """Make the lab's own place; in version 2 also hand the controllers down."""
        for base in self.bases:
            base.mkdir(parents=True, exist_ok=True)
        if self.unified:
            with suppress(OSError):  # a controller the kernel lacks: accounting is less, the lab works
                (self.bases[0] / "cgroup.subtree_control").write_text(V2_CONTROLLERS)

    def members(self) -> list[str]:
        """Hosts that have a cgroup, living or not, sorted; the supervisor's is not a host."""
        base = self.bases[0]
        if not base.is_dir():
            return []
        return sorted(entry.name for entry in base.iterdir() if entry.is_dir() and entry.name != SUPERVISOR)

    def pids(self, member: str) -> list[int]:
        """Every process in the member's cgroup and below, as the machine numbers them."""
        found: list[int] = []
        for folder in [self.bases[0] / member]:
            for file in [folder / "cgroup.procs", *folder.glob("**/cgroup.procs")]:
                with suppress(OSError):
                    found += [int(word) for word in file.read_text().split()]
        return sorted(set(found))

    def remove(self, member: str) -> None:
        """Remove the member's cgroups; its processes must be gone (a dying one is given two seconds)."""
        for folder in self.folders(member):
            _remove_tree(folder)

    def remove_all(self) -> None:
        """Remove the lab's own place; nothing may run in it any more."""
        for base in self.bases:
            _remove_tree(base)


def detect(lab: str, root: Path = ROOT, proc: Path = Path("/proc")) -> Cgroups:
    """The branch this machine needs. `root` and `proc` are arguments so that both branches can be tested."""
    if (root / "cgroup.controllers").exists():
        if (proc / "1" / "comm").read_text().strip() == "systemd":
            unit = f"gasp-{lab}.scope"
            launcher = ("systemd-run", "--scope", "--quiet", "--collect", f"--unit={unit}", "-p", "Delegate=yes")
            return Cgroups((root / "system.slice" / unit,), True, (*launcher, "--"))
        return Cgroups((root / lab,), True)
    seen: dict[Path, Path] = {}
    for name in V1:
        if (root / name / "cgroup.procs").exists():
            seen.setdefault((root / name).resolve(), root / name / lab)  # cpu may be a link to cpu,cpuacct
    return Cgroups(tuple(seen.values()), False)


def enter(folders: Iterable[Path]) -> None:
    """Move the calling process into these cgroups; between fork and exec of a host."""
    for folder in folders:
        (folder / "cgroup.procs").write_text(str(os.getpid()))


def init_of(pids: Iterable[int], proc: Path = Path("/proc")) -> int | None:
    """The host's init among `pids`: the process that is number 1 in a process namespace below ours."""
    for pid in pids:
        with suppress(OSError):
            for line in (proc / str(pid) / "status").read_text().splitlines():
                if line.startswith("NSpid:"):
                    numbers = line.split()[1:]
                    if len(numbers) > 1 and numbers[-1] == "1":
                        return pid
    return None


def nspawn_of(pids: Iterable[int], proc: Path = Path("/proc")) -> int | None:
    """The systemd-nspawn process that watches the host, if it still lives."""
    for pid in pids:
        with suppress(OSError):
            if (proc / str(pid) / "comm").read_text().strip() == "systemd-nspawn" and is_alive(pid, proc):
                return pid
    return None


def is_alive(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether the process exists and is no zombie."""
    return start_time(pid, proc) is not None


def start_time(pid: int, proc: Path = Path("/proc")) -> int | None:
    """When the process started, in clock ticks since boot; None when there is none (or a zombie).

    Together with the number it names a process for ever, where a number alone is given again.
    """
    with suppress(OSError):
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        if fields[0] not in "ZX":
            return int(fields[19])
    return None


def kill_all(cgroups: Cgroups, member: str, deadline: float = 5.0) -> None:
    """Kill what is in the member's cgroup: init first, which takes the rest of the host with it."""
    end = time.monotonic() + deadline
    while pids := [pid for pid in cgroups.pids(member) if is_alive(pid)]:
        init = init_of(pids)
        watcher = nspawn_of(pids)
        for pid in [init] if init else pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if init and watcher and time.monotonic() > end - deadline / 2:
            with suppress(ProcessLookupError):
                os.kill(watcher, signal.SIGKILL)
        if time.monotonic() > end:
            raise TimeoutError(f"processes of {member} do not end: {pids}")
        time.sleep(0.02)


def _remove_tree(folder: Path) -> None:
    if not folder.is_dir():
        return
    for path, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            _rmdir(Path(path) / name)
    _rmdir(folder)


def _rmdir(folder: Path) -> None:
    for _ in range(100):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    folder.rmdir()
