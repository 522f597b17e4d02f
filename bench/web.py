"""A control plane with an estate and its web server, without a lab: what the pages cost, not what systems answer.

The server is the product's own command line; whoever visits is signed in by rows of the database.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

from bench.centre import GASP, ROOT
from bench.measure import Failed, Timing, timed
from bench.visitors import Order, Seen, Visitor
from control_plane.model.people import Stage
from control_plane.store.repository import Store

COMMAND = "import json; from control_plane import wiring; print(json.dumps(wiring.web_command()))"
TOKEN = re.compile(r'name="token" value="([0-9a-f]+)"')
#: Clock ticks a second, in which the kernel counts processor time.
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server that answers on this port; `pid` of its first process."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Processor seconds of it and its workers until now."""
        return sum(_cpu(pid) for pid in [self.pid, *_children(self.pid)])


class Web:
    """A control plane below `state` that has the estate of `folder`."""

    def __init__(self, state: Path, folder: Path) -> None:
        self.state, self.folder = state, folder
        self.port = free_port()

    @property
    def env(self) -> dict[str, str]:
        """Environment of the product's commands and of its server."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("GASP_")},
            "GASP_STATE": str(self.state),
            "GASP_LAB": "labb",
            "GASP_ESTATE": str(self.folder),
            "GASP_WEB_PORT": str(self.port),
            "GASP_LANG": "en",
            "PYTHONPATH": str(ROOT),
        }

    @property
    def database(self) -> Path:
        """Its database."""
        return self.state / "gasp.db"

    @property
    def ca(self) -> Path:
        """The authority that its certificate comes from."""
        return self.state / "ca" / "ca.pem"

    @cached_property
    def command(self) -> list[str]:
        """The product's own command line of its web server."""
        found: list[str] = json.loads(timed([sys.executable, "-c", COMMAND], env=self.env).out)
        return found

    def bring(self) -> Timing:
        """Import the estate into a fresh database."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(mode=0o700, parents=True)
        with closing(Store(f"sqlite:///{self.database}", clock=_now)) as store:
            store.upgrade()
        return timed([str(GASP), "tenants", "import", str(self.folder), "--yes"], env=self.env)

    def codes(self) -> list[str]:
        """Codes of its tenants that have a directory unit and a site."""
        with closing(Store(f"sqlite:///{self.database}", clock=_now)) as store:
            rows = store.estate.subscriptions()
        both = [{s.code for s in rows if s.offering == name} for name in ("directory", "public_site")]
        return sorted(both[0] & both[1])

    def enter(self, login: str, role: str, tenant: str | None = None) -> str:
        """Make an account with one role and sign it in; returns the cookie."""
        token = secrets.token_urlsafe(32)
        with closing(Store(f"sqlite:///{self.database}", clock=_now)) as store:
            person = store.people.ensure(f"account:{login}", login, tenant)
            if not person.grants:
                store.people.grant(person, role, tenant, None, "bench", store.actors.get("local:bench"))
            store.people.set_factor(person.key, None, enrolled=True)
            end = _now() + timedelta(hours=2)
            store.people.open_session(sha256(token.encode()).hexdigest(), person, Stage.OPEN, end, "127.0.0.1", "bench")
        return f"__Host-gasp={token}; __Host-gasp-visit={secrets.token_urlsafe(32)}"

    @contextmanager
    def served(self, command: Sequence[str] | None = None, more: Mapping[str, str] | None = None) -> Iterator[Server]:
        """The server, until it is not needed any more. `command`: another one, with the same options."""
        log = self.state / "web.log"
        with log.open("ab") as sink:
            argv = list(command or self.command)
            environment = {**self.env, "GASP_JOINED": "web", **(more or {})}
            process = subprocess.Popen(argv, stdout=sink, stderr=sink, env=environment, cwd=ROOT)
        try:
            end = time.monotonic() + 60
            while not _open(self.port):
                if time.monotonic() > end or process.poll() is not None:
                    raise Failed(f"the web server did not start: {log.read_text('utf-8')[-2000:]}")
                time.sleep(0.05)
            yield Server(self.port, process.pid)
        finally:
            process.terminate()
            process.wait(60)

    def bare(self) -> list[str]:
        """The peer's command line: the product's, with another application."""
        return [*self.command[:-1], "bench.bare_web:app"]

    def visit(self, visitors: Sequence[Visitor], seconds: float, pause: float) -> list[Seen]:
        """What they saw."""
        order = json.dumps(asdict(Order(self.port, str(self.ca), visitors, seconds, pause)))
        argv = [sys.executable, "-m", "bench.visitors"]
        done = subprocess.run(argv, input=order.encode(), capture_output=True, env=self.env, cwd=ROOT, check=False)
        if done.returncode:
            raise Failed(done.stderr.decode()[-2000:])
        return [Seen(**one) for one in json.loads(done.stdout)]

    def send(self, cookie: str, at: str, **form: str) -> str:
        """Send a form as its page would, and return where it leads."""
        connection = HTTPSConnection("localhost", self.port, timeout=60, context=_trusted(self.ca))
        with closing(connection):
            connection.request("GET", "/console/me", headers={"Cookie": cookie})
            token = TOKEN.search(connection.getresponse().read().decode())
            if token is None:
                raise Failed("the page has no form")
            body = urlencode({"token": token[1], **form})
            headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", at, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 303:
                raise Failed(f"{at}: {answer.status}")
            return str(answer.getheader("Location"))


def memory_mb(pids: Sequence[int]) -> float:
    """Memory of processes in MB, what they share counted once among them."""
    total = 0
    for pid in pids:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total / 1024


def family(pid: int) -> list[int]:
    """A process and everything below it."""
    return [pid, *(below for child in _children(pid) for below in family(child))]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _children(pid: int) -> list[int]:
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _trusted(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


def _now() -> datetime:
    return datetime.now(UTC)
