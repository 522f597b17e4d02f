"""The server and the browser of a file of tests; each file makes its own `world`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.web.serving import chromium, served
from tests.web.world import World


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's certificate and its authority lie."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def origin(world: World, tls: Path) -> Iterator[str]:
    with served(world, tls) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found
