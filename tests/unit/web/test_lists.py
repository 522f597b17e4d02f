"""Lists as files, with columns of one's own choice, and as views that have a name."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from control_plane.model.table_file import TableFile, read_table
from control_plane.model.text import Text, in_language
from control_plane.web import show
from control_plane.web.tables import Column, Table
from control_plane.workflow.views import MOST
from tests.web.world import BASE, World, send

LISTS = (
    *("/console/tenants", "/console/sites", "/console/accounts", "/console/hosts", "/console/probes"),
    *("/console/internet", "/console/security", "/console/runs", "/console/rollouts", "/console/snapshots"),
    *("/console/requests?all=1", "/console/jobs", "/console/freezes", "/console/emergencies", "/console/substitutes"),
    *("/console/classes", "/console/me/tokens", "/console/tenants/fgw/audit", "/console/drift", "/portal/requests"),
)


@pytest.fixture
def operator(world: World) -> FlaskClient:
    browser = world.enter(world.person("operator"))
    send(browser, "/language", language="en")
    return browser


def table(answer: TestResponse) -> list[list[str]]:
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv", answer.text[:300]
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="')
    assert answer.text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def sheet(answer: TestResponse) -> TableFile:
    assert answer.status_code == 200
    found = read_table(answer.data, "file")
    assert isinstance(found, TableFile)
    return found


@pytest.mark.parametrize("page", LISTS)
def test_every_list_is_a_file_too(world: World, operator: FlaskClient, page: str) -> None:
    mark = "&" if "?" in page else "?"
    rows = table(operator.get(f"{page}{mark}export=csv", base_url=BASE))
    found = sheet(operator.get(f"{page}{mark}export=xlsx", base_url=BASE))
    assert found.head == rows[0]
    assert [cells[0] for _, cells in found.rows] == [row[0].removeprefix("'") for row in rows[1:]]
    assert all(len(row) == len(rows[0]) for row in rows)
    assert "–" not in {cell for row in rows for cell in row}
    assert operator.get(f"{page}{mark}export=exe", base_url=BASE).mimetype == "text/html"


def test_a_file_holds_what_the_view_shows_on_all_of_its_pages(world: World, operator: FlaskClient) -> None:
    rows = table(
        operator.get("/console/accounts?f.tenant=fgw&sort=-uid&columns=uid,tenant&size=25&export=csv", base_url=BASE)
    )
    mine = sorted((row["uid"] for row in world.client.accounts() if row["tenant"] == "fgw"), reverse=True)
    assert rows == [["Login name", "Tenant"], *([uid, "fgw"] for uid in mine)]
    read_me = operator.get("/console/accounts?f.tenant=fgw&export=xlsx", base_url=BASE)
    assert b"sheet2.xml" in read_me.data


def test_a_clerk_gets_a_file_of_the_own_department_only(world: World) -> None:
    clerk = world.enter(world.person("clerk"))
    for form in ("csv", "xlsx"):
        for page in ("tenants", "hosts", "accounts", "sites", "internet", "security", "probes"):
            answer = clerk.get(f"/console/{page}?export={form}", base_url=BASE)
            text = answer.text if form == "csv" else str(sheet(answer))
            named = {p["vantage"] for p in world.client.probes() if p["tenant"] == "fgw"} if page == "probes" else ()
            for row in world.client.tenants():
                if row["code"] != "fgw" and row["code"] not in named:
                    assert not re.search(rf"\b{row['code']}\b", text), (page, row["code"])
    for page in ("runs", "jobs", "drift", "people"):
        assert clerk.get(f"/console/{page}?export=csv", base_url=BASE).status_code == 403


def test_nothing_in_a_file_is_run(world: World, operator: FlaskClient) -> None:
    send(operator, "/console/freezes", scope="tenant:sjj", reason="=cmd|'/c calc'!A1", once="f" * 24)
    rows = table(operator.get("/console/freezes?export=csv", base_url=BASE))
    assert "'=cmd|'/c calc'!A1" in {cell for row in rows for cell in row}
    found = operator.get("/console/freezes?export=xlsx", base_url=BASE)
    assert "=cmd|'/c calc'!A1" in {cell for _, cells in sheet(found).rows for cell in cells}
    security = world.client.acting_as("directory:security1")
    world.person("security_officer")
    security.freezes.lift(next(row["id"] for row in world.client.freezes.list()), reason="test", second=None)


def test_columns_are_chosen_in_the_address_and_stay_with_filter_and_order(operator: FlaskClient) -> None:
    text = operator.get("/console/hosts?columns=ipv4&columns=name&f.role=web", base_url=BASE).text
    heads = re.findall(r'<th scope="col"[^>]*><a href="([^"]*)">([^<]*)<', text)
    assert [head for _, head in heads] == ["IPv4", "Host"]
    assert all("columns=ipv4%2Cname" in address and "f.role=web" in address for address, _ in heads)
    assert 'name="columns" value="ipv4,name"' in text, "the form of the filter keeps them"
    assert text.count('name="columns" value="name" checked') == 1
    for strange in ("columns=none", "columns=", "columns=%00"):
        assert operator.get(f"/console/hosts?{strange}", base_url=BASE).text.count('<th scope="col"') > 8


def test_a_view_is_kept_shown_and_deleted(world: World, operator: FlaskClient) -> None:
    given = {"page": "/console/hosts", "query": "page=2&f.role=web&sort=-name&columns=name%2Cipv4&export=csv"}
    answer = send(operator, "/console/views", name=" Web servers <1> ", **given)
    assert (answer.status_code, urlsplit(answer.location).path) == (303, "/console/hosts")
    text = operator.get(answer.location, base_url=BASE).text
    shown = re.search(r'<nav class="views.*?</nav>', text, re.S)
    assert shown is not None
    assert 'aria-current="page">Web servers &lt;1&gt;</a>' in shown[0]
    assert "f.role=web&amp;sort=-name&amp;columns=name%2Cipv4" in shown[0]
    assert "export" not in shown[0]
    assert 'class="views' not in operator.get("/console/tenants", base_url=BASE).text, "of this list only"
    other = world.enter(world.person("auditor"))
    assert "Web servers" not in other.get("/console/hosts", base_url=BASE).text, "nobody else's"
    number = world.client.acting_as("directory:operator1").views.list("/console/hosts")[0]["id"]
    assert send(other, "/console/views/end", number=str(number)).status_code == 404
    send(operator, "/console/views", page="/console/hosts", query="f.role=mail", name="Web servers <1>")
    assert [v["query"] for v in world.client.acting_as("directory:operator1").views.list("/console/hosts")] == [
        "f.role=mail"
    ]
    gone = send(operator, "/console/views/end", number=str(number))
    assert (gone.status_code, gone.location) == (303, "/console/hosts")
    assert 'class="views' not in operator.get("/console/hosts", base_url=BASE).text


@pytest.mark.parametrize(
    ("page", "name", "query"),
    [
        ("/console/hosts", "", ""),
        ("/console/hosts", "x" * 61, ""),
        ("/console/hosts", "x", "q=" + "y" * 2100),
        ("//evil.example/console/", "x", ""),
        ("https://evil.example/console/hosts", "x", ""),
        ("/console/none", "x", ""),
        ("/static/console.css", "x", ""),
        ("", "x", ""),
    ],
)
def test_what_is_no_view_is_not_kept(operator: FlaskClient, page: str, name: str, query: str) -> None:
    answer = send(operator, "/console/views", page=page, name=name, query=query)
    assert (answer.status_code, answer.location) == (422, None)


def test_one_has_not_more_views_of_a_list_than_can_be_shown(world: World) -> None:
    views = world.client.acting_as("directory:operator1").views
    for number in range(MOST):
        views.keep("/console/runs", name=f"v{number}", query="")
    browser = world.enter(world.person("operator"))
    assert send(browser, "/console/views", page="/console/runs", name="one more", query="").status_code == 409
    assert len(views.list("/console/runs")) == MOST


@pytest.mark.parametrize("asked", ["shifazhan", "SFZ", "发展"])
def test_chinese_names_are_found_by_pinyin(operator: FlaskClient, asked: str) -> None:
    found = operator.get(f"/console/search?q={asked}", base_url=BASE).text
    assert 'href="/console/tenants/fgw"' in found
    listed = operator.get(f"/console/tenants?q={asked}", base_url=BASE).text
    assert 'href="/console/tenants/fgw"' in listed
    assert 'href="/console/tenants/gaj"' not in listed


def totals(text: str) -> str:
    found = re.search(r"<tfoot\b.*?</tfoot>", text, re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split()) if found else ""


def test_what_adds_up_has_a_sum_of_all_that_fits_and_health_has_none(world: World, operator: FlaskClient) -> None:
    rows = [row for row in world.client.machines.security() if row["machines"] is not None]
    assert len(rows) > 1
    text = operator.get("/console/security", base_url=BASE).text
    assert totals(text) == f"Total of {len(rows)} {sum(row['machines'] for row in rows)}"
    assert totals(operator.get("/console/security?f.tenant=fgw", base_url=BASE).text) == "", "one row is its own sum"
    assert totals(operator.get("/console/hosts", base_url=BASE).text) == ""
    kept = sum(site["releases"] for site in world.client.sites())
    few = operator.get("/console/sites?columns=releases,site", base_url=BASE).text
    assert totals(few) == f"Total of {len(world.client.sites())}: {kept}"


def test_a_value_that_has_a_word_is_said_in_it(operator: FlaskClient) -> None:
    said = operator.get("/console/sites", base_url=BASE).text
    assert "first home page" in said
    assert "<code>starter" not in said


def test_what_has_no_figure_is_said_beside_the_sum(operator: FlaskClient) -> None:
    columns = (Column("name", Text("Name")), Column("count", Text("Count"), "number", total=show.plain))
    rows = [{"name": "a", "count": 1200}, {"name": "b", "count": None}, {"name": "c", "count": 34}]
    with in_language("en"):
        known = {"caption": Text("x"), "empty": Text("x"), "now": datetime(2026, 11, 24, tzinfo=UTC)}
        (_, nothing), (_, total) = Table(columns, rows, MultiDict(), **known).totals
        assert (nothing, total) == (None, "1,234 <small>(1 has no figure)</small>")
        assert Table(columns, [rows[1], rows[1]], MultiDict(), **known).totals == [], "nothing known is no 0"


def test_density_is_part_of_the_view(operator: FlaskClient) -> None:
    page = "/console/accounts?density=compact&f.tenant=fgw"
    text = operator.get(page, base_url=BASE).text
    assert 'class="table table-sm cards compact"' in text
    heads = re.findall(r'<th scope="col"[^>]*><a href="([^"]*)">', text)
    assert heads
    assert all("density=compact" in address for address in heads)
    assert '<option value="compact" selected>' in text
    kept = send(operator, "/console/views", page="/console/accounts", query=page.partition("?")[2], name="close")
    assert "density=compact" in kept.location
    few = operator.get("/console/sites?density=compact", base_url=BASE).text
    assert 'name="density"' in few, "the form of the filter keeps it"
    assert " compact" not in operator.get("/console/accounts?density=x", base_url=BASE).text
