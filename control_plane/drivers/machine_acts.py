"""What is done on a machine besides its baseline: fetch and load signatures, mend, scan.

Runs ON the machine as root, sent over SSH; nothing of it stays there. Must not touch packages of the department, kill
anybody's process or delete anything but downloaded package files.
Standard library; of ours `host_state`, `machine_files`, `machine_measure`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from control_plane.drivers.host_state import AgentError
from control_plane.drivers.machine_files import (
    DATABASES,
    MARKER,
    NO_SET,
    Machine,
    ask_engine,
    fingerprint,
    loaded_set,
    locked,
    marker,
    start_engine,
    write,
)
from control_plane.drivers.machine_measure import refresh_lists, reply

FETCH_SECONDS = 20
FRESHCLAM_SECONDS = 300
RELOAD_SECONDS = 120.0
KNOWN_SETS = 20
#: Files, or octets, a call of the scanner; progress is told after each.
BATCH, BATCH_OCTETS = 200, 64 << 20
SKIP = ("/proc", "/sys", "/dev", "/run", "/var/lib/clamav", "/var/lib/docker")
KEYRING = "/etc/apt/keyrings/gasp-archive.asc"
CLAMD, FRESHCLAM = "/etc/clamav/gasp-clamd.conf", "/etc/clamav/gasp-freshclam.conf"
Answers = Iterator[dict[str, Any]]


def managed(machine: Machine) -> dict[str, Any]:
    """Our manifest; raises AgentError where we manage nothing."""
    manifest = machine.load()
    if manifest is None:
        raise AgentError("no-baseline", str(machine.manifest), "")
    return manifest


# signatures -----------------------------------------------------------------------------------------
def fetch(url: str) -> bytes:
    """One small file of the repository host, past any proxy; raises AgentError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=FETCH_SECONDS) as answer:
            return bytes(answer.read(4 << 20))
    except (urllib.error.URLError, OSError) as error:
        raise AgentError("no-signatures", url, str(getattr(error, "reason", error))) from None


def hashes(manifest: Mapping[str, Any]) -> dict[str, str]:
    """File name → SHA-256 of a set's manifest."""
    files = manifest["files"]
    rows = files if isinstance(files, list) else [{"name": n, **(v if isinstance(v, dict) else {"sha256": v})}
                                                  for n, v in files.items()]  # fmt: skip
    found = {str(row["name"]): str(row["sha256"]) for row in rows}
    if any("/" in name or name.startswith(".") or name.startswith("gasp-") for name in found):
        raise AgentError("bad-set", "manifest.json", "a file's name leads elsewhere")
    return found


