"""What is there on the gateway, as it is really in force: the table, the classes, the files, and our manifest.

Runs ON the gateway (see gateway_render). Must not write anything.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from control_plane.drivers.gateway_render import MARKED, SLOW, Net, NetworkRules, ProxyRules, pairs
from control_plane.drivers.host_state import AgentError, Layout, load_json, state_of

VERSION = 1
NETWORK, PROXY = "gateway.network", "gateway.proxy"
SHARED = ("online", "acct_up", "acct_down", "direct", "proxied")
DOWN, UP = "gaspdown", "gaspup"
YOUNGER = (f"class {UP} ", "arrival ")
"""How names begin that an older version did not write down: that they are there is no change by hand."""
_CLASS = re.compile(r"^class htb 1:([0-9a-f]+) parent 1:1 (leaf )?.*?rate (\S+) ceil (\S+)")
_FILTER = re.compile(r"filter .*pref (\d+) u32 .*?(?:flowid 1:([0-9a-f]+) .*)?$")


class GatewayLayout(Layout):
    """Where things are on the gateway; `options` may replace tools in tests."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.etc = self.root / "etc/gasp/gateway"
        self.tenants = self.etc / "tenants"
        self.squid = self.root / "etc/squid"
        self.gasp = self.squid / "gasp"
        self.program_lock = self.home / "gateway/lock"
        self.program: list[str] = list(
            options.get("program", ["/usr/bin/python3", "-I", "/usr/local/lib/gasp/gateway.py"])
        )
        self.reload: list[str] = list(options.get("reload", ["systemctl", "reload-or-restart", "squid"]))
        self.conntrack: list[str] = list(options.get("conntrack", ["conntrack"]))
        self.parse: list[str] = list(options.get("parse", ["/usr/sbin/squid", "-k", "parse", "-f"]))


@contextmanager
def unmoved(lock: Path) -> Iterator[None]:
    """While the block lasts the gateway's own program changes nothing; one that never ran has no lock."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def tool(argv: Sequence[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool of the host with plain words."""
    environment = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "CST-8"}
    return subprocess.run(
        argv, input=text or "", text=True, capture_output=True, check=False, errors="replace", env=environment
    )


def answer(argv: Sequence[str], text: str | None = None) -> str:
    """What a tool prints. Raises AgentError when it fails: nothing may be concluded then."""
    done = tool(argv, text)
    if done.returncode:
        raise AgentError("tool-failed", " ".join(argv), done.stderr.strip()[-300:])
    return done.stdout


class Table:
    """The table of the gateway, read once."""

    def __init__(self, listed: Iterable[Mapping[str, Any]]) -> None:
        self.chains: dict[str, list[str]] = {}
        self.hooked: set[str] = set()
        self.sets: dict[str, str] = {}
        self.elements: dict[str, list[Any]] = {}
        self.counters: set[str] = set()
        for item in listed:
            for kind, body in item.items():
                self._take(kind, body)

    def _take(self, kind: str, body: Mapping[str, Any]) -> None:
        if kind == "chain":
            self.chains[body["name"]] = []
            if "hook" in body:
                self.hooked.add(body["name"])
        elif kind == "rule":
            self.chains[body["chain"]].append(json.dumps([body["expr"], body.get("comment")], sort_keys=True))
        elif kind in ("set", "map"):
            self.sets[body["name"]] = json.dumps([kind, body["type"], body.get("map")])
            self.elements[body["name"]] = body.get("elem", [])
        elif kind == "counter":
            self.counters.add(body["name"])

    @classmethod
    def read(cls) -> Table:
        """Ask nft. Raises AgentError."""
        done = tool(["nft", "-j", "list", "table", "inet", "gw"])
        if done.returncode:
            raise AgentError("no-table", detail=done.stderr.strip()[-300:])
        return cls(json.loads(done.stdout)["nftables"])

    @cached_property
    def shared(self) -> dict[str, dict[str, str]]:
        """Shared set or map → key → whole element in canonical form."""
        return {
            name: {key_of(e): json.dumps(e, sort_keys=True) for e in self.elements.get(name, ())} for name in SHARED
        }

    @cached_property
    def by_code(self) -> dict[str, dict[str, str]]:
        """Code in names of chains, sets and counters of tenants → name with its kind → content in canonical form."""
        found: dict[str, dict[str, str]] = {}
        rules = {name: json.dumps(rules) for name, rules in self.chains.items()}
        for word, contents in (("chain", rules), ("set", self.sets), ("counter", dict.fromkeys(self.counters, ""))):
            for name, content in contents.items():
                if name.startswith("t/") and name.count("/") >= 2:
                    found.setdefault(name.split("/")[1], {})[f"{word} {name}"] = content
        return found

    def names(self, word: str, code: str) -> list[str]:
        """Names of a tenant's chains, sets or counters."""
        return [name.partition(" ")[2] for name in self.by_code.get(code, ()) if name.startswith(word + " ")]

    def pairs(self) -> set[tuple[str, str]]:
        """Interfaces that may open connections to each other."""
        return {tuple(element["concat"]) for element in self.elements.get("peers", ())}

    def of(self, code: str, interface: str, number: int) -> dict[str, str]:
        """All that belongs to one tenant, name → content in canonical form; addresses of resolved names apart."""
        found = dict(self.by_code.get(code, {}))
        for name, elements in self.shared.items():
            element = elements.get(str(MARKED | number) if name == "proxied" else interface)
            if element is not None:
                found[f"element {name}"] = element
        return found


