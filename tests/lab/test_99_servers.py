"""The same centre on PostgreSQL and Redis, by settings alone: a request of a department goes its whole way while one of
two workers is killed, Redis is gone, PostgreSQL loses its power; nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import databases
from tests.conftest import Centre
from tests.drivers.test_redis import Redis
from tests.lab.test_97_requests import CODE, Act, acting, asked, live, people_of, sign, wished
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def database() -> Iterator[databases.Server]:
    """A PostgreSQL of our own."""
    made = databases.Server()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of our own."""
    made = Redis(tmp_path_factory.mktemp("redis"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def moved(centre: Centre, database: databases.Server, redis: Redis) -> Iterator[Centre]:
    """The centre after `gasp db move`; afterwards it is on its file again: the test takes back what it did."""
    url = database.create()
    on = {"GASP_DATABASE": url, "GASP_SIGNALS": redis.broker, "GASP_WORKERS": "2", "GASP_WEB_PROCESSES": "2"}
    made = Centre(centre.state, centre.estate, environment={**centre.environment, **on})
    try:
        centre.run("worker", "stop")
        centre.run("web", "--stop")
        centre.run("db", "move", url, "--yes")
        refused = centre.run("status", check=False)
        assert refused.returncode and b"Set GASP_DATABASE" in refused.stderr
        yield made
    finally:
        made.run("worker", "stop", check=False)
        made.run("web", "--stop", check=False)
        (centre.state / "gasp.db.moved").unlink(missing_ok=True)


def workers(centre: Centre) -> list[int]:
    """Processes whose parent is the keeper."""
    keeper = json.loads((centre.state / "worker.json").read_text())["pid"]
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == keeper:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture(scope="module")
def act(moved: Centre) -> Iterator[Act]:
    """Somebody does something there."""
    with acting(moved, people_of(moved)) as do:
        yield do


def test_a_request_goes_its_way_whatever_is_killed(
    moved: Centre, act: Act, database: databases.Server, redis: Redis
) -> None:
    centre = moved
    centre.run("worker", "start")
    centre.run("web", "--background")
    wait_until(lambda: len(workers(centre)) == 2, 60)
    before = wished(act, "internet")
    rule = {
        **{"number": 78, "action": "block", "hosts": ["servers.example.test"], "since": "2026-11-20"},
        "reason": {"zh": "与工作无关", "en": "Not needed for work"},
    }
    change = asked(act, "internet", "change", {**before, "rules": [*before.get("rules", ()), rule]})
    redis.kill()  # no signal is heard: the chores have their turns
    sign(act, change, *[need["role"] for need in change["needs"]])
    os.kill(workers(centre)[0], signal.SIGKILL)
    live(centre, change)
    assert centre.shell("gateway", f"grep -rl servers.example.test /etc/squid/gasp/{CODE}")
    wait_until(lambda: len(workers(centre)) == 2, 60, "the killed one is replaced")

    back = asked(act, "internet", "change", before)
    sign(act, back, *[need["role"] for need in back["needs"]])
    database.stop("immediate")
    away = centre.run("status", check=False)
    assert away.returncode == 6 and b"database server" in away.stderr, away.stderr
    database.start()
    redis.start()
    live(centre, back)
    for row in (change, back):
        done = [event["type"] for event in act("clerk", "events", row["id"])]
        assert (done.count("request.applied"), done.count("request.live")) == (1, 1)
    assert centre.plan(f"tenant:{CODE}")["changes"] == []
    assert centre.run("audit", "verify").returncode == 0
