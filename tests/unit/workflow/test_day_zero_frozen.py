"""Bring-up changes no host under a freeze."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from control_plane import day_zero, wiring
from control_plane.drivers import ansible
from control_plane.drivers.ansible import PlaybookResult
from control_plane.model.freeze import Frozen


def test_servers_are_not_set_up_under_a_freeze(centre, monkeypatch: pytest.MonkeyPatch):
    centre.store.freezes.set("estate", "storm", centre.actor)
    monkeypatch.setattr(wiring, "store", lambda: centre.store)
    with pytest.raises(Frozen, match="storm"):
        day_zero.set_up_servers(lambda done, total, what: None)


@pytest.mark.parametrize("scope", ["system:dns", "system:snapshots", "ring:centre"])
def test_a_freeze_of_a_part_of_the_servers_stops_them_too(centre, monkeypatch: pytest.MonkeyPatch, scope: str):
    centre.store.freezes.set(scope, "storm", centre.actor)
    monkeypatch.setattr(wiring, "store", lambda: centre.store)
    monkeypatch.setattr(wiring, "settings", lambda: SimpleNamespace(state=Path("/none")))
    with pytest.raises(Frozen, match="storm"):
        day_zero.set_up_servers(lambda done, total, what: None)


def test_a_freeze_meanwhile_stops_before_the_next_servers(centre, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    begun: list[str] = []

    def run_playbook(*_: object, limit: str, **__: object) -> PlaybookResult:
        begun.append(limit)
        centre.store.freezes.set("estate", "storm", centre.actor)
        return PlaybookResult(True, 1, (), 0.1)

    monkeypatch.setattr(ansible, "run_playbook", run_playbook)
    monkeypatch.setattr(wiring, "store", lambda: centre.store)
    monkeypatch.setattr(wiring, "settings", lambda: SimpleNamespace(state=tmp_path, secrets=tmp_path / "secrets"))
    monkeypatch.setattr(wiring, "topology", lambda: SimpleNamespace(inventory=dict))
    monkeypatch.setattr(wiring, "lab", lambda: SimpleNamespace(ssh_config=lambda: None))
    monkeypatch.setattr(day_zero, "playbook_variables", dict)
    monkeypatch.setattr(day_zero, "SecretFolder", lambda folder: SimpleNamespace(shared_servers=dict))
    with pytest.raises(Frozen, match="storm"):
        day_zero.set_up_servers(lambda done, total, what: None)
    assert begun == [day_zero.SERVER_STEPS[0]]
