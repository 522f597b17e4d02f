"""Works on the lab's outside host and plays the upstream of a centre: a signed Debian suite and signature sets.

Runs there as root, sent along with each request (JSON on the last line of the script); standard library only.
Packages are built on the spot; the same version always has the same content. Must not be used outside a lab.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HOME = Path("/var/lib/upstream")
TREE = Path("/srv/upstream")
SUITE, COMPONENT, ARCHITECTURES = "stable", "main", ("amd64", "arm64")
KEY_NAME = "Upstream of the lab"
EPOCH = "1700000000"
NGINX = """# This host is also any site outside: what is not the upstream's is the default site's.
server {
	listen 80;
	listen [::]:80;
	server_name %s upstream.lab.test;
	root /var/www/html;
	index index.nginx-debian.html;
	location ~ ^/(debian|signatures)/ {
		root /srv/upstream;
		access_log /var/log/nginx/upstream.log;
		default_type application/octet-stream;
		add_header Cache-Control no-cache;
	}
}
"""


def run(*argv: str, text: bytes = b"") -> bytes:
    """A command that must succeed."""
    environment = {**os.environ, "GNUPGHOME": str(HOME / "gnupg"), "SOURCE_DATE_EPOCH": EPOCH, "LC_ALL": "C.UTF-8"}
    return subprocess.run(argv, input=text, capture_output=True, check=True, env=environment).stdout


def sign(content: bytes, *how: str) -> bytes:
    """`content` signed by the upstream's key."""
    return run("gpg", "--batch", "--quiet", "--digest-algo", "SHA512", *how, "--output", "-", text=content)


def when(seconds: float) -> str:
    """A time as Release files have it."""
    return time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime(seconds))


def iso(seconds: float) -> str:
    """A time as JSON has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def swap(fresh: Path, place: Path) -> None:
    """Put a new folder where the old one was."""
    old = place.with_name(f"{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def setup(addresses: Sequence[str]) -> None:
    """Key and web server; the second time nothing."""
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    (HOME / "gnupg").mkdir(mode=0o700, exist_ok=True)
    TREE.mkdir(exist_ok=True)
    if not run("gpg", "--batch", "--list-secret-keys", "--with-colons"):
        run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", KEY_NAME, "ed25519", "sign", "never")
    wanted = NGINX % " ".join(f"[{a}]" if ":" in a else a for a in addresses)
    site = Path("/etc/nginx/conf.d/upstream.conf")
    if not site.exists() or site.read_text() != wanted:
        site.write_text(wanted)
        run("systemctl", "enable", "-q", "nginx")
        run("systemctl", "reload-or-restart", "nginx")


def build(package: Mapping[str, Any]) -> Path:
    """The .deb of one package; it is built once. `postinst`: shell; `octets`: size of its ballast."""
    name, version = package["name"], package["version"]
    done = HOME / "built" / f"{name}_{version}_all.deb"
    if done.exists():
        return done
    tree = HOME / "build" / name
    shutil.rmtree(tree, ignore_errors=True)
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    lines = {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": "The lab <root@upstream.lab.test>",
        "Section": "misc",
        "Priority": "optional",
        "Description": f"built in the lab, version {version}",
    }
    (control / "control").write_text("".join(f"{k}: {v}\n" for k, v in lines.items()))
    if package.get("postinst"):
        script = control / "postinst"
        script.write_text(f"#!/bin/sh\nset -e\n{package['postinst']}\n")
        script.chmod(0o755)
    content = tree / "usr" / "share" / name
    content.mkdir(parents=True)
    (content / "version").write_text(f"{version}\n")
    if package.get("octets"):
        seed = hashlib.shake_256(f"{name} {version}".encode())
        (content / "ballast").write_bytes(seed.digest(int(package["octets"])))
    done.parent.mkdir(exist_ok=True)
    fresh = done.with_suffix(".new")
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(fresh))
    fresh.rename(done)
    return done


def stanza(deb: Path) -> str:
    """A package's entry in the index."""
    content = deb.read_bytes()
    fields = run("dpkg-deb", "--field", str(deb)).decode()
    place = f"pool/{COMPONENT}/{deb.name}"
    digests = f"MD5sum: {hashlib.md5(content).hexdigest()}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    return f"{fields.rstrip()}\nFilename: {place}\nSize: {len(content)}\n{digests}"


