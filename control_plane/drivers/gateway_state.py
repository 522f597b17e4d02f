"""What is there on the gateway, as it is really in force: the table, the classes, the files, and our manifest.

Runs ON the gateway (see gateway_render). Must not write anything.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from control_plane.drivers.gateway_render import SLOW, NetworkRules, ProxyRules, pairs
from control_plane.drivers.host_state import AgentError, Layout, load_json, state_of

VERSION = 1
NETWORK, PROXY = "gateway.network", "gateway.proxy"
SHARED = ("online", "acct_up", "acct_down", "direct", "proxied")
DOWN = "gaspdown"
_CLASS = re.compile(r"^class htb 1:([0-9a-f]+) parent 1:1 .*?rate (\S+) ceil (\S+)")


class GatewayLayout(Layout):
    """Where things are on the gateway; `options` may replace tools in tests."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.etc = self.root / "etc/gasp/gateway"
        self.tenants = self.etc / "tenants"
        self.squid = self.root / "etc/squid"
        self.gasp = self.squid / "gasp"
        self.program: list[str] = list(
            options.get("program", ["/usr/bin/python3", "-I", "/usr/local/lib/gasp/gateway.py"])
        )
        self.reload: list[str] = list(options.get("reload", ["systemctl", "reload-or-restart", "squid"]))
        self.parse: list[str] = list(options.get("parse", ["/usr/sbin/squid", "-k", "parse", "-f"]))


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

    def keyed(self, name: str) -> dict[str, str]:
        """Elements of a shared set or map: key → whole element in canonical form."""
        found = {}
        for element in self.elements.get(name, ()):
            keyed = isinstance(element, list) and len(element) == 2 and isinstance(element[1], dict)
            found[str(element[0] if keyed else element)] = json.dumps(element, sort_keys=True)
        return found

    def pairs(self) -> set[tuple[str, str]]:
        """Interfaces that may open connections to each other."""
        return {tuple(element["concat"]) for element in self.elements.get("peers", ())}

    def of(self, code: str, interface: str, number: int) -> dict[str, str]:
        """All that belongs to one tenant, name → content in canonical form; addresses of resolved names apart."""
        top = f"t/{code}/"
        found = {f"chain {name}": json.dumps(rules) for name, rules in self.chains.items() if name.startswith(top)}
        found |= {f"set {name}": kind for name, kind in self.sets.items() if name.startswith(top)}
        found |= {f"counter {name}": "" for name in self.counters if name.startswith(top)}
        for name in SHARED:
            key = str(0x10000 | number) if name == "proxied" else interface
            element = self.keyed(name).get(key)
            if element is not None:
                found[f"element {name}"] = element
        return found

    def codes(self) -> set[str]:
        """Codes in names of chains, sets and counters of tenants."""
        names = [*self.chains, *self.sets, *self.counters]
        return {name.split("/")[1] for name in names if name.startswith("t/") and name.count("/") >= 2}


class Queues:
    """Classes and queues of the gateway, read once."""

    def __init__(self, outside: str, interfaces: Sequence[str]) -> None:
        self.outside = outside
        self.classes: dict[str, str] = {}
        for device in (DOWN, outside):
            for line in tool(["tc", "class", "show", "dev", device]).stdout.splitlines():
                found = _CLASS.match(line)
                if found:
                    self.classes[f"{device} 1:{found[1]}"] = f"{found[2]} {found[3]}"
        words = [line.split() for line in answer(["tc", "qdisc", "show"]).splitlines()]
        self.roots = {w[w.index("dev") + 1] for w in words if w[1:3] == ["htb", "1:"] and "root" in w}
        lines = "".join(f"filter show dev {name} parent 1:\n" for name in interfaces)
        said = tool(["tc", "-force", "-batch", "-"], lines).stdout if lines else ""
        self.redirects = said.count(f"Redirect to device {DOWN}")
        self.interfaces = list(interfaces)

    def of(self, interface: str, number: int) -> dict[str, str]:
        """What shapes one tenant."""
        found = {
            f"class {device} 1:{minor:x}": self.classes[f"{device} 1:{minor:x}"]
            for device in (DOWN, self.outside)
            for minor in (number, SLOW | number)
            if f"{device} 1:{minor:x}" in self.classes
        }
        if interface in self.roots and (self.redirects >= len(self.interfaces) or self._redirected(interface)):
            found[f"queue {interface}"] = DOWN
        return found

    @staticmethod
    def _redirected(interface: str) -> bool:
        return f"Redirect to device {DOWN}" in tool(["tc", "filter", "show", "dev", interface, "parent", "1:"]).stdout


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


def proxy_rules(id_: str, entry: Mapping[str, Any]) -> ProxyRules:
    """The rules of a manifest's entry."""
    return ProxyRules(entry["attributes"], id_, entry["owner"], entry["number"])


def wanted_pairs(manifest: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Pairs of interfaces that the manifest's networks ask for."""
    networks = ((id_, entry) for id_, entry in manifest.items() if entry["kind"] == NETWORK)
    return pairs(network_rules(id_, entry) for id_, entry in networks if entry["attributes"]["peers"])


class Seen:
    """Everything on the gateway at one moment."""

    def __init__(self, layout: GatewayLayout, manifest: Mapping[str, Mapping[str, Any]]) -> None:
        self.layout, self.site = layout, site_of(layout)
        self.table = Table.read()
        self.queues = Queues(self.site["internet_interface"], self.site["tenant_interfaces"])
        self.pairs = wanted_pairs(manifest)
        self.proxy_runs = self._proxy_runs()

    def _proxy_runs(self) -> bool:
        try:
            pid = int((self.layout.root / "run/squid.pid").read_text())
            return b"squid" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return False

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
            actual = state_of(self.layout.text(name))
            if actual != state:
                found[name] = actual if actual == "missing" else "content, mode or owner differs"
        live, left = self.live(entry), entry["live"]
        for name in sorted(live.keys() | left.keys()):
            if live.get(name) != left.get(name):
                found[name] = "missing" if name not in live else "added" if name not in left else short(live[name])
        if entry["kind"] == NETWORK:
            interface = entry["attributes"]["interface"]
            now, then = ({pair for pair in found_ if interface in pair} for found_ in (self.table.pairs(), self.pairs))
            if now != then:
                words = [f"{a} to {b}" for a, b in sorted(now ^ then)]
                found["element peers"] = ", ".join(words)
        return found

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
