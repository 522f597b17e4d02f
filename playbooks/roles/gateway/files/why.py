"""Runs ON the gateway: tells the machine that asks why the proxy refused it something, and gives it its proxy file.
With `--tenant` it tells the centre, once, what was refused to all machines of one department, without their addresses.

Standard library of Python 3.11 only; imports nothing of ours. Reads the proxy's log and the rules that the control
plane wrote; writes nothing, opens no connection, and answers each machine about itself alone. What comes out of the
log was typed by somebody outside: it is shown as text and never as a link or markup.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import os
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

CENTRE_TIME = timezone(timedelta(hours=8))
#: What is shown: this many hosts, of the newest so many refusals.
MOST_HOSTS, MOST_REFUSALS = 20, 500
#: How much of the log is searched, newest first; a busy centre writes this in some minutes.
MOST_OCTETS = 16 * 2**20
CHUNK = 2**18
COLUMNS = 14
#: What decided when no rule of a list did. The part before `-` or `/` may be a tenant's code.
FIXED = {
    "off": ("本单位的互联网接入已关闭", "Internet access of your department is switched off"),
    "otherwise": ("本单位只开放规则中列出的网站", "Your department opens only the sites that its rules name"),
    "ports": ("代理只开放网页所用的端口", "The proxy opens the ports of web pages only"),
    "inside": ("内部地址不经代理访问", "Addresses inside are not opened by the proxy"),
    "none": ("本机不属于任何已接入的单位", "This machine belongs to no department with internet access"),
    "unknown": ("本机不属于任何已接入的单位", "This machine belongs to no department with internet access"),
}
CATEGORIES = {
    "malware": ("恶意网站", "malware"),
    "gambling": ("赌博", "gambling"),
    "adult": ("成人内容", "adult content"),
    "video": ("视频", "video"),
}
DAYS = dict(
    zip("MTWHFAS", zip("一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True), strict=True)
)

Address = IPv4Address | IPv6Address
Policy = Mapping[str, Any]


# what happened -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Refusal:
    """Requests for one host that one rule refused, `count` of them, the newest at `at`. `rule` is the id that the proxy
    noted."""

    at: datetime
    host: str
    encrypted: bool
    rule: str
    count: int = 1


def plain(address: str) -> Address:
    """The address of a socket or a line; an IPv4 address in IPv6 clothes is itself."""
    found = ip_address(address.partition("%")[0])
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def lines_backwards(path: Path, most: int = MOST_OCTETS) -> Iterator[bytes]:
    """Whole lines of a file, last first, at most `most` octets of it. A file that is not there has none."""
    try:
        with path.open("rb") as file:
            position = file.seek(0, os.SEEK_END)
            rest = b""
            while position > 0 and most > 0:
                size = min(CHUNK, position)
                position -= size
                most -= size
                file.seek(position)
                parts = (file.read(size) + rest).split(b"\n")
                rest = parts[0]
                yield from reversed(parts[1:])
            if position == 0 and rest:
                yield rest
    except FileNotFoundError:
        return


def addresses_of(client: Address) -> frozenset[Address]:
    """The addresses of the machine that has this one: a browser may ask the proxy by IPv4 and this page by IPv6. The
    gateway is every network's router, so its neighbours tell; without an entry it is the one address."""
    try:
        done = subprocess.run(["ip", "-j", "neigh", "show"], capture_output=True, timeout=3, check=True)
        rows = [(row["dev"], row["lladdr"], plain(row["dst"])) for row in json.loads(done.stdout) if "lladdr" in row]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        print(f"neighbours not read: {error}", file=sys.stderr)
        rows = []
    cards = {(dev, card) for dev, card, address in rows if address == client}
    return frozenset([client, *(address for dev, card, address in rows if (dev, card) in cards)])


