"""What the gateway does by itself: rules and queues at boot, each tenant's volume, throttling, names of direct access.

Managed by GASP (playbooks/roles/gateway); standard library only. Reads what the control plane's driver wrote
(`policy.json`, `tenants/*.nft`, `peers.nft`) and works without the control plane. Must not change a tenant's rules:
it owns the set `throttled`, the elements of the tenants' sets of names, the queues, and its own state.

Commands: restore (counters, before the rules), load (tenants' rules and queues, after the table), base (remember the
table's own rules), shape (queues and classes), save (counters once), meter (the service), resolve (names once), usage
(JSON on standard output).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("GASP_GATEWAY_ROOT", "/"))
ETC = ROOT / "etc/gasp/gateway"
LIB = ROOT / "var/lib/gasp/gateway"
TABLE = "inet gw"
LOCAL = timezone(timedelta(hours=8))
"""Asia/Shanghai: months are counted here."""
SAVE_SECONDS = 5.0
RESOLVE_SECONDS = 60.0
KEPT_SECONDS, MOST_ADDRESSES = 600.0, 64
"""How long an address of a name is let through after it was last in an answer, and how many of a family: names whose
addresses change with each answer are asked by others at other moments."""
DOWN = "gaspdown"
"""The queue that all downloads of all tenants pass, whatever interface they leave by."""
UP = "gaspup"
"""The queue that what tenants send to the proxy passes on its way in. The proxy takes whatever comes: what came faster
than it may leave would pile up in its memory, which costs it a core and, from a size on, the connection."""
PROXY_PORT = 3128
MARKED = 0x10000
"""Bit of a tenant's mark; the rest of the mark is the tenant's number."""
SLOW = 0x8000
"""Bit of a class id: the throttled class beside the ordinary one."""
GUARANTEED_KBIT = 64
QUANTUM = 70_000
"""Octets of a class's turn. HTB lets each class send one packet at least, and a packet may be 64 KiB that the kernel
cuts up later: a smaller turn gives most of a full line to whoever's packets happen to be larger."""
QUEUE_SECONDS = 0.1
"""What may wait in a class's queue, at its rate: who clicks does not wait behind a colleague's download."""
SMALLEST_QUEUE = {"down": 32_000, "up": 192_000}
"""Octets. The proxy's own uploads come in pieces of up to 64 KiB, and wait in the proxy already."""


