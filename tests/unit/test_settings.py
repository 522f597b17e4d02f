"""Settings: what is wrong with one is told by its name, and what was typed is not shown."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from control_plane import wiring
from control_plane.cli.main import gasp
from control_plane.model.errors import Invalid
from control_plane.settings import Settings


def test_every_wrong_setting_is_named_and_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"WORKERS": "abc", "WEB_PROCESSES": "0", "LAB": "nix", "WEB_LISTEN": "here", "TOUCH_LIMIT": "-1"}
    for name, value in {**given, "DATABASE": "mysql://u:never-to-be-printed@h/x"}.items():
        monkeypatch.setenv(f"GASP_{name}", value)
    with pytest.raises(Invalid) as caught:
        Settings.from_environment()
    assert {problem.field for problem in caught.value.problems} == {f"GASP_{name}" for name in (*given, "DATABASE")}
    wiring.settings.cache_clear()
    try:
        answer = CliRunner().invoke(gasp, ["status"], env={"GASP_LANG": "en"})
    finally:
        wiring.settings.cache_clear()
    assert answer.exit_code == 4
    assert "GASP_WORKERS" in answer.stderr and "Internal" not in answer.stderr
    assert "never-to-be-printed" not in answer.output
