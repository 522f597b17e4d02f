"""Server time and statements of each page with all 113 tenants of the reference estate; figures are printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import pytest
from sqlalchemy import event

from control_plane.model.text import in_language
from tests.web.world import BASE, CITY, World, make_world

PAGES = (
    *("", "tenants", "tenants/fgw", "tenants/fgw/services/directory", "sites", "accounts", "probes", "hosts"),
    *("security", "internet", "internet/fgw", "hosts/fgw", "snapshots", "rollouts", "freezes"),
    *("runs", "jobs", "plans", "drift", "people", "sign-ins", "search?q=fgw", "search?q=a", "me"),
    *("substitutes", "classes", "emergencies"),
)
#: Seconds of processor time, so that other work on the machine does not count.
LIMIT, ROUNDS = 0.2, 5
#: The overview gathers from every part of the centre.
STATEMENTS, OVERVIEW = 14, 23


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("city"), CITY, applied=False)
        made.client.plan("tenant:fgw")
        yield made
        made.close()


def test_every_page_is_quick_with_the_whole_city(world: World) -> None:
    browser = world.enter(world.person("security_officer"))
    assert len(world.client.tenants()) == 113
    statements: list[str] = []

    def noted(*said: object) -> None:
        if not str(said[2]).startswith("BEGIN"):
            statements.append(str(said[2]))

    event.listen(world.store.database.engine, "before_cursor_execute", noted)
    rows = []
    for page in PAGES:
        browser.get(f"/console/{page}", base_url=BASE)
        times = []
        for _ in range(ROUNDS):
            statements.clear()
            start = time.process_time()
            answer = browser.get(f"/console/{page}", base_url=BASE)
            times.append(time.process_time() - start)
            assert answer.status_code == 200
        rows.append((page, median(times), len(statements), len(answer.data)))
    for page, seconds, count, size in rows:
        print(f"{page or 'overview':32} {seconds * 1000:6.0f} ms  {count:3} statements  {size / 1000:6.1f} KB")
    assert {page: seconds for page, seconds, _, _ in rows if seconds > LIMIT} == {}
    assert {page: count for page, _, count, _ in rows if count > (STATEMENTS if page else OVERVIEW)} == {}
