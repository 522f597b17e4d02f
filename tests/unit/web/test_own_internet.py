"""My internet use: volume and rules, what was refused, a test, and the way to an exception."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from control_plane.offerings.internet.described import opening
from tests.web.world import BASE, World, send, token_of

PLACE = "/portal/internet/fgw"


@pytest.fixture
def clerk(world: World) -> FlaskClient:
    browser = world.enter(world.person("clerk"))
    send(browser, "/language", language="en")
    return browser


class Machine:
    def __init__(self, **seen: Any) -> None:
        self.seen = seen

    def ask(self, *_: Any) -> dict[str, Any]:
        common = dict.fromkeys(("resolve_error", "connect_status", "error", "proxy_said", "title", "refusal"))
        return {**common, "addresses": [], "status": 200, "seconds": 0.1, "remote": "192.0.2.7", **self.seen}


def test_volume_rules_and_refusals_in_words(clerk: FlaskClient) -> None:
    text = clerk.get(PLACE, base_url=BASE).text
    for words in ("19.6 %", "42.0 GB / 214.7 GB", "www.casino.test", "film.test", "2 times", "since 2026-11-01",
                  "All other sites: allowed", "Who asked for it is not shown", "Not &lt;i&gt;allowed",
                  "&lt;b&gt;x"):  # fmt: skip
        assert words in text, words
    assert text.count("The centre closes this for everybody.") == 1
    assert len(re.findall('value="except"', text)) == 1


def test_a_month_that_is_used_up_says_what_comes_next_and_where_to_ask(
    world: World, clerk: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    used_up = world.rooms.gateway()["czj"]
    monkeypatch.setattr(type(world.rooms.gateway), "__call__", lambda self: {"fgw": used_up})
    world.clock.advance(60)
    text = clerk.get(PLACE, base_url=BASE).text
    world.clock.advance(60)
    for words in ("used up on 2026-11-21 16:30", "slowed to 1 Mbit/s, never cut, until 2026-12-01 00:00",
                  'href="/portal/services/fgw/internet">Ask for more volume'):  # fmt: skip
        assert words in text, words


def test_what_could_not_be_seen_is_said(world: World, clerk: FlaskClient) -> None:
    world.rooms.gateway.away = True
    world.clock.advance(60)
    text = clerk.get(PLACE, base_url=BASE).text
    world.rooms.gateway.away = False
    world.clock.advance(60)
    assert "it is not 0" in text
    assert "No route to host" in text
    assert "Nothing was refused" not in text


def test_an_exception_begins_as_a_draft_that_lacks_the_reason_only(world: World, clerk: FlaskClient) -> None:
    answer = send(clerk, PLACE, act="except", host="film.test", rule="centre-video")
    assert answer.status_code == 303
    assert answer.location.endswith("/form/rules-1-rule")
    reference = re.findall(r"R-\d{4}-\d{4}", answer.location)[0]
    requests = world.client.acting_as("directory:clerk1").requests
    row = requests.show(reference)
    assert [(rule["action"], rule["hosts"]) for rule in row["spec"]["rules"]] == [("allow", ["film.test"])]
    assert {p["pointer"].rpartition("rules")[2] for p in row["problems"]} == {"[0].reason.zh", "[0].reason.en"}
    again = send(clerk, PLACE, act="except", host="film.test", rule="centre-video")
    assert again.location == answer.location
    assert len(requests.show(reference)["spec"]["rules"]) == 1
    requests.withdraw(reference)


@pytest.mark.parametrize(
    ("host", "rule"),
    [("www.casino.test", "centre-gambling"), ("a b", "otherwise"), ("", "otherwise"), ("x.test", ""),
     ("x.test", "<script>"), ("x.test\nblock", "fgw/otherwise"), ("x.test", "gaj-10")],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused_with_words(clerk: FlaskClient, host: str, rule: str) -> None:
    answer = send(clerk, PLACE, act="except", host=host, rule=rule)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "<script>" not in answer.text.partition("<main")[2]


def test_a_test_runs_for_the_own_department_only(world: World, clerk: FlaskClient) -> None:
    refusal = {"rule": "centre-video", "owner": "x", "since": "2026-11-01", "reason_zh": "视频", "reason_en": "Video"}
    seen = Machine(status=403, proxy_said="ERR_GASP 0", refusal=refusal)
    before, world.rooms.tester = world.rooms.tester, seen
    try:
        sent = {"token": token_of(clerk), "once": "o" * 20, "act": "test", "url": "http://film.test/"}
        answer = clerk.post(PLACE, base_url=BASE, data=sent)
        assert clerk.post(PLACE, base_url=BASE, data=sent).location == answer.location, "sent twice, asked once"
        text = clerk.get(answer.location, base_url=BASE).text
        assert "The page that explains the refusal." in text
        assert "centre-video" in text
        assert "gasp internet" not in text
        assert 'name="host" value="film.test"' in text.partition('id="tested"')[2]
        other = world.enter(world.person("approver"))
        assert "The page that explains" not in other.get(answer.location, base_url=BASE).text, "one's own tests only"
        for bad in ("", "ftp://x.test/", "http://a b/"):
            sent |= {"once": f"{bad or 'nothing':-<20}".replace(":", "").replace("/", "").replace(" ", "") + "q" * 9}
            assert clerk.post(PLACE, base_url=BASE, data=sent | {"url": bad}).status_code in (422, 303)
        foreign = world.client.acting_as("directory:clerk1").jobs
        with pytest.raises(Exception, match="There is no tenant"):
            foreign.place("own_internet_test", {"tenant": "gaj", "url": "http://x.test/"}, subject="x", once="z" * 20)
    finally:
        world.rooms.tester = before


def test_a_new_rule_comes_before_the_one_that_refused() -> None:
    spec = {"rules": [{"number": 1, "action": "block", "hosts": ["a.test"]}, {"number": 9, "action": "block"}]}
    made = opening(spec, "fgw", "b.test", "fgw-9", "2026-11-24", ())
    assert made is not None
    assert made["rules"][-1]["number"] == 8
    assert opening(spec, "fgw", "a.test", "fgw-1", "2026-11-24", ()) is None, "no number is left before it"
    last = opening(spec, "fgw", "a.test", "fgw/otherwise", "2026-11-24", ())
    assert last is not None
    assert last["rules"][-1]["number"] == 10
    assert "number" not in str(opening({}, "fgw", "a.test", "centre-adult", "2026-11-24", ()))
