"""A real store on a file, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.model.run import Actor
from control_plane.model.tenant import TenantDocument
from control_plane.store.leases import Holder
from control_plane.store.repository import Store
from tests.databases import database_url

ALIVE, DEAD = Holder(100, 5, "boot"), Holder(200, 6, "boot")


def alive(holder: Holder) -> bool:
    return holder != DEAD


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def tenant(code: str, index: int | None = None, **more: object) -> TenantDocument:
    return TenantDocument.model_validate(
        {
            "code": code,
            "names": {"zh": f"单位{code}", "en": code},
            "kind": "government_department",
            "network": {"index": index} if index else None,
            **more,
        }
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database_url(tmp_path)


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    made = Store(url, clock=clock)
    made.upgrade()
    yield made
    made.close()


@pytest.fixture
def actor(store: Store) -> Actor:
    return store.actors.get("local:test")
