"""Runs a playbook through ansible-runner: the one place that knows it. Day 0 only; day 2 has drivers of its own.

Must not leave anything behind: each run has a private folder (0700) that holds its secrets and goes with it, and its
SSH masters are ended. Secrets are on no command line, in no event and in no message.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from control_plane.model.text import Text, t

OnEvent = Callable[[str, str, str, str], None]
"""`(phase, host, task, state)`: phase is the role (or, outside roles, the play), state one of `STATES`."""

STATES = ("started", "ok", "changed", "skipped", "failed", "unreachable")

PREFIX = "ansible-"
#: A socket's path has room for 107 bytes: its name is a hash of 40, and OpenSSH adds 18 to it while it connects.
LONGEST_SOCKET_FOLDER = 107 - len("/") - 40 - 18
#: Seconds an SSH master outlives its last user, should this process be killed before it ends it.
PERSIST_SECONDS = 20
#: Shorter values cannot be told from ordinary words, and blacking them out would garble messages.
SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class HostFailure:
    """What went wrong on one host; `host` is None when the run failed as a whole. `message` holds no secret."""

    host: str | None
    role: str | None
    task: str | None
    message: str
    unreachable: bool = False

    @property
    def text(self) -> Text:
        """One sentence for people."""
        if self.host is None:
            return t("The playbook did not finish: {message}", message=self.message)
        if self.unreachable:
            return t("Host {host} could not be reached over SSH: {message}", host=self.host, message=self.message)
        return t(
            "Host {host}, role {role}, task “{task}” failed: {message}",
            host=self.host,
            role=self.role or "-",
            task=self.task or "-",
            message=self.message,
        )


@dataclass(frozen=True)
class PlaybookResult:
    """Outcome of one run. `changed` counts changed tasks over all hosts, `tasks` those that ran (task-hosts).

    `cancelled` or `timed_out` runs are not `ok`; what had been started on a host may have run to its end.
    """

    ok: bool
    changed: int
    failures: tuple[HostFailure, ...]
    seconds: float
    tasks: int = 0
    cancelled: bool = False
    timed_out: bool = False
    hosts_changed: tuple[str, ...] = ()


def run_playbook(
    playbook: Path,
    inventory: Mapping[str, Any],
    extra_vars: Mapping[str, Any],
    secret_vars: Mapping[str, Any],
    *,
    workdir: Path,
    ssh_config: Path | None = None,
    on_event: OnEvent | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    timeout_seconds: int = 900,
    forks: int = 16,
    environment: Mapping[str, str] | None = None,
    limit: str = "all",
) -> PlaybookResult:
    """Run `playbook` on the hosts of `inventory` (Ansible's YAML form as a mapping) and wait for its end.

    `secret_vars` are variables as well, in a file of their own; whatever string of at least six characters they hold
    is blacked out in messages. `ssh_config` is given to ssh(1) with -F and must keep host key checking on.
    `environment` is added to the child's. `limit` is a pattern of hosts in Ansible's form;
    others are left alone. Never raises for a failure on a host or of Ansible: see `failures`.
    """
    began = time.monotonic()
    workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _private_folder(workdir) as folder, _sockets(folder, ssh_config) as sockets:
        tally = _Tally(_Blackout(secret_vars), on_event)
        for name, content in (("inventory", inventory), ("variables", extra_vars), ("secrets", secret_vars)):
            _write(folder / f"{name}.json", json.dumps(content, default=str))
        (folder / "env").mkdir()
        # As an argument they would be lost: ansible-runner reads settings from this file only.
        _write(folder / "env" / "settings", json.dumps({"pexpect_timeout": 1, "job_timeout": timeout_seconds}))
        wrapper = folder / "bin" / "ansible-playbook"
        wrapper.parent.mkdir()
        settings = {**_environment(folder, sockets, ssh_config, forks), **(environment or {})}
        _write(wrapper, _wrapper(n for n in os.environ if n.startswith("ANSIBLE_") and n not in settings), 0o700)
        status = _run(
            tally,
            private_data_dir=str(folder),
            playbook=str(playbook.resolve()),
            inventory=str(folder / "inventory.json"),
            cmdline=shlex.join(
                ["-e", f"@{folder / 'variables.json'}", "-e", f"@{folder / 'secrets.json'}", "--limit", limit]
            ),
            envvars=settings,
            cancel_callback=cancelled,
        )
        if status != "successful" and not tally.failures:
            tally.failures.append(HostFailure(None, None, None, tally.blackout(_why(folder, status, timeout_seconds))))
    return PlaybookResult(
        ok=status == "successful" and not tally.failures,
        changed=sum(tally.changed.values()),
        failures=tuple(tally.failures),
        seconds=time.monotonic() - began,
        tasks=tally.tasks,
        cancelled=status == "canceled",
        timed_out=status == "timeout",
        hosts_changed=tuple(sorted(tally.changed)),
    )


def _run(tally: _Tally, **arguments: Any) -> str:
    """Status in ansible-runner's words. Imported here, because the import alone costs half a second."""
    import ansible_runner

    try:
        runner = ansible_runner.run(event_handler=tally.handle, quiet=True, suppress_env_files=True, **arguments)
    except ansible_runner.AnsibleRunnerException as error:
        tally.failures.append(HostFailure(None, None, None, tally.blackout(str(error))))
        return "failed"
    return str(runner.status)


class _Blackout:
    """Replaces secrets in text, in the forms that tools turn them into."""

    def __init__(self, secret_vars: Mapping[str, Any]) -> None:
        forms: set[str] = set()
        for secret in _strings(secret_vars):
            if len(secret) >= SHORTEST_SECRET:
                encoded = base64.b64encode(secret.encode()).decode()
                quoted = json.dumps(secret)[1:-1]
                forms |= {secret, secret.strip(), encoded, quoted, repr(secret)[1:-1], urllib.parse.quote(secret, "")}
        self.forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self.forms:
            text = text.replace(form, "(secret)")
        return text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)


