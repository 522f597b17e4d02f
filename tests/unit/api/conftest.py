"""The interface over a console in memory: one token for each role, made as its owner would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from werkzeug.test import TestResponse

from control_plane.model.people import ROLES
from control_plane.model.text import in_language
from control_plane.model.token import SCOPES
from tests.web.world import BASE, World, make_world

_keys = count(1)


@dataclass
class Programs:
    """`as_` sends a request with the token of a role."""

    world: World
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, role: str, *, tenant: str | None = None, scopes: tuple[str, ...] = tuple(SCOPES)) -> str:
        name = f"{role}/{tenant}/{','.join(scopes)}"
        if name not in self.tokens:
            login = self.world.person(role)
            if ROLES[role].second_factor and login not in self.world.factors:
                self.world.enter(login)
            made = self.world.client.tokens.create(person=login, name=role, scopes=scopes, tenant=tenant)
            self.tokens[name] = made["token"]
        return self.tokens[name]

    def send(self, token: str | None, method: str, path: str, **sent: Any) -> TestResponse:
        headers = {"Accept-Language": "en", **sent.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if method == "POST" and "Idempotency-Key" not in headers and sent.pop("key", True):
            headers["Idempotency-Key"] = f"key-{next(_keys)}"
        browser = self.world.app.test_client(use_cookies=False)
        return browser.open(f"/api/v1{path}", method=method, base_url=BASE, headers=headers, **sent)

    def as_(self, role: str, method: str, path: str, **sent: Any) -> TestResponse:
        return self.send(self.token(role), method, path, **sent)

    def get(self, path: str, role: str = "operator", **sent: Any) -> TestResponse:
        return self.as_(role, "GET", path, **sent)

    def post(self, path: str, body: Any = None, role: str = "operator", **sent: Any) -> TestResponse:
        return self.as_(role, "POST", path, json={} if body is None else body, **sent)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    with in_language("en"):
        world = make_world(tmp_path_factory.mktemp("api"))
        yield Programs(world)
        world.close()
