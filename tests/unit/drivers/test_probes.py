"""Probes with the machine's own curl, dig and TLS against servers on loopback; the agent runs as it does on a host."""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from control_plane.drivers import probe_agent
from control_plane.drivers.authority import Authority
from control_plane.drivers.probes import SshProber, sentence
from control_plane.model.errors import TemporaryError
from control_plane.model.ports import Probe, ProbeResult
from control_plane.model.text import t
from tests.ports import free_port

NOW = datetime(2026, 11, 25, tzinfo=UTC)
#: An LDAP server's refusal of an anonymous bind (inappropriateAuthentication): it is there.
REFUSED_BIND = bytes.fromhex("300c02010161070a013004000400")
RECORDS = {("szb.qingdao.test.", "A"): "198.51.100.80", ("szb.qingdao.test.", "CAA"): '0 issue "gasp-lab"'}


@dataclass
class Done:
    rc: int
    stdout: bytes
    stderr: bytes


class Local:
    """Runs the agent here instead of on a host. `lost` hosts cannot be reached, `broken` ones print nonsense."""

    def __init__(self, lost: Sequence[str] = (), broken: Sequence[str] = ()) -> None:
        self.lost, self.broken = lost, broken
        self.calls: list[tuple[str, tuple[str, ...], bytes]] = []

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Done:
        self.calls.append((host, tuple(argv), stdin))
        if host in self.lost:
            raise TemporaryError(t("{host} does not answer.", host=host))
        if host in self.broken:
            return Done(0, b"{nonsense", b"")
        done = subprocess.run(list(argv), input=stdin, capture_output=True, timeout=timeout, check=False)
        return Done(done.returncode, done.stdout, done.stderr)


def probe(kind: str, spec: dict[str, Any], vantage: str = "citizen", number: int = 0) -> Probe:
    return Probe(f"szb/x/{kind}{number}", kind, vantage, "szb", "public_site", t("A promise"), spec)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])  # type: ignore[index]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        status = {"/": 200, "/closed": 421, "/old": 301, "/down": 503}.get(self.path, 404)
        self.send_response(status)
        if status == 301:
            self.send_header("Location", "https://szb.qingdao.test/")
        self.send_header("Content-Length", "2")
        self.send_header("Strict-Transport-Security", "max-age=31536000")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: Any) -> None:
        pass


class Quiet(socketserver.ThreadingMixIn, http.server.HTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class NameServer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        query = dns.message.from_wire(data)
        (question,) = query.question
        answer = dns.message.make_response(query)
        name, rtype = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        if (name, rtype) in RECORDS:
            answer.answer.append(dns.rrset.from_text(name, 300, "IN", rtype, RECORDS[name, rtype]))
        elif name not in {n for n, _ in RECORDS}:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        sock.sendto(answer.to_wire(), self.client_address)


class Directory(socketserver.BaseRequestHandler):
    reply = REFUSED_BIND

    def handle(self) -> None:
        try:
            self.request.recv(100)
            self.request.sendall(self.reply)
        except OSError:
            pass


class NoDirectory(Directory):
    reply = b"HTTP/1.0 400 Bad Request\r\n\r\n"


class TlsServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@dataclass
class World:
    authority: Authority
    https: int
    http: int
    dns: int
    ldaps: int
    no_ldaps: int

    def measure(self, *probes: Probe, runner: Local | None = None, **options: Any) -> list[ProbeResult]:
        ca = str(self.authority.ca_path)
        resolve = [f'resolve = "szb.qingdao.test:{port}:127.0.0.1"' for port in (self.https, self.http)]
        resolve.append(f'cacert = "{ca}"')
        base = {"curl": resolve, "dns_port": self.dns, "ca_file": ca, "connect_host": "127.0.0.1"}
        prober = SshProber(runner or Local(), lambda: NOW, argv=(sys.executable, "-I", "-"), options=base | options)
        return prober.run(probes)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    authority = Authority(tmp_path_factory.mktemp("state"))
    now = datetime.now(UTC)
    authority.create(now)
    names = ["szb.qingdao.test", "directory.core.qingdao.test"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, authority.server_certificate(names, [], now)))
    web = Quiet(("127.0.0.1", 0), Web)
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    plain = Quiet(("127.0.0.1", 0), Web)
    names_server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), NameServer)
    ldap, other = TlsServer(("127.0.0.1", 0), Directory), TlsServer(("127.0.0.1", 0), NoDirectory)
    for server in (ldap, other):
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with ExitStack() as running:
        yield World(authority, *(running.enter_context(serving(s)) for s in (web, plain, names_server, ldap, other)))


