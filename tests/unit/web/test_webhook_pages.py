"""The page of webhooks: made with a secret that is shown once, given a new one, ended; the log with a way to resend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from control_plane.model.text import in_language
from tests.web.world import BASE, World, make_world, send

HOOK = {"name": "tickets", "url": "https://hooks.example.test/x", "families": "freeze"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("hooks"))
        yield made
        made.close()


def test_from_the_form_to_the_log(world: World) -> None:
    who = world.enter(world.person("operator"))
    wrong = send(who, "/console/webhooks", **{**HOOK, "url": "https://evil.example/"})
    assert wrong.status_code == 422
    assert "Nothing is sent to this address." in wrong.text
    answer = send(who, "/console/webhooks", **HOOK)
    assert answer.status_code == 303 and "whsec_" not in str(answer.headers) + answer.text
    made = who.get(answer.location, base_url=BASE)
    secret = made.text.split('class="secret"><code>')[1].split("<")[0]
    assert secret.startswith("whsec_")
    page = who.get("/console/webhooks", base_url=BASE).text
    assert secret not in page and "tickets" in page
    number = world.client.webhooks.list()[0]["id"]
    assert send(who, f"/console/webhooks/{number}/rotate").status_code == 303
    fresh = who.get("/console/webhooks", base_url=BASE)
    assert "whsec_" not in who.get("/console/webhooks", base_url=BASE).text, "once"
    keys = world.store.webhooks.get(number).secrets
    again = send(who, f"/console/webhooks/{number}/rotate")
    assert again.status_code == 422 and "got a new secret lately" in again.text
    assert world.store.webhooks.get(number).secrets == keys
    assert "whsec_" in fresh.text and secret not in fresh.text
    assert "the former secret signs too" in fresh.text
    hook = world.store.webhooks.get(number)
    world.store.webhooks.gather(hook, {hook.seen + 1: {"type": "freeze.set"}}, hook.seen + 1)
    one = world.store.webhooks.deliveries(number)[0]
    world.store.webhooks.settle(one, "failed", status=500)
    assert f"Send delivery {one.id} again" in who.get("/console/webhooks", base_url=BASE).text
    assert send(who, f"/console/webhooks/deliveries/{one.id}/resend").status_code == 303
    assert world.store.webhooks.delivery(one.id).state == "waiting"
    assert send(who, f"/console/webhooks/{number}/end").status_code == 303
    assert send(who, f"/console/webhooks/{number}/end").status_code == 422
    assert send(who, "/console/webhooks/999/end").status_code == 404
    assert world.client.webhooks.list() == []
