"""A host's disk: an overlay of its own over the shared image, and the files put there before it boots.

The disk (`upper`) outlives `down`. It belongs to the image it was made on: when the recipe has changed the disk is
made anew, because package databases of two images cannot be laid over each other. Seed files that describe the
lab (keys, resolver, trust) are renewed at every `up`; what configuration tools wrote elsewhere stays.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lab.access import Access
from lab.commands import LabError, run
from lab.files import HostDisk, write_atomic
from lab.images import ImageStore
from lab.topology import Host, Topology

CA_NAME = "gasp-centre"
CA_PLACE = f"/usr/local/share/ca-certificates/{CA_NAME}.crt"
CA_LINK = f"/etc/ssl/certs/{CA_NAME}.pem"
NSPAWN_LOCKS = Path("/run/systemd/nspawn/locks")
#: A hundred hosts share one disk; a journal file would take 8 MB at once.
JOURNAL = "[Journal]\nSystemMaxUse=24M\nSystemMaxFileSize=2M\nRuntimeMaxUse=8M\nAudit=no\n"
MOUNTS = Path("/proc/self/mounts")
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Authority:
    """The centre's certificate authority as hosts are to trust it. `subject_hash` is OpenSSL's name for it."""

    pem: bytes
    subject_hash: str

    @classmethod
    def from_pem(cls, pem: bytes) -> Authority:
        """Raises LabError when `pem` is no certificate."""
        done = run(["openssl", "x509", "-noout", "-subject_hash"], text=pem.decode("ascii", "replace"))
        return cls(pem.strip() + b"\n", done.stdout.strip())


class Disks:
    """The disks of one lab, under `<folder>/hosts/<name>/`."""

    def __init__(self, topology: Topology, folder: Path, images: ImageStore) -> None:
        self.topology = topology
        self.folder = folder / "hosts"
        self.images = images
        self._mounted: set[str] | None = None

    def root(self, name: str) -> Path:
        """Where the host's file system is mounted."""
        return self.folder / name / "root"

    def source(self, name: str) -> str:
        """What /proc/mounts calls the mount, by which a later run finds it wherever its folder was."""
        return f"gasp:{self.topology.name}:{name}"

    def image_key(self, host: Host) -> str:
        """Key of the image this host should be on."""
        return self.images.layers[self.topology.roles[host.role].layer].key

    def outdated(self, host: Host) -> bool:
        """Whether the host has a disk made on another image."""
        stamp = self.folder / host.name / "image"
        return stamp.exists() and stamp.read_text().strip() != self.image_key(host)

    def ensure(self, host: Host) -> None:
        """Mount the host's disk, making it (or making it anew) where needed. Must not run while the host does."""
        place = self.folder / host.name
        if self.source(host.name) in mounts(f"gasp:{self.topology.name}:") and not self.outdated(host):
            return
        self.unmount(host.name)
        if self.outdated(host) or not (place / "image").exists():
            for part in ("seeded", "upper", "work"):
                _remove(place / part)
        for part in ("upper", "work", "root"):
            (place / part).mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomic(place / "image", self.image_key(host) + "\n")
        lower = ":".join(str(path) for path in self.images.lower(self.topology.roles[host.role].layer))
        options = f"lowerdir={lower},upperdir={place / 'upper'},workdir={place / 'work'}"
        run(["mount", "-t", "overlay", self.source(host.name), "-o", options, place / "root"])

    def seed(self, host: Host, access: Access, authority: Authority | None) -> None:
        """Write what the host must know about itself; before it boots, and again at any time."""
        done = self.folder / host.name / "seeded"
        image = self.images.lower(self.topology.roles[host.role].layer)
        disk = HostDisk(self.root(host.name))
        _seed(self.topology, host, disk, access, authority, image, fresh=not done.exists())
        done.touch()

    def unmount(self, name: str) -> None:
        """Unmount the host's disk wherever it is mounted; nothing happens when it is not."""
        for point in reversed(mounts(self.source(name)).get(self.source(name), [])):
            _unmount(Path(point))

    def unmount_all(self) -> None:
        """Unmount every disk of this lab, also one whose folder has gone."""
        for points in mounts(f"gasp:{self.topology.name}:").values():
            for point in reversed(points):
                _unmount(Path(point))

    def remove(self, name: str) -> None:
        """Forget the host with its disk and keys; it must be unmounted."""
        _remove(self.folder / name)


