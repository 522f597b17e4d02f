"""A freeze while something is under way on real hosts: in the middle of a package, in the middle of an apply. Who was
touched is asked of the hosts themselves."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import GASP, Centre
from tests.lab.changing import grown
from tests.lab.rolling import Rolling
from tests.lab.world import Directory, Names
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

PILOT, OTHERS = "fgw", ["czj", "gaj", "jyj", "sjj"]
#: Seconds within which a freeze takes effect, and what is allowed on a busy machine.
PROMISED, ALLOWED = 5, 50
#: When dpkg and apt last wrote to their logs, to the nanosecond, and how much they have said.
TOUCHED = "stat -c '%n %.Y %s' /var/log/dpkg.log /var/log/apt/history.log /var/lib/dpkg/status"
#: On a web host: whoever runs nginx waits while `/run/hold` is there, and says so.
HOLDER = """#!/bin/sh
while [ -e /run/hold ]; do touch /run/held; sleep 0.05; done
exec /usr/sbin/nginx.real "$@"
"""


@pytest.fixture(scope="module")
def rolling(centre: Centre) -> Rolling:
    return Rolling(centre)


@contextlib.contextmanager
def frozen(centre: Centre, reason: str, *scope: str) -> Iterator[dict[str, Any]]:
    """Everything (or a scope) is frozen, and is not any more at the end, whatever happened."""
    freeze = centre.json("freezes", "set", *scope, "--reason", reason)
    try:
        yield freeze
    finally:
        open_ = {row["id"] for row in centre.json("freezes", "list")["items"]}
        if freeze["id"] in open_:
            lift(centre, freeze)


def lift(centre: Centre, freeze: dict[str, Any], second: str = "li", check: int = 0) -> bytes:
    """A second person agrees."""
    words = ("freezes", "lift", str(freeze["id"]), "--second", second, "--reason", "over", "--yes")
    return centre.run(*words, check=check).stderr


def touched(centre: Centre, hosts: list[str]) -> dict[str, str]:
    """What the hosts' own packages say of when they were touched."""
    return {host: centre.shell(host, TOUCHED) for host in hosts}


def test_a_freeze_in_the_middle_of_a_package_ends_it_and_touches_nobody_else(
    centre: Centre, rolling: Rolling, record_property: Any
):
    centre.run("worker", "start")
    rolling.begin_with("1.0")
    before = touched(centre, OTHERS)
    centre.shell(PILOT, "touch /run/gasp-held")
    rollout = rolling.start("1.4")
    half = "dpkg-query -W -f '${db:Status-Abbrev}' gasp-demo"
    wait_until(lambda: centre.shell(PILOT, half).strip() == "iF", 60, "the middle of the package")
    with frozen(centre, "typhoon") as freeze:
        began = time.monotonic()
        wait_until(lambda: "typhoon" in rolling.show(rollout)["sentence"], ALLOWED, "the sentence")
        took = time.monotonic() - began
        record_property("seconds until a freeze is told", round(took, 2))
        assert took < ALLOWED, f"promised are {PROMISED} s"
        assert centre.shell(PILOT, f"{half}; rm /run/gasp-held").strip() == "iF", "it was frozen in the middle"
        wait_until(
            lambda: rolling.states(rollout)[PILOT] in ("installed", "ok"), ALLOWED, "the end of what is under way"
        )
        had = rolling.had([PILOT])[PILOT]
        assert (had.state, had.version) == ("ii", "1.4"), "no package is left in the middle"
        turns = centre.json("worker", "status")["chores"]
        last = next(c["ended_at"] for c in turns if c["name"] == "rollouts")

        def again() -> bool:
            """Whether the worker has looked at it once more."""
            rows = centre.json("worker", "status")["chores"]
            return any(c["name"] == "rollouts" and c["ended_at"] > last for c in rows)

        wait_until(again, ALLOWED, "another turn of the worker")
        standing = rolling.show(rollout)
        assert standing["state"] == "running" and "typhoon" in standing["sentence"]
        assert touched(centre, OTHERS) == before, "hosts touched after it: 0"
        late = [e for e in rolling.events(rollout, "item.touching") if e["at"] > freeze["at"]]
        assert late == []
        assert b"second person" in lift(centre, freeze, second="root", check=4)
        lift(centre, freeze)
        done = rolling.wait(rollout, "done", "stopped", "waiting")
    assert done["state"] == "done", rolling.told(done)
    assert set(rolling.versions([PILOT, *OTHERS]).values()) == {"1.4"}
    names = [e["data"]["name"] for e in rolling.events(rollout, "item.touching")]
    assert sorted(names) == sorted([PILOT, *OTHERS]), "nobody twice"


