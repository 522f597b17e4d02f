"""The reference estate on all 104 hosts: what bring-up promises, kills, one broken tenant among 82."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPO, Centre, begin
from tests.lab.changing import edit, grown
from tests.lab.many import one_of_many_breaks
from tests.lab.rolling import Rolling
from tests.lab.world import Names
from tests.waiting import wait_until

pytestmark = pytest.mark.estate

FETCH_ALL = """
names=$(cat)
for family in 4 6; do
  for name in $names; do
    echo "$family $name $(curl -s -o /dev/null -m 20 -w '%{http_code}' -$family https://$name/)"
  done
done
"""


@pytest.fixture(scope="module")
def city() -> Iterator[Centre]:
    """All 94 tenants with a network, 10,000 people, on real hosts."""
    made = begin("city", REPO / "tenants" / "qingdao")
    try:
        made.run("bringup", timeout=1800)
        yield made
    finally:
        made.run("lab", "clean", "--yes", check=False)


def test_104_hosts_and_every_promise_kept(city: Centre):
    hosts = city.json("lab", "status")["hosts"]
    assert len(hosts) == 104
    assert Counter(h["state"] for h in hosts) == {"running": 104}
    results = city.json("probes", "run")["items"]
    kept = ("passed", "warning")  # slowly, when the machine is busy
    assert [r for r in results if r["state"] not in kept] == []
    tenants = {t["code"] for t in city.json("tenants", "list")["items"] if t["status"] != "listed"}
    assert {r["tenant"] for r in results} == tenants, "every tenant has a promise"


def test_56_public_sites_answer_the_citizen_on_both_families(city: Centre):
    sites = city.json("sites", "list")["items"]
    names = [s["site"] for s in sites if s["offering"] == "public_site"]
    assert len(names) == 56
    seen = city.on("citizen", "sh", "-c", FETCH_ALL, stdin="\n".join(names).encode()).splitlines()
    assert len(seen) == 112
    assert [line for line in seen if not line.endswith(" 200")] == []
    inner = [s["site"] for s in sites if s["offering"] == "intranet"]
    assert len(inner) == 82
    closed = city.on("citizen", "sh", "-c", FETCH_ALL, stdin="\n".join(inner).encode()).splitlines()
    assert {line.rsplit(" ", 1)[1] for line in closed} == {"000"}


def test_the_plan_is_empty_and_the_estate_has_its_size(city: Centre):
    plan = city.plan()
    assert plan["changes"] == []
    assert plan["summary"]["unchanged"] >= 11_000
    accounts = city.json("accounts", "list")["items"]
    assert len(accounts) == 10_000
    assert len({a["uid_number"] for a in accounts}) == 10_000


def test_one_broken_tenant_among_82(city: Centre, tmp_path: Path):
    """81 of 82 succeed: something of somebody else lies where one tenant's new site should go."""
    codes = [t["code"] for t in city.json("tenants", "list")["items"] if t["status"] == "served"]
    folder = tmp_path / "news"
    city.run("tenants", "export", str(folder))
    for code in codes:

        def add(document: dict, code: str = code) -> None:
            for subscription in document["subscriptions"]:
                if subscription["offering"] == "intranet":
                    subscription["spec"]["sites"][0]["names"].setdefault("aliases", []).append(
                        f"news.{code}.intra.qingdao.test"
                    )

        edit(folder / f"{code}.yaml", add)
    Names(city).update("intra.qingdao.test", ("add", f"news.{codes[7]}", 300, "A", "192.0.2.9"))
    city.run("tenants", "import", str(folder), "--yes")
    digest = city.plan()["digest"]
    run = city.json("apply", digest, "--yes", f"--confirm={digest[:8]}", check=1)
    assert run["state"] == "done_with_conflicts"
    zone = Names(city).transfer("intra.qingdao.test")
    live = [c for c in codes if (f"news.{c}", "AAAA") in zone]
    assert len(live) >= 81
    assert zone[f"news.{codes[7]}", "A"] == {"300 192.0.2.9"}, "the foreign record was left alone"
    plan = city.plan()
    assert {c["tenant"] for c in plan["changes"]} == {codes[7]}
    assert {c["action"] for c in plan["changes"]} == {"conflict"}
    Names(city).update("intra.qingdao.test", ("delete", f"news.{codes[7]}", "A"))
    city.apply()
    assert city.plan()["changes"] == []


