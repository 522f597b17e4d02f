"""Keys for getting in: the lab's own client key, one host key a host, known_hosts and ssh_config.

Host keys are made here, before a host boots, so that the first connection is already checked. Nothing outside the
lab's folder is written, least of all root's own `~/.ssh`.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run
from lab.files import write_atomic
from lab.topology import Host, Topology

#: A host's name (15), the slash, and what OpenSSH appends while it makes the socket (17), and the final zero.
LONGEST_SOCKET = 34
#: The exchange that is asked for first. OpenSSH's own first choice is made for traffic that is recorded for decades; it
#: costs seven times the processor time at both ends, which a hundred hosts share with one machine here.
KEY_EXCHANGE = "curve25519-sha256"


@dataclass(frozen=True)
class Access:
    """Paths of a lab's access files, all below `folder` (mode 0700)."""

    folder: Path

    @property
    def identity(self) -> Path:
        """Private key the control plane logs in with; `.pub` lies beside it."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """Host keys of every host, by name and by management address."""
        return self.folder / "known_hosts"

    @property
    def config(self) -> Path:
        """`ssh -F` this, then any host's name."""
        return self.folder / "ssh_config"

    @property
    def sockets(self) -> Path:
        """Folder of OpenSSH's control sockets."""
        return self.folder / "cm"

    def host_key(self, host: Host) -> Path:
        """The machine's copy of a host's private key; `.pub` lies beside it."""
        return self.folder / "hosts" / host.name / "ssh_host_ed25519_key"

    def ensure(self, topology: Topology) -> None:
        """Make the keys that are missing and write known_hosts and ssh_config for exactly these hosts."""
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_key(self.identity, f"gasp-{topology.name}")
        known = []
        for host in topology.hosts:
            key = self.host_key(host)
            key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_key(key, host.name)
            kind, value = key.with_suffix(".pub").read_text().split()[:2]
            known.append(f"{host.name},{host.mgmt} {kind} {value}\n")
        write_atomic(self.known_hosts, "".join(known))
        write_atomic(self.config, self.render_config(topology.hosts))

    def options(self) -> dict[str, str]:
        """Options of ssh(1) that hold for every host."""
        return {
            "User": "root",
            "IdentityFile": str(self.identity),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "PreferredAuthentications": "publickey",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "UpdateHostKeys": "no",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "KexAlgorithms": f"^{KEY_EXCHANGE}",
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
            "LogLevel": "ERROR",
            **self._sharing(),
        }

    def _sharing(self) -> dict[str, str]:
        """One connection a host for many commands, where the socket's path fits the kernel's 108 bytes."""
        if len(str(self.sockets)) > 108 - LONGEST_SOCKET:
            return {"ControlMaster": "no", "ControlPath": "none"}
        return {"ControlMaster": "auto", "ControlPath": f"{self.sockets}/%n", "ControlPersist": "60"}

    def render_config(self, hosts: Iterable[Host]) -> str:
        """Text of ssh_config: a block a host, then what holds for all of them."""
        blocks = [f"Host {host.name}\n  HostName {host.mgmt}\n  HostKeyAlias {host.name}\n" for host in hosts]
        common = "".join(f"  {name} {_quoted(value)}\n" for name, value in self.options().items())
        return "".join(blocks) + f"Host *\n{common}"

    def ssh(self, host: str, argv: Iterable[str], *, shared: bool = False) -> list[str]:
        """Command line that runs `argv` on the host word by word as given.

        `shared` uses the control socket; without it the connection is its own, which adds no message of
        OpenSSH's multiplexing to standard error.
        """
        own = [] if shared else ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
        words = shlex.join(argv)
        return ["ssh", "-F", str(self.config), *own, "-T", host, *(["--", words] if words else [])]

    def close(self) -> None:
        """End the masters that persist, the drivers' own below the same state folder too: no host outlives this."""
        for pid in masters(self.folder.parent.parent):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if self.sockets.is_dir():
            for socket in self.sockets.iterdir():
                socket.unlink(missing_ok=True)


def masters(folder: Path) -> dict[int, str]:
    """OpenSSH masters whose control socket lies below `folder`: process id and title."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError):
                title = (place / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
                if title.startswith(f"ssh: {folder}/".replace("//", "/")) and title.endswith("[mux]"):
                    found[int(place.name)] = title
    return found


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _make_key(path: Path, comment: str) -> None:
    public = path.with_suffix(".pub")
    if path.exists() and public.exists():
        return
    fresh = path.with_name(f".{path.name}.new")
    for left in (fresh, fresh.with_suffix(".pub"), fresh.with_name(f"{fresh.name}.pub")):
        left.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", fresh])
    fresh.with_name(f"{fresh.name}.pub").replace(public)
    fresh.replace(path)
