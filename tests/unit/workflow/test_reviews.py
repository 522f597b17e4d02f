"""Once a quarter each department says who is still there: asked, reminded, decided, made real."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest

from control_plane.model.errors import Invalid, NotFound, Rejected, TemporaryError
from control_plane.model.people_review import PERIOD, begin_of, quarter_of
from control_plane.model.text import in_language, t
from tests.web.world import World, make_world

#: The first moment of 2027 in the city.
NEW_YEAR = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("reviews"))
        yield made
        made.close()


def later(world: World, moment: datetime) -> None:
    world.clock.advance((moment - world.clock()).total_seconds())


def told(world: World, kind: str) -> list[str | None]:
    return [one.code for one in world.store.mail.unaddressed() if one.notice.kind == kind]


def people(world: World, code: str) -> list[str]:
    return [row["uid"] for row in world.client.accounts(code) if row["status"] == "active"]


def test_quarters_are_the_citys() -> None:
    assert quarter_of(NEW_YEAR - timedelta(seconds=1)) == "2026Q4"
    assert quarter_of(NEW_YEAR) == "2027Q1"
    assert begin_of(NEW_YEAR + timedelta(days=89)) == NEW_YEAR


def test_it_is_asked_once_a_quarter_and_once_more_when_it_is_late(world: World) -> None:
    reviews = world.client.reviews
    assert reviews.tick() == [], "who came in this quarter has just said who is there"
    later(world, NEW_YEAR)
    codes = ["czj", "fgw", "gaj", "jyj", "shinan", "sjj"]
    assert reviews.tick() == codes
    assert sorted(told(world, "review")) == codes  # type: ignore[type-var]
    assert reviews.tick() == []
    assert {row["state"] for row in reviews.list()} == {"due"}
    reviews.decide("fgw", {}, rest=True)
    world.clock.advance(PERIOD.total_seconds() + 1)
    assert reviews.tick() == [code for code in codes if code != "fgw"]
    assert reviews.tick() == []
    assert sorted(told(world, "review_late")) == [code for code in codes if code != "fgw"]  # type: ignore[type-var]
    assert {row["state"] for row in reviews.list()} == {"overdue"}
    later(world, NEW_YEAR + timedelta(days=91))
    assert len(reviews.tick()) == 6
    reviews.decide("czj", {}, rest=True)
    assert [row["quarter"] for row in reviews.list() if row["tenant"] == "czj"] == [], "one answer is enough for both"
    with pytest.raises(NotFound):
        reviews.show("czj")


def test_what_is_decided_becomes_real(world: World) -> None:
    later(world, NEW_YEAR)
    reviews = world.client.reviews
    reviews.tick()
    leaves, moves, lost, other, *_ = here = people(world, "fgw")
    assert [row["uid"] for row in reviews.show("fgw")["people"]] == here
    said = {
        leaves: {"what": "left"},
        moves: {"what": "moved", "more": "czj"},
        lost: {"what": "moved", "more": "another city"},
        other: {"what": "groups", "more": "approvers; all"},
    }
    with pytest.raises(Invalid) as raised:
        reviews.decide("fgw", said)
    assert {p.code for p in raised.value.problems} == {"undecided"}
    assert len(raised.value.problems) == len(here) - 4
    wrong = {leaves: {"what": "moved"}, moves: {"what": "groups", "more": "none"}, "nobody": {"what": "stays"}}
    with pytest.raises(Invalid) as raised:
        reviews.decide("fgw", wrong, rest=True)
    assert sorted(p.code for p in raised.value.problems) == ["no-department", "unknown-group", "unknown-person"]
    assert people(world, "fgw") == here, "nothing is done before all is right"
    before = len(world.client.audit.list({"act": "account.reviewed"}))
    done = reviews.decide("fgw", said, rest=True)
    assert done["counts"] == {"stays": len(here) - 4, "left": 1, "moved": 2, "groups": 1}
    entries = world.client.audit.list({"act": "account.reviewed"})
    assert len(entries) == before + 1 and entries[0]["detail"]["left"] == 1
    assert leaves not in str(entries[0])
    world.client.staff.settle("fgw")
    assert world.client.staff.show(leaves)["status"] == "left"
    assert sorted(world.client.staff.show(other)["groups"]) == ["all", "approvers"]
    (row,) = [row for row in reviews.list() if row["tenant"] == "fgw"]
    assert row["moves"] == {moves: "czj", lost: "another city"}
    moved = reviews.move(row["id"])
    assert (moved["moved"], moved["left"]) == ([moves], [lost])
    assert world.client.staff.show(moves)["tenant"] == "czj"
    with pytest.raises(Rejected):
        reviews.move(row["id"])
    assert world.client.plan("tenant:fgw")["changes"] == []
    assert world.client.audit.verify()["ok"]


def test_a_directory_that_is_away_stops_no_decision(world: World) -> None:
    later(world, NEW_YEAR)
    world.client.reviews.tick()
    uid = people(world, "gaj")[0]
    world.directory.add(uid, "gaj")
    world.directory.away = TemporaryError(t("away"))
    done = world.client.reviews.decide("gaj", {uid: {"what": "left"}}, rest=True)
    assert not done["locked"]
    assert world.client.staff.show(uid)["status"] == "left"
    world.directory.away = None
    world.client.staff.remove_left()
    assert world.directory.entries[uid].disabled


def test_other_groups_are_asked_for_by_the_department(world: World) -> None:
    later(world, NEW_YEAR)
    world.client.reviews.tick()
    world.person("clerk")
    uid = people(world, "fgw")[0]
    clerk = world.client.acting_as("directory:clerk1")
    done = clerk.reviews.decide("fgw", {uid: {"what": "groups", "more": "approvers"}}, rest=True, ask=True)
    draft = clerk.requests.show(done["request"])
    assert next(p for p in draft["spec"]["people"] if p["uid"] == uid)["groups"] == ["approvers"]
    assert "approvers" not in world.client.staff.show(uid)["groups"] or draft["state"] == "draft"


def test_what_was_begun_by_hand_is_neither_replaced_nor_is_anybody_written_off(world: World) -> None:
    later(world, NEW_YEAR)
    world.client.reviews.tick()
    world.person("clerk")
    left, other = people(world, "fgw")[:2]
    clerk = world.client.acting_as("directory:clerk1")
    begun = clerk.requests.draft("fgw", "directory", "change")
    spec = deepcopy(begun["spec"])
    spec["people"].append({"uid": "newcomer1", "display_name": "新来", "family_name": "新"})
    kept = clerk.requests.save(begun["id"], spec=spec)["spec"]
    said = {left: {"what": "left"}, other: {"what": "groups", "more": "approvers"}}
    with pytest.raises(Rejected, match=begun["reference"]):
        clerk.reviews.decide("fgw", said, rest=True, ask=True)
    assert clerk.requests.show(begun["id"])["spec"] == kept
    assert world.client.staff.show(left)["status"] == "active"
    clerk.requests.withdraw(begun["id"])
    assert clerk.reviews.decide("fgw", said, rest=True, ask=True)["request"] is not None
