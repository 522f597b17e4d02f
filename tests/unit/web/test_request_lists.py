"""Lists of requests: what does not fit on them is said, and can be reached."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.web.world import BASE, World, send


def test_a_full_list_says_so_and_leads_to_older_requests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("workflow.request_desk", "web.requests"):
        monkeypatch.setattr(f"control_plane.{place}.MOST_LISTED", 2)
    clerk = world.enter(world.person("clerk"))
    send(clerk, "/language", language="en")
    mine = world.client.acting_as("directory:clerk1").requests
    made = []
    for name in "abc":
        made.append(world.ask("clerk1", "fgw", f"list{name}", submit=False))
        mine.withdraw(made[-1])
    text = clerk.get("/portal/requests", base_url=BASE).text
    assert "At most 2 are listed at once" in text
    assert made[2] in text
    older = clerk.get(f"/portal/requests?before={made[1]}&q=x", base_url=BASE)
    assert f"older than {made[1]}" in older.text
    assert f'name="before" value="{made[1]}"' in older.text, "a filter stays on this page of the list"
    assert clerk.get("/portal/requests?before=<script>", base_url=BASE).status_code == 404


def test_the_first_page_of_the_centre_says_which_requests_wait_for_its_reader(world: World) -> None:
    officer, finance = world.enter(world.person("security_officer")), world.enter(world.person("finance"))

    def told(browser: FlaskClient) -> str:
        send(browser, "/language", language="en")
        return browser.get("/console/", base_url=BASE).text.split("Needs you")[1].split("</section>")[0]

    assert "request" not in told(officer)
    reference = world.ask(world.person("clerk"), "fgw", "turn")
    row = world.client.requests.show(reference)
    try:
        line = told(officer)
        assert f"1 request waits for you, the first until {row['due'][:10]} 17:00." in line
        assert 'href="/console/requests"' in line
        assert "request" not in told(finance), "it is not theirs to sign"
    finally:
        world.client.acting_as("directory:clerk1").requests.withdraw(reference)
    assert "request" not in told(officer)
