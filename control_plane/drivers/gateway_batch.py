"""What a batch of changes means for nft and conntrack: one atomic load, built from what is in the table now.

Runs ON the gateway (see gateway_render). Nothing here writes but `Batch.load`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from control_plane.drivers.gateway_render import MARKED, NetworkRules, ProxyRules, table_text
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
    """One accepted change. `given`: what is in its categories, as in `ProxyRules`. An entry of an older version is not
    read anew: what it left is in its journal."""

    def __init__(
        self, id_: str, entry: Entry | None, old: Entry | None, given: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.id, self.entry, self.old = id_, entry, old
        kind = (entry or old or {})["kind"]
        self.network = network_rules(id_, entry) if entry is not None and kind == NETWORK else None
        self._given = given
        self.kind = str(kind)
        self.code = str((entry or old or {})["attributes"]["tenant"])

    @cached_property
    def proxy(self) -> ProxyRules | None:
        """What Squid is told. Raises AgentError."""
        if self.entry is None or self.network is not None:
            return None
        return proxy_rules(self.id, self.entry, self._given)

    @property
    def files(self) -> dict[str, str]:
        """Path → content of the files that the change leaves. Raises AgentError."""
        if self.network is not None:
            return {f"/etc/gasp/gateway/tenants/{self.code}.nft": self.network.text}
        if self.proxy is not None:
            return {**self.proxy.lists, self.proxy.main: self.proxy.text}
        return {}


class Section:
    """One tenant's part of a batch: what must go first, its own text, and what is left over."""

    def __init__(self, item: Item, table: Table) -> None:
        self.item, rules = item, item.network
        wanted = rules.elements if rules else {}
        self.before: list[str] = []
        for interface, number in keys_of(item):
            for name in SHARED:
                key = str(MARKED | number) if name == "proxied" else interface
                current = table.shared[name].get(key)
                kept = rules is not None and (interface, number) == (rules.interface, rules.number) and name in wanted
                if current is not None and not (kept and current == element(name, rules)):
                    quoted = key if name == "proxied" else f'"{key}"'
                    self.before.append(f"delete element inet gw {name} {{ {quoted} }}")
        kept_names = {*rules.chains, *rules.sets, *rules.counters} if rules else set()
        chains, sets, counters = (
            [name for name in table.names(word, item.code) if name not in kept_names]
            for word in ("chain", "set", "counter")
        )
        self.after = [f"flush chain inet gw {name}" for name in chains]
        for word, names in (("chain", chains), ("set", sets), ("counter", counters)):
            self.after += [f"delete {word} inet gw {name}" for name in names]

    @property
    def lines(self) -> list[str]:
        """The part by itself."""
        return [*self.before, *(self.item.network.text.splitlines() if self.item.network else []), *self.after]


class Batch:
    """One atomic load for nft: each tenant's section, built from what is in the table now, and the pairs."""

    def __init__(self, items: Sequence[Item], manifest: Mapping[str, Entry], table: Table) -> None:
        networks = [item for item in items if item.kind == NETWORK]
        self.sections = [Section(item, table) for item in networks]
        merged = {**manifest, **{item.id: item.entry for item in networks}}
        wanted = wanted_pairs({id_: entry for id_, entry in merged.items() if entry is not None})
        known = {entry["attributes"]["interface"] for entry in manifest.values() if entry["kind"] == NETWORK}
        known |= {item.network.interface for item in networks if item.network}
        now = {pair for pair in table.pairs() if known & set(pair)}
        self.pairs = [f'delete element inet gw peers {{ "{a}" . "{b}" }}' for a, b in sorted(now - wanted)]
        self.pairs += [f'add element inet gw peers {{ "{a}" . "{b}" }}' for a, b in sorted(wanted - now)]

    @property
    def text(self) -> str:
        """The whole batch."""
        before = [line for section in self.sections for line in section.before]
        after = [line for section in self.sections for line in section.after]
        rules = [section.item.network for section in self.sections if section.item.network]
        lines = "".join(f"{line}\n" for line in before), "".join(f"{line}\n" for line in (*after, *self.pairs))
        return lines[0] + (table_text(rules) if rules else "") + lines[1]

    def check(self, path: Path) -> tuple[Item | None, str, int] | None:
        """None when nft accepts it; otherwise whose fault it is (None: nobody's), its words, and the line there."""
        path.write_text(self.text)
        done = tool(["nft", "-c", "-f", str(path)])
        if done.returncode == 0:
            return None
        for section in self.sections:
            path.write_text("".join(f"{line}\n" for line in section.lines))
            alone = tool(["nft", "-c", "-f", str(path)])
            if alone.returncode:
                found = _PLACE.search(alone.stderr)
                words = (found[2] if found else alone.stderr).strip()[:300]
                return section.item, words, max(int(found[1]) - len(section.before), 0) if found else 0
        return None, done.stderr.strip()[:300], 0

    def load(self) -> None:
        """Load it: all or nothing. Raises AgentError."""
        done = tool(["nft", "-f", "-"], self.text)
        if done.returncode:
            raise AgentError("nft-refused", "", done.stderr.strip()[:300])


def keys_of(item: Item) -> set[tuple[str, int]]:
    """Interfaces and numbers under which a tenant is or was in the shared sets."""
    found = set()
    for entry in (item.entry, item.old):
        if entry is not None:
            found.add((str(entry["attributes"]["interface"]), int(entry["number"])))
    return found


def element(name: str, rules: NetworkRules | None) -> str:
    """A tenant's element of a shared set in canonical form, as `Table.shared` has it."""
    if rules is None or name not in rules.elements:
        return ""
    if name == "online":
        return json.dumps(rules.interface)
    key: str | int = MARKED | rules.number if name == "proxied" else rules.interface
    target = rules.elements[name].rpartition(" ")[2]
    return json.dumps([key, {"jump": {"target": target}}], sort_keys=True)


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
