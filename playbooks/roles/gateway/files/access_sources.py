"""Where the access record comes from: the proxy's log, followed over rotation, and the kernel's connection events.

Runs on the gateway with the standard library only, inside `access_spool.py`. Gives finished lines; what could not be
recorded is told as trouble: (source, begin, end, reason, detail).
"""

from __future__ import annotations

import calendar
import contextlib
import hashlib
import os
import re
import subprocess
import threading
import time
import urllib.parse
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path

Trouble = tuple[str, float, float, str, str]

PROXY_COLUMNS = 15
"""`PROXY_LOG_COLUMNS` of the control plane's `model/internet.py`; more columns at the end do no harm."""
PIPE = 64 << 10
BUFFER = 64 << 20
"""What the kernel holds for the tool while that does not run."""
AHEAD = 64 << 20
"""Octets of events that are read ahead of the spool; then the kernel's buffer fills, and after it events are lost."""
OPEN_SECONDS = 600
"""Open connections are noted again this often, so that one that lasts is found near any moment of its life."""
SETTLE_SECONDS = 5.0
"""How long a rotated log is read on: the proxy may still write to it."""
READ = 8 << 20
MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
DEFAULT_PORTS = {"http": "80", "https": "443", "ftp": "21"}
PORTS = {"tcp", "udp", "sctp", "dccp", "udplite"}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_START = re.compile(r"\[start=\w{3} (\w{3}) +(\d+) (\d+):(\d+):(\d+) (\d+)\]")


def now() -> float:
    """The time."""
    return time.time()


def BEATEN() -> float:
    """A clock that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def clean(text: str) -> str:
    """Text without what would break a line."""
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", text)


def line(*fields: str) -> str:
    """An `L` entry."""
    return "\t".join(("L", *fields))


def host_of(method: str, url: str) -> tuple[str, str, str]:
    """Scheme, host and port of a request. What is no URL gives its text as the host, shortened."""
    target = url if method != "CONNECT" else f"https://{url}"
    try:
        parts = urllib.parse.urlsplit(target)
        host = urllib.parse.unquote(parts.hostname or "", errors="strict").rstrip(".")
        port = str(parts.port) if parts.port is not None else DEFAULT_PORTS.get(parts.scheme, "")
    except ValueError:
        return "", url[:253], ""
    return parts.scheme, host.lower() or url[:253], port


def proxy_line(text: str) -> str | None:
    """A line of the proxy's log as an entry; None when it is none. Only the host of a URL is kept."""
    fields = text.split("\t")
    if len(fields) < PROXY_COLUMNS:
        return None
    at, client, port, nat, nat_port, server, server_port, method, url, status, result, up, down, rule, took = (
        "" if field == "-" else field for field in fields[:PROXY_COLUMNS]
    )
    scheme, host, url_port = host_of(method, urllib.parse.unquote(url))
    try:
        since = f"{float(at) - float(took) / 1000:.6f}" if took else ""
        at, address = f"{float(at):.6f}", str(ip_address(client))
        for number in (port, nat_port, server_port, up, down):
            int(number or 0)
    except ValueError:
        return None
    if "DENIED" in result:
        verdict = "refused"
    else:
        verdict = "failed" if not server and (not status.isdigit() or int(status) in range(400, 600)) else "allowed"
    rule = urllib.parse.unquote(rule)
    fields = [
        *("proxy", at, since, "request", scheme or "http", address, port, nat, nat_port, host),
        *(server, server_port or url_port, up or "0", down or "0", verdict, rule),
    ]
    return line(*(clean(field) for field in fields))


