"""The fake client behind the real interface for programs, over real HTTPS: the command line works at it as from another
machine."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from control_plane.api.application import make_api
from control_plane.api.services import Services
from control_plane.cli.places import Place
from control_plane.model.errors import ControlPlaneError
from control_plane.model.jobs import KINDS, refusal_of
from control_plane.model.people import Grant, Person
from control_plane.model.token import SCOPES, FirstAnswer, Token, new_token
from control_plane.workflow.job_acts import DOERS
from control_plane.workflow.job_checks import CHECKS
from control_plane.workflow.tokens import Admitted
from tests.drivers.slapd import Authority

from .fake_client import ANSWERS, AT, FakeClient

NOW = datetime(2026, 11, 24, 15, 8, 41, tzinfo=UTC)
ROLES = (("operator", None), ("security_officer", None), ("auditor", None), ("clerk", "fgw"))


class Jobs:
    """Every job is done at once, through the methods that real ones call."""

    def __init__(self, client: FakeClient) -> None:
        self.client, self.rows = client, dict[int, dict[str, Any]]()

    def place(self, kind: str, given: dict[str, Any], *, subject: str, once: str) -> dict[str, Any]:
        if kind in CHECKS:
            CHECKS[kind](self.client, given)  # type: ignore[arg-type]
        row: dict[str, Any] = {
            **{"id": len(self.rows) + 1, "kind": kind, "title": kind, "subject": subject, "state": "done"},
            **{"sentence": "Done.", "actor": "directory:wangwei", "at": AT, "finished_at": AT, "run": None},
            **{"first_run": None, "error": None, "given": given, "answer": {}, "before": 0},
        }
        try:
            row["answer"] = DOERS[kind](self.client, given, lambda event: row.update(run=event["run"]))  # type: ignore[arg-type]
        except ControlPlaneError as error:
            kept = refusal_of(error)
            faults = [{"text": str(p.text), "remedy": None, "field": p.field} for p in error.problems]
            said = {"text": str(error.text), "hint": str(error.hint) if error.hint else None, "problems": faults}
            row |= {"state": "refused", "error": {"code": kept["code"], "word": kept["word"], **said}}
        self.rows[row["id"]] = row
        assert KINDS[kind]
        return row

    def show(self, job: int) -> dict[str, Any]:
        return self.rows[job]

    def list(self, limit: int = 200) -> builtins.list[dict[str, Any]]:
        return builtins.list(self.rows.values())[: -limit - 1 : -1]


class Behind:
    """What the interface asks: the fake, with jobs and with what only it asks."""

    def __init__(self, client: FakeClient) -> None:
        self._client, self.jobs = client, Jobs(client)

    def stamp(self) -> str:
        return str(id(self._client))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Tokens:
    """Whoever comes holds all roles that a test needs."""

    def admit(self, value: str, address: str) -> Admitted:
        grants = tuple(Grant(n, role, tenant, NOW, None, "x", "x") for n, (role, tenant) in enumerate(ROLES))
        person = Person("p_1", "directory:wangwei", "王伟", "fgw", grants, enrolled=True)
        more: Any = (NOW, "x", NOW + timedelta(days=1), None, None, None, None)
        return Admitted(Token(1, person.name, person.key, "x", "abcd", tuple(SCOPES), None, *more), person)


class Answers:
    """Every key is a fresh one."""

    def once(self, token: int, key: str, asked: bytes, act: Callable[[], FirstAnswer]) -> tuple[FirstAnswer, bool]:
        return act(), False


class Elsewhere:
    """A control plane elsewhere whose answers are those of the fake that a test has put behind it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.client: Any = None

    def put(self, client: FakeClient, given: dict[str, Any]) -> None:
        """What is asked from now on. The run that an act gives is the one that is shown later."""
        for name in ("apply", "resume_run", "drift_revert"):
            if isinstance(given.get(name), dict) and "run" not in given:
                client.answers["run"] = given[name]
        if "run" not in given and client.answers["run"] == ANSWERS["run"]:
            client.answers["run"] = ANSWERS["apply"]
        self.client = Behind(client)


@contextmanager
def elsewhere(folder: Path) -> Iterator[Elsewhere]:
    """One for as long as the block lasts."""
    certificate, key = Authority(folder / "tls").issue("localhost")
    made: list[Elsewhere] = []
    services: Any = {"tokens": Tokens(), "answers": Answers(), "clock": lambda: NOW, "version": "0"}
    kept = Services(lambda name: made[0].client, kept=lambda key, stamp, make: make(), rate=10**6, **services)
    app = Flask("elsewhere")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/api": make_api(kept, ["localhost"], 1 << 20)})  # type: ignore[method-assign]
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=(str(certificate), str(key)))
    made.append(
        Elsewhere(Place("city", f"https://localhost:{server.server_port}", new_token(), str(folder / "tls/ca.pem")))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
