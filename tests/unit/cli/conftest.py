"""`gasp(...)` runs a command line in this process against a fake client and returns code and both streams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from control_plane.cli.app import App
from control_plane.cli.main import gasp as root
from control_plane.model.text import in_language

from .fake_client import FakeClient


@dataclass
class Answer:
    code: int
    out: str
    err: str
    client: FakeClient

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Gasp = Callable[..., Answer]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("GASP_LANG", "GASP_OUTPUT", "LC_ALL", "LC_MESSAGES", "NO_COLOR", "TZ"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "100")
    with in_language("en"):
        yield


@pytest.fixture
def gasp() -> Gasp:
    def call(
        *argv: str,
        tty: bool = False,
        typed: str = "",
        lab: Any = None,
        client: FakeClient | None = None,
        env: dict[str, str] | None = None,
        **answers: Any,
    ) -> Answer:
        used = client or FakeClient(**answers)
        app = App(lambda: used, lambda: lab, lambda: None, interactive=tty)  # type: ignore[arg-type, return-value]
        result = CliRunner().invoke(root, list(argv), input=typed, obj=app, env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr, used)

    return call
