"""The observing half of the gateway's agent: tenants' rules as they are in force, and what others put beside them.

Runs ON the gateway (see gateway_render). Must not write anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from control_plane.drivers.gateway_state import (
    NETWORK,
    SHARED,
    GatewayLayout,
    Seen,
    answer,
    load_journal,
    load_manifest,
    token_of,
)

#: The table's own chains, sets and counters; everything else that is no tenant's is somebody else's.
OWN_CHAINS = frozenset(
    {"refuse", "spoof", "published", "publish", "publish_own", "translate", "input", "forward", "output", "proxy"}
)
OWN_SETS = frozenset(
    {
        *("tenants", "open4", "open6", "direct_ok4", "direct_ok6", "blocked4", "blocked6"),
        *("online", "throttled", "peers", "acct_up", "acct_down", "direct", "proxied"),
    }
)
OWN_COUNTERS = frozenset({"public_in", "tenant_core", "refused", "spoofed"})


def observe(layout: GatewayLayout) -> dict[str, Any]:
    """`{resources: [...], foreign: [...]}`; raises AgentError when something could not be read."""
    manifest = load_manifest(layout)
    journal = load_journal(layout)
    unfinished = journal["entries"] if journal else {}
    seen = Seen(layout, manifest)
    resources = []
    for id_ in sorted(manifest.keys() | unfinished.keys()):
        if id_ in unfinished:
            entry = unfinished[id_] or manifest.get(id_)
            if entry is not None:
                token = seen.token(manifest[id_]) if id_ in manifest else "gone"
                resources.append(_row(id_, entry, token, {}, True))
            continue
        entry = manifest[id_]
        differing = seen.differing(entry)
        resources.append(_row(id_, entry, token_of(entry, differing), differing, False))
    return {"resources": resources, "foreign": _foreign(layout, manifest, unfinished, seen)}


def _row(
    id_: str, entry: Mapping[str, Any], token: str, differing: Mapping[str, str], unfinished: bool
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": id_,
        "kind": entry["kind"],
        "owner": entry["owner"],
        "label": entry.get("label") or id_,
        "attributes": entry["attributes"],
        "token": token,
    }
    if unfinished:
        row["unfinished"] = True
    if differing:
        row["hand_made"] = dict(differing)
    return row


def _foreign(
    layout: GatewayLayout, manifest: Mapping[str, Any], unfinished: Mapping[str, Any], seen: Seen
) -> list[dict[str, str]]:
    entries = [*manifest.values(), *(entry for entry in unfinished.values() if entry)]
    networks = {entry["attributes"]["tenant"]: entry for entry in entries if entry["kind"] == NETWORK}
    known = {name for entry in entries for name in entry["files"]}
    found: list[dict[str, str]] = []

    def note(kind: str, label: str, blocks: str = "") -> None:
        found.append({"kind": kind, "path": label, "blocks": blocks})

    table = seen.table
    for word, names, own in (
        ("chain", table.chains, OWN_CHAINS),
        ("set", table.sets, OWN_SETS),
        ("counter", table.counters, OWN_COUNTERS),
    ):
        for name in names:
            code = name.split("/")[1] if name.startswith("t/") and name.count("/") >= 2 else ""
            if name not in own and code not in networks:
                note("gateway.rules", f"{word} {name}", f"gateway:{code}/network" if code else "")
    keys = {entry["attributes"]["interface"] for entry in networks.values()}
    keys |= {str(0x10000 | entry["number"]) for entry in networks.values()}
    for name in SHARED:
        for key in table.keyed(name).keys() - keys:
            note("gateway.rules", f"element {key} of {name}")
    for first, second in table.pairs():
        if first not in keys and second not in keys:
            note("gateway.rules", f"element {first} . {second} of peers")
    for item in json.loads(answer(["nft", "-j", "list", "tables"]))["nftables"]:
        if "table" in item and (item["table"]["family"], item["table"]["name"]) != ("inet", "gw"):
            note("gateway.rules", f"table {item['table']['family']} {item['table']['name']}")
    for name, count in _added(layout, seen).items():
        note("gateway.rules", f"chain {name}: {count} rules that are not the role's")
    for folder in (layout.tenants, layout.gasp):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name in ("categories", "00-none.conf") or path.name.startswith("."):
                continue
            name = layout.name(path)
            if name in known or (path.is_dir() and any(k.startswith(name + "/") for k in known)):
                continue
            blocks = ""
            if path.suffix in (".nft", ".conf"):
                blocks = f"gateway:{path.stem}/{'network' if path.suffix == '.nft' else 'proxy'}"
            note("gateway.file", name, blocks)
    return sorted(found, key=lambda row: row["path"])


def _added(layout: GatewayLayout, seen: Seen) -> dict[str, int]:
    """Rules in the table's own chains that the role did not make, by chain."""
    try:
        base = json.loads((layout.root / "var/lib/gasp/gateway/base.json").read_bytes())
    except (OSError, ValueError):
        return {}
    found = {}
    for name, rules in seen.table.chains.items():
        if name in base:
            more = [rule for rule in rules if rule not in base[name]]
            if more:
                found[name] = len(more)
    return found