def page(world: World, path: str = "/", name: str = "szb.qingdao.test", **more: Any) -> dict[str, Any]:
    return {"url": f"https://{name}:{world.https}{path}", "family": 4, "status": 200} | more


def test_pages(world: World) -> None:
    specs = [
        page(world),
        page(world, "/down"),
        page(world, "/down", status=503),
        page(world, "/old", status=301, location="https://szb.qingdao.test/"),
        page(world, "/old", status=301, location="https://other.test/"),
        page(world, name="nobody.qingdao.test"),
        {"url": f"https://szb.qingdao.test:{free_port()}/", "family": 4, "status": 200},
    ]
    results = world.measure(*[probe("http", spec, number=i) for i, spec in enumerate(specs)])
    assert [r.state for r in results] == ["passed", "failed", "passed", "passed", "failed", "failed", "failed"]
    assert results[0].seconds is not None
    assert "127.0.0.1" in str(results[0].text)
    assert "503 instead of 200" in str(results[1].text)
    assert "other.test" in str(results[4].text)
    assert "No page" in str(results[5].text)


def test_a_redirect_is_seen_although_the_site_asks_for_https_only(world: World) -> None:
    plain = {"url": f"http://szb.qingdao.test:{world.http}/old", "family": 4, "status": 301}
    probes = [probe("http", page(world) if i % 2 else plain, number=i) for i in range(40)]
    assert {r.state for r in world.measure(*probes)} == {"passed"}


def test_a_certificate_that_is_not_trusted_or_not_for_the_name_fails(world: World, tmp_path: Path) -> None:
    wrong = [f'resolve = "gaj.qingdao.test:{world.https}:127.0.0.1"', f'cacert = "{world.authority.ca_path}"']
    (result,) = world.measure(probe("http", page(world, name="gaj.qingdao.test")), curl=wrong)
    assert result.state == "failed"
    stranger = Authority(tmp_path)
    stranger.create(NOW)
    other = [f'resolve = "szb.qingdao.test:{world.https}:127.0.0.1"', f'cacert = "{stranger.ca_path}"']
    (result,) = world.measure(probe("http", page(world)), curl=other)
    assert result.state == "failed"
    assert "certificate" in str(result.text).lower()


def test_closed_doors(world: World) -> None:
    url = f"https://szb.qingdao.test:{world.https}"
    nobody = f"https://szb.qingdao.test:{free_port()}/"
    results = world.measure(
        probe("http_closed", {"url": f"{url}/closed", "addresses": ["127.0.0.1"]}, number=1),
        probe("http_closed", {"url": f"{url}/", "addresses": ["127.0.0.1"]}, number=2),
        probe("http_closed", {"url": nobody, "addresses": ["127.0.0.1"]}, number=3),
        probe("http_closed", {"url": f"{url}/closed", "addresses": []}, number=4),
        curl=[],
    )
    assert [r.state for r in results] == ["passed", "failed", "passed", "passed"]
    assert "status 200" in str(results[1].text)


def test_names(world: World) -> None:
    def names(*checks: list[Any], servers: Sequence[str] = ("127.0.0.1",)) -> dict[str, Any]:
        return {"servers": list(servers), "checks": list(checks)}

    right = ["szb.qingdao.test", "A", ["198.51.100.80"]]
    results = world.measure(
        probe("dns", names(right, ["szb.qingdao.test", "CAA", ['0 issue "gasp-lab"']]), number=1),
        probe("dns", names(["szb.qingdao.test", "A", ["192.0.2.1"]]), number=2),
        probe("dns", names(["szb.intra.qingdao.test", "A", None]), number=3),
        probe("dns", names(["szb.qingdao.test", "A", None]), number=4),
        probe("dns", names(["szb.qingdao.test", "AAAA", ["fd94::1"]]), number=5),
        probe("dns", names(["nobody.qingdao.test", "A", ["192.0.2.1"]]), number=6),
    )
    assert [r.state for r in results] == ["passed", "failed", "passed", "failed", "failed", "failed"]
    assert "198.51.100.80" in str(results[1].text)
    assert "NXDOMAIN" in str(results[5].text)


def test_a_silent_name_server_is_named(world: World) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        spec = {"servers": ["127.0.0.1"], "checks": [[f"n{i}.test", "A", ["192.0.2.1"]] for i in range(200)]}
        (result,) = world.measure(probe("dns", spec), dns_port=silent.getsockname()[1])
    assert result.state == "failed"
    assert "127.0.0.1 does not answer" in str(result.text)


