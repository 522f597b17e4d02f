"""Puts a machine's baseline in place, looks at it, and takes it away: package source, keyring, settings of the engine.

Runs ON the machine as root, sent over SSH; nothing of it stays there. Every file is our own (none of a package is
changed) and is listed with its owner in one manifest, which is written before the first file and last of all.
Standard library of Python 3.9 only, and of ours nothing but `host_state`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from control_plane.drivers.host_state import AgentError, file_state, from_os, state_of

VERSION = 1
MODE = 0o644
HOME = "var/lib/gasp"
DATABASES = "var/lib/clamav"
MARKER = f"{DATABASES}/gasp-set.hdb"
SOCKET = "run/clamav/clamd.ctl"
UNITS = ("clamav-daemon.socket", "clamav-daemon.service")
#: A text whose only use is to be recognised: the engine answers with the set that it has loaded.
PROBE = b"GASP signature set\n"
NO_SET = "none"
"""What the engine answers that has no set of the centre yet: one signature of our own lets it start."""
ENGINE_SECONDS = 60.0


class Machine:
    """Paths below `root`; `units` False (tests in a folder) leaves the service manager alone."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.root = Path(options.get("root", "/"))
        self.units = bool(options.get("units", True))
        self.home = self.root / HOME
        self.manifest = self.home / "machine.json"
        self.lists = self.home / "lists.json"
        self.signatures = self.home / "signatures.json"

    def path(self, name: str) -> Path:
        """The path of an absolute name."""
        return self.root / name.lstrip("/")

    def load(self) -> dict[str, Any] | None:
        """Our manifest; None when we manage nothing here. Raises AgentError when it cannot be trusted."""
        try:
            found = json.loads(self.manifest.read_text("utf-8"))
            if found["version"] == VERSION and isinstance(found["files"], dict):
                return dict(found)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise AgentError("manifest-garbled", str(self.manifest), str(error)) from None
        raise AgentError("manifest-garbled", str(self.manifest), "of another version")


