"""Reads a signed upstream (over HTTP, or from a medium) and believes nothing that its keys do not vouch for.

Part of the agent on the repository host. Must not publish, and must not keep a file whose digest it has not checked.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import http.client
import json
import lzma
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from calendar import timegm
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from control_plane.drivers.repository_state import AgentError, Layout, Tell, free

BLOCK = 1 << 18
MOST_INDEX = 1 << 30
SILENT_SECONDS = 20.0
PARALLEL = 4
PACKED: Mapping[str, Callable[[bytes], bytes]] = {
    ".xz": lzma.decompress,
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    "": bytes,
}
SAFE = re.compile(r"[A-Za-z0-9._+~:@%=-]+(/[A-Za-z0-9._+~:@%=-]+)*\Z")
HASH = re.compile(r"[0-9a-f]{64}\Z")


class Tree(Protocol):
    """Files of an upstream by their path. `place` is how people call it."""

    place: str

    def open(self, path: str) -> IO[bytes]:
        """Raises AgentError `upstream-silent`, `upstream-lacks`."""
        ...


class WebTree:
    """Files below a URL."""

    def __init__(self, url: str) -> None:
        self.place = url.rstrip("/")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def open(self, path: str) -> IO[bytes]:
        """See `Tree`."""
        url = f"{self.place}/{urllib.parse.quote(path, safe='/+~:@=%')}"
        try:
            answer: IO[bytes] = self._opener.open(url, timeout=SILENT_SECONDS)
        except urllib.error.HTTPError as error:
            raise AgentError("upstream-lacks", url=url, reason=f"{error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            raise AgentError("upstream-silent", url=url, reason=getattr(error, "reason", error)) from None
        return answer


class FolderTree:
    """Files below a folder of ours, such as an unpacked medium. Links are not followed."""

    def __init__(self, folder: Path, place: str) -> None:
        self.place, self._folder = place, folder

    def open(self, path: str) -> IO[bytes]:
        """See `Tree`."""
        try:
            handle = os.open(self._folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise AgentError("upstream-lacks", url=f"{self.place}/{path}", reason=error.strerror) from None
        return os.fdopen(handle, "rb")


def safe(path: str) -> str:
    """A path from an index, if it stays inside the tree. Raises AgentError `bad-name`."""
    if not SAFE.match(path) or ".." in path.split("/"):
        raise AgentError("bad-name", path=path[:200])
    return path


def read(tree: Tree, path: str, most: int = 64 << 20) -> bytes:
    """A whole file. Raises AgentError also when the connection breaks or it is larger than `most` octets."""
    try:
        with tree.open(safe(path)) as file:
            content = file.read(most + 1)
    except (OSError, http.client.HTTPException) as error:
        raise AgentError("upstream-silent", url=f"{tree.place}/{path}", reason=error) from None
    if len(content) > most:
        raise AgentError("too-large", path=path)
    return content


def verified(layout: Layout, key: str, content: bytes, path: str, signature: bytes | None = None) -> tuple[bytes, str]:
    """What a key vouches for in a clear-signed text (or `content` itself with a detached `signature`), and the
    fingerprint of the signer. One good signature is enough, a wrong one is not excused by it.

    Raises AgentError `bad-signature`, `unknown-key`, `expired-key`, `unsigned`.
    """
    files = {"content": content, "signature": signature}
    layout.work.mkdir(parents=True, exist_ok=True)
    places = {name: layout.work / f"verify-{os.getpid()}.{name}" for name in ("content", "signature", "out")}
    try:
        for name, data in files.items():
            if data is not None:
                places[name].write_bytes(data)
        what = [str(places["content"])] if signature is None else [str(places["signature"]), str(places["content"])]
        output = ["--output", str(places["out"])] if signature is None else []
        done = subprocess.run(
            ["gpgv", "--status-fd", "1", "--keyring", str(layout.keyring(key).resolve()), *output, *what],
            capture_output=True,
        )
        said = [line.split()[1:] for line in done.stdout.decode("utf-8", "replace").splitlines() if line[:1] == "["]
        words = {line[0]: line[1:] for line in said if line}
        if "BADSIG" in words:
            raise AgentError("bad-signature", path=path, key=words["BADSIG"][0])
        if "VALIDSIG" in words and "GOODSIG" in words:
            return (places["out"].read_bytes() if signature is None else content), words["VALIDSIG"][0]
        for word, code in (("EXPKEYSIG", "expired-key"), ("REVKEYSIG", "expired-key"), ("EXPSIG", "expired-key")):
            if word in words:
                raise AgentError(code, path=path, key=words[word][0])
        for word in ("NO_PUBKEY", "ERRSIG"):
            if word in words:
                raise AgentError("unknown-key", path=path, key=words[word][0])
        raise AgentError("unsigned", path=path)
    finally:
        for place in places.values():
            place.unlink(missing_ok=True)


def seconds_of(text: str) -> float:
    """Seconds of a time such as `Sat, 28 Nov 2026 17:00:00 UTC` or `2026-11-28T17:00:00Z`."""
    for form in ("%a, %d %b %Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S"):
        try:
            return float(timegm(time.strptime(text.replace(" UTC", "").replace(" GMT", "").rstrip("Z").strip(), form)))
        except ValueError:
            continue
    raise AgentError("bad-index", path=text[:60], reason="no time")


def fresh(until: str | None, path: str) -> None:
    """Raises AgentError `expired` when the time is over."""
    if until and seconds_of(until) < time.time():
        raise AgentError("expired", path=path, until=until)


@dataclass
class Release:
    """A suite that was verified: its Release file, its indexes, and every package they name."""

    source: Mapping[str, Any]
    tree: Tree
    signer: str
    date: str
    inrelease: bytes
    indexes: dict[str, bytes]
    packages: list[dict[str, str]]

    @property
    def octets(self) -> int:
        """Of all packages together."""
        return sum(int(p["Size"]) for p in self.packages)


def fields(text: str) -> dict[str, str]:
    """One stanza of a control file; continued lines stay in their field."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1] in (" ", "\t"):
            found[name] += "\n" + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            found[name] = value.strip()
    return found


