"""Internet access on the real gateway: packets from workstations through nftables, HTB and Squid to the citizen."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from control_plane.drivers.gateway_apply import STEPS
from control_plane.model.errors import TemporaryError
from control_plane.model.internet import PROXY_LOG_COLUMNS
from control_plane.model.resource import CouldNotMeasure
from tests.conftest import Centre
from tests.lab.gateway_world import MEGA, Gateway, rule
from tests.lab.world import Names
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

BIG = 200 * MEGA
SINK = 8099
FLOOD = 8098
CODES = ("fgw", "czj", "gaj")
#: What the gateway remembers of names is ten minutes older.
OLDER = """import json,pathlib
p=pathlib.Path("/var/lib/gasp/gateway/addresses.json")
known={n:[{a:at-601 for a,at in f.items()} for f in fs] for n,fs in json.loads(p.read_text()).items()}
p.write_text(json.dumps(known))"""


@pytest.fixture(scope="module")
def world(centre: Centre) -> Iterator[Gateway]:
    """A gateway without tenants, to which each test gives its own. In the end it is again as the estate wants it."""
    made = Gateway(centre)
    made.settle()
    made.shell("citizen", f"truncate -s {BIG} /var/www/html/big; echo hello > /var/www/html/small")
    yield made
    made.as_before()


@pytest.fixture
def gateway(world: Gateway) -> Gateway:
    """All three on, with the widest rules."""
    world.policies.clear()
    for code in CODES:
        world.network(code)
        world.proxy(code)
    world.settle()
    return world


@pytest.fixture
def origin(gateway: Gateway) -> Iterator[str]:
    """A name of the simulated internet."""
    names, host = Names(gateway.centre), gateway.hosts["citizen"]
    names.update(
        "qingdao.test", ("add", "origin-90", 1, "A", host["ipv4"]), ("add", "origin-90", 1, "AAAA", host["ipv6"])
    )
    yield "origin-90.qingdao.test"
    names.update("qingdao.test", ("delete", "origin-90"))


POOL = ThreadPoolExecutor(8)


def started(gateway: Gateway, host: str, script: str, *arguments: str) -> Future[str]:
    """A shell script that runs on a host while other things happen."""
    argv = ["sh", "-c", script, *arguments]
    return POOL.submit(lambda: str(gateway.runner.run(host, argv, b"", 90).stdout.decode()))


class Download:
    """curl on a workstation, while other things happen."""

    def __init__(self, gateway: Gateway, code: str, *options: str, seconds: int = 60) -> None:
        script = 'curl -s -o /tmp/got -m "$0" "$@"; echo $?'
        self.gateway, self.code = gateway, code
        gateway.shell(code, "rm -f /tmp/got")
        self.told = started(gateway, code, script, str(seconds), *options)

    def size(self) -> int:
        """Octets that arrived."""
        return int(self.gateway.shell(self.code, "stat -c %s /tmp/got 2>/dev/null || echo 0"))

    def flows(self) -> bool:
        """Whether it has begun."""
        return self.size() > 0

    def end(self) -> int:
        """Wait for the end; curl's exit status."""
        return int(self.told.result(90))


def direct(gateway: Gateway, code: str, version: int = 4, path: str = "small") -> str:
    """Status of a request past the proxy."""
    address = gateway.hosts["citizen"]["ipv4" if version == 4 else "ipv6"]
    host = address if version == 4 else f"[{address}]"
    return gateway.fetch(code, f"http://{host}/{path}", "-m", "5")


def speeds(gateway: Gateway, seconds: int, *codes: str) -> dict[str, float]:
    """kbit/s of downloads through the proxy side by side."""
    url = f"http://{gateway.hosts['citizen']['ipv4']}/big"
    script = f"curl -s -o /dev/null -m {seconds} -w '%{{speed_download}}' {url} -x "
    running = {code: started(gateway, code, script + gateway.proxy_url(code)) for code in codes}
    return {code: float(told.result(90)) * 8 / 1000 for code, told in running.items()}


def passed(gateway: Gateway, seconds: float, *codes: str) -> dict[str, float]:
    """kbit/s that the queue of downloads lets through to each, once it does so to all."""
    numbers = json.loads(gateway.on("cat /etc/gasp/gateway/policy.json"))["tenants"]
    look = "; ".join(f"tc -s class show dev gaspdown classid 1:{numbers[code]['number']:x}" for code in codes)

    def sent() -> list[float]:
        found = re.findall(r"Sent (\d+) bytes", gateway.on(look))
        return [time.monotonic(), *(int(octets) * 8 / 1000 for octets in found)]

    start = sent()
    wait_until(lambda: all(now > was + 500 for now, was in zip(sent()[1:], start[1:], strict=True)), 30)
    start = sent()
    time.sleep(seconds)
    end = sent()
    return {code: (end[at] - start[at]) / (end[0] - start[0]) for at, code in enumerate(codes, 1)}


