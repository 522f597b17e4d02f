"""The worker: a failing chore stops no other, states are written down, nothing stale is kept."""

from __future__ import annotations

import threading

import pytest

from control_plane.store.leases import Holder
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.worker import Chore, Worker, WorkerStatus


@pytest.fixture
def lines() -> list[tuple[str, str, str]]:
    return []


def made(centre, lines, *chores: Chore) -> Worker:
    return Worker(centre.store, chores, lambda: None, lambda *line: lines.append(line))


def broken() -> str:
    raise ValueError("no answer")


def test_a_chore_that_fails_is_written_down_and_stops_no_other(centre, lines, tmp_path):
    worker = made(centre, lines, Chore("bad", 5, broken), Chore("good", 5, lambda: "3 done"))
    assert not worker.once()
    assert ("info", "good", "3 done") in lines
    assert ("error", "bad", "Internal fault: ValueError: no answer") in lines
    rows = {c["name"]: c for c in WorkerStatus(centre.store, tmp_path, centre.clock).status()["chores"]}
    assert (rows["bad"]["state"], rows["bad"]["failures"], rows["bad"]["succeeded_at"]) == ("failed", 1, None)
    assert (rows["good"]["state"], rows["good"]["failures"]) == ("waiting", 0)
    worker.once(["bad"])
    assert centre.store.chores.list()[0].failures == 2


def test_renewal_comes_before_every_turn_and_its_fault_is_the_chores(centre, lines):
    turns: list[str] = []
    worker = Worker(centre.store, [Chore("c", 1, lambda: turns.append("c"))], lambda: turns.append("renew"), print)  # type: ignore[func-returns-value]
    worker.once()
    worker.once()
    assert turns == ["renew", "c", "renew", "c"]
    bad = Worker(centre.store, [Chore("c", 1, lambda: None)], broken, lambda *line: lines.append(line))  # type: ignore[arg-type]
    assert not bad.once()


def test_it_goes_on_until_it_is_told_to_stop(centre, lines):
    turned = threading.Semaphore(0)
    worker = made(centre, lines, Chore("quick", 0, lambda: turned.release() or None), Chore("bad", 0, broken))  # type: ignore[func-returns-value]
    thread = threading.Thread(target=worker.run)
    thread.start()
    for _ in range(5):
        assert turned.acquire(timeout=10)
    worker.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_a_chore_that_does_not_end_is_late_and_the_doctor_says_so(centre, lines, tmp_path):
    centre.store.chores.begin("slow", 60, myself(), process_alive)
    status = WorkerStatus(centre.store, tmp_path, centre.clock)
    assert status.status()["chores"][0]["state"] == "running"
    centre.clock.advance(301)
    assert status.status()["chores"][0]["state"] == "late"
    state, said, remedy = status.check()
    assert state == "warning"
    assert "does not run" in str(said)
    assert str(remedy) == "gasp worker start"


def test_who_is_at_it_is_no_matter_of_clocks(centre):
    """A worker that looked at its clock before the one before it ended kept its turn from nobody."""
    chores, (one, other) = centre.store.chores, (Holder(pid, 7, "boot") for pid in (11, 12))
    assert chores.begin("c", 0, one, lambda _: True)
    centre.clock.advance(5)
    chores.end("c", None)
    centre.clock.advance(-9)
    assert chores.begin("c", 0, other, lambda _: True)
    assert not chores.begin("c", 0, one, lambda _: True)
    assert chores.begin("c", 0, one, lambda _: False), "what a killed one left is the next one's"
    chores.end("c", None)
    assert [chore.pid for chore in chores.list()] == [None]


def test_nobody_waits_for_a_worker_that_is_not_there(tmp_path):
    from control_plane.workflow.background import living, stop_background

    assert stop_background(tmp_path, "worker") is False
    (tmp_path / "worker.json").write_text('{"pid": 1, "start": 1, "boot": "another"}')
    assert living(tmp_path, "worker") is None
    assert stop_background(tmp_path, "worker") is False
