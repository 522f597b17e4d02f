"""The one detached process of a lab: keeps its hosts alive and starts them again when they reboot or die.

Knows nothing of topology: it reads `boot.json` (how to start each host) and `desired.json` (which are to be
stopped), again at SIGHUP, and writes `status.json`. SIGTERM stops every host in order and ends it. If it is killed
the hosts live on; the next one finds them by their cgroups and takes them over. Must not import more than it needs:
it lives as long as the lab.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lab import cgroups
from lab.cgroups import Cgroups
from lab.files import locked, read_json, write_json

State = Literal["running", "starting", "stopped", "failed"]
#: nspawn's exit status when the host asked for a reboot.
REBOOT = 133
#: Seconds: how long a host may take to its SSH banner, to an orderly end, and to a forced one.
BOOT_LIMIT, STOP_LIMIT, BOOTING_STOP_LIMIT, FORCE_LIMIT = 120.0, 20.0, 2.0, 5.0
#: After so many ends in a row, each within SHORT seconds of its start, a host counts as failed.
FAILURES, SHORT = 3, 15.0
CONSOLE_LIMIT = 1 << 20


@dataclass
class Watch:
    """What the supervisor knows of one host."""

    name: str
    spec: dict[str, Any]
    state: State = "stopped"
    pid: int | None = None
    since: float = field(default_factory=time.time)
    restarts: int = 0
    exit: int | None = None
    failures: int = 0
    wanted: bool = True
    hard: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs until SIGTERM. All files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        document = read_json(folder / "boot.json") or {}
        self.cgroups = _place(document)
        self.slots = asyncio.Semaphore(document["parallel"])
        self.watches: dict[str, Watch] = {}
        self.ending = False
        self.dirty = asyncio.Event()
        self.reread = asyncio.Event()

    async def run(self) -> None:
        """Watch over the hosts until told to end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.reread.set)
        loop.add_signal_handler(signal.SIGTERM, self._end)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        self.reread.set()
        self._write_status()
        start = cgroups.start_time(os.getpid())
        write_json(self.folder / "supervisor.pid", {"pid": os.getpid(), "start": start})
        writer = asyncio.create_task(self._write_forever())
        while not self.ending:
            await self.reread.wait()
            self.reread.clear()
            if not self.ending:
                self._read()
        await asyncio.gather(*(watch.task for watch in self.watches.values() if watch.task), return_exceptions=True)
        writer.cancel()
        self._write_status()

    def _end(self) -> None:
        self.ending = True
        for watch in self.watches.values():
            self._want(watch, wanted=False)
        self.reread.set()

    def _read(self) -> None:
        boot = read_json(self.folder / "boot.json") or {"hosts": {}}
        desired = read_json(self.folder / "desired.json") or {}
        stopped, hard = set(desired.get("stopped", ())), set(desired.get("hard", ()))
        for name, spec in boot["hosts"].items():
            watch = self.watches.get(name)
            if watch is None or (watch.task and watch.task.done()):
                watch = self.watches[name] = Watch(name, spec)
                watch.wanted = name not in stopped
                watch.task = asyncio.create_task(self._keep(watch))
            watch.spec, watch.hard = spec, name in hard
            self._want(watch, wanted=name not in stopped)
        for name in set(self.watches) - set(boot["hosts"]):
            self._want(self.watches[name], wanted=False)
        self.dirty.set()

    @staticmethod
    def _want(watch: Watch, *, wanted: bool) -> None:
        if wanted != watch.wanted:
            watch.wanted, watch.failures = wanted, 0
        watch.changed.set()

    def _set(self, watch: Watch, state: State) -> None:
        if state != watch.state:
            watch.state, watch.since = state, time.time()
        self.dirty.set()

    async def _keep(self, watch: Watch) -> None:
        """One host's whole time. One host's trouble must not end the watch over it."""
        while not (self.ending and watch.state == "stopped"):
            watch.changed.clear()
            try:
                if watch.wanted:
                    await self._life(watch)
                else:
                    await self._clear(watch)
                    self._set(watch, "stopped")
            except Exception as error:
                _log(f"{watch.name}: {type(error).__name__}: {error}")
                watch.failures += 1
                await asyncio.sleep(0.5)
            if watch.state == "stopped" and not watch.wanted:
                if not self.ending:
                    await watch.changed.wait()
            elif watch.failures >= FAILURES:
                self._set(watch, "failed")
                with suppress(TimeoutError):
                    await asyncio.wait_for(watch.changed.wait(), min(60.0, 2.0 ** (watch.failures - FAILURES)))

    async def _life(self, watch: Watch) -> None:
        """From a start (or from taking a living host over) to the end of the host."""
        began = time.monotonic()
        process: subprocess.Popen[bytes] | None = None
        unwanted = asyncio.ensure_future(self._unwanted(watch))
        events = {unwanted}
        try:
            async with self.slots:
                if not watch.wanted:
                    return
                watch.pid = self._living(watch)
                if watch.pid is None:
                    await self._clear(watch)
                    process = self._spawn(watch)
                    watch.pid = process.pid
                if watch.state != "failed":
                    self._set(watch, "starting")
                ended = asyncio.ensure_future(_ended(watch.pid))
                answered = asyncio.ensure_future(_banner(*watch.spec["ssh"]))
                events |= {ended, answered}
                await asyncio.wait(events, timeout=BOOT_LIMIT, return_when=asyncio.FIRST_COMPLETED)
            if not any(event.done() for event in events):
                self._set(watch, "failed")  # it lives, but nobody can get in: kept for looking at, not restarted
                await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                self._set(watch, "running")
            await asyncio.wait({ended, unwanted}, return_when=asyncio.FIRST_COMPLETED)
            if not watch.wanted:
                await self._stop(watch, ended)
        finally:
            for event in events:
                event.cancel()
        watch.pid, watch.exit = None, process.poll() if process else None
        if watch.wanted:
            how = "rebooted" if watch.exit == REBOOT else f"ended ({watch.exit})"
            _log(f"{watch.name}: {how}, starting it again")
            watch.restarts += 1
            short = time.monotonic() - began < SHORT and watch.exit != REBOOT
            watch.failures = watch.failures + 1 if short else 0
            if watch.failures < FAILURES:
                self._set(watch, "starting")
        await self._clear(watch)

    async def _unwanted(self, watch: Watch) -> None:
        while watch.wanted:
            await watch.changed.wait()
            watch.changed.clear()

    def _living(self, watch: Watch) -> int | None:
        """A host of an earlier supervisor that can be taken over: its nspawn and its init both live."""
        pids = self.cgroups.pids(watch.name)
        watcher, init = cgroups.nspawn_of(pids), cgroups.init_of(pids)
        return watcher if watcher and init and cgroups.is_alive(init) else None

    def _spawn(self, watch: Watch) -> subprocess.Popen[bytes]:
        folders = self.cgroups.folders(watch.name)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        console = Path(watch.spec["console"])
        if console.exists() and console.stat().st_size > CONSOLE_LIMIT:
            console.replace(console.with_suffix(".log.1"))
        with console.open("ab") as output:
            return subprocess.Popen(
                watch.spec["argv"], env=watch.spec["env"], cwd="/", stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True, preexec_fn=lambda: cgroups.enter(folders),
            )  # fmt: skip

    async def _stop(self, watch: Watch, ended: asyncio.Future[None]) -> None:
        """In order first (nspawn asks init to halt), then at once (second SIGTERM); a `hard` one loses its power."""
        booting = watch.state != "running"  # an init that is not ready yet may lose the signal
        for limit in () if watch.hard else (BOOTING_STOP_LIMIT if booting else STOP_LIMIT, FORCE_LIMIT):
            if watch.pid is not None and not ended.done():
                with suppress(ProcessLookupError):
                    os.kill(watch.pid, signal.SIGTERM)
                await asyncio.wait({ended}, timeout=limit)
        if not ended.done():
            await asyncio.to_thread(cgroups.kill_all, self.cgroups, watch.name)
            await asyncio.wait({ended}, timeout=FORCE_LIMIT)

    async def _clear(self, watch: Watch) -> None:
        """End what is left of the host, wherever it came from, and take its cgroups away."""
        if self.cgroups.pids(watch.name):
            try:
                await asyncio.to_thread(cgroups.kill_all, self.cgroups, watch.name)
            except TimeoutError as error:
                raise OSError(str(error)) from error
        await asyncio.to_thread(self.cgroups.remove, watch.name)

    async def _write_forever(self) -> None:
        while True:
            await self.dirty.wait()
            self.dirty.clear()
            self._write_status()
            await asyncio.sleep(0.05)

    def _write_status(self) -> None:
        hosts = {
            watch.name: {
                "state": watch.state, "pid": watch.pid, "since": watch.since, "restarts": watch.restarts,
                "exit": watch.exit,
            }
            for watch in self.watches.values()
        }  # fmt: skip
        write_json(self.folder / "status.json", {"pid": os.getpid(), "hosts": hosts})


async def _ended(pid: int) -> None:
    """Return when the process has ended, whether it is our child or not."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        loop.add_reader(handle, done.set)
        await done.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def _banner(address: str, port: int) -> None:
    """Return when sshd greets."""
    while True:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(3):
                reader, writer = await asyncio.open_connection(address, port)
                try:
                    if (await reader.read(4)) == b"SSH-":
                        return
                finally:
                    writer.close()
        await asyncio.sleep(0.05)


def _place(document: dict[str, Any]) -> Cgroups:
    given = document["cgroups"]
    return Cgroups(tuple(Path(base) for base in given["bases"]), given["unified"])


def _log(text: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, flush=True)


def main(folder: Path) -> None:
    """Detach, then watch. The caller sees the first process end at once and finds the pid file soon after."""
    if os.fork():
        os._exit(0)
    os.setsid()
    place = _place(read_json(folder / "boot.json") or {})
    for own in place.folders(cgroups.SUPERVISOR):
        own.mkdir(parents=True, exist_ok=True)
    cgroups.enter(place.folders(cgroups.SUPERVISOR))
    place.prepare()
    with locked(folder / "hosts", blocking=False):
        asyncio.run(_main(folder))


async def _main(folder: Path) -> None:
    await Supervisor(folder).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