def key_of(element: Any) -> str:
    """The key of an element of a set or map."""
    keyed = isinstance(element, list) and len(element) == 2 and isinstance(element[1], dict)
    return str(element[0] if keyed else element)


class Queues:
    """Classes and queues of the gateway, read once."""

    def __init__(self, outside: str, interfaces: Sequence[str]) -> None:
        self.outside = outside
        self.classes: dict[str, str] = {}
        for device in (DOWN, UP, outside):
            for line in tool(["tc", "class", "show", "dev", device]).stdout.splitlines():
                found = _CLASS.match(line)
                if found:
                    short = "" if found[2] else " without a short queue"
                    self.classes[f"{device} 1:{found[1]}"] = f"{found[3]} {found[4]}{short}"
        words = [line.split() for line in answer(["tc", "qdisc", "show"]).splitlines()]
        self.roots = {w[w.index("dev") + 1] for w in words if w[1:3] == ["htb", "1:"] and "root" in w}
        lines = "".join(f"filter show dev {name} parent {way}\n" for name in interfaces for way in ("1:", "ffff:"))
        said = tool(["tc", "-force", "-batch", "-"], lines).stdout if lines else ""
        self.redirects = said.count(f"Redirect to device {DOWN}")
        self.interfaces = list(interfaces)
        self.led = filters(said)
        self.arrivals = filters(tool(["tc", "filter", "show", "dev", UP]).stdout)

    def of(self, interface: str, number: int) -> dict[str, str]:
        """What shapes one tenant."""
        found = {
            f"class {device} 1:{minor:x}": self.classes[f"{device} 1:{minor:x}"]
            for device in (DOWN, UP, self.outside)
            for minor in (number, SLOW | number)
            if f"{device} 1:{minor:x}" in self.classes
        }
        if interface in self.roots and (self.redirects >= len(self.interfaces) or self._redirected(interface)):
            found[f"queue {interface}"] = DOWN
        for place, name in ((self.led, f"arrival {interface}"), (self.arrivals, f"arrival class {number}")):
            rules = [rule for prio in (2 * number, 2 * number + 1) for rule in place.get(prio, ())]  # IPv4, IPv6
            if rules:
                found[name] = ", ".join(rules)
        return found

    @staticmethod
    def _redirected(interface: str) -> bool:
        return f"Redirect to device {DOWN}" in tool(["tc", "filter", "show", "dev", interface, "parent", "1:"]).stdout


def filters(said: str) -> dict[int, list[str]]:
    """What tc says of filters: place → class (the ordinary one of a throttled), what is matched and where it goes."""
    found: dict[int, list[str]] = {}
    rules: list[str] = []
    for line in said.splitlines():
        if head := _FILTER.match(line):
            rules = found.setdefault(int(head[1]), [])
            if head[2]:
                rules.append(f"1:{int(head[2], 16) & ~SLOW:x}")
        elif line.startswith("  match "):
            rules.append(line.strip().removeprefix("match "))
        elif "Redirect to device" in line:
            rules.append(line.rpartition("Redirect to device ")[2].partition(")")[0])
    return found


def site_of(layout: GatewayLayout) -> dict[str, Any]:
    """What the role says of this gateway. Raises AgentError."""
    try:
        return dict(load_json(layout.etc / "site.json"))
    except (OSError, ValueError) as error:
        raise AgentError("not-ready", layout.name(layout.etc / "site.json"), str(error)) from None


def load_manifest(layout: GatewayLayout) -> dict[str, dict[str, Any]]:
    """Resource id → entry. Raises AgentError when it cannot be trusted."""
    try:
        data = load_json(layout.manifest)
        if data["version"] != VERSION:
            raise ValueError("version {!r}".format(data["version"]))
        resources: dict[str, dict[str, Any]] = data["resources"]
        for entry in resources.values():
            if not {"kind", "owner", "attributes", "number", "files", "live"} <= entry.keys():
                raise ValueError("an entry lacks fields")
        return resources
    except FileNotFoundError:
        if not layout.ready.exists():
            raise AgentError("not-ready", layout.name(layout.ready)) from None
        if any(layout.tenants.glob("*.nft")):
            raise AgentError("manifest-lost", layout.name(layout.manifest)) from None
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgentError("manifest-garbled", layout.name(layout.manifest), str(error)) from None


