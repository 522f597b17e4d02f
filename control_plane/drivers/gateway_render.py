"""What a tenant's attributes mean in nftables and Squid: texts, and the elements of the tables' shared sets.

Runs ON the gateway (sent along with each request; standard library only) and in tests. Pure: looks at nothing.
Whatever arrives in attributes can never become a line of its own: names, addresses, ports and ids are parsed and
written anew, and everything else is encoded. Entries that cover each other are folded, in one way only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from control_plane.drivers.host_state import AgentError

Net = IPv4Network | IPv6Network
MARKED = 0x10000
SLOW = 0x8000
LISTS = "/etc/squid/gasp"
CATEGORIES = LISTS + "/categories"
LONGEST_TEXT = 200
"""Characters of a reason that the page shows."""
MOST_RULES = 301
"""The centre's before and after, a tenant's own, 100 each, and the one that tries refusals."""
MOST_HOSTS = 2000
MOST_LISTED = 5000

_CODE = re.compile(r"[a-z][a-z0-9]{1,14}")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,79}")
_WORD = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_HASH = re.compile(r"[0-9a-f]{16}")
_INTERFACE = re.compile(r"[a-z][a-z0-9._-]{0,14}")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_DATE = re.compile(r"[0-9T:+.Z-]{0,40}")
_EMPTY = hashlib.sha256(b"").hexdigest()[:16]
DAYS = "SMTWHFA"
"""Squid's letters, from Sunday on."""


def bad(field: str, value: object) -> AgentError:
    """What is said of an attribute that cannot be used."""
    return AgentError("bad-attribute", field, repr(value)[:120])


def matched(pattern: re.Pattern[str], field: str, value: object) -> str:
    """The value when the pattern matches the whole of it."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise bad(field, value)
    return value


def number(field: str, value: object, least: int, most: int = 1 << 62) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise bad(field, value)
    return value


def network(field: str, value: object) -> Net:
    """An address or a prefix. Octal-looking and otherwise ambiguous ones are refused."""
    if not isinstance(value, str) or "%" in value:
        raise bad(field, value)
    try:
        return ip_network(value)
    except ValueError:
        raise bad(field, value) from None


def host_name(field: str, value: object, dotted: bool = False) -> str:
    """A host name of lower-case A-labels; `dotted` allows a leading dot (all below it too)."""
    if not isinstance(value, str) or len(value) > 253:
        raise bad(field, value)
    labels = value.removeprefix(".").split(".") if dotted else value.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise bad(field, value)
    return value


def is_address(value: object) -> bool:
    """Whether it is to be read as an address rather than a name."""
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9./]+|[0-9a-fA-F:./]*:[0-9a-fA-F:./]*", value))


def fold_names(names: Iterable[str]) -> list[str]:
    """Names sorted, without those that a `.parent` in the list covers."""
    wanted = set(names)

    def covered(name: str) -> bool:
        bare = name.removeprefix(".")
        labels = bare.split(".")
        above = {"." + ".".join(labels[i:]) for i in range(len(labels))} - {name}
        return not wanted.isdisjoint(above)

    return sorted(name for name in wanted if not covered(name))


def fold_networks(networks: Iterable[Net]) -> list[str]:
    """Networks sorted (IPv4 first), merged where they touch or cover each other."""
    found = list(networks)
    four = collapse_addresses(n for n in found if isinstance(n, IPv4Network))
    six = collapse_addresses(n for n in found if isinstance(n, IPv6Network))
    return [*map(str, four), *map(str, six)]


def code_of(attributes: Mapping[str, Any]) -> str:
    """The tenant's code."""
    return matched(_CODE, "tenant", attributes.get("tenant"))


def lan_of(attributes: Mapping[str, Any]) -> tuple[IPv4Network, IPv6Network]:
    """The tenant's networks."""
    four, six = network("v4", attributes.get("v4")), network("v6", attributes.get("v6"))
    if not isinstance(four, IPv4Network) or not isinstance(six, IPv6Network) or not four.prefixlen or not six.prefixlen:
        raise bad("v4", f"{four} {six}")
    return four, six


