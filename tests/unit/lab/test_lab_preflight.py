"""A lab must not be routed over something that the machine needs."""

import json
from subprocess import CompletedProcess

import pytest

from control_plane.model.network import plan_for
from lab import preflight
from lab.commands import LabError
from lab.topology import load_topology

LAB = load_topology(plan_for("lab"), [])


@pytest.fixture
def machine(monkeypatch, tmp_path):
    def make(routes, resolvers, sources):
        def run(argv, **_):
            return CompletedProcess(argv, 0, json.dumps(routes.get(argv[1], [])), "")

        (tmp_path / "resolv.conf").write_text("".join(f"nameserver {a}\n" for a in resolvers))
        (tmp_path / "sources").write_text("URIs: http://packages.test/debian\n")
        monkeypatch.setattr(preflight, "run", run)
        monkeypatch.setattr(preflight, "RESOLVER", tmp_path / "resolv.conf")
        monkeypatch.setattr(preflight, "machine_sources", lambda: tmp_path / "sources")
        monkeypatch.setattr(preflight.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (a, 80)) for a in sources])

    return make


ROUTES = {
    "-4": [
        {"dst": "default", "dev": "eth0"},
        {"dst": "192.0.2.0/24", "dev": "eth0"},
        {"dst": "10.94.0.0/24", "dev": "lab-core"},
        {"dst": "10.94.254.0/23", "dev": "lab-mgmt"},
        {"type": "blackhole", "dst": "10.94.0.0/16"},
    ],
    "-6": [{"dst": "default", "dev": "eth0"}, {"dst": "fe80::/64", "dev": "eth0"}],
}


def test_an_ordinary_machine_passes_also_with_the_labs_own_routes(machine):
    machine(ROUTES, ["192.0.2.53"], ["192.0.2.80"])
    preflight.check_ranges(LAB)


CLASHES = [
    ({"-4": [{"dst": "10.94.7.0/24", "dev": "eth1"}]}, [], [], "10.94.7.0/24 is in use by interface eth1"),
    ({"-4": [{"dst": "10.0.0.0/8", "dev": "vpn"}]}, [], [], "10.0.0.0/8 is in use by interface vpn"),
    ({"-6": [{"dst": "fd94:0:0:9::/64", "dev": "eth1"}]}, [], [], "fd94:0:0:9::/64 is in use by"),
    ({}, ["198.51.100.53"], [], "198.51.100.53 is this machine's resolver"),
    ({}, [], ["198.51.100.80"], "198.51.100.80 is where packages.test is"),
]


@pytest.mark.parametrize(("routes", "resolvers", "sources", "message"), CLASHES)
def test_clashes_are_named(machine, routes, resolvers, sources, message):
    machine(routes, resolvers, sources)
    with pytest.raises(LabError, match=message):
        preflight.check_ranges(LAB)