@dataclass
class _Tally:
    """Counts what the events say; ansible-runner keeps none of them, because `handle` returns False."""

    blackout: _Blackout
    on_event: OnEvent | None
    failures: list[HostFailure] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)
    tasks: int = 0

    def handle(self, event: Mapping[str, Any]) -> bool:
        """Event handler of ansible-runner."""
        name, data = event["event"], event.get("event_data") or {}
        phase = data.get("role") or data.get("play") or ""
        task = self.blackout(str(data.get("task") or ""))
        if str(data.get("task_action")).rpartition(".")[2] in ("include_role", "include_tasks"):
            return False
        if name == "runner_on_start":
            self._tell(phase, str(data.get("host")), task, "started")
        state = {
            "runner_on_ok": "ok",
            "runner_on_skipped": "skipped",
            "runner_on_failed": "failed",
            "runner_on_unreachable": "unreachable",
        }.get(name)
        if state is None:
            return False
        host, result = str(data.get("host")), data.get("res") or {}
        if state == "failed" and data.get("ignore_errors"):
            state = "ok"
        if state != "skipped":
            self.tasks += 1
        if state == "ok" and result.get("changed"):
            state = "changed"
            self.changed[host] = self.changed.get(host, 0) + 1
        if state in ("failed", "unreachable"):
            message = self.blackout(_message(result))
            self.failures.append(HostFailure(host, data.get("role"), task, message, state == "unreachable"))
        self._tell(phase, host, task, state)
        return False

    def _tell(self, phase: str, host: str, task: str, state: str) -> None:
        if self.on_event is not None:
            self.on_event(self.blackout(phase), host, task, state)


def _message(result: Mapping[str, Any]) -> str:
    """What a failed task said, its standard error first; at most 4,000 characters, the end is kept."""
    if "censored" in result:
        return str(result["censored"])
    parts = [str(result.get(key) or "").strip() for key in ("msg", "stderr", "module_stderr", "stdout")]
    seen: list[str] = []
    for part in parts:
        if part and part not in seen:
            seen.append(part)
    return "\n".join(seen)[-4000:] or "no message"


def _why(folder: Path, status: str, timeout_seconds: int) -> str:
    """Why a run without a failed host was no success: the end of what ansible-playbook printed."""
    if status == "canceled":
        return "it was stopped on request"
    if status == "timeout":
        return f"it was stopped after {timeout_seconds} s"
    printed = [path.read_text(errors="replace") for path in sorted(folder.glob("artifacts/*/std*"))]
    lines = [line for text in printed for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-20:]) or f"ansible-playbook ended with status {status} and said nothing"


def _environment(folder: Path, sockets: Path, ssh_config: Path | None, forks: int) -> dict[str, str]:
    ssh = ["-o", "ControlMaster=auto", "-o", f"ControlPersist={PERSIST_SECONDS}", "-o", f"ControlPath={sockets}/%C"]
    if ssh_config is not None:
        ssh = ["-F", str(ssh_config), *ssh]
    config = folder / "ansible.cfg"
    _write(config, "[defaults]\n")
    return {
        "PATH": f"{folder / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_FORKS": str(forks),
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": shlex.join(ssh),
        "ANSIBLE_SSH_RETRIES": "1",
        "ANSIBLE_TIMEOUT": "15",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_NO_TARGET_SYSLOG": "True",
    }


def _wrapper(foreign: Iterable[str]) -> str:
    """A script in front of ansible-playbook: it lets it die with this process, also when that is killed.

    What the caller's own Ansible is set to must not change this run, and ansible-runner hands on all of it.
    """
    real = Path(sys.executable).parent / "ansible-playbook"
    return f'#!/bin/sh\nunset _ {" ".join(foreign)}\nexec setpriv --pdeathsig KILL -- {shlex.quote(str(real))} "$@"\n'


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)


@contextlib.contextmanager
def _private_folder(workdir: Path) -> Iterator[Path]:
    """A folder (0700) that is removed at the end; locked, so that a later run knows whether its owner lives."""
    with _locked(workdir):
        _sweep(workdir)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=workdir)).resolve()
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        _end_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _end_processes(folder: Path) -> None:
    """Kill what still runs for this folder: Ansible's workers have sessions of their own and outlive it when it is
    killed. They are known by their environment, which names the folder and which all their children inherit."""
    mark = f"ANSIBLE_CONFIG={folder}/".encode()
    for _ in range(5):
        found = [pid for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")) if _has(pid, mark)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def _has(pid: int, mark: bytes) -> bool:
    try:
        return any(entry.startswith(mark) for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return False


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(workdir: Path) -> None:
    """End and remove what killed runs have left: their secrets and workers must not outlive them."""
    for folder in workdir.glob(f"{PREFIX}*"):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end_processes(folder.resolve())
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(handle)


@contextlib.contextmanager
def _sockets(folder: Path, ssh_config: Path | None) -> Iterator[Path]:
    """A folder for SSH control sockets, short enough for their paths; at the end all masters are told to exit."""
    place = folder / "cm"
    if len(str(place)) > LONGEST_SOCKET_FOLDER:
        place = Path(tempfile.mkdtemp(prefix="gasp-cm-"))
    place.mkdir(mode=0o700, exist_ok=True)
    try:
        yield place
    finally:
        config = ["-F", str(ssh_config)] if ssh_config is not None else []
        for socket in place.iterdir():
            command = ["ssh", *config, "-o", f"ControlPath={socket}", "-O", "exit", "gasp"]
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False)
        shutil.rmtree(place, ignore_errors=True)
