"""The proxy file of a department in a real JavaScript engine, and the answer that is given without one: the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from control_plane.model.internet import NetworkPolicy
from control_plane.model.offering import EstateView
from control_plane.offerings.internet import OFFERING
from control_plane.offerings.internet.pac import goes_direct
from control_plane.offerings.internet.resources import network_policy, proxy_policy
from tests.unit.offerings.estates import estate, subscription, tenant

FGW = tenant("fgw", 1)
PROXY = "PROXY gateway.core.qingdao.test:3128"
SPEC = {
    "direct": [
        {"to": ["update.example.test", "203.0.113.0/28"], "ports": "443-444"},
        {"to": ["192.0.2.7"], "ports": "80"},
        {"to": ["udp.example.test"], "protocol": "udp", "ports": "53"},
        {"source": "10.94.1.10", "to": ["one.example.test"], "ports": "443"},
    ]
}
ANSWERS = {
    "http://fgw.qingdao.test/": "DIRECT",
    "https://FGW.Intra.Qingdao.test./x": "DIRECT",
    "http://qingdao.test/": "DIRECT",
    "http://notqingdao.test/": PROXY,
    "http://qingdao.test.example.test/": PROXY,
    "http://printer/": "DIRECT",
    "http://localhost:8080/": "DIRECT",
    "http://127.0.0.1/": "DIRECT",
    "http://[::1]/": "DIRECT",
    "http://10.94.1.10/": "DIRECT",
    "http://10.95.1.10/": PROXY,
    "http://10.128.0.1/": "DIRECT",
    "http://[fd94:0:2:7::10]/": "DIRECT",
    "http://[FD94:0000:0:00e7::10]/": "DIRECT",
    "http://[fd94::1]/": "DIRECT",
    "http://[fd94::10.94.1.10]/": "DIRECT",
    "http://[fd94:0:ffff:ffff:ffff:ffff:ffff:ffff]/": "DIRECT",
    "http://[fd94:1::10]/": PROXY,
    "http://[fd94:8000:0:7::10]/": PROXY,
    "http://[fd94:0f::]/": PROXY,
    "http://[fd93:ffff::1]/": PROXY,
    "http://[::fd94:0:0:1]/": PROXY,
    "http://[0:fd94::1]/": PROXY,
    "http://[fd9:4::1]/": PROXY,
    "http://[0:0:0:0:0:0:0:1]/": "DIRECT",
    "http://[2001:db8::1]/": PROXY,
    "http://why.intra.qingdao.test/": "DIRECT",
    "http://refused.why.intra.qingdao.test/": PROXY,
    "https://www.example.test/": PROXY,
    "https://update.example.test/": "DIRECT",
    "https://update.example.test:445/": PROXY,
    "http://update.example.test/": PROXY,
    "https://x.update.example.test/": PROXY,
    "https://203.0.113.15/": "DIRECT",
    "https://203.0.113.16/": PROXY,
    "http://192.0.2.7/": "DIRECT",
    "http://192.0.2.70/": PROXY,
    "https://udp.example.test:53/": PROXY,
    "https://one.example.test/": PROXY,
    "https://user:a@update.example.test/": "DIRECT",
    "http://10.94.1.10.example.test/": PROXY,
    "http://xn--efvy88h.example.test/": PROXY,
    "http://1.2.3.4.5/": PROXY,
}


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-component-update", "--disable-background-networking"],
        )
        yield browser.new_page()
        browser.close()


@pytest.fixture(scope="module")
def policy() -> tuple[NetworkPolicy, str, EstateView]:
    view, centre = subscription(OFFERING, FGW, SPEC), replace(estate([FGW, tenant("gaj", 7)]))
    return network_policy(view, centre), proxy_policy(view, centre)["pac"], centre


def test_the_file_says_what_it_should_and_what_we_say_it_does(
    browser_page: Page, policy: tuple[NetworkPolicy, str, EstateView]
) -> None:
    network, text, centre = policy
    ask = """([text, urls]) => { const f = new Function(text + "; return FindProxyForURL;")();
             return urls.map(([url, host]) => f(url, host)); }"""
    urls = [[url, (urlsplit(url).hostname or "").strip("[]")] for url in ANSWERS]
    found = dict(zip(ANSWERS, browser_page.evaluate(ask, [text, urls]), strict=True))
    assert found == ANSWERS
    known = {url: goes_direct(network, centre, url) for url in ANSWERS if url != "http://1.2.3.4.5/"}
    assert known == {url: ANSWERS[url] == "DIRECT" for url in known}


def test_the_file_is_plain_old_script(policy: tuple[NetworkPolicy, str, EstateView]) -> None:
    _, text, _ = policy
    for modern in ("=>", "const ", "let ", "`", "isInNet", "dnsResolve"):
        assert modern not in text