def uploads(gateway: Gateway, sizes: Mapping[str, int]) -> dict[str, float]:
    """kbit/s of uploads through the proxy side by side, until the server outside says that it has all of it."""
    url = f"http://{gateway.hosts['citizen']['ipv4']}:{SINK}/"
    script = (
        "head -c {} /dev/zero > /tmp/sent; curl -s -o /dev/null -H Expect: -T /tmp/sent -w '%{{speed_upload}}' {} -x {}"
    )
    running = {
        code: started(gateway, code, script.format(size, url, gateway.proxy_url(code))) for code, size in sizes.items()
    }
    return {code: float(told.result(90)) * 8 / 1000 for code, told in running.items()}


@contextlib.contextmanager
def full_line(gateway: Gateway, device: str, kbit: int) -> Iterator[None]:
    """A line that is narrower than what two tenants may have together."""
    change = f"tc class change dev {device} parent 1: classid 1:1 htb rate {{0}}kbit ceil {{0}}kbit"
    gateway.on(change.format(kbit))
    try:
        yield
    finally:
        gateway.on(change.format(1000000))


def volume(gateway: Gateway, code: str) -> dict[str, Any]:
    """A tenant's volume now."""
    return dict(gateway.usage()[code])


# rules of the proxy ------------------------------------------------------------------------------------------------
def test_allowed_blocked_and_explained(gateway: Gateway, origin: str) -> None:
    gateway.proxy(
        "fgw",
        rule("t/partner", "allow", ["ok.casino.test", origin]),
        rule("c/gambling", "block", category="gambling", owner="centre", reason_en="Gambling", reason_zh="赌博"),
        rule("t/idn", "block", [".xn--fiqs8s.test"]),
        rule("t/net", "block", ["203.0.113.0/24", "2001:db8::/32"]),
        rule("t/never", "block", [".night.test"], hours={"days": "SMTWHFA", "begin": "00:00", "end": "24:00"}),
    )
    gateway.proxy("czj", rule("t/only", "allow", [origin]), otherwise="block")
    gateway.settle()
    citizen = gateway.hosts["citizen"]
    assert gateway.proxied("fgw", f"http://{origin}/small") == "200"
    assert gateway.proxied("fgw", f"http://[{citizen['ipv6']}]/small") == "200"
    assert gateway.proxied("czj", f"http://{origin}/small") == "200"
    assert gateway.proxied("czj", f"http://{citizen['ipv4']}/small") == "403"
    assert gateway.proxied("fgw", "http://www.casino.test/") == "403"
    assert gateway.proxied("fgw", "http://www.xn--fiqs8s.test/") == "403"
    assert gateway.proxied("fgw", "http://203.0.113.9/") == "403"
    assert gateway.proxied("fgw", "http://a.night.test/") == "403"
    page = gateway.shell("fgw", f"curl -s -x {gateway.proxy_url('fgw')} http://www.casino.test/")
    for word in (
        "c/gambling",
        "centre",
        "2007-06-01",
        "Gambling",
        "&#36172;&#21338;",
        "http://why.intra.qingdao.test/",
    ):
        assert word in page
    tunnel = f"curl -s -g -o /dev/null -w '%{{http_connect}}' -x {gateway.proxy_url('fgw', 6)} https://www.casino.test/"
    assert gateway.shell("fgw", tunnel, check=False) == "403"
    assert gateway.proxied("fgw", "https://fgw.qingdao.test/") == "200"
    rows = [line.split("\t") for line in gateway.on("tail -20 /var/log/squid/gasp.log").splitlines()]
    assert {len(row) for row in rows} == {len(PROXY_LOG_COLUMNS)}
    by_url = {row[7].split("/")[0] if row[6] == "CONNECT" else row[8]: row for row in rows}
    assert by_url[f"http://{origin}/small"][13] in ("t/partner", "t/only")
    assert by_url["http://www.casino.test/"][13] == "c/gambling"
    assert by_url["www.casino.test:443"][9] == "403"
    assert by_url["http://203.0.113.9/"][13] == "t/net"
    assert by_url[f"http://{citizen['ipv4']}/small"][13] == "otherwise"
    reached = by_url[f"http://{origin}/small"]
    assert reached[5] in (citizen["ipv4"], citizen["ipv6"]) and reached[3] != "-" and int(reached[4]) > 0


