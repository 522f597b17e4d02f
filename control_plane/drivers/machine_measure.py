"""Measures one machine: packages, lists, restarts, the package system's health, and what the engine really works with.

Runs ON the machine as root, sent over SSH; nothing of it stays there. Changes nothing, but for the lists of packages,
which it fetches when they are a day old or the repository has others. Standard library and python3-apt; of ours
`host_state` and `machine_files`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cmp_to_key
from pathlib import Path
from typing import IO, Any

from control_plane.drivers.host_state import AgentError, from_os
from control_plane.drivers.machine_files import (
    DATABASES,
    NO_SET,
    Machine,
    fingerprint,
    foreign_sources,
    loaded_set,
    write,
)

PYTHON = "/usr/lib/python3/dist-packages"
SOURCE = "/etc/apt/sources.list.d/gasp.sources"
CLOCK_SECONDS = 300
LISTS_REFRESH = 86400
ASK_SECONDS = 2.0
#: Below this many octets free nothing can be unpacked.
FREE_OCTETS = 32 << 20
PLACES = ("var/cache/apt/archives", "var/cache/apt", "var/lib/dpkg", "var/lib/apt/lists", "")
#: Seconds that a lock may be held before it counts as held.
PATIENCE = 3.0
LOCKS = ("var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock", "var/lib/apt/lists/lock", "var/cache/apt/archives/lock")
UPDATE = (
    "apt-get", "-q", "update", "--error-on=any",
    "-o", f"Dir::Etc::sourcelist={SOURCE}", "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Get::List-Cleanup=0",
    "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=15",
)  # fmt: skip
UPDATE_SECONDS = 120
#: Which build of its kernel runs, as Debian's kernels say it themselves: a new build may bear the name of the old one.
_BUILT = re.compile(r"\bDebian (\S+)")
#: What apt says, and the fault that it means.
SAYS = (
    ("is expired (invalid since", "release-expired"),
    ("is not valid yet", "clock-wrong"),
    ("No space left", "disk-full"),
    ("not enough free space", "disk-full"),
    ("Could not get lock", "dpkg-locked"),
    ("Unable to acquire", "dpkg-locked"),
)


def _is_kernel(package: str) -> bool:
    """Whether a package is one kernel that can be booted: no collection, and no symbols for debugging."""
    name = package[len("linux-image-") :] if package.startswith("linux-image-") else ""
    return name[:1].isdigit() and not name.endswith("-dbg")


def holder(path: Path) -> str | None:
    """Who holds a lock of the package system: pid and command; None when nobody does. Takes no lock itself."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    except OSError:
        return None
    finally:
        os.close(fd)
    if kind == fcntl.F_UNLCK:
        return None
    with contextlib.suppress(OSError):
        return f"{pid} {Path(f'/proc/{pid}/comm').read_text().strip()}"
    return str(pid)


def on_hold(apt_pkg: Any, cache: Any) -> list[str]:
    """Installed packages that `apt-mark hold` keeps as they are, whether something waits for them or not."""
    installed = (p for p in cache.packages if p.current_ver is not None)
    return sorted(p.name for p in installed if p.selected_state == apt_pkg.SELSTATE_HOLD)


def held(machine: Machine) -> str | None:
    """The first lock of the package system that somebody holds: `/path: pid command`."""
    for name in LOCKS:
        who = holder(machine.root / name)
        if who is not None:
            return f"/{name}: {who}"
    return None


def lists_file(manifest: Mapping[str, Any], machine: Machine) -> Path:
    """The signed index of our suite, as apt keeps it."""
    wanted = manifest["attributes"]
    prefix = wanted["uri"].partition("://")[2].rstrip("/").replace("_", "%5f").replace("/", "_")
    return machine.root / f"var/lib/apt/lists/{prefix}_dists_{wanted['suite']}_InRelease"


def valid_until(index: Path) -> float | None:
    """Until when the index may be believed, in seconds; None when it does not say or is not there."""
    with contextlib.suppress(OSError, ValueError):
        for line in index.read_text("utf-8", "replace").splitlines():
            if line.startswith("Valid-Until:"):
                import email.utils  # most indexes have no such line, and a look should be quick

                return email.utils.parsedate_to_datetime(line.partition(":")[2].strip()).timestamp()
    return None