def read_release(layout: Layout, source: Mapping[str, Any], tree: Tree) -> Release:
    """Fetch and verify a suite's Release file and indexes; no package yet."""
    suite = source["suite"]
    path = f"dists/{suite}/InRelease"
    inrelease = read(tree, path)
    text, signer = verified(layout, source["key"], inrelease, path)
    release = fields(text.decode("utf-8", "replace"))
    fresh(release.get("Valid-Until"), path)
    digests = {}
    for line in release.get("SHA256", "").splitlines():
        words = line.split()
        if len(words) == 3:
            digests[words[2]] = words[0], int(words[1])
    indexes: dict[str, bytes] = {}
    packages: dict[str, dict[str, str]] = {}
    for component in source["components"]:
        for architecture in source["architectures"]:
            base = f"{component}/binary-{architecture}/Packages"
            suffix = next((s for s in PACKED if base + s in digests), None)
            if suffix is None:
                raise AgentError("bad-index", path=f"{path}: {base}", reason="not listed")
            digest, size = digests[base + suffix]
            content = read(tree, f"dists/{suite}/{base}{suffix}", min(size, MOST_INDEX) + 1)
            if hashlib.sha256(content).hexdigest() != digest:
                raise AgentError("wrong-digest", path=f"dists/{suite}/{base}{suffix}")
            indexes[base + suffix] = content
            for package in _packages(PACKED[suffix](content).decode("utf-8", "replace"), base):
                packages[package["SHA256"]] = package
    return Release(source, tree, signer, release.get("Date", ""), inrelease, indexes, list(packages.values()))


def _packages(text: str, path: str) -> Iterable[dict[str, str]]:
    for block in text.split("\n\n"):
        if not block.strip():
            continue
        found = fields(block)
        try:
            row = {name: found[name] for name in ("Package", "Version", "Architecture", "Filename", "Size", "SHA256")}
            int(row["Size"])
        except (KeyError, ValueError) as error:
            raise AgentError("bad-index", path=path, reason=f"{found.get('Package', '?')} {error}") from None
        safe(row["Filename"])
        if not HASH.match(row["SHA256"]):
            raise AgentError("bad-index", path=path, reason=row["Package"])
        yield row


