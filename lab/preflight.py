"""What must be true of the machine before a lab may start; asked before anything is changed.

The ranges of a lab are routed into it, so a range that holds something the machine itself needs (its networks, its
resolver, the place its packages come from) would cut the machine off. Must not change anything.
"""

from __future__ import annotations

import json
import os
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from lab import guard
from lab.commands import LabError, missing, run
from lab.images import machine_sources
from lab.topology import Topology

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
RESOLVER = Path("/etc/resolv.conf")


def check_tools() -> None:
    """Raises LabError unless we are root and every tool is there."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root")
    if lacking := missing():
        raise LabError(f"the machine lacks: apt-get install -y {' '.join(lacking)}")


def check_paths(*paths: Path) -> None:
    """Raises LabError for a path that the options of an overlay mount cannot carry."""
    for path in paths:
        if any(char in str(path) for char in ",:\\"):
            raise LabError(f"{path}: a folder of the lab may have no comma, colon or backslash in its path")


def check_ranges(topology: Topology) -> None:
    """Raises LabError with every clash between the lab's ranges and what the machine uses."""
    plan = topology.plan
    ranges: list[Network] = [plan.v4, plan.internet.v4, plan.v6, plan.internet.v6]
    clashes = [
        f"{network} is in use by {user}"
        for network, user in _machine_networks(topology)
        if any(network.version == lab.version and network.overlaps(lab) for lab in ranges)
    ]
    clashes += [
        f"{address} is {user}"
        for address, user in [*_resolvers(), *_package_sources()]
        if any(address in lab for lab in ranges)
    ]
    if clashes:
        raise LabError(f"the lab's ranges would cut this machine off: {'; '.join(sorted(set(clashes)))}")


def _machine_networks(topology: Topology) -> list[tuple[Network, str]]:
    """Networks the machine has routes for, the lab's own left out."""
    own = {guard.core_interface(topology), guard.management_interface(topology)}
    found: list[tuple[Network, str]] = []
    for family in ("-4", "-6"):
        for route in json.loads(run(["ip", family, "-json", "route", "show"], check=False).stdout or "[]"):
            if route["dst"] == "default" or route.get("type") == "blackhole" or route.get("dev") in own:
                continue
            found.append((ip_network(route["dst"]), f"interface {route.get('dev', '?')}"))
    return found


def _resolvers() -> list[tuple[Address, str]]:
    text = RESOLVER.read_text() if RESOLVER.exists() else ""
    names = re.findall(r"^nameserver\s+([0-9a-fA-F.:]+)", text, re.MULTILINE)
    return [(ip_address(name), "this machine's resolver") for name in names]


def _package_sources() -> list[tuple[Address, str]]:
    """Addresses of the hosts in the machine's package sources; a name that does not resolve is skipped."""
    hosts = {urlsplit(word).hostname for word in machine_sources().read_text().split() if "://" in word}
    found: list[tuple[Address, str]] = []
    for host in sorted(name for name in hosts if name):
        try:
            answers = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)
        except OSError:
            continue
        found += [(ip_address(str(answer[4][0])), f"where {host} is") for answer in answers]
    return found
