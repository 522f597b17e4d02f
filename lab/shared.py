"""What the labs of one machine share, and who holds it: the last lab to go puts everything back.

A small register under /run: which lab runs from which state folder, and how the machine was before the first one
came. Must not be trusted across a boot of the machine (the boot id says so).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab.commands import LabError, run
from lab.files import locked, read_json, write_json

REGISTER = Path("/run/gasp-labs")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
#: 104 hosts hold about 620 instances; two labs and the machine's own fit.
INOTIFY_WANTED = 8192
NETNS = Path("/run/netns")
NSPAWN = Path("/run/systemd/nspawn")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def acquire(lab: str, folder: Path) -> None:
    """Enter the lab in the register and prepare the machine.

    Raises LabError when a lab of that name runs from another state folder. A lab whose folder is gone counts as
    dead; the caller removes what it left, as after any kill.
    """
    with _register() as (document, file):
        holder = document["labs"].get(lab)
        if holder not in (None, str(folder)) and Path(holder).is_dir():
            raise LabError(f"the lab called {lab} is already up from {holder}: take that one down first")
        if not document["labs"]:
            document["before"] = {
                "inotify": INOTIFY.read_text().strip(),
                "netns_folder": NETNS.is_dir(),
                "netns_mounts": _netns_mounts(),
            }
        document["labs"][lab] = str(folder)
        write_json(file, document)
        if int(INOTIFY.read_text()) < INOTIFY_WANTED:
            INOTIFY.write_text(str(INOTIFY_WANTED))


def release(lab: str, folder: Path) -> None:
    """Strike the lab off; the last one puts the machine back as it was. Nothing happens for an unknown lab."""
    with _register() as (document, file):
        if document["labs"].get(lab) == str(folder) or not Path(document["labs"].get(lab, "/")).is_dir():
            del document["labs"][lab]
        write_json(file, document)
        if document["labs"]:
            return
        before = document.get("before")
        if before:
            INOTIFY.write_text(before["inotify"])
            empty = NETNS.is_dir() and not any(NETNS.iterdir())
            while empty and _netns_mounts() > before["netns_mounts"]:
                run(["umount", NETNS])
            if empty and not before["netns_folder"]:
                NETNS.rmdir()
            for name in ("propagate", "locks", ""):
                with suppress(OSError):  # not empty or not there: not ours alone
                    (NSPAWN / name).rmdir()
        file.unlink()
        REGISTER.rmdir()


def holder(lab: str) -> Path | None:
    """State folder from which the lab runs, if the register knows it."""
    document = read_json(REGISTER / "labs.json") or {}
    if document.get("boot") != BOOT_ID.read_text().strip():
        return None
    found = document.get("labs", {}).get(lab)
    return Path(found) if found else None


def _netns_mounts() -> int:
    return sum(line.split(" ")[1] == str(NETNS) for line in Path("/proc/self/mounts").read_text().splitlines())


@contextmanager
def _register() -> Iterator[tuple[dict[str, Any], Path]]:
    while True:
        REGISTER.mkdir(mode=0o700, exist_ok=True)
        with locked(REGISTER) as inode:
            if not (REGISTER.is_dir() and REGISTER.stat().st_ino == inode):
                continue  # the last lab went while we waited
            boot = BOOT_ID.read_text().strip()
            document = read_json(REGISTER / "labs.json")
            if not document or document.get("boot") != boot:
                document = {"boot": boot, "labs": {}}
            yield document, REGISTER / "labs.json"
            return
