"""Waves on real hosts: order, windows, soak, each threshold, a promise that breaks, the way back; machines that lose
their power in the middle of a package."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.workflow.rollout_tick import Ticker
from tests.conftest import Centre
from tests.lab.gateway_world import wired
from tests.lab.rolling import Rolling
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

GAMES = {"number": 15, "action": "block", "hosts": [".games.test"], "since": "2026-11-20",
         "reason": {"zh": "与工作无关", "en": "Not for work"}}  # fmt: skip
TENANTS = ["fgw", "czj", "gaj", "jyj", "sjj"]
ORDER = ("--kind", "configuration", "--offering", "internet", "--reason", "a test", "--yes")
#: When the gateway's files of one tenant were last written.
WRITTEN = "stat -c '%n %.Y' /etc/gasp/gateway/tenants/{0}.nft $(find /etc/squid/gasp -name '{0}*' | sort)"
LISTS = "ls /etc/squid/gasp/categories/*-*"
HALF = "dpkg-query -W -f '${db:Status-Abbrev}' gasp-demo"


@pytest.fixture(scope="module")
def rolling(centre: Centre) -> Iterator[Rolling]:
    """No worker, so that a test decides when a step is done."""
    centre.run("worker", "stop")
    yield Rolling(centre)
    centre.run("worker", "start")


def patch(tmp_path: Path, **fields: Any) -> tuple[str, str]:
    """The option for a file with these fields."""
    path = tmp_path / "patch.yaml"
    path.write_text(yaml.safe_dump(fields, allow_unicode=True), "utf-8")
    return "--patch", str(path)


def wishes(centre: Centre, tmp_path: Path) -> dict[str, Any]:
    """What is desired of internet access, by department."""
    folder = tmp_path / f"wishes-{secrets.token_hex(4)}"
    centre.run("tenants", "export", str(folder))
    found = {}
    for code in TENANTS:
        document = yaml.safe_load((folder / f"{code}.yaml").read_text("utf-8"))
        found[code] = next(s for s in document["subscriptions"] if s["offering"] == "internet")
    return found


def blocked(centre: Centre, *codes: str, host: str = "www.games.test") -> dict[str, bool]:
    """Whether a machine of each department is refused this host by a rule of the department's own."""

    def asked(code: str) -> bool:
        answer = centre.json("internet", "test", code, f"http://{host}/", check=False)
        return answer["verdict"] == "blocked" and str(answer["rule"]).startswith(f"{code}-")

    return {code: asked(code) for code in codes}


def written(centre: Centre, *codes: str) -> list[str]:
    """When what is of these departments was last written on the gateway."""
    return [centre.shell("gateway", WRITTEN.format(code)) for code in codes]


class Day:
    """The clock of the steps: tomorrow in Qingdao, so that certificates are good."""

    def __init__(self, ticker: Ticker) -> None:
        self.ticker = ticker
        self.midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=16)

    def step(self, hour: int, minute: int = 0) -> None:
        """One step at this time of the day in Qingdao."""
        moment = self.midnight + timedelta(hours=hour, minutes=minute)
        self.ticker.clock = lambda: moment
        self.ticker.tick()


def test_a_policy_goes_out_by_ring_in_windows_and_comes_back(centre: Centre, rolling: Rolling, tmp_path: Path):
    centre.run("internet", "set", "gaj", "--block", "shop.test", "--reason", "购物", "--yes")
    try:
        before = wishes(centre, tmp_path)
        replacing = (*ORDER, *patch(tmp_path, rules=[GAMES]))
        shown = centre.json("rollouts", "create", *replacing, "--dry-run")
        assert [(one["tenant"], one["field"]) for one in shown["replaced"]] == [("gaj", "rules")]
        assert "shop.test" in shown["replaced"][0]["items"][0]
        assert b"gaj would lose 1 of its own in rules" in centre.run("rollouts", "create", *replacing, check=4).stderr
        day = Day(wired(centre).ticker())
        adding = patch(tmp_path, **{"rules+": [GAMES]})
        begins = ("--at", (day.midnight + timedelta(hours=9)).isoformat())
        made = centre.json("rollouts", "create", *ORDER, *adding, "--soak", "1h", *begins, "--start")
        rollout = int(made["id"])
        assert [w["names"] for w in made["waves"]] == [
            ["fgw/internet"], ["czj/internet", "gaj/internet"], ["jyj/internet", "sjj/internet"]
        ]  # fmt: skip
        at_first = written(centre, *TENANTS)
        day.step(8)
        waits = rolling.show(rollout)
        assert waits["state"] == "scheduled" and " 09:00:00" in waits["sentence"], waits["sentence"]
        day.step(10)
        waits = rolling.show(rollout)
        assert waits["state"] == "running" and " 12:00:00" in waits["sentence"], waits["sentence"]
        assert written(centre, *TENANTS) == at_first
        day.step(12, 5)
        soaks = rolling.show(rollout)
        assert soaks["state"] == "soaking" and " 13:05" in soaks["sentence"], rolling.told(soaks)
        assert blocked(centre, "fgw", "czj") == {"fgw": True, "czj": False}
        day.step(13, 4)
        assert written(centre, *TENANTS[1:]) == at_first[1:], "it is watched first"
        day.step(13, 6)
        assert rolling.show(rollout)["wave"] == 2
        assert blocked(centre, "czj", "gaj", "jyj") == {"czj": True, "gaj": True, "jyj": False}
        day.step(14, 7)
        waits = rolling.show(rollout)
        assert (waits["wave"], waits["state"]) == (3, "running"), rolling.told(waits)
        assert " 18:00:00" in waits["sentence"], waits["sentence"]
        assert written(centre, *TENANTS[3:]) == at_first[3:]
        day.step(18, 1)
        day.step(19, 2)
        done = rolling.show(rollout)
        assert (done["state"], done["counts"]) == ("done", {"ok": 5}), rolling.told(done)
        assert blocked(centre, "jyj") == {"jyj": True}
        assert blocked(centre, "gaj", host="shop.test") == {"gaj": True}, "their own rule is still theirs"
        centre.run("rollouts", "rollback", str(rollout), "--reason", "games again", "--yes")
        day.step(20)
        back = rolling.show(rollout)
        assert back["state"] == "rolled_back", rolling.told(back)
        assert wishes(centre, tmp_path) == before
        assert not any(blocked(centre, "fgw", "gaj").values())
        assert centre.plan("system:gateway")["changes"] == []
    finally:
        centre.run("internet", "set", "gaj", "--remove", "shop.test", "--yes", check=False)


