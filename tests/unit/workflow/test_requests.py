"""A request from the draft to the live service: duties, signoffs bound to what was shown, the clock, many at once."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.model.text import in_language
from tests.unit.workflow.asking import Office


@pytest.fixture
def office(make_centre: Any) -> Any:
    with in_language("en"):
        yield Office(make_centre())


def test_from_a_draft_to_a_live_service(office: Office) -> None:
    draft = office.of("clerk").draft("fgw", "toy")
    assert (draft["state"], draft["acts"]) == ("draft", ["save", "submit", "withdraw"])
    assert office.of("clerk").draft("fgw", "toy")["id"] == draft["id"]
    office.of("clerk").save(draft["id"], spec={"names": ["a"]}, note="for the citizens")
    seen = office.of("clerk").preview(draft["id"])
    assert seen["words"] == ["New: name a.", "New: website a."]
    assert [need["names"] for need in seen["needs"]] == [["Both", "Chief"], ["Operator"]]
    asked = office.of("clerk").submit(draft["id"], digest=seen["digest"])
    assert asked["state"] == "submitted"
    assert office.of("clerk").submit(draft["id"], digest=seen["digest"])["id"] == draft["id"]
    assert office.sign("chief", asked)["state"] == "review"
    assert office.sign("operator", asked)["state"] == "approved"
    assert office.centre.store.estate.subscriptions() == []
    assert office.ticker.tick() == [draft["reference"]]
    done = office.of("clerk").show(draft["id"])
    assert (done["state"], done["run"]) == ("live", 1)
    assert [s["state"] for s in done["steps"]] == ["done"] * 4
    assert "web.vhost/a" in office.centre.web.things["web:web"]
    assert office.centre.store.estate.revisions("fgw/toy")[-1].cause == f"request {draft['id']}"
