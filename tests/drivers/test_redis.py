"""Signals through a real Redis: they arrive, and a Redis that is away or restarted stops nobody."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.workflow import signals
from control_plane.workflow.signals import Signals, Told
from control_plane.workflow.worker import Chore, Worker
from tests.unit.workflow.asking import Office
from tests.unit.workflow.conftest import make_centre
from tests.unit.workflow.test_signals import listener
from tests.waiting import wait_until

__all__ = ["make_centre"]


class Redis:
    """A Redis of our own, reached by its socket alone."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis"
        self.broker = f"redis+socket://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ("--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no")
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL, cwd="/")
        wait_until(self.socket.exists, 30)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)
        self.socket.unlink(missing_ok=True)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    made = Redis(tmp_path)
    made.start()
    yield made
    made.kill()


def reach(given: Signals, heard: list[str], name: str) -> None:
    def came() -> bool:
        given.give(name)
        return name in heard

    wait_until(came, 60)


def test_signals_arrive_also_after_a_restart(redis: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = Signals(tmp_path / "unused", redis.broker)
    with listener(tmp_path / "unused", redis.broker) as heard:
        reach(given, heard, "first")
        for _ in range(3):
            given.give("jobs")
        wait_until(lambda: heard.count("jobs") == 3, 30)
        redis.kill()
        began = time.monotonic()
        given.give("lost")
        assert time.monotonic() - began < 10 * signals.PATIENCE
        assert "no signal for lost" in caplog.text
        state, text, _ = given.check()
        assert state == "warning" and "Its chores begin at their next turn." in str(text)
        redis.start()
        reach(given, heard, "second")
        assert given.check()[0] == "passed"
    assert "lost" not in heard
    assert not (tmp_path / "unused").exists()


def test_without_a_listener_few_signals_wait(redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "WAITING", 5)
    given = Signals(tmp_path / "unused", redis.broker)
    for _ in range(10):
        given.give("jobs")
    assert given._waiting() == 5


def test_restarted_in_the_middle_of_twenty_applies_nothing_is_lost_or_doubled(
    redis: Redis, make_centre: Any, tmp_path: Path
) -> None:
    """Requests are signed while signals come, are lost, come again; a worker makes each real once."""
    given, heard = Signals(tmp_path / "unused", redis.broker), list[str]()
    centre, codes = make_centre(), [f"t{n:02d}" for n in range(20)]
    office = Office(centre, tenants=["fgw", "gaj", *codes])
    for code in codes:
        for role in ("clerk", "approver"):
            person = centre.store.people.ensure(f"directory:{role}-{code}", code)
            centre.store.people.grant(person, role, code, None, "test", centre.actor)

    def listen(told: Told) -> None:
        def hear(name: str) -> None:
            heard.append(name)
            told(name)

        with listener(tmp_path / "unused", redis.broker) as names:
            while not worker._stop.wait(0.05):
                for name in [names.pop(0) for _ in range(len(names))]:
                    hear(name)

    def turn() -> None:
        office.ticker.tick()

    worker = Worker(centre.store, [Chore("requests", 1, turn)], lambda: None, lambda *_: None, listen)
    centre.store.database._told = given.give
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        asked = []
        for number, code in enumerate(codes):
            if number == 7:
                redis.kill()
            if number == 14:
                redis.start()
            asked.append(office.signed(f"clerk-{code}", code, [f"approver-{code}", "operator"], names=[code]))
        wait_until(lambda: all(office.state(request) == "live" for request in asked), 120)
        wait_until(lambda: (given.give("requests"), len(heard))[1] > 0, 60, "signals come again")
    finally:
        worker.stop()
        thread.join(60)
    assert sum(driver.writes for driver in centre.drivers) == 40
    for request in asked:
        done = [event["type"] for event in office.of("operator").events(request["id"])]
        assert (done.count("request.applied"), done.count("request.live")) == (1, 1)
