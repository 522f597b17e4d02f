"""What a batch of changes means for nft and conntrack: one atomic load, built from what is in the table now.

Runs ON the gateway (see gateway_render). Nothing here writes but `Batch.load`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from control_plane.drivers.gateway_render import MARKED, NetworkRules, ProxyRules
from control_plane.drivers.gateway_state import (
    NETWORK,
    SHARED,
    Table,
    network_rules,
    proxy_rules,
    tool,
    wanted_pairs,
)
from control_plane.drivers.host_state import AgentError

_PLACE = re.compile(r"^\S*?:(\d+):\d+(?:-\d+)?: (?:Error: )?(.*)$", re.MULTILINE)

Entry = dict[str, Any]


class Item:
    """One accepted change."""

    def __init__(self, id_: str, entry: Entry | None, old: Entry | None) -> None:
        self.id, self.entry, self.old = id_, entry, old
        kind = (entry or old or {})["kind"]
        self.network: NetworkRules | None = None
        self.proxy: ProxyRules | None = None
        if entry is not None and kind == NETWORK:
            self.network = network_rules(id_, entry)
        elif entry is not None:
            self.proxy = proxy_rules(id_, entry)
        self.kind = str(kind)
        self.code = str((entry or old or {})["attributes"]["tenant"])

    @property
    def files(self) -> dict[str, str]:
        """Path → content of the files that the change leaves."""
        if self.network is not None:
            return {f"/etc/gasp/gateway/tenants/{self.code}.nft": self.network.text}
        if self.proxy is not None:
            return {**self.proxy.lists, self.proxy.main: self.proxy.text}
        return {}


class Batch:
    """One atomic load for nft: each tenant's section, built from what is in the table now, and the pairs."""

    def __init__(self, items: Sequence[Item], manifest: Mapping[str, Entry], table: Table) -> None:
        self.sections: list[tuple[Item | None, list[str], int]] = []
        networks = [item for item in items if item.kind == NETWORK]
        for item in networks:
            self.sections.append((item, *_section(item, table)))
        merged = {**manifest, **{item.id: item.entry for item in networks}}
        wanted = wanted_pairs({id_: entry for id_, entry in merged.items() if entry is not None})
        known = {entry["attributes"]["interface"] for entry in manifest.values() if entry["kind"] == NETWORK}
        known |= {item.network.interface for item in networks if item.network}
        now = {pair for pair in table.pairs() if known & set(pair)}
        lines = [f'delete element inet gw peers {{ "{a}" . "{b}" }}' for a, b in sorted(now - wanted)]
        lines += [f'add element inet gw peers {{ "{a}" . "{b}" }}' for a, b in sorted(wanted - now)]
        self.sections.append((None, lines, 0))

    @property
    def text(self) -> str:
        """The whole batch."""
        return "".join(line + "\n" for _, lines, _ in self.sections for line in lines)

    def check(self, path: Path) -> tuple[Item | None, str, int] | None:
        """None when nft accepts it; otherwise whose fault it is (None: nobody's), its words, and the line there."""
        path.write_text(self.text)
        done = tool(["nft", "-c", "-f", str(path)])
        if done.returncode == 0:
            return None
        found = _PLACE.search(done.stderr)
        words = (found[2] if found else done.stderr).strip()[:300]
        start = 0
        for item, lines, skipped in self.sections:
            if found and item is not None and start < int(found[1]) <= start + len(lines):
                return item, words, max(int(found[1]) - start - skipped, 0)
            start += len(lines)
        for item, lines, _ in self.sections:
            path.write_text("".join(line + "\n" for line in lines))
            alone = tool(["nft", "-c", "-f", str(path)])
            if item is not None and alone.returncode:
                return item, alone.stderr.strip()[:300], 0
        return None, words, 0

    def load(self) -> None:
        """Load it: all or nothing. Raises AgentError."""
        done = tool(["nft", "-f", "-"], self.text)
        if done.returncode:
            raise AgentError("nft-refused", "", done.stderr.strip()[:300])


