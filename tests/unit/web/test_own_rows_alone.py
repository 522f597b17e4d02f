"""No page and no file of a department has a word of another one, and no count of their rows; pages are those of the
matrix, so that a new one is looked at by itself."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Collection

import pytest
from flask.testing import FlaskClient

from tests.unit.web.test_isolation import (
    MATRIX,
    OTHER,
    OWN,
    POSTS,
    PUBLIC,
    REFERENCES,
    TENANT_ROLES,
    address,
    populate,
)  # fmt: skip
from tests.web.world import BASE, World, send

#: What people of a department may open, out of the matrix: a new page is among them by itself.
PAGES = sorted({route.partition(" ")[2] for route, roles in MATRIX.items() if route.startswith("GET ")
                and roles != PUBLIC and set(TENANT_ROLES) & set(roles) and "/sign-in" not in route})  # fmt: skip
SEARCHES = ("/console/search?q=a", "/console/search?q=.test", "/console/accounts?q=a")
#: Pages with a list that has a filter; each has a file, too.
LISTS = frozenset({
    *("/console/accounts", "/console/emergencies", "/console/hosts", "/console/internet", "/console/probes"),
    *("/console/requests", "/console/security", "/console/sites", "/console/substitutes", "/console/tenants"),
    *("/console/tenants/<code>/audit", "/console/tenants/<code>/people", "/console/me/tokens"),
    *("/portal/people/<code>", "/portal/requests"),
})  # fmt: skip


@pytest.fixture(scope="module")
def browsers(world: World) -> dict[str, FlaskClient]:
    return populate(world)


def no_word_of_others(world: World, text: str, *, known: Collection[str] = ()) -> None:
    for row in world.client.tenants():
        if row["code"] != OWN and row["code"] not in known:
            assert not re.search(rf"\b{row['code']}\b", text), row["code"]
            assert row["name_zh"] not in text
    for row in world.client.accounts():
        if row["tenant"] != OWN:
            assert row["uid"] not in text
    assert REFERENCES[OTHER] not in text


def named_by(world: World, page: str) -> set[str]:
    """A promise that one's own pages are closed to a neighbour says which neighbour measures it."""
    return {p["vantage"] for p in world.client.probes() if p["tenant"] == OWN} if page == "/console/probes" else set()


@pytest.mark.parametrize("role", TENANT_ROLES)
@pytest.mark.parametrize("page", [*PAGES, *SEARCHES])
def test_no_word_of_others_on_any_page(world: World, browsers: dict[str, FlaskClient], role: str, page: str) -> None:
    answer = browsers[role].get(address(world, page, OWN), base_url=BASE)
    assert answer.status_code in (200, 302, 303, 403), answer.status_code
    if not answer.mimetype.startswith("text/"):
        return
    body = re.sub(r"<(form|header|nav)[ >].*?</\1>", "", answer.text, flags=re.S)
    no_word_of_others(world, body, known=named_by(world, page))


@pytest.mark.parametrize("page", PAGES)
def test_a_list_and_its_file_have_ones_own_rows_alone(
    world: World, browsers: dict[str, FlaskClient], page: str
) -> None:
    """The number of rows that do not fit is that of the file without a filter."""
    clerk, here = browsers["clerk"], address(world, page, OWN)
    send(clerk, "/language", language="en")
    filtered = clerk.get(f"{here}?q=nothing-fits", base_url=BASE)
    file = clerk.get(f"{here}?export=csv", base_url=BASE)
    if file.mimetype != "text/csv" or page.endswith(".csv"):
        assert page not in LISTS
        return
    assert page in LISTS, "a new list has its place there"
    no_word_of_others(world, file.text, known=named_by(world, page))
    workbook = clerk.get(f"{here}?export=xlsx", base_url=BASE)
    sheets = text_of(workbook.data)
    no_word_of_others(world, sheets, known=named_by(world, page))
    rows = len(list(csv.reader(io.StringIO(file.text)))) - 1
    said = re.search(r"None of (\d+) rows fits|(The only row) does not fit", filtered.text)
    assert rows == (0 if said is None else 1 if said[2] else int(said[1]))


def text_of(workbook: bytes) -> str:
    """All text in a workbook."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return " ".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".xml"))


def test_another_requests_file_is_not_there_below_ones_own(world: World, browsers: dict[str, FlaskClient]) -> None:
    for role in TENANT_ROLES:
        answers = [
            browsers[role].get(f"/portal/requests/{REFERENCES[OWN]}/files/{number}", base_url=BASE)
            for number in (POSTS[OWN], POSTS[OTHER], 9999)
        ]
        assert [answer.status_code for answer in answers] == [200, 404, 404]
        other, absent = (re.sub(r'nonce="[^"]*"|value="[^"]*"', "", answer.text) for answer in answers[1:])
        assert other.replace("/files/2", "/files/9999") == absent