def test_the_proxy_leads_nowhere_inside(gateway: Gateway) -> None:
    inside = [gateway.hosts["directory"]["ipv4"], gateway.hosts["czj"]["ipv4"], "127.0.0.1", "[::1]", "localhost"]
    inside += [f"[{gateway.hosts['web']['ipv6']}]", "gateway.core.qingdao.test", "0x7f000001", "10.81.254.254"]
    inside[-1] = next(
        word.partition("/")[0] for word in gateway.on("ip -br -4 address show mgmt0").split() if "/" in word
    )
    for host in inside:
        assert gateway.proxied("fgw", f"http://{host}/") in ("403", "503"), host
    assert gateway.proxied("fgw", f"http://{gateway.hosts['citizen']['ipv4']}:22/") == "403"
    # a name that leads inside by the time it is asked, and whatever else Squid might be talked into: the packets stop
    told = gateway.on(
        "setpriv --reuid=13 --regid=13 --clear-groups curl -s -o /dev/null -m 3 -w '%{http_code}'"
        f" http://{gateway.hosts['web']['ipv4']}/ || true"
    )
    assert told == "000"


# packets -----------------------------------------------------------------------------------------------------------
def test_direct_access_by_address_and_by_name(gateway: Gateway, origin: str) -> None:
    hosts, names = gateway.hosts, Names(gateway.centre)
    assert direct(gateway, "fgw") == "000"
    gateway.network(
        "fgw",
        direct=[
            {"source": f"{hosts['fgw']['ipv4']}/32", "to": hosts["citizen"]["ipv4"], "protocol": "tcp", "ports": "80"},
            {"source": gateway.lan("fgw")["v6"], "to": "::/0", "protocol": "tcp", "ports": "80-90"},
        ],
    )
    gateway.network(
        "czj",
        direct=[
            {"source": gateway.lan("czj")["v4"], "to": origin, "protocol": "tcp", "ports": "80"},
            {"source": gateway.lan("czj")["v6"], "to": "nowhere.qingdao.test", "protocol": "tcp", "ports": "80"},
        ],
    )
    gateway.settle()
    assert [direct(gateway, "fgw", version) for version in (4, 6)] == ["200", "200"]
    assert [direct(gateway, "czj", version) for version in (4, 6)] == ["200", "000"]
    assert direct(gateway, "gaj") == "000"
    names.update("qingdao.test", ("delete", "origin-90"))
    gateway.on("python3 -I /usr/local/lib/gasp/gateway.py resolve")
    assert direct(gateway, "czj") == "200"  # a name that cannot be resolved keeps what it had
    names.update("qingdao.test", ("add", "origin-90", 1, "A", "203.0.113.9"))
    gateway.on("python3 -I /usr/local/lib/gasp/gateway.py resolve")
    assert direct(gateway, "czj") == "200"  # others may have asked a moment ago
    gateway.on(f"python3 -c '{OLDER}'; python3 -I /usr/local/lib/gasp/gateway.py resolve")
    assert direct(gateway, "czj") == "000"
    assert not gateway.plan().changes
    gateway.network("fgw")
    gateway.settle()
    assert direct(gateway, "fgw") == "000"


def test_tenants_apart_unless_both_agreed(gateway: Gateway) -> None:
    listen = "import http.server,socket;s=http.server.ThreadingHTTPServer;s.address_family=socket.AF_INET6;"
    serve = f"{listen}s(('::',8090),http.server.SimpleHTTPRequestHandler).serve_forever()"
    gateway.shell("czj", f'systemd-run -q --unit=gasp-test-90 python3 -c "{serve}"')
    try:
        targets = [f"http://{gateway.hosts['czj']['ipv4']}:8090/", f"http://[{gateway.hosts['czj']['ipv6']}]:8090/"]

        def reached(code: str) -> list[str]:
            return [gateway.fetch(code, url, "-m", "3") for url in targets]

        wait_until(lambda: gateway.fetch("czj", "http://localhost:8090/") == "200", 60)
        assert reached("fgw") == ["000", "000"]
        gateway.network("fgw", peers=[gateway.lan("czj")])
        gateway.settle()
        assert reached("fgw") == ["000", "000"]
        gateway.network("czj", peers=[gateway.lan("fgw")])
        gateway.settle()
        assert reached("fgw") == ["200", "200"]
        assert reached("gaj") == ["000", "000"]
        gateway.network("czj")
        gateway.settle()
        assert reached("fgw") == ["000", "000"]
    finally:
        gateway.shell("czj", "systemctl stop gasp-test-90")


