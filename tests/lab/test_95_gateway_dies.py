"""The gateway dies in the middle of a rollout: what was not measured is not done, and it goes on by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.model.rollout import RolloutEvent
from tests.conftest import Centre
from tests.lab.rolling import Rolling

pytestmark = pytest.mark.lab

PILOTS, OTHERS = ["fgw"], ["czj", "gaj", "jyj", "sjj"]
AFTER_THE_PILOTS = {"GASP_FAULT": f"kill:{RolloutEvent.FINISHED.value}"}


@pytest.fixture(scope="module")
def rolling(centre: Centre) -> Iterator[Rolling]:
    """No worker, so that a test decides when a step is done."""
    centre.run("worker", "stop")
    yield Rolling(centre)
    centre.run("worker", "start")


@contextlib.contextmanager
def without_gateway(centre: Centre) -> Iterator[None]:
    """It falls dead, and is back at the end. A host of the lab that is stopped would forward all the same: its network
    outlives it, so it is unplugged as well."""
    centre.run("lab", "cut", "gateway", "--yes")
    centre.run("lab", "stop", "gateway", "--yes")
    try:
        yield
    finally:
        centre.run("lab", "start", "gateway")
        centre.run("lab", "heal", "gateway")


def held(rolling: Rolling, rollout: int) -> Any:
    """How it stands after two steps without a gateway."""
    assert rolling.step() == 0
    standing = rolling.show(rollout)
    assert standing["state"] == "running", rolling.told(standing)
    assert "Wave 2 of" in standing["sentence"] and "goes on by itself" in standing["sentence"]
    assert "gateway" in standing["sentence"]
    touched = rolling.events(rollout, "item.touching")
    assert rolling.step() == 0
    again = rolling.show(rollout)
    assert (again["state"], again["counts"]) == (standing["state"], standing["counts"])
    assert rolling.events(rollout, "item.touching") == touched, "nobody is tried again and again"
    return again


def ended(rolling: Rolling, rollout: int) -> Any:
    """How it stands after the steps that are left."""
    for _ in range(4):
        assert rolling.step() == 0
        if rolling.show(rollout)["state"] not in ("running", "rolling_back"):
            break
    return rolling.show(rollout)


def test_packages_that_cannot_be_fetched_are_no_failure_of_the_machines(centre: Centre, rolling: Rolling):
    rolling.begin_with("1.0")
    rollout = rolling.start("1.1")
    assert rolling.step(AFTER_THE_PILOTS) == -9
    with without_gateway(centre):
        standing = held(rolling, rollout)
        states = {item["name"]: item["state"] for item in standing["items"]}
        assert [name for name, state in states.items() if state == "ok"] == PILOTS
        assert "failed" not in states.values()
    assert set(rolling.versions(OTHERS).values()) == {"1.0"}
    done = ended(rolling, rollout)
    assert done["state"] == "done", rolling.told(done)
    assert done["counts"] == {"ok": 5}
    assert set(rolling.versions([*PILOTS, *OTHERS]).values()) == {"1.1"}


def test_a_configuration_waits_for_the_gateway_and_is_the_same_everywhere_then(
    centre: Centre, rolling: Rolling, tmp_path: Path
):
    rule = {"number": 15, "action": "block", "hosts": [".games.test"], "since": "2026-11-20",
            "reason": {"zh": "与工作无关", "en": "Not for work"}}  # fmt: skip
    patch = tmp_path / "patch.yaml"
    patch.write_text(yaml.safe_dump({"rules": [rule]}, allow_unicode=True))

    def refused(code: str) -> bool:
        answer = centre.json("internet", "test", code, "http://www.games.test/", check=1)
        return bool(answer["verdict"] == "blocked" and answer["rule"] == f"{code}-15")

    order = ("--kind", "configuration", "--offering", "internet", "--patch", str(patch), "--soak", "0")
    groups = ("--group", "fgw", "--group", "czj,gaj", "--reason", "no games", "--start", "--yes")
    rollout = int(centre.json("rollouts", "create", *order, *groups)["id"])
    assert rolling.step(AFTER_THE_PILOTS) == -9
    with without_gateway(centre):
        standing = held(rolling, rollout)
        assert {i["name"]: i["state"] for i in standing["items"]}["fgw/internet"] == "ok"
        assert standing["counts"]["ok"] == 1 and "failed" not in standing["counts"]
    done = ended(rolling, rollout)
    assert done["state"] == "done", rolling.told(done)
    assert done["counts"] == {"ok": 3}
    assert [refused(code) for code in ("fgw", "czj", "gaj", "jyj")] == [True, True, True, False]
    centre.run("rollouts", "rollback", str(rollout), "--reason", "games again", "--yes")
    back = ended(rolling, rollout)
    assert back["state"] == "rolled_back", rolling.told(back)
    assert not any(refused(code) for code in ("fgw", "czj", "gaj"))
    assert centre.plan()["changes"] == []
