"""Runs ON a vantage host, sent over SSH: measures promises with the host's own curl, dig and ping, as a client would.

Standard library of Python 3.11 only; imports nothing of ours. Reads nothing, changes nothing; prints one JSON object:
probe id -> [state, seconds, code, words], where `code` has a sentence in probes.py. Must answer for every probe.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

Result = tuple[str, float | None, str, dict[str, str]]
Probe = dict[str, Any]

PARALLEL = 8
PAGE_SECONDS = 15
SLOW_SECONDS = 3.0
#: A door that is to be closed is given up after the one, whoever is to answer after the other: what is slow is no
#: fault, and all promises at once are the busiest moment of a host.
CONNECT_SECONDS, ANSWER_SECONDS = 3, 10
DNS_SECONDS = 5
CLOSED = (403, 404, 421)
REFUSED = 403
#: What a connection ends with when a router on the way refuses or drops it, instead of the host itself.
STOPPED = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.ETIMEDOUT)
#: An anonymous simple bind, LDAPv3 (RFC 4511): the answer shows that a directory is there, whatever it says.
BIND = bytes.fromhex("300c020101600702010304008000")
BIND_RESPONSE = 0x61


def passed(seconds: float | None, code: str, **words: Any) -> Result:
    """What was promised holds."""
    return "passed", seconds, code, {k: str(v) for k, v in words.items()}


def failed(code: str, seconds: float | None = None, **words: Any) -> Result:
    """It does not hold."""
    return "failed", seconds, code, {k: str(v) for k, v in words.items()}


def unmeasured(code: str, **words: Any) -> Result:
    """Nothing can be said."""
    return "unmeasured", None, code, {k: str(v) for k, v in words.items()}


def run(argv: list[str], text: str, timeout: float) -> tuple[int, str]:
    """A command's exit status and output; 124 when it was too slow."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
        return 124, out.decode("utf-8", "replace") if isinstance(out, bytes) else out
    return done.returncode, done.stdout


# pages -------------------------------------------------------------------------------------------------------
def pages(probes: list[Probe], options: dict[str, Any]) -> dict[str, Result]:
    """All pages of a scheme in one curl, several at a time; each transfer prints its number and its facts as JSON."""
    fetches = [fetch for probe in probes for fetch in _fetches(probe)]
    if not fetches:
        return {}
    if shutil.which("curl") is None:
        return {probe["id"]: unmeasured("no-tool", tool="curl") for probe in probes}
    blocks: dict[str, list[str]] = {}
    for number, (probe, lines) in enumerate(fetches):
        patience = CONNECT_SECONDS if probe["kind"] == "http_closed" else ANSWER_SECONDS
        common = ["silent", "output = /dev/null", f"connect-timeout = {patience}"]
        common += [f"max-time = {PAGE_SECONDS}", f'write-out = "{number} %header{{x-squid-error}} %{{json}}\\n"']
        block = "\n".join(common + list(options.get("curl", ())) + lines)
        blocks.setdefault(urlsplit(probe["spec"]["url"]).scheme, []).append(block)
    facts: dict[int, dict[str, Any]] = {}
    for of_scheme in blocks.values():  # apart: a curl that has seen HSTS once asks for no plain page any more
        facts.update(_curl(of_scheme))
    by_probe: dict[str, list[dict[str, Any] | None]] = {}
    for number, (probe, _) in enumerate(fetches):
        by_probe.setdefault(probe["id"], []).append(facts.get(number))
    judge = {"http": _judge_page, "http_closed": _judge_closed, "http_refused": _judge_refused}
    return {probe["id"]: judge[probe["kind"]](probe["spec"], by_probe[probe["id"]]) for probe in probes}


