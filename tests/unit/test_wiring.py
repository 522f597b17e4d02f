"""What is put together for pages asks no host; what the worker does by itself is nobody else's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from control_plane import wiring
from control_plane.model.errors import TemporaryError
from control_plane.model.text import t
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


def test_who_removes_what_a_time_is_over_for_is_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    actors: list[str] = []

    def acting_as(name: str) -> SimpleNamespace:
        actors.append(name)
        area = SimpleNamespace(remove_left=list, tick=list)
        return SimpleNamespace(staff=area, retirements=area)

    here = SimpleNamespace(acting_as=acting_as, sheets=SimpleNamespace(expire=list))
    monkeypatch.setattr("control_plane.wiring.turns.local_client", lambda: here)
    for chore in wiring.turns.chores():
        if chore.name in ("accounts", "retirements"):
            assert chore.run() is None
    assert actors == [BY_ITSELF, BY_ITSELF]
