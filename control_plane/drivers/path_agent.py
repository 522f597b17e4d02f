"""Runs ON a machine of a tenant, sent over SSH: opens one URL with the machine's own resolver and curl.

Standard library of Python 3.11 only; imports nothing of ours. Changes nothing; prints one JSON object. The URL
reaches curl through its configuration on standard input, never a command line.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 20
CONNECT_SECONDS = 8
MOST_OCTETS = 2**20


def resolve(url: str) -> tuple[list[str], str | None]:
    """Addresses of the URL's host by this machine's resolver, or why there are none."""
    host = urlsplit(url).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return [], error.strerror or str(error)
    return sorted({str(entry[4][0]) for entry in found}), None


def quoted(text: str) -> str:
    """A string of curl's configuration."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def curl(url: str, proxy: str | None, body: Path) -> dict[str, Any]:
    """curl's own facts of the transfer, and what a proxy of the centre said."""
    lines = ["silent", "disable", f"connect-timeout = {CONNECT_SECONDS}", f"max-time = {SECONDS}"]
    lines += [f"output = {quoted(str(body))}", f"max-filesize = {MOST_OCTETS * 64}", f"url = {quoted(url)}"]
    lines += [f"proxy = {quoted(proxy)}" if proxy else 'noproxy = "*"']
    lines += ['write-out = "%header{x-squid-error} %{json}\\n"', "globoff"]
    text = "\n".join(lines) + "\n"
    argv = ["curl", "--disable", "--config", "-"]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=SECONDS + 10, check=False)
    said, _, rest = done.stdout.partition("{")
    try:
        facts: dict[str, Any] = json.loads("{" + rest)
    except ValueError:
        return {"errormsg": done.stderr.strip() or f"curl ended with {done.returncode}", "exitcode": done.returncode}
    return {**facts, "proxy_said": said.strip()}


def title_of(body: Path) -> str | None:
    """The title of the page, as its reader sees it."""
    try:
        text = body.read_bytes()[:MOST_OCTETS].decode("utf-8", "replace")
    except OSError:
        return None
    match = re.search(r"<title[^>]*>(.{1,200}?)</title>", text, re.I | re.S)
    return " ".join(match[1].split()) if match else None


def last_refusal(why_url: str, host: str) -> dict[str, Any] | None:
    """What the gateway says of the newest refusal of this machine for this host."""
    argv = ["curl", "--disable", "--silent", "--noproxy", "*", "--max-time", "8", f"{why_url}refusals.json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    try:
        rows = json.loads(done.stdout)["refusals"]
    except (ValueError, KeyError, TypeError):
        return None
    return next((row for row in rows if row["host"] == host), None)


def main(request: str) -> int:
    """Ask and print."""
    asked = json.loads(request)
    url, proxy = asked["url"], asked["proxy"]
    if shutil.which("curl") is None:
        print("this machine has no curl", file=sys.stderr)
        return 3
    addresses, fault = resolve(url)
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        facts = curl(url, f"http://{proxy}" if proxy else None, body)
        title = title_of(body)
    refused = bool(proxy) and 403 in (facts.get("http_code"), facts.get("http_connect"))
    answer = {
        "addresses": addresses,
        "resolve_error": fault,
        "status": facts.get("http_code") or None,
        "connect_status": facts.get("http_connect") or None,
        "error": facts.get("errormsg") if facts.get("exitcode") else None,
        "seconds": facts.get("time_total"),
        "remote": facts.get("remote_ip") or None,
        "proxy_said": facts.get("proxy_said") or None,
        "title": title,
        "refusal": last_refusal(asked["why_url"], urlsplit(url).hostname or "") if refused else None,
    }
    json.dump(answer, sys.stdout)
    return 0
