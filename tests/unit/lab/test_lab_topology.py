"""The topology file against the address plan and the Vagrantfile's copy of it."""

from ipaddress import ip_address, ip_network

import pytest
import yaml

from control_plane.model.network import plan_for
from lab.topology import TOPOLOGY, load_topology, management_network

TENANTS = [("rdbgt", 1), ("zxbgt", 2), ("zjfy", 3), ("jcy", 4), ("swbgt", 5), ("fgw", 17), ("gaj", 20)]


@pytest.fixture(scope="module")
def big():
    return load_topology(plan_for("lab"), [(f"t{index}", index) for index in range(1, 95)])


def test_the_big_lab_has_104_hosts_one_a_role_and_a_workstation_a_tenant(big):
    shared = " ".join(host.name for host in big.hosts if host.tenant is None)
    assert shared == "gateway ns1 ns2 directory web intranet monitor repository mail citizen"
    assert len(big.hosts) == 104
    assert {role: [host.name for host in big.role_hosts(role)] for role in ("ns-primary", "ns-secondary")} == {
        "ns-primary": ["ns1"],
        "ns-secondary": ["ns2"],
    }


def test_a_lab_has_the_shared_hosts_and_one_workstation_a_tenant():
    small = load_topology(plan_for("labt"), reversed(TENANTS))
    names = [host.name for host in small.hosts]
    assert " ".join(names[:10]) == "gateway ns1 ns2 directory web intranet monitor repository mail citizen"
    assert names[10:] == [code for code, _ in TENANTS]


ADDRESSES = [
    ("gateway", "10.94.0.254", "fd94:0:0:1::254", "10.94.254.254"),
    ("ns1", "10.94.0.11", "fd94:0:0:1::11", "10.94.254.11"),
    ("mail", "10.94.0.18", "fd94:0:0:1::18", "10.94.254.18"),
    ("citizen", "198.51.100.10", "fd94:0:1:1::10", "10.94.254.10"),
    ("t17", "10.94.17.10", "fd94:0:2:17::10", "10.94.255.17"),
]


@pytest.mark.parametrize(("name", "v4", "v6", "management"), ADDRESSES)
def test_addresses(big, name, v4, v6, management):
    host = big.host(name)
    assert (host.ipv4, host.ipv6, host.mgmt) == (ip_address(v4), ip_address(v6), ip_address(management))


def test_public_addresses_lie_on_the_internet_segment(big):
    assert big.public_address("web") == (ip_address("198.51.100.80"), ip_address("fd94:0:1:1::80"))
    assert {name: str(big.public_address(name)[0]) for name in ("ns1", "ns2")} == {
        "ns1": "198.51.100.53",
        "ns2": "198.51.100.54",
    }
    with pytest.raises(KeyError):
        big.public_address("mail")


def test_the_management_network_holds_every_host_and_no_tenant(big):
    network = management_network(plan_for("lab"))
    assert network == ip_network("10.94.254.0/23")
    used = [big.machine_management.ip, *(host.mgmt for host in big.hosts)]
    assert len(set(used)) == len(used)
    assert all(address in network for address in used)
    assert not plan_for("lab").tenant(250).v4.overlaps(network)


def test_no_address_is_used_twice(big):
    used = [address for host in big.hosts for address in (host.ipv4, host.ipv6, host.mgmt)]
    used += [address for name in big.public for address in big.public_address(name)]
    used += [big.machine_core.ip, big.machine_management.ip]
    assert len(set(used)) == len(used)


def test_inventory_groups_hosts_by_role(big):
    inventory = big.inventory()["all"]
    assert inventory["children"]["ns_primary"] == {"hosts": {"ns1": {}}}
    assert len(inventory["children"]["workstation"]["hosts"]) == 94
    assert inventory["hosts"]["web"] == {
        "ansible_host": "10.94.254.14",
        "ipv4": "10.94.0.14",
        "ipv6": "fd94:0:0:1::14",
        "tenant": None,
        "tenant_index": None,
        "zone": "core",
        "role": "web",
        "public_ipv4": "198.51.100.80",
        "public_ipv6": "fd94:0:1:1::80",
    }
    assert inventory["hosts"]["t17"]["tenant"] == "t17"


FAULTS = [
    ([("core0", 1)], "'core0' cannot be a host's name"),
    ([("web", 1)], "two hosts are called web"),
    ([("aa", 3), ("bb", 3)], "bb: number 10 is also used by aa"),
    ([("much-too-long-for-an-interface", 3)], "cannot be a host's name"),
]


@pytest.mark.parametrize(("tenants", "message"), FAULTS)
def test_faults_are_named(tenants, message):
    with pytest.raises(ValueError, match=message):
        load_topology(plan_for("lab"), tenants)


def test_a_second_web_host_is_one_line(tmp_path):
    document = yaml.safe_load(TOPOLOGY.read_text())
    document["hosts"].append({"name": "web2", "role": "web", "zone": "core", "number": 19})
    file = tmp_path / "topology.yaml"
    file.write_text(yaml.safe_dump(document))
    topology = load_topology(plan_for("lab"), [], file)
    assert [host.name for host in topology.role_hosts("web")] == ["web", "web2"]


def test_what_vagrant_reads_agrees_with_the_plan():
    given = yaml.safe_load(TOPOLOGY.read_text())
    vagrant, plan = given["vagrant"], plan_for("lab")
    topology = load_topology(plan, vagrant["tenants"].items())
    machines = [topology.host(name) for name in [*vagrant["hosts"], *vagrant["tenants"]]]
    assert len(machines) <= 8
    assert len(vagrant["tenants"]) == 3
    assert len(machines) * vagrant["memory_mb"] <= 8192
    for host in machines:
        prefix = vagrant["prefixes"][host.zone]
        fill = {"index": host.index}
        assert str(host.ipv4) == f"{prefix['v4'].replace('%<index>d', '{index}').format(**fill)}.{host.number}"
        assert str(host.ipv6) == f"{prefix['v6'].replace('%<index>d', '{index}').format(**fill)}::{host.number}"
