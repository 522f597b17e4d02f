"""Which hosts a lab has, with their addresses: `topology.yaml` + address plan + tenants, and nothing else.

Pure: must not look at the machine. The control plane's inventory and the lab both read hosts here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from pathlib import Path
from typing import Any, Literal

import yaml

from control_plane.model.network import AddressPlan, Segment

TOPOLOGY = Path(__file__).with_name("topology.yaml")

Zone = Literal["core", "tenant", "internet"]
#: A host's name is also an interface name on the gateway: at most 15 characters, and none of these.
RESERVED = frozenset({"lo", "core0", "inet0", "mgmt0", "eth0", "all", "default", "localhost", "machine"})
NAME = re.compile(r"[a-z][a-z0-9]{1,14}\Z")
#: The management network is the last two /24 of the plan: shared hosts by number in the first, workstations
#: by tenant index (at most 250) in the second.
MANAGEMENT_PREFIX = 23


@dataclass(frozen=True)
class Host:
    """One host. `ipv4`/`ipv6` carry its services, `mgmt` is for SSH only and answers whatever the gateway does.

    `tenant` is the code of the tenant whose workstation it is, else None; `index` is that tenant's index.
    `number` is the host part in `segment`; `slot` is unique in the lab and never changes for a host.
    """

    name: str
    role: str
    zone: Zone
    tenant: str | None
    index: int | None
    number: int
    segment: Segment
    mgmt: IPv4Address
    slot: int

    @property
    def ipv4(self) -> IPv4Address:
        """Service address."""
        return self.segment.host_v4(self.number)

    @property
    def ipv6(self) -> IPv6Address:
        """Service address."""
        return self.segment.host_v6(self.number)


@dataclass(frozen=True)
class Role:
    """What a host of this role is made of."""

    name: str
    layer: str
    services: tuple[str, ...]
    net_admin: bool = False


@dataclass(frozen=True)
class Topology:
    """All hosts of one lab, shared hosts first, then workstations by tenant index."""

    plan: AddressPlan
    hosts: tuple[Host, ...]
    roles: Mapping[str, Role]
    services: tuple[str, ...]
    masked: tuple[str, ...]
    machine_number: int
    public: Mapping[str, int]
    machine_ports: tuple[tuple[Host, int], ...] = field(default=())

    @property
    def name(self) -> str:
        """The lab's name, which everything it makes on the machine carries."""
        return self.plan.name

    def host(self, name: str) -> Host:
        """The host called `name`. Raises KeyError."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def role_hosts(self, role: str) -> tuple[Host, ...]:
        """Hosts that play `role`, in topology order; may be empty."""
        return tuple(host for host in self.hosts if host.role == role)

    @property
    def gateway(self) -> Host:
        """The one gateway."""
        return self.role_hosts("gateway")[0]

    @property
    def tenant_hosts(self) -> tuple[Host, ...]:
        """The workstations."""
        return tuple(host for host in self.hosts if host.zone == "tenant")

    @property
    def management(self) -> IPv4Network:
        """The management network: 10.94.254.0/23 in `lab`."""
        return management_network(self.plan)

    @property
    def machine_core(self) -> IPv4Interface:
        """The machine's address on the core network, from which it speaks to the servers."""
        return self.plan.core.interface_v4(self.machine_number)

    @property
    def machine_management(self) -> IPv4Interface:
        """The machine's address on the management network."""
        network = self.management
        return IPv4Interface(f"{network[self.machine_number]}/{network.prefixlen}")

    def public_address(self, name: str) -> tuple[IPv4Address, IPv6Address]:
        """Public addresses of the shared host `name`, held by the gateway. Raises KeyError when it has none."""
        number = self.public[name]
        return self.plan.internet.host_v4(number), self.plan.internet.host_v6(number)

    def inventory(self) -> dict[str, Any]:
        """Ansible inventory: one group a role (dashes become underscores), host variables under `all`.

        Variables: ansible_host (management address), ipv4, ipv6, tenant, tenant_index, zone, role; public_ipv4
        and public_ipv6 where the host has public addresses.
        """
        variables: dict[str, dict[str, Any]] = {}
        for host in self.hosts:
            entry: dict[str, Any] = {
                "ansible_host": str(host.mgmt),
                "ipv4": str(host.ipv4),
                "ipv6": str(host.ipv6),
                "tenant": host.tenant,
                "tenant_index": host.index,
                "zone": host.zone,
                "role": host.role,
            }
            if host.name in self.public:
                v4, v6 = self.public_address(host.name)
                entry |= {"public_ipv4": str(v4), "public_ipv6": str(v6)}
            variables[host.name] = entry
        groups: dict[str, Any] = {
            role.replace("-", "_"): {"hosts": {host.name: {} for host in self.role_hosts(role)}}
            for role in self.roles
            if self.role_hosts(role)
        }
        return {"all": {"hosts": variables, "children": groups}}


