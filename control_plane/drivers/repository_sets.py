"""Sets of antivirus signatures: fetched whole, verified, signed by the centre, given to rings by one rename.

Part of the agent on the repository host. A set never changes after it was put in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from control_plane.drivers.repository_state import (
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
    HASH,
    FolderTree,
    Tree,
    WebTree,
    fresh,
    read,
    refuse_without_room,
    seconds_of,
    verified,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}\.(hdb|hsb|ndb|ldb|mdb|msb|fp|sfp|ign2|cdb|yar|cvd|cld|cud)\Z")
LINES = (".cvd", ".cld", ".cud")


def tree_of(layout: Layout, medium: Path | None) -> Tree:
    """Where signature sets come from. Raises AgentError `no-source`."""
    source = layout.config["signatures"]
    if not source:
        raise AgentError("no-source", what="signatures")
    if medium is None:
        return WebTree(source["url"])
    place = next((p for p in (medium / "signatures", medium) if (p / "manifest.json").is_file()), None)
    if place is None:
        raise AgentError("medium-lacks", what="signatures/manifest.json")
    return FolderTree(place, "medium")


def manifest(layout: Layout, tree: Tree) -> tuple[dict[str, Any], str]:
    """The upstream's verified list of files and who signed it."""
    content = read(tree, "manifest.json", 4 << 20)
    signature = read(tree, "manifest.json.asc", 1 << 20)
    _, signer = verified(layout, layout.config["signatures"]["key"], content, "manifest.json", signature)
    try:
        found: dict[str, Any] = json.loads(content)
        files = found["files"]
        for name, row in files.items():
            if not NAME.match(name) or not HASH.match(row["sha256"]) or int(row["octets"]) < 0:
                raise AgentError("bad-name", path=name[:200])
        seconds_of(found["made_at"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgentError("bad-index", path="manifest.json", reason=error) from None
    if not files:
        raise AgentError("bad-index", path="manifest.json", reason="no files")
    fresh(found.get("valid_until"), "manifest.json")
    return found, signer


def _same(record: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the upstream's set is the one that we have."""
    return bool(record["files"] == found["files"] and record["made_at"] == found["made_at"])


def _need(layout: Layout, found: Mapping[str, Any]) -> dict[str, int]:
    octets = sum(int(row["octets"]) for row in found["files"].values())
    return {
        "fetch": octets,
        "need": octets,
        "free": free(layout.sets),
        "reserve": int(layout.config["reserve_octets"]),
    }


def estimate(layout: Layout) -> dict[str, Any]:
    """What a sync would need, before it."""
    found, _ = manifest(layout, tree_of(layout, None))
    before = next(iter(layout.all_records("signatures")), None)
    room = _need(layout, found)
    total = room["fetch"]
    if before is not None and _same(before, found):
        room |= {"fetch": 0, "need": 0}
    return {
        **room,
        "total": total,
        "packages": len(found["files"]),
        "first": before is None,
        "enough": room["need"] + room["reserve"] <= room["free"],
    }


def sync(layout: Layout, tell: Tell, medium: Path | None = None) -> dict[str, Any]:
    """Fetch the upstream's set; nothing new makes none."""
    tell(0, 0, "index")
    tree = tree_of(layout, medium)
    found, signer = manifest(layout, tree)
    before = next(iter(layout.all_records("signatures")), None)
    answer: dict[str, Any] = {"snapshot": None, "latest": before["id"] if before else None, "octets": 0}
    answer["advisories_changed"] = False
    if before and seconds_of(found["made_at"]) < seconds_of(before["made_at"]):
        raise AgentError("older", path="manifest.json", date=found["made_at"], known=before["made_at"])
    if before and _same(before, found):
        return answer
    refuse_without_room(_need(layout, found))
    for left in layout.sets.glob(".new-*"):
        shutil.rmtree(left)
    id_ = layout.new_id("signatures")
    staged = layout.sets / f".new-{id_}"
    staged.mkdir()
    total, done, lines = sum(int(row["octets"]) for row in found["files"].values()), 0, 0
    for name, row in sorted(found["files"].items()):
        content = read(tree, name, int(row["octets"]))
        if len(content) < int(row["octets"]):
            raise AgentError("cut-off", path=name)
        if hashlib.sha256(content).hexdigest() != row["sha256"]:
            raise AgentError("wrong-digest", path=name)
        write(staged / name, content, 0o644)
        lines += 0 if name.endswith(LINES) else sum(1 for line in content.splitlines() if line.strip())
        done += len(content)
        tell(done, total, name)
    ours = {"id": id_, "made_at": found["made_at"], "imported_at": stamp(), "files": found["files"]}
    content = json.dumps(ours, indent=1).encode()
    write(staged / "manifest.json", content, 0o644)
    write(staged / "manifest.json.asc", sign(layout, content), 0o644)
    staged.chmod(0o755)
    with locked(layout, "state", 300):
        place = layout.sets / id_
        if place.exists():  # killed before its record was written
            shutil.rmtree(place)
        staged.rename(place)
        record = {
            "id": id_,
            "made_at": found["made_at"],
            "imported_at": ours["imported_at"],
            "source": "medium" if medium else layout.config["signatures"]["url"],
            "signer": signer,
            "signatures": lines,
            "octets": total,
            "files": found["files"],
        }
        write(layout.records / f"{id_}.json", record)
    return answer | {"snapshot": id_, "latest": id_, "octets": total}


def sign(layout: Layout, content: bytes) -> bytes:
    """A detached signature of the centre's own key."""
    done = subprocess.run(
        ["gpg", "--batch", "--quiet", "--armor", "--digest-algo", "SHA512", "--detach-sign", "--output", "-"],
        input=content,
        capture_output=True,
        env={**os.environ, "GNUPGHOME": str(layout.gnupg), "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        raise AgentError("cannot-sign", reason=done.stderr.decode("utf-8", "replace").strip()[-300:])
    return done.stdout


def published(layout: Layout) -> dict[str, str | None]:
    """Ring → set, as the links say."""
    found: dict[str, str | None] = dict.fromkeys(RINGS)
    for ring in RINGS:
        link = layout.signatures / f"ring{ring}"
        if link.is_symlink():
            found[ring] = link.readlink().name
    return found


def publish(layout: Layout, ring: str, id_: str) -> bool:
    """Give a ring a set by one rename. False: it has it already."""
    layout.record(id_)
    if not id_.startswith("s"):
        raise AgentError("wrong-kind", id=id_)
    changed = published(layout)[ring] != id_
    if changed:
        fresh_link = layout.signatures / f".ring{ring}.new"
        fresh_link.unlink(missing_ok=True)
        fresh_link.symlink_to(f"sets/{id_}")
        fresh_link.replace(layout.signatures / f"ring{ring}")
    layout.remember("signatures", ring, id_)
    return changed


def drop(layout: Layout, ids: Sequence[str]) -> int:
    """Forget sets. Returns octets that became free."""
    gone = 0
    for id_ in ids:
        gone += layout.record(id_)["octets"]
        (layout.records / f"{id_}.json").unlink()
        shutil.rmtree(layout.sets / id_, ignore_errors=True)
    return gone


SETS = Room(estimate, sync, published, publish, drop)