def _section(item: Item, table: Table) -> tuple[list[str], int]:
    """Lines for one tenant, and how many of them come before the text of its file."""
    rules, top = item.network, f"t/{item.code}/"
    wanted = rules.elements if rules else {}
    before = []
    for interface, number in keys_of(item):
        for name in SHARED:
            key = str(MARKED | number) if name == "proxied" else interface
            current = table.keyed(name).get(key)
            kept = rules is not None and (interface, number) == (rules.interface, rules.number) and name in wanted
            if current is not None and not (kept and current == element(name, rules)):
                quoted = key if name == "proxied" else f'"{key}"'
                before.append(f"delete element inet gw {name} {{ {quoted} }}")
    chains = [name for name in table.chains if name.startswith(top) and not (rules and name in rules.chains)]
    sets = [name for name in table.sets if name.startswith(top) and not (rules and name in rules.sets)]
    counters = [name for name in table.counters if name.startswith(top) and not (rules and name in rules.counters)]
    middle = rules.text.splitlines() if rules else []
    after = [f"flush chain inet gw {name}" for name in chains]
    for word, names in (("chain", chains), ("set", sets), ("counter", counters)):
        after += [f"delete {word} inet gw {name}" for name in names]
    return [*before, *middle, *after], len(before)


def keys_of(item: Item) -> set[tuple[str, int]]:
    """Interfaces and numbers under which a tenant is or was in the shared sets."""
    found = set()
    for entry in (item.entry, item.old):
        if entry is not None:
            found.add((str(entry["attributes"]["interface"]), int(entry["number"])))
    return found


def element(name: str, rules: NetworkRules | None) -> str:
    """A tenant's element of a shared set in canonical form, as `Table.keyed` gives it."""
    if rules is None or name not in rules.elements:
        return ""
    if name == "online":
        return json.dumps(rules.interface)
    key: str | int = MARKED | rules.number if name == "proxied" else rules.interface
    target = rules.elements[name].rpartition(" ")[2]
    return json.dumps([key, {"jump": {"target": target}}], sort_keys=True)


def ip_in(address: str, lan: Any) -> bool:
    """Whether an address lies in a network of its family."""
    return ip_address(address) in lan


def ended(items: Sequence[Item]) -> list[list[str]]:
    """What conntrack must forget: of tenants that go off all of the internet, of others what they lost."""
    found: list[list[str]] = []
    for item in items:
        if item.kind != NETWORK or item.old is None or item.old["attributes"]["enabled"] is not True:
            continue
        old = item.old["attributes"]
        if item.network is None or not item.network.enabled:
            for lan in (old["v4"], old["v6"]):
                family = "ipv6" if ":" in lan else "ipv4"
                found.append(["-f", family, "-s", lan, "--src-nat"])
                found.append(["-f", family, "-s", lan, "-p", "tcp", "--orig-port-dst", "3128"])
            continue
        now = item.entry["attributes"]["direct"] if item.entry else []
        for entry in old["direct"]:
            if entry not in now:
                family = "ipv6" if ":" in entry["source"] else "ipv4"
                found.append(["-f", family, "-s", entry["source"], "-p", entry["protocol"], "--src-nat"])
    return found


def ended_pairs(gone: set[tuple[str, str]], manifest: Mapping[str, Entry]) -> list[list[str]]:
    """What conntrack must forget of tenants that are no longer connected."""
    networks = [entry["attributes"] for entry in manifest.values() if entry["kind"] == NETWORK]
    lans = {row["interface"]: (row["v4"], row["v6"]) for row in networks}
    found = []
    for first, second in sorted(gone):
        if first in lans and second in lans:
            for family, a, b in zip(("ipv4", "ipv6"), lans[first], lans[second], strict=True):
                found.append(["-f", family, "-s", a, "-d", b])
    return found
