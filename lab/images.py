"""The image store: Debian trees the hosts share read-only, built once per recipe.

A layer is never changed in place: it is built in a folder beside and renamed. A killed build leaves only such a
folder, which the next build removes; its processes and mounts die with it, because they live in namespaces of
their own. Must not name a registry and must leave no trace of the machine (name, resolver, package sources).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.commands import LabError, run
from lab.files import locked, write_atomic

RECIPE = Path(__file__).with_name("recipe.yaml")
#: The build runs in its own namespaces with a name that says nothing about the machine; killing the first process
#: of the chain kills all of it.
ISOLATED = [
    "setpriv", "--pdeathsig", "KILL", "--",
    "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL", "--mount-proc",
    "--propagation", "private", "--",
    "sh", "-euc", 'hostname image; exec "$@"', "sh",
]  # fmt: skip
#: Taken out of every layer: registries, the machine's resolver and name, keys that all hosts would share.
STRIP = """\
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99mmdebstrap \
  "$1"/etc/apt/apt.conf.d/99build "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb \
  "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/ssh/ssh_host_* "$1"/etc/bind/rndc.key \
  "$1"/etc/ssl/private/ssl-cert-snakeoil.key "$1"/etc/ssl/certs/ssl-cert-snakeoil.pem \
  "$1"/usr/sbin/policy-rc.d "$1"/var/log/apt "$1"/var/log/dpkg.log "$1"/var/log/bootstrap.log