def newer_there(manifest: Mapping[str, Any], index: Path) -> bool:
    """Whether the repository has another index for our suite than the machine; no when it does not say. One short
    question: without it, a machine would look patched for as long as its lists are believed."""
    server, _, path = str(manifest["attributes"]["uri"]).partition("://")[2].partition("/")
    name, _, port = server.partition(":")
    head = f"HEAD /{path}/dists/{manifest['attributes']['suite']}/InRelease HTTP/1.0\r\nHost: {server}\r\n\r\n"
    try:
        known = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(index.stat().st_mtime))
        with socket.create_connection((name, int(port or 80)), ASK_SECONDS) as link:
            link.sendall(head.encode())
            lines = link.makefile("rb").read(4096).decode("latin-1").split("\r\n")
    except (OSError, ValueError):
        return False
    there = next((x.partition(":")[2].strip() for x in lines if x.lower().startswith("last-modified:")), known)
    return " 200 " in lines[0] + " " and there != known


def refresh_lists(machine: Machine, suite: str) -> tuple[str | None, str]:
    """Fetch the lists of our source. Returns the fault (None: done) and apt's words."""
    late = time.monotonic() + PATIENCE
    while True:
        try:
            done = subprocess.run(UPDATE, capture_output=True, text=True, timeout=UPDATE_SECONDS, check=False,
                                  env={**os.environ, "LC_ALL": "C"})  # fmt: skip
        except subprocess.TimeoutExpired:
            return "lists-stale", f"apt-get update did not end within {UPDATE_SECONDS} s"
        if done.returncode == 0:
            write(machine.lists, json.dumps({"at": time.time(), "suite": suite}).encode(), 0o600)
            return None, ""
        said = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
        words = " ".join(said)[:400] or f"apt-get update ended with {done.returncode}"
        fault = next((fault for phrase, fault in SAYS if phrase in words), "lists-stale")
        if fault != "dpkg-locked" or time.monotonic() > late:
            return fault, words
        time.sleep(0.2)


def newest(apt_pkg: Any, versions: list[Any]) -> Any:
    """The highest of some versions of a package."""
    compare = cmp_to_key(lambda a, b: int(apt_pkg.version_compare(a, b)))
    return max(versions, key=lambda version: compare(version.ver_str))


def pinned_in(machine: Machine, package: str) -> str:
    """The file of preferences that speaks of a package, by its name or a pattern; empty when none does."""
    folder = machine.root / "etc/apt"
    for path in [folder / "preferences", *sorted((folder / "preferences.d").glob("*"))]:
        with contextlib.suppress(OSError):
            for line in path.read_text("utf-8", "replace").splitlines():
                head, _, names = line.partition(":")
                if head.strip().lower() == "package" and any(fnmatchcase(package, n) for n in names.split()):
                    return "/" + str(path.relative_to(machine.root))
    return ""


