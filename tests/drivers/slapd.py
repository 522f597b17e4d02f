"""A private, real slapd on loopback, built from the very templates that bring the real one up.

TLS with a throw-away authority; started in the foreground and ended by its process id.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import jinja2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from control_plane.drivers.directory_session import Endpoint
from control_plane.drivers.secrets import ldap_hash
from tests.ports import free_port
from tests.waiting import wait_until

ROLE = Path(__file__).parents[2] / "playbooks" / "roles" / "directory"
SUFFIX = "dc=qingdao,dc=test"
NAME = "directory.core.qingdao.test"
CONTROL_PLANE = f"cn=control-plane,ou=system,{SUFFIX}"
TENANTS = f"ou=tenants,{SUFFIX}"
PASSWORD = "S3cr;et\"$(id)' with blanks"
ADMIN_PASSWORD = "root of the directory, for tests"


class Authority:
    """A certificate authority for one test run."""

    def __init__(self, folder: Path, name: str = "throw-away authority") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = folder / "ca.pem"
        built = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, 0), True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = built.add_extension(usage, True)
        self._write(self.certificate, built.sign(self._key, hashes.SHA256()))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, address: str = "127.0.0.1") -> tuple[Path, Path]:
        """Certificate and key of a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address(address))])
        certificate = self._builder(subject, key).add_extension(names, False).sign(self._key, hashes.SHA256())
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        self._write(paths[0], certificate)
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        return paths


@dataclass
class Slapd:
    """A running server and how to reach it. `plain`: a port without TLS, which the real one has not."""

    folder: Path
    port: int
    authority: Authority
    password_path: Path
    plain: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port, NAME, self.authority.certificate, 20)

    @property
    def ldapi(self) -> str:
        return "ldapi://" + str(self.folder / "ldapi").replace("/", "%2F")

    def start(self) -> None:
        urls = f"ldaps://127.0.0.1:{self.port} ldap://127.0.0.1:{self.plain} {self.ldapi}"
        command = ["/usr/sbin/slapd", "-d", "0", "-F", str(self.folder / "config"), "-h", urls]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._answers, 30)

    def _answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise AssertionError(f"slapd ended: {(self.folder / 'log').read_text()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, *, kill: bool = False) -> None:
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(30)
            self.process = None

    def root(self, ldif: str, *, config: bool = False) -> None:
        """Change anything behind everybody's back: as root DN, or as the machine's root in cn=config."""
        who = ["-Y", "EXTERNAL", "-Q"] if config else ["-x", "-D", f"cn=admin,{SUFFIX}", "-y", str(self._admin())]
        self._tool(["ldapmodify", "-H", self._url(config), *who], ldif)

    @contextmanager
    def refusing_locks(self, dn: str) -> Iterator[None]:
        """Nobody may lock or unlock this entry."""
        database = "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n"
        rule = f'to dn.exact="{dn}" attrs=pwdAccountLockedTime by * read'
        self.root(f"{database}add: olcAccess\nolcAccess: {{0}}{rule}\n", config=True)
        try:
            yield
        finally:
            self.root(f"{database}delete: olcAccess\nolcAccess: {{0}}\n", config=True)

    def dump(self, base: str = SUFFIX, criterion: str = "(objectClass=*)", *attributes: str) -> str:
        """Entries as the root DN sees them, passwords and operational attributes included, as LDIF."""
        who = ["-x", "-D", f"cn=admin,{SUFFIX}", "-y", str(self._admin()), "-LLL", "-o", "ldif-wrap=no", "-M"]
        wanted = attributes or ("*", "+")
        return self._tool(["ldapsearch", "-H", self._url(False), *who, "-b", base, criterion, *wanted], "")

    def _url(self, config: bool) -> str:
        return self.ldapi if config else f"ldaps://127.0.0.1:{self.port}"

    def _admin(self) -> Path:
        return self.folder / "admin"

    def _tool(self, command: list[str], text: str) -> str:
        environment = {**os.environ, "LDAPTLS_CACERT": str(self.authority.certificate), "LDAPTLS_REQCERT": "demand"}
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, f"{command[0]}: {done.stderr}"
        return done.stdout


@contextmanager
def running_slapd(folder: Path, *, without: str = "") -> Iterator[Slapd]:
    """A server with the base tree in `folder`; ends, and its data go, with the block. `without`: an overlay."""
    authority = Authority(folder / "ca")
    certificate, key = authority.issue(NAME)
    variables = {
        "suffix": SUFFIX,
        "organisation": "青岛市信息中心",
        "admin_password_hash": ldap_hash(ADMIN_PASSWORD),
        "control_plane_password_hash": ldap_hash(PASSWORD),
        "schema_folder": "/etc/ldap/schema",
        "gasp_schema": ROLE / "files" / "gasp.ldif",
        "database_folder": folder / "data",
        "pid_file": folder / "pid",
        "args_file": folder / "args",
        "tls_ca": authority.certificate,
        "tls_certificate": certificate,
        "tls_key": key,
    }
    (folder / "admin").write_text(ADMIN_PASSWORD)
    (folder / "control-plane").write_text(PASSWORD + "\n")
    for name in ("config", "data"):
        (folder / name).mkdir()
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    for number, name in enumerate(("config.ldif", "base.ldif")):
        ldif = folder / name
        entries = templates.get_template(f"{name}.j2").render(variables).split("\n\n")
        ldif.write_text("\n\n".join(e for e in entries if not without or f"}}{without},olcDatabase" not in e))
        command = ["/usr/sbin/slapadd", "-n", str(number), "-F", str(folder / "config"), "-l", str(ldif)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    server = Slapd(folder, free_port(), authority, folder / "control-plane", free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder / "data")
