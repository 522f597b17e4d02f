"""The guard as text: who may pass, and that its names carry the lab's."""

from dataclasses import replace

from control_plane.model.network import plan_for
from lab import guard, network
from lab.topology import load_topology

LABT = load_topology(plan_for("labt"), [("fgw", 17)])


def lines(topology):
    return [line.strip() for line in guard.ruleset(topology).splitlines()]


def test_nothing_but_answers_icmp_and_the_console_reaches_the_machine():
    rules = lines(LABT)
    start, end = rules.index("chain input {"), rules.index("chain forward {")
    assert rules[start:end] == [
        "chain input {",
        "type filter hook input priority filter; policy accept;",
        'iifname != { "labt-core", "labt-mgmt" } accept',
        "ct state established,related accept",
        "meta l4proto { icmp, icmpv6 } accept",
        *(
            f'iifname "labt-core" {family} saddr {source} tcp dport 443 accept'
            for host in (LABT.host("intranet"), LABT.host("fgw"))
            for family, source in (("ip", host.ipv4), ("ip6", host.ipv6))
        ),
        "drop",
        "}",
    ]


def test_nothing_passes_the_machine():
    rules = lines(LABT)
    assert 'iifname { "labt-core", "labt-mgmt" } drop' in rules
    assert 'oifname { "labt-core", "labt-mgmt" } drop' in rules


def test_it_replaces_itself_in_one_transaction():
    assert lines(LABT)[:3] == [
        "table inet labt_guard {}",
        "delete table inet labt_guard",
        "table inet labt_guard {",
    ]


def test_an_allowed_port_is_bound_to_its_source_and_the_core_interface():
    open_ports = replace(LABT, machine_ports=((LABT.host("web"), 8443),))
    rules = lines(open_ports)
    assert 'iifname "labt-core" ip saddr 10.95.0.14 tcp dport 8443 accept' in rules
    assert 'iifname "labt-core" ip6 saddr fd95:0:0:1::14 tcp dport 8443 accept' in rules
    assert rules.index('iifname "labt-core" ip saddr 10.95.0.14 tcp dport 8443 accept') < rules.index("drop")


def test_interface_names_fit_the_kernel():
    for host in LABT.hosts:
        for wire in network.wires(LABT, host):
            assert len(wire.port) <= 15
            assert len(wire.device) <= 15
    assert len(guard.management_interface(LABT)) <= 15


def test_only_management_ports_are_isolated_and_a_cut_leaves_them_alone():
    for host in LABT.hosts:
        made = network.wires(LABT, host)
        assert [wire.device for wire in made if wire.isolated] == ["mgmt0"]
        assert all(not port.startswith("m") for port in network.service_ports(LABT, host))


def test_the_gateway_stands_in_every_network_and_holds_the_public_addresses():
    made = {wire.device: [str(address) for address in wire.addresses] for wire in network.wires(LABT, LABT.gateway)}
    assert set(made) == {"core0", "inet0", "fgw", "mgmt0"}
    assert made["fgw"] == ["10.95.17.254/24", "fd95:0:2:17::254/64"]
    internet = LABT.plan.internet
    public = {f"{internet.host_v4(number)}/32" for number in (80, 53, 54)}
    assert public | {str(internet.interface_v4(254))} <= set(made["inet0"])