def publish(packages: Sequence[Mapping[str, Any]], valid_seconds: float, advisories: Sequence[Any]) -> None:
    """Replace the suite by exactly these packages. A negative `valid_seconds` makes a Release that has expired."""
    debs = [build(package) for package in packages]
    pool = TREE / "debian" / "pool" / COMPONENT
    pool.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        if not (pool / deb.name).exists() or (pool / deb.name).read_bytes() != deb.read_bytes():
            shutil.copyfile(deb, pool / deb.name)
    index = "\n".join(stanza(deb) for deb in debs).encode()
    fresh = TREE / "debian" / "dists.new"
    shutil.rmtree(fresh, ignore_errors=True)
    listed = []
    for architecture in ARCHITECTURES:
        for suffix, content in (("", index), (".gz", gzip.compress(index, mtime=0)), (".xz", lzma.compress(index))):
            place = f"{COMPONENT}/binary-{architecture}/Packages{suffix}"
            path = fresh / SUITE / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            listed.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {place}")
    now = time.time()
    made = now + min(0.0, valid_seconds) * 2
    release = "\n".join(
        [
            "Origin: Lab",
            "Label: Lab",
            f"Suite: {SUITE}",
            f"Codename: {SUITE}",
            f"Date: {when(made)}",
            f"Valid-Until: {when(now + valid_seconds)}",
            f"Architectures: {' '.join(ARCHITECTURES)}",
            f"Components: {COMPONENT}",
            "SHA256:",
            *listed,
            "",
        ]
    )
    (fresh / SUITE / "Release").write_text(release)
    (fresh / SUITE / "InRelease").write_bytes(sign(release.encode(), "--clear-sign"))
    notes = json.dumps({"version": 1, "made_at": iso(made), "advisories": list(advisories)}, indent=1).encode()
    (fresh / SUITE / "advisories.json").write_bytes(notes)
    (fresh / SUITE / "advisories.json.asc").write_bytes(sign(notes, "--armor", "--detach-sign"))
    swap(fresh, TREE / "debian" / "dists")


def publish_signatures(files: Mapping[str, str], valid_seconds: float) -> None:
    """Replace the signature set by these files."""
    fresh = TREE / "signatures.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    rows = {}
    for name, text in files.items():
        content = text.encode()
        (fresh / name).write_bytes(content)
        rows[name] = {"sha256": hashlib.sha256(content).hexdigest(), "octets": len(content)}
    now = time.time()
    manifest = json.dumps(
        {"version": 1, "made_at": iso(now + min(0.0, valid_seconds) * 2), "valid_until": iso(now + valid_seconds),
         "files": rows}, indent=1,
    ).encode()  # fmt: skip
    (fresh / "manifest.json").write_bytes(manifest)
    (fresh / "manifest.json.asc").write_bytes(sign(manifest, "--armor", "--detach-sign"))
    swap(fresh, TREE / "signatures")


def serve(request: Mapping[str, Any]) -> None:
    """Answer one request; prints the upstream's public key."""
    os.umask(0o022)
    setup(request["addresses"])
    if "packages" in request and not (request.get("once") and (TREE / "debian" / "dists").exists()):
        publish(request["packages"], request["valid_seconds"], request["advisories"])
    if "signatures" in request and not (request.get("once") and (TREE / "signatures").exists()):
        publish_signatures(request["signatures"], request["valid_seconds"])
    print(run("gpg", "--batch", "--armor", "--export").decode(), end="")