def test_off_is_off_at_once_and_the_rest_goes_on(gateway: Gateway) -> None:
    citizen = gateway.hosts["citizen"]["ipv4"]
    everything = {"to": citizen, "protocol": "tcp", "ports": "80"}
    six = {"source": gateway.lan("fgw")["v6"], "to": "::/0", "protocol": "tcp", "ports": "80"}
    gateway.network("fgw", down_kbit=4000, direct=[{"source": gateway.lan("fgw")["v4"], **everything}, six])
    gateway.network("czj", down_kbit=4000)
    gateway.network("gaj", down_kbit=4000, direct=[{"source": gateway.lan("gaj")["v4"], **everything}])
    gateway.settle()

    def reached_over_six() -> list[str]:
        by_proxy = gateway.fetch("fgw", f"http://{citizen}/small", "-x", gateway.proxy_url("fgw", 6))
        return [direct(gateway, "fgw", 6), by_proxy]

    assert reached_over_six() == ["200", "200"]
    cut = [Download(gateway, "fgw", f"http://{citizen}/big", "-x", gateway.proxy_url("fgw")), None]
    other = Download(gateway, "czj", f"http://{citizen}/big", "-x", gateway.proxy_url("czj"), seconds=20)
    straight = Download(gateway, "gaj", f"http://{citizen}/big", seconds=30)
    wait_until(lambda: cut[0].flows() and other.flows() and straight.flows(), 60)  # type: ignore[union-attr]
    gateway.network("fgw", enabled=False)
    gateway.proxy("fgw", enabled=False)
    plan = gateway.plan()
    cuts = {kind.name: kind.cuts_off for kind in gateway.driver.kinds}
    assert {cuts[c.kind](c.before, c.after) for c in plan.changes} == {True}  # type: ignore[misc]
    began = time.monotonic()
    outcomes = gateway.carry_out(plan)
    assert {o.state for o in outcomes.values()} == {"applied"}
    assert cut[0].end() not in (0, 28)  # type: ignore[union-attr]
    assert time.monotonic() - began < 10
    assert gateway.proxied("fgw", f"http://{citizen}/small") == "000"
    assert direct(gateway, "fgw") == "000"
    assert reached_over_six() == ["000", "000"]
    gateway.on("systemctl reload nftables")
    before = (other.size(), straight.size())
    wait_until(lambda: other.size() > before[0] and straight.size() > before[1], 60)
    assert gateway.fetch("fgw", "http://fgw.qingdao.test/") != "000"  # the core is not the internet
    gateway.network("fgw", direct=[{"source": gateway.lan("fgw")["v4"], **everything}, six], down_kbit=4000)
    gateway.proxy("fgw")
    gateway.settle()
    assert direct(gateway, "fgw") == "200"
    assert reached_over_six() == ["200", "200"]
    past = Download(gateway, "fgw", f"http://{citizen}/big")
    wait_until(past.flows, 60)
    gateway.network("fgw", enabled=False)
    gateway.bring()
    assert past.end() not in (0, 28)
    assert [other.end(), straight.end()] == [28, 28]  # their own time was over: they were never disturbed


# bandwidth and volume ----------------------------------------------------------------------------------------------
@pytest.fixture
def sink(gateway: Gateway) -> Iterator[None]:
    """A server outside that takes whatever it is sent."""
    code = (
        "import http.server as h\nclass H(h.BaseHTTPRequestHandler):\n def do_PUT(self):\n"
        "  left=int(self.headers['content-length'])\n  while left: left-=len(self.rfile.read(min(left,65536)))\n"
        f"  self.send_response(200)\n  self.end_headers()\nh.ThreadingHTTPServer(('',{SINK}),H).serve_forever()"
    )
    gateway.shell("citizen", f'systemd-run -q --unit=gasp-test-90 python3 -c "{code}"')
    wait_until(lambda: gateway.shell("citizen", f"ss -Hltn sport = :{SINK}") != "", 60)
    yield
    gateway.shell("citizen", "systemctl stop gasp-test-90")


@pytest.mark.usefixtures("sink")
def test_bandwidth_of_the_tier_and_even_shares_of_a_full_line(gateway: Gateway) -> None:
    gateway.network("fgw", down_kbit=8000, up_kbit=4000)
    gateway.network("czj", down_kbit=4000, up_kbit=8000)
    gateway.settle()
    down = speeds(gateway, 6, "fgw", "czj")
    assert down == {"fgw": pytest.approx(8000, rel=0.25), "czj": pytest.approx(4000, rel=0.25)}
    up = uploads(gateway, {"fgw": 2 * MEGA, "czj": 4 * MEGA})
    assert up == {"fgw": pytest.approx(4000, rel=0.25), "czj": pytest.approx(8000, rel=0.25)}
    even = {"fgw": pytest.approx(2000, rel=0.25), "czj": pytest.approx(2000, rel=0.25)}
    big = f"-o /dev/null http://{gateway.hosts['citizen']['ipv4']}/big "
    with full_line(gateway, "gaspdown", 4000):
        for code in ("fgw", "czj"):
            started(gateway, code, f"curl -sZ -m 30 {big * 4} -x {gateway.proxy_url(code)}")
        assert passed(gateway, 20, "fgw", "czj") == even
    site = json.loads(gateway.on("cat /etc/gasp/gateway/site.json"))
    with full_line(gateway, site["internet_interface"], 4000):
        assert uploads(gateway, dict.fromkeys(("fgw", "czj"), 5 * MEGA)) == even


