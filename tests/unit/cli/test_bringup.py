"""The last page of `gasp bringup`: what is up, where the console is, and how the first one signs in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from control_plane import day_zero, wiring
from control_plane.cli.app import App
from control_plane.cli.main import gasp
from control_plane.model.text import t
from control_plane.workflow.bringup import Phase

STATUS = {"estate": "Qingdao", "hosts": {"running": 9}, "tenants": {"served": 3, "network_only": 1, "listed": 4}}


@pytest.mark.parametrize("url", [None, "https://localhost:8443/"])
@pytest.mark.parametrize("first", [None, "/state/secrets/sign-in-first"])
def test_it_ends_with_where_the_console_is_and_who_comes_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str | None, first: str | None
) -> None:
    monkeypatch.setattr(day_zero, "phases", lambda: [Phase("boot", t("Boot"), 1.0, lambda tell: "9 hosts")])
    monkeypatch.setattr(day_zero, "first_passwords_file", lambda: tmp_path / "first-passwords")
    given: dict[str, Any] = {
        "settings": lambda: SimpleNamespace(state=tmp_path),
        "console_url": lambda: url,
        "people": lambda: SimpleNamespace(first=lambda: Path(first) if first else None),
    }
    for name, value in given.items():
        monkeypatch.setattr(wiring, name, value)
    client = SimpleNamespace(status=lambda: STATUS)
    app = App(lambda: client, lambda: None, lambda: None, interactive=False)  # type: ignore[arg-type, return-value]
    answer = CliRunner().invoke(gasp, ["bringup"], obj=app)
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[1] == "  9 hosts run; 3 departments served, 1 districts on the network, 4 listed."
    assert f"First passwords: {tmp_path / 'first-passwords'}" in lines[2]
    console = [line for line in lines if "Console:" in line]
    sign_in = [line for line in lines if "First sign-in" in line]
    assert console == ([f"  Console: {url}"] if url else [])
    assert sign_in == ([f"  First sign-in: name “first”, one-time password in {first}"] if url and first else [])
    assert [line.split()[0] for line in lines[-3:]] == [".venv/bin/gasp"] * 3
