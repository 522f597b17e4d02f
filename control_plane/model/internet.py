"""What the gateway is told of one tenant: the attributes of the kinds `gateway.network` and `gateway.proxy`.

The offering `internet` makes them, the gateway's driver builds rules from them, and both compare exactly these.
All lists are sorted and free of doubles, all host names are lower-case A-labels, so that equal wishes are equal data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

SERVICE = "internet"
"""The offering whose subscriptions have a revision of the centre's policy."""
NETWORK = "gateway.network"
"""Kind of a tenant's rules in nftables and HTB; id `gateway:CODE/network`, part `gateway:HOST`."""
PROXY = "gateway.proxy"
"""Kind of a tenant's rules in Squid; id `gateway:CODE/proxy`, part `gateway:HOST`."""

#: Squid's log of every request, one line each: tab-separated, URL-encoded where text comes from outside. Columns:
#: time (s.ms, UTC), client address, client port, address and port the proxy used outside, address and port of the
#: server, method, URL (CONNECT: host:port), HTTP status, Squid's result, octets from and to the client, rule id,
#: milliseconds from the request to its end (an HTTPS tunnel is logged when it ends).
PROXY_LOG = "/var/log/squid/gasp.log"
PROXY_LOG_COLUMNS = (
    "time", "client", "client_port", "nat", "nat_port", "server", "server_port", "method", "url", "status", "result",
    "octets_up", "octets_down", "rule", "milliseconds",
)  # fmt: skip


#: Ids of what no rule of a list decided: internet access is off; only what rules allow is open.
RULE_OFF, RULE_OTHERWISE = "off", "otherwise"
PROXY_PORT = 3128


class Hours(TypedDict):
    """When a rule applies: `days` of `MTWHFAS` (Squid's letters), `begin` and `end` as HH:MM, Asia/Shanghai."""

    days: str
    begin: str
    end: str


class ProxyRule(TypedDict):
    """One rule; the first that matches decides. `hosts`: names, or `.name` for it and all below; addresses.

    `category` is set when the hosts are those of a category; then `hosts` is empty, and `listed` is `list_hash` of the
    names in it. `owner` says whose rule it is.
    """

    id: str
    action: Literal["allow", "block"]
    hosts: list[str]
    category: str | None
    listed: str | None
    hours: Hours | None
    owner: Literal["centre", "tenant"]
    since: str
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class CentrePolicy:
    """A revision of what the centre decides for everybody: `text` is its form as JSON and never changes. Number 0 is
    what was shipped."""

    number: int
    text: str


def list_text(names: Sequence[str]) -> str:
    """The names of a category as the proxy reads them: sorted, without doubles, one on each line."""
    return "".join(f"{name}\n" for name in names)


def list_hash(names: Sequence[str]) -> str:
    """What a list of names is known by: another content has another hash."""
    return hashlib.sha256(list_text(names).encode()).hexdigest()[:16]


class Contact(TypedDict):
    """Whom people of the tenant ask for an exception; empty strings for what is not known."""

    name: str
    phone: str
    email: str


class ProxyPolicy(TypedDict):
    """Attributes of `PROXY`. `otherwise`: what happens to a host that no rule names. `contact` and the names are for
    pages that explain a refusal, `pac` is the text that the tenant's browsers get from the gateway. `policy`: number of
    the revision that the centre's rules are of. The payload of `PROXY` is `{lists: hash → names}`: what is in its
    categories."""

    tenant: str
    policy: int
    name_zh: str
    name_en: str
    contact: Contact
    pac: str
    v4: str
    v6: str
    enabled: bool
    otherwise: Literal["allow", "block"]
    rules: list[ProxyRule]


class Direct(TypedDict):
    """Access past the proxy. `source`: address or prefix inside the LAN; `to`: address, prefix or host name (names
    are resolved on the gateway, again and again); `ports`: `443` or `5000-5010`."""

    source: str
    to: str
    protocol: Literal["tcp", "udp"]
    ports: str


class Peer(TypedDict):
    """Another tenant with which both sides agreed to be connected, with its networks."""

    tenant: str
    v4: str
    v6: str


class NetworkPolicy(TypedDict):
    """Attributes of `NETWORK`. Rates in kbit/s, volume in octets a calendar month (Asia/Shanghai, 0: no limit); at
    `warn_percent` of it a warning, at all of it both directions are throttled to `throttle_kbit`, never cut."""

    tenant: str
    interface: str
    v4: str
    v6: str
    enabled: bool
    up_kbit: int
    down_kbit: int
    throttle_kbit: int
    month_octets: int
    warn_percent: int
    direct: list[Direct]
    peers: list[Peer]


class Volume(TypedDict):
    """Octets from (`up`) and to (`down`) a tenant."""

    up: int
    down: int


class Used(Volume):
    """A month's traffic and what it was held against: `month_octets`, `warn_percent` and `throttle_kbit` as in
    `NetworkPolicy`. `warned` and `throttled` say since when, or None. Times are ISO 8601 with +08:00."""

    warned: str | None
    throttled: str | None
    month_octets: int
    warn_percent: int
    throttle_kbit: int


class Usage(Used):
    """A tenant's internet traffic in `month` (YYYY-MM, Asia/Shanghai), proxied and direct, as of `at`; `closed` holds
    the months before (older ones with `up` and `down` alone). `slowed`: whether the gateway slows it now, which follows
    `throttled` at its own next look, every 5 s."""

    month: str
    closed: dict[str, Used]
    slowed: bool
    at: str


class Refusal(TypedDict):
    """Requests for one host that one rule refused to a tenant's network, `count` of the newest ones in the proxy's log,
    the last one `at` (ISO 8601, UTC). Who asked is not in it. `since` is empty where no rule of a list decided."""

    at: str
    host: str
    encrypted: bool
    count: int
    rule: str
    owner: str
    since: str
    reason_zh: str
    reason_en: str
