"""Address plan: which subnet, gateway and host address belongs to which tenant index.

The lab, the control plane and the Vagrantfile read addresses here and nowhere else.
Pure arithmetic; must not look at a machine's interfaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

#: Host parts inside a tenant's LAN.
WORKSTATION_HOST = 10
#: A generated estate (1,000 or 10,000 tenants) lies outside the lab's own /16 and has no machines.
GENERATED_V4 = IPv4Network("10.128.0.0/9")
GENERATED_V6 = IPv6Network("fd94:0:3::/48")
#: Tenant indices from here on belong to generated estates.
GENERATED_FROM = 1000


@dataclass(frozen=True)
class Segment:
    """One broadcast domain with an IPv4 and an IPv6 prefix; the gateway's addresses are fixed in it."""

    v4: IPv4Network
    v6: IPv6Network

    def host_v4(self, number: int) -> IPv4Address:
        """Address `number` of the IPv4 prefix (1-based host part)."""
        return self.v4[number]

    def host_v6(self, number: int) -> IPv6Address:
        """Address whose last group reads like the decimal `number` (host 14 is `::14`)."""
        return self.v6[int(str(number), 16)]

    def interface_v4(self, number: int) -> IPv4Interface:
        """`host_v4` with the prefix length, as `ip address add` wants it."""
        return IPv4Interface(f"{self.host_v4(number)}/{self.v4.prefixlen}")

    def interface_v6(self, number: int) -> IPv6Interface:
        """`host_v6` with the prefix length."""
        return IPv6Interface(f"{self.host_v6(number)}/{self.v6.prefixlen}")

    @property
    def gateway_number(self) -> int:
        """Host part of the gateway: the last usable IPv4 address of the segment."""
        return self.v4.num_addresses - 2


@dataclass(frozen=True)
class AddressPlan:
    """All ranges of one centre. `number` is the second octet: 94 for the lab, 95 for the test lab."""

    name: str
    v4: IPv4Network
    v6: IPv6Network
    internet: Segment

    @property
    def core(self) -> Segment:
        """The centre's own servers: 10.94.0.0/24 and fd94:0:0:1::/64."""
        return Segment(IPv4Network((self.v4.network_address, 24)), _v6_subnet(self.v6, 0, 1))

    def tenant(self, index: int) -> Segment:
        """The LAN of the tenant with this index (1-based, in estate order).

        Below `GENERATED_FROM`: 10.94.<index>.0/24 and fd94:0:2:<index>::/64, so the index must be
        at most 250. From there on: a /26 of 10.128.0.0/9 and a /64 of fd94:0:3::/48.
        Raises ValueError outside both ranges.
        """
        if 1 <= index <= 250:
            v4 = IPv4Network((int(self.v4.network_address) + (index << 8), 24))
            return Segment(v4, _v6_subnet(self.v6, 2, int(str(index), 16)))
        offset = index - GENERATED_FROM
        if 0 <= offset < min(1 << 16, GENERATED_V4.num_addresses >> 6):
            v4 = IPv4Network((int(GENERATED_V4.network_address) + (offset << 6), 26))
            return Segment(v4, IPv6Network((int(GENERATED_V6.network_address) + (offset << 64), 64)))
        raise ValueError(f"no subnet for tenant index {index}")


def _v6_subnet(base: IPv6Network, group: int, subnet: int) -> IPv6Network:
    return IPv6Network((int(base.network_address) + (group << 80) + (subnet << 64), 64))


def plan_for(name: str) -> AddressPlan:
    """The address plan of a named lab: see `_PLANS`. Raises KeyError."""
    return _PLANS[name]


def _lab(name: str, number: int, internet: str) -> AddressPlan:
    v6 = IPv6Network(f"fd{number}::/32")
    return AddressPlan(
        name, IPv4Network(f"10.{number}.0.0/16"), v6, Segment(IPv4Network(f"{internet}.0/24"), _v6_subnet(v6, 1, 1))
    )


#: `lab` belongs to make up, `labt` and `labu` to make test, `labb` to make bench; `dev1` to `dev7` to people who work
#: on several things.
_PLANS = {
    plan.name: plan
    for plan in (
        _lab("lab", 94, "198.51.100"),
        _lab("labt", 95, "198.18.95"),
        _lab("labb", 96, "198.18.96"),
        _lab("labu", 97, "198.18.97"),
        *(_lab(f"dev{n}", 80 + n, f"198.18.{80 + n}") for n in range(1, 8)),
    )
}