def test_the_directory(world: World, tmp_path: Path) -> None:
    host = "directory.core.qingdao.test"
    results = world.measure(
        probe("directory", {"host": host, "port": world.ldaps}, number=1),
        probe("directory", {"host": host, "port": world.no_ldaps}, number=2),
        probe("directory", {"host": "other.core.qingdao.test", "port": world.ldaps}, number=3),
        probe("directory", {"host": host, "port": free_port()}, number=4),
    )
    assert [r.state for r in results] == ["passed", "failed", "failed", "failed"]
    assert "TLS" in str(results[2].text)


def test_one_command_a_host_and_the_order_of_the_question(world: World) -> None:
    runner = Local(lost=["far"], broken=["odd"])
    probes = [
        probe("http", page(world), "citizen", 1),
        probe("http", page(world), "far", 2),
        probe("unheard", {}, "citizen", 3),
        probe("http", page(world), "odd", 4),
        probe("directory", {"host": "directory.core.qingdao.test", "port": world.ldaps}, "citizen", 5),
    ]
    results = world.measure(*probes, runner=runner)
    assert [r.probe.id for r in results] == [p.id for p in probes]
    assert [r.state for r in results] == ["passed", "unmeasured", "unmeasured", "unmeasured", "passed"]
    assert "far does not answer" in str(results[1].text)
    assert sorted(host for host, _, _ in runner.calls) == ["citizen", "far", "odd"]
    assert all(len(" ".join(argv)) < 200 for _, argv, _ in runner.calls)
    assert {r.at for r in results} == {NOW}


def test_an_agent_that_breaks_or_forgets_makes_nothing_fail(world: World) -> None:
    class Forgetful(Local):
        def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Done:
            rows: dict[str, Any] = {"szb/x/http1": ["fine", None, "page", {}], "szb/x/http2": "nonsense"}
            return Done(0, json.dumps(rows).encode(), b"") if host == "a" else Done(3, b"", b"Traceback: no\n")

    probes = [probe("http", page(world), host, i) for i, host in enumerate(["b", "a", "a", "a"])]
    results = world.measure(*probes, runner=Forgetful())
    assert {r.state for r in results} == {"unmeasured"}
    assert "Traceback: no" in str(results[0].text)


def test_a_host_without_tools_cannot_measure(world: World, tmp_path: Path) -> None:
    class Bare(Local):
        def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Done:
            done = subprocess.run(
                list(argv), input=stdin, capture_output=True, env={"PATH": str(tmp_path)}, check=False
            )
            return Done(done.returncode, done.stdout, done.stderr)

    results = world.measure(
        probe("http", page(world), number=1),
        probe("dns", {"servers": ["127.0.0.1"], "checks": [["a.test", "A", []]]}, number=2),
        probe("ping", {"addresses": ["127.0.0.1"]}, number=3),
        runner=Bare(),
    )
    assert [(r.state, str(r.text)) for r in results] == [
        ("unmeasured", "The vantage point has no curl."),
        ("unmeasured", "The vantage point has no dig."),
        ("unmeasured", "The vantage point has no ping."),
    ]


def test_nothing_to_measure() -> None:
    runner = Local()
    assert SshProber(runner, lambda: NOW).run([]) == []
    assert runner.calls == []


def test_a_code_of_another_version_is_shown() -> None:
    assert str(sentence("new-code", {})) == "new-code"


def test_whoever_is_to_answer_may_be_slow_and_a_closed_door_is_soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(argv: Sequence[str], text: str, timeout: float) -> tuple[int, str]:
        asked.extend(text.split("\nnext\n"))
        return 0, ""

    monkeypatch.setattr(probe_agent, "run", run)
    opens = {"url": "https://szb.qingdao.test/", "family": 4, "status": 200}
    closed = {"url": "https://szb.qingdao.test/", "addresses": ["198.51.100.80"]}
    found = [{"id": "a", "kind": "http", "spec": opens}, {"id": "b", "kind": "http_closed", "spec": closed}]
    probe_agent.pages(found, {})
    patience = [int(line.split()[-1]) for block in asked for line in block.splitlines() if "connect-timeout" in line]
    assert len(patience) == 2
    assert patience[0] > probe_agent.SLOW_SECONDS >= patience[1], "a slow page is told as slow, not as gone"
