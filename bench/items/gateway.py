"""Internet access: one change for one tenant until its workstation notices, rules of 1,000 tenants, and bandwidth.

A page is closed and opened again in the proxy, a rate is lowered and raised again in the shaper; each by
`gasp apply subscription:CODE/internet --yes` of a wish already imported (exec to effect), by the driver alone (its
connection is open), and by hand over ssh: the file with the lines that are wanted, `squid -k reconfigure` or `tc`. An
ordinary Ansible role does the one rule too. Nobody but the driver has an ssh connection open at the start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from bench.centre import Centre
from bench.measure import Timing, alternate, timed, timed_call
from bench.results import Figure, Result
from bench.wire import ASK, LOAD, WINDOW, Watch
from control_plane.drivers.gateway import GatewayDriver
from control_plane.drivers.gateway_render import NetworkRules, table_text
from control_plane.drivers.ssh import SshRunner
from control_plane.model.internet import NETWORK, PROXY
from control_plane.model.plan import Memory, diff
from control_plane.model.ports import Outcome
from control_plane.model.resource import Measured, Owner, Resource
from control_plane.workflow.documents import write_yaml

HERE = Path(__file__).resolve().parent.parent
HOST, PART, CODE, OTHER = "gateway", "gateway:gateway", "fgw", "czj"
TENANTS = 1000
LOW, HIGH = 2_000, 10_000
"""Rates between which is changed, kbit/s."""
RULES = f"/etc/squid/gasp/{CODE}.conf"
BIG = "/var/www/html/gasp-bench"
SECONDS = 10


class Tenant:
    """The tenant that is changed: its document, its addresses, the page outside that it opens."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.document: dict[str, Any] = yaml.safe_load((centre.estate / f"{CODE}.yaml").read_text("utf-8"))
        self.outside = centre.addresses["citizen"]
        self.url = f"http://{self.outside}/{BIG.rpartition('/')[2]}"
        self.small = f"http://{self.outside}/"
        self.proxies = {code: f"{centre.addresses[code].rpartition('.')[0]}.254" for code in (CODE, OTHER)}
        self.original = centre.shell(HOST, f"cat {RULES}").decode()
        self.driver = GatewayDriver(SshRunner(centre.ssh_config, centre.state / "ssh"), [HOST])

    def wish(self, **spec: Any) -> None:
        """Import it with other wishes; nothing is applied."""
        rows = [
            {**row, "spec": spec} if row["offering"] == "internet" else row for row in self.document["subscriptions"]
        ]
        file = self.centre.estates / f"{CODE}.yaml"
        file.write_bytes(write_yaml({**self.document, "subscriptions": rows}))
        self.centre.gasp("tenants", "import", str(file), "--yes")

    def rule(self, closed: bool) -> dict[str, Any]:
        """The wish that closes the page, or none."""
        reason = {"zh": "测量", "en": "Measured"}
        rule = {"number": 10, "action": "block", "hosts": [self.outside], "since": "2026-11-01", "reason": reason}
        return {"rules": [rule]} if closed else {}

    def page(self, closed: bool) -> Watch:
        """Sees when the page is refused, or answered again."""
        seen = ("200", "403") if closed else ("403", "200")
        return Watch(self.centre.ssh, CODE, ASK, self.proxies[CODE], self.small, *seen)

    def rate(self, low: bool) -> Watch:
        """Sees when a download becomes slower, or faster."""
        border = str((LOW + HIGH) // 2)
        return Watch(
            self.centre.ssh, CODE, LOAD, self.proxies[CODE], self.url, border, "below" if low else "above", late=WINDOW
        )

    def by_driver(self, kind: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[], Timing]:
        """Look and plan now; the call that is returned applies it. `change` makes the new attributes."""
        look = self.driver.observe(PART)
        assert isinstance(look, Measured), look
        wanted: dict[str, Resource] = {}
        owners: dict[str, Owner] = {}
        for id_, seen in look.resources.items():
            owner = Owner(seen.owner_marker.partition("/")[0], seen.attributes["tenant"], "internet")
            owners[owner.marker] = owner
            wanted[id_] = Resource(id_, seen.kind, PART, owner, seen.attributes, label=seen.label)
            if seen.kind == kind and owner.tenant == CODE:
                wanted[id_] = replace(wanted[id_], attributes=change(dict(seen.attributes)))
        kinds = {one.name: one for one in self.driver.kinds}
        plan = diff("estate", wanted, [look], kinds, Memory({}, {}, owners), lambda *_: True, datetime.now(UTC))
        if len(plan.steps) != 1:
            raise RuntimeError(f"{len(plan.steps)} steps where one was expected")

        def apply() -> Timing:
            said: list[Any] = []
            took = timed_call(lambda: said.extend(self.driver.apply(PART, plan.steps, lambda: None)))
            states = [one.state for one in said if isinstance(one, Outcome)]
            if states != ["applied"]:
                raise RuntimeError(f"the driver said {said}")
            return took

        return apply

    def by_hand(self, script: str, stdin: str = "") -> Timing:
        """A script on the gateway over a connection of its own."""
        return timed([*self.centre.ssh, HOST, script], stdin=stdin.encode())

    def rules(self, closed: bool) -> str:
        """The proxy's file as a person would edit it."""
        lines = f"acl by_hand dst {self.outside}\nhttp_access deny t_{CODE} by_hand\n" if closed else ""
        at = self.original.index("http_access")
        return self.original[:at] + lines + self.original[at:]


def measure(centre: Centre, rounds: int = 3) -> Result:
    """All of it; the gateway is as it was in the end."""
    result = Result("gateway", "Internet access: one change, 1,000 tenants' rules, bandwidth")
    with outside(centre):
        tenant = Tenant(centre)
        one_rule(tenant, result, rounds)
        one_rate(tenant, result, rounds)
        load(centre, result, rounds)
        bandwidth(tenant, result)
    return result


@contextmanager
def outside(centre: Centre) -> Iterator[None]:
    """A large file on the simulated internet."""
    centre.shell("citizen", f"truncate -s 1G {BIG}")
    try:
        yield
    finally:
        centre.shell("citizen", f"rm -f {BIG}")


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
            if name != "driver":
                centre.cold()
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
        return play(tenant, closed)

    acts = {"gasp": product, "driver": driver, "hand": hand, "ansible": ansible}
    found = there_and_back(rounds, acts, tenant.page, centre)
    words = {
        "gasp": "gasp apply, one rule",
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
        Figure("The same, driver's apply to effect", middle["driver"].seconds, "s", 1),
        Figure("The same, to doing it by hand over ssh", ours / theirs, "x"),
        Figure("The same, faster than an Ansible role", role / ours, "x"),
    ]


def one_rate(tenant: Tenant, result: Result, rounds: int) -> None:
    """A tenant's rate is lowered, and raised again."""
    centre = tenant.centre
    number = policy(centre, CODE)["number"]
    script = "tc class change dev gaspdown parent 1:1 classid 1:{:x} htb rate 64kbit ceil {}kbit"

    def product(low: bool) -> Callable[[], Timing]:
        tenant.wish(limits={"down_kbit": LOW if low else HIGH})
        return lambda: centre.gasp("apply", f"subscription:{CODE}/internet", "--yes")

    def driver(low: bool) -> Callable[[], Timing]:
        return tenant.by_driver(NETWORK, lambda attributes: {**attributes, "down_kbit": LOW if low else HIGH})

    def hand(low: bool) -> Callable[[], Timing]:
        command = script.format(number, LOW if low else HIGH)
        return lambda: tenant.by_hand("cat > /root/gasp-bench.sh && sh /root/gasp-bench.sh", f"{command}\n")

    acts = {"gasp": product, "driver": driver, "hand": hand}
    product(False)()
    found = there_and_back(rounds, acts, tenant.rate, centre)
    tenant.wish()
    centre.gasp("apply", f"subscription:{CODE}/internet", "--yes")
    centre.shell(HOST, "rm -f /root/gasp-bench.sh")
    words = {
        "gasp": "gasp apply, one rate",
        "driver": "driver's apply, one rate",
        "hand": "by hand: file with tc",
    }
    middle = {name: result.row(f"{words[name]} → slower", found[name][True]) for name in acts}
    for name in acts:
        result.row(f"{words[name]} → faster again", found[name][False])
    result.figures += [
        Figure("One rate for one tenant, gasp apply to effect", middle["gasp"].seconds, "s", 1),
        Figure("The same, driver's apply to effect (rate)", middle["driver"].seconds, "s", 1),
        Figure("The same, to doing it by hand over ssh (rate)", middle["gasp"].seconds / middle["hand"].seconds, "x"),
    ]


def play(tenant: Tenant, closed: bool) -> Callable[[], Timing]:
    """An ordinary role that puts the file and has Squid take it over."""
    centre, folder = tenant.centre, tenant.centre.state / "bench-ansible"
    folder.mkdir(exist_ok=True)
    (folder / "rules").write_text(tenant.rules(closed), "utf-8")
    (folder / "gateway").write_text(f"{HOST}\n", "utf-8")
    env = {
        **os.environ,
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_SSH_ARGS": f"-F {centre.ssh_config} -o ControlMaster=auto -o ControlPersist=60s",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOME": str(folder),
    }
    variables = f"rules={folder / 'rules'} path={RULES} ansible_python_interpreter=/usr/bin/python3"
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(folder / "gateway")]
    return lambda: timed([*argv, "-e", variables, str(HERE / "ansible_role" / "rule.yml")], env=env)


