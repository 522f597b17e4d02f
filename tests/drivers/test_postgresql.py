"""On a real PostgreSQL: all moved row for row, a server that goes away, several workers, many who decide at once.

The store, requests and jobs on PostgreSQL are the unit tests themselves, run again with GASP_TEST_DATABASE=postgresql.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest
from sqlalchemy import insert, inspect, select, text

from control_plane.model.errors import ControlPlaneError, Invalid, PermanentError, StalePlan, TemporaryError
from control_plane.model.run import FINAL
from control_plane.model.text import in_language
from control_plane.store.database import MIGRATIONS, Database
from control_plane.store.moving import Moved, describe, move
from control_plane.store.repository import Store
from control_plane.store.tables import actors
from control_plane.workflow.applying import Order
from control_plane.workflow.audit import Audit
from control_plane.workflow.process import myself, process_alive
from tests import databases
from tests.conftest import GASP
from tests.databases import server
from tests.unit.store.test_migrations import FAILING, NEWEST
from tests.unit.workflow.asking import Office
from tests.unit.workflow.conftest import make_centre
from tests.waiting import wait_until
from tests.web.world import BASE, World, make_world

__all__ = ["make_centre"]


@pytest.fixture(autouse=True)
def _english() -> Any:
    with in_language("en"):
        yield


@pytest.fixture
def on_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "POSTGRESQL", True)


@pytest.fixture
def filled(tmp_path: Path) -> Any:
    """A small estate on SQLite, with an applied run, people, a job, and a trail."""
    made = make_world(tmp_path)
    made.person("operator")
    yield made
    made.close()


def rows(database: Database) -> dict[str, int]:
    return {row["table"]: row["rows"] for row in describe(database)["tables"] if row["rows"]}


# --- moving ----------------------------------------------------------------------------------------------------------
def test_everything_is_moved_and_goes_on_there(filled: World) -> None:
    url = server().create()
    source, target = filled.store.database, Database(url)
    moved = move(source, target)
    assert {m.table: m.rows for m in moved if m.rows} == rows(source) == rows(target)
    assert rows(target)["audit_entries"] > 5 and rows(target)["run_events"] > 20
    target.close()
    store = Store(url, clock=filled.clock)
    store.upgrade()
    before, after = filled.store, store
    assert after.estate.document() == before.estate.document()
    assert after.estate.tenants() == before.estate.tenants()
    assert after.estate.subscriptions() == before.estate.subscriptions()
    assert after.runs.list() == before.runs.list()
    assert after.people.all() == before.people.all()
    assert Audit(store).verify() == Audit(before).verify()
    newest = max(run.id for run in after.runs.list())
    started = store.runs.create("apply", "estate", None, store.actors.get("local:test"), myself())
    assert started == newest + 1
    store.database.close()


def test_only_an_empty_database_of_the_right_order_takes_it(filled: World) -> None:
    used = Database(server().create())
    used.upgrade()
    with used.write() as connection:
        connection.execute(insert(actors).values(key="k", name="somebody"))
    with pytest.raises(Invalid) as caught:
        move(filled.store.database, used)
    assert [p.code for p in caught.value.problems] == ["database-not-empty"]
    assert "actors" in str(caught.value.problems[0].text)
    assert rows(used) == {"actors": 1}
    used.close()
    plain = Database(server().create("template0", encoding="SQL_ASCII"))
    with pytest.raises(Invalid) as caught:
        move(filled.store.database, plain)
    assert [p.code for p in caught.value.problems] == ["database-order"]
    assert "--encoding=UTF8" in str(caught.value.problems[0].remedy)
    plain.close()


def test_a_text_that_it_cannot_keep_is_named_with_its_row(filled: World) -> None:
    """As versions let programs write it that did not refuse it."""
    target = Database(server().create())
    with closing(sqlite3.connect(filled.folder / "gasp.db")) as plain, plain:
        plain.execute("INSERT INTO actors (key, name) VALUES ('nul', 'directory:l' || char(0) || 'i')")
    with pytest.raises(Invalid) as caught:
        move(filled.store.database, target)
    (problem,) = caught.value.problems
    assert "In table actors" in str(problem.text)
    assert rows(target) == {}
    with closing(sqlite3.connect(filled.folder / "gasp.db")) as plain, plain:
        plain.execute(str(problem.remedy).partition(": ")[2])
    move(filled.store.database, target)
    with target.read() as connection:
        assert connection.scalar(select(actors.c.name).where(actors.c.key == "nul")) == "…"
    target.close()


def test_what_cannot_take_it_is_said_before_anything_is_written(tmp_path: Path) -> None:
    def gasp(*argv: str) -> tuple[int, str]:
        env = {**os.environ, "GASP_STATE": str(tmp_path), "GASP_LANG": "en", "COLUMNS": "200"}
        done = subprocess.run([str(GASP), "db", "move", *argv], env=env, capture_output=True, timeout=60)
        return done.returncode, (done.stdout + done.stderr).decode()

    here = Store(f"sqlite:///{tmp_path / 'gasp.db'}")
    here.upgrade()
    here.database.close()
    for url in ("mysql://x/y", "postgresql://x/y", "nothing"):
        for way in ("--dry-run", "--yes"):
            status, said = gasp(url, way)
            assert (status, "TARGET" in said, "Traceback" in said or "fault" in said) == (4, True, False), said
    assert gasp(f"postgresql+psycopg:///x?host={tmp_path}", "--dry-run")[0] == 6
    used, empty = Database(server().create()), server().create()
    used.upgrade()
    with used.write() as connection:
        connection.execute(insert(actors).values(key="k", name="somebody"))
    used.close()
    address = used.engine.url.render_as_string(hide_password=False)
    assert (gasp(address, "--dry-run")[0], gasp(empty, "--dry-run")[0]) == (4, 0)
    assert gasp(f"sqlite:///{tmp_path}/other.db", "--dry-run")[0] == 0
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("after", [1, 12, 40])
def test_killed_anywhere_nothing_is_moved_and_it_can_be_done_again(filled: World, after: int) -> None:
    target, seen, before = Database(server().create()), list[Moved](), rows(filled.store.database)

    def killed(moved: Moved) -> None:
        seen.append(moved)
        if len(seen) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(filled.store.database, target, killed)
    assert (rows(target), rows(filled.store.database)) == ({}, before)
    move(filled.store.database, target)
    assert rows(target) == before
    target.close()


def test_what_only_grows_only_grows_there_too(filled: World) -> None:
    target = Database(server().create())
    move(filled.store.database, target)
    for statement in (
        "UPDATE audit_entries SET body = ''",
        "DELETE FROM audit_subjects",
        "TRUNCATE audit_entries CASCADE",
        "INSERT INTO audit_entries SELECT 0, at, act, actor_key, body, former, hash FROM audit_entries LIMIT 1",
    ):
        with pytest.raises(Exception, match="only grows"), target.write() as connection:
            connection.execute(text(statement))
    target.close()


def test_a_failed_migration_leaves_everything_as_it_was(tmp_path: Path) -> None:
    database = Database(server().create())
    database.upgrade()
    copytree(MIGRATIONS, tmp_path / "migrations", ignore=ignore_patterns("__pycache__"))
    body = FAILING.format(revision="9001", before=NEWEST, last='raise RuntimeError("no")')
    (tmp_path / "migrations/versions/9001_test.py").write_text(body)
    with pytest.raises(PermanentError, match="is as it was: no"):
        database.upgrade(tmp_path / "migrations")
    assert database.revision() == NEWEST
    with database.read() as connection:
        assert "c9001" not in {column["name"] for column in inspect(connection).get_columns("tenants")}
    database.close()


# --- a server that goes away -----------------------------------------------------------------------------------------
def test_a_server_that_is_away_is_said_and_nothing_is_half_written(tmp_path: Path) -> None:
    own = databases.Server()
    try:
        database = Database(own.create())
        database.upgrade()

        def cut_off() -> None:
            with database.write() as connection:
                connection.execute(insert(actors).values(key="a", name="a"))
                own.stop("immediate")
                connection.execute(insert(actors).values(key="b", name="b"))

        with pytest.raises(TemporaryError, match="database cannot be used") as caught:
            cut_off()
        assert "server runs" in str(caught.value.hint)
        with pytest.raises(TemporaryError):
            rows(database)
        own.start()
        assert rows(database) == {}
        database.close()
    finally:
        own.remove()


@pytest.mark.parametrize("address", ["/console/", "/console/runs", "/portal/", "/sign-in"])
def test_pages_say_what_they_wait_for_while_it_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    own = databases.Server()
    try:
        monkeypatch.setattr("tests.web.world.database_url", lambda _folder: own.create())
        made = make_world(tmp_path)
        browser = made.enter(made.person("operator"))
        own.stop("immediate")
        seen = browser.get(address, base_url=BASE)
        assert seen.status_code == 503, seen.text
        assert "database server runs" in seen.text
        assert int(seen.headers["Retry-After"]) > 0
        own.start()
        again = browser.get(address, base_url=BASE)
        assert again.status_code == 200 or again.location == "/console/", "it goes on by itself"
        made.close()
    finally:
        own.remove()


def test_restarted_in_the_middle_of_twenty_applies_nothing_is_lost_or_doubled(make_centre: Any, tmp_path: Path) -> None:
    own, codes = databases.Server(), [f"t{n:02d}" for n in range(20)]
    try:
        centre = make_centre(url=own.create())
        for code in codes:
            centre.tenant(code, names=[code])
        begun, stop = threading.Event(), threading.Event()

        def apply(code: str) -> None:
            """As the worker does: until it is done, however often the database is away."""
            for _ in range(120):
                try:
                    centre.applier.apply(Order(f"tenant:{code}"), centre.actor, wait=1)
                    begun.set()
                    return
                except ControlPlaneError:
                    assert not stop.wait(0.1)
            raise AssertionError(f"{code} was never done")

        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(apply, code) for code in codes]
            assert begun.wait(60)
            own.stop("immediate")
            own.start()
            for one in done:
                one.result(timeout=300)
        found = sorted(i for d in centre.drivers for part in d.things.values() for i in part)
        assert found == sorted(f"{kind}/{code}" for code in codes for kind in ("dns.rrset", "web.vhost"))
        assert sum(driver.writes for driver in centre.drivers) == 40
        centre.applier.apply(Order("estate"), centre.actor)
        assert sum(driver.writes for driver in centre.drivers) == 40
        centre.store.runs.mark_interrupted(process_alive)
        assert {run.state for run in centre.store.runs.list()} <= set(FINAL), "none is left at work for ever"
        centre.store.database.close()
    finally:
        own.remove()


# --- several processes -----------------------------------------------------------------------------------------------
WORKER = """
import os, sys, time
from control_plane.store.repository import Store
from control_plane.workflow.worker import Chore, Worker
def turn():
    with open(sys.argv[2], "a") as log: log.write(f"begin {os.getpid()}\\n")
    time.sleep(float(sys.argv[3]))
    with open(sys.argv[2], "a") as log: log.write(f"end {os.getpid()}\\n")