def pool_path(layout: Layout, package: Mapping[str, str]) -> Path:
    """Where aptly keeps a package; it takes what lies there after checking all digests again."""
    digest = package["SHA256"]
    return layout.pool / digest[:2] / digest[2:4] / f"{digest[4:32]}_{package['Filename'].rpartition('/')[2]}"


def missing(layout: Layout, releases: Sequence[Release]) -> list[tuple[Release, dict[str, str]]]:
    """Packages that are not in the pool yet, each once."""
    found: dict[str, tuple[Release, dict[str, str]]] = {}
    for release in releases:
        for package in release.packages:
            if package["SHA256"] not in found and not _whole(pool_path(layout, package), int(package["Size"])):
                found[package["SHA256"]] = release, package
    return list(found.values())


def _whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def needed(layout: Layout, releases: Sequence[Release]) -> dict[str, int]:
    """Disk need of a sync in octets: packages not here yet, and indexes: one copy for work, aptly's records, and
    one for each ring; free space and what must stay free."""
    indexes = sum(len(content) for release in releases for content in release.indexes.values())
    fetch = sum(int(package["Size"]) for _, package in missing(layout, releases))
    return {
        "fetch": fetch,
        "need": fetch + 8 * indexes,
        "free": free(layout.pool),
        "reserve": int(layout.config["reserve_octets"]),
    }


def refuse_without_room(room: Mapping[str, int]) -> None:
    """Raises AgentError `no-room`."""
    if room["need"] + room["reserve"] > room["free"]:
        raise AgentError("no-room", need=room["need"], free=room["free"], reserve=room["reserve"])


def download(layout: Layout, releases: Sequence[Release], tell: Tell) -> int:
    """Bring all missing packages into the pool, each checked. Returns how many octets came.

    A killed download goes on with the packages that are still missing.
    """
    wanted = missing(layout, releases)
    total = sum(int(package["Size"]) for _, package in wanted)
    layout.fetching.mkdir(parents=True, exist_ok=True)
    for left in layout.fetching.iterdir():
        left.unlink()
    done, guard, stop = [0], threading.Lock(), threading.Event()

    def one(item: tuple[Release, dict[str, str]]) -> None:
        release, package = item
        if stop.is_set():
            return
        try:
            _fetch(layout, release.tree, package)
        except BaseException:
            stop.set()
            raise
        with guard:
            done[0] += int(package["Size"])
            tell(done[0], total, package["Package"])

    with ThreadPoolExecutor(PARALLEL) as pool:
        for future in [pool.submit(one, item) for item in wanted]:
            future.result()
    return total


def _fetch(layout: Layout, tree: Tree, package: Mapping[str, str]) -> None:
    path, size, digest = package["Filename"], int(package["Size"]), hashlib.sha256()
    place, part = pool_path(layout, package), layout.fetching / package["SHA256"]
    count = 0
    with tree.open(path) as source, part.open("wb") as target:
        while True:
            try:
                block = source.read(BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise AgentError("upstream-silent", url=f"{tree.place}/{path}", reason=error) from None
            count += len(block)
            if not block or count > size:
                break
            digest.update(block)
            target.write(block)
    if count < size:
        raise AgentError("cut-off", path=path)
    if count > size or digest.hexdigest() != package["SHA256"]:
        raise AgentError("wrong-digest", path=path)
    part.chmod(0o644)
    place.parent.mkdir(parents=True, exist_ok=True)
    part.replace(place)


SEVERITIES = ("critical", "high", "medium", "low")


def read_advisories(layout: Layout, source: Mapping[str, Any], tree: Tree, path: str) -> list[dict[str, Any]]:
    """What is known of security faults, signed beside the packages. Raises AgentError as for a Release file."""
    content = read(tree, path)
    verified(layout, source["key"], content, path, read(tree, f"{path}.asc", 1 << 20))
    try:
        rows: list[dict[str, Any]] = json.loads(content)["advisories"]
        for row in rows:
            if row["severity"] not in SEVERITIES or not isinstance(row["package"], str):
                raise ValueError(row.get("id"))
            row["id"], row["fixed"], row["published"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgentError("bad-index", path=path, reason=error) from None
    return rows
