"""Spool of the access record: what the proxy logged and which connections were opened, so written that a loss shows.

Runs on the gateway with the standard library only. `run CONFIG` gathers, `send CONFIG` gives closed segments to the
centre and deletes those that it has confirmed. Must never delete a segment that was not confirmed, and never leave a
time that was not recorded without a line that says so.

A segment is text, one line an entry, fields separated by tabs:

    H  1 chain sequence former boot opened     `former`: hash of the segment before, 64 zeros for the first
    L  kind time since event protocol address port nat nat_port host server server_port up down verdict rule
    B  time boottime inode offset head         heartbeat: everything before `time` is recorded (proxy log to `offset`)
    G  source begin end reason detail          `source` (proxy, direct) was not recorded between the two
    E  closed lines
    S  SHA-256 of all octets before this line

Times are seconds since 1970 (UTC) with microseconds. Whatever follows the last heartbeat of a segment that was not
closed is cut off at the next start: its proxy lines are read again, its direct ones lie in the gap that is marked then.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parent))

from access_sources import BEATEN, Connections, ProxyLog, now

FIRST = "0" * 64
TICK_SECONDS = 1.0
BEAT_SECONDS = 5.0
CLOCK_SECONDS = 2.0
MARGIN_SECONDS = 1.0
"""A gap begins this long before the last heartbeat: events may have been on their way when it was written."""
CLOSE_TICKS = 100
HELD_LINES = 200_000
"""Lines kept in memory while the disk takes none."""


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, text: str) -> None:
    """Replace a file's content, so that a reader sees the old or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    sync_folder(path.parent)


def boot_id() -> str:
    """Which boot of this machine it is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started() -> float:
    """When this host was started, in seconds of the boot clock: a container shares the machine's boot id."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        ticks = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
        return ticks / os.sysconf("SC_CLK_TCK")
    return 0.0


class Spool:
    """The segments below `folder`: one open, any number closed; `state.json` outlives their collection."""

    def __init__(self, folder: Path, seconds: float, octets: int) -> None:
        self.folder, self.seconds, self.octets = folder, seconds, octets
        self.boot = f"{boot_id()}/{started():.0f}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file: int | None = None
        self.good = 0
        self.sealed = False
        self.state = self.recover()

    def recover(self) -> dict:
        """Close what a killed run left open. Returns where it stood: chain, sequence, hash, heartbeat, how it ended."""
        path = self.folder / "state.json"
        try:
            state = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            state = {"chain": secrets.token_hex(8), "sequence": 0, "hash": FIRST, "beat": None, "ended": "lost"}
            state |= {"closed": None, "boot": self.boot}
        for left in sorted(self.folder.glob("*.open")):
            state = self.mend(left, state)
        return state

    def mend(self, left: Path, state: dict) -> dict:
        """Cut an open segment to its last heartbeat and close it."""
        content = left.read_bytes()
        if content.startswith(b"H\t") and b"\nS\t" in content and content.endswith(b"\n"):
            head = content.split(b"\n", 1)[0].decode().split("\t")
            digest = content.rpartition(b"\nS\t")[2].decode().strip()
            last = {row[:1]: row.split("\t")[1:] for row in content.decode("utf-8", "replace").splitlines()}
            state = {**state, "chain": head[2], "sequence": int(head[3]), "hash": digest, "beat": last["B"]}
            state |= {"ended": "killed", "boot": head[5], "closed": float(last["E"][0])}
            write_durably(self.folder / "state.json", json.dumps(state))
            left.rename(left.with_suffix(".seg"))
            sync_folder(self.folder)
            return state
        end = content.rfind(b"\nB\t")
        end = content.find(b"\n", end + 1) if end >= 0 else -1
        if end < 0:  # not even its first heartbeat is whole: nothing was ever recorded in it
            left.unlink()
            return state
        head = content.split(b"\n", 1)[0].decode().split("\t")
        beat = content[content.rfind(b"\nB\t", 0, end) + 1 : end].decode().split("\t")[1:]
        self.file = os.open(left, os.O_WRONLY | os.O_APPEND)
        os.ftruncate(self.file, end + 1)
        self.digest = hashlib.sha256(content[: end + 1])
        self.good = end + 1
        self.lines = content[: end + 1].count(b"\nL\t")
        self.state = {**state, "chain": head[2], "sequence": int(head[3]), "beat": beat, "boot": head[5]}
        self.close(float(beat[0]), "killed")
        return self.state

    def open(self, at: float) -> None:
        """Begin the next segment. It becomes real with its first heartbeat."""
        state, sequence = self.state, self.state["sequence"] + 1
        path = self.folder / f"{sequence:012d}.open"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            sync_folder(self.folder)
        except OSError:
            os.close(file)
            raise
        self.file = file
        state |= {"sequence": sequence, "boot": self.boot}
        self.digest, self.good, self.lines, self.sealed = hashlib.sha256(), 0, 0, False
        self.begun = at
        head = ("H", "1", state["chain"], str(state["sequence"]), state["hash"], self.boot, f"{at:.6f}")
        self.head = "\t".join(head) + "\n"

    def append(self, entries: list[str], beat: str) -> None:
        """Entries and the heartbeat that covers them, durably, or nothing at all. Raises OSError."""
        assert self.file is not None and not self.sealed
        text = "".join([self.head if not self.good else "", *(f"{line}\n" for line in entries), f"{beat}\n"])
        self.put(text.encode("utf-8", "backslashreplace"))
        self.lines += sum(line.startswith("L\t") for line in entries)
        self.state["beat"] = beat.split("\t")[1:]

    def put(self, octets: bytes) -> None:
        """Write and sync; a write that fails half-way is taken back."""
        assert self.file is not None
        try:
            view = memoryview(octets)
            while view:
                view = view[os.write(self.file, view) :]
            os.fsync(self.file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.file, self.good)
            raise
        self.digest.update(octets)
        self.good += len(octets)

    def due(self, at: float) -> bool:
        """Whether the open segment is old or large enough."""
        return self.good > 0 and (abs(at - self.begun) >= self.seconds or self.good >= self.octets)

    def close(self, at: float, ended: str) -> None:
        """Seal the open segment: end line, hash, chain, name. Raises OSError; when it is `sealed` then, only the name
        is left to be done, by the next call, and nothing may be appended."""
        assert self.file is not None
        path = self.folder / f"{self.state['sequence']:012d}.open"
        if not self.good:
            path.unlink(missing_ok=True)
            self.state["sequence"] -= 1
        else:
            if not self.sealed:
                last = f"E\t{at:.6f}\t{self.lines}\n".encode()
                whole = self.digest.copy()
                whole.update(last)
                self.put(last + f"S\t{whole.hexdigest()}\n".encode())
                self.sealed = True
                self.state |= {"hash": whole.hexdigest(), "ended": ended, "closed": at}
            write_durably(self.folder / "state.json", json.dumps(self.state))
            if path.exists():
                path.rename(path.with_suffix(".seg"))
            sync_folder(self.folder)
        os.close(self.file)
        self.file, self.sealed = None, False


