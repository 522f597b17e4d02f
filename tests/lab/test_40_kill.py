"""kill -9 at every event boundary of an apply: running it again finishes, nothing is doubled, lost or half done."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from control_plane.model.run import EventType
from tests.conftest import Centre
from tests.lab.changing import grown
from tests.lab.world import Directory, Names

pytestmark = pytest.mark.lab

#: Boundaries that an apply without failures does not reach; they are covered by unit tests.
NOT_HERE = {EventType.CHANGE_FAILED, EventType.HELD, EventType.STOPPED}
KILLABLE = [e for e in EventType if e not in NOT_HERE]


def check_whole(centre: Centre, tag: str) -> None:
    """Everything the change asked for is there exactly once, everywhere."""
    zone = Names(centre).transfer("qingdao.test")
    people = Counter(dn.split(",")[0] for dn in Directory(centre).everything() if dn.startswith(f"uid={tag}."))
    for code in ("fgw", "czj", "gaj"):
        assert (f"{tag}.{code}", "A") in zone
        assert people[f"uid={tag}.{code}"] == 1
        assert centre.fetch("citizen", f"https://{tag}.{code}.qingdao.test/") == "200"
    markers = [
        v for (name, kind), v in zone.items() if kind == "TXT" and name.endswith("_gasp") and f"n={tag}." in str(v)
    ]
    assert len(markers) == 3


@pytest.mark.parametrize("event", KILLABLE, ids=lambda e: e.value)
def test_killed_at_an_event(centre: Centre, tmp_path: Path, event: EventType):
    tag = "k" + event.value.replace(".", "").replace("_", "")[:20]
    centre.run("tenants", "import", str(grown(tmp_path, centre, tag)), "--yes")
    killed = centre.run("apply", "estate", "--yes", check=False, env={"GASP_FAULT": f"kill:{event.value}"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    newest = centre.json("runs", "list", "--limit", "1")["items"][0]
    assert newest["state"] in ("interrupted", "done"), newest
    if event is EventType.PART_DONE:  # one of them by resume, the others by applying again
        assert centre.json("runs", "resume", str(newest["id"]), "--yes")["state"] == "done"
    else:
        assert centre.apply()["state"] == "done"
    assert centre.plan()["changes"] == []
    check_whole(centre, tag)


def test_killed_in_the_middle_of_each_system(centre: Centre, tmp_path: Path):
    """The boundaries inside the drivers, in the order in which they come: one kill after the other on one change."""
    tag = "kmiddle"
    centre.run("tenants", "import", str(grown(tmp_path, centre, tag)), "--yes")
    kills = 0
    for nth in range(1, 40):
        done = centre.run("apply", "estate", "--yes", check=False, env={"GASP_FAULT": f"kill:part.notice:{nth}"})
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        kills += 1
    else:
        pytest.fail("the change was never finished")
    assert kills >= 2
    assert centre.plan()["changes"] == []
    check_whole(centre, tag)
