"""The gateway's own program: volumes over months, resets and limits."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "playbooks/roles/gateway/files/gateway.py"
LOCAL = timezone(timedelta(hours=8))
POLICY = {"number": 5, "month_octets": 1000, "warn_percent": 80, "throttle_kbit": 500}


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gateway_program", FILE)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def after(program: ModuleType, state: dict[str, Any], up: int, down: int, *at: int, **policy: Any) -> dict[str, Any]:
    counters = {"t/tjj/up": (1, up), "t/tjj/down": (1, down)}
    when = datetime(*at, tzinfo=LOCAL)  # type: ignore[arg-type, misc]
    made: dict[str, Any] = program.advance(state, counters, {"tjj": {**POLICY, **policy}}, when)
    return made


def test_it_adds_what_came_since_the_last_look(program: ModuleType) -> None:
    state = after(program, {}, 100, 200, 2007, 6, 1)
    state = after(program, state, 110, 250, 2007, 6, 2)
    row = state["tenants"]["tjj"]
    assert (row["month"], row["up"], row["down"], row["warned"], row["throttled"]) == ("2007-06", 110, 250, None, None)


def test_a_counter_that_began_anew_loses_nothing(program: ModuleType) -> None:
    state = after(program, {}, 100, 200, 2007, 6, 1)
    state = after(program, state, 5, 7, 2007, 6, 1, 1)
    assert (state["tenants"]["tjj"]["up"], state["tenants"]["tjj"]["down"]) == (105, 207)


def test_the_month_changes_at_midnight_in_shanghai(program: ModuleType) -> None:
    state = after(program, {}, 0, 900, 2007, 6, 30, 23, 59, 59)
    assert state["tenants"]["tjj"]["warned"] == "2007-06-30T23:59:59+08:00"
    state = after(program, state, 0, 950, 2007, 7, 1)
    row = state["tenants"]["tjj"]
    assert (row["month"], row["down"], row["warned"]) == ("2007-07", 50, None)
    assert row["closed"] == {
        "2007-06": {"up": 0, "down": 900, "warned": "2007-06-30T23:59:59+08:00", "throttled": None,
                    "month_octets": 1000, "warn_percent": 80, "throttle_kbit": 500}
    }  # fmt: skip
    back = after(program, state, 0, 960, 2007, 6, 30)["tenants"]["tjj"]  # a clock that goes back opens no old month
    assert (back["month"], back["down"]) == ("2007-07", 60)


def test_used_up_is_throttled_until_the_limit_rises_or_the_month_ends(program: ModuleType) -> None:
    state = after(program, {}, 500, 500, 2007, 6, 1)
    first = state["tenants"]["tjj"]["throttled"]
    assert first == "2007-06-01T00:00:00+08:00"
    state = after(program, state, 500, 600, 2007, 6, 2)
    assert state["tenants"]["tjj"]["throttled"] == first
    assert after(program, state, 500, 600, 2007, 6, 3, month_octets=2000)["tenants"]["tjj"]["throttled"] is None
    assert after(program, state, 500, 600, 2007, 6, 3, month_octets=0)["tenants"]["tjj"]["throttled"] is None
    assert after(program, state, 500, 600, 2007, 7, 1)["tenants"]["tjj"]["throttled"] is None


def test_a_tenant_that_is_gone_is_forgotten(program: ModuleType) -> None:
    state = after(program, {}, 1, 1, 2007, 6, 1)
    assert program.advance(state, {}, {}, datetime(2007, 6, 2, tzinfo=LOCAL))["tenants"] == {}


def test_a_torn_state_file_is_no_end(program: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "usage.json").write_text('{"counters": {')
    assert program.read_json(tmp_path / "usage.json") == {}
    program.write(tmp_path / "usage.json", '{"a": 1}')
    assert program.read_json(tmp_path / "usage.json") == {"a": 1}


def test_many_files_load_as_one(program: ModuleType) -> None:
    from control_plane.drivers.gateway_render import table_text
    from tests.unit.drivers.test_gateway_render import network

    rules = [network(), network(tenant="fgw", interface="fgw", enabled=False), network(tenant="czj", interface="czj")]
    peers = '# managed by gasp\nadd element inet gw peers { "tjj" . "czj" }\n'
    whole = program.merged([*(one.text for one in rules), peers])
    assert whole == table_text(rules) + 'add element inet gw peers { "tjj" . "czj" }\n'
    with pytest.raises(ValueError, match="flooded"):
        program.merged(["flooded\n"])


def test_a_clock_that_was_months_ahead_is_taken_back(program: ModuleType) -> None:
    """What was counted meanwhile is of the month that it really was."""
    state = after(program, {}, 0, 100, 2026, 10, 1)
    state = after(program, state, 0, 500, 2026, 11, 20)
    state = after(program, state, 0, 950, 2027, 11, 20)
    assert state["tenants"]["tjj"]["month"] == "2027-11"
    state = after(program, state, 0, 1000, 2026, 11, 20, 0, 1)
    row = state["tenants"]["tjj"]
    assert (row["month"], row["down"], [*row["closed"]]) == ("2026-11", 900, ["2026-10"])
    row = after(program, state, 0, 1010, 2026, 12, 1)["tenants"]["tjj"]
    assert (row["month"], row["down"], [*row["closed"]]) == ("2026-12", 10, ["2026-10", "2026-11"])
    first = after(program, after(program, {}, 0, 300, 2027, 1, 1), 0, 350, 2007, 6, 1)["tenants"]["tjj"]
    assert (first["month"], first["down"], first["closed"]) == ("2007-06", 350, {})


def test_addresses_that_rotate_stay_for_ten_minutes(program: ModuleType) -> None:
    kept = program.remember(({}, {}), (["192.0.2.1"], ["2001:db8::1"]), 1000.0)
    kept = program.remember(kept, (["192.0.2.2"], []), 1060.0)
    assert kept == [{"192.0.2.2": 1060.0, "192.0.2.1": 1000.0}, {"2001:db8::1": 1000.0}]
    kept = program.remember(kept, (["192.0.2.2"], ["2001:db8::2"]), 1600.0)
    assert kept == [{"192.0.2.2": 1600.0}, {"2001:db8::2": 1600.0}]
    many = [f"192.0.2.{last}" for last in range(100)]
    assert len(program.remember(kept, (many, []), 1700.0)[0]) == 64


ADDRESSES = [
    {"ifname": "tjj", "addr_info": [
        {"family": "inet", "local": "10.9.5.254", "prefixlen": 24, "scope": "global"},
        {"family": "inet", "local": "10.9.5.253", "prefixlen": 24, "scope": "global"},
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
    ]},
    {"ifname": "lan8", "addr_info": [
        {"family": "inet6", "local": "fd96:0:2:8::254", "prefixlen": 64, "scope": "global"},
    ]},
]  # fmt: skip


def test_what_comes_to_the_proxy_waits_in_the_tenants_class(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        program, "run", lambda *argv, text=None: subprocess.CompletedProcess(argv, 0, json.dumps(ADDRESSES), "")
    )
    tenants = {"tjj": {"number": 5, "interface": "tjj"}, "rsj": {"number": 8, "interface": "lan8"}}
    assert program.arrivals(tenants, {"rsj"}) == [
        "filter del dev gaspup parent 1: prio 10",
        "filter add dev gaspup parent 1: protocol ip prio 10 u32 match ip src 10.9.5.0/24 flowid 1:5",
        "filter del dev gaspup parent 1: prio 11",
        "filter del dev gaspup parent 1: prio 16",
        "filter del dev gaspup parent 1: prio 17",
        "filter add dev gaspup parent 1: protocol ipv6 prio 17 u32 match ip6 src fd96:0:2:8::/64 flowid 1:8008",
    ]
    led = [line for line in program.arrivals(tenants, set(), interfaces=True) if " tjj " in line or " lan8 " in line]
    assert led == [
        "qdisc replace dev tjj ingress",
        "filter del dev tjj parent ffff: prio 10",
        "filter add dev tjj parent ffff: protocol ip prio 10 u32 match ip src 10.9.5.0/24 match ip protocol 6 0xff"
        " match ip dport 3128 0xffff action mirred egress redirect dev gaspup",
        "filter del dev tjj parent ffff: prio 11",
        "qdisc replace dev lan8 ingress",
        "filter del dev lan8 parent ffff: prio 16",
        "filter del dev lan8 parent ffff: prio 17",
        "filter add dev lan8 parent ffff: protocol ipv6 prio 17 u32 match ip6 src fd96:0:2:8::/64 match ip6 protocol 6"
        " 0xff match ip6 dport 3128 0xffff action mirred egress redirect dev gaspup",
    ]
    assert program.arrivals({}, set()) == []


def test_what_tc_cannot_do_is_told_but_for_what_is_gone(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "Error: Not found.\nWe have an error\nCommand failed -:1\nError: No such device.\nCommand failed -:2\n"
    monkeypatch.setattr(program, "run", lambda *argv, text=None: subprocess.CompletedProcess(argv, 1, "", said))
    program.queue(["filter del dev gaspup parent 1: prio 10", "filter add dev gone parent 1: x", "class replace y"])
    assert capsys.readouterr().err == "tc filter add dev gone parent 1: x: Error: No such device.\n"
