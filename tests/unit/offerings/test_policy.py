"""The centre's policy: what a revision is, which one decides, what differs, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from control_plane.model.internet import CentrePolicy, list_hash
from control_plane.offerings.internet import policy
from control_plane.offerings.internet.policy import Policy, compiled, policy_changes, shipped
from control_plane.offerings.internet.resources import check, desired

from .test_internet import rule, world

BODY = Policy.model_validate_json(shipped().text).model_dump(mode="json", exclude_unset=True)
WHY = {"zh": "理由", "en": "why"}


def revision(number: int = 1, *, first: Any = (), last: Any = None, **categories: list[str]) -> CentrePolicy:
    """The shipped one with more."""
    body = {
        "first": [*BODY["first"], *first],
        "last": BODY["last"] if last is None else last,
        "categories": {**BODY["categories"], **categories},
    }
    return CentrePolicy(number, Policy.model_validate(body).model_dump_json(exclude_unset=True))


def closing(name: str = "shop", **more: Any) -> dict[str, Any]:
    subject = {} if "category" in more else {"hosts": [".shop.test"]}
    return {"name": name, "since": "2026-11-29", "reason": WHY, **subject, **more}


def test_the_shipped_one_closes_three_kinds_always_and_one_in_office_hours():
    made = compiled(shipped())
    assert made.number == 0
    assert [r["id"] for r in (*made.first, *made.last)] == [
        "centre-malware", "centre-gambling", "centre-adult", "centre-video"
    ]  # fmt: skip
    assert made.closed == {"malware", "gambling", "adult"}
    assert made.last[0]["hours"] == {"days": "MTWHF", "begin": "08:00", "end": "18:00"}
    assert set(made.lists) == set(made.hashes.values())


def test_a_department_has_the_rules_and_lists_of_its_own_revision():
    view, centre = world({"rules": [rule(10, hosts=["a.example.test"])]})
    before = next(r for r in desired(view, centre) if r.kind == "gateway.proxy")
    fresh = revision(7, first=[closing()], gambling=[".casino.test", "a.casino.test", ".betting.test"])
    after = next(r for r in desired(view, type(centre)(**{**vars(centre), "policies": {view.id: fresh}})) if r.payload)
    assert (before.attributes["policy"], after.attributes["policy"]) == (0, 7)
    ids = [r["id"] for r in after.attributes["rules"]]
    assert ids == [
        "centre-malware", "centre-gambling", "centre-adult", "centre-shop", "centre-check", "fgw-10", "centre-video"
    ]  # fmt: skip
    gambling = next(r for r in after.attributes["rules"] if r["category"] == "gambling")
    assert after.payload["lists"][gambling["listed"]] == [".betting.test", ".casino.test"]
    assert gambling["listed"] == list_hash([".betting.test", ".casino.test"])
    assert before.payload["lists"].keys() - after.payload["lists"].keys() == {
        next(r for r in before.attributes["rules"] if r["category"] == "gambling")["listed"]
    }


def test_what_nobody_may_open_is_said_by_the_revision():
    view, centre = world({"rules": [rule(10, action="allow", category="video")]})
    assert check(view, centre) == []
    closed = revision(first=[closing("films", category="video")])
    after = type(centre)(**{**vars(centre), "policies": {view.id: closed}})
    assert [p.code for p in check(view, after)] == ["forbidden-category"]


def test_differences_in_plain_words():
    hours = {"days": "MTWHF", "begin": "09:00", "end": "17:00"}
    video = [{**BODY["last"][0], "hours": hours}]
    fresh = revision(first=[closing()], last=video, video=[".video.test", ".clips.test"])
    said = {field: [str(s) for f, s in policy_changes(shipped(), fresh) if f == field] for field, _ in
            policy_changes(shipped(), fresh)}  # fmt: skip
    assert said["first.shop"] == ["New rule centre-shop: .shop.test – blocked (理由 · why, since 2026-11-29)"]
    assert "video, Mon Tue Wed Thu Fri 08:00–18:00 – blocked (" in said["last.video"][0]
    assert "→ video, Mon Tue Wed Thu Fri 09:00–17:00 – blocked (" in said["last.video"][0]
    assert said["categories.video"] == [
        "Category video: 1 more: .clips.test", "Category video: 2 fewer: .stream.test, .tv.test"
    ]  # fmt: skip
    assert policy_changes(fresh, fresh) == []
    back = dict(policy_changes(fresh, shipped()))
    assert str(back["first.shop"]).startswith("Rule centre-shop ends")
    turned = {**BODY, "first": BODY["first"][::-1]}
    other = CentrePolicy(2, Policy.model_validate(turned).model_dump_json(exclude_unset=True))
    assert str(policy_changes(shipped(), other)[0][1]) == "The order of the rules is now: adult, gambling, malware"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"first": [closing(), closing()]}, "The name shop is taken."),
        ({"first": [closing("check")]}, "The name check is taken."),
        ({"first": [closing(category="video", hosts=["a.test"])]}, "both hosts and a category"),
        ({"categories": {**BODY["categories"], "video": ["192.0.2.1"]}}, "is an address; a category has names"),
        ({"categories": {k: v for k, v in BODY["categories"].items() if k != "adult"}}, "Field required"),
        ({"categories": {**BODY["categories"], "video": ["a.test\nhttp_access allow all"]}}, "video"),
    ],
)
def test_wrong_ones_are_refused(change: dict[str, Any], said: str):
    with pytest.raises(ValidationError, match=said):
        Policy.model_validate({**BODY, **change})


def test_long_lists_are_told_in_short():
    names = [f"n{n}.test" for n in range(9)]
    assert policy._some(names) == "n0.test, n1.test, n2.test, n3.test, n4.test, …"
