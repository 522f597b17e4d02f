"""`gasp(...)` runs a command line in this process against a fake client and returns code and both streams.

A test with `@both` runs twice: against the fake itself, and against the fake behind the interface for programs.
"""

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

from .elsewhere import Elsewhere, elsewhere
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
both = pytest.mark.parametrize("gasp", ["here", "there"], indirect=True)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("GASP_LANG", "GASP_OUTPUT", "LC_ALL", "LC_MESSAGES", "NO_COLOR", "TZ"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "100")
    with in_language("en"):
        yield


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    with elsewhere(tmp_path_factory.mktemp("there")) as made:
        yield made


@pytest.fixture
def gasp(request: pytest.FixtureRequest) -> Gasp:
    from control_plane.cli.remote import Remote

    away: Elsewhere | None = request.getfixturevalue("there") if getattr(request, "param", "") == "there" else None

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
        asked: Any = used
        if away is not None:
            away.put(used, answers)
            asked = Remote(away.place)
        app = App(lambda: asked, lambda: lab, lambda: None, interactive=tty)
        result = CliRunner().invoke(root, list(argv), input=typed, obj=app, env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr, used)

    return call
