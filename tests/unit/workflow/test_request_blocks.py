"""Parts of a request's plan: marks of who reads, words about one part, and what a new plan does to both."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.model.errors import NotFound, Rejected, StalePlan
from control_plane.model.text import in_language
from control_plane.workflow.audit import Audit
from control_plane.workflow.request_blocks import blocks_of, title_of
from tests.unit.workflow.asking import Office


@pytest.fixture
def office(make_centre: Any) -> Any:
    with in_language("en"):
        yield Office(make_centre())


def change(action: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        **{"action": action, "id": f"web:web/vhost/{name}", "label": name, "kind": "web.vhost", "part": "web:web"},
        **{"tenant": "fgw", "before_hash": None, "after_hash": "a", "in_the_way": None, **more},
    }


def test_a_block_is_of_one_system_kind_and_tenant() -> None:
    changes = [change("delete", "a"), change("create", "b", tenant="gaj"), change("update", "c"), change("create", "d")]
    first, second = blocks_of(changes)
    assert (first.id, first.changes, dict(first.counts)) == (
        "web:web/web.vhost/fgw", (0, 2, 3), {"delete": 1, "update": 1, "create": 1},
    )  # fmt: skip
    assert second.id == "web:web/web.vhost/gaj"
    with in_language("en"):
        assert str(title_of(first.said())) == "website · websites on host web · fgw"


@pytest.mark.parametrize(
    ("moved", "same"),
    [
        ({"id": "web:web/vhost/other"}, True),
        ({"label": "other"}, False),
        ({"after_hash": "b"}, False),
        ({"in_the_way": "theirs"}, False),
        ({"action": "update"}, False),
    ],
)
def test_the_content_is_what_its_changes_say(moved: dict[str, Any], same: bool) -> None:
    """What is made new is known by its name: keys of people are given out when it is written."""
    before, after = change("create", "a"), {**change("create", "a"), **moved}
    assert (blocks_of([before])[0].content == blocks_of([after])[0].content) is same


def test_marks_are_of_one_person_and_content(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    chief, operator = office.of("chief"), office.of("operator")
    names, sites = chief.blocks(asked["id"])
    assert [b["viewed"] for b in (names, sites)] == [False, False]
    after = chief.mark(asked["id"], block=names["block"], content=names["content"])
    assert [b["viewed"] for b in after] == [True, False]
    assert after[0]["viewed_at"]
    assert not any(b["viewed"] for b in operator.blocks(asked["id"])), "marks are one's own"
    chief.send_back(asked["id"], reason="one more?")
    office.of("clerk").save(asked["id"], spec={"names": ["a", "b"]})
    office.of("clerk").answer(asked["id"], text="yes")
    again = chief.blocks(asked["id"])
    assert [(b["viewed"], b["changed_since"]) for b in again] == [(False, True), (False, False)]
    with pytest.raises(StalePlan):
        chief.mark(asked["id"], block=names["block"], content=names["content"])
    chief.mark(asked["id"], block=names["block"])
    assert chief.mark(asked["id"], block=names["block"], viewed=False)[0]["viewed"] is False
    with pytest.raises(NotFound, match="no part"):
        chief.mark(asked["id"], block="web:web/nothing/fgw")


def test_who_neither_asks_nor_signs_marks_nothing(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    auditor = office.of("auditor")
    block = auditor.blocks(asked["id"])[0]["block"]
    with pytest.raises(Rejected):
        auditor.mark(asked["id"], block=block)
    for act in (lambda c: c.blocks(asked["id"]), lambda c: c.mark(asked["id"], block=block)):
        with pytest.raises(NotFound, match="There is no request"):
            act(office.of("clerk2"))


def test_a_question_about_a_part_survives_a_new_plan(office: Office) -> None:
    asked = office.ask("clerk", "fgw", names=["a"])
    chief, clerk = office.of("chief"), office.of("clerk")
    block = chief.blocks(asked["id"])[0]
    chief.comment(asked["id"], text="a fine name", block=block["block"], content=block["content"])
    returned = chief.send_back(asked["id"], reason="is it short enough?", block=block["block"])
    assert (returned["state"], returned["why"]) == ("returned", "is it short enough?")
    said = [line["about"] for line in clerk.show(asked["id"])["conversation"] if line["about"]]
    assert said == [{"block": block["block"], "title": block["title"], "now": True}] * 2
    clerk.answer(asked["id"], text="it is")
    assert all(line["about"]["now"] for line in clerk.show(asked["id"])["conversation"] if line["about"])
    chief.send_back(asked["id"], reason="and another?")
    clerk.save(asked["id"], spec={"names": ["b"]})
    clerk.answer(asked["id"], text="b then")
    assert not any(line["about"]["now"] for line in clerk.show(asked["id"])["conversation"] if line["about"])
    with pytest.raises(StalePlan):
        chief.comment(asked["id"], text="late", block=block["block"], content=block["content"])
    with pytest.raises(NotFound):
        chief.send_back(asked["id"], reason="where?", block="nowhere")
    assert chief.show(asked["id"])["state"] == "submitted"
    trail = Audit(office.centre.store).list({"act": "request.returned"})
    assert {entry["reason"] for entry in trail} == {"is it short enough?", "and another?"}
