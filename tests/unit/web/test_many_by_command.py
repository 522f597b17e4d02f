"""The same tables by the client that `gasp requests import` uses: one rule for pages and the command line."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.model.errors import Invalid, NotFound, StalePlan
from tests.unit.web.test_many import people
from tests.web.world import World


def client(world: World) -> Any:
    world.person("clerk")
    return world.client.acting_as("directory:clerk1").requests


def test_a_look_keeps_nothing_and_the_rows_come_into_the_draft(world: World) -> None:
    mine = client(world)
    before = mine.list(tenant="fgw")
    table = people("张,三,张三,zhangsan9,all,科员", "李,四,李四,lisi9,,")
    seen = mine.check_rows("fgw", "directory", "people", table)
    assert seen == {"request": None, "action": "change", "list": "people", "added": 2, "changed": 0, "same": 0}
    assert mine.list(tenant="fgw") == before
    draft = mine.draft("fgw", "directory", "change")
    taken = mine.take_rows(draft["id"], "people", table, version=draft["version"])
    assert (taken["request"], taken["added"]) == (draft["reference"], 2)
    kept = mine.show(draft["id"])["spec"]["people"]
    assert {"zhangsan9", "lisi9"} <= {person["uid"] for person in kept}
    again = mine.check_rows("fgw", "directory", "people", people("张,三,张三,zhangsan9,all,科长"))
    assert (again["request"], again["changed"], again["added"]) == (draft["reference"], 1, 0)
    with pytest.raises(StalePlan):
        mine.take_rows(draft["id"], "people", people("王,五,王五,wangwu9,,"), version=draft["version"])
    mine.withdraw(draft["id"])


def test_every_problem_of_every_row_at_once(world: World) -> None:
    mine = client(world)
    with pytest.raises(Invalid) as wrong:
        mine.check_rows("fgw", "directory", "people", people("李,四,李四,lisi9,,", "李,四,李四,lisi9,,"))
    assert [problem.line for problem in wrong.value.problems] == [3]
    with pytest.raises(Invalid) as wrong:
        mine.check_rows("fgw", "directory", "people", people("张,,张三,zhang san,all,", "李,四,,lisi9,,"))
    said = [str(problem.text) for problem in wrong.value.problems]
    assert {problem.line for problem in wrong.value.problems} == {2, 3}
    assert any("zhang san" in text for text in said), said
    for content in (b"", b"\x00\x01\x02", b"x" * (3 << 20)):
        with pytest.raises(Invalid):
            mine.check_rows("fgw", "directory", "people", content)


def test_what_is_no_list_or_not_in_sight(world: World) -> None:
    mine = client(world)
    with pytest.raises(NotFound, match="is no list"):
        mine.check_rows("fgw", "directory", "cats", b"a")
    with pytest.raises(NotFound, match="Nothing of"):
        mine.check_rows("fgw", "security", None, b"a")
    with pytest.raises(NotFound, match="There is no tenant"):
        mine.check_rows("gaj", "directory", None, b"a")
