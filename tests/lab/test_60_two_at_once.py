"""Two applies, two imports at once: one after the other, none sees half of the other's work."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import GASP, Centre
from tests.lab.changing import grown

pytestmark = pytest.mark.lab


def side_by_side(centre: Centre, *commands: list[str]) -> list[subprocess.CompletedProcess[bytes]]:
    running = [
        subprocess.Popen([str(GASP), *c], env=centre.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for c in commands
    ]
    return [
        subprocess.CompletedProcess(p.args, p.returncode, out, err)
        for p in running
        for out, err in [p.communicate(timeout=300)]
    ]


def test_two_applies_of_the_same_change(centre: Centre, tmp_path: Path):
    centre.run("tenants", "import", str(grown(tmp_path, centre, "twice")), "--yes")
    done = side_by_side(centre, ["apply", "estate", "--yes"], ["apply", "tenant:fgw", "--yes"])
    assert [d.returncode for d in done] == [0, 0], [d.stderr.decode()[-800:] for d in done]
    runs = centre.json("runs", "list", "--limit", "2")["items"]
    assert {r["state"] for r in runs} == {"done"}
    first, second = sorted(runs, key=lambda r: r["id"])
    assert first["finished_at"] <= second["started_at"] or second["counts"]["already"] >= 0
    assert centre.plan()["changes"] == []


def test_two_imports_of_which_both_want_the_same_name(centre: Centre, tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    folders = [grown(one, centre, "race", codes=["gaj"]), grown(two, centre, "other", codes=["gaj"])]
    for folder in folders:
        people = folder / "people" / "gaj.csv"
        people.write_text(people.read_text("utf-8").replace("other.gaj", "race.gaj"), "utf-8")
    done = side_by_side(centre, *(["tenants", "import", str(f), "--yes"] for f in folders))
    assert sorted(d.returncode for d in done)[0] == 0, [d.stderr.decode()[-800:] for d in done]
    assert b"locked" not in b"".join(d.stderr for d in done)
    numbers = [a["uid_number"] for a in centre.json("accounts", "list")["items"]]
    assert len(numbers) == len(set(numbers))
    centre.apply()
    assert centre.plan()["changes"] == []
