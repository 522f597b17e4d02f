"""What a tenant's attributes become for nft and Squid: nothing but what was meant, in one form only."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.drivers.gateway import GatewayDriver, cuts_off
from control_plane.drivers.gateway_render import NetworkRules, ProxyRules, encoded, fold_names, fold_networks, hours_of
from control_plane.drivers.gateway_render import network as parsed
from control_plane.drivers.host_state import AgentError
from control_plane.model.internet import PROXY, list_hash

LAN = {"tenant": "tjj", "v4": "10.94.7.0/24", "v6": "fd94:0:2:7::/64"}


def network(**changes: Any) -> NetworkRules:
    attributes = {
        **LAN,
        "interface": "tjj",
        "enabled": True,
        "up_kbit": 10_000,
        "down_kbit": 50_000,
        "throttle_kbit": 1000,
        "month_octets": 1 << 40,
        "warn_percent": 80,
        "direct": [],
        "peers": [],
        **changes,
    }
    return NetworkRules(attributes, "gateway:tjj/network", "t_1/internet", 5)


VIDEO = [".tv.test", ".video.test"]


def proxy(*rules: dict[str, Any], given: dict[str, list[str]] | None = None, **changes: Any) -> ProxyRules:
    attributes = {**LAN, "enabled": True, "otherwise": "block", "rules": list(rules), **changes}
    return ProxyRules(attributes, "gateway:tjj/proxy", "t_1/internet", 5, given)


def kind(names: list[str], category: str = "video") -> dict[str, Any]:
    """A rule about a category with these names."""
    return rule(category=category, hosts=[], listed=list_hash(names))


def rule(**changes: Any) -> dict[str, Any]:
    made = {"id": "t/1", "action": "block", "hosts": ["a.test"], "category": None, "hours": None, "owner": "tenant"}
    return {**made, "since": "2007-06-01", "reason_zh": "与工作无关", "reason_en": "Not for work", **changes}


#: The entries of the case "line injection", and more of their kind.
INJECTIONS = [
    "news.example.test\nhttp_access allow all",
    "a.example.test # weekly",
    '"b.example.test"',
    "c.example.test;d.example.test",
    "e.example.test\u2028http_port 8080",
    "e.example.test\x85http_port",
    "-n",
    "a.test\r",
    "a.test\n",
    "",
    ".",
    "..a.test",
    "A.test",
    "中国.test",
    "a" * 64 + ".test",
    "1.2.3",
    "010.020.005.007",
    "10.0.0.1/8",
    "fe80::1%eth0",
]


@pytest.mark.parametrize("entry", INJECTIONS)
def test_no_host_becomes_a_line_of_its_own(entry: str) -> None:  # open-21
    with pytest.raises(AgentError, match="bad-attribute"):
        proxy(rule(hosts=[entry]))
    with pytest.raises(AgentError, match="bad-attribute"):
        network(direct=[{"source": "10.94.7.1", "to": entry, "protocol": "tcp", "ports": "443"}])


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "t/1\nhttp_access allow all"},
        {"id": ""},
        {"since": "2007 # x"},
        {"owner": "tenant x"},
        {"action": "allow all"},
        {"category": "../../../etc/passwd", "hosts": [], "listed": "0" * 16},
        {"category": "video", "hosts": [], "listed": "../../../passwd"},
        {"category": "video", "hosts": []},
        {"hours": {"days": "MTX", "begin": "08:00", "end": "09:00"}},
        {"hours": {"days": "M", "begin": "8:00", "end": "09:00"}},
        {"reason_en": 5},
    ],
)
def test_nothing_else_of_a_rule_does_either(changes: dict[str, Any]) -> None:
    with pytest.raises(AgentError, match="bad-attribute"):
        proxy(rule(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"interface": 'tjj" accept'},
        {"tenant": "tjj; flush ruleset"},
        {"v4": "10.94.7.0/24 }"},
        {"v4": "0.0.0.0/0"},
        {"v4": "fd94::/64"},
        {"up_kbit": "10; drop"},
        {"up_kbit": True},
        {"down_kbit": 0},
        {"warn_percent": 101},
        {"direct": [{"source": "10.95.0.1", "to": "192.0.2.1", "protocol": "tcp", "ports": "443"}]},
        {"direct": [{"source": "10.94.7.1", "to": "192.0.2.1", "protocol": "icmp", "ports": "443"}]},
        {"direct": [{"source": "10.94.7.1", "to": "192.0.2.1", "protocol": "tcp", "ports": "443, 22"}]},
        {"direct": [{"source": "10.94.7.1", "to": "192.0.2.1", "protocol": "tcp", "ports": "9-8"}]},
        {"direct": [{"source": "10.94.7.1", "to": "192.0.2.1", "protocol": "tcp", "ports": "65536"}]},
        {"peers": [{"tenant": "x y", "v4": "10.94.8.0/24", "v6": "fd94:0:2:8::/64"}]},
    ],
)
def test_nothing_of_a_network_does_either(changes: dict[str, Any]) -> None:
    with pytest.raises(AgentError, match="bad-attribute"):
        network(**changes)


def test_reasons_are_character_references_on_one_line() -> None:  # open-21
    made = proxy(rule(reason_zh='统计局 ü\nhttp_access allow all # "', reason_en="<script>alert(1)</script>"))
    assert "http_access&#32;" not in made.text.replace("&#95;", "_").split("annotate", 1)[0]
    assert [line for line in made.text.splitlines() if line.startswith("http_access")] == [
        "http_access deny t_tjj t_tjj_0_names t_tjj_0_note gasp_refused",
        "http_access deny t_tjj t_tjj_o_note gasp_refused",
    ]
    assert made.text.isascii()
    assert "<" not in made.text
    assert encoded("a é中") == "a&#32;&#233;&#20013;"
    assert max(map(len, proxy(rule(reason_zh="中" * 5000)).text.splitlines())) < 4000


def test_covered_and_equal_entries_are_folded_in_one_way() -> None:  # open-22
    domains = ["edu.example.test", ".edu.example.test", "lib.edu.example.test", "other.test", "other.test"]
    assert fold_names(domains) == fold_names(reversed(domains)) == [".edu.example.test", "other.test"]
    addresses = ["10.20.0.0/16", "10.20.5.7", "10.20.5.7/32", "192.0.2.0/25", "192.0.2.128/25", "2001:db8::1"]
    networks = [parsed("hosts", a) for a in addresses]
    assert fold_networks(networks) == ["10.20.0.0/16", "192.0.2.0/24", "2001:db8::1/128"]
    with pytest.raises(AgentError):
        parsed("hosts", "010.020.005.007")
    made = proxy(rule(hosts=[*domains, *addresses]))
    assert made.text == proxy(rule(hosts=[*reversed(domains), *reversed(addresses)])).text
    assert sorted(text for path, text in made.lists.items() if not path.endswith("why.json")) == [
        ".edu.example.test\nother.test\n",
        "10.20.0.0/16\n192.0.2.0/24\n2001:db8::1/128\n",
    ]
    assert "t_tjj_0 any-of t_tjj_0_names t_tjj_0_addresses" in made.text


def test_a_category_is_known_by_what_is_in_it() -> None:
    path = f"/etc/squid/gasp/categories/video-{list_hash(VIDEO)}"
    made = proxy(kind(VIDEO))
    assert made.categories == {path: "video"}
    assert path not in made.lists, "whoever makes it real says that it was not told"
    assert made.text == proxy(kind(VIDEO), given={list_hash(VIDEO): VIDEO}).text
    assert "categories" not in proxy(kind([])).text, "Squid takes no empty list"


@pytest.mark.parametrize("names", [[".tv.test"], ["a.test\nhttp_access allow all"], ["192.0.2.1"], ["n.test"] * 6000])
def test_what_is_in_a_category_is_what_was_said_and_nothing_but_names(names: list[str]) -> None:
    wanted = VIDEO if names == [".tv.test"] else names
    with pytest.raises(AgentError, match="bad-attribute"):
        proxy(kind(wanted), given={list_hash(wanted): names})


def test_another_list_has_another_path() -> None:
    first, second = proxy(rule()), proxy(rule(hosts=["b.test"]))
    assert {path.rpartition("/")[2] for path in first.lists.keys() & second.lists.keys()} == {"why.json"}
    assert first.main == second.main


def test_the_first_rule_that_matches_decides_and_otherwise_is_last() -> None:
    made = proxy(rule(id="a", action="allow"), kind(VIDEO), given={list_hash(VIDEO): VIDEO}, otherwise="allow")
    verdicts = [line for line in made.text.splitlines() if line.startswith("http_access")]
    assert verdicts == [
        "http_access allow t_tjj t_tjj_0_names t_tjj_0_note",
        "http_access deny t_tjj t_tjj_1_names t_tjj_1_note gasp_refused",
        "http_access allow t_tjj t_tjj_o_note",
    ]
    path = f"/etc/squid/gasp/categories/video-{list_hash(VIDEO)}"
    assert f'acl t_tjj_1_names dstdomain -n "{path}"' in made.text
    assert made.lists[path] == ".tv.test\n.video.test\n"
    assert "rule=otherwise" in made.text
    assert "http_access" not in proxy(rule(), enabled=False).text


@pytest.mark.parametrize(
    ("days", "begin", "end", "wanted"),
    [
        ("MTWHF", "08:30", "17:30", ["MTWHF 08:30-17:30"]),
        ("AS", "00:00", "24:00", ["SA 00:00-24:00"]),
        ("F", "22:00", "06:00", ["F 22:00-24:00", "A 00:00-06:00"]),
        ("SA", "22:00", "00:00", ["SA 22:00-24:00"]),
        ("A", "12:00", "12:00", ["A 12:00-24:00", "S 00:00-12:00"]),
    ],
)
def test_hours_that_pass_midnight_go_on_the_next_day(days: str, begin: str, end: str, wanted: list[str]) -> None:
    assert hours_of({"days": days, "begin": begin, "end": end}) == wanted


def test_direct_access_is_one_rule_an_entry() -> None:
    made = network(
        direct=[
            {"source": "10.94.7.0/24", "to": "192.0.2.1", "protocol": "tcp", "ports": "443"},
            {"source": "10.94.7.0/24", "to": "192.0.2.1", "protocol": "tcp", "ports": "443"},
            {"source": "fd94:0:2:7::5", "to": "::/0", "protocol": "udp", "ports": "5000-5010"},
            {"source": "10.94.7.9", "to": "pay.example.test", "protocol": "tcp", "ports": "443"},
        ]
    )
    direct = made.chains["t/tjj/direct"]
    assert direct[:2] == [
        "ip saddr 10.94.7.0/24 ip daddr 192.0.2.1/32 tcp dport 443 goto t/tjj/open",
        "ip6 saddr fd94:0:2:7::5/128 udp dport 5000-5010 goto t/tjj/open",
    ]
    assert len(direct) == 3 and "daddr @t/tjj/n4/" in direct[2]
    assert [entry["name"] for entry in made.policy["names"]] == ["pay.example.test"]
    assert sorted(made.sets.values()) == ["ipv4_addr", "ipv6_addr"]


def test_off_is_in_no_shared_set() -> None:
    assert network().elements.keys() == {"online", "acct_up", "acct_down", "direct", "proxied"}
    assert network(enabled=False).elements == {}


def test_what_cuts_a_tenant_off() -> None:
    on, off = {"enabled": True}, {"enabled": False}
    assert cuts_off(on, off) and cuts_off(on, None)
    assert not any(cuts_off(*case) for case in [(off, None), (None, on), (on, on), (off, on), (None, None)])


def test_blocking_all_that_no_rule_names_cuts_a_tenant_off() -> None:
    cuts = {kind.name: kind.cuts_off for kind in GatewayDriver.kinds}[PROXY]
    assert cuts is not None
    free, shut = {"enabled": True, "otherwise": "allow"}, {"enabled": True, "otherwise": "block"}
    off = {"enabled": False, "otherwise": "allow"}
    assert cuts(free, shut) and cuts(free, off) and cuts(shut, None)
    assert not any(cuts(*case) for case in [(shut, free), (shut, shut), (None, shut), (off, shut), (off, None)])