class ProxyLog:
    """The proxy's log, each line once. A place is (inode, offset, hash of the file's first octets)."""

    def __init__(self, path: Path, beat: list[str] | None) -> None:
        self.path = path
        self.place: tuple[str, str, str] = ("0", "0", "")
        self.file: int | None = None
        self.ending: float | None = None
        self.found: list[Trouble] = []
        self.absent: float | None = None
        if beat is not None:
            self.place = (beat[2], beat[3], beat[4] if len(beat) > 4 else "")
            self.resume(float(beat[0]))

    def head(self, file: int, offset: int) -> str:
        """What tells a file from a later one with the same inode."""
        return hashlib.sha256(os.pread(file, min(offset, 256), 0)).hexdigest()[:16]

    def rotated(self) -> list[Path]:
        """Former logs, oldest first."""
        found = [p for p in self.path.parent.glob(f"{self.path.name}.*") if p.suffix[1:].isdigit()]
        return sorted(found, key=lambda p: p.stat().st_mtime)

    def resume(self, at: float) -> None:
        """Find the file in which the last run stood; what was rotated out of sight is a gap."""
        inode, offset, head = self.place
        if inode == "0":
            return
        for path in (self.path, *reversed(self.rotated())):
            with contextlib.suppress(OSError):
                file = os.open(path, os.O_RDONLY)
                status = os.fstat(file)
                same = str(status.st_ino) == inode and status.st_size >= int(offset)
                if same and self.head(file, int(offset)) == head:
                    self.file = file
                    return
                os.close(file)
        later = [p for p in self.rotated() if p.stat().st_mtime > at]
        self.place = ("0", "0", "")
        self.found.append(("proxy", at, now(), "log-lost", ""))
        if later:
            self.file = os.open(later[0], os.O_RDONLY)
            self.place = (str(os.fstat(self.file).st_ino), "0", self.head(self.file, 0))

    def troubles(self) -> list[Trouble]:
        """What could not be recorded since the last call."""
        found, self.found = self.found, []
        return found

    def following(self) -> Path | None:
        """The log after the one that is open."""
        assert self.file is not None
        mine = os.fstat(self.file)
        logs = [*self.rotated(), self.path]
        inodes = [p.stat().st_ino if p.exists() else 0 for p in logs]
        if mine.st_ino in inodes:
            rest = logs[inodes.index(mine.st_ino) + 1 :]
            return rest[0] if rest and rest[0].exists() else None
        newer = [p for p in logs if p.exists() and p.stat().st_mtime >= mine.st_mtime]
        return newer[0] if newer else None

    def take(self) -> tuple[list[str], tuple[str, str, str]]:
        """New entries and the place after them, which `keep` makes the current one."""
        if self.file is None:
            try:
                self.file = os.open(self.path, os.O_RDONLY)
            except OSError:
                self.absent = self.absent or now()
                if now() - self.absent >= 60:
                    self.found.append(("proxy", self.absent, now(), "no-log", ""))
                    self.absent = now()
                return [], self.place
            self.place = (str(os.fstat(self.file).st_ino), "0", "")
            if self.absent is not None:
                self.found.append(("proxy", self.absent, now(), "no-log", ""))
                self.absent = None
        inode, offset, _ = self.place
        size = os.fstat(self.file).st_size
        if size < int(offset):
            self.found.append(("proxy", now(), now(), "log-truncated", ""))
            offset = "0"
        content = os.pread(self.file, READ, int(offset))
        end = content.rfind(b"\n") + 1
        if not end and len(content) == READ:
            end = len(content)
        if not end and size <= int(offset) + len(content) and self.turn_page():
            return [], self.place
        if end:
            self.ending = None
        texts = content[:end].decode("utf-8", "backslashreplace").split("\n")[:-1]
        entries = [proxy_line(text) for text in texts]
        unreadable = entries.count(None)
        if unreadable:
            self.found.append(("proxy", now(), now(), "unreadable", str(unreadable)))
        after = int(offset) + end
        return [e for e in entries if e is not None], (inode, str(after), self.head(self.file, after))

    def turn_page(self) -> bool:
        """All is read: when there is a later log, go to it after the proxy had time to leave this one."""
        assert self.file is not None
        after = self.following()
        if after is None:
            self.ending = None
        elif self.ending is None:
            self.ending = BEATEN()
        elif BEATEN() - self.ending >= SETTLE_SECONDS:
            os.close(self.file)
            self.file, self.ending = os.open(after, os.O_RDONLY), None
            self.place = (str(os.fstat(self.file).st_ino), "0", "")
            return True
        return False

    def keep(self, place: tuple[str, str, str]) -> None:
        """The entries before this place are durable."""
        if self.file is not None and str(os.fstat(self.file).st_ino) == place[0]:
            self.place = place