def gap(source: str, begin: float, end: float, reason: str, detail: str = "") -> str:
    """A line that says what was not recorded."""
    return "\t".join(("G", source, f"{begin:.6f}", f"{max(begin, end):.6f}", reason, detail))


class Service:
    """Gathers from both sources once a second."""

    def __init__(self, config: dict) -> None:
        self.spool = Spool(Path(config["folder"]), config["segment_seconds"], config["segment_octets"])
        state = self.spool.state
        self.proxy = ProxyLog(Path(config["proxy_log"]), state["beat"])
        self.connections = Connections(config["tenants"], config["core"], config["inside"])
        self.ending = self.closing = self.moved = False
        self.held: list[str] = []
        self.beaten = 0.0
        self.clock = now() - BEATEN()
        self.lost_since: float | None = None

    def begin(self) -> None:
        """Say what was missed since the last heartbeat, and note what is open now."""
        state, spool = self.spool.state, self.spool
        at = self.connections.start()
        if state["beat"] is not None:
            ended = "stopped" if state["ended"] == "stopped" else "killed"
            if state["boot"] != spool.boot:
                ended = "host-restarted"
            self.held.append(gap("direct", float(state["beat"][0]) - MARGIN_SECONDS, at, ended))
        else:
            self.held.append(gap("direct", at, at, "began"))
        self.held += self.connections.open_now()
        spool.open(state["closed"] if state["closed"] is not None and state["closed"] <= at else at)

    def tick(self, at: float) -> None:
        """Take what came; write it with a heartbeat. A disk that takes nothing keeps lines in memory for a while."""
        moved = at - BEATEN() - self.clock
        if abs(moved) > CLOCK_SECONDS:
            self.held.append(gap("clock", at, at, "clock-moved", f"{moved:+.1f}"))
            self.clock += moved
            self.moved = True
        came = self.connections.take(at)
        self.held += came
        for problem in (*self.connections.troubles(at, self.beaten or at), *self.proxy.troubles()):
            self.held.append(gap(*problem))
        read, place = self.proxy.take() if len(self.held) < HELD_LINES else ([], self.proxy.place)
        quiet = not came and not read and not self.held and not self.closing and not self.spool.sealed
        if quiet and at - self.beaten < BEAT_SECONDS and at >= self.beaten:
            return
        beat = "\t".join(("B", f"{at:.6f}", f"{BEATEN():.3f}", *place))
        try:
            self.turn(at)
            entries = [*self.held, *read]
            if self.lost_since is not None:
                entries.append(gap("direct", self.lost_since, at, "disk-full"))
            self.spool.append(entries, beat)
        except OSError as error:
            complain(error)
            if len(self.held) > HELD_LINES:
                self.lost_since = self.lost_since or self.beaten
                self.held = [line for line in self.held if line.startswith("G\t")]
            return
        self.proxy.keep(place)
        self.held, self.lost_since, self.beaten = [], None, at
        if self.spool.due(at) or self.closing:
            try:
                self.spool.close(at, "running")
                self.closing = False
            except OSError as error:
                complain(error)

    def turn(self, at: float) -> None:
        """Have a segment that may be appended to. None spans a move of the clock: it would claim times that never
        were; the former one ends with its last heartbeat. Raises OSError."""
        spool = self.spool
        if spool.file is not None and (self.moved or spool.sealed):
            spool.close(self.covered(at), "running")
        if spool.file is None:
            spool.open(at if self.moved else spool.state["closed"] or at)
        self.moved = False

    def covered(self, at: float) -> float:
        """When the open segment ends, now that it is `at`."""
        return float((self.spool.state["beat"] or [at])[0]) if self.moved else at

    def run(self) -> None:
        """Until the service is stopped."""
        signal.signal(signal.SIGTERM, self.end)
        signal.signal(signal.SIGINT, self.end)
        signal.signal(signal.SIGUSR1, self.hurry)
        self.begin()
        notify("READY=1")
        while not self.ending:
            self.tick(now())
            notify("WATCHDOG=1")
            self.connections.wait(TICK_SECONDS)
        self.finish()

    def finish(self) -> None:
        """The last tick of an orderly end."""
        at = now()
        self.beaten = 0.0
        self.tick(at)
        if self.spool.file is not None:
            self.spool.close(self.covered(at), "stopped")
        self.connections.stop()

    def hurry(self, _number: int, _frame: FrameType | None) -> None:
        """Somebody wants what is here now: close the open segment at the next tick."""
        self.closing = True

    def end(self, _number: int, _frame: FrameType | None) -> None:
        """Asked to stop."""
        self.ending = True