def write(path: Path, content: bytes, mode: int = MODE) -> None:
    """Replace a file at once and for good."""
    temporary = path.with_name(f".{path.name}.gasp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    temporary.replace(path)


def fingerprint(machine: Machine) -> dict[str, str]:
    """What tells this machine from all others."""
    key = machine.root / "etc/ssh/ssh_host_ed25519_key.pub"
    words = key.read_text("ascii").split() if key.exists() else []
    name = machine.root / "etc/machine-id"
    return {
        "machine_id": name.read_text("ascii").strip() if name.exists() else "",
        "host_key": hashlib.sha256(words[1].encode()).hexdigest()[:32] if len(words) > 1 else "",
    }


def token_of(manifest: Mapping[str, Any] | None, states: Mapping[str, str]) -> str:
    """What a write must find unchanged."""
    text = json.dumps([manifest, states], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def actual(machine: Machine, manifest: Mapping[str, Any] | None) -> dict[str, str]:
    """State of each of our files."""
    return {name: state_of(machine.path(name)) for name in (manifest or {}).get("files", ())}


def observe(machine: Machine) -> dict[str, Any]:
    """Our baseline as it is, and package sources of others."""
    manifest = machine.load()
    states = actual(machine, manifest)
    row: dict[str, Any] = {"token": token_of(manifest, states), "fingerprint": fingerprint(machine)}
    row["foreign"] = foreign_sources(machine, manifest)
    if manifest is not None:
        differing = {n: found for n, found in states.items() if found != manifest["files"][n]}
        row.update(id=manifest["id"], owner=manifest["owner"], label=manifest["label"])
        row["attributes"] = manifest["attributes"]
        if manifest.get("unfinished"):
            row["unfinished"] = True
        elif differing:
            row["hand_made"] = {
                n: "missing" if f == "missing" else "content or mode differs" for n, f in differing.items()
            }
    return row


def foreign_sources(machine: Machine, manifest: Mapping[str, Any] | None) -> list[str]:
    """Package sources that are not ours."""
    apt = machine.root / "etc/apt"
    names = [p for p in sorted((apt / "sources.list.d").glob("*")) if p.suffix in (".list", ".sources")]
    names += [p for p in [apt / "sources.list"] if p.exists() and p.stat().st_size]
    ours = set((manifest or {}).get("files", ()))
    found = ["/" + str(p.relative_to(machine.root)) for p in names]
    return [name for name in found if name not in ours]


def marker(set_id: str) -> bytes:
    """The signature by which the engine tells which set it has loaded."""
    digest = hashlib.md5(PROBE, usedforsecurity=False).hexdigest()
    return f"{digest}:{len(PROBE)}:Gasp.Set.{set_id.encode().hex()}\n".encode()


def ask_engine(command: bytes, machine: Machine, seconds: float = 5.0) -> str:
    """The engine's answer to one command; raises OSError when it gives none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(seconds)
        link.connect(str(machine.root / SOCKET))
        link.sendall(command)
        answer = b""
        while not answer.endswith(b"\0"):
            block = link.recv(4096)
            if not block:
                break
            answer += block
    return answer.rstrip(b"\0").decode("utf-8", "replace")


def loaded_set(machine: Machine, seconds: float = 5.0) -> str | None:
    """Which set the running engine has loaded, by its own answer; empty: none of ours."""
    size = len(PROBE).to_bytes(4, "big")
    answer = ask_engine(b"zINSTREAM\0" + size + PROBE + bytes(4), machine, seconds)
    word = answer.partition("Gasp.Set.")[2].split(".")[0].split(" ")[0]
    try:
        return bytes.fromhex(word).decode("utf-8") if word else None
    except ValueError:
        return None


def systemctl(*argv: str) -> None:
    """Raises AgentError with what it said."""
    done = subprocess.run(["systemctl", *argv], capture_output=True, text=True, timeout=90, check=False)
    if done.returncode:
        raise AgentError("service-refused", " ".join(argv), done.stderr.strip()[-300:])


def start_engine(machine: Machine) -> None:
    """Restart the engine and wait until it answers; raises AgentError."""
    if not machine.units:
        return
    systemctl("daemon-reload")
    subprocess.run(["systemctl", "reset-failed", *UNITS], capture_output=True, check=False)
    systemctl("restart", *UNITS)
    until = time.monotonic() + ENGINE_SECONDS
    said = ""
    while time.monotonic() < until:
        try:
            if ask_engine(b"zPING\0", machine) == "PONG":
                return
        except OSError as error:
            said = str(error)
        time.sleep(0.1)
    raise AgentError("engine-silent", "", said)


class Baseline:
    """One change of a baseline."""

    def __init__(self, machine: Machine, request: Mapping[str, Any], fresh_home: bool) -> None:
        self.machine, self.request, self.fresh_home = machine, request, fresh_home
        self.before = machine.load()
        self.states = actual(machine, self.before)

    def _expected(self) -> None:
        if self.before is not None and self.before.get("unfinished") and self.before["id"] == self.request["id"]:
            return  # what an interrupted change of the same thing left is finished
        token = token_of(self.before, self.states)
        if token != self.request["token"]:
            raise AgentError("moved", str(self.machine.manifest), "")

    def put(self) -> str:
        """Make it as wanted; returns `applied` or `already`."""
        wanted = {name: text.encode() for name, text in self.request["files"].items()}
        expected = {name: file_state(content, MODE) for name, content in wanted.items()}
        entry = {key: self.request[key] for key in ("id", "owner", "label", "attributes")}
        if self.before is not None and not self.before.get("unfinished"):
            same = {key: self.before[key] for key in entry} == entry and self.before["files"] == expected
            if same and self.states == expected:
                return "already"
        self._expected()
        ours = set((self.before or {}).get("files", ()))
        for name in wanted:
            if name not in ours and state_of(self.machine.path(name)) != "missing":
                raise AgentError("foreign", name, "")
        kept = {n: self.machine.path(n).read_bytes() for n in ours if self.machine.path(n).is_file()}
        manifest = {"version": VERSION, **entry, "files": {**(self.before or {}).get("files", {}), **expected}}
        manifest["folders"] = sorted({*(self.before or {}).get("folders", ()), *self._make_folders(wanted)})
        manifest["databases"] = (self.before or {}).get("databases") or self._databases()
        self._save({**manifest, "unfinished": True})
        for name, content in wanted.items():
            write(self.machine.path(name), content)
        for name in ours - wanted.keys():
            self.machine.path(name).unlink(missing_ok=True)
        if not (self.machine.root / MARKER).exists():
            (self.machine.root / DATABASES).mkdir(parents=True, exist_ok=True)
            write(self.machine.root / MARKER, marker(NO_SET))
        try:
            start_engine(self.machine)
        except AgentError:
            if self.before is not None and not self.before.get("unfinished"):
                self._back(kept, wanted.keys())
            raise
        manifest["files"] = expected
        self._save(manifest)
        return "applied"

    def _back(self, kept: Mapping[str, bytes], written: Any) -> None:
        for name in written:
            if name not in kept:
                self.machine.path(name).unlink(missing_ok=True)
        for name, content in kept.items():
            write(self.machine.path(name), content)
        self._save(self.before or {})
        with contextlib.suppress(AgentError):
            start_engine(self.machine)

    def _make_folders(self, wanted: Mapping[str, bytes]) -> list[str]:
        made = []
        for folder in sorted({str(Path(name).parent) for name in wanted}):
            for part in [*reversed(Path(folder).parents), Path(folder)]:
                if not self.machine.path(str(part)).is_dir():
                    self.machine.path(str(part)).mkdir(mode=0o755)
                    made.append(str(part))
        return [*made, f"/{HOME}"] if self.fresh_home else made

    def _databases(self) -> list[str]:
        folder = self.machine.root / DATABASES
        return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []

    def _save(self, manifest: Mapping[str, Any]) -> None:
        write(self.machine.manifest, json.dumps(manifest, sort_keys=True).encode(), 0o600)

    def remove(self) -> str:
        """Take away everything of ours; what the department has stays."""
        if self.before is None:
            self._leave(["/" + HOME] if self.fresh_home else [])
            return "already"
        if self.before["id"] != self.request["id"]:
            raise AgentError("moved", str(self.machine.manifest), "")
        self._expected()
        self._save({**self.before, "unfinished": True})
        for name in self.before["files"]:
            self.machine.path(name).unlink(missing_ok=True)
        self._forget_databases()
        self._forget_lists()
        if self.machine.units:
            systemctl("daemon-reload")
            systemctl("stop", *UNITS)
            subprocess.run(["systemctl", "reset-failed", *UNITS], capture_output=True, check=False)
        for left in (self.machine.lists, self.machine.signatures, self.machine.manifest):
            left.unlink(missing_ok=True)
        self._leave(self.before.get("folders", ()))
        return "applied"

    def _leave(self, folders: Any) -> None:
        (self.machine.home / "machine.lock").unlink(missing_ok=True)
        for folder in sorted(folders, key=len, reverse=True):
            with contextlib.suppress(OSError):
                self.machine.path(folder).rmdir()

    def _forget_databases(self) -> None:
        folder = self.machine.root / DATABASES
        (self.machine.root / MARKER).unlink(missing_ok=True)
        with contextlib.suppress(OSError, ValueError):
            for name in json.loads(self.machine.signatures.read_text("utf-8"))["files"]:
                (folder / Path(name).name).unlink(missing_ok=True)
        if "freshclam.dat" not in (self.before or {}).get("databases", ()):
            (folder / "freshclam.dat").unlink(missing_ok=True)

    def _forget_lists(self) -> None:
        uri = str((self.before or {}).get("attributes", {}).get("uri", ""))
        prefix = uri.partition("://")[2].rstrip("/").replace("_", "%5f").replace("/", "_")
        folder = self.machine.root / "var/lib/apt/lists"
        for path in folder.glob(f"{prefix}_*") if prefix else ():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(machine: Machine) -> Iterator[None]:
    """One change at a time."""
    machine.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (machine.home / "machine.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AgentError("busy", "", "") from None
        yield


def serve(source: IO[bytes]) -> None:
    """Answer one request: a length in decimal on a line, that many octets of JSON."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o022)
    try:
        request: dict[str, Any] = json.loads(source.read(int(source.readline())))
        machine = Machine(request.get("options", {}))
        if request["verb"] == "observe":
            answer = observe(machine)
        else:
            fresh = not machine.home.is_dir()
            with locked(machine):
                work = Baseline(machine, request, fresh)
                answer = {"state": work.remove() if request["verb"] == "remove" else work.put()}
        answer["is"] = "answer"
    except AgentError as error:
        answer = {"is": "error", **error.as_json()}
    except OSError as error:
        answer = {"is": "error", **from_os(error).as_json()}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
