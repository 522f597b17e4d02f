"""What each page costs with all 113 tenants of the reference estate: statements, octets, requests. Seconds are measured
by the bench (`bench/items/console.py`), where nothing else runs."""

from __future__ import annotations

import copy
import gzip
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from control_plane.model.text import in_language
from tests.web.world import BASE, CITY, World, make_world

CONSOLE = (
    *("", "tenants", "tenants/fgw", "tenants/fgw/services/directory", "sites", "accounts", "probes", "hosts"),
    *(
        "security",
        "internet",
        "internet/fgw",
        "hosts/fgw",
        "snapshots",
        "rollouts",
        "freezes",
        "audit",
        "requests",
        "director",
    ),
    *("runs", "jobs", "plans", "drift", "people", "sign-ins", "search?q=fgw", "search?q=a", "me", "savings"),
    *("substitutes", "classes", "emergencies", "people/clerk1", "requests/{asked}"),
    *("tenants/fgw/people", "tenants/fgw/people/groups", "tenants/fgw/accounts/{uid}"),
)
PORTAL = (
    *("", "catalogue", "catalogue/public_site", "services/fgw/public_site", "requests", "requests/{request}"),
    "requests/{request}/form/reason",
)
STATEMENTS = 12
#: Pages that read more: the overview and the director's gather from every part of the centre (of requests only what
#: waits for its reader), the review shows a
#: request with its plan, whose personal content lies apart, files, signatures and marks; the first page of a department
#: says what is asked of it. Each is read once.
MORE = {"console/": 21, "console/director": 16, "console/requests/{asked}": 14, "portal/": 13}
HTML, CSS, JS, REQUESTS = 30_000, 40_000, 30_000, 8


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("city"), CITY, applied=False)
        made.client.plan("tenant:fgw")
        yield made
        made.close()


@pytest.fixture(scope="module")
def statements(world: World) -> Iterator[list[str]]:
    """Those since the list was cleared, without the beginnings of transactions."""
    found: list[str] = []

    def noted(*said: object) -> None:
        if not str(said[2]).startswith("BEGIN"):
            found.append(str(said[2]))

    event.listen(world.store.database.engine, "before_cursor_execute", noted)
    yield found
    event.remove(world.store.database.engine, "before_cursor_execute", noted)


def _read(browser: FlaskClient, address: str, statements: list[str]) -> tuple[int, str]:
    browser.get(address, base_url=BASE)
    statements.clear()
    answer = browser.get(address, base_url=BASE)
    assert answer.status_code == 200, address
    return len(statements), answer.text


def test_every_page_reads_little_and_is_small(world: World, statements: list[str]) -> None:
    officer, clerk = world.enter(world.person("security_officer")), world.enter(world.person("clerk"))
    assert len(world.client.tenants()) == 113
    request = world.ask("clerk1", "fgw", "other", submit=False)
    asked = world.client.acting_as("directory:clerk1").requests.draft("fgw", "internet", "end")
    world.client.acting_as("directory:clerk1").requests.submit(asked["id"])
    uid = world.client.accounts("fgw")[0]["uid"]
    pages = {page: page.format(asked=asked["reference"], uid=uid) for page in CONSOLE}
    read = {f"console/{page}": _read(officer, f"/console/{where}", statements) for page, where in pages.items()}
    for page in PORTAL:
        read[f"portal/{page}"] = _read(clerk, f"/portal/{page.format(request=request)}", statements)
    for page, (count, html) in read.items():
        print(f"{page:42} {count:3} statements  {len(html) / 1000:6.1f} KB")
    assert {page: count for page, (count, _) in read.items() if count > MORE.get(page, STATEMENTS)} == {}
    packed = {page: len(gzip.compress(html.encode())) for page, (_, html) in read.items()}
    assert {page: size for page, size in packed.items() if size > HTML} == {}
    for page, (_, html) in read.items():
        files = re.findall(r'<(?:link|script|img)[^>]+(?:href|src)="([^"]+)"', html)
        assert len(files) + 1 <= REQUESTS, page
        assert all(file.startswith("/static/") for file in files), page


def test_styles_and_scripts_are_small(world: World) -> None:
    browser = world.browser()
    html = browser.get("/sign-in", base_url=BASE).text
    for kind, most in (("css", CSS), ("js", JS)):
        files = re.findall(rf'"(/static/[^"]+\.{kind}\?[^"]+)"', html)
        assert files
        sizes = [len(browser.get(f, base_url=BASE, headers={"Accept-Encoding": "gzip"}).data) for f in files]
        assert sum(sizes) <= most


def test_a_page_of_a_form_computes_the_city_once(world: World, statements: list[str]) -> None:
    """What is wrong with a draft is found out when it or the city changed, not at every look."""
    clerk = world.enter(world.person("clerk"))
    requests = world.client.acting_as("directory:clerk1").requests
    draft = requests.draft("fgw", "internet", "change")
    spec = copy.deepcopy(draft["spec"])
    spec["peers"] = ["czj"]
    requests.save(draft["id"], spec=spec, note="to work together")
    count, _ = _read(clerk, f"/portal/requests/{draft['reference']}/form/reason", statements)
    assert not any(statement.startswith(("INSERT", "UPDATE", "DELETE")) for statement in statements)
    assert count <= STATEMENTS
