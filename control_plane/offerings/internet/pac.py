"""The proxy configuration file of one department: which addresses its browsers open directly, and which by the proxy.

Pure text. It asks no name server, so that a browser is never slowed by it; it must run in the oldest browser there is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from control_plane.model.internet import PROXY_PORT, Direct, NetworkPolicy
from control_plane.model.network import GENERATED_V4, GENERATED_V6
from control_plane.model.offering import EstateView
from control_plane.offerings.internet.entries import is_name
from control_plane.offerings.internet.rules import check_host

_SCRIPT = """\
// 由 GASP 生成 · Made by GASP. Tenant: %(tenant)s
// 内部地址和直连主机不经代理；其余一律经代理 · Inside and direct hosts: direct; all else: by the proxy.
var PROXY = "PROXY %(proxy)s";
// 检验拦截用 · There to try a refusal.
var CHECK = %(check)s;
var INSIDE = %(inside)s;
var NETWORKS4 = %(networks4)s;
// [groups of a network, length of its prefix]
var NETWORKS6 = %(networks6)s;
// [host, or network and mask, first port, last port]
var DIRECT = %(direct)s;

function portOf(url) {
  var match = /^([a-z]+):\\/\\/(?:[^\\/?#]*@)?(?:\\[[^\\]]*\\]|[^:\\/?#]*)(?::([0-9]+))?/i.exec(url);
  if (!match) { return 0; }
  if (match[2]) { return parseInt(match[2], 10); }
  var scheme = match[1].toLowerCase();
  return scheme === "https" || scheme === "wss" ? 443 : scheme === "ftp" ? 21 : 80;
}

function number4(text) {
  var parts = /^([0-9]{1,3})\\.([0-9]{1,3})\\.([0-9]{1,3})\\.([0-9]{1,3})$/.exec(text);
  if (!parts) { return -1; }
  return ((+parts[1] * 256 + +parts[2]) * 256 + +parts[3]) * 256 + +parts[4];
}

function within(address, network, mask) {
  var size = 4294967296 - number4(mask);
  return Math.floor(address / size) === Math.floor(number4(network) / size);
}

function groups6(text) {
  var halves, groups, tail, i;
  text = text.replace(/[0-9]+(?:\\.[0-9]+){3}$/, function (quad) {
    return Math.floor(number4(quad) / 65536).toString(16) + ":" + (number4(quad) %% 65536).toString(16);
  });
  halves = text.split("::");
  groups = halves[0] ? halves[0].split(":") : [];
  tail = halves[1] ? halves[1].split(":") : [];
  while (halves.length === 2 && groups.length + tail.length < 8) { groups.push("0"); }
  groups = groups.concat(tail);
  for (i = 0; i < groups.length; i++) {
    groups[i] = /^[0-9a-f]{1,4}$/.test(groups[i]) ? parseInt(groups[i], 16) : -1;
  }
  return groups;
}

function within6(groups, network, length) {
  for (var i = 0; i < 8; i++) {
    var size = Math.pow(2, Math.max(0, 16 * (i + 1) - length));
    if (Math.floor(groups[i] / size) !== Math.floor(network[i] / size)) { return false; }
    if (16 * (i + 1) >= length) { break; }
  }
  return groups.length === 8;
}

function FindProxyForURL(url, host) {
  var i, name = String(host).toLowerCase().replace(/^\\[|\\]$/g, "").replace(/\\.$/, "");
  var address = number4(name), port = portOf(url), groups = groups6(name);
  if (name === "localhost" || groups.join(":") === "0:0:0:0:0:0:0:1") { return "DIRECT"; }
  if (within(Math.max(address, 0), "127.0.0.0", "255.0.0.0")) { return "DIRECT"; }
  if (name === CHECK) { return PROXY; }
  if (name.indexOf(":") >= 0) {
    for (i = 0; i < NETWORKS6.length; i++) {
      if (within6(groups, NETWORKS6[i][0], NETWORKS6[i][1])) { return "DIRECT"; }
    }
  } else if (address < 0) {
    if (name.indexOf(".") < 0) { return "DIRECT"; }
    for (i = 0; i < INSIDE.length; i++) {
      if (name === INSIDE[i] || name.slice(-INSIDE[i].length - 1) === "." + INSIDE[i]) { return "DIRECT"; }
    }
  } else {
    for (i = 0; i < NETWORKS4.length; i++) {
      if (within(address, NETWORKS4[i][0], NETWORKS4[i][1])) { return "DIRECT"; }
    }
  }
  for (i = 0; i < DIRECT.length; i++) {
    var rule = DIRECT[i];
    if (port < rule[2] || port > rule[3]) { continue; }
    if (rule[1] === "" ? name === rule[0] : address >= 0 && within(address, rule[0], rule[1])) { return "DIRECT"; }
  }
  return PROXY;
}
"""


def proxy_address(estate: EstateView) -> str:
    """`gateway.core.qingdao.test:3128`, as browsers are told."""
    gateways = estate.hosts.get("gateway", ())
    name = gateways[0].name if gateways else "gateway"
    return f"{name}.core.{estate.domain}:{PROXY_PORT}"


def pac_address(estate: EstateView) -> str:
    """Where browsers get the file; the answer depends on the network that asks."""
    return f"http://why.intra.{estate.domain}/proxy.pac"


def pac(code: str, direct: Sequence[Direct], lan: tuple[str, str], estate: EstateView) -> str:
    """The file's text. Of `direct` those that the whole LAN may use over TCP are opened directly; a host that only
    some machines may reach goes by the proxy, because the file cannot tell machines apart."""
    inside = [_mask(network) for network in (estate.plan.v4, GENERATED_V4)]
    return _SCRIPT % {
        "tenant": code,
        "proxy": proxy_address(estate),
        "check": json.dumps(check_host(estate.domain)),
        "inside": json.dumps([estate.domain]),
        "networks4": json.dumps(inside),
        "networks6": json.dumps([_groups(network) for network in (estate.plan.v6, GENERATED_V6)]),
        "direct": json.dumps([list(row) for row in _rows(direct, lan)]),
    }


def goes_direct(policy: NetworkPolicy, estate: EstateView, url: str) -> bool:
    """What the file answers for a URL, without running it (a test holds the two together)."""
    parts = urlsplit(url)
    name = (parts.hostname or "").rstrip(".")
    port = parts.port or {"https": 443, "wss": 443, "ftp": 21}.get(parts.scheme, 80)
    if name == check_host(estate.domain):
        return False
    if is_name(name):
        inside = "." not in name or name == estate.domain or name.endswith(f".{estate.domain}")
        address = None
    else:
        address = ip_address(name)
        own = (estate.plan.v4, GENERATED_V4, estate.plan.v6, GENERATED_V6)
        inside = address.is_loopback or any(address.version == n.version and address in n for n in own)
    return inside or any(
        first <= port <= last
        and (name == to if mask == "" else address is not None and address in ip_network(f"{to}/{mask}"))
        for to, mask, first, last in _rows(policy["direct"], (policy["v4"], policy["v6"]))
    )


def _rows(direct: Sequence[Direct], lan: tuple[str, str]) -> list[tuple[str, str, int, int]]:
    return sorted(
        {
            (*_where(row["to"]), *_ports(row["ports"]))
            for row in direct
            if row["protocol"] == "tcp" and row["source"] in lan and ":" not in row["to"]
        }
    )


def _mask(network: IPv4Network) -> list[str]:
    return [str(network.network_address), str(network.netmask)]


def _groups(network: IPv6Network) -> tuple[list[int], int]:
    return [int(group, 16) for group in network.network_address.exploded.split(":")], network.prefixlen


def _where(to: str) -> tuple[str, str]:
    if is_name(to):
        return to, ""
    network = ip_network(to)
    return str(network.network_address), str(network.netmask)


def _ports(ports: str) -> tuple[int, int]:
    first, _, last = ports.partition("-")
    return int(first), int(last or first)