def load_journal(layout: GatewayLayout) -> dict[str, Any] | None:
    """What an interrupted apply had decided, if there is one. Raises AgentError when it is garbled."""
    try:
        data = load_json(layout.journal)
        if not {"entries", "files", "removed", "ended"} <= data.keys():
            raise ValueError("fields are missing")
        return dict(data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise AgentError("journal-garbled", layout.name(layout.journal), str(error)) from None


def network_rules(id_: str, entry: Mapping[str, Any]) -> NetworkRules:
    """The rules of a manifest's entry."""
    return NetworkRules(entry["attributes"], id_, entry["owner"], entry["number"])


def proxy_rules(id_: str, entry: Mapping[str, Any], given: Mapping[str, Sequence[str]] | None = None) -> ProxyRules:
    """The rules of a manifest's entry; `given` as in `ProxyRules`."""
    return ProxyRules(entry["attributes"], id_, entry["owner"], entry["number"], given)


def wanted_pairs(manifest: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Pairs of interfaces that the manifest's networks ask for."""
    networks = ((id_, entry) for id_, entry in manifest.items() if entry["kind"] == NETWORK)
    return pairs(network_rules(id_, entry) for id_, entry in networks if entry["attributes"]["peers"])


class Seen:
    """The gateway at one moment; each thing is asked for when it is first needed, and once."""

    def __init__(self, layout: GatewayLayout, manifest: Mapping[str, Mapping[str, Any]]) -> None:
        self.layout, self.site, self._manifest = layout, site_of(layout), manifest
        self._states: dict[str, str] = {}

    @cached_property
    def table(self) -> Table:
        """What nft has. Raises AgentError."""
        return Table.read()

    @cached_property
    def queues(self) -> Queues:
        """What tc has, and not while the gateway's own program moves a tenant to its other class. Raises AgentError."""
        with unmoved(self.layout.program_lock):
            return Queues(self.site["internet_interface"], self.site["tenant_interfaces"])

    @cached_property
    def pairs(self) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """Interfaces that may open connections to each other: now, and as the manifest says."""
        return self.table.pairs(), wanted_pairs(self._manifest)

    @cached_property
    def proxy_runs(self) -> bool:
        """Whether Squid is there."""
        try:
            pid = int((self.layout.root / "run/squid.pid").read_text())
            return b"squid" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return False

    @cached_property
    def _addresses(self) -> dict[str, tuple[list[int], list[str]]]:
        """Family → the gateway's own addresses in order, and the interfaces that have them."""
        found: dict[str, list[tuple[int, str]]] = {"inet": [], "inet6": []}
        for row in json.loads(answer(["ip", "-j", "address"])):
            for address in row.get("addr_info", ()):
                found[address["family"]].append((int(ip_address(address["local"])), row["ifname"]))
        return {family: ([a for a, _ in sorted(rows)], [n for _, n in sorted(rows)]) for family, rows in found.items()}

    def interfaces_in(self, lan: Net) -> set[str]:
        """Interfaces of the gateway with an address in a network."""
        numbers, names = self._addresses["inet" if lan.version == 4 else "inet6"]
        first, last = int(lan.network_address), int(lan.broadcast_address)
        return set(names[bisect_left(numbers, first) : bisect_right(numbers, last)])

    def live(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """What is in force of one entry beside its files."""
        if entry["kind"] == PROXY:
            return {"service squid": "runs" if self.proxy_runs else "does not run"}
        attributes = entry["attributes"]
        code, interface = attributes["tenant"], attributes["interface"]
        return {
            **self.table.of(code, interface, entry["number"]),
            **self.queues.of(interface, entry["number"]),
        }

    def differing(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """What is not as we left it: name → what it is now, in a few words."""
        found = {}
        for name, state in entry["files"].items():
            actual = self._state(name)
            if actual != state:
                found[name] = actual if actual == "missing" else "content, mode or owner differs"
        live, left = self.live(entry), entry["live"]
        for name in sorted(live.keys() | left.keys()):
            if name not in left and name.startswith(YOUNGER):
                continue
            if live.get(name) != left.get(name):
                found[name] = "missing" if name not in live else "added" if name not in left else short(live[name])
        if entry["kind"] == NETWORK:
            interface = entry["attributes"]["interface"]
            now, then = ({pair for pair in pairs_ if interface in pair} for pairs_ in self.pairs)
            if now != then:
                words = [f"{a} to {b}" for a, b in sorted(now ^ then)]
                found["element peers"] = ", ".join(words)
        return found

    def _state(self, name: str) -> str:
        """A file as it is; one that many tenants share is read once."""
        if name not in self._states:
            self._states[name] = state_of(self.layout.text(name))
        return self._states[name]

    def token(self, entry: Mapping[str, Any]) -> str:
        """The precondition for whoever saw the entry like this."""
        return token_of(entry, self.differing(entry))


def short(content: str) -> str:
    """A changed content in a few words."""
    return f"changed: {content[:300]}" if content else "changed"


def token_of(entry: Mapping[str, Any], differing: Mapping[str, str]) -> str:
    """Hash over all that a writer must have seen."""
    parts = [entry["owner"], entry["attributes"], sorted(differing.items())]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
