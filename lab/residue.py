"""What a lab could leave on the machine, as text that compares: taken before `up` and after `down` it must be equal.

Looks, changes nothing. Names processes by what they are and not by number, so that a host of another lab that
rebooted in between makes no difference.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from lab.access import masters
from lab.commands import run
from lab.shared import REGISTER, folders, machine_inotify

#: Kernel settings the lab must not touch; the one it does touch is asked for by `machine_inotify`.
SYSCTLS = (Path("/proc/sys/net/ipv4/ip_forward"), Path("/proc/sys/net/ipv6/conf/all/forwarding"))
#: What an IPv6 route says about its remaining life changes by itself.
VOLATILE = re.compile(r" (expires|hoplimit) \S+")
FOLDERS = (Path("/run/netns"), Path("/run/systemd/nspawn"), REGISTER)


def snapshot() -> dict[str, list[str]]:
    """Sorted lines by kind (mounts, namespaces, routes4, routes6, rules, links, processes, cgroups, …)."""
    found = {
        "mounts": Path("/proc/self/mounts").read_text().splitlines(),
        "namespaces": _lines("ip", "netns", "list"),
        "routes4": _lines("ip", "-4", "route", "show", "table", "all"),
        "routes6": [VOLATILE.sub("", line) for line in _lines("ip", "-6", "route", "show", "table", "all")],
        "rules": _lines("ip", "-4", "rule", "list") + _lines("ip", "-6", "rule", "list"),
        "links": [line.partition(":")[2].partition("<")[0].strip() for line in _lines("ip", "-o", "link", "show")],
        "processes": _processes(),
        "cgroups": [str(place) for place in Path("/sys/fs/cgroup").glob("*/*/") if place.is_dir()],
        "tables": _lines("nft", "list", "tables"),
        "sysctls": [
            f"inotify instances={machine_inotify()}",
            *(f"{path}={path.read_text().strip()}" for path in SYSCTLS if path.exists()),
        ],
        "files": [str(path) for folder in FOLDERS for path in (folder, *folder.glob("**/*")) if path.exists()],
    }
    return {kind: sorted(lines) for kind, lines in found.items()}


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """One line for everything that came (`+ kind: what`) or went (`- kind: what`)."""
    lines = []
    for kind in sorted(before.keys() | after.keys()):
        old, new = set(before.get(kind, ())), set(after.get(kind, ()))
        lines += [f"+ {kind}: {line}" for line in sorted(new - old)]
        lines += [f"- {kind}: {line}" for line in sorted(old - new)]
    return lines


def _lines(*argv: str) -> list[str]:
    return [line.strip() for line in run(argv, check=False).stdout.splitlines()]


def _processes() -> list[str]:
    """Hosts' watchers, supervisors, and ssh masters but those of labs that are up, which come and go."""
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        with suppress(OSError):
            words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if Path(words[0]).name == "systemd-nspawn":
                found.append(" ".join(word for word in words if word.startswith(("systemd", "--machine"))))
            elif "lab.supervisor" in words:
                found.append(" ".join(words[words.index("lab.supervisor") :]).strip())
    living = {pid for folder in folders().values() for pid in masters(folder.parent.parent)}
    return found + [title for pid, title in masters(Path("/")).items() if pid not in living]
