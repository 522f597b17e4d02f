"""A department's groups in the real directory: made, filled, renamed, lost by whoever leaves or moves, and undone."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.conftest import Centre
from tests.lab.world import BASE, Directory

pytestmark = pytest.mark.lab
CODE, OTHER = "shinan", "czj"
#: Names are never given again, and the test may run again in the same lab.
TAG = uuid.uuid4().hex[:6]


def groups_of(centre: Centre, uid: str) -> list[str]:
    """Groups by the directory's own word (`memberOf`)."""
    with Directory(centre).admin() as connection:
        connection.search(f"ou=tenants,{BASE}", f"(uid={uid})", attributes=["memberOf"])
        found = connection.response[0]["raw_attributes"].get("memberOf", ())
    return sorted(dn.decode().partition(",")[0] for dn in found)


def test_groups_are_real_and_lose_who_leaves_or_moves(centre: Centre, tmp_path: Path) -> None:
    leaves, moves, stays = (f"lab{TAG}{letter}" for letter in "abc")
    path = tmp_path / "people.csv"
    path.write_text("单位,账号,姓名\n" + "".join(f"{CODE},{uid},张三\n" for uid in (leaves, moves, stays)), "utf-8")
    centre.run("accounts", "import", str(path), "--yes")
    first, later = f"watch-{TAG}", f"shift-{TAG}"
    centre.run("accounts", "groups", "make", f"{CODE}/{first}", "--zh", "值班", "--yes")
    centre.run("accounts", "groups", "put", f"{CODE}/{first}", leaves, moves, stays, "--yes")
    assert groups_of(centre, leaves) == groups_of(centre, moves) == [f"cn={first}"]
    number = centre.json("accounts", "groups", "show", f"{CODE}/{first}")["gid"]
    centre.run("accounts", "groups", "rename", f"{CODE}/{first}", "--to", later, "--yes")
    assert groups_of(centre, stays) == [f"cn={later}"]
    assert centre.json("accounts", "groups", "show", f"{CODE}/{later}")["gid"] == number
    centre.run("accounts", "leave", leaves, "--reason", "test", "--yes")
    path.write_text(f"单位,账号\n{OTHER},{moves}\n", "utf-8")
    centre.run("accounts", "import", str(path), "--yes")
    assert groups_of(centre, leaves) == groups_of(centre, moves) == []
    ended = centre.json("accounts", "groups", "end", f"{CODE}/{later}", "--yes")
    assert groups_of(centre, stays) == []
    undo = centre.json("runs", "undo", str(ended["run"]))
    centre.run("apply", undo["digest"], "--yes")
    assert groups_of(centre, stays) == [f"cn={later}"]
    centre.run("accounts", "groups", "end", f"{CODE}/{later}", "--yes")
    assert centre.json("plan", f"tenant:{CODE}")["changes"] == []
