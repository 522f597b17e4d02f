"""The lab that is measured against: real BIND, OpenLDAP and nginx hosts, brought up by the product's own command.

Between runs everything is put back as it was before the first tenant, without the product, so that the product and
its peers start from the same state. Only one process may use the lab's name at a time; the lab itself refuses a second.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from bench import estates
from bench.measure import Timing, timed
from control_plane.drivers.ssh import SshRunner

GASP = Path(sys.executable).with_name("gasp")
STATE = Path(os.environ.get("GASP_BENCH_STATE", "/var/lib/gasp-bench"))
LAB = "labb"
ROOT = Path(__file__).resolve().parent.parent
SMALL, WHOLE = ROOT / "tests" / "data" / "small", ROOT / "tenants" / "qingdao"
ZONES = (estates.DOMAIN, f"intra.{estates.DOMAIN}")
WEB_HOSTS = ("web", "intranet")
KEEP = {
    "directory": "systemctl stop slapd; rm -rf /var/tmp/bench; mkdir -p /var/tmp/bench;"
    " cp -a --sparse=always /var/lib/ldap /var/tmp/bench/; systemctl start slapd",
    **dict.fromkeys(
        WEB_HOSTS,
        "rm -rf /var/tmp/bench; mkdir -p /var/tmp/bench; cp -a /etc/nginx /srv/sites /var/lib/gasp /var/tmp/bench/",
    ),
}
PUT_BACK = {
    "directory": "systemctl stop slapd; find /var/lib/ldap -mindepth 1 -delete;"
    " cp -a --sparse=always /var/tmp/bench/ldap/. /var/lib/ldap/; systemctl start slapd",
    **dict.fromkeys(
        WEB_HOSTS,
        "for d in /etc/nginx /srv/sites /var/lib/gasp; do find $d -mindepth 1 -delete;"
        " cp -a /var/tmp/bench/${d##*/}/. $d/; done; rm -f /var/log/nginx/sites/*; systemctl restart nginx",
    ),
}


class Centre:
    """A control plane with its lab below `state`. `estate`: the folder that decides which hosts there are."""

    def __init__(self, state: Path = STATE, lab: str = LAB, estate: Path | None = None) -> None:
        self.state, self.lab = state, lab
        self.estates = state / "bench-estates"
        self.estate = estate or self.estates / "empty"
        self.saved = state / "bench-databases"

    @classmethod
    def served(cls) -> Centre:
        """Like the bench's own, with the small estate: its tenants have workstations, and all of these are enrolled."""
        return cls()._enrolled(SMALL)

    @classmethod
    def whole(cls) -> Centre:
        """The whole estate with all its workstations enrolled; it needs the lab called `lab` to be free."""
        return cls(STATE.with_name(f"{STATE.name}-up"), "lab")._enrolled(WHOLE)

    def _enrolled(self, source: Path) -> Centre:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.estate = estates.write_enrolled(source, self.estates / "enrolled")
        return self

    @property
    def env(self) -> dict[str, str]:
        """Environment of the product's commands."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("GASP_")},
            "GASP_STATE": str(self.state),
            "GASP_LAB": self.lab,
            "GASP_ESTATE": str(self.estate),
            "GASP_LANG": "en",
            "TERM": "dumb",
        }

    # the product ----------------------------------------------------------------------------------------------------
    def gasp(self, *argv: str, codes: Sequence[int] = (0,), timeout: float = 1800) -> Timing:
        """One command of the product, measured."""
        return timed([str(GASP), *argv], env=self.env, codes=codes, timeout=timeout)

    def json(self, *argv: str) -> Any:
        """What a command answers."""
        return json.loads(self.gasp(*argv, "-o", "json").out)

    def events(self, run: int) -> list[dict[str, Any]]:
        """All events of a run."""
        said = self.gasp("runs", "follow", str(run), "--from", "1", "-o", "json", codes=(0, 1, 3, 5, 6)).out
        return [json.loads(line) for line in said.splitlines()]

    # the lab --------------------------------------------------------------------------------------------------------
    @contextmanager
    def up(self) -> Iterator[Centre]:
        """Bring it up with fresh state, nothing of it running by itself; take it down at the end."""
        if self.state.exists():
            self.gasp("lab", "down", codes=(0, 1, 2, 4, 6))
        for name in ("gasp.db", "gasp.db-wal", "gasp.db-shm"):
            (self.state / name).unlink(missing_ok=True)
        for folder in (self.state / "lab", self.saved):
            shutil.rmtree(folder, ignore_errors=True)
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.estate == self.estates / "empty":
            estates.write_empty(self.estate)
        try:
            self.gasp("bringup")
            self.stop()  # a database is put under nobody's feet, and nobody else's work is measured
            for host, script in KEEP.items():
                self.shell(host, script)
            self.save("empty")
            yield self
        finally:
            self.gasp("lab", "down", codes=(0, 1, 2, 4, 6))

    def start(self) -> None:
        """Web server and worker, as they run in a centre."""
        self.gasp("web", "--background")
        self.gasp("worker", "start")

    def stop(self) -> None:
        """End both, if they run."""
        self.gasp("worker", "stop", codes=(0, 1))
        self.gasp("web", "--stop", codes=(0, 1))

    def shell(self, host: str, script: str, stdin: bytes = b"") -> bytes:
        """Run a shell script on a host, not measured."""
        done = subprocess.run([*self.ssh, host, script], input=stdin, capture_output=True, check=False, timeout=600)
        if done.returncode:
            raise RuntimeError(f"{host}: {done.stderr.decode()[-2000:]}")
        return done.stdout

    @property
    def ssh(self) -> list[str]:
        """The system's ssh with the lab's configuration."""
        return ["ssh", "-F", str(self.ssh_config), "-T"]

    @property
    def ssh_config(self) -> Path:
        """Names, keys and known host keys of the lab."""
        return self.state / "lab" / self.lab / "ssh_config"

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Service address by host."""
        return {host["name"]: host["ipv4"] for host in self.json("lab", "status")["hosts"]}

    def cold(self) -> None:
        """End all kept ssh connections, the product's and the lab's, so that every run pays for its own."""
        for folder in (self.state / "ssh", self.state / "lab" / self.lab / "cm"):
            for socket in folder.glob("*"):
                argv = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "nobody"]
                subprocess.run(argv, capture_output=True, check=False, timeout=30)

    def warm(self, host: str) -> None:
        """Have a kept connection to a host, the product's and the lab's: as in a centre whose worker runs."""
        SshRunner(self.ssh_config, self.state / "ssh").run(host, ["true"])
        self.shell(host, "true")

    # the same state for everybody -----------------------------------------------------------------------------------
    def save(self, name: str) -> None:
        """Keep the database under a name."""
        self.saved.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self.saved / name
        target.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.state / "gasp.db")) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)

    def has(self, name: str) -> bool:
        """Whether a database is kept under that name."""
        return (self.saved / name).exists()

    def load(self, name: str) -> None:
        """Put a kept database in place."""
        for suffix in ("-wal", "-shm"):
            (self.state / f"gasp.db{suffix}").unlink(missing_ok=True)
        shutil.copyfile(self.saved / name, self.state / "gasp.db")
        (self.state / "gasp.db").chmod(0o600)

    def prepare(self, name: str, folder: Path) -> None:
        """A kept database in which the estate in `folder` was imported and nothing applied yet."""
        self.load("empty")
        self.gasp("tenants", "import", str(folder), "--yes")
        self.save(name)

    def wipe(self) -> None:
        """Every managed place as it was before the first tenant."""
        for zone in ZONES:
            self.wipe_names(zone)
        for host, script in PUT_BACK.items():
            self.shell(host, script)
        for key in (self.state / "secrets" / "tls").glob("t0*.key"):
            key.unlink()

    def wipe_names(self, zone: str) -> None:
        """A zone as it was made."""
        names = {row.split()[0] for row in self.transfer(zone).splitlines() if row and row[0] not in "; "}
        core = f".core.{zone}."
        rows = [f"update delete {n}" for n in sorted(names) if n != f"{zone}." and not f".{n}".endswith(core)]
        for at in range(0, len(rows), 1000):
            self.nsupdate(zone, rows[at : at + 1000])

    # the systems by their ordinary clients --------------------------------------------------------------------------
    @property
    def key_file(self) -> Path:
        """The TSIG key as `dig -k` and `nsupdate -k` read it."""
        path = self.state / "bench-tsig.key"
        secret = (self.state / "secrets" / "tsig-internal").read_text().strip()
        path.touch(mode=0o600)
        path.write_text(f'key "gasp-internal." {{ algorithm hmac-sha256; secret "{secret}"; }};\n')
        return path

    def dig(self, zone: str) -> list[str]:
        """argv of a whole-zone transfer."""
        return [
            "dig",
            "-k",
            str(self.key_file),
            f"@{self.addresses['ns1']}",
            zone,
            "AXFR",
            "+noall",
            "+answer",
            "+onesoa",
        ]

    def transfer(self, zone: str) -> str:
        """A zone as text."""
        return subprocess.run(self.dig(zone), capture_output=True, check=True, text=True, timeout=120).stdout

    def nsupdate(self, zone: str, rows: Sequence[str]) -> None:
        """One update of these rows."""
        text = "\n".join([f"server {self.addresses['ns1']}", f"zone {zone}", *rows, "send", ""])
        argv = ["nsupdate", "-v", "-k", str(self.key_file)]
        subprocess.run(argv, input=text, capture_output=True, check=True, text=True, timeout=120)

    def ldap(self, tool: str, *options: str) -> list[str]:
        """argv of an OpenLDAP client bound as the control plane; see `ldap_env`."""
        return [
            tool,
            "-x",
            "-H",
            f"ldaps://{self.addresses['directory']}",
            "-D",
            f"cn=control-plane,ou=system,{estates.BASE_DN}",
            "-y",
            str(self.password_file),
            *options,
        ]

    @property
    def password_file(self) -> Path:
        """The control plane's password without a newline, as the clients want it."""
        path = self.state / "bench-ldap-password"
        path.touch(mode=0o600)
        path.write_text((self.state / "secrets" / "ldap-control-plane").read_text().rstrip("\n"))
        return path

    @property
    def ldap_env(self) -> dict[str, str]:
        """Environment in which OpenLDAP's clients verify the directory's certificate."""
        return {**os.environ, "LDAPTLS_CACERT": str(self.state / "ca" / "ca.pem"), "LDAPTLS_REQCERT": "demand"}