Worker(Store(sys.argv[1]), [Chore("it", 0, turn)], lambda: None, lambda *line: None).run()
"""


def test_of_two_workers_one_at_a_time_has_the_turn_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    url, log = server().create(), tmp_path / "log"
    database = Database(url)
    database.upgrade()
    database.close()
    log.touch()

    def lines() -> list[list[str]]:
        return [line.split() for line in log.read_text().splitlines()]

    def worker(seconds: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", WORKER, url, str(log), seconds])

    both = [worker("0.05"), worker("0.05")]
    try:
        wait_until(lambda: {pid for _, pid in lines()} == {str(w.pid) for w in both}, 60, "both had a turn")
        kept = lines()
        for one in both:
            one.kill()
            one.wait(30)
        for begin, end in zip(kept[::2], kept[1::2], strict=False):
            assert (begin[0], end[0], begin[1] == end[1]) == ("begin", "end", True)
        slow = worker("600")
        both.append(slow)
        wait_until(lambda: ["begin", str(slow.pid)] in lines(), 60)
        quick = worker("0.05")
        both.append(quick)
        assert ["begin", str(quick.pid)] not in lines()
        os.kill(slow.pid, signal.SIGKILL)
        slow.wait(30)
        wait_until(lambda: ["end", str(quick.pid)] in lines(), 60, "the other one took over")
    finally:
        for one in both:
            one.kill()
            one.wait(30)


def test_sixty_four_who_decide_thirty_two_requests_at_once(make_centre: Any, on_postgresql: None) -> None:
    centre = make_centre()
    codes = [f"t{n:02d}" for n in range(32)]
    office = Office(centre, tenants=["fgw", "gaj", *codes])
    people, asked = centre.store.people, []
    for code in codes:
        for role in ("clerk", "approver"):
            person = people.ensure(f"directory:{role}-{code}", code)
            people.grant(person, role, code, None, "test", centre.actor)
        asked.append(office.ask(f"clerk-{code}", code, names=[code]))
    gate = threading.Barrier(64)

    def decide(number: int) -> None:
        request, who = asked[number // 2], "operator" if number % 2 else f"approver-{codes[number // 2]}"
        gate.wait()
        for _ in range(64):
            try:
                office.of(who).sign(request["id"], digest=request["digest"])
            except (StalePlan, TemporaryError):  # it moved, or was busy for half a minute: a person does it again
                continue
            return
        raise AssertionError(f"{who} never signed")

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(decide, range(64)))
    for request in asked:
        events = office.of("operator").events(request["id"])
        assert [e["number"] for e in events] == list(range(1, len(events) + 1))
        assert [e["type"] for e in events].count("request.approved") == 1, events
    while any(office.state(request) != "live" for request in asked):
        assert office.ticker.tick() is not None
    assert sum(driver.writes for driver in centre.drivers) == 64
    centre.store.database.close()


def test_what_a_process_could_not_give_back_is_free_again(tmp_path: Path) -> None:
    own = databases.Server()
    try:
        store = Store(own.create())
        store.upgrade()
        lease = store.leases.acquire("apply", myself(), process_alive)
        assert lease is not None
        assert store.leases.acquire("apply", myself(), process_alive) is None
        own.stop("immediate")
        with pytest.raises(TemporaryError):
            store.leases.release(lease)
        own.start()
        again = store.leases.acquire("apply", myself(), process_alive)
        assert again is not None and again.token > lease.token
        assert store.leases.acquire("apply", myself(), process_alive) is None
        store.database.close()
    finally:
        own.remove()
