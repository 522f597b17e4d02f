"""The centre's internet rules on pages: looked at, proposed by a form over the newest revision, brought out."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.world import BASE, World, make_world, send, token_of

NEW = "/console/policies/new"
RULE = {"name": "games", "place": "first", "action": "block", "hosts": "games.test\n.play.test", "since": "2026-11-24",
        "zh": "与工作无关", "en": "not for work"}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = make_world(tmp_path)
    yield made
    made.close()


def browser(world: World, role: str = "operator") -> FlaskClient:
    found = world.enter(world.person(role))
    send(found, "/language", language="en")
    return found


def form(world: World, **more: Any) -> dict[str, Any]:
    """What the form holds when nobody has typed anything."""
    newest = world.client.policies.show()
    lists = {f"categories.{name}": "\n".join(names) for name, names in newest["policy"]["categories"].items()}
    return {**lists, "based_on": str(newest["number"]), "since": "2026-11-24", "reason": "betting", **more}


def post(who: FlaskClient, address: str, **given: Any) -> TestResponse:
    return who.post(address, base_url=BASE, data={"token": token_of(who), "once": secrets.token_urlsafe(18), **given})


def test_what_is_in_force_is_shown_to_who_sees_the_estate(world: World) -> None:
    who = browser(world, "auditor")
    text = who.get("/console/policies", base_url=BASE).text
    for said in (
        "centre-malware",
        "category gambling",
        ".casino.test",
        "Mon Tue Wed Thu Fri 08:00–18:00",
        "as shipped",
    ):
        assert said in text, said
    assert NEW not in text and "Bring it out" not in who.get("/console/policies/0", base_url=BASE).text
    assert who.get("/console/policies/9", base_url=BASE).status_code == 404
    assert "/console/policies/0" in who.get("/console/internet/fgw", base_url=BASE).text


def test_a_revision_is_shown_made_and_brought_out(world: World) -> None:
    who = browser(world)
    given = form(world, **RULE, ends="video")
    given["categories.gambling"] += "\n.bets.test"
    shown = post(who, NEW, act="preview", **given)
    assert shown.status_code == 200
    for said in ("New rule centre-games", "Rule centre-video ends", "Category gambling: 1 more: .bets.test",
                 "to 5 departments"):  # fmt: skip
        assert said in shown.text, said
    assert [row["number"] for row in world.client.policies.list()] == [0]
    once = secrets.token_urlsafe(18)
    for _ in range(2):
        made = post(who, NEW, act="make", **given, **{"once": once})
        assert made.location.startswith("/console/policies/1?done="), made.text
    assert [row["number"] for row in world.client.policies.list()] == [1, 0]
    assert world.client.policies.list()[0]["by"] == "directory:operator1"
    text = who.get(made.location, base_url=BASE).text
    for said in ("The revision is made", "Category gambling: 1 more", "centre-games", "games.test, .play.test"):
        assert said in text, said
    for address in (made.location, "/console/policies"):
        assert "directory:operator1" not in who.get(address, base_url=BASE).text, "people are called by their names"
    assert post(who, "/console/policies/1").status_code == 422, "a reason is wanted"
    draft = post(who, "/console/policies/1", reason="betting", ignore_windows="a test", soak="0")
    page = draft.location.partition("?")[0]
    assert page.startswith("/console/rollouts/"), draft.text
    number = int(page.rpartition("/")[2])
    assert (world.client.rollouts.show(number)["policy"], world.client.rollouts.show(number)["state"]) == (1, "draft")
    assert "/console/policies/1" in who.get(page, base_url=BASE).text
    world.client.rollouts.abort(1, reason="in the way")
    world.client.rollouts.release(number)
    text = who.get("/console/policies/1", base_url=BASE).text
    assert "going out" in text and "Bring it out" not in text


def test_a_rule_is_changed_where_it_stands(world: World) -> None:
    who = browser(world)
    filled = who.get(f"{NEW}?rule=video", base_url=BASE).text
    assert 'maxlength="31"' in filled, "an attribute, not text"
    assert 'value="08:00"' in filled and 'value="MTWHF"' in filled and 'value="last" selected' in filled
    rule = {"name": "video", "place": "last", "action": "block", "category": "video", "days": "MTWHF",
            "begin": "09:00", "end": "17:00", "zh": "工作时间", "en": "office hours"}  # fmt: skip
    assert post(who, NEW, act="make", **form(world, **rule)).status_code == 303
    policy = world.client.policies.show(1)["policy"]
    assert policy["last"][0]["hours"] == {"days": "MTWHF", "begin": "09:00", "end": "17:00"}
    assert [r["name"] for r in policy["first"]] == ["malware", "gambling", "adult"]


def test_faults_are_told_at_their_fields_and_keep_what_was_typed(world: World) -> None:
    who = browser(world)
    given = form(world, **{**RULE, "name": "A <b>", "hosts": "games.test\nexa mple!.test", "begin": "25:00", "zh": ""})
    given["categories.video"] = ".video.test\n10.0.0.1"
    found = post(who, NEW, act="make", **given)
    assert found.status_code == 422
    for field in ("name", "hosts", "begin", "zh", "categories.video"):
        assert f'href="#{field}"' in found.text, field
    assert "A &lt;b&gt;" in found.text and "10.0.0.1" in found.text
    nothing = post(who, NEW, act="make", **form(world))
    assert nothing.status_code == 422 and "says that already" in nothing.text
    assert [row["number"] for row in world.client.policies.list()] == [0]


def test_a_form_of_an_older_revision_undoes_nothing(world: World) -> None:
    who = browser(world)
    old = form(world, **RULE)
    policy = world.client.policies.show()["policy"]
    world.client.policies.add({**policy, "last": []}, reason="video is open", based_on=0)
    found = post(who, NEW, act="make", **old)
    assert found.status_code == 409
    assert "Revision 1 of the policy was made meanwhile" in found.text and "games.test" in found.text
    assert len(world.client.policies.list()) == 2
