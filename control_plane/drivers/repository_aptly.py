"""Snapshots of packages: aptly's mirrors, snapshots and published suites on the repository host.

Part of the agent there. Packages were fetched and verified before (`repository_upstream.py`); aptly sees exactly the
Release file that we have checked, over the loopback, and checks its signature and all digests once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from control_plane.drivers.repository_state import (
    ID,
    RINGS,
    AgentError,
    Layout,
    Room,
    Tell,
    free,
    locked,
    stamp,
    write,
)
from control_plane.drivers.repository_upstream import (
    FolderTree,
    Release,
    Tree,
    WebTree,
    download,
    needed,
    read_advisories,
    read_release,
    refuse_without_room,
    seconds_of,
)


def aptly(layout: Layout, *argv: str) -> str:
    """One command of aptly; its output. Raises AgentError `aptly` with its last words, `disk-full`."""
    done = subprocess.run(
        ["aptly", f"-config={layout.keys / 'aptly.conf'}", *argv],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "GNUPGHOME": str(layout.gnupg), "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        words = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        if any("no space left" in line.lower() for line in words):
            raise AgentError("disk-full", path=layout.content)
        raise AgentError("aptly", reason=" ".join(words[-3:])[-600:] or f"exit status {done.returncode}")
    return done.stdout


@contextlib.contextmanager
def loopback(folder: Path) -> Iterator[str]:
    """A folder as a URL that only this host can reach."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def trees(layout: Layout, medium: Path | None) -> list[tuple[Mapping[str, Any], Tree]]:
    """Each configured source with where it is read: its upstream, or the medium. Raises AgentError `no-source`."""
    sources = layout.config["packages"]
    if not sources:
        raise AgentError("no-source", what="patches")
    if medium is None:
        return [(source, WebTree(source["url"])) for source in sources]
    found: list[tuple[Mapping[str, Any], Tree]] = []
    for source in sources:
        places = (medium / "debian" / source["name"], medium / "debian", medium / source["name"], medium)
        place = next((p for p in places if (p / "dists" / source["suite"] / "InRelease").is_file()), None)
        if place is None:
            raise AgentError("medium-lacks", what=f"dists/{source['suite']}/InRelease")
        found.append((source, FolderTree(place, "medium")))
    return found


def look_upstream(layout: Layout, medium: Path | None) -> list[Release]:
    """All sources, verified: Release files and indexes only."""
    return [read_release(layout, source, tree) for source, tree in trees(layout, medium)]


def estimate(layout: Layout) -> dict[str, Any]:
    """What a sync would need, before it."""
    releases = look_upstream(layout, None)
    before = next(iter(layout.all_records("patches")), None)
    room = needed(layout, releases)
    if before is not None and before["digest"] == digest_of(rows_of(releases)):
        room |= {"fetch": 0, "need": 0}
    return {
        **room,
        "total": sum(release.octets for release in releases),
        "packages": len({p["SHA256"] for release in releases for p in release.packages}),
        "first": before is None,
        "enough": room["need"] + room["reserve"] <= room["free"],
    }


def rows_of(releases: Sequence[Release]) -> list[tuple[str, str, str, str]]:
    """Name, version, architecture and digest of every package, in order."""
    return sorted({(p["Package"], p["Version"], p["Architecture"], p["SHA256"]) for r in releases for p in r.packages})