def test_the_centres_own_rules_go_out_by_ring_and_come_back(centre: Centre, rolling: Rolling, tmp_path: Path):
    """A rule and a category of the centre: ring 1 is refused, ring 2 has what it had, and all of it comes back."""
    body = centre.json("internet", "policy", "show")["policy"]
    outside = str(next(h["ipv4"] for h in centre.json("lab", "status")["hosts"] if h["name"] == "citizen"))
    name = f"shop-{secrets.token_hex(3)}"
    new = f"{name}.test"
    shop = {"name": name, "hosts": [outside], "since": "2026-11-29", "reason": {"zh": "购物", "en": "Shopping"}}
    fresh = {**body, "first": [*body["first"], shop]}
    fresh["categories"] = {**body["categories"], "gambling": [*body["categories"]["gambling"], f".{new}"]}
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(fresh, allow_unicode=True), "utf-8")
    lists = centre.shell("gateway", LISTS)
    made = centre.json("internet", "policy", "set", str(path), "--reason", "a test", "--yes")
    assert made["tenants"] == []
    assert centre.plan("system:gateway")["changes"] == [], "a revision alone touches nobody"

    def seen(code: str) -> tuple[bool, str | None, str | None, int]:
        """Whether the site is reached, which rule refuses it and one of the category, by which revision."""
        site, listed = (
            centre.json("internet", "test", code, f"http://{host}/", check=False) for host in (outside, f"www.{new}")
        )
        return bool(site["reachable"]), site["rule"], listed["rule"], int(site["policy"])

    day, number = Day(wired(centre).ticker()), int(made["number"])
    order = ("--policy", str(number), "--reason", "a test", "--soak", "1h", "--ignore-windows", "a test")
    rollout = int(centre.json("rollouts", "create", *order, "--start", "--yes")["id"])
    others = written(centre, *TENANTS[1:])
    day.step(12)
    assert rolling.show(rollout)["state"] == "soaking", rolling.told(rolling.show(rollout))
    assert seen("fgw") == (False, f"centre-{name}", "centre-gambling", number)
    assert seen("czj") == (True, None, None, 0)
    assert written(centre, *TENANTS[1:]) == others
    assert centre.plan("system:gateway")["changes"] == []
    fresh_list = next(n for n in centre.shell("gateway", LISTS).split() if n not in lists)
    centre.shell("gateway", f"echo .else.test >> {fresh_list}")
    drift = centre.json("drift", "list")["items"]
    changed = [d["id"] for d in drift if d["part"] == "gateway:gateway"]
    assert changed == ["gateway:fgw/proxy"], "only who has this list"
    centre.run("drift", "revert", "gateway:fgw/proxy", "--yes")
    centre.run("rollouts", "rollback", str(rollout), "--reason", "calls", "--yes")
    day.step(13)
    assert rolling.show(rollout)["state"] == "rolled_back", rolling.told(rolling.show(rollout))
    assert seen("fgw") == (True, None, None, 0)
    assert written(centre, *TENANTS[1:]) == others
    assert centre.shell("gateway", LISTS) == lists, "what nobody uses is gone"
    assert centre.plan("system:gateway")["changes"] == []


