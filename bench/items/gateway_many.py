"""Rules of 1,000 invented tenants on the gateway: by `nft -f`, with making and sending, by a role with one template.

The driver itself refuses invented tenants: their interfaces are not the gateway's.
"""

from __future__ import annotations

from typing import Any

from bench.centre import Centre
from bench.measure import Timing, alternate, timed_call
from bench.results import Figure, Result
from bench.tenant import HIGH, HOST, Tenant, play
from control_plane.drivers.gateway_render import NetworkRules, table_text

TENANTS = 1000


def many(count: int) -> list[NetworkRules]:
    """Rules of that many invented tenants, one of them in ten with direct access; beside those the gateway has."""
    return [
        NetworkRules(attributes, f"gateway:{code}/network", f"t_{code}/internet", 0x4000 + index)
        for index, (code, attributes) in enumerate(invented(count).items(), 1)
    ]


def invented(count: int) -> dict[str, dict[str, Any]]:
    """Code → wish of that many tenants."""
    found = {}
    for index in range(1, count + 1):
        code = f"b{index:04d}"
        v4, v6 = f"10.{200 + index // 256}.{index % 256}.0/24", f"fd00:bec:{index:x}::/64"
        entry = {"source": v4, "to": "203.0.113.9", "protocol": "tcp", "ports": "443"}
        found[code] = {
            **{"tenant": code, "interface": code, "v4": v4, "v6": v6, "enabled": True},
            **{"up_kbit": HIGH, "down_kbit": HIGH, "throttle_kbit": 1000, "month_octets": 1 << 40, "warn_percent": 80},
            **{"direct": [entry] if index % 10 == 0 else [], "peers": []},
        }
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


def load(tenant: Tenant, result: Result, rounds: int) -> None:
    """`nft -f` on the gateway, of the text that the product makes and of the same rules a block a tenant."""
    centre, made = tenant.centre, list[NetworkRules]()
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
    ours = result.row(f"nft -f, {TENANTS:,} tenants, as the product writes them", found["ours"])
    theirs = result.row(f"nft -f, {TENANTS:,} tenants, a block a tenant", found["blocks"])
    result.row(f"making the text of {TENANTS:,} tenants", [rendering])
    works = {"text": lambda: by_text(tenant), "ansible": lambda: by_ansible_all(centre, made)}
    both = alternate(2, works)
    centre.shell(HOST, "rm -f /root/gasp-bench*.nft")
    whole = result.row(f"the product's text of {TENANTS:,} tenants: made, sent, checked, loaded", both["text"])
    role = result.row(f"Ansible role, {TENANTS:,} tenants: template, check, load", both["ansible"])
    result.figures += [
        Figure(f"Rules of {TENANTS:,} tenants, loading", ours.seconds, "s", 1),
        Figure("The same, to a block a tenant", ours.seconds / theirs.seconds, "x"),
        Figure("The same, made, sent and checked, faster than an Ansible role", role.seconds / whole.seconds, "x"),
    ]  # fmt: skip


def by_text(tenant: Tenant) -> Timing:
    """The product's text: made, sent, checked, loaded; then the rules are taken away again."""
    path = "/root/gasp-bench-sent.nft"

    def work() -> None:
        tenant.centre.shell(
            HOST, f"cat > {path} && nft -c -f {path} && nft -f {path}", table_text(many(TENANTS)).encode()
        )

    try:
        return timed_call(work)
    finally:
        tenant.centre.shell(HOST, "nft -f /root/gasp-bench-away.nft")


def by_ansible_all(centre: Centre, made: list[NetworkRules]) -> Timing:
    """The same rules by a role; then they are taken away again."""
    wishes = invented(TENANTS)
    tenants = [{"code": one.code, "number": one.number, "direct": wishes[one.code]["direct"]} for one in made]
    try:
        return play(centre, "many", "", "/root/gasp-bench-role.nft", {"tenants": tenants})()
    finally:
        centre.shell(HOST, "nft -f /root/gasp-bench-away.nft; rm -f /root/gasp-bench-role.nft")
