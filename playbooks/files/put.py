"""Put one role's files on a host in one step: compare, write, check, activate; keep the old ones if the check fails.

Runs on the host (standard library only) with a JSON description on standard input; see the role's README.
Must not print contents or secrets: the answer on standard output names paths only.
"""

from __future__ import annotations

import base64
import fcntl
import grp
import hashlib
import json
import os
import pwd
import re
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

STATE = Path(os.environ.get("GASP_ROLE_STATE", "/var/lib/gasp/roles"))
SERIAL = "@SERIAL@"
SERIAL_LINE = re.compile(r"\b(\d+)(\s*; serial)")
COMMAND_SECONDS = 120


class Failed(Exception):
    """A step said no; the text is for people."""


def ids(entry: dict) -> tuple[int, int]:
    """Numbers of the owner and group that an entry names (root where it names none)."""
    return pwd.getpwnam(entry.get("owner", "root")).pw_uid, grp.getgrnam(entry.get("group", "root")).gr_gid


def current(path: Path) -> dict | None:
    """What is at `path`: content, mode and owner of a file, the target of a link; None when nothing is there."""
    try:
        info = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if path.is_symlink():
        return {"link": str(path.readlink())}
    content = base64.b64encode(path.read_bytes()).decode()
    return {"content": content, "mode": info.st_mode & 0o7777, "uid": info.st_uid, "gid": info.st_gid}


def write(path: Path, state: dict | None) -> None:
    """Make `path` be `state` (a value of `current`), by a rename."""
    if state is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.gasp-new")
    fresh.unlink(missing_ok=True)
    if "link" in state:
        fresh.symlink_to(state["link"])
    else:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64decode(state["content"]))
            os.fchown(file.fileno(), state["uid"], state["gid"])
            os.fchmod(file.fileno(), state["mode"])
            file.flush()
            os.fsync(file.fileno())
    fresh.replace(path)


def wanted(entry: dict, now: dict | None) -> dict | None:
    """The state a file entry asks for, given what is there. A serial number is kept while the rest is the same."""
    if entry.get("absent"):
        return None
    if entry.get("once") and now is not None:
        return now
    text = entry["content"]
    if SERIAL in text:
        old = base64.b64decode(now["content"]).decode("utf-8", "replace") if now and "content" in now else ""
        found = SERIAL_LINE.search(old)
        last = int(found.group(1)) if found else 0
        same = SERIAL_LINE.sub(rf"{SERIAL}\2", old) == text
        text = old if same else text.replace(SERIAL, str(max(int(time.time()), last + 1)))
    uid, gid = ids(entry)
    content = base64.b64encode(text.encode()).decode()
    return {"content": content, "mode": int(entry.get("mode", "0644"), 8), "uid": uid, "gid": gid}


def folder(entry: dict) -> bool:
    """Make a folder as described; True when something had to be done."""
    path, (uid, gid) = Path(entry["path"]), ids(entry)
    mode, changed = int(entry.get("mode", "0755"), 8), False
    if not path.is_dir():
        path.mkdir(parents=True)
        changed = True
    info = path.stat()
    if (info.st_mode & 0o7777, info.st_uid, info.st_gid) != (mode, uid, gid):
        os.chown(path, uid, gid)
        path.chmod(mode)
        changed = True
    return changed


def shell(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a snippet of the role; its output is read, not shown."""
    try:
        return subprocess.run(
            ["sh", "-euc", script],
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        )
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(error.cmd, 124, f"no end after {COMMAND_SECONDS} s", "")


def missing_packages(packages: list[str]) -> list[str]:
    """Those of `packages` that dpkg does not have installed, sorted."""
    if not packages:
        return []
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *packages]
    done = subprocess.run(query, text=True, capture_output=True)
    here = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("installed ")}
    return sorted(set(packages) - here)


def put(role: dict) -> dict:
    """Bring the host to what `role` describes. Returns {missing} or {changed, activated}; raises Failed."""
    missing = missing_packages(role.get("packages", []))
    if missing:
        return {"missing": missing, "changed": [], "activated": False}
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One at a time: a run that was killed on the other side may still be at work here. Freed when this process ends.
    fcntl.flock(os.open(STATE, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX)
    stamp, pending = STATE / role["name"], STATE / f"{role['name']}.pending"
    changed = [entry["path"] for entry in role.get("folders", []) if folder(entry)]
    entries = role.get("files", [])
    now = {entry["path"]: current(Path(entry["path"])) for entry in entries}
    want = {entry["path"]: wanted(entry, now[entry["path"]]) for entry in entries}
    differing = [path for path in want if want[path] != now[path]]
    digest = hashlib.sha256(json.dumps(role, sort_keys=True).encode()).hexdigest()
    same = stamp.exists() and stamp.read_text().strip() == digest
    if not differing and not pending.exists() and same and not shell(role.get("alive", "true"), {}).returncode:
        return {"missing": [], "changed": changed, "activated": bool(changed)}

    # From here until the end `pending` holds what was there before, so that a killed step is finished or undone.
    # Files made `once` hold data that grows: they are never put back, or a late undo would lose it.
    grown = {entry["path"] for entry in entries if entry.get("once")}
    before = {path: now[path] for path in differing if path not in grown}
    if pending.exists():
        before |= json.loads(pending.read_text())
    text = base64.b64encode(json.dumps(before).encode()).decode()
    write(pending, {"content": text, "mode": 0o600, "uid": os.geteuid(), "gid": os.getegid()})
    for path in differing:
        write(Path(path), want[path])
    environment = {"CHANGED": "\n".join(sorted(before)), "FIRST": "" if stamp.exists() else "1"}
    checked = shell(role.get("check", "true"), environment)
    if checked.returncode:
        for path, state in before.items():
            write(Path(path), state)
        pending.unlink()
        raise Failed(f"the check refused the new configuration, the old one stays:\n{checked.stdout}")
    activated = shell(role.get("activate", "true"), environment)
    if activated.returncode:
        if stamp.exists():
            for path, state in before.items():
                write(Path(path), state)
            again = shell(role.get("activate", "true"), environment)
            pending.unlink()
            word = "is in force again" if not again.returncode else f"does not start either: {again.stdout}"
            raise Failed(f"the service did not take the new configuration; the old one {word}\n{activated.stdout}")
        raise Failed(f"the service did not start:\n{activated.stdout}")
    text = base64.b64encode(f"{digest}\n".encode()).decode()
    write(stamp, {"content": text, "mode": 0o600, "uid": os.geteuid(), "gid": os.getegid()})
    pending.unlink()
    return {"missing": [], "changed": sorted({*changed, *differing}), "activated": True}


def blackout(text: str, secrets: list[str]) -> str:
    """`text` without the secrets, also in the forms that tools turn them into."""
    for secret in filter(None, secrets):
        forms = {secret, base64.b64encode(secret.encode()).decode(), urllib.parse.quote(secret, safe="")}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "(secret)")
    return text


def main() -> int:
    """0: done (JSON on standard output). 1: not done, the reason is on standard error."""
    os.umask(0o022)
    role = json.load(sys.stdin)
    try:
        print(json.dumps(put(role)))
    except (Failed, OSError, KeyError, UnicodeError, ValueError) as error:
        reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        print(blackout(reason.strip(), role.get("secrets", [])), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
