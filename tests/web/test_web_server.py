"""The real web server: started in the background once, over TLS by the centre's authority, ended without a trace."""

from __future__ import annotations

import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.client import HTTPSConnection
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, build_opener

import pytest

from control_plane.model.people import Stage
from control_plane.store.repository import Store
from control_plane.workflow.background import living
from tests.ports import free_port
from tests.waiting import wait_until
from tests.web.world import SMALL

GASP = Path(sys.executable).with_name("gasp")


class Centre:
    def __init__(self, state: Path) -> None:
        self.state, self.port, self.door = state, free_port(), free_port()

    @property
    def env(self) -> dict[str, str]:
        mine = {"GASP_STATE": str(self.state), "GASP_WEB_PORT": str(self.port), "GASP_ESTATE": str(SMALL)}
        mine["GASP_WEB_LISTEN"] = f"127.0.0.1:{self.door}"
        return {**os.environ, **mine, "GASP_LANG": "en", "GASP_LAB": "labt"}

    def found(self) -> None:
        """An empty centre, as bring-up makes one first."""
        self.state.mkdir(mode=0o700)
        with closing(Store(f"sqlite:///{self.state / 'gasp.db'}")) as store:
            store.upgrade()

    def gasp(self, *argv: str, code: int = 0) -> str:
        done = subprocess.run([str(GASP), *argv], capture_output=True, text=True, timeout=120, env=self.env)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def operator(self) -> str:
        """The cookie of an operator who is signed in."""
        token, now = secrets.token_urlsafe(32), datetime.now(UTC)
        with closing(Store(f"sqlite:///{self.state / 'gasp.db'}", clock=lambda: now)) as store:
            person = store.people.ensure("account:one", "one", None)
            store.people.grant(person, "operator", None, None, "test", store.actors.get("local:test"))
            store.people.set_factor(person.key, None, enrolled=True)
            until, key = now + timedelta(hours=1), sha256(token.encode()).hexdigest()
            store.people.open_session(key, person, Stage.OPEN, until, "127.0.0.1", "test")
        return f"__Host-gasp={token}"

    def status(self, path: str, host: str = "localhost", cookie: str = "") -> int:
        trusted = ssl.create_default_context(cafile=self.state / "ca" / "ca.pem")
        connection = HTTPSConnection("localhost", self.port, timeout=60, context=trusted)
        connection.request("GET", path, headers={"Host": host, "Cookie": cookie})
        status = connection.getresponse().status
        connection.close()
        return status

    def answers(self) -> bool:
        try:
            return self.status("/sign-in") == 200
        except OSError:
            return False


def children(pid: int) -> set[int]:
    """The processes that one started."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = Centre(tmp_path / "state")
    made.found()
    made.gasp("tenants", "import", str(SMALL), "--yes")
    yield made
    made.gasp("web", "--stop")


def test_one_server_in_the_background(centre: Centre) -> None:
    url = f"https://localhost:{centre.port}/"
    assert url in centre.gasp("web", "--background")
    holder = living(centre.state, "web")
    assert holder is not None
    assert os.getsid(holder.pid) == holder.pid, "a session of its own"
    assert centre.status("/sign-in") == 200
    assert centre.status("/console/") == 302
    assert centre.status("/sign-in", host="evil.test") == 400
    assert json.loads(centre.gasp("status", "-o", "json"))["console_url"] == url
    centre.gasp("web", "--background")
    assert living(centre.state, "web") == holder, "no double"
    (server,) = children(holder.pid)
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: server not in children(holder.pid) and centre.answers(), 60)
    assert living(centre.state, "web") == holder, "started again by itself"
    os.kill(holder.pid, signal.SIGKILL)
    wait_until(lambda: living(centre.state, "web") is None, 30)
    centre.gasp("web", "--background")
    assert centre.status("/sign-in") == 200
    again = living(centre.state, "web")
    assert again is not None
    assert again != holder
    assert "stopped" in centre.gasp("web", "--stop")
    assert living(centre.state, "web") is None
    assert not (centre.state / "web.json").exists()
    assert "did not run" in centre.gasp("web", "--stop")


def test_bring_up_makes_the_first_operator_and_opens_the_console(centre: Centre) -> None:
    program = "from control_plane import day_zero; print(day_zero.open_console(lambda *_: None))"
    for _ in range(2):  # as after a kill
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=centre.env, timeout=120, check=True
        )
        assert f"https://localhost:{centre.port}/" in done.stdout
    file = centre.state / "secrets" / "sign-in-first"
    assert file.stat().st_mode & 0o777 == 0o600
    (row,) = json.loads(centre.gasp("users", "list", "-o", "json"))["items"]
    assert [role["role"] for role in row["roles"]] == ["operator"]
    trusted = ssl.create_default_context(cafile=centre.state / "ca" / "ca.pem")
    browser = build_opener(HTTPSHandler(context=trusted), HTTPCookieProcessor(CookieJar()))
    address = f"https://localhost:{centre.port}/sign-in"

    def token() -> str:
        text: str = browser.open(address).read().decode()
        return text.split('name="token" value="')[1].split('"')[0]

    form = {"token": token(), "name": "first", "password": file.read_text().strip()}
    answer = browser.open(address, urlencode(form).encode())
    assert answer.url.endswith("/sign-in/password")


def test_the_overview_opens_while_every_host_is_away(centre: Centre) -> None:
    centre.gasp("web", "--background")
    assert centre.status("/console/", cookie=centre.operator()) == 200


def test_a_centre_without_console(centre: Centre) -> None:
    centre.port = 0
    assert "no console" in centre.gasp("web", "--background", code=4)