@pytest.fixture
def flood(gateway: Gateway) -> Iterator[None]:
    """A server outside that sends 16 Mbit/s for fifteen seconds to whoever says how large the packets shall be."""
    code = (
        "import socket as s,threading as t,time\nu=s.socket(s.AF_INET,s.SOCK_DGRAM)\n"
        f"u.bind(('',{FLOOD}))\ndef send(size,to):\n for _ in range(1000):\n"
        "  for _ in range(28000//size): u.sendmsg([bytes(size)],[(17,103,b'\\x78\\x05')],0,to)\n  time.sleep(.014)\n"
        "while 1:\n said,to=u.recvfrom(99)\n t.Thread(target=send,args=(int(said),to)).start()"
    )
    gateway.shell("citizen", f'systemd-run -q --unit=gasp-test-90 python3 -c "{code}"')
    wait_until(lambda: gateway.shell("citizen", f"ss -Hlun sport = :{FLOOD}") != "", 60)
    yield
    gateway.shell("citizen", "systemctl stop gasp-test-90")


@pytest.mark.usefixtures("flood")
def test_a_full_line_is_shared_evenly_whatever_the_size_of_packets(gateway: Gateway) -> None:
    citizen = gateway.hosts["citizen"]["ipv4"]
    for code in ("fgw", "czj"):
        row = {"source": gateway.lan(code)["v4"], "to": citizen, "protocol": "udp", "ports": str(FLOOD)}
        gateway.network(code, down_kbit=8000, direct=[row])
    gateway.settle()
    with full_line(gateway, "gaspdown", 4000):
        for code, size in (("fgw", 28_000), ("czj", 1400)):  # the larger ones are cut up after the queue
            say = (
                f"import socket as s,time;u=s.socket(s.AF_INET,s.SOCK_DGRAM);u.sendto(b'{size}',('{citizen}',{FLOOD}))"
            )
            started(gateway, code, f'exec python3 -c "{say};time.sleep(16)"')
        assert passed(gateway, 8, "fgw", "czj") == {
            "fgw": pytest.approx(2000, rel=0.25),
            "czj": pytest.approx(2000, rel=0.25),
        }


