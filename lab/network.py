"""The lab's wires: namespaces, bridges, veth pairs, addresses, routes and the guard, all made before a host boots.

Everything stands in namespaces of its own but two veth ends, a few routes and one nftables table on the machine.
Making it again is cheap and completes what a kill left half done: a wire counts as made once its end at the
switch is up, which is the last thing done. Must not touch a name that does not carry the lab's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

from control_plane.model.network import Segment
from lab import guard
from lab.commands import run
from lab.topology import Host, Topology

BRIDGE_CORE = "br-core"
BRIDGE_INTERNET = "br-inet"
BRIDGE_MANAGEMENT = "br-mgmt"
PORTS_MACHINE = ("machine-core", "machine-mgmt")
#: Far above every real route, so that only what has no route falls into the hole.
HOLE_METRIC = 4000
#: Where iproute2 keeps namespaces by name, each a file with the namespace mounted on it.
NETNS = Path("/run/netns")


@dataclass(frozen=True)
class Wire:
    """One veth pair from a host (`namespace`, `device`) to a bridge in the switch namespace (`port`).

    An `isolated` port reaches the machine only, not its fellows. `addresses` sit on the host's end.
    """

    device: str
    port: str
    bridge: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    isolated: bool = False


def namespace(topology: Topology, host: Host | str) -> str:
    """Name of a host's network namespace."""
    return f"{topology.name}-{host if isinstance(host, str) else host.name}"


def switch(topology: Topology) -> str:
    """Name of the namespace that holds the bridges."""
    return f"{topology.name}-sw"


def service_device(host: Host) -> str:
    """The interface that carries a host's services (the gateway's towards the core)."""
    return "core0" if host.role == "gateway" else "eth0"


def tenant_bridge(index: int) -> str:
    """The bridge of a tenant's LAN."""
    return f"br-t{index}"


def _both(segment: Segment, number: int) -> tuple[IPv4Interface, IPv6Interface]:
    return segment.interface_v4(number), segment.interface_v6(number)


def wires(topology: Topology, host: Host) -> list[Wire]:
    """All wires of a host; the management wire comes last."""
    plan, made = topology.plan, []
    if host.role == "gateway":
        made.append(Wire("core0", f"s{host.slot}", BRIDGE_CORE, _both(plan.core, host.number)))
        public: list[IPv4Interface | IPv6Interface] = []
        for name in sorted(topology.public):
            v4, v6 = topology.public_address(name)
            public += [IPv4Interface(v4), IPv6Interface(v6)]
        inet = (*_both(plan.internet, plan.internet.gateway_number), *public)
        made.append(Wire("inet0", f"i{host.slot}", BRIDGE_INTERNET, inet))
        for station in topology.tenant_hosts:
            assert station.index is not None
            addresses = _both(station.segment, station.segment.gateway_number)
            made.append(Wire(station.name, f"g{station.index}", tenant_bridge(station.index), addresses))
    else:
        bridge = {"core": BRIDGE_CORE, "internet": BRIDGE_INTERNET}.get(host.zone) or tenant_bridge(host.index or 0)
        made.append(Wire("eth0", f"s{host.slot}", bridge, _both(host.segment, host.number)))
    management = IPv4Interface(f"{host.mgmt}/{topology.management.prefixlen}")
    made.append(Wire("mgmt0", f"m{host.slot}", BRIDGE_MANAGEMENT, (management,), isolated=True))
    return made


def service_ports(topology: Topology, host: Host) -> list[str]:
    """Switch ports to take down to cut a host off; its management port is not among them."""
    return [wire.port for wire in wires(topology, host) if wire.bridge != BRIDGE_MANAGEMENT]


def ports_up(topology: Topology) -> set[str]:
    """Ports of the switch that are up; empty when there is no switch."""
    done = run(["ip", "-n", switch(topology), "-json", "link", "show"], check=False)
    if done.returncode:
        return set()
    return {link["ifname"] for link in json.loads(done.stdout or "[]") if "UP" in link["flags"]}


def namespaces(topology: Topology) -> set[str]:
    """The lab's namespaces that can be entered from here.

    `ip netns list` names files. A lab that died together with the mount namespace it was started in leaves files
    that lead nowhere: those are not counted, and `remove_dead_names` takes them away.
    """
    return {name for name in names(topology) if os.path.ismount(NETNS / name)}


