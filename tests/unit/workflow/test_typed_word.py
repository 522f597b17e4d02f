"""What goes over a limit is done with the word that its refusal names, by every act that plans and applies at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from control_plane.model.client_internet import Wish
from control_plane.model.errors import UnsafePlan
from tests.web.world import World

#: An act on a world, given the typed word.
Act = Callable[[World, str | None], dict[str, Any]]
ADDRESS = "dns:fgw.qingdao.test/A"


@pytest.fixture
def world(world: World) -> World:
    """Nothing that is there may be touched without a word, and no tenant be cut off."""
    world.client.planner.touch_limit = world.client.planner.cut_limit = 0
    zone = world.drivers[0].things["dns:qingdao.test"]
    zone[ADDRESS] = replace(zone[ADDRESS], attributes={**zone[ADDRESS].attributes, "ttl": 77})
    return world


ACTS: dict[str, Act] = {
    "internet": lambda w, word: w.client.internet.change("fgw", Wish(enabled=False), confirm=word),
    "site": lambda w, word: w.client.maintenance("gaj.qingdao.test", True, confirm=word),
    "drift": lambda w, word: {"run": w.client.drift_revert([ADDRESS], confirm=word)["id"]},
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_the_word_of_the_refusal_carries_it_out(world: World, act: Act) -> None:
    with pytest.raises(UnsafePlan) as refused:
        act(world, None)
    word = refused.value.word
    assert word in str(refused.value.hint)
    with pytest.raises(UnsafePlan):
        act(world, "00000000")
    assert world.client.run(act(world, word)["run"])["state"] == "done"


def test_a_rehearsal_names_the_word_and_changes_nothing(world: World) -> None:
    before = world.client.stamp()
    plan = world.client.internet.preview("fgw", Wish(enabled=False))
    assert world.client.internet.show("fgw")["enabled"] and world.client.stamp() == before
    assert {c["tenant"] for c in plan["changes"]} == {"fgw"}
    assert {g["code"] for g in plan["guards"]} == {"touches-many", "cuts-off"}
    word = plan["guards"][0]["confirm"]
    done = world.client.internet.change("fgw", Wish(enabled=False), confirm=word)
    assert world.client.run(done["run"])["digest"] == plan["digest"], "it is the plan that was shown"


def test_a_page_without_a_field_for_the_word_says_what_is_possible_there(world: World) -> None:
    who = world.client.acting_as(f"directory:{world.person('operator')}")
    job = who.jobs.place("drift_revert", {"ids": [ADDRESS]}, subject="it", once=secrets.token_urlsafe(18))
    world.client.jobs.work(("at_once", "runs"))
    done = who.jobs.show(job["id"])
    assert done["state"] == "refused"
    assert "the limit is 0" in done["error"]["text"]
    assert "carry that plan out with its word" in done["error"]["hint"]
    assert "--confirm" not in done["error"]["hint"]