class Signatures:
    """The ring's set on this machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.url = managed(machine)["attributes"]["signatures"].rstrip("/")
        self.folder = machine.root / DATABASES
        try:
            self.kept: dict[str, Any] = json.loads(machine.signatures.read_text("utf-8"))
        except (OSError, ValueError):
            self.kept = {}

    def refresh(self) -> dict[str, Any]:
        """Fetch, check and load what the ring has now."""
        content = fetch(f"{self.url}/manifest.json")
        self._verify(content, fetch(f"{self.url}/manifest.json.asc"))
        try:
            wanted = json.loads(content)
            set_id, files = str(wanted["id"]), hashes(wanted)
        except (ValueError, KeyError, TypeError) as error:
            raise AgentError("bad-set", f"{self.url}/manifest.json", str(error)) from None
        fresh = (
            self._loaded() == set_id and self.kept.get("id") == set_id and all(self._good(*f) for f in files.items())
        )
        if fresh:
            return {"state": "already", "set": set_id}
        stale = [name for name, digest in files.items() if not self._good(name, digest)]
        if stale:
            with self._as_if_old(stale):
                self._freshclam(sorted(files))
        wrong = sorted(name for name, digest in files.items() if not self._good(name, digest))
        if wrong:
            raise AgentError("bad-set", self.url, f"not as the set's list says: {' '.join(wrong[:5])}")
        for name in self.kept.get("files", {}).keys() - files.keys():
            (self.folder / name).unlink(missing_ok=True)
        known = dict(list({**self.kept.get("known", {}), set_id: wanted["made_at"]}.items())[-KNOWN_SETS:])
        stats = {name: (self.folder / name).stat() for name in files}
        record = {
            "id": set_id,
            "known": known,
            "files": {n: {"sha256": files[n], "size": s.st_size, "mtime_ns": s.st_mtime_ns} for n, s in stats.items()},
        }
        write(self.machine.signatures, json.dumps(record).encode(), 0o600)
        write(self.machine.root / MARKER, marker(set_id))
        self.load(set_id)
        return {"state": "changed", "set": set_id}

    def _verify(self, content: bytes, signature: bytes) -> None:
        """By the key that also vouches for packages; raises AgentError."""
        body = [x for x in (self.machine.root / KEYRING.lstrip("/")).read_text("ascii").splitlines() if x]
        start = next((i for i, x in enumerate(body) if x.startswith("-----BEGIN")), 0) + 1
        lines = [x for x in body[start:] if not x.startswith(("-----", "=")) and ": " not in x]
        with tempfile.TemporaryDirectory(dir=self.machine.root / "run") as name:
            folder = Path(name)
            (folder / "key.gpg").write_bytes(base64.b64decode("".join(lines)))
            (folder / "list").write_bytes(content)
            (folder / "list.asc").write_bytes(signature)
            done = subprocess.run(
                ["gpgv", "--keyring", str(folder / "key.gpg"), str(folder / "list.asc"), str(folder / "list")],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise AgentError(
                "bad-set", f"{self.url}/manifest.json", f"its signature is not good: {' '.join(said[-1:])}"
            )

    def load(self, set_id: str) -> None:
        """Let the engine load what is on the disk, and ask it whether it has; a dead one is started."""
        try:
            ask_engine(b"zRELOAD\0", self.machine)
        except OSError:
            start_engine(self.machine)
        until = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < until:
            if self._loaded() == set_id:
                return
            time.sleep(0.1)
        raise AgentError("not-loaded", set_id, "")

    def _loaded(self) -> str | None:
        try:
            return loaded_set(self.machine, 20.0)
        except OSError:
            return None

    def _good(self, name: str, digest: str) -> bool:
        try:
            return hashlib.sha256((self.folder / name).read_bytes()).hexdigest() == digest
        except OSError:
            return False

    @contextlib.contextmanager
    def _as_if_old(self, names: list[str]) -> Iterator[None]:
        """Within, files look older than all others: freshclam asks for what is newer than they are, and the wanted set
        may be an older one. What was not replaced has its own time again."""
        times: dict[Path, int] = {}
        for path in (self.folder / name for name in names):
            with contextlib.suppress(FileNotFoundError):
                times[path] = path.stat().st_mtime_ns
                os.utime(path, ns=(0, 0))
        try:
            yield
        finally:
            for path, before in times.items():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime_ns == 0:
                        os.utime(path, ns=(before, before))

    def _freshclam(self, names: list[str]) -> None:
        lines = (self.machine.root / FRESHCLAM.lstrip("/")).read_text("utf-8")
        lines += "".join(f"DatabaseCustomURL {self.url}/{name}\n" for name in names)
        config = self.machine.root / "run/gasp-freshclam.conf"
        write(config, lines.encode())
        try:
            done = subprocess.run(
                ["freshclam", f"--config-file={config}", "--stdout", "--no-warnings"],
                capture_output=True, text=True, timeout=FRESHCLAM_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise AgentError("no-signatures", self.url, "freshclam did not end") from None
        finally:
            config.unlink(missing_ok=True)
        if done.returncode:
            said = [line for line in done.stdout.splitlines() if "ERROR" in line] or done.stdout.splitlines()
            raise AgentError("no-signatures", self.url, " ".join(said[-2:])[:300])


# mending --------------------------------------------------------------------------------------------
def _run(*argv: str) -> str | None:
    """Run a command of the package system; None when it went well, else its last words."""
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return " ".join(said[-2:])[:300] or f"{argv[0]} ended with {done.returncode}"


def mend(machine: Machine, faults: list[str]) -> Answers:
    """One answer a fault; the order is that in which one helps the next."""
    suite = managed(machine)["attributes"]["suite"]

    def lists() -> str | None:
        return refresh_lists(machine, suite)[1] or None

    def engine() -> str | None:
        start_engine(machine)
        return None

    def load() -> str | None:
        signatures = Signatures(machine)
        signatures.load(str(signatures.kept.get("id", "")))
        return None

    def fetch_set() -> str | None:
        Signatures(machine).refresh()
        return None

    acts = {
        "disk-full": lambda: _run("apt-get", "clean"),
        "dpkg-interrupted": lambda: _run("dpkg", "--force-confold", "--configure", "-a"),
        "release-expired": lists,
        "lists-stale": lists,
        "engine-dead": engine,
        "signatures-missing": fetch_set,
        "signatures-not-loaded": load,
    }
    for fault, act in acts.items():
        if fault not in faults:
            continue
        try:
            words = act()
        except AgentError as error:
            words = f"{error.code}: {error.path} {error.detail}".strip()
        except subprocess.TimeoutExpired:
            words = "it did not end in time"
        yield {"is": "mended", "fault": fault, "done": words is None, "words": words or ""}


# scanning -------------------------------------------------------------------------------------------
Place = tuple[int, tuple[tuple[int, str], ...]]
"""Where a file comes in a scan: which of the folders, then its path; in a folder files come before folders."""


def place(number: int, top: str, path: str) -> Place:
    """The place of a file at or below the folder `top`, which is the `number`th."""
    *folders, name = path[len(top) :].strip("/").split("/")
    return number, (*((1, folder) for folder in folders), (0, name))


def files_below(paths: list[str], after: Place | None = None) -> Iterator[tuple[Place, str]]:
    """Every regular file behind a place, in order, on the same file systems, links not followed."""
    for number, top in enumerate(paths):
        if os.path.isfile(top) and not os.path.islink(top):  # noqa: PTH113, PTH114 bytes of any name
            here = place(number, top, top)
            if after is None or here > after:
                yield here, top
            continue
        try:
            device = os.stat(top).st_dev  # noqa: PTH116
        except OSError:
            continue
        for folder, folders, names in os.walk(top):
            folders[:] = sorted(f for f in folders if _inside(os.path.join(folder, f), device))  # noqa: PTH118
            if after is not None:
                folders[:] = [f for f in folders if not _behind(number, top, os.path.join(folder, f), after)]  # noqa: PTH118
            for name in sorted(names):
                path = os.path.join(folder, name)  # noqa: PTH118
                here = place(number, top, path)
                if (after is None or here > after) and os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114
                    yield here, path


def _behind(number: int, top: str, folder: str, after: Place) -> bool:
    """Whether all of a folder was looked into before the scan came to `after`."""
    steps = tuple((1, step) for step in folder[len(top) :].strip("/").split("/"))
    return (number, steps) < (after[0], after[1][: len(steps)])


def _inside(path: str, device: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return path not in SKIP and found.st_dev == device


def cursor(here: Place) -> str:
    """A place as the centre keeps it, whatever octets the names are made of."""
    return os.fsencode(json.dumps(here)).hex()


def from_cursor(text: str) -> Place:
    """The place that a cursor stands for."""
    number, steps = json.loads(os.fsdecode(bytes.fromhex(text)))
    return number, tuple((kind, name) for kind, name in steps)


def scan(
    machine: Machine, paths: list[str], after: str | None = None, seconds: float | None = None, who: str | None = None,
    named: bool = False,
) -> Answers:  # fmt: skip
    """Findings and how far it is as they come, last the end; it ends between two batches when nobody listens any more,
    or after so many seconds. `at` of the end is None while something is left. Raises AgentError for an engine that
    has no set of the centre, and on another machine than `who`; with `named` paths also for one that is not there."""
    managed(machine)
    found = fingerprint(machine)
    if who not in (None, f"{found['machine_id']} {found['host_key']}"):
        raise AgentError("exchanged", "", "")
    if named and (absent := [p for p in paths if not _there(p)]):
        raise AgentError("no-path", absent[0], "")
    _has_set(machine)
    until = time.monotonic() + seconds if seconds else None
    count, size, batch, error = 0, 0, [], ""
    for here, path in files_below(paths, from_cursor(after) if after else None):
        batch.append(path)
        size += _size(path)
        if len(batch) == BATCH or size >= BATCH_OCTETS:
            error = (yield from engine_says(batch)) or error
            if error and until is not None:  # what was not looked into is not gone past: the next call begins with it
                break
            count += len(batch)
            batch, size = [], 0
            yield {"is": "files", "count": count, "cursor": cursor(here)}
            if until is not None and time.monotonic() > until:
                yield {"is": "scanned", "files": count, "error": error, "at": None}
                return
    if batch and not (error and until is not None):
        error = (yield from engine_says(batch)) or error
        count += len(batch)
    _has_set(machine)
    yield {"is": "scanned", "files": count, "error": error, "at": time.time()}


def _there(path: str) -> bool:
    """Whether a scan of it would look at something."""
    return os.path.isdir(path) or (os.path.isfile(path) and not os.path.islink(path))  # noqa: PTH112, PTH113, PTH114


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _has_set(machine: Machine) -> None:
    """Raises AgentError unless the engine works with a set of the centre: without one it finds nothing, ever."""
    if not machine.units:
        return
    try:
        loaded = loaded_set(machine, 60.0)
    except OSError as error:
        raise AgentError("engine-dead", "", str(error)) from None
    if loaded in (None, NO_SET):
        raise AgentError("no-set", "", "")


def infected(text: str, alone: str | None = None) -> list[tuple[str, str]]:
    """What the scanner found: path and signature, a line each. `alone`: the one file that it looked at, whose name may
    hold line breaks; then the last line tells."""
    rows = [line.rpartition(": ") for line in text.split("\n")]
    found = [(path, rest.removesuffix(" FOUND")) for path, sign, rest in rows if sign and rest.endswith(" FOUND")]
    return found if alone is None else [(alone, signature) for _, signature in found[-1:]]


def engine_says(paths: list[str]) -> Generator[dict[str, Any], None, str]:
    """Scan some files by the engine; returns its complaint, if any."""
    plain = [p for p in paths if "\n" not in p]
    odd = [p for p in paths if "\n" in p]
    common = ["clamdscan", f"--config-file={CLAMD}", "--fdpass", "--stdout", "--no-summary", "--infected"]
    given = os.fsencode("\n".join(plain) + "\n")
    calls: list[tuple[list[str], bytes, str | None]] = []
    calls += [([*common, "--file-list=/dev/stdin"], given, None)] if plain else []
    calls += [([*common, "--", p], b"", p) for p in odd]
    complaint = ""
    for argv, given, alone in calls:
        done = subprocess.run(argv, input=given, capture_output=True, check=False)
        text = os.fsdecode(done.stdout)
        for path, signature in infected(text, alone):
            yield {"is": "found", "path": path.encode("utf-8", "backslashreplace").decode(), "signature": signature}
        if done.returncode not in (0, 1):
            lines = [x for x in (os.fsdecode(done.stderr) + text).splitlines() if "ERROR" in x]
            said = [x for x in lines if not _gone(x, paths)]
            if said or not lines:
                complaint = (said[-1] if said else f"clamdscan ended with {done.returncode}")[:300]
    return complaint


def _gone(line: str, batch: list[str]) -> bool:
    """Whether a complaint is about a file that is not there any more: people delete what is being looked through."""
    return any(path in line and not os.path.lexists(path) for path in batch)


def answers(request: Mapping[str, Any]) -> Answers:
    """What one request asks for."""
    machine = Machine(request.get("options", {}))
    if request["verb"] == "scan":
        wanted: list[Any] = [request.get(k) for k in ("after", "seconds", "fingerprint", "named")]
        yield from scan(machine, request["paths"], *wanted)
        return
    managed(machine)
    with locked(machine):
        if request["verb"] == "mend":
            yield from mend(machine, request["faults"])
        else:
            yield {"is": "signatures", **Signatures(machine).refresh()}
    yield {"is": "end"}


def serve(source: IO[bytes]) -> None:
    """Answer one request: a length in decimal on a line, that many octets of JSON."""
    os.umask(0o022)
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    reply(answers(json.loads(source.read(int(source.readline())))))