def _unmount(point: Path) -> None:
    """Unmount, and take away the locks that a killed nspawn left: one beside the folder, one by its inode."""
    found = point.stat()
    run(["umount", point])
    point.with_name(f".#{point.name}.lck").unlink(missing_ok=True)
    NSPAWN_LOCKS.joinpath(f"inode-{found.st_dev}:{found.st_ino}").unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def mounts(prefix: str) -> dict[str, list[str]]:
    """Mount points by source, for sources that begin with `prefix`."""
    found: dict[str, list[str]] = {}
    for line in MOUNTS.read_text().splitlines():
        source, point = line.split(" ")[:2]
        if source.startswith(prefix):
            found.setdefault(source, []).append(_unescaped(point))
    return found


def _unescaped(point: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, char)
    return point


def resolver(topology: Topology, host: Host) -> str:
    """The host's resolv.conf: the name servers' core addresses, outside the centre their public ones."""
    servers = [server for role in ("ns-primary", "ns-secondary") for server in topology.role_hosts(role)]
    outside = host.zone == "internet"
    addresses = [topology.public_address(ns.name)[0] if outside else ns.ipv4 for ns in servers]
    return "".join(f"nameserver {address}\n" for address in addresses)


def _seed(
    topology: Topology, host: Host, disk: HostDisk, access: Access, authority: Authority | None,
    image: Sequence[Path], *, fresh: bool,
) -> None:  # fmt: skip
    role = topology.roles[host.role]
    disk.write("/etc/hostname", f"{host.name}\n")
    local = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    disk.write("/etc/hosts", f"{local}{host.ipv4} {host.name}\n{host.ipv6} {host.name}\n")
    disk.write("/etc/resolv.conf", resolver(topology, host))
    key = access.host_key(host)
    disk.write("/etc/ssh/ssh_host_ed25519_key", key.read_bytes(), 0o600)
    disk.write("/etc/ssh/ssh_host_ed25519_key.pub", key.with_suffix(".pub").read_bytes())
    disk.write("/root/.ssh/authorized_keys", access.identity.with_suffix(".pub").read_bytes(), 0o600)
    disk.write("/etc/ssh/sshd_config.d/10-gasp.conf", sshd_settings(host))
    disk.write("/etc/systemd/journald.conf.d/10-gasp.conf", JOURNAL)
    if fresh:
        disk.write("/etc/machine-id", f"{uuid.uuid4().hex}\n", 0o444)
        _own_secrets(disk, image)
    for unit in (*topology.masked, *(unit for unit in topology.services if unit not in role.services)):
        disk.link(f"/etc/systemd/system/{unit}", "/dev/null")
    for unit in disk.links_to("/etc/systemd/system", "/dev/null"):
        if unit in role.services:
            disk.remove(f"/etc/systemd/system/{unit}")
    _trust(disk, authority, image)


def sshd_settings(host: Host) -> str:
    """Keys only, and only on the management address: SSH is not a service of the centre's networks."""
    return (
        f"ListenAddress {host.mgmt}\nHostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nUseDNS no\nPrintMotd no\nMaxStartups 100:30:200\nMaxSessions 50\n"
    )


def _own_secrets(disk: HostDisk, image: Sequence[Path]) -> None:
    """Secrets that Debian makes when a package is installed, so that no two hosts share them."""
    owner = _account(image, "bind")
    if owner is not None:
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        text = f'key "rndc-key" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
        disk.write("/etc/bind/rndc.key", text, 0o640, owner)


def _account(image: Sequence[Path], name: str) -> tuple[int, int] | None:
    for line in _first(image, "etc/passwd").decode().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    return None


def _first(image: Sequence[Path], path: str) -> bytes:
    for layer in image:
        if (layer / path).exists():
            return (layer / path).read_bytes()
    raise LabError(f"the image lacks /{path}")


def _trust(disk: HostDisk, authority: Authority | None, image: Sequence[Path]) -> None:
    """Make the authority known to OpenSSL (hash link), to programs that read the bundle, and to later rebuilds."""
    if authority is None:
        return
    ours = disk.links_to("/etc/ssl/certs", f"{CA_NAME}.pem")
    numbered = (f"{authority.subject_hash}.{number}" for number in count())
    wanted = next(name for name in numbered if name in ours or not disk.exists(f"/etc/ssl/certs/{name}"))
    for name in ours:
        if name != wanted:
            disk.remove(f"/etc/ssl/certs/{name}")
    disk.write(CA_PLACE, authority.pem)
    disk.link(CA_LINK, CA_PLACE)
    disk.link(f"/etc/ssl/certs/{wanted}", f"{CA_NAME}.pem")
    disk.write(f"/{BUNDLE}", _first(image, BUNDLE) + authority.pem)
    disk.write("/etc/ldap/ldap.conf", f"TLS_CACERT /{BUNDLE}\n")