# many tenants ------------------------------------------------------------------------------------------------------
def many(count: int) -> list[NetworkRules]:
    """Rules of that many invented tenants, one of them in ten with direct access; beside those the gateway has."""
    found = []
    for index in range(1, count + 1):
        code = f"b{index:04d}"
        v4, v6 = f"10.{200 + index // 256}.{index % 256}.0/24", f"fd00:bec:{index:x}::/64"
        entry = {"source": v4, "to": "203.0.113.9", "protocol": "tcp", "ports": "443"}
        attributes = {
            **{"tenant": code, "interface": code, "v4": v4, "v6": v6, "enabled": True},
            **{"up_kbit": HIGH, "down_kbit": HIGH, "throttle_kbit": 1000, "month_octets": 1 << 40, "warn_percent": 80},
            **{"direct": [entry] if index % 10 == 0 else [], "peers": []},
        }
        found.append(NetworkRules(attributes, f"gateway:{code}/network", f"t_{code}/internet", 0x4000 + index))
    return found


def away(rules: list[NetworkRules]) -> str:
    """What takes them out again."""
    lines = []
    for name in ("online", "acct_up", "acct_down", "direct"):
        lines.append(f"delete element inet gw {name} {{ {', '.join(one.interface for one in rules)} }}")
    numbers = ", ".join(one.elements["proxied"].partition(" ")[0] for one in rules)
    lines.append(f"delete element inet gw proxied {{ {numbers} }}")
    lines += [f"flush chain inet gw {name}" for one in rules for name in one.chains]
    for one in rules:
        lines += [f"delete chain inet gw {name}" for name in reversed(one.chains)]
        lines += [f"delete set inet gw {name}" for name in one.sets]
        lines += [f"delete counter inet gw {name}" for name in one.counters]
    return "".join(f"{line}\n" for line in lines)