def test_a_wave_that_breaks_stops_by_each_threshold_and_nobody_else_is_touched(  # open-27
    centre: Centre, rolling: Rolling, tmp_path: Path
):
    """By count; not measured; a threshold that cannot be read, which no `--go-on` of the wave before lets pass; ended
    by a person; the way back."""
    before = wishes(centre, tmp_path)
    change = patch(tmp_path, contact={"name": "信息中心"})
    groups = ("--group", "czj,gaj", "--group", "jyj", "--ignore-windows", "a test", "--soak", "0")
    count = ("--errors", "50 %", "--error-count", "0")
    rollout = int(centre.json("rollouts", "create", *ORDER, *change, *groups, *count, "--start")["id"])
    untouched = written(centre, "fgw", "jyj", "sjj")
    ticker = wired(centre).ticker()

    def stands(state: str, words: str, gaj: str) -> Any:
        """One step; how it stands then, and that it stays so until a person decides."""
        ticker.tick()
        found = rolling.show(rollout)
        assert (found["state"], words in found["sentence"]) == (state, True), rolling.told(found)
        states = {i["tenant"]: i["state"] for i in found["items"]}
        assert states == {"czj": "ok", "gaj": gaj, "jyj": "untouched"}
        ticker.tick()
        assert rolling.show(rollout)["sentence"] == found["sentence"]
        assert written(centre, "fgw", "jyj", "sjj") == untouched
        return found

    def release(*options: str) -> None:
        centre.run("rollouts", "release", str(rollout), "--reason", "again", "--yes", *options)

    centre.run("lab", "cut", "gaj", "--yes")
    try:
        stands("stopped", "1 department failed; more than 0 may not", "failed")
    finally:
        centre.run("lab", "heal", "gaj", "--yes")
    centre.run("lab", "stop", "gaj", "--yes")
    try:
        release()
        found = stands("waiting", "1 of 2 departments were measured as good: 50 % is under 90 %", "unmeasured")
        assert next(i for i in found["items"] if i["tenant"] == "gaj")["sentence"], "why it was not measured"
        assert found["counts"] == {"ok": 1, "unmeasured": 1, "untouched": 1}
        with closing(sqlite3.connect(centre.state / "gasp.db")) as database, database:
            database.execute("update rollouts set thresholds = ? where id = ?", ('{"errors": "a few"}', rollout))
        release()
        assert stands("stopped", "A threshold cannot be read", "untouched")["wave"] == 1, "it is not done again either"
        release("--go-on")
        assert stands("stopped", "A threshold cannot be read", "unmeasured")["wave"] == 2
    finally:
        centre.run("lab", "start", "gaj", "--yes")
    centre.run("rollouts", "abort", str(rollout), "--reason", "enough", "--yes")
    assert "what is installed stays: enough" in stands("aborted", "Ended by a person at", "unmeasured")["sentence"]
    assert wishes(centre, tmp_path) != before
    centre.run("rollouts", "rollback", str(rollout), "--reason", "it broke", "--yes")
    ticker.tick()
    back = rolling.show(rollout)
    assert back["state"] == "rolled_back", rolling.told(back)
    assert wishes(centre, tmp_path) == before
    assert written(centre, "fgw", "jyj", "sjj") == untouched


def test_a_third_loses_its_power_in_the_middle_of_a_package(centre: Centre, rolling: Rolling):
    rolling.begin_with("1.0")
    centre.run("worker", "start")
    try:
        centre.shell("gaj", "touch /run/gasp-held")
        rollout = rolling.start("1.4")
        wait_until(lambda: centre.shell("gaj", HALF).strip() == "iF", 120, "the middle of the package on gaj")
        centre.run("lab", "stop", "--hard", "gaj", "sjj", "--yes")
        dpkg = centre.state / "lab" / centre.lab / "hosts" / "gaj" / "upper" / "var" / "lib" / "dpkg"
        journal = "".join(path.read_text() for path in (dpkg / "updates").iterdir())
        assert "install ok half-configured" in journal, "it died in the middle"
        late = rolling.wait(rollout, "catching_up", "stopped", "waiting")
        assert late["state"] == "catching_up", rolling.told(late)
        assert rolling.states(rollout) == {**dict.fromkeys(["fgw", "czj", "jyj"], "ok"), "gaj": "off", "sjj": "off"}
        assert late["counts"] == {"ok": 3, "off": 2}
        assert set(rolling.versions(["fgw", "czj", "jyj"]).values()) == {"1.4"}
        centre.run("lab", "start", "gaj", "sjj", "--yes")
        done = rolling.wait(rollout, "done", "stopped", "waiting")
    finally:
        centre.run("lab", "start", "gaj", "sjj", "--yes")
        centre.run("worker", "stop")
    assert (done["state"], done["counts"]) == ("done", {"ok": 5}), rolling.told(done)
    after = rolling.had(TENANTS)
    assert {(had.state, had.version) for had in after.values()} == {("ii", "1.4")}
    touched = [e["data"]["name"] for e in rolling.events(rollout, "item.touching")]
    assert sorted(touched) == sorted([*TENANTS, "gaj"]), "only who died in the middle is touched twice"
