"""The door to the lab: bring it up, take it down, look at it, disturb it, run a command on a host.

Every act takes the lab's lock and can be killed at any point: the same act again finishes the work. Must not hold
anything in memory that the next process would need.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import IO, Any, Literal

from lab import cgroups, mountspace, network, preflight, shared
from lab.access import Access
from lab.commands import LabError
from lab.disks import Authority, Disks, mounts
from lab.files import locked
from lab.images import ImageStore
from lab.keeper import Keeper
from lab.topology import Host, Topology

UP_LIMIT = 600.0
#: nspawn makes a folder a host here and leaves it when /run is no file system of its own.
NSPAWN_PROPAGATE = Path("/run/systemd/nspawn/propagate")

HostState = Literal["running", "starting", "stopped", "failed", "cut"]
"""running: init runs and SSH answered on the management address.
starting: it boots, or boots again, and SSH has not answered yet.
stopped: it does not run and is not meant to.
failed: it should run, but ends again and again or does not answer; it is tried further.
cut: it runs and SSH answers, but its service interfaces are unplugged.
"""

Phase = Literal["image", "network", "disks", "boot", "stop", "remove"]


@dataclass(frozen=True)
class Progress:
    """One step of a long act: `done` of `total` in `phase`; `message` names what is being worked on."""

    phase: Phase
    done: int
    total: int
    message: str = ""


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class HostStatus:
    """One host as it is now. `restarts` counts since the supervisor began."""

    name: str
    role: str
    zone: str
    tenant: str | None
    ipv4: IPv4Address
    ipv6: IPv6Address
    mgmt: IPv4Address
    state: HostState
    restarts: int = 0


def _silent(_: Progress) -> None:
    pass


class Lab:
    """One lab, kept under `<state>/lab/<name>/` with images from `cache`; `ca_pem` is trusted by its hosts."""

    def __init__(self, topology: Topology, state: Path, cache: Path, ca_pem: bytes | None = None) -> None:
        self.topology = topology
        self.folder = state.absolute() / "lab" / topology.name
        self.images = ImageStore(cache.absolute())
        self.ca_pem = ca_pem
        self.access = Access(self.folder)
        self.disks = Disks(topology, self.folder, self.images)
        self.cgroups = cgroups.detect(topology.name)
        self.keeper = Keeper(self.folder, self.cgroups)

    # --- bringing up and down ---

    def join(self) -> None:
        """Run this command where the lab's mounts are, if its supervisor lives in another mount namespace."""
        pid = self.keeper.pid()
        if pid is not None:
            mountspace.join(pid)

    def up(self, progress: Report = _silent) -> None:
        """Every host runs, is plugged in and answers on SSH when this returns; at once if that is so already.

        Hosts stopped or cut by hand are started and plugged in again. Raises LabError.
        """
        preflight.check_tools()
        preflight.check_paths(self.folder, self.images.folder)
        if self.topology.name not in shared.folders():
            preflight.check_ranges(self.topology)
        for part in (self.folder.parent.parent, self.folder.parent, self.folder, self.folder / "hosts"):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.folder):
            self.images.ensure(lambda done, total, name: progress(Progress("image", done, total, name)))
            shared.acquire(self.topology.name, self.folder, self.cgroups.pids(cgroups.SUPERVISOR))
            self._remove_strangers()
            self._ensure_network(progress)
            self._ensure_disks(progress)
            self.keeper.want({"stopped": [], "hard": [], "cut": []})
            self.keeper.ensure({host.name: self.boot_spec(host) for host in self.topology.hosts})
            self._wait_running(progress)

    def down(self, progress: Report = _silent) -> None:
        """Nothing of the lab runs, is mounted or configured any more; disks, keys and images are kept.

        Works on what a killed `up` or `down` left, and on a lab of this name whose state folder is gone.
        """
        name = self.topology.name
        shared.check_owner(name, self.folder, self.cgroups.pids(cgroups.SUPERVISOR))
        if name not in shared.folders() and not self.folder.is_dir() and not self._leftovers():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.folder):
            self.access.close()
            self.keeper.end(lambda done, total: progress(Progress("stop", done, total)))
            for member in self.cgroups.members():
                self.keeper.kill(member)
            progress(Progress("remove", 0, 1))
            self.cgroups.remove_all()
            self.disks.unmount_all()
            network.remove_all(self.topology)
            for place in NSPAWN_PROPAGATE.glob(f"{name}-*"):
                with suppress(OSError):
                    place.rmdir()
            self.keeper.forget()
            shared.release(name)
            progress(Progress("remove", 1, 1))

    def clean(self, progress: Report = _silent) -> None:
        """`down`, and the hosts' disks, keys and logs are deleted. Images stay: other labs may use them."""
        self.down(progress)
        if self.folder.is_dir():
            shutil.rmtree(self.folder)
        with suppress(OSError):
            self.folder.parent.rmdir()

    # --- looking ---

    @property
    def supervised(self) -> bool:
        """Whether the supervisor lives. If not, hosts may still run; `up` finds them."""
        return self.keeper.pid() is not None

    def status(self) -> list[HostStatus]:
        """Every host of the topology, in its order. Reads two files; asks no host."""
        known = self.keeper.states()
        cut = set(self.keeper.desired()["cut"])
        found = []
        for host in self.topology.hosts:
            entry = known.get(host.name, {"state": "stopped", "restarts": 0})
            state: HostState = entry["state"]
            if not known and cgroups.init_of(self.cgroups.pids(host.name)):
                state = "running"
            if state == "running" and host.name in cut:
                state = "cut"
            found.append(
                HostStatus(
                    host.name, host.role, host.zone, host.tenant, host.ipv4, host.ipv6, host.mgmt, state,
                    entry["restarts"],
                )
            )  # fmt: skip
        return found

    def ssh_config(self) -> Path:
        """File for `ssh -F FILE HOST`, also for Ansible and the drivers."""
        return self.access.config

    def ssh_options(self, host: str) -> dict[str, str]:
        """ssh(1) options for one host, for those who cannot use the file. Raises KeyError."""
        found = self.topology.host(host)
        return {**self.access.options(), "HostName": str(found.mgmt), "HostKeyAlias": found.name}

    # --- single hosts ---

    def stop(self, host: str, limit: float = 60, *, hard: bool = False) -> None:
        """Shut a host down in order and keep it down until `start` or `up`. `hard`: as if its power was cut, its init
        and with it every process is killed where it stands. Raises KeyError, LabError."""
        if hard:
            self._wish(host, "hard", True)
        self._wish(host, "stopped", True)
        self.keeper.wait(host, {"stopped"}, limit)

    def start(self, host: str, limit: float = 120) -> None:
        """Start a stopped host and wait for SSH. Raises KeyError, LabError."""
        self._wish(host, "hard", False)
        self._wish(host, "stopped", False)
        self.keeper.wait(host, {"running"}, limit)

    def cut(self, host: str) -> None:
        """Unplug a host's service interfaces, both directions; SSH over the management network stays."""
        self._wish(host, "cut", True)

    def heal(self, host: str) -> None:
        """Plug a cut host in again."""
        self._wish(host, "cut", False)

    def run(
        self,
        host: str,
        argv: Sequence[str],
        *,
        input: bytes | None = None,
        stdin: int | IO[bytes] | None = None,
        capture: bool = False,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `argv` on the host, each word as given; stdin, stdout, stderr and exit status pass unchanged.

        Without `input` and `stdin` the caller's own standard input is used; `capture` collects the outputs
        instead of passing them on. 255 is also SSH's own failure. Raises KeyError, subprocess.TimeoutExpired.
        """
        self.topology.host(host)
        words = self.access.ssh(host, argv)
        streams: dict[str, Any] = {"input": input} if input is not None else {"stdin": stdin}
        return subprocess.run(words, **streams, capture_output=capture, timeout=timeout, check=False)

    # --- parts ---

    def _leftovers(self) -> bool:
        return bool(self.cgroups.members() or network.names(self.topology))

    def _remove_strangers(self) -> None:
        """Hosts that are no longer in the topology, or were left by a lab of this name from elsewhere."""
        known = {host.name for host in self.topology.hosts}
        prefix = f"{self.topology.name}-"
        spaces = {name.removeprefix(prefix) for name in network.namespaces(self.topology)} - {"sw"}
        strangers = (spaces | set(self.cgroups.members())) - known
        for name in sorted(strangers):
            self.keeper.halt([name])
            network.remove_host(self.topology, name)
            self.disks.unmount(name)
            self.disks.remove(name)
        expected = {str(self.disks.root(host.name)) for host in self.topology.hosts}
        for source, points in mounts(f"gasp:{self.topology.name}:").items():
            if not expected.issuperset(points):
                self.keeper.halt([source.rpartition(":")[2]])
                self.disks.unmount(source.rpartition(":")[2])

    def _ensure_network(self, progress: Report) -> None:
        network.ensure_machine(self.topology)
        network.remove_strays(self.topology)
        known = {host.name for host in self.topology.hosts}
        self._plug([name for name in self.keeper.desired()["cut"] if name in known], up=True)
        lacking = network.incomplete(self.topology)
        spaces = network.namespaces(self.topology)
        self.keeper.halt([h.name for h in lacking if network.namespace(self.topology, h) not in spaces])
        progress(Progress("network", len(self.topology.hosts) - len(lacking), len(self.topology.hosts)))
        network.ensure_hosts(self.topology, lacking)
        progress(Progress("network", len(self.topology.hosts), len(self.topology.hosts)))

    def _ensure_disks(self, progress: Report) -> None:
        self.access.ensure(self.topology)
        authority = Authority.from_pem(self.ca_pem) if self.ca_pem else None
        total = len(self.topology.hosts)
        self.keeper.halt([host.name for host in self.topology.hosts if self.disks.outdated(host)])
        for number, host in enumerate(self.topology.hosts):
            progress(Progress("disks", number, total, host.name))
            self.disks.ensure(host)
            self.disks.seed(host, self.access, authority)
        progress(Progress("disks", total, total))

    def boot_spec(self, host: Host) -> dict[str, Any]:
        """What the supervisor needs to start a host: command line, environment, console file, SSH address."""
        place = self.folder / "hosts" / host.name
        machine = f"{self.topology.name}-{host.name}"
        argv = [
            "systemd-nspawn", "--quiet", "--settings=no", "--register=no", "--keep-unit", "--boot",
            f"--machine={machine}", f"--hostname={host.name}", f"--directory={place / 'root'}",
            f"--network-namespace-path=/run/netns/{network.namespace(self.topology, host)}",
            "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe",
        ]  # fmt: skip
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        if self.topology.roles[host.role].net_admin:
            argv.append("--capability=CAP_NET_ADMIN")
            environment["SYSTEMD_NSPAWN_API_VFS_WRITABLE"] = "network"
        return {"argv": argv, "env": environment, "console": str(place / "console.log"), "ssh": [str(host.mgmt), 22]}

    def _wait_running(self, progress: Report) -> None:
        end, total, last = time.monotonic() + UP_LIMIT, len(self.topology.hosts), -1
        while True:
            now = self.status()
            waiting = [host for host in now if host.state != "running"]
            if total - len(waiting) != last:
                last = total - len(waiting)
                progress(Progress("boot", last, total, waiting[0].name if waiting else ""))
            if not waiting:
                return
            failed = [host.name for host in waiting if host.state == "failed"]
            if (failed and len(failed) == len(waiting)) or time.monotonic() > end or not self.supervised:
                names = ", ".join(host.name for host in waiting)
                raise LabError(f"hosts that did not come up: {names}; see {self.folder}/hosts/NAME/console.log")
            time.sleep(0.1)

    def _wish(self, host: str, key: Literal["stopped", "hard", "cut"], on: bool) -> None:
        self.topology.host(host)
        if not self.folder.is_dir():
            raise LabError(f"the lab called {self.topology.name} is not up")
        with locked(self.folder):
            if not self.supervised:
                raise LabError(f"the lab called {self.topology.name} is not up, or its supervisor died: bring it up")
            desired = self.keeper.desired()
            desired[key] = [*desired[key], host] if on else [name for name in desired[key] if name != host]
            if key == "cut" and not on:
                self._plug([host], up=True)  # before it is written: a kill in between leaves a cut that is known
            self.keeper.want(desired)
            if key == "cut" and on:
                self._plug([host], up=False)

    def _plug(self, names: Iterable[str], *, up: bool) -> None:
        for name in names:
            ports = network.service_ports(self.topology, self.topology.host(name))
            network.set_ports(self.topology, ports, up=up)


def as_json(status: HostStatus) -> dict[str, Any]:
    """A host's status with its addresses as text."""
    return {key: str(value) if "ip" in key or key == "mgmt" else value for key, value in asdict(status).items()}


__all__ = ["HostState", "HostStatus", "Lab", "LabError", "Progress", "Report", "as_json"]