def remove_dead_names(topology: Topology) -> None:
    """Remove the lab's files in the folder of namespaces that lead nowhere. Only for who holds the lab's name."""
    for name in names(topology) - namespaces(topology):
        (NETNS / name).unlink(missing_ok=True)


def names(topology: Topology) -> set[str]:
    """Names of the lab's namespaces, living or dead."""
    return {file.name for file in NETNS.glob(f"{topology.name}-*")}


def _batch(lines: Iterable[str], netns: str | None = None) -> None:
    text = "\n".join(lines)
    if text:
        run(["ip", *(["-n", netns] if netns else []), "-batch", "-"], text=f"{text}\n")


def ensure_machine(topology: Topology) -> None:
    """Guard and holes first, then the switch with its bridges, the machine's two interfaces and its routes."""
    plan, sw = topology.plan, switch(topology)
    remove_dead_names(topology)
    run(["nft", "-f", "-"], text=guard.ruleset(topology))
    for family, ranges in (("-4", (plan.v4, plan.internet.v4)), ("-6", (plan.v6,))):
        for wanted in ranges:
            run(["ip", family, "route", "replace", "blackhole", str(wanted), "metric", str(HOLE_METRIC)])
    if sw not in namespaces(topology):
        run(["ip", "netns", "add", sw])
    present = json.loads(run(["ip", "-n", sw, "-json", "link", "show", "type", "bridge"]).stdout or "[]")
    have = {link["ifname"] for link in present if "UP" in link["flags"]}
    bridges = _bridges(topology)
    half = {link["ifname"] for link in present} - have
    _batch([f"link del dev {name}" for name in sorted(half)], sw)
    lines = []
    for name in bridges:
        if name not in have:
            lines.append(f"link add name {name} type bridge mcast_snooping 0")
            lines.append(f"link set dev {name} addrgenmode none")
            lines.append(f"link set dev {name} up")
    _batch(lines, sw)
    up = ports_up(topology)
    core = (topology.machine_core, plan.core.interface_v6(topology.machine_number))
    _machine_wire(topology, guard.core_interface(topology), PORTS_MACHINE[0], BRIDGE_CORE, core, up)
    management = (topology.machine_management,)
    _machine_wire(topology, guard.management_interface(topology), PORTS_MACHINE[1], BRIDGE_MANAGEMENT, management, up)
    v4, v6 = topology.gateway.ipv4, topology.gateway.ipv6
    _batch(
        f"route replace {segment} via {v6 if segment.version == 6 else v4}"
        for lan in _lans(topology)
        for segment in (lan.v4, lan.v6)
    )


def _machine_wire(
    topology: Topology, device: str, port: str, bridge: str,
    addresses: Iterable[IPv4Interface | IPv6Interface], up: set[str],
) -> None:  # fmt: skip
    if port in up:
        return
    sw = switch(topology)
    run(["ip", "link", "del", "dev", device], check=False)
    lines = [f"link add name {device} type veth peer name {port} netns {sw}"]
    if bridge == BRIDGE_MANAGEMENT:
        lines.append(f"link set dev {device} addrgenmode none")
    lines += [f"address add {address} dev {device}{_nodad(address)}" for address in addresses]
    lines += [f"link set dev {device} up"]
    _batch(lines)
    _batch([f"link set dev {port} master {bridge}", f"link set dev {port} up"], sw)


def _nodad(address: IPv4Interface | IPv6Interface) -> str:
    return " nodad" if address.version == 6 else ""


def incomplete(topology: Topology) -> list[Host]:
    """Hosts of which a wire or the namespace is missing or half made."""
    up, living = ports_up(topology), namespaces(topology)
    return [
        host
        for host in topology.hosts
        if namespace(topology, host) not in living or any(wire.port not in up for wire in wires(topology, host))
    ]