def complain(error: OSError) -> None:
    """Tell the journal."""
    print(f"the spool cannot be written: {error}", file=sys.stderr, flush=True)


def notify(word: str) -> None:
    """Tell the service manager."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(word.encode(), "\0" + address[1:] if address.startswith("@") else address)


def send(config: dict) -> None:
    """Answer the centre. Standard input names what it holds (`SEQUENCE HASH` a line; those are deleted when their hash
    is the one named), what it does not want (`skip SEQUENCE`), `close now` when the open segment shall be closed first,
    and `limit OCTETS`.

    The answer: a line of JSON about the spool; then each closed segment, oldest first and until the limit, as
    `NAME LENGTH` and its octets.
    """
    folder = Path(config["folder"])
    limit, skipped = 0, set()
    for line in sys.stdin.read().splitlines():
        first, second = line.split()
        if first == "limit":
            limit = int(second)
            continue
        if first == "close":
            close_now(folder)
            continue
        if first == "skip":
            skipped.add(f"{int(second):012d}")
            continue
        path = folder / f"{int(first):012d}.seg"
        if path.exists() and path.read_bytes().rpartition(b"\nS\t")[2].strip() == second.encode():
            path.unlink()
    sync_folder(folder)
    waiting = sorted(folder.glob("*.seg"))
    octets = sum(path.stat().st_size for path in waiting)
    about = {"waiting": len(waiting), "octets": octets, "free": shutil.disk_usage(folder).free, "at": now()}
    about |= {"warn_octets": config["warn_octets"], "running": running(folder)}
    out = sys.stdout.buffer
    out.write(json.dumps(about).encode() + b"\n")
    sent = 0
    for path in waiting:
        if path.stem in skipped:
            continue
        content = path.read_bytes()
        if (sent or not limit) and sent + len(content) > limit:
            break
        out.write(b"%s %d\n" % (path.stem.encode(), len(content)))
        out.write(content)
        sent += len(content)
    out.flush()


def close_now(folder: Path) -> None:
    """Have the service close its open segment, and wait for it a little; without a service there is none."""
    waiting = [path.name for path in folder.glob("*.open")]
    if not waiting or not running(folder):
        return
    os.kill(int((folder / "lock").read_text()), signal.SIGUSR1)
    for _ in range(CLOSE_TICKS):
        if not (folder / waiting[0]).exists():
            return
        time.sleep(0.05)


def running(folder: Path) -> bool:
    """Whether somebody gathers now: the service holds a lock as long as it lives."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main() -> None:
    """`access_spool.py run|send CONFIG`."""
    config = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    if sys.argv[1] == "send":
        send(config)
        return
    folder = Path(config["folder"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        Service(config).run()


if __name__ == "__main__":
    main()
