"""A private nginx on loopback with a host's folders below one directory, and stand-ins for what the driver asks."""

from __future__ import annotations

import http.client
import io
import os
import shutil
import socket
import ssl
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from control_plane.drivers.host_files import HostFilesDriver
from control_plane.drivers.ssh import Completed, stream
from control_plane.model.errors import TemporaryError
from control_plane.model.plan import Memory, Plan, diff
from control_plane.model.ports import CertificateState, Notice, Outcome
from control_plane.model.resource import Look, Measured, Owner, Resource
from control_plane.model.text import t
from tests.ports import free_port
from tests.waiting import wait_until

PART = "web:web"
NGINX = "/usr/sbin/nginx"
NOW = datetime(2007, 6, 1, 8, 0, tzinfo=UTC)


class PrivateNginx:
    """nginx with all it needs below `root`; `http` and `https` are its ports on 127.0.0.1."""

    def __init__(self, root: Path) -> None:
        self.root, self.http, self.https = root, free_port(), free_port()
        for folder in ("etc/nginx/sites-enabled", "etc/nginx/tls", "run", "tmp", "srv/sites", "var/lib/gasp"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "var/log/nginx/sites").mkdir(parents=True, exist_ok=True)
        (root / "var/lib/gasp/ready").write_text("prepared\n")
        self.conf = root / "etc/nginx/nginx.conf"
        temporary = "".join(
            f"  {kind}_temp_path {root}/tmp/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.conf.write_text(
            f"user root;\nworker_processes 1;\npid {root}/run/nginx.pid;\nerror_log {root}/var/log/nginx/error.log;\n"
            "events { worker_connections 64; }\nhttp {\n"
            f"{temporary}  server_names_hash_max_size 8192;\n  server_names_hash_bucket_size 512;\n"
            f"  ssl_session_cache off;\n  access_log off;\n"
            f"  server {{ listen 127.0.0.1:{self.http} default_server; return 421; }}\n"
            "  include sites-enabled/*.conf;\n}\n"
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.options: dict[str, Any] = {
            "root": str(root),
            "nginx": [NGINX, "-p", str(root)],
            "reload": [NGINX, "-p", str(root), "-c", str(self.conf), "-s", "reload"],
            "reload_seconds": 20,
        }

    def start(self) -> None:
        """Start and wait until it answers."""
        self.process = subprocess.Popen(
            [NGINX, "-p", str(self.root), "-c", str(self.conf), "-g", "daemon off;"], stderr=subprocess.DEVNULL
        )
        wait_until(self.answers, 60)

    def answers(self) -> bool:
        """Whether the default server answers."""
        try:
            return self.get("nobody.test")[0] == 421
        except OSError:
            return False

    def stop(self) -> None:
        """End it, by its own process object."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def get(self, host: str) -> tuple[int, str]:
        """Status and body over HTTP for a Host header."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
        try:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def certificate(self, host: str) -> str:
        """SHA-256 of the certificate that a client is shown for a name."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.https), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return sha256(secured.getpeercert(True) or b"").hexdigest()

    def test(self) -> bool:
        """Whether nginx could start from what is live, as after a reboot."""
        done = subprocess.run([NGINX, "-t", "-q", "-p", self.root, "-c", self.conf], capture_output=True, check=False)
        return done.returncode == 0

    def vhost(self, main: str, site: str, extra: str = "", names: Sequence[str] = ()) -> str:
        """A vhost as an offering would render it."""
        lines = (
            f"server_name {' '.join([main, *names])};",
            f"access_log {self.root}/var/log/nginx/sites/{main}.access.log;",
            f"root {self.root}/srv/sites/{site}/current;",
            extra,
        )
        inner = "\n  ".join(line for line in lines if line)
        return (
            f"server {{\n  listen 127.0.0.1:{self.http};\n  listen 127.0.0.1:{self.https} ssl;\n"
            f"  ssl_certificate tls/{main}.crt;\n  ssl_certificate_key tls/{main}.key;\n  {inner}\n}}\n"
        )


@dataclass
class LocalRunner:
    """Plays SSH: runs the command here. `env` reaches the agent; `dead` hosts do not answer."""

    env: dict[str, str] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    calls: int = 0

    def _command(self, host: str, argv: Sequence[str]) -> list[str]:
        self.calls += 1
        if host in self.dead:
            raise TemporaryError(t("Host {host} cannot be reached: {reason}", host=host, reason="cut by the test"))
        return ["env", *(f"{k}={v}" for k, v in self.env.items()), "/usr/bin/python3", *argv[1:]]

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        done = subprocess.run(self._command(host, argv), input=stdin, capture_output=True, timeout=timeout, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    def lines(self, host: str, argv: Sequence[str], stdin: Sequence[bytes], timeout: float) -> Iterator[bytes]:
        yield from stream(self._command(host, argv), host, stdin, timeout)


class SelfSigned:
    """A certificate store: self-signed, kept in memory and below `folder`; `due` makes all of them due."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.due = folder, False
        self.current: dict[tuple[str, ...], tuple[bytes, Path, str]] = {}
        self.serial = 0

    def describe(self, found: Sequence[tuple[str, Sequence[str]]], now: datetime) -> list[CertificateState]:
        return [self._state(fingerprint, names) for fingerprint, names in found]

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _state(self, fingerprint: str, names: Sequence[str]) -> CertificateState:
        have = self.current.get(tuple(names))
        if have is None or have[2] != fingerprint:
            return "unknown"
        return "due" if self.due else "valid"

    def obtain(self, names: Sequence[str], now: datetime) -> tuple[bytes, Path]:
        if tuple(names) not in self.current or self.due:
            self.serial += 1
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gasp test")])
            certificate = (
                x509.CertificateBuilder()
                .subject_name(name)
                .issuer_name(name)
                .public_key(key.public_key())
                .serial_number(self.serial)
                .not_valid_before(NOW)
                .not_valid_after(NOW + timedelta(days=365 * 40))
                .sign(key, hashes.SHA256())
            )
            path = self.folder / f"{self.serial}.key"
            path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
            chain = certificate.public_bytes(serialization.Encoding.PEM)
            self.current[tuple(names)] = (chain, path, certificate.fingerprint(hashes.SHA256()).hex())
        return self.current[tuple(names)][:2]


class Tars:
    """A release store: `source` is `{"files": {name: text}}`. `opened` counts."""

    opened = 0

    def open_archive(self, source: Mapping[str, Any]) -> bytes:
        self.opened += 1
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, text in source["files"].items():
                content = text.encode() if isinstance(text, str) else text
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return buffer.getvalue()


class Bench:
    """A private nginx with a driver in front of it, a clock, and the engine's own diff."""

    def __init__(self, root: Path) -> None:
        self.nginx = PrivateNginx(root)
        self.runner = LocalRunner()
        self.certificates = SelfSigned(root / "centre")
        self.releases = Tars()
        self.now = NOW
        self.owners: dict[str, Owner] = {}
        self.driver = HostFilesDriver(
            self.runner, ["web"], self.certificates, self.releases, lambda: self.now, self.nginx.options
        )

    def site(
        self, code: str, extra: str = "", page: str = "", retire: int = 0, files: Mapping[str, str] | None = None
    ) -> list[Resource]:
        """The three resources of a site `<code>.qingdao.test`."""
        main = f"{code}.qingdao.test"
        owner = Owner(f"t_{code.partition('.')[0]}", code, "public_site")
        self.owners[owner.marker] = owner
        folder = f"{owner.tenant_id}/{main}"
        text = self.nginx.vhost(main, folder, extra)
        content = dict(files or {"index.html": page or f"page of {code}"})
        release = sha256(repr(sorted(content.items())).encode()).hexdigest()[:16]

        def make(kind: str, attributes: dict[str, Any], payload: dict[str, Any]) -> Resource:
            return Resource(
                f"{PART}/{kind}/{main}",
                f"web.{kind}",
                PART,
                owner,
                attributes,
                main,
                payload={"main": main, **payload},
                retire_seconds=retire,
            )

        gone = self.nginx.vhost(main, folder, "location / { return 410; }")
        wanted = {"names": [main], "issuer": "test", "key_type": "EC P-256", "state": "valid"}
        return [
            make("release", {"release": release}, {"site_dir": folder, "source": {"files": content}}),
            make("certificate", wanted, {"names": [main]}),
            make(
                "vhost",
                {"names": [main], "config": sha256(text.encode()).hexdigest()},
                {"text": text, "gone_text": lambda: gone, "site_dir": folder},
            ),
        ]

    def look(self) -> Measured:
        """A look that must succeed."""
        look = self.driver.observe(PART)
        assert isinstance(look, Measured), look
        return look

    def plan(self, desired: Sequence[Resource], look: Look | None = None) -> Plan:
        """What the engine would plan."""
        wanted = {r.id: r for r in desired}
        kinds = {kind.name: kind for kind in self.driver.kinds}
        memory = Memory({}, {}, self.owners)
        return diff("estate", wanted, [look or self.look()], kinds, memory, lambda *_: True, self.now)

    def carry_out(self, plan: Plan) -> tuple[dict[str, Outcome], list[Notice]]:
        """Apply a plan; outcomes by the short id `vhost/…`, and the notices."""
        outcomes: dict[str, Outcome] = {}
        notices: list[Notice] = []
        for answer in self.driver.apply(PART, plan.steps, lambda: None):
            if isinstance(answer, Notice):
                notices.append(answer)
            else:
                assert answer.change_id not in outcomes
                outcomes[answer.change_id.removeprefix(PART + "/")] = answer
        assert len(outcomes) == len(plan.steps)
        return outcomes, notices

    def bring(self, desired: Sequence[Resource]) -> tuple[dict[str, Outcome], list[Notice]]:
        """Plan and apply."""
        return self.carry_out(self.plan(desired))

    def settle(self, desired: Sequence[Resource]) -> None:
        """Plan and apply, and see that all went well and nothing is left to do."""
        outcomes, _ = self.bring(desired)
        assert {o.state for o in outcomes.values()} <= {"applied", "already"}, outcomes
        assert not self.plan(desired).changes

    def file(self, name: str) -> Path:
        """A file of the host."""
        return self.nginx.root / name.lstrip("/")


def states(outcomes: Mapping[str, Outcome]) -> dict[str, int]:
    """How many ended how."""
    counts: dict[str, int] = {}
    for outcome in outcomes.values():
        counts[outcome.state] = counts.get(outcome.state, 0) + 1
    return counts


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below a folder: mode, time of change, content."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def available() -> bool:
    """Whether a private nginx can be run here (workers must read files of root)."""
    return shutil.which(NGINX) is not None and os.geteuid() == 0
