"""The gateway's own program: volumes over months, resets and limits."""

from __future__ import annotations

import importlib.util
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