def load(centre: Centre, result: Result, rounds: int) -> None:
    """`nft -f` on the gateway, of the text that the product makes and of the same rules a block a tenant."""
    made: list[NetworkRules] = []
    rendering = timed_call(lambda: made.extend(many(TENANTS)))
    texts = {"ours": table_text(made), "blocks": "".join(one.text for one in made)}
    for name, text in texts.items():
        centre.shell(HOST, f"cat > /root/gasp-bench-{name}.nft", text.encode())
    centre.shell(HOST, "cat > /root/gasp-bench-away.nft", away(made).encode())
    clock = "import subprocess, sys, time; b = time.perf_counter(); subprocess.run(sys.argv[1:], check=True);"

    def loaded(name: str) -> Timing:
        command = f'python3 -c "{clock} print(time.perf_counter() - b)" nft -f /root/gasp-bench-{name}.nft'
        try:
            return Timing(float(centre.shell(HOST, command)), 0.0)
        finally:
            centre.shell(HOST, "nft -f /root/gasp-bench-away.nft")

    found = alternate(rounds, {name: lambda name=name: loaded(name) for name in texts})  # type: ignore[misc]
    centre.shell(HOST, "rm -f /root/gasp-bench-*.nft")
    ours = result.row(f"nft -f, {TENANTS:,} tenants, as the product writes them", found["ours"])
    theirs = result.row(f"nft -f, {TENANTS:,} tenants, a block a tenant", found["blocks"])
    result.row(f"making the text of {TENANTS:,} tenants", [rendering])
    result.figures += [
        Figure(f"Rules of {TENANTS:,} tenants, loading", ours.seconds, "s", 1),
        Figure("The same, to a block a tenant", ours.seconds / theirs.seconds, "x"),
    ]


# bandwidth ---------------------------------------------------------------------------------------------------------
def bandwidth(tenant: Tenant, result: Result, rounds: int = 3) -> None:
    """Two tenants of different tiers load side by side; what each gets, to what its rate lets through as content.

    The gateway counts whole frames: of 1,514 octets 1,448 are content.
    """
    centre = tenant.centre
    rates = {code: policy(centre, code)["down_kbit"] for code in (CODE, OTHER)}
    got: dict[str, list[float]] = {code: [] for code in rates}

    def one(code: str) -> float:
        command = f"curl -s -o /dev/null -m {SECONDS} -w '%{{speed_download}}' -x {tenant.proxies[code]}:3128"
        done = subprocess.run([*centre.ssh, code, f"{command} {tenant.url}"], capture_output=True, check=False)
        return float(done.stdout) * 8 / 1000

    for _ in range(rounds):
        with ThreadPoolExecutor(2) as pool:
            for code, speed in zip(rates, pool.map(one, rates), strict=True):
                got[code].append(speed)
        time.sleep(1)
    for code, rate in rates.items():
        share = median(got[code]) / (rate * 1448 / 1514)
        result.figures.append(
            Figure(
                f"Bandwidth of {rate / 1000:g} Mbit/s, deviation from the tier in %", round(abs(share - 1) * 100, 2), ""
            )
        )
        result.remarks.append(
            f"Tier of {rate / 1000:g} Mbit/s, with another tenant loading at the same time: {median(got[code]):,.0f}"
            f" kbit/s of content, {share:.1%} of what fits into the rate; {rounds} downloads of {SECONDS} s."
        )


def policy(centre: Centre, code: str) -> dict[str, Any]:
    """What the gateway itself knows of a tenant: its number, rates and volume."""
    found: dict[str, Any] = json.loads(centre.shell(HOST, "cat /etc/gasp/gateway/policy.json"))["tenants"][code]
    return found
