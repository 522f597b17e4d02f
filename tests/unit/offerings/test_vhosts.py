"""Rendered vhosts against a real nginx on loopback: its own check for all sites, and what a visitor gets."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.drivers.authority import Authority
from control_plane.offerings import discover
from control_plane.offerings._site import starter
from control_plane.offerings._site.vhost import PAGES, Vhost
from tests.ports import free_port
from tests.unit.offerings.estates import estate, reference_estate, reference_subscriptions, subscription, tenant
from tests.waiting import wait_until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx"
OFFERINGS = discover()
CONF = """
{user} daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log {level};
events {{ worker_connections 256; }}
http {{
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  types {{ text/html html; text/css css; image/svg+xml svg; }}
  charset utf-8; log_format site '$remote_addr [$time_iso8601] "$request" $status';
  access_log off; server_names_hash_max_size 65536; server_names_hash_bucket_size 512;
  include sites-enabled/*.conf;
}}
"""


@dataclass
class Prefix:
    """A private nginx tree; `port(443)` is the loopback port that stands for it."""

    root: Path
    ports: dict[int, int]

    def write(self, main: str, text: str) -> None:
        text = text.replace("/var/log/nginx/sites", f"{self.root}/logs").replace("/srv/sites", f"{self.root}/sites")
        for port, free in self.ports.items():
            text = text.replace(f"listen {port}", f"listen 127.0.0.1:{free}").replace(
                f"listen [::]:{port}", f"listen [::1]:{free}"
            )
        (self.root / "sites-enabled" / f"{main}.conf").write_text(text)
        for suffix in ("crt", "key"):
            link = self.root / "tls" / f"{main}.{suffix}"
            if not link.exists():
                link.symlink_to(f"any.{suffix}")

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        argv = [
            NGINX,
            "-p",
            str(self.root),
            "-c",
            str(self.root / "nginx.conf"),
            "-e",
            str(self.root / "start.log"),
            *options,
        ]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    for name in ("sites-enabled", "tls", "logs", "sites"):
        (tmp_path / name).mkdir()
    authority = Authority(tmp_path / "state")
    authority.create(datetime.now(UTC))
    certificate, key = authority.server_certificate(["any.test"], [], datetime.now(UTC))
    shutil.copy(certificate, tmp_path / "tls/any.crt")
    shutil.copy(key, tmp_path / "tls/any.key")
    (tmp_path / "nginx.conf").write_text(
        CONF.format(root=tmp_path, level="notice", user="user root;" if os.geteuid() == 0 else "")
    )
    return Prefix(tmp_path, {port: free_port() for port in (443, 80)})


def test_nginx_accepts_all_sites_of_the_reference_estate(prefix: Prefix) -> None:
    world, documents = reference_estate()
    count = 0
    for offering_id in ("public_site", "intranet"):
        offering = OFFERINGS[offering_id]
        assert offering.desired is not None
        for view in reference_subscriptions(offering, world, documents):
            for resource in offering.desired(view, world):
                if resource.kind == "web.vhost":
                    count += 1
                    prefix.write(resource.payload["main"], resource.payload["text"])
    assert count == 138
    done = prefix.run("-t")
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
    for path in (prefix.root / "sites-enabled").iterdir():
        text = path.read_text()
        assert text.startswith("# managed by gasp: owner=t_")
        assert len([line for line in text.splitlines() if line.startswith("#")]) == 1


def test_nginx_accepts_the_longest_names_and_every_state(prefix: Prefix) -> None:
    owner = tenant("szb", 3)
    world = estate([owner])
    offering = OFFERINGS["public_site"]
    assert offering.desired is not None
    long = [f"{'a' * 55}{i:05d}.{'n' * 60}.{'n' * 60}.szb.qingdao.test" for i in range(40)]
    longest = ".".join(["m" * 63] * 3) + ".szb.qingdao.test"
    names = {"main": f"{'x' * 63}.{'y' * 63}.{'z' * 40}.szb.qingdao.test", "aliases": [*long, longest[-253:]]}
    for maintenance in (False, True):
        spec = {"sites": [{"title": {"zh": "站", "en": "S"}, "names": names, "maintenance": maintenance}]}
        (vhost,) = [r for r in offering.desired(subscription(offering, owner, spec), world) if r.kind == "web.vhost"]
        for text in (vhost.payload["text"], vhost.payload["gone_text"]()):
            prefix.write(vhost.payload["main"], text)
            done = prefix.run("-t")
            assert done.returncode == 0, done.stderr
            assert "warn" not in done.stderr


VHOST = Vhost(
    id="web:web/vhost/szb.qingdao.test",
    owner="t_szb/public_site",
    main="szb.qingdao.test",
    names=("szb.qingdao.test", "www.szb.qingdao.test"),
    site_dir="t_szb/szb.qingdao.test",
    rate=20,
)


@dataclass
class Visitor:
    prefix: Prefix

    def get(self, host: str, path: str = "/", port: int = 443) -> tuple[int, dict[str, str], str]:
        if port == 443:
            context = ssl.create_default_context(cafile=str(self.prefix.root / "state/ca/ca.pem"))
            context.check_hostname = False
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.prefix.ports[443], timeout=20, context=context
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.prefix.ports[80], timeout=20)
        try:
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", host)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()


def content(root: Path) -> None:
    release = root / "sites/t_szb/szb.qingdao.test/releases/r1"
    release.mkdir(parents=True)
    (release / "index.html").write_text("home")
    (release / "404.html").write_text("own page")
    (release / ".env").write_text("secret")
    (release / "a").mkdir()
    (release / "a" / "index.html").write_text("below")
    (release / "a" / ".git").mkdir()
    (release / "a" / ".git" / "config").write_text("secret")
    (release / ".well-known").mkdir()
    (release / ".well-known" / "x.html").write_text("known")
    (release / "link.html").symlink_to("/etc/passwd")
    (release.parents[1] / "current").symlink_to("releases/r1")


@pytest.fixture
def serve(prefix: Prefix) -> Iterator[tuple[Prefix, Visitor]]:
    content(prefix.root)
    prefix.write(VHOST.main, VHOST.text())
    shut = replace(
        VHOST,
        id="web:web/vhost/shut.qingdao.test",
        main="shut.qingdao.test",
        names=("shut.qingdao.test",),
        networks=("10.94.3.0/24", "fd94:0:2:3::/64"),
    )
    prefix.write("shut.qingdao.test", shut.text())
    prefix.write(
        "shutm.qingdao.test",
        replace(shut, main="shutm.qingdao.test", names=("shutm.qingdao.test",), state="maintenance").text(),
    )
    prefix.write(
        "shutg.qingdao.test",
        replace(shut, main="shutg.qingdao.test", names=("shutg.qingdao.test",), state="gone").text(),
    )
    prefix.write(
        "away.qingdao.test",
        replace(VHOST, main="away.qingdao.test", names=("away.qingdao.test",), state="maintenance").text(),
    )
    prefix.write(
        "gone.qingdao.test", replace(VHOST, main="gone.qingdao.test", names=("gone.qingdao.test",), state="gone").text()
    )
    prefix.write(
        "slow.qingdao.test", replace(VHOST, main="slow.qingdao.test", names=("slow.qingdao.test",), rate=1).text()
    )
    done = prefix.run("-t")
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [NGINX, "-p", str(prefix.root), "-c", str(prefix.root / "nginx.conf"), "-e", str(prefix.root / "start.log")]
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", prefix.ports[443])) == 0

    try:
        wait_until(listens, 60, "nginx listens")
        yield prefix, Visitor(prefix)
    finally:
        process.terminate()
        process.wait(20)


def test_what_a_visitor_gets(serve: tuple[Prefix, Visitor]) -> None:
    prefix, visitor = serve
    main, alias = VHOST.names
    status, headers, body = visitor.get(main)
    assert (status, body) == (200, "home")
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["server"] == "nginx"
    assert headers["content-type"] == "text/html"  # a page says its own character set; many are GB 2312
    assert "link" not in headers
    status, headers, body = visitor.get(alias, "/a/?q=1")
    assert (status, body) == (200, "below")
    assert headers["link"] == '<https://szb.qingdao.test/a/?q=1>; rel="canonical"'
    assert visitor.get(main, "/a")[0] == 301
    status, headers, _ = visitor.get(alias, "/a/?q=1", port=80)
    assert (status, headers["location"]) == (301, "https://www.szb.qingdao.test/a/?q=1")
    assert visitor.get(main, "/nothing")[2] == "own page"
    for hidden in ("/.env", "/a/.git/config", "/%2eenv", "/a/..%2f.env", "/a//.git/config"):
        status, _, body = visitor.get(main, hidden)
        assert status == 404, hidden
        assert "secret" not in body
    assert visitor.get(main, "/.well-known/x.html")[2] == "known"
    assert visitor.get(main, "/link.html")[0] in (403, 404)
    assert visitor.get(main, "/%0d%0aset-cookie:x=1")[1].get("set-cookie") is None
    log = prefix.root / "logs" / f"{main}.access.log"
    wait_until(lambda: "GET /a/?q=1" in log.read_text(), 60, "the site's own log has the request")


def test_maintenance_gone_and_closed(serve: tuple[Prefix, Visitor]) -> None:
    _, visitor = serve
    status, headers, body = visitor.get("away.qingdao.test", "/any")
    assert (status, headers["retry-after"]) == (503, "3600")
    assert body == PAGES[503]
    assert visitor.get("away.qingdao.test", port=80)[0] == 301
    for port in (80, 443):
        status, _, body = visitor.get("gone.qingdao.test", "/any", port=port)
        assert (status, body) == (410, PAGES[410])
        for shut in ("shut", "shutm", "shutg"):
            assert visitor.get(f"{shut}.qingdao.test", port=port)[0] == 403


def test_requests_over_the_quota_are_told_so(serve: tuple[Prefix, Visitor]) -> None:
    _, visitor = serve
    codes = [visitor.get("slow.qingdao.test")[0] for _ in range(10)]
    assert codes[:3] == [200, 200, 200]
    assert 429 in codes
    assert visitor.get(VHOST.main)[0] == 200  # a neighbour has its own quota


@settings(derandomize=True, deadline=None, max_examples=200)
@given(value=st.text(st.sampled_from("ab1.;{}$'\"\\ \n\t#%/:-京"), min_size=1, max_size=12))
def test_no_value_can_end_a_line_or_a_directive(value: str) -> None:
    allowed = set("ab1./:-")
    for field in ("main", "site_dir", "owner", "id"):
        vhost = replace(VHOST, **{field: value})  # type: ignore[arg-type]
        if set(value) <= allowed:
            assert value in vhost.text()
        else:
            with pytest.raises(ValueError, match="cannot stand"):
                vhost.text()
    if not set(value) <= allowed:
        with pytest.raises(ValueError, match="cannot stand"):
            replace(VHOST, names=(VHOST.main, value)).text()
        with pytest.raises(ValueError, match="cannot stand"):
            replace(VHOST, networks=(value,)).text()


def test_pages_hold_nothing_that_means_something_to_nginx() -> None:
    for page in PAGES.values():
        assert not set(page) & set("'\\$")
        assert len(page.encode()) < 4000


def test_starter_ids_follow_their_inputs() -> None:
    inputs = {"kind": "public_site", "main": "a.test", "marks": {"organiser": "局"}}
    assert starter.release_id(inputs) == starter.release_id(dict(reversed(inputs.items())))
    assert starter.release_id(inputs) != starter.release_id({**inputs, "main": "b.test"})
