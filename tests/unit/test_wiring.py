"""What is put together for pages asks no host; what the worker does by itself is nobody else's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from control_plane import wiring
from control_plane.cli.main import gasp
from control_plane.model.errors import TemporaryError
from control_plane.model.text import t
from control_plane.settings import Settings
from control_plane.store.audit import BY_ITSELF

SOURCES = """
version: 1
reach: [192.0.2.7]
packages: []
"""


def test_whether_signatures_are_fetched_is_known_while_the_upstream_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise TemporaryError(t("Host {host} gave no answer: {reason}", host="citizen", reason="off"))

    monkeypatch.setattr("control_plane.wiring.machines.lab_upstream", away)
    monkeypatch.setattr("control_plane.wiring.machines.settings", lambda: SimpleNamespace(estate=tmp_path))
    assert wiring.machines.fetches_signatures()
    (tmp_path / "upstream").mkdir()
    (tmp_path / "upstream" / "sources.yaml").write_text(SOURCES, "utf-8")
    assert not wiring.machines.fetches_signatures()


def test_mails_name_the_address_at_which_departments_reach_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = SimpleNamespace(domain="city.test")
    estate, core = SimpleNamespace(document=lambda: document), SimpleNamespace(ip="192.0.2.1")
    monkeypatch.setattr("control_plane.wiring.processes.store", lambda: SimpleNamespace(estate=estate))
    monkeypatch.setattr("control_plane.wiring.processes.topology", lambda: SimpleNamespace(machine_core=core))

    def told(**given: object) -> str | None:
        setting = Settings(state=tmp_path, **given)
        monkeypatch.setattr("control_plane.wiring.processes.settings", lambda: setting)
        return wiring.processes.console_url_for_departments()

    assert told(web_port=0) is None
    assert told(web_listen="127.0.0.1:8999") == "https://console.core.city.test/"
    assert told(web_listen="127.0.0.1:8999", web_url="https://gasp.city.test:8999") == "https://gasp.city.test:8999/"
    assert told(web_port=8999) == "https://localhost:8999/", "this machine has no such address: nobody else reaches it"


class Idle:
    """Whatever is asked of it, there is nothing to do."""

    def __getattr__(self, name: str) -> Idle:
        return self

    __call__ = __getitem__ = lambda self, *_, **__: self

    def __iter__(self) -> Iterator[Idle]:
        return iter(())

    def __bool__(self) -> bool:
        return False


def test_what_the_worker_does_by_itself_it_does_as_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    class Here:
        """Whoever runs the process."""

        def acting_as(self, name: str) -> Idle:
            actors.append(name)
            return Idle()

    actors: list[str] = []
    monkeypatch.setattr("control_plane.wiring.turns.local_client", Here)
    monkeypatch.setattr("control_plane.wiring.turns.the_worker", wiring.the_worker.__wrapped__)
    wanted = {"accounts", "retirements", "record", "machines", "emergencies", "substitutes", "reviews", "scans",
              "old_record", "signatures", "contents", "live_releases"}  # fmt: skip
    chores = [chore for chore in wiring.turns.chores() if chore.name in wanted]
    assert len(chores) == len(wanted)
    for chore in chores:
        before = len(actors)
        chore.run()
        assert actors[before:], chore.name
    assert {*actors} == {BY_ITSELF}


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder that is not there, for this process."""
    kept = [made for made in vars(wiring.centre).values() if hasattr(made, "cache_clear")]
    kept += [wiring.local_client, wiring.topology, wiring.authority]
    monkeypatch.setenv("GASP_STATE", str(tmp_path / "state"))
    for made in kept:
        made.cache_clear()
    yield tmp_path / "state"
    for made in kept:
        made.cache_clear()


@pytest.mark.parametrize(
    "line", ["status", "hosts list", "tenants list", "plan", "runs list", "doctor", "db show", "worker status",
             "tenants import tests/data/small --dry-run", "users grant somebody operator --reason x"]
)  # fmt: skip
def test_looking_where_no_centre_is_makes_none(nowhere: Path, line: str) -> None:
    for there in (False, True):
        answer = CliRunner().invoke(gasp, line.split(), env={"GASP_LANG": "en"})
        assert answer.exit_code == 4, answer.output
        assert f"There is no centre in {nowhere} yet." in answer.stderr and "gasp bringup" in answer.stderr
        assert [*nowhere.parent.rglob("*")] == ([nowhere] if there else [])
        nowhere.mkdir(exist_ok=True)


def test_bring_up_makes_a_centre_and_looking_finds_it(nowhere: Path) -> None:
    assert not wiring.founded()
    assert wiring.networked_tenants(), "from the documents"
    assert not nowhere.exists()
    for _ in range(2):
        wiring.make_centre()
        assert wiring.founded() and wiring.store().estate.document() is None
    assert (nowhere / "gasp.db").stat().st_mode & 0o777 == 0o600
    assert nowhere.stat().st_mode & 0o777 == 0o700


def test_a_centre_of_a_newer_version_is_no_place_without_one(nowhere: Path) -> None:
    wiring.make_centre()
    with sqlite3.connect(nowhere / "gasp.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    wiring.store.cache_clear()
    answer = CliRunner().invoke(gasp, ["status"], env={"GASP_LANG": "en"})
    assert answer.exit_code == 1 and "revision 9999" in answer.stderr, answer.output
