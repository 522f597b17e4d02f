"""Bring-up changes no host under a freeze."""

from __future__ import annotations

import pytest

from control_plane import day_zero, wiring
from control_plane.model.freeze import Frozen


def test_servers_are_not_set_up_under_a_freeze(centre, monkeypatch: pytest.MonkeyPatch):
    centre.store.freezes.set("estate", "storm", centre.actor)
    monkeypatch.setattr(wiring, "store", lambda: centre.store)
    with pytest.raises(Frozen, match="storm"):
        day_zero.set_up_servers(lambda done, total, what: None)