def run(*argv: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool of this host; what it says is in the result."""
    return subprocess.run(argv, input=text, text=True, capture_output=True, check=False)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of ours; empty when there is none or it is torn."""
    try:
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def write(path: Path, content: str) -> None:
    """Replace a file whole."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def clock() -> datetime:
    """The time; a test may say another one."""
    said = os.environ.get("GASP_GATEWAY_NOW")
    return datetime.fromisoformat(said) if said else datetime.now(UTC)


@contextlib.contextmanager
def alone(name: str = "lock") -> Iterator[None]:
    """One writer of this program's state at a time."""
    fd = os.open(LIB / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def policies() -> dict[str, dict[str, Any]]:
    """What the driver says of each tenant."""
    return dict(read_json(ETC / "policy.json").get("tenants", {}))


# volume ------------------------------------------------------------------------------------------------------------
def listing() -> tuple[dict[str, tuple[int, int]], set[int]]:
    """Counters (packets, octets) and the marks that are throttled now. Raises OSError when nft does not answer."""
    done = run("nft", "-j", f"list counters table {TABLE}; list set {TABLE} throttled")
    if done.returncode:
        raise OSError(done.stderr.strip())
    counters, marks = {}, set()
    for item in (entry for line in done.stdout.splitlines() for entry in json.loads(line)["nftables"]):
        if "counter" in item:
            counters[item["counter"]["name"]] = (item["counter"]["packets"], item["counter"]["bytes"])
        elif "set" in item:
            marks = {int(mark) for mark in item["set"].get("elem", ())}
    return counters, marks


def advance(
    state: dict[str, Any], counters: dict[str, tuple[int, int]], tenants: dict[str, dict[str, Any]], now: datetime
) -> dict[str, Any]:
    """The state after one look at the counters. A counter that fell began anew. A month goes back only when the clock
    had been ahead by more than one."""
    last, rows = state.get("counters", {}), state.get("tenants", {})
    month, at = now.astimezone(LOCAL).strftime("%Y-%m"), now.astimezone(LOCAL).isoformat(timespec="seconds")
    kept: dict[str, Any] = {}
    for code, policy in tenants.items():
        row = dict(rows.get(code) or {"month": month, "up": 0, "down": 0, "closed": {}})
        row["closed"] = dict(row["closed"])
        if month > row["month"]:
            row["closed"][row["month"]] = {
                name: value for name, value in row.items() if name not in ("month", "closed")
            }
            row = {"month": month, "up": 0, "down": 0, "closed": dict(sorted(row["closed"].items())[-24:])}
        elif month < f"{datetime.strptime(row['month'], '%Y-%m') - timedelta(days=1):%Y-%m}":
            was = row["closed"].get(month, {"up": 0, "down": 0})
            closed = {name: values for name, values in row["closed"].items() if name < month}
            row = {**was, "month": month, "closed": closed, **{way: was[way] + row[way] for way in ("up", "down")}}
        for direction in ("up", "down"):
            name = f"t/{code}/{direction}"
            value, before = counters.get(name, (0, 0))[1], last.get(name, (0, 0))[1]
            row[direction] += value - before if value >= before else value
        limit, used = policy["month_octets"], row["up"] + row["down"]
        for word, reached in (
            ("warned", limit and used * 100 >= limit * policy["warn_percent"]),
            ("throttled", limit and used >= limit),
        ):
            row[word] = (row.get(word) or at) if reached else None
        row |= {name: policy[name] for name in ("month_octets", "warn_percent", "throttle_kbit")}
        kept[code] = row
    return {"at": at, "counters": {name: list(value) for name, value in counters.items()}, "tenants": kept}


def sample(keep: bool = True) -> dict[str, Any]:
    """Look at the counters once, throttle and release, and remember; not `keep`: say who is slowed now instead."""
    with alone():
        tenants = policies()
        counters, marks = listing()
        state = advance(read_json(LIB / "usage.json"), counters, tenants, clock())
        if keep:
            throttle(tenants, state["tenants"], marks)
            write(LIB / "usage.json", json.dumps(state, separators=(",", ":")))
        else:
            for code, row in state["tenants"].items():
                row["slowed"] = (MARKED | tenants[code]["number"]) in marks
    return state


def throttle(tenants: dict[str, dict[str, Any]], rows: dict[str, Any], marks: set[int]) -> None:
    """Make the set of throttled marks what the volumes say; marks of nobody are left alone."""
    mark_of = {code: MARKED | policy["number"] for code, policy in tenants.items()}
    slow = slowed(rows)
    wanted, ours = {mark_of[code] for code in slow}, {*mark_of.values()}
    lines = [f"add element {TABLE} throttled {{ {mark:#x} }}" for mark in sorted(wanted - marks)]
    lines += [f"delete element {TABLE} throttled {{ {mark:#x} }}" for mark in sorted((marks - wanted) & ours)]
    if lines:
        done = run("nft", "-f", "-", text="\n".join(lines) + "\n")
        if done.returncode:
            print(done.stderr, file=sys.stderr)
        changed = (wanted ^ marks) & ours
        queue(arrivals({code: tenants[code] for code, mark in mark_of.items() if mark in changed}, slow))


def slowed(rows: dict[str, Any]) -> set[str]:
    """Whose month is used up."""
    return {code for code, row in rows.items() if row["throttled"]}


def restore() -> None:
    """Write the counters for the next load of the table: those of the table itself and of tenants that are ours."""
    tenants = policies()
    lines = [
        f"\tcounter {name} {{ packets {packets} bytes {octets} }}"
        for name, (packets, octets) in read_json(LIB / "usage.json").get("counters", {}).items()
        if not name.startswith("t/") or name.split("/")[1] in tenants
    ]
    write(LIB / "counters.nft", "\n".join([f"table {TABLE} {{", *lines, "}", ""]))


def usage() -> None:
    """Print each tenant's volume, as of now."""
    state = sample(keep=False)
    print(json.dumps({code: {**row, "at": state["at"]} for code, row in state["tenants"].items()}))


# rules and queues --------------------------------------------------------------------------------------------------
def merged(texts: list[str]) -> str:
    """Tenants' files as one: their blocks in the same order, but one of each kind; nft is four times as fast so."""
    blocks: dict[str, list[str]] = {"first": [], "second": []}
    flushes: list[str] = []
    elements: dict[str, list[str]] = {}
    for text in texts:
        block = ""
        for line in text.splitlines():
            if line == f"table {TABLE} {{":
                block = "second" if block else "first"
            elif line.startswith("\t"):
                blocks[block].append(line)
            elif line.startswith("flush "):
                flushes.append(line)
            elif line.startswith("add element "):
                head, _, tail = line.partition(" { ")
                elements.setdefault(head, []).append(tail.removesuffix(" }"))
            elif line not in ("", "}") and not line.startswith("#"):
                raise ValueError(line)
    lines = [f"table {TABLE} {{", *blocks["first"], "}", *flushes, f"table {TABLE} {{", *blocks["second"], "}"]
    lines += [f"{head} {{ {', '.join(found)} }}" for head, found in elements.items()]
    return "\n".join(lines) + "\n"


def load() -> None:
    """Load what belongs to tenants into the table: all at once, or, when one of them is faulty, one by one."""
    files = [*sorted((ETC / "tenants").glob("*.nft")), *filter(Path.exists, [ETC / "peers.nft"])]
    try:
        whole = not files or not run("nft", "-f", "-", text=merged([file.read_text() for file in files])).returncode
    except (ValueError, KeyError):
        whole = False
    if not whole:
        for file in files:
            done = run("nft", "-f", str(file))
            if done.returncode:
                print(f"{file} is left out:\n{done.stderr}", file=sys.stderr)
    shape([])
    resolve(remembered=True)


def base() -> None:
    """Remember the table's own rules as they are now, so that a look tells what others add to them."""
    listed = json.loads(run("nft", "-j", "list", "table", *TABLE.split()).stdout)["nftables"]
    chains: dict[str, list[str]] = {i["chain"]["name"]: [] for i in listed if "chain" in i}
    for rule in (item["rule"] for item in listed if "rule" in item):
        chains[rule["chain"]].append(json.dumps([rule["expr"], rule.get("comment")], sort_keys=True))
    own = {name: rules for name, rules in chains.items() if not name.startswith("t/")}
    write(LIB / "base.json", json.dumps(own, separators=(",", ":")))


def shape(arguments: list[str]) -> None:
    """Queues of all interfaces where they are missing, and the classes of the tenants named (all when none is).

    An argument `-N` takes the classes of number N away.
    """
    site, tenants = read_json(ETC / "site.json"), policies()
    devices = (
        (DOWN, "down", site["line_down_kbit"]),
        (UP, "up", site["line_up_kbit"]),
        (site["internet_interface"], "up", site["line_up_kbit"]),
    )
    for device in (DOWN, UP):
        if run("ip", "link", "show", device).returncode:
            run("ip", "link", "add", device, "type", "ifb")
            run("ip", "link", "set", device, "up", "txqueuelen", "1000")
    have = queues()
    lines: list[str] = []
    for device, _, line in devices:
        if device not in have:
            lines.append(f"qdisc add dev {device} root handle 1: htb default 0")
        if device not in have or not arguments:
            lines.append(f"class replace dev {device} parent 1: classid 1:1 htb rate {line}kbit ceil {line}kbit")
    for interface in site["tenant_interfaces"]:
        if interface not in have:
            lines += [f"qdisc add dev {interface} root handle 1: htb default 0"]
        if interface not in have or not arguments or interface in arguments:
            lines += [
                f"filter replace dev {interface} parent 1: handle 800::800 protocol all prio 1 u32"
                f" match mark {MARKED:#x} {MARKED:#x} action mirred egress redirect dev {DOWN}"
            ]
    for number in (int(argument[1:]) for argument in arguments if argument.startswith("-")):
        places = [f"{UP} parent 1:", *(f"{interface} parent ffff:" for interface in site["tenant_interfaces"])]
        lines += [f"filter del dev {place} prio {prio}" for place in places for prio in prios(number)]
        lines += [f"class del dev {d} classid 1:{n:x}" for d, _, _ in devices for n in (number, SLOW | number)]
    chosen = {code: policy for code, policy in tenants.items() if not arguments or code in arguments}
    for policy in chosen.values():
        for device, way, _ in devices:
            kbit = policy[f"{way}_kbit"]
            lines += tenant_class(device, way, policy["number"], kbit)
            lines += tenant_class(device, way, SLOW | policy["number"], min(policy["throttle_kbit"], kbit))
    with alone():  # nobody is throttled or released meanwhile
        slow = slowed(read_json(LIB / "usage.json").get("tenants", {}))
        queue([*lines, *arrivals(chosen, slow, interfaces=True)])


def queue(lines: list[str]) -> None:
    """Have tc do this. What is to be taken away may be gone; everything else that fails is told."""
    done = run("tc", "-force", "-batch", "-", text="\n".join(lines) + "\n")
    for said, number in re.findall(r"(?s)(.*?)^Command failed -:(\d+)$", done.stderr, re.M):
        if lines[int(number) - 1].split()[1] != "del":
            print(f"tc {lines[int(number) - 1]}: {said.strip()}", file=sys.stderr)


def arrivals(tenants: dict[str, dict[str, Any]], slow: set[str], interfaces: bool = False) -> list[str]:
    """Lines for tc: what comes from these tenants to the proxy, by whatever address of this gateway, waits in their
    class, that of the throttled when they are `slow`. `interfaces`: lead it there, too."""
    own, lines = own_networks() if tenants else {}, []
    for code, policy in tenants.items():
        interface, number = policy.get("interface", code), policy["number"]
        minor = SLOW | number if code in slow else number
        if interfaces and interface in own:
            lines.append(f"qdisc replace dev {interface} ingress")
        for prio, family, protocol, word in zip(
            prios(number), ("inet", "inet6"), ("ip", "ipv6"), ("ip", "ip6"), strict=True
        ):
            lines.append(f"filter del dev {UP} parent 1: prio {prio}")
            if interfaces:
                lines.append(f"filter del dev {interface} parent ffff: prio {prio}")
            if network := own.get(interface, {}).get(family):
                of = f"protocol {protocol} prio {prio} u32 match {word} src {network}"
                lines.append(f"filter add dev {UP} parent 1: {of} flowid 1:{minor:x}")
                if interfaces:
                    lines.append(
                        f"filter add dev {interface} parent ffff: {of} match {word} protocol 6 0xff"
                        f" match {word} dport {PROXY_PORT} 0xffff action mirred egress redirect dev {UP}"
                    )
    return lines


def own_networks() -> dict[str, dict[str, str]]:
    """The network of this host's first address for everybody, by interface and family (`inet`, `inet6`)."""
    found: dict[str, dict[str, str]] = {}
    for row in json.loads(run("ip", "-j", "address").stdout or "[]"):
        for one in row["addr_info"]:
            if one.get("scope") == "global":
                network = str(ip_interface(f"{one['local']}/{one['prefixlen']}").network)
                found.setdefault(row["ifname"], {}).setdefault(one["family"], network)
    return found


def prios(number: int) -> tuple[int, int]:
    """Places of a tenant's filters for IPv4 and IPv6."""
    return 2 * number, 2 * number + 1


def tenant_class(device: str, way: str, minor: int, kbit: int) -> list[str]:
    """One class below the line: a little of its own, and an even share of the rest up to its rate; a short queue."""
    own = min(GUARANTEED_KBIT, kbit)
    octets = max(SMALLEST_QUEUE[way], int(kbit * 1000 / 8 * QUEUE_SECONDS))
    return [
        f"class replace dev {device} parent 1:1 classid 1:{minor:x} htb"
        f" rate {own}kbit ceil {kbit}kbit quantum {QUANTUM}",
        f"qdisc replace dev {device} parent 1:{minor:x} bfifo limit {octets}",
    ]


def queues() -> set[str]:
    """Devices whose root is our kind of queue."""
    words = (line.split() for line in run("tc", "qdisc", "show").stdout.splitlines())
    return {w[w.index("dev") + 1] for w in words if w[1:3] == ["htb", "1:"] and "root" in w}


# names -------------------------------------------------------------------------------------------------------------
def addresses(name: str) -> tuple[list[str], list[str]] | None:
    """IPv4 and IPv6 addresses of a name by this host's resolver; None when it cannot be resolved."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return None
    by_family = {family: sorted({str(i[4][0]) for i in found if i[0] == family}) for family in (2, 10)}
    return by_family[2], by_family[10]


def remember(before: Any, found: tuple[list[str], list[str]], now: float) -> list[dict[str, float]]:
    """Addresses of a name and when they were last in an answer, IPv4 and IPv6, newest first."""
    kept = []
    for had, new in zip(before, found, strict=True):
        young = {address: at for address, at in dict(had).items() if not new or now - at < KEPT_SECONDS}
        all_ = dict.fromkeys(new, now) | {address: at for address, at in young.items() if address not in new}
        kept.append(dict(sorted(all_.items(), key=lambda pair: -pair[1])[:MOST_ADDRESSES]))
    return kept


def resolve(remembered: bool = False) -> None:
    """Fill the tenants' sets of names; a name that cannot be resolved keeps the addresses it had."""
    wanted = [entry for policy in policies().values() for entry in policy["names"]]
    names = sorted({entry["name"] for entry in wanted})
    with alone("names.lock"):
        known: dict[str, Any] = read_json(LIB / "addresses.json")
        if not remembered and names:
            with ThreadPoolExecutor(16) as pool:
                answers = dict(zip(names, pool.map(addresses, names), strict=True))
            now = time.time()
            known |= {n: remember(known.get(n, ({}, {})), found, now) for n, found in answers.items() if found}
        known = {name: known[name] for name in names if name in known}
        write(LIB / "addresses.json", json.dumps(known))
        for entry in wanted:
            if entry["name"] not in known:
                continue
            lines = []
            for family, found in zip(("set4", "set6"), known[entry["name"]], strict=True):
                lines.append(f"flush set {TABLE} {entry[family]}")
                if found:
                    lines.append(f"add element {TABLE} {entry[family]} {{ {', '.join(found)} }}")
            run("nft", "-f", "-", text="\n".join(lines) + "\n")


# service -----------------------------------------------------------------------------------------------------------
def meter() -> None:
    """Until the service is stopped: volume every few seconds, names every minute. SIGHUP: at once."""
    wake, over = threading.Event(), threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: wake.set())

    def stop(*_: object) -> None:
        over.set()
        wake.set()

    signal.signal(signal.SIGTERM, stop)

    def names() -> None:
        while not over.wait(RESOLVE_SECONDS):
            guarded(resolve)

    threading.Thread(target=names, daemon=True).start()
    guarded(resolve)
    while not over.is_set():
        guarded(sample)
        guarded(mend)
        wake.wait(SAVE_SECONDS)
        wake.clear()
    guarded(sample)


def mend() -> None:
    """Queues that went with an interface come back."""
    site = read_json(ETC / "site.json")
    present = {path.name for path in Path("/sys/class/net").iterdir()}
    wanted = {DOWN, UP} | ({*site["tenant_interfaces"], site["internet_interface"]} & present)
    if not wanted <= queues():
        shape([])


def guarded(act: Any) -> None:
    """One act of the service; a fault is told and does not end the service."""
    try:
        act()
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{act.__name__}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """One command; see the top."""
    os.umask(0o077)
    command, arguments = argv[0], argv[1:]
    if command == "shape":
        shape(arguments)
        return 0
    plain = {"restore": restore, "load": load, "base": base, "save": sample}
    plain |= {"meter": meter, "resolve": resolve, "usage": usage}
    plain[command]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
