"""Brings one machine to exactly what the centre's package source offers it now, older versions too.

Runs ON the machine as root, sent over SSH by `patch.py`; nothing of it stays there. Touches only packages that are
installed and that the centre offers; removes none; never asks; keeps changed settings; waits for a held lock. Prints
one line of JSON: {state: changed | already | failed, text, fault, packages: {name: version}}. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

SOURCE = "/etc/apt/sources.list.d/gasp.sources"
#: Seconds to wait for a lock that somebody else holds, and octets that must be free to unpack anything.
LOCK_SECONDS, FREE_OCTETS = 60, 32 << 20
ONLY_OURS = ["-o", f"Dir::Etc::sourcelist={SOURCE}", "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Get::List-Cleanup=0"]
QUIET = ["-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Dpkg::Options::=--force-confold",
         "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=1"]  # fmt: skip
ENVIRONMENT = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C"}
#: What apt and dpkg say, and the fault that it means.
SAYS = (
    ("is expired (invalid since", "release-expired"),
    ("is not valid yet", "clock-wrong"),
    ("No space left on device", "disk-full"),
    ("enough free space", "disk-full"),
    ("Could not get lock", "dpkg-locked"),
    ("is locked by another process", "dpkg-locked"),
    ("Unable to acquire", "dpkg-locked"),
    ("dpkg was interrupted", "dpkg-interrupted"),
    ("error processing package", "dpkg-interrupted"),
)


class Refused(Exception):
    """It cannot be done here; `fault` when it has a name."""

    def __init__(self, text: str, fault: str | None = None) -> None:
        super().__init__(text)
        self.text, self.fault = text, fault


def run(*argv: str, check: bool = True) -> str:
    """Run to the end; raises Refused with what it said, and the fault that this means."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=ENVIRONMENT, errors="replace")
    if check and done.returncode != 0:
        said = done.stdout + done.stderr
        raise Refused(words(said) or f"{argv[0]} ended with {done.returncode}", fault_of(said))
    return done.stdout


def words(said: str) -> str:
    """The lines that tell what is wrong."""
    telling = [x.strip() for x in said.splitlines() if re.match(r"(E: |W: |dpkg: error| .*subprocess| .*: )", x)]
    lines = [x.strip() for x in said.splitlines() if x.strip()]
    return " ".join(telling[-6:] or lines[-4:])[:600]


def fault_of(said: str) -> str | None:
    """The fault that a message means."""
    return next((fault for phrase, fault in SAYS if phrase in said), None)


def update() -> None:
    """Fetch the lists. apt waits for dpkg's locks by itself, but not for the one of the lists."""
    late = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            run("apt-get", "-q", "update", "--error-on=any", *ONLY_OURS, *QUIET)
            return
        except Refused as error:
            if error.fault != "dpkg-locked" or time.monotonic() > late:
                raise
        time.sleep(1)


def installed() -> dict[str, tuple[str, str]]:
    """Package → state as dpkg abbreviates it (`ii`, `iF`, `hi`, …) and version."""
    form = "${db:Status-Abbrev}\t${Package}\t${Version}\n"
    rows = (line.split("\t") for line in run("dpkg-query", "-W", "-f", form).splitlines())
    return {name: (state.strip(), version) for state, name, version in rows if version and state[1:2] not in "nc"}


def offered() -> dict[str, str]:
    """Package → version that our source offers; the highest if there are several."""
    found: dict[str, str] = {}
    for index in run("apt-get", "indextargets", *ONLY_OURS, "--format", "$(FILENAME)", "Created-By: Packages").split():
        name = ""
        for line in run("/usr/lib/apt/apt-helper", "cat-file", index).splitlines():
            key, _, value = line.partition(": ")
            if key == "Package":
                name = value
            elif key == "Version" and (name not in found or newer(value, found[name])):
                found[name] = value
    return found


def newer(one: str, other: str) -> bool:
    """Whether a version is higher than another."""
    return subprocess.run(["dpkg", "--compare-versions", one, "gt", other], check=False).returncode == 0


def pinned(here: dict[str, tuple[str, str]], there: dict[str, str]) -> set[str]:
    """Packages that a pin of the machine keeps: our source has a newer version than apt would take by itself. A version
    that was taken back is no such case, and one whose turn has not come in phases neither."""
    other = {name: old for name, (_, old) in here.items() if there.get(name, old) != old}
    behind = {name: old for name, old in other.items() if newer(there[name], old)}
    if not behind:
        return set()
    told = run("apt-cache", "-o", "APT::Get::Always-Include-Phased-Updates=true", "policy", *sorted(behind))
    found = re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (\S+)", told, re.MULTILINE)
    return {name for name, takes in found if name in behind and (takes == "(none)" or not newer(takes, behind[name]))}


def wanted(here: dict[str, tuple[str, str]], there: dict[str, str], kept: set[str]) -> dict[str, str]:
    """What differs, without what somebody put on hold on the machine, and what is kept there otherwise."""
    return {
        name: there[name]
        for name, (state, version) in here.items()
        if name in there and name not in kept and state[:1] != "h" and (version != there[name] or state != "ii")
    }


def finish_interrupted() -> None:
    """Let dpkg end what it had begun. What is broken may be just what is replaced next, so no failure counts here."""
    if any(Path("/var/lib/dpkg/updates").iterdir()):
        run("dpkg", "--force-confold", "--force-confdef", "--configure", "-a", check=False)


def bring() -> dict[str, object]:
    """Do it."""
    if not Path(SOURCE).exists():
        raise Refused(f"{SOURCE} is missing", "source-missing")
    for place in ("/var/cache/apt/archives", "/var/lib/dpkg"):
        free = os.statvfs(place)
        if free.f_bavail * free.f_frsize < FREE_OCTETS:
            raise Refused(f"{free.f_bavail * free.f_frsize >> 20} MB are free in {place}", "disk-full")
    update()
    there = offered()
    before = installed()
    kept = pinned(before, there)
    todo = wanted(before, there, kept)
    if not todo:
        return {"state": "already", "packages": {n: v for n, (_, v) in before.items() if n in there}}
    finish_interrupted()
    trouble = None
    try:
        exact = [f"{name}={version}" for name, version in sorted(todo.items())]
        run("apt-get", "-yq", *QUIET, "--no-remove", "--no-install-recommends", "--allow-downgrades", "install", *exact)
    except Refused as error:
        trouble = error
    after = installed()
    left = wanted(after, there, kept)
    if trouble is not None or left:
        broken = sorted(name for name, (state, _) in after.items() if state[1:2] in "UFHWt" or state[2:3] == "R")
        text = trouble.text if trouble else f"not as offered: {' '.join(sorted(left))}"
        fault = trouble.fault if trouble else None
        raise Refused(text, fault or ("dpkg-interrupted" if broken else None))
    return {"state": "changed", "packages": {n: v for n, (_, v) in after.items() if n in there}}


def main() -> None:
    """Print the outcome. A lost connection must not end an installation in the middle."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        answer = bring()
    except Refused as error:
        answer = {"state": "failed", "text": error.text, "fault": error.fault}
    except OSError as error:
        answer = {"state": "failed", "text": str(error), "fault": "disk-full" if error.errno == 28 else None}
    sys.stdout.write("\nGASP " + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
