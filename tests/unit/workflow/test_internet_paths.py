"""Addresses that can be tested, and what is said of what a machine saw."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.model.errors import Rejected
from control_plane.model.internet import Hours
from control_plane.offerings.internet import OFFERING
from control_plane.workflow.internet import _judged, checked_url
from tests.unit.offerings.estates import estate, subscription, tenant

WHY = "http://why.intra.qingdao.test/"
SEEN: dict[str, Any] = {
    "addresses": ["192.0.2.7"], "resolve_error": None, "status": 200, "connect_status": None, "error": None,
    "seconds": 0.1, "remote": "10.94.0.254", "proxy_said": None, "title": None, "refusal": None,
}  # fmt: skip
HOURS: dict[str, Hours] = {
    "centre-lunch": {"days": "MT", "begin": "12:00", "end": "13:00"},
    "centre-first": {"days": "AS", "begin": "08:00", "end": "18:00"},
}
LAST = {"centre-lunch", "centre-last"}
REFUSAL = {"rule": "fgw-10", "owner": "DRC", "since": "2026-11-20", "reason_zh": "无关", "reason_en": "No"}


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("www.Example.test", "http://www.example.test/"),
        ("https://新闻.example.test:8443/a?b=c#d", "https://xn--efvy88h.example.test:8443/a?b=c"),
        ("http://[2001:db8::7]/", "http://[2001:db8::7]/"),
        ("http://192.0.2.7", "http://192.0.2.7/"),
    ],
)
def test_addresses_are_made_plain(typed: str, url: str) -> None:
    assert checked_url(typed) == url


@pytest.mark.parametrize(
    "typed",
    ["ftp://a.test/", "file:///etc/passwd", "javascript://a.test/%0aalert(1)", "http://", "http:///x", "http://a b/",
     "http://a.test/\n-o /etc/passwd", 'http://a.test/"\nproxy = evil', "http://user:pw@a.test/", "http://a.test:99999/",
     "http://[::1", "http://010.1.2.3/", "http://1.2.3.4.5/", "http://-a.test/", "http://a.test/" + "x" * 3000,
     "http://a\u2028.test/", "http://a.test:0/"],
)  # fmt: skip
def test_what_is_no_address_never_reaches_a_machine(typed: str) -> None:
    with pytest.raises(Rejected) as caught:
        checked_url(typed)
    assert caught.value.hint is not None


def judged(url: str, way: str = "proxy", spec: dict[str, Any] | None = None, **seen: Any) -> dict[str, Any]:
    view = subscription(OFFERING, tenant("fgw", 1), spec or {})
    world = estate([view.tenant, tenant("czj", 2)])
    return _judged(view, world, {**SEEN, **seen}, {"url": url, "way": way}, WHY, HOURS, LAST)


@pytest.mark.parametrize(
    ("url", "seen", "verdict"),
    [
        ("http://a.test/", {}, "open"),
        ("http://a.test/", {"status": 404}, "open"),
        ("http://a.test/", {"status": 403}, "open"),
        ("http://a.test/", {"status": 500}, "site-fault"),
        ("http://a.test/", {"status": 403, "proxy_said": "ERR_GASP 0", "refusal": REFUSAL}, "blocked"),
        ("https://a.test/", {"status": None, "connect_status": 403, "error": "tunnel failed"}, "blocked"),
        ("http://a.test/", {"status": 503, "proxy_said": "ERR_CONNECT_FAIL 110"}, "no-answer"),
        ("http://a.test/", {"status": 503, "proxy_said": "ERR_DNS_FAIL 0", "addresses": []}, "no-answer"),
        ("http://a.test/", {"status": None, "error": "Connection refused"}, "no-answer"),
    ],
)
def test_what_a_machine_saw_is_put_into_words(url: str, seen: dict[str, Any], verdict: str) -> None:
    found = judged(url, **seen)
    assert found["verdict"] == verdict
    assert found["reachable"] is (verdict == "open")
    assert bool(found["needs"]) is not found["reachable"]


def test_a_refusal_says_what_would_open_it() -> None:
    seen = {"status": 403, "proxy_said": "ERR_GASP 0"}
    assert "set fgw --remove" in judged("http://a.test/", refusal=REFUSAL, **seen)["needs"]
    assert "centre" in judged("http://a.test/", refusal=REFUSAL | {"rule": "centre-adult"}, **seen)["needs"]
    for rule, words in (
        ("centre-lunch", "Time outside Mon Tue 12:00–13:00, or a rule of the tenant"),
        ("centre-first", "Time outside Sat Sun 08:00–18:00, or an exception by the centre"),
        ("centre-last", "--allow"),
        ("centre-video", "exception by the centre"),
    ):
        assert words in judged("http://a.test/", refusal=REFUSAL | {"rule": rule}, **seen)["needs"]
    assert "--allow" in judged("http://a.test/", refusal=REFUSAL | {"rule": "otherwise"}, **seen)["needs"]
    off = judged("http://a.test/", spec={"enabled": False}, status=None, error="reset by peer")
    assert (off["verdict"], "--on" in off["needs"]) == ("off", True)


@pytest.mark.parametrize(
    ("address", "words"),
    [("10.94.2.10", "network of czj"), ("fd94:0:2:2::10", "network of czj"), ("10.94.0.11", "It is inside"),
     ("10.94.1.10", "It is inside"), ("192.0.2.7", "No rule stands in the way")],
)  # fmt: skip
def test_what_the_gateway_does_not_let_pass_is_not_called_the_sites_fault(address: str, words: str) -> None:
    found = judged("http://x.test/", "direct", status=None, error="Couldn't connect", addresses=[address])
    assert found["verdict"] == "no-answer"
    assert words in found["needs"]