def _curl(blocks: list[str]) -> dict[int, dict[str, Any]]:
    argv = ["curl", "--disable", "--parallel", "--parallel-max", str(PARALLEL), "--config", "-"]
    _, output = run(argv, "\nnext\n".join(blocks) + "\n", PAGE_SECONDS * (2 + len(blocks) // PARALLEL))
    facts: dict[int, dict[str, Any]] = {}
    for line in output.splitlines():
        number, _, rest = line.partition(" ")
        said, _, rest = rest.partition("{")
        if number.isdigit() and rest.endswith("}"):  # the last line may be cut off when curl was too slow
            facts[int(number)] = {**json.loads("{" + rest), "proxy_said": said.strip()}
    return facts


def _fetches(probe: Probe) -> list[tuple[Probe, list[str]]]:
    spec = probe["spec"]
    url = f'url = "{spec["url"]}"'
    by_proxy = [f'proxy = "{spec["proxy"]}"'] if "proxy" in spec else []
    if probe["kind"] == "http":
        return [(probe, [url, f"ipv{spec['family']}", *by_proxy])]
    if probe["kind"] == "http_refused":
        return [(probe, [url, *by_proxy])]
    host, port = _door(spec["url"])
    # whatever the certificate: what counts is whether a page comes back
    return [
        (probe, [url, "insecure", f'resolve = "{host}:{port}:{f"[{a}]" if ":" in a else a}"'])
        for a in spec["addresses"]
    ]


def _door(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _judge_page(spec: dict[str, Any], found: list[dict[str, Any] | None]) -> Result:
    fact = found[0]
    if fact is None:
        return unmeasured("no-answer-of-tool", tool="curl")
    seconds = float(fact.get("time_total") or 0)
    if fact.get("exitcode"):
        return failed(
            "no-page", seconds, reason=fact.get("errormsg") or fact["exitcode"], address=fact.get("remote_ip")
        )
    status = fact.get("http_code") or fact.get("response_code")
    if status != spec["status"]:
        return failed("wrong-status", seconds, status=status, wanted=spec["status"])
    if spec.get("location") and fact.get("redirect_url") != spec["location"]:
        return failed("wrong-target", seconds, target=fact.get("redirect_url"), wanted=spec["location"])
    if seconds > SLOW_SECONDS:
        return "warning", seconds, "slow", {"seconds": f"{seconds:.1f}"}
    return passed(seconds, "page", status=status, address=fact.get("remote_ip"))


def _judge_closed(spec: dict[str, Any], found: list[dict[str, Any] | None]) -> Result:
    if any(fact is None for fact in found):
        return unmeasured("no-answer-of-tool", tool="curl")
    for fact in filter(None, found):
        if not fact.get("exitcode") and fact.get("http_code") not in CLOSED:
            return failed("open", None, status=fact.get("http_code"), address=fact.get("remote_ip"))
    return passed(None, "closed")


def _judge_refused(spec: dict[str, Any], found: list[dict[str, Any] | None]) -> Result:
    """The proxy itself says no, on the page that explains why: a 403 of the site behind it is something else. With
    `or_reset` it is as good when there is no connection at all."""
    fact = found[0]
    if fact is None:
        return unmeasured("no-answer-of-tool", tool="curl")
    seconds = float(fact.get("time_total") or 0)
    if fact.get("exitcode"):
        if spec.get("or_reset"):
            return passed(seconds, "closed")
        return failed("no-page", seconds, reason=fact.get("errormsg") or fact["exitcode"])
    status = fact.get("http_code") or fact.get("response_code")
    if status != REFUSED or not fact["proxy_said"].startswith("ERR_GASP"):
        return failed("not-refused", seconds, status=status)
    return passed(seconds, "refused")


def closed_addresses(probes: list[Probe]) -> None:
    """Take out of closed-door probes the addresses that do not even accept a connection, each tried once."""
    doors = [(p["spec"], _door(p["spec"]["url"])[1]) for p in probes if p["kind"] == "http_closed"]
    tried = sorted({(address, port) for spec, port in doors for address in spec["addresses"]})

    def answers(door: tuple[str, int]) -> bool:
        try:
            socket.create_connection(door, CONNECT_SECONDS).close()
        except OSError:
            return False
        return True

    with ThreadPoolExecutor(PARALLEL) as pool:
        reachable = dict(zip(tried, pool.map(answers, tried), strict=True))
    for spec, port in doors:
        spec["addresses"] = [address for address in spec["addresses"] if reachable[address, port]]


# names -------------------------------------------------------------------------------------------------------
def names(probes: list[Probe], options: dict[str, Any]) -> dict[str, Result]:
    """All questions to one server in one dig; servers at the same time."""
    if not probes:
        return {}
    if shutil.which("dig") is None:
        return {probe["id"]: unmeasured("no-tool", tool="dig") for probe in probes}
    servers = sorted({server for probe in probes for server in probe["spec"]["servers"]})
    questions = sorted({(c[0], c[1]) for probe in probes for c in probe["spec"]["checks"]})
    port = options.get("dns_port", 53)
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = dict(zip(servers, pool.map(lambda server: _ask(server, questions, port), servers), strict=True))
    results = {}
    for probe in probes:
        results[probe["id"]] = _judge_names(probe["spec"], answers)
    return results


def _ask(server: str, questions: list[tuple[str, str]], port: int) -> dict[tuple[str, str], Any]:
    """(name, type) -> (status, values) of one server; empty when it does not answer."""
    base = ["dig", "+tries=1", f"+time={DNS_SECONDS}", "+noall", "+comments", "+answer", "+nocookie"]
    base += ["-p", str(port), "@" + server]
    first = list(questions[0])
    status, output = run(base + first, "", DNS_SECONDS + 3)
    if status != 0:
        return {}
    rest = questions[1:]
    if rest:
        status, more = run(
            [*base, "-f", "-"], "".join(f"{name} {rtype}\n" for name, rtype in rest), DNS_SECONDS * 2 + len(rest)
        )
        output += more
    found: dict[tuple[str, str], Any] = {}
    # answers come in the order of the questions; each begins with its header
    sections = re.split(r"^;; ->>HEADER<<- .*status: (\w+),.*$", output, flags=re.M)[1:]
    for question, (code, text) in zip(questions, zip(sections[::2], sections[1::2], strict=True), strict=False):
        rows = [line.split(None, 4) for line in text.splitlines() if line and not line.startswith(";")]
        found[question] = code, sorted(row[4] for row in rows if len(row) == 5 and row[3] == question[1])
    return found if len(sections) // 2 == len(questions) else {q: v for q, v in found.items() if q == questions[0]}


def _judge_names(spec: dict[str, Any], answers: dict[str, dict[tuple[str, str], Any]]) -> Result:
    for server in spec["servers"]:
        if not answers[server]:
            return failed("no-name-server", server=server)
        for name, rtype, wanted in spec["checks"]:
            if (name, rtype) not in answers[server]:
                return failed("no-name-server", server=server)
            status, values = answers[server][name, rtype]
            if wanted is None:
                if status != "NXDOMAIN":
                    return failed("name-known", server=server, name=name, status=status)
            elif status != "NOERROR" or values != sorted(wanted):
                shown = ", ".join(values) or status
                return failed(
                    "wrong-answer", server=server, name=name, type=rtype, found=shown, wanted=", ".join(wanted)
                )
    return passed(None, "names", count=len(spec["checks"]))


# directory and gateway ---------------------------------------------------------------------------------------
def directory(probe: Probe, options: dict[str, Any]) -> Result:
    """A verified TLS connection on which an LDAP server answers a bind."""
    spec, started = probe["spec"], time.monotonic()
    try:
        context = ssl.create_default_context(cafile=options.get("ca_file"))
        address = (options.get("connect_host", spec["host"]), spec["port"])
        with (
            socket.create_connection(address, ANSWER_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=spec["host"]) as secure,
        ):
            secure.sendall(BIND)
            answer = secure.recv(4096)
    except ssl.SSLError as error:
        return failed("bad-tls", reason=error.reason or error)
    except OSError as error:
        return failed("no-connection", reason=error.strerror or error)
    seconds = time.monotonic() - started
    if BIND_RESPONSE not in answer[:8]:
        return failed("no-directory", seconds)
    if seconds > 1:
        return "warning", seconds, "slow", {"seconds": f"{seconds:.1f}"}
    return passed(seconds, "directory")


def ping(probe: Probe, options: dict[str, Any]) -> Result:
    """Every address answers an echo request."""
    if shutil.which("ping") is None:
        return unmeasured("no-tool", tool="ping")
    started = time.monotonic()
    for address in probe["spec"]["addresses"]:
        status, _ = run(["ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "2", address], "", 10)
        if status == 2:
            return unmeasured("no-answer-of-tool", tool="ping")
        if status != 0:
            return failed("no-echo", address=address)
    return passed((time.monotonic() - started) / max(1, len(probe["spec"]["addresses"])), "echo")


def engine(probe: Probe, options: dict[str, Any]) -> Result:
    """The antivirus engine runs and answers. A dead one is not asked: its socket would start it."""
    unit = "clamav-daemon.service"
    if shutil.which("systemctl") and run(["systemctl", "is-active", "--quiet", unit], "", 10)[0]:
        return failed("no-engine", reason=f"{unit} is not active")
    started = time.monotonic()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(ANSWER_SECONDS)
            link.connect(probe["spec"]["socket"])
            link.sendall(b"zPING\0")
            if link.recv(100).startswith(b"PONG"):
                return passed(time.monotonic() - started, "engine")
    except OSError as error:
        return failed("no-engine", reason=error.strerror or error)
    return failed("no-engine", reason="no PONG")


def unreachable(probe: Probe, options: dict[str, Any]) -> Result:
    """No packet reaches the addresses: whatever answers for them is a router that says no. A host that is off cannot
    be told from one that is hidden by a router that keeps silent; one that refuses by itself was reached."""
    for address in probe["spec"]["addresses"]:
        try:
            socket.create_connection((address, probe["spec"]["port"]), CONNECT_SECONDS).close()
        except TimeoutError:
            continue
        except OSError as error:
            if error.errno in STOPPED:
                continue
        return failed("reached", address=address)
    return passed(None, "stopped")


SINGLE: dict[str, Callable[[Probe, dict[str, Any]], Result]] = {
    "directory": directory,
    "ping": ping,
    "unreachable": unreachable,
    "engine": engine,
}


def measure(probes: list[Probe], options: dict[str, Any]) -> dict[str, Result]:
    """Every probe's result, by id."""
    results: dict[str, Result] = {}
    closed_addresses(probes)
    for probe in probes:
        if probe["kind"] == "http_closed" and not probe["spec"]["addresses"]:
            results[probe["id"]] = passed(None, "closed")
    todo = [p for p in probes if p["id"] not in results]
    results.update(pages([p for p in todo if p["kind"] in ("http", "http_closed", "http_refused")], options))
    results.update(names([p for p in todo if p["kind"] == "dns"], options))
    single = [p for p in todo if p["kind"] in SINGLE]
    with ThreadPoolExecutor(PARALLEL) as pool:
        for probe, result in zip(single, pool.map(lambda p: SINGLE[p["kind"]](p, options), single), strict=True):
            results[probe["id"]] = result
    for probe in probes:
        results.setdefault(probe["id"], unmeasured("unknown-kind", kind=probe["kind"]))
    return results


def main(request: str) -> int:
    """Measure what the request says and print the results."""
    data = json.loads(request)
    json.dump(measure(data["probes"], data.get("options", {})), sys.stdout)
    return 0
