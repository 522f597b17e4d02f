"""The observing half of the agent: one look at all that we manage on this host, and at what others put beside it.

Runs ON the managed host (see host_state). Must not write anything.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from control_plane.drivers.host_state import (
    MISSING,
    Layout,
    Seen,
    load_journal,
    load_json,
    load_manifest,
    token_of,
    tree_listing,
)

TEXT_LIMIT = 64 << 10
NAMED_LIMIT = 20
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def observe(layout: Layout) -> dict[str, Any]:
    """`{resources: [...], foreign: [...]}`; raises AgentError when the manifest cannot be trusted."""
    manifest = load_manifest(layout)
    journal = load_journal(layout) or {"ids": [], "entries": {}, "old": {}}
    unfinished, planned = set(journal["ids"]), journal["entries"]
    resources: list[dict[str, Any]] = []
    known: set[str] = set()
    sites: set[str] = set()
    for id_ in sorted(manifest.keys() | unfinished):
        stages = [entry for entry in (planned.get(id_), manifest.get(id_), journal["old"].get(id_)) if entry]
        for entry in stages:
            known.update(entry["files"])
            sites.add(entry.get("site_dir") or "")
        resources.append(_row(layout, id_, stages[0], id_ in unfinished, planned.get(id_)))
    return {"resources": resources, "foreign": _foreign(layout, known, sites)}


def _row(
    layout: Layout, id_: str, entry: Mapping[str, Any], unfinished: bool, planned: Mapping[str, Any] | None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": id_,
        "kind": entry["kind"],
        "owner": entry["owner"],
        "main": entry["main"],
        "label": entry.get("label") or entry["main"],
        "attributes": entry["attributes"],
        "retiring_until": entry.get("retiring_until"),
        "have": [kept["release"] for kept in entry.get("kept", ()) if "stale" not in kept],
        "site_dir": entry.get("site_dir"),
    }
    if unfinished:
        row["unfinished"] = True
        row["retiring_until"] = None  # so that a plan asks for the retirement again and it is finished
        row["token"] = token_of(planned, planned["files"]) if planned else "gone"
        return row
    seen = Seen(layout, entry)
    row["token"] = seen.token()
    if entry["kind"] == "web.certificate":
        row["fingerprint"] = fingerprint(layout.text(chain_name(entry)))
    if not seen.clean:
        row["hand_made"] = {name: describe(layout, entry, name, seen.actual[name]) for name in seen.differing}
        if any("/releases/" in name for name in seen.differing):
            row["have"] = [release for release in row["have"] if release != entry["attributes"].get("release")]
    return row


def chain_name(entry: Mapping[str, Any]) -> str:
    """The name that nginx reads a certificate by."""
    return "/etc/nginx/tls/{}.crt".format(entry["main"])


def fingerprint(path: str) -> str | None:
    """SHA-256 (lower hex) of the DER of the first certificate in a PEM file; None when there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 thousands in a look
            found = _PEM.search(file.read())
        return hashlib.sha256(base64.b64decode(found.group(1))).hexdigest() if found else None
    except (OSError, ValueError):
        return None


def describe(layout: Layout, entry: Mapping[str, Any], name: str, actual: str) -> str:
    """What somebody did to one managed file: a unified diff, or a sentence; never the content of a key."""
    expected = entry["files"][name]
    if actual == MISSING:
        return MISSING
    if actual.split(" ")[0] != expected.split(" ")[0]:
        return f"is now: {actual}"
    if actual.startswith("link "):
        return f"points to {actual[5:]} instead of {expected[5:]}"
    if actual.startswith("tree "):
        return _tree_difference(layout, entry, name)
    if actual.split(" ")[1] == expected.split(" ")[1]:
        return "mode or owner is {} instead of {}".format(
            " ".join(actual.split(" ")[2:]),
            " ".join(expected.split(" ")[2:]),
        )
    if entry["kind"] != "web.vhost":
        return "content differs (sha256 {})".format(actual.split(" ")[1][:16])
    return _text_difference(layout, name, actual)


def _text_difference(layout: Layout, name: str, actual: str) -> str:
    short = "content differs (sha256 {})".format(actual.split(" ")[1][:16])
    good, live = good_copy(layout, name), layout.real(name)
    try:
        if max(good.stat().st_size, live.stat().st_size) > TEXT_LIMIT:
            return short
        sides = [path.read_text("utf-8", "replace").splitlines() for path in (good, live)]
    except OSError:
        return short
    import difflib  # only here, because a look at an untouched host must start fast

    lines = difflib.unified_diff(sides[0], sides[1], "as applied" + name, "now" + name, lineterm="")
    return "\n".join(lines) or short


def _tree_difference(layout: Layout, entry: Mapping[str, Any], name: str) -> str:
    now = tree_listing(layout.real(name))
    try:
        then = load_json(good_listing(layout, entry["main"], Path(name).name))
    except (OSError, ValueError):
        return "content differs"
    words: list[str] = []
    for word, names in (
        ("changed", [n for n in now if n in then and now[n] != then[n]]),
        ("added", [n for n in now if n not in then]),
        ("missing", [n for n in then if n not in now]),
    ):
        shown = sorted(names)[:NAMED_LIMIT]
        more = [f"and {len(names) - len(shown)} more"] if len(names) > len(shown) else []
        words += ["{}: {}".format(word, ", ".join(shown + more))] if names else []
    return "; ".join(words) or "content differs"


def good_copy(layout: Layout, name: str) -> Path:
    """Where the last good copy of a vhost is kept."""
    return layout.good / "sites-enabled" / Path(name).name


def good_listing(layout: Layout, main: str, release: str) -> Path:
    """Where the listing of a release is kept, to name what differs."""
    name = hashlib.sha256(f"{main}/{release}".encode()).hexdigest()[:32]
    return layout.good / "releases" / f"{name}.json"


def _foreign(layout: Layout, known: set[str], sites: set[str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []

    def note(kind: str, entry: os.DirEntry[str], blocks: str = "") -> None:
        found.append({"kind": kind, "path": layout.name(entry.path), "blocks": blocks})

    for entry in _entries(layout.vhosts):
        if layout.name(entry.path) not in known:
            note("web.file", entry, "vhost/" + entry.name[:-5] if entry.name.endswith(".conf") else "")
    for entry in _entries(layout.tls):
        if entry.name not in (".live", ".pairs") and layout.name(entry.path) not in known:
            stem = entry.name[:-4] if entry.name.endswith((".crt", ".key")) else ""
            note("web.file", entry, "certificate/" + stem if stem else "")
    tenants = {site.split("/")[0] for site in sites}
    for entry in _entries(layout.sites):
        if entry.name == ".gasp":
            continue
        if entry.name not in tenants or not entry.is_dir(follow_symlinks=False):
            note("web.folder", entry)
            continue
        for site in _entries(Path(entry.path)):
            if f"{entry.name}/{site.name}" not in sites:
                note("web.folder", site, "release/" + site.name if _occupied(site) else "")
    return sorted(found, key=lambda f: f["path"])


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _occupied(site: os.DirEntry[str]) -> bool:
    if not stat.S_ISDIR(site.stat(follow_symlinks=False).st_mode):
        return True
    return any(entry.name in ("current", "releases") for entry in _entries(Path(site.path)))
