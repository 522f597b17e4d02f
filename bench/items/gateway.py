"""Internet access: one change for one tenant until its workstation notices, rules of 1,000 tenants, and bandwidth.

A page is closed and opened again in the proxy, a rate is lowered and raised again in the shaper; each by
`gasp apply subscription:CODE/internet --yes` of a wish already imported (exec to effect), by the driver alone, by hand
over ssh: the file with the lines that are wanted, `squid -k reconfigure` or `tc`, and by an ordinary Ansible role. All
have a connection open, as in a centre, whose worker asks the gateway every minute; the product also without one
(`gasp apply, cold`: the worker does not run). Rules of 1,000 tenants are loaded by `nft -f`, and beside an Ansible role
with one template by the product's text: made, sent, checked, loaded.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from typing import Any

from bench.centre import Centre
from bench.items.gateway_many import load
from bench.measure import Timing, alternate
from bench.results import Figure, Result
from bench.tenant import BIG, CODE, HIGH, HOST, LOW, OTHER, RULES, Tenant, play, policy
from bench.wire import Watch
from control_plane.model.internet import NETWORK, PROXY

SECONDS = 10
EXACT = 10.0
"""Per cent by which what a tenant gets may differ from its tier."""
SPEED = "-w '%{speed_download}\\n'"
LINE_KBIT = 60_000
"""Less than the tiers of both tenants together."""
SINK_PORT = 8098
#: Takes what is sent; answers with the kbit/s at which it came, from the first octets to the last.
SINK = """
import http.server, time
class Sink(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        left, began, octets = int(self.headers["Content-Length"]), 0.0, 0
        while left:
            got = len(self.rfile.read1(min(left, 1 << 18)))
            left -= got
            if began:
                octets += got
            else:
                began = time.monotonic()
        said = str(octets * 8 / 1000 / (time.monotonic() - began)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
http.server.ThreadingHTTPServer(("", %d), Sink).serve_forever()
"""


def measure(centre: Centre, rounds: int = 3) -> Result:
    """All of it; the gateway is as it was in the end."""
    result = Result("gateway", "Internet access: one change, 1,000 tenants' rules, bandwidth")
    with outside(centre):
        tenant = Tenant(centre)
        one_rule(tenant, result, rounds)
        one_rate(tenant, result, rounds)
        load(tenant, result, rounds)
        bandwidth(tenant, result)
        full_line(tenant, result)
    return result


@contextmanager
def outside(centre: Centre) -> Iterator[None]:
    """A large file on the simulated internet, and somebody there who takes uploads."""
    sink = "/root/gasp-bench-sink.py"
    centre.shell("citizen", f"cat > {sink}", (SINK % SINK_PORT).encode())
    unit = "systemd-run -q --collect --unit=gasp-bench-sink"
    centre.shell("citizen", f"truncate -s 1G {BIG}; {unit} python3 -I {sink}")
    try:
        yield
    finally:
        centre.shell("citizen", f"systemctl stop gasp-bench-sink; rm -f {BIG} {sink}")


Act = Callable[[bool], Callable[[], Timing]]
"""Prepares a change (True: towards the new state, False: back) and returns what is to be measured."""


def there_and_back(
    rounds: int, acts: Mapping[str, Act], watch: Callable[[bool], Watch], centre: Centre
) -> dict[str, dict[bool, list[Timing]]]:
    """Each act `rounds` times there and back, in turns: seconds from its start until the workstation notices, CPU of
    the command."""
    found: dict[str, dict[bool, list[Timing]]] = {name: {True: [], False: []} for name in acts}

    def once(name: str) -> Timing:
        for new in (True, False):
            act = acts[name](new)
            if name == "cold":
                centre.cold()
            else:
                centre.warm(HOST)
            seen = watch(new)
            seen.start()
            took = act()
            found[name][new].append(Timing(seen.seconds(), took.cpu, took.peak_mb))
        return found[name][True][-1]

    for name in acts:
        once(name)  # the first of each fills caches
    found = {name: {True: [], False: []} for name in acts}
    alternate(rounds, {name: lambda name=name: once(name) for name in acts})  # type: ignore[misc]
    return found


def one_rule(tenant: Tenant, result: Result, rounds: int) -> None:
    """A page is closed for one tenant, and opened again."""
    centre = tenant.centre

    def product(closed: bool) -> Callable[[], Timing]:
        tenant.wish(**tenant.rule(closed))
        return lambda: centre.gasp("apply", f"subscription:{CODE}/internet", "--yes")

    def driver(closed: bool) -> Callable[[], Timing]:
        def change(attributes: dict[str, Any]) -> dict[str, Any]:
            rules = [rule for rule in attributes["rules"] if rule["id"] != "bench"]
            new = {
                **{"id": "bench", "action": "block", "hosts": [tenant.outside], "category": None, "hours": None},
                **{"owner": "tenant", "since": "2026-11-01", "reason_zh": "测量", "reason_en": "Measured"},
            }
            return {**attributes, "rules": [*rules, new] if closed else rules}

        return tenant.by_driver(PROXY, change)

    def hand(closed: bool) -> Callable[[], Timing]:
        return lambda: tenant.by_hand(f"cat > {RULES} && squid -k reconfigure", tenant.rules(closed))

    def ansible(closed: bool) -> Callable[[], Timing]:
        return play(centre, "rule", tenant.rules(closed), RULES)

    acts = {"gasp": product, "cold": product, "driver": driver, "hand": hand, "ansible": ansible}
    found = there_and_back(rounds, acts, tenant.page, centre)
    words = {
        "gasp": "gasp apply, one rule",
        "cold": "gasp apply, cold, one rule",
        "driver": "driver's apply, one rule",
        "hand": "by hand: file and squid -k reconfigure",
        "ansible": "Ansible role: file and squid -k reconfigure",
    }
    middle = {name: result.row(f"{words[name]} → refused", found[name][True]) for name in acts}
    for name in acts:
        result.row(f"{words[name]} → open again", found[name][False])
    ours, theirs, role = (middle[name].seconds for name in ("gasp", "hand", "ansible"))
    result.figures += [
        Figure("One rule for one tenant, gasp apply to effect", ours, "s", 1),
        Figure("The same, cold: no connection is open", middle["cold"].seconds, "s", 1),
        Figure("The same, driver's apply to effect", middle["driver"].seconds, "s", 1),
        Figure("The same, to doing it by hand over ssh", ours / theirs, "x"),
        Figure("The same, faster than an Ansible role", role / ours, "x"),
    ]


def one_rate(tenant: Tenant, result: Result, rounds: int) -> None:
    """A tenant's rate is lowered, and raised again."""
    centre = tenant.centre
    number = policy(centre, CODE)["number"]
    script = "tc class change dev gaspdown parent 1:1 classid 1:{:x} htb rate 64kbit ceil {}kbit\n"
    path = "/root/gasp-bench.sh"

    def product(low: bool) -> Callable[[], Timing]:
        tenant.wish(limits={"down_kbit": LOW if low else HIGH})
        return lambda: centre.gasp("apply", f"subscription:{CODE}/internet", "--yes")

    def driver(low: bool) -> Callable[[], Timing]:
        return tenant.by_driver(NETWORK, lambda attributes: {**attributes, "down_kbit": LOW if low else HIGH})

    def hand(low: bool) -> Callable[[], Timing]:
        return lambda: tenant.by_hand(f"cat > {path} && sh {path}", script.format(number, LOW if low else HIGH))

    def ansible(low: bool) -> Callable[[], Timing]:
        return play(centre, "rate", script.format(number, LOW if low else HIGH), path)

    acts = {"gasp": product, "cold": product, "driver": driver, "hand": hand, "ansible": ansible}
    product(False)()
    found = there_and_back(rounds, acts, tenant.rate, centre)
    tenant.wish()
    centre.gasp("apply", f"subscription:{CODE}/internet", "--yes")
    centre.shell(HOST, f"rm -f {path}")
    words = {
        "gasp": "gasp apply, one rate",
        "cold": "gasp apply, cold, one rate",
        "driver": "driver's apply, one rate",
        "hand": "by hand: file with tc",
        "ansible": "Ansible role: file with tc",
    }
    middle = {name: result.row(f"{words[name]} → slower", found[name][True]) for name in acts}
    for name in acts:
        result.row(f"{words[name]} → faster again", found[name][False])
    result.figures += [
        Figure("One rate for one tenant, gasp apply to effect", middle["gasp"].seconds, "s", 1),
        Figure("The same, cold: no connection is open (rate)", middle["cold"].seconds, "s", 1),
        Figure("The same, driver's apply to effect (rate)", middle["driver"].seconds, "s", 1),
        Figure("The same, to doing it by hand over ssh (rate)", middle["gasp"].seconds / middle["hand"].seconds, "x"),
        Figure("The same, faster than an Ansible role (rate)", middle["ansible"].seconds / middle["gasp"].seconds, "x"),
    ]


# bandwidth ---------------------------------------------------------------------------------------------------------
def bandwidth(tenant: Tenant, result: Result) -> None:
    """Two tenants of different tiers load side by side, then send; what each gets, to what its rate lets through as
    content, measured where it arrives.

    The gateway counts whole frames: of 1,514 octets 1,448 are content.
    """
    centre = tenant.centre
    policies = {code: policy(centre, code) for code in (CODE, OTHER)}

    def loads(code: str) -> float:
        return curl(tenant, code, f"-m {SECONDS} {SPEED} -o /dev/null {tenant.url}") * 8 / 1000

    def sends(code: str) -> float:
        size = policies[code]["up_kbit"] * 1000 // 8 * SECONDS
        centre.shell(code, f"truncate -s {size} /root/gasp-bench")
        return curl(tenant, code, f"-H Expect: -T /root/gasp-bench http://{tenant.outside}:{SINK_PORT}/")

    for word, key, act, rounds in (("down", "down_kbit", loads, 3), ("up", "up_kbit", sends, 2)):
        got: dict[str, list[float]] = {code: [] for code in policies}
        for _ in range(rounds):
            with ThreadPoolExecutor(2) as pool:
                for code, speed in zip(policies, pool.map(act, policies), strict=True):
                    got[code].append(speed)
            time.sleep(1)
        for code, row in policies.items():
            name, share = f"{row[key] / 1000:g} Mbit/s {word}", median(got[code]) / (row[key] * 1448 / 1514)
            off = round(abs(share - 1) * 100, 2)
            result.figures.append(Figure(f"Bandwidth of {name}, deviation from the tier in %", off, "", EXACT))
            result.remarks.append(
                f"Tier of {name}, with another tenant beside it: {median(got[code]):,.0f} kbit/s of content,"
                f" {share:.1%} of what fits into the rate; {rounds} times {SECONDS} s."
            )
    for code in policies:
        centre.shell(code, "rm -f /root/gasp-bench")


def full_line(tenant: Tenant, result: Result) -> None:
    """Both load over a line that is narrower than their tiers together, with four downloads each."""
    centre, times = tenant.centre, 3
    line = json.loads(centre.shell(HOST, "cat /etc/gasp/gateway/site.json"))["line_down_kbit"]

    def wide(kbit: int) -> None:
        centre.shell(HOST, f"tc class change dev gaspdown parent 1: classid 1:1 htb rate {kbit}kbit ceil {kbit}kbit")

    def loads(code: str) -> float:
        return curl(tenant, code, f"-Z -m {SECONDS} {SPEED} {f'-o /dev/null {tenant.url} ' * 4}") * 8 / 1000

    got: dict[str, list[float]] = {CODE: [], OTHER: []}
    wide(LINE_KBIT)
    try:
        for _ in range(times):
            with ThreadPoolExecutor(2) as pool:
                for code, speed in zip(got, pool.map(loads, got), strict=True):
                    got[code].append(speed)
            time.sleep(1)
    finally:
        wide(line)
    even = LINE_KBIT / 2 * 1448 / 1514
    off = max(abs(speed / even - 1) * 100 for speeds in got.values() for speed in speeds)
    name = f"full line of {LINE_KBIT / 1000:g} Mbit/s"
    result.figures.append(Figure(f"Shares of a {name}, largest deviation from even in %", round(off, 2), "", EXACT))
    told = " and ".join(f"{median(speeds):,.0f}" for speeds in got.values())
    result.remarks.append(
        f"On a {name}, two tenants with four downloads each: {told} kbit/s, {times} times {SECONDS} s."
    )


def curl(tenant: Tenant, code: str, options: str) -> float:
    """Sum of what curl on a tenant's workstation says, through the proxy; however it ends."""
    argv = [*tenant.centre.ssh, code, f"curl -s -x {tenant.proxies[code]}:3128 {options}"]
    done = subprocess.run(argv, capture_output=True, check=False)
    return sum(float(word) for word in done.stdout.split())