# nftables ----------------------------------------------------------------------------------------------------------
class NetworkRules:
    """A tenant's chains, sets and counters, its elements in shared sets, and what the gateway itself must know."""

    def __init__(self, attributes: Mapping[str, Any], id_: str, owner: str, numbered: int) -> None:
        code = code_of(attributes)
        self.code, self.top, self.number = code, f"t/{code}", numbered
        self.lan = lan_of(attributes)
        self.interface = matched(_INTERFACE, "interface", attributes.get("interface"))
        self.enabled = attributes.get("enabled") is True
        self.sets: dict[str, str] = {}
        self.policy = {
            "number": numbered,
            "interface": self.interface,
            "up_kbit": number("up_kbit", attributes.get("up_kbit"), 8),
            "down_kbit": number("down_kbit", attributes.get("down_kbit"), 8),
            "throttle_kbit": number("throttle_kbit", attributes.get("throttle_kbit"), 8),
            "month_octets": number("month_octets", attributes.get("month_octets"), 0),
            "warn_percent": number("warn_percent", attributes.get("warn_percent"), 1, 100),
            "names": [],
        }
        self.peers = {
            matched(_CODE, "peers", peer.get("tenant")): lan_of(peer) for peer in attributes.get("peers") or ()
        }
        direct = list(dict.fromkeys(rule for entry in attributes.get("direct") or () for rule in self._direct(entry)))
        low, high = f"1:{numbered:x}", f"1:{SLOW | numbered:x}"
        self.chains = {
            f"{self.top}/class": [f"meta priority set {low}", f"meta mark @throttled meta priority set {high}"],
            f"{self.top}/mark": [f"meta mark set {MARKED | numbered:#x}", f"goto {self.top}/class"],
            f"{self.top}/up": [f"counter name {self.top}/up", f"goto {self.top}/mark"],
            f"{self.top}/down": [f"counter name {self.top}/down", f"goto {self.top}/mark"],
            f"{self.top}/open": [f"jump {self.top}/up", "accept"],
            f"{self.top}/direct": direct,
        }
        self.counters = [f"{self.top}/up", f"{self.top}/down"]
        self.elements = self._elements() if self.enabled else {}
        self.text = self._text(id_, owner)

    def _elements(self) -> dict[str, str]:
        """Shared set or map → the tenant's element in it, as it is written."""
        key = f'"{self.interface}"'
        return {
            "online": key,
            "acct_up": f"{key} : jump {self.top}/up",
            "acct_down": f"{key} : jump {self.top}/down",
            "direct": f"{key} : jump {self.top}/direct",
            "proxied": f"{MARKED | self.number:#x} : jump {self.top}/class",
        }

    def _direct(self, entry: Mapping[str, Any]) -> list[str]:
        source = network("direct.source", entry.get("source"))
        if not any(type(source) is type(lan) and source.subnet_of(lan) for lan in self.lan):  # type: ignore[arg-type]
            raise bad("direct.source", str(source))
        word = "ip" if source.version == 4 else "ip6"
        protocol, low, high = entry.get("protocol"), *self._ports(entry.get("ports"))
        if protocol not in ("tcp", "udp"):
            raise bad("direct.protocol", protocol)
        ports = f"{low}" if low == high else f"{low}-{high}"
        end = f"{protocol} dport {ports} goto {self.top}/open"
        start = f"{word} saddr {source}"
        to = entry.get("to")
        if is_address(to):
            target = network("direct.to", to)
            if target.version != source.version:
                return []
            return [f"{start} {word} daddr {target} {end}" if target.prefixlen else f"{start} {end}"]
        return [f"{start} {word} daddr @{self._names(host_name('direct.to', to))[source.version]} {end}"]

    @staticmethod
    def _ports(value: object) -> tuple[int, int]:
        found = _PORTS.fullmatch(value) if isinstance(value, str) else None
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= low <= high <= 65535:
            raise bad("direct.ports", value)
        return low, high

    def _names(self, name: str) -> dict[int, str]:
        """The sets that the gateway fills with the addresses of a name, by IP version."""
        short = hashlib.sha256(name.encode()).hexdigest()[:12]
        found = {4: f"{self.top}/n4/{short}", 6: f"{self.top}/n6/{short}"}
        if found[4] not in self.sets:
            self.sets |= {found[4]: "ipv4_addr", found[6]: "ipv6_addr"}
            names: Any = self.policy["names"]
            names.append({"name": name, "set4": found[4], "set6": found[6]})
        return found

    def _text(self, id_: str, owner: str) -> str:
        """The tenant's part of the table: loads at boot, and again at any time."""
        return f"# managed by gasp: owner={owner} id={id_}\n{table_text([self])}"

    @property
    def definitions(self) -> list[str]:
        """Its counters, sets and empty chains."""
        lines = [f"\tcounter {name} {{ }}" for name in self.counters]
        lines += [f"\tset {name} {{ type {kind}; }}" for name, kind in sorted(self.sets.items())]
        return [*lines, *(f"\tchain {name} {{ }}" for name in self.chains)]

    @property
    def filling(self) -> list[str]:
        """Its chains with their rules."""
        lines = []
        for name, rules in self.chains.items():
            lines += [f"\tchain {name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]
        return lines


def table_text(rules: Sequence[NetworkRules]) -> str:
    """What loads the chains, sets and elements of tenants. nft takes four times as long for one block a tenant."""
    elements: dict[str, list[str]] = {}
    for one in rules:
        for name, element in one.elements.items():
            elements.setdefault(name, []).append(element)
    lines = ["table inet gw {", *(line for one in rules for line in one.definitions), "}"]
    lines += [f"flush chain inet gw {name}" for one in rules for name in one.chains]
    lines += ["table inet gw {", *(line for one in rules for line in one.filling), "}"]
    lines += [f"add element inet gw {name} {{ {', '.join(found)} }}" for name, found in elements.items()]
    return "".join(f"{line}\n" for line in lines)


def pairs(rules: Iterable[NetworkRules]) -> set[tuple[str, str]]:
    """Interfaces that may open connections to each other: where both sides are on and name each other's networks."""
    by_code = {one.code: one for one in rules}
    found = set()
    for one in by_code.values():
        for code, lan in one.peers.items():
            other = by_code.get(code)
            if other is not None and other.lan == lan and other.peers.get(one.code) == one.lan:
                found.add((one.interface, other.interface))
    return found


# Squid -------------------------------------------------------------------------------------------------------------
class ProxyRules:
    """A tenant's part of Squid's configuration: one file, the lists it names, and what the page that explains
    refusals (`why.json`) says of it. `given`: hash → names of what is in its categories; their files are shared by all
    tenants that have the same. Without them only the text is complete."""

    def __init__(
        self,
        attributes: Mapping[str, Any],
        id_: str,
        owner: str,
        numbered: int,
        given: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.code = code_of(attributes)
        self.lan = lan_of(attributes)
        self.given = given or {}
        self.lists: dict[str, str] = {}
        self.categories: dict[str, str] = {}
        self.contact = encoded(contact_line(attributes.get("contact")))
        who = f"t_{self.code}"
        lines = [f"# managed by gasp: owner={owner} id={id_}"]
        if attributes.get("enabled") is True:
            lines += [f"acl {who} src {self.lan[0]} {self.lan[1]}", f"tcp_outgoing_mark {MARKED | numbered:#x} {who}"]
            rules = attributes.get("rules") or ()
            if len(rules) > MOST_RULES:
                raise bad("rules", len(rules))
            for index, rule in enumerate(rules):
                lines += self._rule(who, index, rule)
            last = {
                "id": "otherwise",
                "action": attributes.get("otherwise"),
                "owner": "tenant",
                "since": "",
                "reason_zh": "没有规则允许此网址。",
                "reason_en": "No rule allows this address.",
            }
            lines += [*self._note(f"{who}_o_note", last), self._verdict(last["action"], who, [], f"{who}_o_note")]
        self.text = "\n".join(lines) + "\n"
        self.lists[f"{LISTS}/{self.code}/why.json"] = json.dumps(attributes, sort_keys=True)

    @property
    def main(self) -> str:
        """Path of the file."""
        return f"{LISTS}/{self.code}.conf"

    def _rule(self, who: str, index: int, rule: Mapping[str, Any]) -> list[str]:
        name = f"{who}_{index}"
        lines, parts = self._hosts(name, rule)
        if not parts:
            return []
        conditions = [parts[0]]
        if len(parts) > 1:
            lines.append(f"acl {name} any-of {' '.join(parts)}")
            conditions = [name]
        if rule.get("hours") is not None:
            lines += [f"acl {name}_hours time {hours}" for hours in hours_of(rule["hours"])]
            conditions.append(f"{name}_hours")
        lines += self._note(f"{name}_note", rule)
        return [*lines, self._verdict(rule.get("action"), who, conditions, f"{name}_note")]

    def _hosts(self, name: str, rule: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Lines of the lists that a rule is about, and the names of these."""
        if rule.get("category") is not None:
            path = self._category(rule)
            return ([f'acl {name}_names dstdomain -n "{path}"'], [f"{name}_names"]) if path else ([], [])
        hosts = rule.get("hosts") or ()
        if len(hosts) > MOST_HOSTS:
            raise bad("hosts", len(hosts))
        lines, parts = [], []
        names = fold_names(host_name("hosts", host, dotted=True) for host in hosts if not is_address(host))
        addresses = fold_networks(network("hosts", host) for host in hosts if is_address(host))
        for kind, how, values in (("names", "dstdomain -n", names), ("addresses", "dst", addresses)):
            if values:
                lines.append(f'acl {name}_{kind} {how} "{self._list(kind, values)}"')
                parts.append(f"{name}_{kind}")
        return lines, parts

    def _category(self, rule: Mapping[str, Any]) -> str | None:
        """Path of the names in a category; None when there are none. Its name says what is in it."""
        category, hash_ = matched(_WORD, "category", rule["category"]), matched(_HASH, "listed", rule.get("listed"))
        if hash_ == _EMPTY:
            return None
        path = f"{CATEGORIES}/{category}-{hash_}"
        self.categories[path] = category
        if hash_ in self.given:
            names = self.given[hash_]
            if len(names) > MOST_LISTED:
                raise bad("listed", len(names))
            text = "".join(host_name("listed", one, dotted=True) + "\n" for one in names)
            if hashlib.sha256(text.encode()).hexdigest()[:16] != hash_:
                raise bad("listed", hash_)
            self.lists[path] = text
        return path

    def _list(self, kind: str, values: Sequence[str]) -> str:
        """Path of a list with this content; another content has another path."""
        text = "\n".join(values) + "\n"
        path = f"{LISTS}/{self.code}/{hashlib.sha256(text.encode()).hexdigest()[:16]}.{kind}"
        self.lists[path] = text
        return path

    def _note(self, name: str, rule: Mapping[str, Any]) -> list[str]:
        if rule.get("owner") not in ("centre", "tenant"):
            raise bad("owner", rule.get("owner"))
        words = {
            "rule": matched(_RULE, "id", rule.get("id")),
            "owner": rule["owner"],
            "since": matched(_DATE, "since", rule.get("since")) or "-",
            "reason_zh": encoded(rule.get("reason_zh")),
            "reason_en": encoded(rule.get("reason_en")),
            "contact": self.contact,
        }
        return [f"acl {name} annotate_transaction {key}={value}" for key, value in words.items()]

    @staticmethod
    def _verdict(action: object, who: str, conditions: Sequence[str], note: str) -> str:
        if action not in ("allow", "block"):
            raise bad("action", action)
        if action == "allow":
            return f"http_access allow {' '.join([who, *conditions, note])}"
        return f"http_access deny {' '.join([who, *conditions, note, 'gasp_refused'])}"


def contact_line(contact: object) -> str | None:
    """Whom to ask for an exception, in one line; None when nobody is named."""
    if contact is None:
        return None
    if not isinstance(contact, Mapping) or not all(isinstance(value, str) for value in contact.values()):
        raise bad("contact", contact)
    return " · ".join(filter(None, (contact.get(key) for key in ("name", "phone", "email")))) or None


def encoded(text: object) -> str:
    """Text for the page, as character references: no character of it means anything to Squid or to HTML."""
    if text is not None and not isinstance(text, str):
        raise bad("reason", text)
    cut = (text or "-")[:LONGEST_TEXT]
    return "".join(c if c.isascii() and c.isalnum() else f"&#{ord(c)};" for c in cut)


def hours_of(hours: Mapping[str, Any]) -> list[str]:
    """Squid's `time` conditions; hours that pass midnight go on on the next days."""
    days, begin, end = hours.get("days"), hours.get("begin"), hours.get("end")
    if not isinstance(days, str) or not days or set(days) - set(DAYS):
        raise bad("hours.days", days)
    for value in (begin, end):
        matched(_CLOCK, "hours", value)
    wanted = "".join(day for day in DAYS if day in days)
    if begin < end:  # type: ignore[operator]
        return [f"{wanted} {begin}-{end}"]
    following = {DAYS[(DAYS.index(day) + 1) % 7] for day in wanted}
    after = "".join(day for day in DAYS if day in following)
    return [f"{wanted} {begin}-24:00", *([f"{after} 00:00-{end}"] if end != "00:00" else [])]