@pytest.mark.usefixtures("sink")
def test_an_upload_comes_at_the_rate_of_the_tier_and_does_not_pile_up_in_the_proxy(gateway: Gateway) -> None:
    gateway.network("fgw", up_kbit=8000)
    gateway.settle()
    as_browsers_are_told = "http://gateway.core.qingdao.test:3128"
    for proxy in (gateway.proxy_url("fgw", 4), gateway.proxy_url("fgw", 6), as_browsers_are_told):
        start = volume(gateway, "fgw")["up"]

        def arrived(start: int = start) -> tuple[float, int]:
            return time.monotonic(), int(volume(gateway, "fgw")["up"]) - start

        url = f"http://{gateway.hosts['citizen']['ipv4']}:{SINK}/"
        script = (
            f"head -c {5 * MEGA} /dev/zero > /tmp/sent; curl -s -o /dev/null -H Expect: -T /tmp/sent -x {proxy} {url}"
        )
        told = started(gateway, "fgw", f"{script}; echo $?")
        wait_until(lambda arrived=arrived: arrived()[1] > MEGA // 2, 60)  # type: ignore[misc]
        began, first = arrived()
        wait_until(lambda arrived=arrived, first=first: arrived()[1] > first + 2 * MEGA, 60)  # type: ignore[misc]
        ended, last = arrived()
        assert (last - first) * 8 / 1000 / (ended - began) == pytest.approx(8000, rel=0.25)
        assert told.result(60).strip() == "0"


def test_volume_over_reload_reboot_and_a_kill(gateway: Gateway) -> None:
    centre, url = gateway.centre, f"http://{gateway.hosts['citizen']['ipv4']}/big"
    octets = 4 * MEGA
    everything = {"to": "0.0.0.0/0", "protocol": "tcp", "ports": "80"}
    six = {**everything, "source": gateway.lan("fgw")["v6"], "to": "::/0"}
    gateway.network("fgw", direct=[{"source": gateway.lan("fgw")["v4"], **everything}, six])
    gateway.settle()

    def fetch(*options: str) -> None:
        assert gateway.fetch("fgw", url, "-r", f"0-{octets - 1}", *options) == "206"

    def counted(since: int) -> int:
        return int(volume(gateway, "fgw")["down"]) - since

    start = int(volume(gateway, "fgw")["down"])
    fetch("-x", gateway.proxy_url("fgw"))
    proxied = counted(start)
    assert octets <= proxied <= octets * 1.06  # headers of packets are octets too
    fetch()
    assert counted(start) == pytest.approx(2 * proxied, rel=0.01)
    gateway.on("systemctl reload nftables")
    assert gateway.plan().changes == ()
    assert counted(start) == pytest.approx(2 * proxied, rel=0.01)
    fetch("-x", gateway.proxy_url("fgw"))
    # an orderly reboot; the network namespace outlives a host of the lab, a real machine's tables do not
    gateway.on("systemctl stop gasp-meter nftables; nft delete table inet gw; ip link del gaspdown; ip link del gaspup")
    centre.run("lab", "stop", "gateway", "--yes")
    assert isinstance(gateway.look(), CouldNotMeasure)
    centre.run("lab", "start", "gateway")
    wait_until(lambda: "fgw" in gateway.usage(), 30)
    assert counted(start) == pytest.approx(3 * proxied, rel=0.01)
    wait_until(lambda: gateway.plan().changes == () and not gateway.plan().unmeasured, 30)
    fetch("-x", gateway.proxy_url("fgw"))
    fetch()
    assert counted(start) == pytest.approx(5 * proxied, rel=0.01)
    # a kill: what was counted more than ten seconds ago is safe
    read = "import json; print(json.load(open('/var/lib/gasp/gateway/usage.json'))['tenants']['fgw']['down'])"
    saved = f'python3 -c "{read}"'
    wait_until(lambda: int(gateway.on(saved)) - start == pytest.approx(5 * proxied, rel=0.01), 60)
    with contextlib.suppress(TemporaryError):
        gateway.on("systemctl kill -s KILL gasp-meter; nft delete table inet gw; systemctl reboot -ff", check=False)

    def back() -> bool:
        with contextlib.suppress(TemporaryError):
            return gateway.on("systemctl is-active gasp-meter squid nftables", check=False).split() == ["active"] * 3
        return False

    wait_until(back, 60)
    assert counted(start) == pytest.approx(5 * proxied, rel=0.01)
    fetch("-x", gateway.proxy_url("fgw"))
    assert counted(start) == pytest.approx(6 * proxied, rel=0.01)
    # IPv6 is counted with IPv4; its headers are longer
    before, url = counted(start), f"http://[{gateway.hosts['citizen']['ipv6']}]/big"
    fetch()
    assert octets <= counted(start) - before <= octets * 1.08


def test_used_up_is_throttled_never_cut(gateway: Gateway) -> None:
    used = volume(gateway, "czj")
    limit = used["up"] + used["down"] + 5 * MEGA
    limits = {"down_kbit": 20_000, "throttle_kbit": 1000, "warn_percent": 50}
    gateway.network("czj", month_octets=limit, **limits)
    gateway.settle()
    assert gateway.proxied("czj", f"http://{gateway.hosts['citizen']['ipv4']}/big", "-r", f"0-{6 * MEGA}") == "206"
    wait_until(lambda: "elements" in gateway.on("nft list set inet gw throttled"), 60)
    told = volume(gateway, "czj")
    assert told["warned"] and told["throttled"]
    assert volume(gateway, "fgw")["throttled"] is None
    assert gateway.plan().changes == ()
    assert gateway.on("tc filter show dev gaspup | grep -c 'flowid 1:8'").strip() == "2"
    assert speeds(gateway, 6, "czj", "fgw")["czj"] == pytest.approx(1000, rel=0.25)
    gateway.network("czj", month_octets=limit * 1000, **limits)
    gateway.settle()
    wait_until(lambda: "elements" not in gateway.on("nft list set inet gw throttled"), 60)
    assert "flowid 1:8" not in gateway.on("tc filter show dev gaspup")
    assert speeds(gateway, 5, "czj")["czj"] == pytest.approx(20_000, rel=0.25)
    assert volume(gateway, "czj")["throttled"] is None


# the driver's promises ---------------------------------------------------------------------------------------------
def test_one_tenants_fault_stops_no_other_and_old_rules_stay(gateway: Gateway) -> None:
    lan = gateway.lan("fgw")["v4"]
    entry = {"source": lan, "to": "fault.qingdao.test", "protocol": "tcp", "ports": "80"}
    before = gateway.on("nft list chain inet gw t/fgw/direct")
    gateway.network("fgw", direct=[entry])
    gateway.network("czj", down_kbit=5000)
    from control_plane.drivers.gateway_render import NetworkRules

    resource = gateway.policies["gateway:fgw/network"]
    name = min(NetworkRules(resource.attributes, resource.id, "x", 2).sets)
    plan = gateway.plan()
    gateway.on(f"nft add set inet gw {name} '{{ type mark; }}'")
    try:
        outcomes = gateway.carry_out(plan)
        assert outcomes["gateway:czj/network"].state == "applied"
        assert outcomes["gateway:fgw/network"].state in ("failed", "refused"), outcomes
        assert gateway.on("nft list chain inet gw t/fgw/direct") == before
        assert gateway.proxied("fgw", f"http://{gateway.hosts['citizen']['ipv4']}/small") == "200"
    finally:
        gateway.on(f"nft delete set inet gw {name}")
    gateway.settle()
    gateway.on("echo no_such_directive > /etc/squid/gasp/zz-by-hand.conf")
    try:
        gateway.proxy("fgw", rule("t/x", "block", [".x.test"]))
        gateway.network("fgw")
        outcomes = gateway.carry_out(gateway.plan())
        assert outcomes["gateway:fgw/network"].state == "applied"
        bad = outcomes["gateway:fgw/proxy"]
        assert bad.state == "failed" and "no_such_directive" in str(bad.text)
        assert [f.label for f in gateway.measured().foreign] == ["/etc/squid/gasp/zz-by-hand.conf"]
    finally:
        gateway.on("rm /etc/squid/gasp/zz-by-hand.conf")
    gateway.settle()
    assert gateway.proxied("fgw", "http://a.x.test/") == "403"


@pytest.mark.parametrize(
    ("act", "code", "kind"),
    [
        ("nft add rule inet gw t/fgw/direct accept", "fgw", "network"),
        ("nft flush chain inet gw t/fgw/class", "fgw", "network"),
        ("nft delete element inet gw online '{ \"czj\" }'", "czj", "network"),
        ("nft add element inet gw peers '{ \"fgw\" . \"jyj\" }'", "fgw", "network"),
        ("nft add chain inet gw t/czj/more", "czj", "network"),
        ("tc class change dev gaspdown parent 1:1 classid $(tc class show dev gaspdown | awk '/1:2 /{print $3}')"
         " htb rate 1mbit ceil 99mbit", "*", "network"),
        ("tc qdisc del dev gaspdown parent $(tc class show dev gaspdown | awk '/1:2 /{print $3}')", "*", "network"),
        ("tc qdisc del dev gaj root", "gaj", "network"),
        ("tc qdisc del dev gaj ingress", "gaj", "network"),
        ("tc filter del dev gaspup parent 1: prio $(tc filter show dev gaspup"
         " | sed -n 's/.* pref \\([0-9]*\\) .*flowid.*/\\1/p' | head -n 1)", "*", "network"),
        ("echo 'http_access allow all' >> /etc/squid/gasp/czj.conf", "czj", "proxy"),
        ("rm /etc/gasp/gateway/tenants/gaj.nft", "gaj", "network"),
    ],
)  # fmt: skip
def test_made_by_hand_is_drift_of_that_tenant(gateway: Gateway, act: str, code: str, kind: str) -> None:
    gateway.on(act)
    plan = gateway.plan()
    assert [(c.reason, c.hand_made) for c in plan.changes] == [("drift", True)]
    if code != "*":
        assert plan.changes[0].id == f"gateway:{code}/{kind}"
    gateway.settle()


def test_what_is_not_ours_stays_and_is_named(gateway: Gateway) -> None:
    gateway.on(
        "nft add table inet other; nft add chain inet gw strange; nft add rule inet gw strange counter accept;"
        " nft add rule inet gw forward tcp dport 4242 accept; nft add element inet gw online '{ \"zzz\" }';"
        " echo x > /etc/squid/gasp/notes; nft add chain inet gw t/jyj/up"
    )
    try:
        told = {item.label for item in gateway.measured().foreign}
        assert told == {
            *("table inet other", "chain strange", "element zzz of online", "/etc/squid/gasp/notes"),
            *("chain forward: 1 rules that are not the role's", "chain t/jyj/up"),
        }
        gateway.network("fgw", down_kbit=7000)
        gateway.proxy("fgw", rule("t/y", "block", [".y.test"]))
        gateway.network("jyj")
        plan = gateway.plan()
        assert [c.action for c in plan.changes if c.tenant == "jyj"] == ["conflict"]
        assert {o.state for o in gateway.carry_out(plan).values()} == {"applied"}
        assert {item.label for item in gateway.measured().foreign} == told
    finally:
        gateway.on(
            "nft delete table inet other; nft flush chain inet gw strange; nft delete chain inet gw strange;"
            " nft delete chain inet gw t/jyj/up; nft delete element inet gw online '{ \"zzz\" }';"
            " rm /etc/squid/gasp/notes; systemctl reload nftables"
        )
    assert gateway.measured().foreign == ()


def test_management_cannot_be_cut(gateway: Gateway) -> None:
    core = gateway.hosts["web"]["ipv4"].rpartition(".")[0] + ".0/24"
    gateway.network("fgw", interface="mgmt0")
    gateway.network("czj", v4=core)
    gateway.network("gaj", v4="0.0.0.0/0")
    outcomes = gateway.carry_out(gateway.plan())
    assert {o.state for o in outcomes.values()} == {"failed"}, outcomes
    told = {id_.partition(":")[2]: str(outcome.text) for id_, outcome in outcomes.items()}
    never = "A tenant's rules must never reach its management; correct the tenant's network."
    assert told["fgw/network"] == f"mgmt0 belongs to the gateway itself (management). {never}"
    assert told["czj/network"] == f"{core} belongs to the gateway itself (core0). {never}"
    assert told["gaj/network"].startswith("v4 of this tenant cannot be used: '0.0.0.0/0")
    assert gateway.on("echo here").strip() == "here"


def test_a_late_writer_is_refused_and_a_repeated_one_is_told(gateway: Gateway) -> None:
    gateway.network("fgw", down_kbit=6000)
    late = gateway.plan()
    gateway.carry_out(gateway.plan())
    assert [o.state for o in gateway.carry_out(late).values()] == ["already"]
    gateway.network("fgw", down_kbit=9000)
    gateway.settle()
    assert [o.state for o in gateway.carry_out(late).values()] == ["refused"]
    assert "ceil 9Mbit" in gateway.on("tc class show dev gaspdown")


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_and_repaired_by_the_next_apply(gateway: Gateway, step: str) -> None:
    gateway.proxy("fgw", rule("t/kill", "block", [f".{step.replace('.', '-')}.test"]))
    gateway.network("fgw", down_kbit=5000 + STEPS.index(step))
    gateway.drop("gaj")
    with gateway.agent_killed_at(step):
        outcomes = gateway.carry_out(gateway.plan())
    assert {o.state for o in outcomes.values()} == {"unknown"}
    assert gateway.proxied("czj", f"http://{gateway.hosts['citizen']['ipv4']}/small") == "200"
    gateway.settle()
    assert gateway.proxied("fgw", f"http://a.{step.replace('.', '-')}.test/") == "403"
    assert f"ceil {5000 + STEPS.index(step)}Kbit".replace("5000Kbit", "5Mbit") in gateway.on(
        "tc class show dev gaspdown"
    )
    assert "t/gaj/" not in gateway.on("nft list table inet gw")
    assert not re.search(r"gaj", gateway.on("ls -A /etc/gasp/gateway/tenants /etc/squid/gasp"))


def test_offboarding_leaves_nothing(gateway: Gateway) -> None:
    gateway.network("gaj", peers=[gateway.lan("fgw")])
    gateway.network("fgw", peers=[gateway.lan("gaj")])
    gateway.proxy("gaj", rule("t/z", "block", [".z.test", "192.0.2.1"]))
    gateway.settle()
    gateway.drop("gaj")
    gateway.settle()
    assert "elements" not in gateway.on("nft list set inet gw peers")
    gateway.network("fgw")
    gateway.settle()
    told = gateway.on(
        "nft list table inet gw | grep -v 'set tenants' | grep -A0 -n 't/gaj\\|peers' ; nft list set inet gw peers;"
        " find / -xdev -name '*gaj*' -not -path '/proc/*' -not -path '/sys/*'; grep -l gaj /etc/gasp/gateway/*.json"
        " /etc/gasp/gateway/peers.nft /var/lib/gasp/manifest.json || true"
    )
    assert "t/gaj" not in told and '"gaj"' not in told
    assert [line for line in told.splitlines() if line.startswith("/")] == ["/etc/gasp/gateway/site.json"]
    gateway.on("systemctl reload nftables")
    wait_until(lambda: "gaj" not in gateway.usage(), 60)
    assert "t/gaj/" not in gateway.on("nft list table inet gw")


def test_one_rule_change_is_in_effect_within_a_second(gateway: Gateway) -> None:
    """From apply to effect: 1 s is the promise, measured in the bench; here it is held with room for a busy machine."""
    gateway.proxy("fgw", rule("t/fast", "block", [".fast.test"]))
    plan = gateway.plan()
    began = time.monotonic()
    outcomes = gateway.carry_out(plan)
    seconds = time.monotonic() - began
    assert {o.state for o in outcomes.values()} == {"applied"}
    assert gateway.proxied("fgw", "http://a.fast.test/") == "403"
    print(f"one rule of the proxy: {seconds:.2f} s")
    assert seconds < 10