def test_one_request_of_82_breaks_on_the_host_and_81_are_live(city: Centre):
    codes = [t["code"] for t in city.json("tenants", "list")["items"] if "internet" in t["subscriptions"]]
    assert len(codes) == 82
    one_of_many_breaks(city, codes, codes[41])


@pytest.mark.parametrize("event", ["plan.confirmed", "part.notice:3", "part.progress:2"])
def test_killed_in_the_middle_a_rerun_finishes(city: Centre, tmp_path: Path, event: str):
    tag = "k" + event.replace(".", "").replace(":", "")
    served = [t["code"] for t in city.json("tenants", "list")["items"] if "public_site" in t["subscriptions"]]
    city.run("tenants", "import", str(grown(tmp_path, city, tag, served[:20])), "--yes")
    digest = city.plan()["digest"]
    killed = city.run(
        "apply", digest, "--yes", f"--confirm={digest[:8]}", check=False, env={"GASP_FAULT": f"kill:{event}"}
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-500:]
    again = city.plan()["digest"]
    assert city.json("apply", again, "--yes", f"--confirm={again[:8]}")["state"] == "done"
    assert city.plan()["changes"] == []
    assert sum(a["uid"].startswith(f"{tag}.") for a in city.json("accounts", "list")["items"]) == 20


def test_a_real_package_over_the_62_machines(city: Centre):
    """1.1 arrives everywhere, although the worker is killed and a third of the machines lose their power while the
    second ring is being touched. 1.2 stops with the first ring, which goes back. The 32 workstations without the
    service are never touched."""
    rolling = Rolling(city)
    rings = rolling.machines()
    assert len(rings) == 62
    others = [
        h["name"] for h in city.json("lab", "status")["hosts"] if h["zone"] == "tenant" and h["name"] not in rings
    ]
    assert len(others) == 32
    rolling.begin_with("1.0")
    strangers = rolling.had(others)
    by_ring = {ring: sorted(n for n, r in rings.items() if r == ring) for ring in sorted(set(rings.values()))}
    off = sorted(name for names in by_ring.values() for name in names[2::3])
    rollout = rolling.start("1.1")
    second = sorted(by_ring)[1]

    def being_touched() -> bool:
        return any(rings[e["data"]["name"]] == second for e in rolling.events(rollout, "item.touching"))

    wait_until(being_touched, 600, "the first machine of the second ring")
    city.run("lab", "stop", "--hard", *off)
    worker = city.json("worker", "status")["pid"]
    (child,) = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    late = rolling.wait(rollout, "catching_up", "stopped", "waiting", seconds=900)
    assert late["state"] != "stopped", rolling.told(late)
    states = rolling.states(rollout)
    assert len(states) == late["total"] == 62
    begun = {i["name"] for i in late["items"] if i["wave"] <= late["wave"]}
    assert {n for n, state in states.items() if n in begun and state != "ok"} <= set(off), "who lives is done"
    assert {n for n, state in states.items() if n not in begun} == {n for n, s in states.items() if s == "untouched"}
    assert {states[n] for n in off} <= {"ok", "off", "unmeasured", "untouched"}, "none of them is counted as a failure"
    assert all(states[n] == "ok" for n in off if rings[n] < second), "they had it before"
    city.run("lab", "start", *off)
    if late["state"] == "waiting":  # too many had it and lost their power before they were measured: a person decides
        city.run("rollouts", "release", str(rollout), "--reason", "power is back", "--yes")
    done = rolling.wait(rollout, "done", "stopped", seconds=900)
    assert done["counts"] == {"ok": 62}, rolling.told(done)
    assert set(rolling.versions(list(rings)).values()) == {"1.1"}

    before, published = rolling.had(list(rings)), rolling.published()
    bad = rolling.start("1.2")
    assert rolling.wait(bad, "stopped", "waiting", "done", seconds=300)["state"] == "stopped"
    first = min(by_ring)
    assert {ring: s for ring, s in rolling.published().items() if ring != first} == {
        ring: s for ring, s in published.items() if ring != first
    }
    city.run("rollouts", "rollback", str(bad), "--reason", "it fails", "--yes")
    back = rolling.wait(bad, "rolled_back", "waiting", seconds=300)
    assert back["state"] == "rolled_back", rolling.told(back)
    after = rolling.had(list(rings))
    assert {(had.state, had.version) for had in after.values()} == {("ii", "1.1")}
    assert {n: after[n] for n, r in rings.items() if r != first} == {
        n: before[n] for n, r in rings.items() if r != first
    }
    assert rolling.had(others) == strangers, "nobody without the service was touched"