def test_scopes_of_a_freeze_and_a_pause_hold_back_real_hosts(centre: Centre, rolling: Rolling):
    centre.run("worker", "stop")
    try:
        rolling.begin_with("1.0")
        before = touched(centre, OTHERS)
        rollout = rolling.start("1.1")
        with frozen(centre, "exams", "--scope", "ring:broad"):
            assert rolling.step() == 0
            assert "ring 2 broad is frozen" in rolling.show(rollout)["sentence"]
            assert rolling.states(rollout)[PILOT] == "ok", "the ring before is not frozen"
            assert touched(centre, OTHERS) == before
        centre.run("rollouts", "pause", str(rollout), "--reason", "calls from the pilot", "--yes")
        assert rolling.step() == 0
        assert "calls from the pilot" in rolling.show(rollout)["sentence"]
        assert touched(centre, OTHERS) == before
        centre.run("rollouts", "resume", str(rollout), "--yes")
        with frozen(centre, "audit", "--scope", "tenant:gaj"):
            assert rolling.step() == 0
            held = rolling.show(rollout)
            assert held["state"] == "running" and "department gaj is frozen" in held["sentence"]
            assert rolling.versions(["czj"]) == {"czj": "1.1"}, "its neighbour in the wave goes on"
            now = touched(centre, OTHERS)
            assert {n: now[n] for n in OTHERS if n != "czj"} == {n: before[n] for n in OTHERS if n != "czj"}
        assert rolling.step() == 0
        done = rolling.show(rollout)
        assert done["state"] == "done", rolling.told(done)
        assert set(rolling.versions(OTHERS).values()) == {"1.1"}
    finally:
        centre.run("worker", "start")


@pytest.fixture
def slow_web(centre: Centre) -> Iterator[None]:
    """A web host on which everything waits while `/run/hold` is there."""
    script = "[ -e /usr/sbin/nginx.real ] || mv /usr/sbin/nginx /usr/sbin/nginx.real; cat > /usr/sbin/nginx"
    centre.on("web", "sh", "-ec", f"{script}; chmod 755 /usr/sbin/nginx; touch /run/hold", stdin=HOLDER.encode())
    yield
    centre.shell("web", "rm -f /run/hold /run/held; mv /usr/sbin/nginx.real /usr/sbin/nginx")


def test_a_freeze_in_the_middle_of_an_apply_ends_it_between_hosts(
    centre: Centre, tmp_path: Path, slow_web: None, record_property: Any
):
    tag = f"f{secrets.token_hex(3)}"
    centre.run("tenants", "import", str(grown(tmp_path, centre, tag)), "--yes")
    names, zone = Names(centre), "qingdao.test"
    before = names.transfer(zone)
    serial = "dig +short soa qingdao.test @127.0.0.1"
    at = centre.shell("ns1", serial)
    digest = centre.plan()["digest"]
    running = subprocess.Popen(
        [str(GASP), "apply", digest, "--yes", "-o", "json"],
        env=centre.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until(lambda: centre.shell("web", "ls /run/held 2>/dev/null || true"), 60, "the middle of the web host")
        with frozen(centre, "earthquake") as freeze:
            people = set(Directory(centre).everything())
            centre.shell("web", "rm -f /run/hold")
            began = time.monotonic()
            out, _ = running.communicate(timeout=10 * ALLOWED)
            record_property("seconds until a frozen apply has ended", round(time.monotonic() - began, 2))
            run = json.loads(out)
            assert (running.returncode, run["state"]) == (1, "stopped")
            assert "earthquake" in run["sentence"] and f"gasp runs resume {run['id']}" in run["sentence"]
            assert f"{tag}.fgw" in centre.shell("web", "grep -rho 'server_name .*' /etc/nginx"), "under way: finished"
            assert names.transfer(zone) == before, "names are another host's, which is not touched any more"
            assert centre.shell("ns1", serial) == at
            assert set(Directory(centre).everything()) == people
            changed = "find /etc/nginx /srv/sites /var/lib/gasp -newermt '{}' -type f"
            later = f"@{datetime.fromisoformat(freeze['at']).timestamp() + PROMISED}"
            assert centre.shell("intranet", changed.format(later)) == ""
            refused = centre.run("runs", "resume", str(run["id"]), "--yes", check=4)
            assert b"earthquake" in refused.stderr
            assert names.transfer(zone) == before
            lift(centre, freeze)
    finally:
        running.kill()
        running.wait()
    done = centre.json("runs", "resume", str(run["id"]), "--yes")
    assert done["state"] == "done", done
    assert (f"{tag}.fgw", "A") in names.transfer(zone)
    assert centre.plan()["changes"] == []
