"""What the labs of one machine share, and who holds it: the last lab to go puts everything back.

A small register under /run: which lab runs from which state folder, and how the machine was before the first one
came. Must not be trusted across a boot of the machine (the boot id says so).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab.commands import LabError, run
from lab.files import locked, read_json, write_json
from lab.network import NETNS

REGISTER = Path("/run/gasp-labs")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
#: 104 hosts hold about 620 instances; two labs and the machine's own fit.
INOTIFY_WANTED = 8192
NSPAWN = Path("/run/systemd/nspawn")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def acquire(lab: str, folder: Path, supervisors: Iterable[int]) -> None:
    """Enter the lab in the register and prepare the machine. `supervisors`: processes in the lab's own cgroup.

    Raises LabError when a lab of that name runs from another state folder. A lab whose folder is gone counts as
    dead; the caller removes what it left, as after any kill.
    """
    with _register() as (document, file):
        _refuse_living(lab, folder, document["labs"].get(lab), supervisors)
        if not document["labs"]:
            document["before"] = {
                "inotify": INOTIFY.read_text().strip(),
                "netns_folder": NETNS.is_dir(),
                "netns_mounts": _netns_mounts(),
            }
        found = folder.stat()
        document["labs"][lab] = {"folder": str(folder), "device": found.st_dev, "inode": found.st_ino}
        write_json(file, document)
        if int(INOTIFY.read_text()) < INOTIFY_WANTED:
            INOTIFY.write_text(str(INOTIFY_WANTED))


def check_owner(lab: str, folder: Path, supervisors: Iterable[int]) -> None:
    """Raises LabError when the lab of that name is not `folder`'s to touch."""
    _refuse_living(lab, folder, _labs().get(lab), supervisors)


def _refuse_living(lab: str, folder: Path, entry: dict[str, Any] | None, supervisors: Iterable[int]) -> None:
    """A folder is known by path and inode, and looked for where the supervisor sees it: it may be in a chroot."""
    if entry is None or (entry["folder"] == str(folder) and _is(folder, entry)):
        return
    roots = ["/", *(f"/proc/{pid}/root" for pid in supervisors)]
    if any(_is(Path(f"{root}{entry['folder']}"), entry) for root in roots):
        raise LabError(f"the lab called {lab} is up from {entry['folder']}: take that one down first")


def _is(place: Path, entry: dict[str, Any]) -> bool:
    try:
        found = place.stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (entry["device"], entry["inode"])


def release(lab: str) -> None:
    """Strike the lab off; the last one puts the machine back as it was. Nothing happens for an unknown lab."""
    with _register() as (document, file):
        document["labs"].pop(lab, None)
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


def folders() -> dict[str, Path]:
    """Labs that are up, or were not taken down, with the folders they run from."""
    return {name: Path(entry["folder"]) for name, entry in _labs().items()}


def machine_inotify() -> str:
    """The machine's own limit of inotify instances, also while labs have raised it."""
    document = read_json(REGISTER / "labs.json") or {}
    before: dict[str, str] = document.get("before", {})
    return before.get("inotify") or INOTIFY.read_text().strip()


def _labs() -> dict[str, dict[str, Any]]:
    document = read_json(REGISTER / "labs.json") or {}
    found: dict[str, dict[str, Any]] = document.get("labs", {})
    return found if document.get("boot") == BOOT_ID.read_text().strip() else {}


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
