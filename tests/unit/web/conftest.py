"""A console in memory with the small estate; made once a module, people are added as tests need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.model.text import in_language
from tests.web.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("console"))
        yield made
        made.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    """One of its own, nothing of it applied."""
    with in_language("en"):
        made = make_world(tmp_path, applied=False)
        yield made
        made.close()