def ensure_hosts(topology: Topology, hosts: Iterable[Host]) -> None:
    """Make the namespaces and missing wires of these hosts. Wires that are up are left alone, even in use."""
    sw, living, chosen = switch(topology), namespaces(topology), list(hosts)
    _batch([f"netns add {namespace(topology, host)}" for host in chosen if namespace(topology, host) not in living])
    done = run(["ip", "-n", sw, "-json", "link", "show"])
    links = json.loads(done.stdout)
    present = {link["ifname"] for link in links}
    up = {link["ifname"] for link in links if "UP" in link["flags"]}
    todo = {host: [wire for wire in wires(topology, host) if wire.port not in up] for host in chosen}
    _batch([f"link del dev {wire.port}" for made in todo.values() for wire in made if wire.port in present], sw)
    _batch(
        f"link add name {wire.port} netns {sw} type veth peer name {wire.device} netns {namespace(topology, host)}"
        for host, made in todo.items()
        for wire in made
    )
    for host, made in todo.items():
        _batch(_inside(topology, host, made), namespace(topology, host))
    lines = []
    for made in todo.values():
        for wire in made:
            lines.append(f"link set dev {wire.port} master {wire.bridge} addrgenmode none")
            if wire.isolated:
                lines.append(f"link set dev {wire.port} type bridge_slave isolated on")
            lines.append(f"link set dev {wire.port} up")
    _batch(lines, sw)


def _inside(topology: Topology, host: Host, made: list[Wire]) -> list[str]:
    lines = ["link set dev lo up"]
    for wire in made:
        if wire.isolated:
            lines.append(f"link set dev {wire.device} addrgenmode none")
        lines += [f"address add {address} dev {wire.device}{_nodad(address)}" for address in wire.addresses]
        lines.append(f"link set dev {wire.device} up")
        if wire.device == "eth0":
            number = host.segment.gateway_number
            lines.append(f"route replace default via {host.segment.host_v4(number)}")
            lines.append(f"route replace default via {host.segment.host_v6(number)}")
    return lines


def set_ports(topology: Topology, ports: Iterable[str], *, up: bool) -> None:
    """Plug these switch ports in or out."""
    state = "up" if up else "down"
    _batch([f"link set dev {port} {state}" for port in ports], switch(topology))


def remove_host(topology: Topology, name: str) -> None:
    """Remove a host's namespace; its wires go with it, the other ends too."""
    run(["ip", "netns", "del", namespace(topology, name)], check=False)


def remove_strays(topology: Topology) -> None:
    """Remove bridges, ports and routes of hosts and tenants that the topology does not have any more."""
    sw = switch(topology)
    expected = {"lo", *PORTS_MACHINE, *_bridges(topology)}
    expected |= {wire.port for host in topology.hosts for wire in wires(topology, host)}
    present = {link["ifname"] for link in json.loads(run(["ip", "-n", sw, "-json", "link", "show"]).stdout)}
    _batch([f"link del dev {name}" for name in sorted(present - expected)], sw)
    lans = {str(prefix) for lan in _lans(topology) for prefix in (lan.v4, lan.v6)}
    for family in ("-4", "-6"):
        shown = run(["ip", family, "-json", "route", "show", "dev", guard.core_interface(topology)])
        for route in json.loads(shown.stdout or "[]"):
            if "gateway" in route and route["dst"] not in lans:
                run(["ip", family, "route", "del", route["dst"], "dev", guard.core_interface(topology)])


def _bridges(topology: Topology) -> list[str]:
    tenants = [tenant_bridge(host.index) for host in topology.tenant_hosts if host.index is not None]
    return [BRIDGE_CORE, BRIDGE_INTERNET, BRIDGE_MANAGEMENT, *tenants]


def _lans(topology: Topology) -> list[Segment]:
    """What the machine reaches through the gateway."""
    return [topology.plan.internet, *(host.segment for host in topology.tenant_hosts)]


def remove_all(topology: Topology) -> None:
    """Take everything away, the guard last. Missing pieces are no fault."""
    plan = topology.plan
    for name in (guard.core_interface(topology), guard.management_interface(topology)):
        run(["ip", "link", "del", "dev", name], check=False)
    spaces = "".join(f"netns del {name}\n" for name in sorted(namespaces(topology)))
    run(["ip", "-force", "-batch", "-"], text=spaces, check=False, timeout=120)
    remove_dead_names(topology)
    for family, ranges in (("-4", (plan.v4, plan.internet.v4)), ("-6", (plan.v6,))):
        for wanted in ranges:
            run(["ip", family, "route", "del", "blackhole", str(wanted), "metric", str(HOLE_METRIC)], check=False)
    run(["nft", "delete", "table", "inet", guard.table(topology)], check=False)
