"""The result of the nightly check: what its states say, and what a killed check leaves behind."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers.secrets import SecretFolder
from control_plane.drivers.vault import Vault
from control_plane.model.errors import Rejected
from control_plane.model.text import in_language
from control_plane.workflow.nightly import Nightly
from nightly.roles import BOUND, LIFE, WHO, tokens
from tests.unit.workflow.conftest import Centre

ENDED: dict[str, Any] = {
    **{"version": "1", "complete": True, "operations": 3, "of": 3, "cases": 9, "found": 0},
    **{"findings": [], "left_out": []},
}
#: A check in a process of its own that is killed at once.
KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from control_plane.workflow.nightly import Nightly
Nightly(Path(sys.argv[1]), lambda: datetime(2026, 11, 24, 2, tzinfo=UTC)).begin({"url": "https://localhost"})
os.kill(os.getpid(), 9)
"""


class Clock:
    now = datetime(2026, 11, 24, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def said(result: Nightly) -> tuple[str, str]:
    with in_language("en"):
        state, text, _ = result.check()
        return state, str(text)


def test_each_state_has_its_line(tmp_path: Path) -> None:
    clock = Clock()
    result = Nightly(tmp_path, clock)
    assert said(result) == ("warning", "The nightly check has not run yet.")
    result.begin({"url": "https://localhost"})
    assert said(result)[0] == "passed"
    assert "runs since" in said(result)[1]
    with pytest.raises(Rejected):
        result.begin({"url": "https://localhost"})
    result.end(ENDED)
    assert said(result)[1].endswith("found nothing: 3 operations, 9 cases.")
    clock.now += timedelta(hours=36)
    assert said(result)[0] == "passed"
    clock.now += timedelta(seconds=1)
    assert said(result)[0] == "warning"
    assert "older than 36 h" in said(result)[1]
    result.end({**ENDED, "complete": False})
    assert said(result)[0] == "warning"
    assert said(result)[1].endswith("did not finish.")
    result.end({**ENDED, "complete": False, "found": 2})
    assert said(result)[0] == "failed"
    assert (tmp_path / "nightly.json").stat().st_mode & 0o077 == 0


def test_one_that_was_killed_did_not_finish_and_the_next_may_begin(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -9
    result = Nightly(tmp_path, Clock())
    assert said(result) == ("warning", said(result)[1])
    assert said(result)[1].endswith("did not finish.")
    result.begin({"url": "https://localhost"})
    assert "runs since" in said(result)[1]


def test_what_a_killed_check_left_ends_by_itself_and_at_the_next(centre: Centre, tmp_path: Path) -> None:
    centre.tenant("fgw")
    store, clock, vault = centre.store, centre.clock, Vault(SecretFolder(tmp_path / "secrets"))
    actor = store.actors.get("local:test")

    def living() -> tuple[int, int]:
        people = [person for role in WHO if (person := store.people.find(f"account:nightly-{role}")) is not None]
        kept = [len(store.tokens.list(person.key, ended=False)) for person in people]
        return sum(len(person.grants) for person in people), sum(kept)

    left = [tokens(store, vault, actor, clock, "fgw") for _ in range(2)]
    for one in left:
        one.__enter__()
        assert living() == (len(WHO), len(WHO) + 1)
    clock.advance(LIFE.total_seconds() + 1)
    assert living() == (0, 0)
    with tokens(store, vault, actor, clock, "fgw") as values:
        assert set(values) == {*WHO, BOUND}
        assert living() == (len(WHO), len(WHO) + 1)
    assert living() == (0, 0)
    for one in left:
        one.__exit__(None, None, None)
