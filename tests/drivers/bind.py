"""A private BIND on loopback ports of its own: a primary with TSIG, optionally a secondary; ended by pid."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import signal
import socket
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone
import pytest

from control_plane.drivers.dns import DnsDriver
from control_plane.drivers.dns_wire import decode
from control_plane.model.plan import Memory, Plan, diff
from control_plane.model.ports import Outcome
from control_plane.model.resource import Look, Measured, Owner, Resource, content_hash
from tests.ports import free_port
from tests.waiting import wait_until

PART = "dns:qingdao.test"
KEY_NAME = "gasp-internal."
ZONES = ("qingdao.test", "intra.qingdao.test")
START_SERIAL = 100


def zone_text(zone: str, serial: int = START_SERIAL, lines: Sequence[str] = ()) -> str:
    head = [
        "$TTL 3600",
        f"{zone}. SOA ns1.core.qingdao.test. hostmaster.qingdao.test. {serial} 3600 600 86400 60",
        f"{zone}. NS ns1.core.qingdao.test.",
    ]
    if zone == "qingdao.test":
        head += ["ns1.core.qingdao.test. A 127.0.0.1", "web.qingdao.test. A 198.51.100.80"]
    return "\n".join([*head, *lines, ""])


def rrset(
    name: str,
    rtype: str,
    *values: str,
    tenant: str = "fgw",
    offering: str = "public_site",
    ttl: int = 300,
    zone: str = "qingdao.test",
) -> Resource:
    """A desired record set; `name` is relative to the zone (`@`: its apex)."""
    full = zone if name == "@" else f"{name}.{zone}"
    return Resource(
        id=f"dns:{full}/{rtype}",
        kind="dns.rrset",
        part=f"dns:{zone}",
        owner=Owner(f"t_{tenant}", tenant, offering),
        attributes={"name": full, "type": rtype, "ttl": ttl, "values": sorted(values)},
        label=f"{full} {rtype}",
    )


def plan_of(
    looks: Iterable[Look], desired: Iterable[Resource], known: Iterable[Resource] = (), applied: bool = False
) -> Plan:
    """What the engine would plan; `known`: resources whose owners are remembered (and, `applied`, as ours)."""
    wanted = {r.id: r for r in desired}
    owners = {r.owner.marker: r.owner for r in [*wanted.values(), *known]}
    memory = Memory({r.id: content_hash(r.attributes) for r in known} if applied else {}, {}, owners)
    kinds = {kind.name: kind for kind in DnsDriver.kinds}
    return diff("estate", wanted, looks, kinds, memory, lambda *_: True, datetime(2026, 11, 24, tzinfo=UTC))


@dataclass
class Named:
    """One running server."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "named.log").read_text(errors="replace")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def halt(self) -> None:
        """It keeps its ports and answers nobody; returns when the last of its threads stands still."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


def start_named(folder: Path, port: int, body: str) -> Named:
    (folder / "named.conf").write_text(
        f"""options {{
            directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
            listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
            recursion no; allow-transfer {{ none; }}; notify explicit; dnssec-validation no;
            serial-update-method increment; min-refresh-time 1; min-retry-time 1; serial-query-rate 1000;
            notify-rate 1000; notify-delay 0; transfers-out 100;
        }};
        controls {{ }};
        {body}"""
    )
    with (folder / "named.log").open("wb") as log:
        process = subprocess.Popen(
            ["named", "-g", "-n", "2", "-c", str(folder / "named.conf")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    named = Named(folder, port, process)

    def running() -> bool:
        assert process.poll() is None, named.log
        return "running\n" in named.log

    try:
        wait_until(running, 60, "named is up")
    except BaseException:
        named.stop()
        raise
    return named


@dataclass
class Bind:
    """The primary with its zones, and the means to look at it without our own code."""

    folder: Path
    secret: bytes
    primary: Named
    secondary: Named | None = None
    zones: Sequence[str] = ZONES

    @property
    def port(self) -> int:
        return self.primary.port

    @property
    def key(self) -> dns.tsig.Key:
        return dns.tsig.Key(KEY_NAME, self.secret.decode(), "hmac-sha256")

    @property
    def key_file(self) -> Path:
        path = self.folder / "tsig"
        path.write_bytes(self.secret + b"\n")
        path.chmod(0o600)
        return path

    def driver(self, port: int | None = None, timeout: float = 20.0) -> DnsDriver:
        return DnsDriver("127.0.0.1", port or self.port, self.zones, KEY_NAME, self.key_file, timeout)

    def plan(self, desired: Iterable[Resource], known: Iterable[Resource] = (), applied: bool = False) -> Plan:
        """Look at all zones and compare."""
        driver = self.driver()
        looks = [driver.observe(part) for part in driver.parts()]
        assert all(isinstance(look, Measured) for look in looks), looks
        return plan_of(looks, desired, known, applied)

    def carry_out(self, plan: Plan, driver: DnsDriver | None = None) -> dict[str, Outcome]:
        """Apply all steps; exactly one outcome each."""
        driver = driver or self.driver()
        outcomes: list[Outcome] = []
        for part in driver.parts():
            steps = [change for change in plan.steps if change.part == part]
            outcomes += [o for o in driver.apply(part, steps, lambda: None) if isinstance(o, Outcome)]
        assert Counter(o.change_id for o in outcomes) == Counter(c.id for c in plan.steps)
        return {o.change_id: o for o in outcomes}

    def reach(self, desired: Iterable[Resource], known: Iterable[Resource] = ()) -> dict[str, Outcome]:
        """Plan and apply without a fault, and the next plan is empty."""
        desired = list(desired)
        outcomes = self.carry_out(self.plan(desired, known))
        assert {o.state for o in outcomes.values()} <= {"applied"}, outcomes
        again = self.plan(desired, known)
        assert again.empty, again.changes
        assert again.unchanged == len(desired)
        return outcomes

    def transfer(self, zone: str, port: int | None = None) -> dns.zone.Zone:
        """The whole zone, read by dnspython."""
        found = dns.zone.Zone(zone, relativize=False)
        query, _ = dns.xfr.make_query(found, keyring=self.key)
        dns.query.inbound_xfr("127.0.0.1", found, query, port=port or self.port, timeout=60)
        return found

    def lines(self, zone: str, but: Sequence[str] = ("SOA",)) -> list[str]:
        """All records as sorted text, without those of the types `but`."""
        rows = self.transfer(zone).iterate_rdatas()
        return sorted(
            f"{name} {ttl} {dns.rdatatype.to_text(r.rdtype)} {r.to_text()}"
            for name, ttl, r in rows
            if dns.rdatatype.to_text(r.rdtype) not in but
        )

    def serial(self, zone: str, port: int | None = None) -> int:
        query = dns.message.make_query(zone, "SOA")
        answer = dns.query.udp(query, "127.0.0.1", port=port or self.port, timeout=60)
        return int(answer.answer[0][0].serial)

    def ask(self, name: str, rtype: str) -> dns.message.Message:
        return dns.query.tcp(dns.message.make_query(name, rtype), "127.0.0.1", port=self.port, timeout=60)

    def by_hand(self, zone: str, *steps: tuple[object, ...]) -> None:
        """`("add", name, ttl, type, text)`, `("delete", name[, type[, text]])`, `("replace", …)`; names absolute."""
        message = dns.update.UpdateMessage(zone, keyring=self.key)
        for verb, *args in steps:
            getattr(message, str(verb))(*args)
        answer = dns.query.tcp(message, "127.0.0.1", port=self.port, timeout=60)
        assert answer.rcode() == 0, answer


def key_clause(secret: bytes) -> str:
    return f'key "{KEY_NAME}" {{ algorithm hmac-sha256; secret "{secret.decode()}"; }};\n'


@contextlib.contextmanager
def private_bind(
    folder: Path,
    texts: Mapping[str, str] | None = None,
    secondary: bool = False,
    policy: str = "",
) -> Iterator[Bind]:
    """`texts`: zone file by zone; `policy` replaces the `allow-update`/`allow-transfer` lines."""
    files = {zone: zone_text(zone) for zone in ZONES} | dict(texts or {})
    secret = base64.b64encode(secrets.token_bytes(32))
    port, second_port = free_port(), free_port()
    allow = policy or f'allow-update {{ key "{KEY_NAME}"; }}; allow-transfer {{ key "{KEY_NAME}"; }};'
    notify = f'also-notify {{ 127.0.0.1 port {second_port} key "{KEY_NAME}"; }};' if secondary else ""
    first, second = folder / "primary", folder / "secondary"
    first.mkdir()
    body = key_clause(secret)
    for zone, text in files.items():
        (first / f"{zone}.zone").write_text(text, encoding="utf-8")
        body += f'zone "{zone}" {{ type primary; file "{zone}.zone"; {allow} {notify} }};\n'
    with contextlib.ExitStack() as stack:
        primary = start_named(first, port, body)
        stack.callback(primary.stop)
        bind = Bind(folder, secret, primary, zones=tuple(files))
        if secondary:
            second.mkdir()
            body = key_clause(secret) + "".join(
                f'zone "{zone}" {{ type secondary; file "{zone}.zone"; masterfile-format text;'
                f' primaries {{ 127.0.0.1 port {port} key "{KEY_NAME}"; }};'
                f' allow-transfer {{ key "{KEY_NAME}"; }}; }};\n'
                for zone in files
            )
            bind.secondary = start_named(second, second_port, body)
            stack.callback(bind.secondary.stop)
        yield bind


@pytest.fixture
def bind(tmp_path: Path) -> Iterator[Bind]:
    with private_bind(tmp_path) as running:
        yield running


class Listener:
    """Accepts connections on a loopback port, each served by a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
            self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(60)
            self.handle(client)

    def handle(self, client: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=60)