def refusals(log: Path, mine: Callable[[Address], bool]) -> list[Refusal]:
    """The last refusals of those addresses by host and rule, newest first; the log before its last rotation is read
    too."""
    found: dict[tuple[str, str, bool], Refusal] = {}
    seen = 0
    for path in (log, log.with_name(log.name + ".1")):
        for line in lines_backwards(path):
            one = _refusal(line.decode("utf-8", "replace").split("\t"), mine)
            if one is None:
                continue
            key = (one.host, one.rule, one.encrypted)
            if key not in found and len(found) == MOST_HOSTS:
                return list(found.values())
            before = found.get(key)
            found[key] = replace(before, count=before.count + 1) if before else one
            seen += 1
            if seen == MOST_REFUSALS:
                return list(found.values())
    return list(found.values())


def _refusal(row: list[str], mine: Callable[[Address], bool]) -> Refusal | None:
    if len(row) < COLUMNS or not row[10].startswith("TCP_DENIED") or row[13] in ("", "-"):
        return None
    try:
        if not mine(plain(row[1])):
            return None
        at = datetime.fromtimestamp(float(row[0]), UTC)
    except ValueError:
        return None
    return Refusal(at, host_of(row[7], unquote(row[8])), row[7] == "CONNECT", unquote(row[13]))


def host_of(method: str, url: str) -> str:
    """The host of a request; of an encrypted one the proxy knows no more than that."""
    try:
        host = (urlsplit(f"//{url}") if method == "CONNECT" else urlsplit(url)).hostname or url
    except ValueError:
        host = url
    return host[:253]


# what the rules say --------------------------------------------------------------------------------------------
class Rules:
    """What the control plane wrote of each tenant: `CODE/why.json` below a folder; looked at again after a second."""

    FRESH_SECONDS = 1.0

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock, self._at = folder, threading.Lock(), float("-inf")
        self._files: dict[Path, tuple[tuple[int, int, int], Policy | None]] = {}

    def tenants(self) -> list[Policy]:
        """Policies of all tenants. A file that cannot be read counts as not there, and is told once."""
        with self._lock:
            if time.monotonic() - self._at > self.FRESH_SECONDS:
                self._files = {path: self._read(path) for path in self._folder.glob("*/why.json")}
                self._at = time.monotonic()
            return [policy for _, policy in self._files.values() if policy is not None]

    def _read(self, path: Path) -> tuple[tuple[int, int, int], Policy | None]:
        try:
            stat = path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            known = self._files.get(path)
            return known if known is not None and known[0] == seen else (seen, json.loads(path.read_text("utf-8")))
        except (OSError, ValueError) as error:
            if path not in self._files or self._files[path][1] is not None:
                print(f"{path} cannot be read: {error}", file=sys.stderr)
            return (0, 0, 0), None

    def tenant_of(self, client: Address) -> Policy | None:
        """The policy of the network that an address lies in."""
        key = "v4" if client.version == 4 else "v6"
        return next((p for p in self.tenants() if client in ip_network(p[key])), None)


@dataclass(frozen=True)
class Explained:
    """A rule in the words of the page, each in Chinese and English."""

    rule: str
    owner: tuple[str, str]
    since: str
    reason: tuple[str, str]
    what: tuple[str, str]
    centre: bool


def explain(rule: str, policy: Policy | None) -> Explained:
    """Whose a rule is, since when and why; a rule that is gone meanwhile is said to be gone."""
    own = (policy["name_zh"], policy["name_en"]) if policy else ("", "")
    for row in policy["rules"] if policy else ():
        if row["id"] == rule:
            centre = row["owner"] == "centre"
            owner = ("计算机中心（全网统一）", "The computer centre, for everybody") if centre else own
            return Explained(rule, owner, row["since"], (row["reason_zh"], row["reason_en"]), _what(row), centre)
    word = rule.replace("/", "-").rpartition("-")[2]
    if word in FIXED:
        centre = word not in ("off", "otherwise")
        return Explained(
            rule, ("计算机中心", "The computer centre") if centre else own, "", FIXED[word], ("", ""), centre
        )
    gone = ("这条规则已经变更或撤销，请再试一次", "This rule has been changed or removed since; please try again")
    return Explained(rule, ("", ""), "", gone, ("", ""), False)