def management_network(plan: AddressPlan) -> IPv4Network:
    """The last /23 of the plan's /16; tenant indices end at 250, so no tenant LAN lies in it."""
    *_, last = plan.v4.subnets(new_prefix=MANAGEMENT_PREFIX)
    return last


def load_topology(plan: AddressPlan, tenants: Iterable[tuple[str, int]], path: Path = TOPOLOGY) -> Topology:
    """Read `path` and add a workstation for every `(code, index)` in `tenants`.

    Raises ValueError with every fault found: bad or double names, unknown roles, numbers or indices used twice.
    """
    document: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    roles = {
        name: Role(name, entry["layer"], tuple(entry["services"]), entry.get("net_admin", False))
        for name, entry in document["roles"].items()
    }
    management = management_network(plan)
    hosts = [
        Host(
            entry["name"], entry["role"], entry["zone"], None, None, entry["number"],
            plan.internet if entry["zone"] == "internet" else plan.core, management[entry["number"]], entry["number"],
        )
        for entry in document["hosts"]
    ]  # fmt: skip
    station = document["workstation"]
    chosen = sorted(tenants, key=lambda tenant: tenant[1])
    hosts += [
        Host(
            code, station["role"], "tenant", code, index, station["number"], plan.tenant(index),
            management[256 + index], 256 + index,
        )
        for code, index in chosen
    ]  # fmt: skip
    faults = _faults(hosts, roles, document)
    if faults:
        raise ValueError(f"{path.name}: " + "; ".join(faults))
    ports = tuple(
        (host, entry["port"])
        for entry in document["machine_ports"]
        for host in hosts
        if entry.get("host") == host.name or entry.get("role") == host.role
    )
    names = {host.name for host in hosts}
    return Topology(
        plan, tuple(hosts), roles, tuple(document["services"]), tuple(document["masked"]),
        document["machine"]["number"], {k: v for k, v in document["public"].items() if k in names}, ports,
    )  # fmt: skip


def _faults(hosts: list[Host], roles: Mapping[str, Role], document: Mapping[str, Any]) -> list[str]:
    faults = []
    names: set[str] = set()
    slots: dict[int, str] = {document["machine"]["number"]: "the machine"}
    for host in hosts:
        if not NAME.match(host.name) or host.name in RESERVED:
            faults.append(f"{host.name!r} cannot be a host's name")
        if host.name in names:
            faults.append(f"two hosts are called {host.name}")
        names.add(host.name)
        if host.role not in roles:
            faults.append(f"{host.name}: unknown role {host.role}")
        if host.slot in slots:
            faults.append(f"{host.name}: number {host.number} is also used by {slots[host.slot]}")
        slots[host.slot] = host.name
    if [host.role for host in hosts].count("gateway") != 1:
        faults.append("there must be exactly one gateway")
    known = set(document["services"])
    faults += [
        f"role {role.name}: {service} is not in `services`"
        for role in roles.values()
        for service in role.services
        if service not in known
    ]
    return faults