for link in "$1"/etc/ssl/certs/*; do
  case $(readlink "$link") in ssl-cert-snakeoil.pem) rm "$link";; esac
done
[ ! -e "$1"/etc/machine-id ] || : > "$1"/etc/machine-id
"""
PATH_EXCLUDES = """\
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
"""


@dataclass(frozen=True)
class Layer:
    """One layer of the recipe; `key` names its folder in the store, `under` is the layer it lies on."""

    name: str
    key: str
    packages: tuple[str, ...]
    preseed: tuple[str, ...]
    under: Layer | None

    def stack(self) -> list[Layer]:
        """This layer and those below it, topmost first, as overlayfs wants them."""
        return [self, *(self.under.stack() if self.under else [])]


def load_layers(recipe: Path = RECIPE, release: str | None = None) -> dict[str, Layer]:
    """The recipe's layers by name. `release` is Debian's code name (default: the machine's)."""
    document: dict[str, Any] = yaml.load(recipe.read_text(), Loader=yaml.CSafeLoader)
    release = release or machine_release()
    layers: dict[str, Layer] = {}
    for name, entry in document["layers"].items():
        under = layers[entry["under"]] if entry["under"] else None
        text = json.dumps([document["steps"], release, entry, under.key if under else None], sort_keys=True)
        key = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        layers[name] = Layer(name, key, tuple(entry["packages"]), tuple(entry["preseed"]), under)
    return layers


def machine_release() -> str:
    """Debian's code name of this machine; raises LabError where there is none."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise LabError("/etc/os-release names no release: the lab needs Debian")


class ImageStore:
    """Layers under `<cache>/images`; safe for several builders and several labs at once."""

    def __init__(self, cache: Path, layers: dict[str, Layer] | None = None) -> None:
        self.folder = cache / "images"
        self.layers = layers if layers is not None else load_layers()

    def path(self, layer: Layer) -> Path:
        """Where the finished layer's tree lies (or will lie)."""
        return self.folder / layer.key / "tree"

    def lower(self, name: str) -> list[Path]:
        """Overlay `lowerdir` list for the layer called `name`, topmost first."""
        return [self.path(layer) for layer in self.layers[name].stack()]

    def missing(self) -> list[Layer]:
        """Layers that are not in the store yet, in building order."""
        return [layer for layer in self.layers.values() if not self.path(layer).is_dir()]

    def ensure(self, progress: Callable[[int, int, str], None] = lambda *_: None) -> None:
        """Build what is missing; `progress(done, total, layer name)` is called before each and at the end."""
        total = len(self.layers)
        if not self.missing():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            self._remove_killed_builds()
            for layer in self.missing():
                progress(total - len(self.missing()), total, layer.name)
                self._build(layer)
        progress(total, total, "")

    def _remove_killed_builds(self) -> None:
        for left in self.folder.glob(".*.building"):
            shutil.rmtree(left)

    def _build(self, layer: Layer) -> None:
        place = self.folder / f".{layer.key}.building"
        place.mkdir(mode=0o755)
        (place / "tree").mkdir(mode=0o755)
        write_atomic(place / "apt.conf", machine_apt_settings(), 0o644)
        write_atomic(place / "excludes", PATH_EXCLUDES, 0o644)
        log = place / "build.log"
        script = _BASE if layer.under is None else _UPPER
        variables = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "PLACE": str(place),
            "RELEASE": machine_release(),
            "SOURCES": str(machine_sources()),
            "PACKAGES": " ".join(layer.packages),
            "LOWER": ":".join(str(self.path(under)) for under in layer.stack()[1:]),
            "PRESEED": "".join(f"{line}\n" for line in layer.preseed),
        }
        with log.open("wb") as output:
            done = subprocess.run(
                [*ISOLATED, "sh", "-euc", script], env=variables, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        if done.returncode:
            last = log.read_text(errors="replace")[-1500:]
            raise LabError(f"image layer {layer.name} could not be built (log: {log}):\n{last}")
        run(["sh", "-euc", STRIP, "sh", place / "tree"])
        place.replace(self.folder / layer.key)

    def clean(self) -> None:
        """Remove every layer. Must not be called while a host runs on one."""
        if self.folder.is_dir():
            with locked(self.folder):
                shutil.rmtree(self.folder)


#: A registry's index can be older than the machine's clock allows; the machine's own settings travel with us.
_BASE = """\
set -- --quiet --variant=minbase --mode=root --format=directory --aptopt="$PLACE/apt.conf" \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --dpkgopt="$PLACE/excludes"
mmdebstrap "$@" --include="$(echo "$PACKAGES" | tr ' ' ,)" "$RELEASE" "$PLACE/tree" "$SOURCES"
"""

_UPPER = """\
root=$PLACE/root; mkdir "$root" "$PLACE/work"
mount -t overlay build -o "lowerdir=$LOWER,upperdir=$PLACE/tree,workdir=$PLACE/work" "$root"
mount -t proc proc "$root/proc"; mount -t tmpfs tmpfs "$root/run"; mount -t devtmpfs dev "$root/dev"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
case $SOURCES in *.sources) cp "$SOURCES" "$root/etc/apt/sources.list.d/build.sources";;
  *) cp "$SOURCES" "$root/etc/apt/sources.list";; esac
cp "$PLACE/apt.conf" "$root/etc/apt/apt.conf.d/99build"
printf '#!/bin/sh\\nexit 101\\n' > "$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
printf %s "$PRESEED" | chroot "$root" debconf-set-selections
chroot "$root" apt-get -q -o Acquire::Languages=none update
chroot "$root" apt-get -yq --no-install-recommends install $PACKAGES
chroot "$root" apt-get clean
cd /; umount "$root/dev" "$root/run" "$root/proc" "$root"; rm -rf "$root" "$PLACE/work"
"""


def machine_sources() -> Path:
    """The file that tells this machine where packages come from; raises LabError when there is none."""
    folder = Path("/etc/apt/sources.list.d")
    candidates = [folder / "debian.sources", *sorted(folder.glob("*.sources")), Path("/etc/apt/sources.list")]
    for file in candidates:
        if file.is_file() and any(line.startswith(("URIs:", "deb ")) for line in file.read_text().splitlines()):
            return file
    raise LabError("this machine has no package sources in /etc/apt")


def machine_apt_settings() -> str:
    """The machine's own `Acquire` settings (proxy, date checks), which mmdebstrap would not read by itself."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check", "Acquire::Retries", "Acquire::Proxy")
    lines = run(["apt-config", "dump"]).stdout.splitlines()
    found = [f"{line}\n" for line in lines if line.startswith(wanted)]
    if not any(line.startswith("Acquire::Retries") for line in found):
        found.append('Acquire::Retries "3";\n')
    return "".join(found)