def _what(row: Mapping[str, Any]) -> tuple[str, str]:
    zh, en = CATEGORIES.get(row["category"] or "", ("", ""))
    zh, en = (f"类别：{zh}", f"Category: {en}") if zh else ("", "")
    hours = row["hours"]
    if hours:
        days = [DAYS[d] for d in hours["days"] if d in DAYS]
        span = f"{hours['begin']}–{hours['end']}"
        row_of_days = len(days) > 2 and hours["days"] in "MTWHFAS"
        days_zh = f"周{days[0][0]}至周{days[-1][0]}" if row_of_days else f"周{'、'.join(d[0] for d in days)}"
        days_en = f"{days[0][1]}–{days[-1][1]}" if row_of_days else ", ".join(d[1] for d in days)
        zh = "；".join(filter(None, (zh, f"时段：{days_zh} {span}")))
        en = "; ".join(filter(None, (en, f"{days_en} {span}")))
    return zh, en


# the page ------------------------------------------------------------------------------------------------------
STYLE = """
:root{color-scheme:light dark;--ground:#f4f6f8;--card:#fff;--ink:#1b2733;--soft:#55636f;--line:#d5dce3;--mark:#12558c;
--stop:#9b1c1c;--stop-ground:#fdf0ef}
@media (prefers-color-scheme:dark){:root{--ground:#12181e;--card:#1b232b;--ink:#e8edf2;--soft:#a4b1bd;--line:#34404c;
--mark:#7fb8ea;--stop:#f5a3a0;--stop-ground:#3a2020}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.6 system-ui,"Noto Sans CJK SC",
"WenQuanYi Micro Hei","Microsoft YaHei",sans-serif}
main,header>div,footer{max-width:60rem;margin:0 auto;padding:0 1.25rem}
header{background:var(--card);border-bottom:1px solid var(--line);padding:1.5rem 0}
h1{font-size:1.6rem;line-height:1.3;margin:0}h2{font-size:1.2rem;margin:2rem 0 .75rem}
[lang=en]{color:var(--soft)}h1 [lang=en],h2 [lang=en]{font-weight:400;font-size:.75em;margin-left:.5em}
.facts{margin:.75rem 0 0;color:var(--soft)}.facts b{color:var(--ink)}
article{background:var(--card);border:1px solid var(--line);border-left:.3rem solid var(--stop);border-radius:.4rem;
padding:1rem 1.25rem;margin:0 0 1rem}
article h3{margin:0;font-size:1.15rem;overflow-wrap:anywhere}article time,.kind{color:var(--soft);font-size:.9rem}
.reason{margin:.6rem 0;padding:.6rem .8rem;background:var(--stop-ground);border-radius:.3rem}
.reason p{margin:0}.reason p:first-child{color:var(--stop);font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.25rem;margin:.5rem 0 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
code{font:.95em ui-monospace,"DejaVu Sans Mono",monospace}
.card{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.75rem 1.25rem}
.card p{margin:.4rem 0}a{color:var(--mark)}
footer{color:var(--soft);font-size:.9rem;padding:1.5rem 1.25rem 2.5rem}
@media (max-width:40rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}
h1 [lang=en],h2 [lang=en]{display:block;margin:0}}
"""
STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def both(zh: str, en: str, tag: str = "p") -> str:
    """The same in both languages; both are text, not markup."""
    return f'<{tag}>{html.escape(zh)}</{tag}><{tag} lang="en">{html.escape(en)}</{tag}>'


def heading(zh: str, en: str) -> str:
    """A heading of a part."""
    return f'<h2>{html.escape(zh)} <span lang="en">{html.escape(en)}</span></h2>'