class Connections:
    """Connections of tenants past the proxy, from the kernel's events: opened, closed, and those that are open.

    A thread reads the events as they come: the spool waits for its disk, and what nobody reads meanwhile is lost.
    """

    def __init__(self, tenants: list[str], core: list[str], inside: list[str]) -> None:
        self.networks = [[ip_network(n) for n in group] for group in (tenants, core, inside)]
        self.wanted = lru_cache(maxsize=65536)(self._wanted)
        self.process: subprocess.Popen[bytes] | None = None
        self.reader: threading.Thread | None = None
        self.news = threading.Condition()
        self.came = bytearray()
        self.rest = b""
        self.drops = 0
        self.listed = 0.0

    def _wanted(self, source: str, target: str) -> bool:
        tenants, core, inside = self.networks
        a, b = ip_address(source), ip_address(target)
        home = next((n for n in tenants if a in n), None)
        if home is not None:
            return b not in home and not any(b in n for n in core)
        return any(a in n for n in core) and not any(b in n for n in inside)

    def start(self) -> float:
        """Subscribe to the events; returns the moment from which none is missed."""
        command = ["conntrack", "-E", "-b", str(BUFFER), "-e", "NEW,DESTROY", "-o", "timestamp,extended,id,ktimestamp"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.came, self.rest = bytearray(), b""
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout.fileno(),), daemon=True)
        self.reader.start()
        for _ in range(500):
            self.drops = self.socket() or 0
            if self.socket() is not None or self.process.poll() is not None:
                break
            time.sleep(0.01)
        return now()

    def socket(self) -> int | None:
        """How many events the subscribed socket lost; None when there is no such socket."""
        if self.process is None:
            return None
        inodes = set()
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
                inodes.add(str(entry.readlink()).removeprefix("socket:[").rstrip("]"))
        for row in Path("/proc/net/netlink").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[1] == "12" and fields[-1] in inodes and int(fields[3], 16):
                return int(fields[8])
        return None

    def read(self, pipe: int) -> None:
        """Hold what comes until it is taken; to its end."""
        while piece := os.read(pipe, PIPE):
            with self.news:
                self.news.wait_for(lambda: len(self.came) < AHEAD)
                self.came += piece
                self.news.notify_all()

    def stop(self) -> None:
        """End the subscription."""
        if self.process is not None and self.reader is not None:
            self.process.kill()
            self.process.wait()
            with self.news:
                self.came.clear()
                self.news.notify_all()
            self.reader.join()
            self.process.stdout.close()

    def wait(self, seconds: float) -> None:
        """Until something came or the time is over; then a moment, to take much at once."""
        with self.news:
            self.news.wait_for(lambda: self.came, seconds)
        time.sleep(min(0.5, seconds))

    def take(self, at: float) -> list[str]:
        """Entries of everything that came; at times also of all that is open."""
        with self.news:
            came, self.came = self.came, bytearray()
            self.news.notify_all()
        *texts, self.rest = (self.rest + came).split(b"\n")
        entries = [e for text in texts if (e := self.entry(text.decode("ascii", "replace"))) is not None]
        if abs(BEATEN() - self.listed) >= OPEN_SECONDS:
            entries += self.open_now()
        return entries

    def troubles(self, at: float, beaten: float) -> list[Trouble]:
        """Events that were lost since the last heartbeat, because the socket ran over or the tool died."""
        drops = self.socket()
        if drops is None:
            self.stop()
            self.start()
            return [("direct", beaten - 1, now(), "events-stopped", "")]
        if drops != self.drops:
            lost, self.drops = drops - self.drops, drops
            return [("direct", beaten - 1, at, "events-lost", str(lost))]
        return []

    def open_now(self) -> list[str]:
        """Entries of the connections that are open."""
        self.listed = BEATEN()
        at = now()
        found = []
        for family in ("ipv4", "ipv6"):
            done = subprocess.run(
                ["conntrack", "-L", "-f", family, "-o", "extended,id,ktimestamp"], capture_output=True, check=False,
                env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
            )  # fmt: skip
            for text in done.stdout.decode("ascii", "replace").splitlines():
                entry = self.entry(f"[{at:.6f}] [OPEN] {text}")
                if entry is not None:
                    found.append(entry)
        return found

    def entry(self, text: str) -> str | None:
        """A line of the tool as an entry; None for what is not of interest."""
        words = text.split()
        if len(words) < 6 or not words[0].startswith("["):
            return None
        event = {"[NEW]": "opened", "[DESTROY]": "closed", "[OPEN]": "open"}.get(words[1])
        sides: list[dict[str, str]] = []
        for word in words:
            name, sign, value = word.partition("=")
            if name == "src" and sign:
                sides.append({})
            if sides and sign:
                sides[-1].setdefault(name, value)
        if event is None or len(sides) != 2 or not self.wanted(sides[0]["src"], sides[0]["dst"]):
            return None
        there, back = sides
        at = words[0].strip("[]")
        began = _START.search(text)
        if event == "opened":
            since = at
        elif began is not None:
            month, *numbers = began.groups()
            day, hour, minute, second, year = map(int, numbers)
            since = f"{calendar.timegm((year, MONTHS[month], day, hour, minute, second)):.6f}"
        else:
            since = ""
        translated = back["dst"] != there["src"]
        protocol = words[4] if words[4] in PORTS or not words[4].isdigit() else f"ip-{words[4]}"
        return line(
            *("direct", at, since, event, protocol, there["src"], there.get("sport", "")),
            *((back["dst"], back.get("dport", "")) if translated else ("", "")),
            *("", there["dst"], there.get("dport", ""), there.get("bytes", "0"), back.get("bytes", "0"), "allowed", ""),
        )
