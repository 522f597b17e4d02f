"""What is put together for pages asks no host."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from control_plane import wiring
from control_plane.model.errors import TemporaryError
from control_plane.model.text import t

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