def document(title: str, head: str, body: str) -> bytes:
    """A whole page."""
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<header><div>{head}</div></header><main>{body}</main>"
        '<footer>本页只显示本机的记录。 <span lang="en">This page shows this machine only.</span></footer>'
        "</body></html>"
    ).encode()


def page(client: Address, policy: Policy | None, found: list[Refusal]) -> bytes:
    """What this machine was refused, and what to do about it."""
    where = html.escape(f"{policy['name_zh']} · {policy['name_en']}") if policy else "未知网络 · unknown network"
    head = (
        '<h1>为什么打不开？<span lang="en">Why does it not open?</span></h1>'
        f'<p class="facts">本机 <span lang="en">this machine</span> <b><code>{client}</code></b> · {where}</p>'
    )
    body = ""
    if policy and policy.get("enabled") is False:  # the proxy does not even listen to it, so nothing is in its log
        body = f'<article><div class="reason">{both(*FIXED["off"])}</div></article>'
    if found:
        body += heading("最近被拦截的访问", "What was refused lately")
        body += "".join(article(refusal, policy) for refusal in found)
    elif not body:
        body = heading("没有被拦截的访问", "Nothing was refused")
        body += '<div class="card">' + both(
            "最近没有来自本机的访问被代理拦截。如果网页仍然打不开，可能是网站本身的故障，或浏览器没有使用代理配置。",
            "The proxy has refused nothing of this machine lately. If a page still does not open, the site itself may "
            "be down, or the browser does not use the proxy configuration.",
        ) + "</div>"  # fmt: skip
    return document("为什么打不开？ · Why does it not open?", head, body + exception(policy))


def article(refusal: Refusal, policy: Policy | None) -> str:
    """One refusal."""
    said = explain(refusal.rule, policy)
    local = refusal.at.astimezone(CENTRE_TIME)
    rows = [
        ("规则", "Rule", f"<code>{html.escape(said.rule)}</code>"),
        ("制定者", "Whose", _pair(*said.owner)),
        ("自", "Since", html.escape(said.since)),
        ("适用", "Applies to", _pair(*said.what)),
    ]
    facts = "".join(f'<dt>{zh} <span lang="en">{en}</span></dt><dd>{value}</dd>' for zh, en, value in rows if value)
    kind = "HTTPS" if refusal.encrypted else "HTTP"
    times = f' · {refusal.count} 次 <span lang="en">times</span>' if refusal.count > 1 else ""
    return (
        f"<article><h3>{html.escape(readable(refusal.host))}</h3>"
        f'<time datetime="{local.isoformat(timespec="seconds")}">{local:%Y-%m-%d %H:%M:%S}</time>'
        f'<span class="kind"> · {kind}{times}</span>'
        f'<div class="reason">{both(*said.reason)}</div><dl>{facts}</dl></article>'
    )


def readable(host: str) -> str:
    """A Chinese name as it is typed, with what the proxy saw behind it."""
    try:
        shown = host.encode("ascii").decode("idna") if "xn--" in host else host
    except UnicodeError:
        return host
    return host if shown == host or not shown.isprintable() else f"{shown} ({host})"


def _pair(zh: str, en: str) -> str:
    return f'{html.escape(zh)} <span lang="en">{html.escape(en)}</span>' if zh or en else ""


def exception(policy: Policy | None) -> str:
    """How to ask for an exception."""
    contact = policy["contact"] if policy else {}
    ways = [contact.get(key) for key in ("name", "phone", "email")]
    text = heading("怎样申请放行", "How to ask for an exception") + '<div class="card">'
    if any(ways):
        text += f"<p><b>{html.escape(' · '.join(filter(None, ways)))}</b></p>"
    text += both(
        "请联系本单位的网络联系人，说明网站、规则编号和用途。本单位的规则由本单位决定；全网统一的规则由本单位向计算机中心提出。",
        "Tell your department's network contact the site, the rule's id and what you need it for. Your department "
        "decides about its own rules; about the centre's rules it asks the computer centre.",
    )  # fmt: skip
    return text + "</div>"