class Measuring:
    """One look. `faults` collects what is wrong, each with what was found."""

    def __init__(self, machine: Machine, request: Mapping[str, Any]) -> None:
        self.machine, self.request = machine, request
        self.manifest = machine.load()
        self.now = float(request["now"])
        self.faults: dict[str, str] = {}

    def look(self) -> dict[str, Any]:
        """Everything, as JSON values; times in seconds."""
        offset = time.time() - self.now
        if abs(offset) > CLOCK_SECONDS:
            self.faults["clock-wrong"] = f"{offset:+.0f} s"
        who = fingerprint(self.machine)
        if self.request.get("fingerprint") not in (None, f"{who['machine_id']} {who['host_key']}"):
            self.faults["not-enrolled-here"] = f"{who['machine_id']} {who['host_key']}"
        self._disk()
        self._locks()
        answer = {"fingerprint": who, "offset": round(offset, 1), "kernel": os.uname().release}
        answer["foreign"] = foreign_sources(self.machine, self.manifest)
        answer["lists_at"], answer["refreshed"] = self._lists()
        answer.update(self._packages())
        answer.update(self._engine())
        answer["faults"] = self.faults
        return answer

    def _disk(self) -> None:
        for name in PLACES:
            path = self.machine.root / name
            with contextlib.suppress(OSError):
                found = os.statvfs(path)
                free = found.f_bavail * found.f_frsize
                if free < FREE_OCTETS:
                    self.faults["disk-full"] = f"/{name}: {free >> 20} MB free"
                    return

    def _locks(self) -> None:
        """A lock that is given back in a moment is no fault: another look or an installation of ours may hold it."""
        late = time.monotonic() + PATIENCE
        while (found := held(self.machine)) is not None:
            if time.monotonic() > late:
                self.faults["dpkg-locked"] = found
                return
            time.sleep(0.2)

    def _lists(self) -> tuple[float | None, bool]:
        """When the lists were last fetched, and whether that was now."""
        if self.manifest is None:
            self.faults["source-missing"] = SOURCE
            return None, False
        suite = self.manifest["attributes"]["suite"]
        wanted = self.manifest["files"].get(SOURCE, "").split(" ")[1:2]
        try:
            found = hashlib.sha256((self.machine.root / SOURCE.lstrip("/")).read_bytes()).hexdigest()
        except OSError:
            found = ""
        if [found] != wanted:
            self.faults["source-missing"] = SOURCE
        at = self._fetched(suite)
        refreshed = False
        index = lists_file(self.manifest, self.machine)
        due = at is None or not -CLOCK_SECONDS < time.time() - at < LISTS_REFRESH
        due = due or newer_there(self.manifest, index)
        if due and self.request.get("refresh", True) and not self.faults.keys() & {"dpkg-locked", "source-missing"}:
            fault, words = refresh_lists(self.machine, suite)
            refreshed = fault is None
            if fault is not None:
                self.faults.setdefault(fault, words)
            at = self._fetched(suite)
        until = valid_until(index)
        if until is not None and until < self.now:
            self.faults.setdefault("release-expired", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)))
        return at, refreshed

    def _fetched(self, suite: str) -> float | None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            kept = json.loads(self.machine.lists.read_text("utf-8"))
            if kept["suite"] == suite:
                return float(kept["at"])
        return None

    # packages -------------------------------------------------------------------------------------
    def _packages(self) -> dict[str, Any]:
        if PYTHON not in sys.path:
            sys.path.append(PYTHON)
        apt_pkg = importlib.import_module("apt_pkg")
        apt_pkg.init()
        for name in ("pkgcache", "srcpkgcache"):  # in memory: a look writes nothing, and works on a full disk
            apt_pkg.config.set(f"Dir::Cache::{name}", "")
        cache = apt_pkg.Cache(None)
        policy = apt_pkg.DepCache(cache)
        # before apt tries: what it cannot install, it would no longer name as a candidate then
        wanted = {p.id: policy.get_candidate_ver(p) for p in cache.packages if p.current_ver is not None}
        policy.upgrade(True)
        site = self._site()
        records = apt_pkg.PackageRecords(cache)
        packages, pending, kernels = {}, [], []
        broken = {apt_pkg.CURSTATE_HALF_CONFIGURED, apt_pkg.CURSTATE_HALF_INSTALLED, apt_pkg.CURSTATE_UNPACKED}
        halted = [p.name for p in cache.packages if p.current_state in broken]
        journal = [p.name for p in (self.machine.root / "var/lib/dpkg/updates").glob("[0-9]*")]
        if halted or journal:
            self.faults["dpkg-interrupted"] = " ".join(halted[:10]) or "unfinished updates of dpkg's journal"
        for package in cache.packages:
            current = package.current_ver
            if current is None:
                continue
            if _is_kernel(package.name):
                kernels.append((current, package.name[12:]))
            offered = [v for v in package.version_list if any(f.site == site for f, _ in v.file_list)] if site else []
            if offered:
                packages[package.name] = current.ver_str
            item = self._missing(apt_pkg, policy, records, package, wanted[package.id], offered)
            if item is not None:
                pending.append(item)
        held, restart = on_hold(apt_pkg, cache), self._restart(apt_pkg, kernels)
        return {"packages": packages, "pending": pending, "held": held, "restart": restart}

    def _missing(
        self, apt_pkg: Any, policy: Any, records: Any, package: Any, candidate: Any, offered: list[Any]
    ) -> dict[str, Any] | None:
        current = package.current_ver
        withdrawn = bool(offered) and current.ver_str not in {v.ver_str for v in offered}
        held_by = "hold" if package.selected_state == apt_pkg.SELSTATE_HOLD else None
        if candidate is None or apt_pkg.version_compare(candidate.ver_str, current.ver_str) <= 0:
            newer = [v for v in offered if apt_pkg.version_compare(v.ver_str, current.ver_str) > 0]
            if newer:  # its ring offers more than apt may take there
                candidate = newest(apt_pkg, newer)
                held_by = held_by or f"pin {pinned_in(self.machine, package.name)}".strip()
            elif withdrawn:
                candidate = offered[0]  # a version that was taken back: its ring has an older one
            else:
                return None
        held = held_by is not None
        taken = policy.marked_upgrade(package) or policy.marked_install(package)
        share = 100
        files = [f for f in candidate.file_list if not f[0].not_automatic] or list(candidate.file_list)
        if not taken and not held and files:
            records.lookup(files[0])
            with contextlib.suppress(KeyError, ValueError):
                share = int(records["Phased-Update-Percentage"])
        compare = apt_pkg.version_compare
        cured = [
            a["id"]
            for a in self.request.get("advisories", ())
            if a["package"] == package.name
            and compare(current.ver_str, a["fixed"]) < 0 <= compare(candidate.ver_str, a["fixed"])
        ]
        origins = [f"{f.label} {f.archive}".lower() for f, _ in candidate.file_list]
        return {
            "package": package.name,
            "installed": current.ver_str,
            "candidate": candidate.ver_str,
            "security": bool(cured) or any("security" in origin for origin in origins),
            "advisories": cured,
            "held": held,
            "held_by": held_by,
            "kept_back": not taken and not held and not withdrawn,
            "phased": not taken and not held and share < 100,
        }

    def _site(self) -> str | None:
        uri = str((self.manifest or {}).get("attributes", {}).get("uri", ""))
        return uri.partition("://")[2].partition("/")[0] or None

    def _restart(self, apt_pkg: Any, kernels: list[tuple[Any, str]]) -> list[str]:
        reasons = []
        if (self.machine.root / "run/reboot-required").exists():
            reasons.append("/run/reboot-required")
        running, built = os.uname().release, _BUILT.search(os.uname().version)
        newest = None
        for version, release in kernels:
            if newest is None or apt_pkg.version_compare(version.ver_str, newest[0]) > 0:
                newest = (version.ver_str, release)
        if newest is not None and newest[1] != running:
            reasons.append(f"kernel {newest[1]} is installed, {running} runs")
        elif newest is not None and built and apt_pkg.version_compare(newest[0], built[1]) > 0:
            reasons.append(f"kernel {newest[1]} is installed as {newest[0]}, {built[1]} runs")
        return reasons

    # engine ---------------------------------------------------------------------------------------
    def _engine(self) -> dict[str, Any]:
        kept = self._kept_signatures()
        answer: dict[str, Any] = {"engine": False, "set": None, "set_at": None, "disk_set": kept.get("id")}
        names = "ActiveState,Result,ExecMainStatus,ExecMainCode"
        shown = subprocess.run(
            ["systemctl", "show", "clamav-daemon.service", "-p", names], capture_output=True, text=True, check=False
        )
        unit = dict(line.partition("=")[::2] for line in shown.stdout.splitlines())
        if unit.get("ActiveState") != "active":  # no word to the socket: it would start the engine anew
            result, status = unit.get("Result", "?"), unit.get("ExecMainStatus", "?")
            words = {"oom-kill": "killed, out of memory", "signal": f"killed by signal {status}"}
            self.faults["engine-dead"] = words.get(result, f"{unit.get('ActiveState', '?')}, {result}")
            return answer
        try:
            loaded = loaded_set(self.machine)
        except OSError as error:
            self.faults["engine-dead"] = f"it runs and does not answer: {error}"
            return answer
        answer["engine"] = True
        if loaded in (None, NO_SET):
            self.faults["signatures-missing"] = "the engine has no set of the centre"
            return answer
        answer["set"] = loaded
        answer["set_at"] = kept.get("known", {}).get(loaded)
        if loaded != kept.get("id"):
            self.faults["signatures-not-loaded"] = f"{loaded} is loaded, {kept.get('id')} is on the disk"
        gone = [name for name, known in kept.get("files", {}).items() if not self._same(name, known)]
        if gone:
            self.faults["signatures-missing"] = " ".join(sorted(gone)[:5])
        return answer

    def _kept_signatures(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.machine.signatures.read_text("utf-8")))
        except (OSError, ValueError):
            return {}

    def _same(self, name: str, known: Mapping[str, Any]) -> bool:
        try:
            found = (self.machine.root / DATABASES / name).stat()
        except OSError:
            return False
        return [found.st_size, found.st_mtime_ns] == [known["size"], known["mtime_ns"]]


def answers(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The look as one line."""
    yield {"is": "look", **Measuring(Machine(request.get("options", {})), request).look()}


def reply(lines: Iterator[dict[str, Any]]) -> None:
    """Print lines as they come; a fault is the last one."""
    try:
        for line in lines:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        return
    except AgentError as error:
        last = error.as_json()
    except BrokenPipeError:
        return
    except OSError as error:
        full = error.errno == errno.ENOSPC
        last = from_os(error).as_json() if not full else {"code": "no-space", "path": "", "detail": ""}
    except Exception as error:
        last = {"code": "internal", "path": "", "detail": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps({"is": "error", **last}) + "\n")


def serve(source: IO[bytes]) -> None:
    """Answer one request: a length in decimal on a line, that many octets of JSON."""
    os.umask(0o022)
    reply(answers(json.loads(source.read(int(source.readline())))))