class Proxy(Listener):
    """A TCP relay in front of a server that can hurt the connection.

    `cut_after`: octets of a transfer that pass before the client sees a reset; `lose_update_answers`:
    how many answers to updates are swallowed; `before_update`: called before an update is handed on;
    `answer_update`: may answer an update instead of the server.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.cut_after: int | None = None
        self.lose_update_answers = 0
        self.before_update: list[Callable[[], object]] = []
        self.answer_update: Callable[[bytes], bytes | None] = lambda question: None
        self.updates = 0
        super().__init__()

    def handle(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            server.settimeout(60)
            while question := read_message(client):
                update = (question[2] >> 3) & 15 == 5
                if update:
                    self.updates += 1
                    for action in self.before_update:
                        action()
                    made_up = self.answer_update(question)
                    if made_up is not None:
                        client.sendall(struct.pack("!H", len(made_up)) + made_up)
                        continue
                server.sendall(struct.pack("!H", len(question)) + question)
                if not update:
                    self._pass_on(server, client)
                    return
                answer = read_message(server)
                if not answer or self.lose_update_answers:
                    self.lose_update_answers -= bool(answer)
                    return
                client.sendall(struct.pack("!H", len(answer)) + answer)

    def _pass_on(self, server: socket.socket, client: socket.socket) -> None:
        """Hand on whole messages until the transfer's client has gone or the cut."""
        left = self.cut_after
        while left != 0 and (answer := read_message(server)):
            piece = struct.pack("!H", len(answer)) + answer
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            client.sendall(piece)
            if left is None and ends_transfer(answer):
                return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ends_transfer(answer: bytes) -> bool:
    rows = decode(answer).answer
    return not rows or (len(rows) > 1 and rows[-1][1] == 6)


def read_message(sock: socket.socket) -> bytes:
    """One length-prefixed message; empty when the other side has closed."""
    head = b""
    while len(head) < 2:
        piece = sock.recv(2 - len(head))
        if not piece:
            return b""
        head += piece
    size, found = int.from_bytes(head, "big"), b""
    while len(found) < size:
        piece = sock.recv(size - len(found))
        if not piece:
            return b""
        found += piece
    return found


class Script(Listener):
    """A server that answers each question with what a function makes of it, then closes."""

    def __init__(self, answers: Callable[[bytes], list[bytes]]) -> None:
        self._answers = answers
        super().__init__()

    def handle(self, client: socket.socket) -> None:
        for answer in self._answers(read_message(client)):
            client.sendall(struct.pack("!H", len(answer)) + answer)