def as_json(client: Address, policy: Policy | None, found: list[Refusal]) -> bytes:
    """The same for programs."""
    who = {"client": str(client), "tenant": policy["tenant"] if policy else None}
    who["enabled"] = policy.get("enabled") if policy else None
    return json.dumps({**who, "refusals": rows_of(policy, found)}, ensure_ascii=False).encode()


def rows_of(policy: Policy | None, found: list[Refusal]) -> list[dict[str, Any]]:
    """Refusals with what their rules say."""
    return [
        {
            "at": r.at.isoformat(),
            "host": r.host,
            "encrypted": r.encrypted,
            "count": r.count,
            "rule": r.rule,
            "owner": said.owner[1],
            "since": said.since,
            "reason_zh": said.reason[0],
            "reason_en": said.reason[1],
        }
        for r in found
        for said in [explain(r.rule, policy)]
    ]


def tell(tenant: str, rules: Rules, log: Path) -> int:
    """Print what was refused to a department's network; 1 when that cannot be said."""
    policy = next((p for p in rules.tenants() if p["tenant"] == tenant), None)
    if policy is None or not log.exists():
        print(f"{log} is not there" if policy else f"no rules of {tenant} are in force here", file=sys.stderr)
        return 1
    networks = [ip_network(policy[key]) for key in ("v4", "v6")]
    found = refusals(log, lambda address: any(address in network for network in networks))
    print(json.dumps({"tenant": tenant, "refusals": rows_of(policy, found)}, ensure_ascii=False))
    return 0


# the server ----------------------------------------------------------------------------------------------------
class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of three things; whatever else is not there."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "gasp-why", ""
    timeout = 10

    def __init__(self, *arguments: Any, rules: Rules, log: Path) -> None:
        self.rules, self.proxy_log = rules, log
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer the machine that asks about itself."""
        client = plain(self.client_address[0])
        policy = self.rules.tenant_of(client)
        path = self.path.partition("?")[0]
        if path == "/proxy.pac":
            if policy is None:
                self.answer(403, "text/plain; charset=utf-8", "此网络未接入。\nThis network has no access.\n".encode())
            else:
                self.answer(200, "application/x-ns-proxy-autoconfig", policy["pac"].encode())
        elif path in ("/", "/refusals.json"):
            found = refusals(self.proxy_log, addresses_of(client).__contains__)
            if path == "/":
                self.answer(200, "text/html; charset=utf-8", page(client, policy, found))
            else:
                self.answer(200, "application/json", as_json(client, policy, found))
        else:
            head = '<h1>没有这个页面 <span lang="en">There is no such page</span></h1>'
            body = '<p><a href="/">为什么打不开？ · Why does it not open?</a></p>'
            self.answer(404, "text/html; charset=utf-8", document("没有这个页面 · Not found", head, body))

    do_HEAD = do_GET

    def answer(self, status: int, kind: str, body: bytes) -> None:
        """One whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is kept of who asks."""


class Server(ThreadingHTTPServer):
    """At most `MOST` requests at a time; a connection beyond waits in the kernel's queue."""

    MOST = 32
    daemon_threads = True

    def __init__(self, address: str, port: int, handler: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._places = threading.BoundedSemaphore(self.MOST)
        super().__init__((address, port), handler)

    def server_bind(self) -> None:
        """Bind without asking for the host's name."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a place first."""
        self._places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give it back at the end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's fault."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main(arguments: list[str]) -> int:
    """Serve until stopped, or tell of one department."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--rules", type=Path, required=True)
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--tenant", help="print its refusals as JSON and end")
    parser.add_argument("addresses", nargs="*")
    given = parser.parse_args(arguments)
    if given.tenant is not None:
        return tell(given.tenant, Rules(given.rules), given.log)
    handler = partial(Handler, rules=Rules(given.rules), log=given.log)
    servers = [Server(address, given.port, handler) for address in given.addresses]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
