"""The fence around a lab, standing before anything boots: nothing in the lab reaches the machine or passes it.

Renders text only; `network.py` loads it. Must not open more than `machine_ports` of the topology.
"""

from __future__ import annotations

from lab.topology import Topology


def table(topology: Topology) -> str:
    """Name of the nftables table (family inet)."""
    return f"{topology.name}_guard"


def core_interface(topology: Topology) -> str:
    """The machine's interface on the core network."""
    return f"{topology.name}-core"


def management_interface(topology: Topology) -> str:
    """The machine's interface on the management network."""
    return f"{topology.name}-mgmt"


def ruleset(topology: Topology) -> str:
    """`nft -f` input that puts the guard in place, replacing an older one at one stroke."""
    name = table(topology)
    core, management = core_interface(topology), management_interface(topology)
    both = f'{{ "{core}", "{management}" }}'
    allowed = []
    for host, port in topology.machine_ports:
        for family, source in (("ip", host.ipv4), ("ip6", host.ipv6)):
            allowed.append(f'    iifname "{core}" {family} saddr {source} tcp dport {port} accept')
    lines = [
        f"table inet {name} {{}}",
        f"delete table inet {name}",
        f"table inet {name} {{",
        "  chain input {",
        "    type filter hook input priority filter; policy accept;",
        f"    iifname != {both} accept",
        "    ct state established,related accept",
        "    meta l4proto { icmp, icmpv6 } accept",
        *allowed,
        "    drop",
        "  }",
        "  chain forward {",
        "    type filter hook forward priority filter; policy accept;",
        f"    iifname {both} drop",
        f"    oifname {both} drop",
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"