def digest_of(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """What tells two snapshots' contents apart."""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _advisories(layout: Layout, releases: Sequence[Release]) -> list[dict[str, Any]]:
    """Advisories of all sources; those of a medium lie beside its Release file."""
    found: dict[str, dict[str, Any]] = {}
    for release in releases:
        url = release.source.get("advisories")
        if not url:
            continue
        folder, _, name = str(url).rpartition("/")
        web = isinstance(release.tree, WebTree)
        tree, path = (
            (WebTree(folder), name) if web else (release.tree, f"dists/{release.source['suite']}/advisories.json")
        )
        for row in read_advisories(layout, release.source, tree, path):
            found[f"{row['id']} {row['package']}"] = row
    return [found[key] for key in sorted(found)]


def sync(layout: Layout, tell: Tell, medium: Path | None = None) -> dict[str, Any]:
    """Fetch what is new and make a snapshot of it; nothing new makes none. Nothing is published here."""
    tell(0, 0, "index")
    releases = look_upstream(layout, medium)
    notes = _advisories(layout, releases)
    rows = rows_of(releases)
    digest = digest_of(rows)
    before = next(iter(layout.all_records("patches")), None)
    for release in releases:
        old = (before or {}).get("upstream", {}).get(release.source["name"], {}).get("date")
        if old and release.date and seconds_of(release.date) < seconds_of(old):
            raise AgentError("older", path=f"dists/{release.source['suite']}/InRelease", date=release.date, known=old)
    known = json.loads(layout.advisories.read_text("utf-8")) if layout.advisories.exists() else None
    answer: dict[str, Any] = {"snapshot": None, "latest": before["id"] if before else None, "octets": 0}
    answer["advisories_changed"] = notes != known
    if before is None or before["digest"] != digest:
        refuse_without_room(needed(layout, releases))
        answer["octets"] = download(layout, releases, tell)
        tell(0, 0, "snapshot")
        with _state(layout):
            id_ = layout.new_id("patches")
            _snapshot(layout, id_, releases)
            contents = {f"{name} {architecture}": version for name, version, architecture, _ in rows}
            write(layout.home / "contents" / f"{id_}.json", contents)
            write(layout.home / "advisories" / f"{id_}.json", notes)
            record = {
                "id": id_,
                "made_at": stamp(),
                "source": "medium" if medium else ", ".join(sorted(r.source["name"] for r in releases)),
                "upstream": {
                    r.source["name"]: {"suite": r.source["suite"], "date": r.date, "signer": r.signer} for r in releases
                },
                "packages": len(rows),
                "octets": sum(r.octets for r in releases),
                "digest": digest,
            }
            write(layout.records / f"{id_}.json", record)  # last: from here on it exists
        answer |= {"snapshot": id_, "latest": id_}
    write(layout.advisories, notes)
    return answer


@contextlib.contextmanager
def _state(layout: Layout) -> Iterator[None]:
    with locked(layout, "state", 300):
        for name in ("contents", "advisories"):
            (layout.home / name).mkdir(exist_ok=True)
        yield


def _snapshot(layout: Layout, id_: str, releases: Sequence[Release]) -> None:
    """Mirror each verified suite and make one snapshot of all. Left-overs of a killed attempt go first."""
    known = {record["id"] for record in layout.all_records("patches")}
    for name in aptly(layout, "snapshot", "list", "-raw").split():
        if name not in known:
            aptly(layout, "snapshot", "drop", "-force", name)
    parts = []
    mirrors = aptly(layout, "mirror", "list", "-raw").split()
    for release in releases:
        source = release.source
        folder = layout.work / "suite"
        shutil.rmtree(folder, ignore_errors=True)
        dists = folder / "dists" / source["suite"]
        for place, content in {"InRelease": release.inrelease, **release.indexes}.items():
            (dists / place).parent.mkdir(parents=True, exist_ok=True)
            (dists / place).write_bytes(content)
        mirror, part = f"gasp-{source['name']}", f"{id_}.{source['name']}"
        if mirror in mirrors:
            aptly(layout, "mirror", "drop", "-force", mirror)
        with loopback(folder) as url:
            keyring = f"-keyring={layout.keyring(source['key'])}"
            only = f"-architectures={','.join(source['architectures'])}"
            aptly(layout, "mirror", "create", keyring, only, mirror, url, source["suite"], *source["components"])
            aptly(layout, "mirror", "update", keyring, "-force", "-max-tries=1", mirror)
        aptly(layout, "snapshot", "create", part, "from", "mirror", mirror)
        shutil.rmtree(folder, ignore_errors=True)
        parts.append(part)
    if len(parts) == 1:
        aptly(layout, "snapshot", "rename", parts[0], id_)
        return
    aptly(layout, "snapshot", "merge", "-latest", id_, *parts)
    for part in parts:
        aptly(layout, "snapshot", "drop", "-force", part)


def published(layout: Layout) -> dict[str, str | None]:
    """Ring → snapshot, as aptly has published it."""
    found = {}
    for row in json.loads(aptly(layout, "publish", "list", "-json") or "[]"):
        found[row["Distribution"]] = row["Sources"][0]["Name"]
    return {ring: found.get(f"ring{ring}") for ring in RINGS}


def publish(layout: Layout, ring: str, id_: str) -> bool:
    """Give a ring's suite a snapshot. False: it has it already."""
    layout.record(id_)
    if not id_.startswith("p"):
        raise AgentError("wrong-kind", id=id_)
    now = published(layout)[ring]
    if now == id_ and not layout.pending.exists():
        layout.remember("patches", ring, id_)
        return False
    write(layout.pending, {"ring": ring, "id": id_})
    _switch(layout, ring, id_, now)
    layout.remember("patches", ring, id_)
    layout.pending.unlink()
    return True


def _switch(layout: Layout, ring: str, id_: str, now: str | None) -> None:
    options = ["-batch", "-skip-contents", "-skip-bz2", "-force-overwrite"]
    if now is not None:
        aptly(layout, "publish", "switch", *options, f"ring{ring}", id_)
        return
    architectures = sorted({a for source in layout.config["packages"] for a in source["architectures"]})
    aptly(
        layout,
        "publish",
        "snapshot",
        *options,
        "-acquire-by-hash",
        f"-distribution=ring{ring}",
        "-component=main",
        f"-architectures={','.join(architectures)}",
        f"-origin={layout.config['origin']}",
        f"-label={layout.config['origin']}",
        id_,
    )


def recover(layout: Layout) -> None:
    """Finish a publication that was killed: the ring gets what it was to get."""
    if not layout.pending.exists():
        return
    pending = json.loads(layout.pending.read_text("utf-8"))
    ring, id_ = pending["ring"], pending["id"]
    if ID.match(id_) and (layout.records / f"{id_}.json").exists():
        _switch(layout, ring, id_, published(layout)[ring])
        layout.remember("patches", ring, id_)
    layout.pending.unlink()


def drop(layout: Layout, ids: Sequence[str]) -> int:
    """Forget snapshots and the packages that nothing holds any more. Returns octets that became free."""
    before = free(layout.pool)
    for id_ in ids:
        (layout.records / f"{id_}.json").unlink(missing_ok=True)
        if id_ in aptly(layout, "snapshot", "list", "-raw").split():
            aptly(layout, "snapshot", "drop", "-force", id_)
        for folder in ("contents", "advisories"):
            (layout.home / folder / f"{id_}.json").unlink(missing_ok=True)
    aptly(layout, "db", "cleanup")
    return max(0, free(layout.pool) - before)


PACKAGES = Room(estimate, sync, published, publish, drop)
