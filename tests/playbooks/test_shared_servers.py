"""The shared servers of the small lab as their users see them: views, closed doors, default answers, upkeep."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Centre
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

DOMAIN = "qingdao.test"
CONNECT = """
import concurrent.futures, socket, sys
def door(target):
    host, port = target.rsplit(",", 1)
    try:
        socket.create_connection((host, int(port)), 5).close()
        return "open"
    except OSError:
        return "closed"
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    print(*pool.map(door, sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def hosts(centre: Centre) -> dict[str, Any]:
    """Hosts of the lab by name."""
    return {host["name"]: host for host in centre.json("lab", "status")["hosts"]}


@pytest.fixture(scope="module")
def stations(hosts: dict[str, Any]) -> list[str]:
    """Two workstations of different tenants."""
    return [name for name, host in hosts.items() if host["role"] == "workstation"][:2]


@pytest.fixture(scope="module")
def public(centre: Centre) -> dict[str, tuple[str, str]]:
    """Public addresses of the shared hosts, by name."""
    inventory = day_zero(centre, "import json; print(json.dumps(wiring.topology().inventory()))")
    found = json.loads(inventory)["all"]["hosts"]
    return {n: (h["public_ipv4"], h["public_ipv6"]) for n, h in found.items() if "public_ipv4" in h}


def day_zero(centre: Centre, code: str) -> str:
    """Run Python in a process of this centre."""
    program = f"from control_plane import day_zero, wiring\n{code}"
    done = subprocess.run([sys.executable, "-c", program], env=centre.env, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dig(centre: Centre, host: str, *arguments: str) -> str:
    return centre.on(host, "dig", "+time=5", "+tries=2", *arguments, check=False)


def reach(centre: Centre, host: str, *targets: tuple[str, int]) -> list[str]:
    """`open` or `closed` for each (address, TCP port), seen from `host`."""
    return centre.on(host, "python3", "-c", CONNECT, *(f"{a},{p}" for a, p in targets)).split()


# names -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("server", ["ns1", "ns2"])
def test_outside_sees_the_external_view(
    centre: Centre, public: dict[str, tuple[str, str]], server: str, family: int, transport: str
) -> None:
    at = f"@{public[server][family]}"
    assert "NOERROR" in dig(centre, "citizen", transport, at, DOMAIN, "SOA")
    assert dig(centre, "citizen", transport, "+short", at, f"web.core.{DOMAIN}", "A").strip() == public["web"][0]
    for name in (f"intra.{DOMAIN}", f"fgw.intra.{DOMAIN}", f"directory.core.{DOMAIN}", "www.example.com"):
        assert "status: NXDOMAIN" in dig(centre, "citizen", transport, at, name, "A"), name


@pytest.mark.parametrize("server", ["ns1", "ns2"])
def test_inside_sees_the_internal_view_also_at_the_public_address(
    centre: Centre, hosts: dict[str, Any], public: dict[str, tuple[str, str]], stations: list[str], server: str
) -> None:
    for at in (hosts[server]["ipv4"], hosts[server]["ipv6"], *public[server]):
        assert "NOERROR" in dig(centre, stations[0], f"@{at}", f"intra.{DOMAIN}", "SOA")
        told = dig(centre, stations[0], "+short", f"@{at}", f"directory.core.{DOMAIN}", "AAAA").strip()
        assert told == hosts["directory"]["ipv6"]
        assert "status: NXDOMAIN" in dig(centre, stations[0], f"@{at}", "www.example.com", "A")


@pytest.mark.parametrize("zone", [DOMAIN, f"intra.{DOMAIN}", f"core.{DOMAIN}"])
def test_both_name_servers_hold_the_same_zones(
    centre: Centre, hosts: dict[str, Any], stations: list[str], zone: str
) -> None:
    def answers() -> set[str]:
        return {dig(centre, stations[0], "+short", f"@{hosts[s]['ipv4']}", zone, "SOA").strip() for s in ("ns1", "ns2")}

    wait_until(lambda: len(answers()) == 1, 30, f"both servers agree about {zone}")
    assert "" not in answers()


def test_zones_are_not_for_everybody(
    centre: Centre, hosts: dict[str, Any], public: dict[str, tuple[str, str]], stations: list[str]
) -> None:
    for host, at in ((stations[0], hosts["ns1"]["ipv4"]), ("citizen", public["ns1"][0]), ("web", hosts["ns2"]["ipv4"])):
        for zone in (DOMAIN, f"intra.{DOMAIN}"):
            assert "SOA" not in dig(centre, host, "+short", f"@{at}", zone, "AXFR")
    update = f"server {hosts['ns1']['ipv4']}\nzone {DOMAIN}\nupdate add planted.{DOMAIN} 1 A 192.0.2.1\nsend\n"
    for options in ([], ["-k", "/etc/bind/gasp-keys.conf"]):
        # The second name server has the key for transfers; that is no right to write.
        told = centre.on("ns2", "sh", "-c", f"nsupdate {' '.join(options)} 2>&1; true", stdin=update.encode())
        assert "REFUSED" in told
    assert "NXDOMAIN" in dig(centre, "ns1", "@127.0.0.1", f"planted.{DOMAIN}", "A")


# doors -------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def listeners(centre: Centre, stations: list[str]) -> Iterator[list[str]]:
    """Something that listens on port 8080, so that a closed door is the gateway's doing."""
    where = [stations[1], "mail", "directory", "gateway", "citizen"]
    unit = "gasp-test-listener"
    for host in where:
        centre.on(host, "systemd-run", "-q", f"--unit={unit}", "python3", "-m", "http.server", "8080", "--bind", "::")
    for host in where:
        wait_until(lambda host=host: reach(centre, host, ("localhost", 8080)) == ["open"], 30, f"{host} listens")
    yield where
    for host in where:
        centre.on(host, "systemctl", "stop", unit, check=False)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_tenant_reaches_what_is_for_tenants_and_nothing_else(
    centre: Centre,
    hosts: dict[str, Any],
    public: dict[str, tuple[str, str]],
    stations: list[str],
    listeners: list[str],
    family: str,
) -> None:
    at = {name: host[family] for name, host in hosts.items()}
    web = public["web"][family == "ipv6"]
    may = [("ns1", 53), ("ns2", 53), ("intranet", 80), ("intranet", 443), ("directory", 636)]
    assert reach(centre, stations[0], *((at[n], p) for n, p in may), (web, 80), (web, 443)) == ["open"] * 7
    shut = [(at[name], 8080) for name in listeners] + [(at["mail"], 25), (at["directory"], 389), (at["ns1"], 953)]
    assert reach(centre, stations[0], *shut) == ["closed"] * len(shut)
    assert reach(centre, stations[1], (at[stations[1]], 8080)) == ["open"]


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_internet_reaches_what_is_published_and_nothing_else(
    centre: Centre,
    hosts: dict[str, Any],
    public: dict[str, tuple[str, str]],
    stations: list[str],
    listeners: list[str],
    family: str,
) -> None:
    outer = {name: addresses[family == "ipv6"] for name, addresses in public.items()}
    may = [(outer["web"], 80), (outer["web"], 443), (outer["ns1"], 53), (outer["ns2"], 53)]
    assert reach(centre, "citizen", *may) == ["open"] * 4
    core = [(hosts[n][family], p) for n, p in (("web", 80), ("intranet", 443), ("ns1", 53), ("directory", 636))]
    other = [(outer["web"], 8080), (outer["ns1"], 80), *((hosts[n][family], 8080) for n in (stations[1], "gateway"))]
    assert reach(centre, "citizen", *core, *other) == ["closed"] * 8


def test_a_core_host_reaches_published_addresses_too(centre: Centre, public: dict[str, tuple[str, str]]) -> None:
    assert reach(centre, "web", *((a, p) for a in public["web"] for p in (80, 443))) == ["open"] * 4


# answers -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_an_unknown_name_gets_no_site(centre: Centre, public: dict[str, tuple[str, str]], family: int) -> None:
    address = public["web"][family]
    bare = f"[{address}]" if ":" in address else address
    assert centre.fetch("citizen", f"http://{bare}/") == "404"
    assert centre.fetch("citizen", f"http://{bare}/", "-H", "Host: nobody.example") == "404"
    name = f"web.core.{DOMAIN}"
    assert centre.fetch("citizen", f"https://{name}/", "--resolve", f"{name}:443:{address}") == "421"
    assert centre.fetch("citizen", f"https://{name}/", "--resolve", f"{name}:443:{address}", "-H", "Host: x.y") == "421"


def test_the_directory_speaks_to_nobody_without_tls_and_name(centre: Centre, stations: list[str]) -> None:
    url = f"ldaps://directory.core.{DOMAIN}"
    trust = "LDAPTLS_CACERT=/etc/ssl/certs/gasp-centre.pem"
    told = centre.shell(stations[0], f"{trust} ldapsearch -x -H {url} -b dc=qingdao,dc=test 2>&1 || true")
    assert "anonymous bind disallowed" in told
    assert reach(centre, "web", ("directory", 389), (f"directory.core.{DOMAIN}", 636)) == ["closed", "open"]


# upkeep ------------------------------------------------------------------------------------------------------------
def test_a_second_run_changes_nothing_and_leaves_nothing(centre: Centre) -> None:
    day_zero(centre, "day_zero.set_up_servers(lambda *a: None)")
    began = time.monotonic()
    assert day_zero(centre, "print(day_zero.set_up_servers(lambda *a: None))").startswith("0 changes")
    assert time.monotonic() - began < 100
    assert not list((centre.state / "ansible").iterdir())
    mark = f"{centre.state}/ansible".encode()
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if mark in p.read_bytes()]


def test_what_was_changed_by_hand_on_a_shared_server_is_repaired(centre: Centre, stations: list[str]) -> None:
    centre.shell("web", "echo nonsense >> /etc/nginx/nginx.conf")
    centre.shell("gateway", "nft flush chain inet gw publish; nft add rule inet gw forward counter accept")
    centre.shell("directory", "systemctl stop slapd")
    assert day_zero(centre, "print(day_zero.set_up_servers(lambda *a: None))").startswith("3 changes")
    centre.shell("web", "nginx -t")
    assert centre.fetch("citizen", f"http://fgw.{DOMAIN}/") == "301"
    assert "counter packets" not in centre.shell("gateway", "nft list chain inet gw forward")
    assert reach(centre, stations[0], (f"directory.core.{DOMAIN}", 636)) == ["open"]


def test_secrets_are_in_no_log_of_the_hosts(centre: Centre) -> None:
    for host, name in (("ns1", "tsig-internal"), ("ns2", "tsig-external"), ("directory", "ldap-control-plane.hash")):
        secret = centre.secret(name)
        script = "cat > /run/pattern; journalctl --no-pager -o cat | grep -cF -f /run/pattern || true; rm /run/pattern"
        assert centre.on(host, "sh", "-c", script, stdin=secret.encode()) == "0\n"
