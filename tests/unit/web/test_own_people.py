"""A department's people on its page: lists, leavers, passwords on sheets that are opened once."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from control_plane.model.errors import TemporaryError
from control_plane.model.text import in_language, t
from tests.databases import everything
from tests.web.world import BASE, World, make_world, send, token_of

PAGE = "/portal/people/fgw"
PERSON = "dingfanghui"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("people"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def clerk(world: World) -> FlaskClient:
    return world.enter(world.person("clerk"))


def upload(world: World, browser: FlaskClient, text: str) -> TestResponse:
    path = world.folder / "list.csv"
    path.write_text(text, "utf-8")
    with path.open("rb") as file:
        data = {"token": token_of(browser), "act": "list", "file": (file, "list.csv")}
        return browser.post(PAGE, base_url=BASE, data=data)


def test_a_password_is_reset_with_a_reason_and_its_sheet_is_opened_once(world: World, clerk: FlaskClient) -> None:
    refused = send(clerk, PAGE, act="reset", uid=PERSON, reason="")
    assert refused.status_code == 422 and "A reason is needed." in refused.text
    other = send(clerk, PAGE, act="reset", uid="yangli", reason="x")
    assert other.status_code == 422 and "Nobody of fgw" in other.text
    assert send(clerk, PAGE, act="reset", uid=PERSON, reason="forgot it", once="r" * 20).status_code == 303
    sheet = world.client.sheets.list("fgw")[0]
    assert (sheet["uids"], sheet["made_by"], sheet["state"]) == ([PERSON], "directory:clerk1", "ready")
    assert "Open as PDF" in clerk.get(PAGE, base_url=BASE).text
    opened = send(clerk, f"{PAGE}/sheets/{sheet['id']}", form="csv")
    assert opened.status_code == 200 and "no-store" in opened.headers["Cache-Control"]
    password = opened.text.split(",")[-1].strip()
    assert world.directory.check_bind(world.directory.entries[PERSON].dn, password)
    again = send(clerk, f"{PAGE}/sheets/{sheet['id']}", form="pdf")
    assert again.status_code == 422 and "opened before" in again.text
    stored = everything(world.store.database)
    assert PERSON in stored and password not in stored
    assert not any(password.encode() in path.read_bytes() for path in world.folder.glob("log/*"))
    assert password not in str(world.client.audit.list()) + str(world.client.jobs.list(50))


def test_a_sheet_is_a_pdf(world: World, clerk: FlaskClient) -> None:
    sheet = world.client.sheets.issue("fgw", uids=[PERSON, "wangwei13"], reason="new")
    opened = send(clerk, f"{PAGE}/sheets/{sheet['id']}", form="pdf")
    assert opened.content_type == "application/pdf" and opened.data.startswith(b"%PDF-")
    inside = b"".join(
        zlib.decompress(part) for part in re.findall(rb"stream\r?\n(x.+?)\r?\nendstream", opened.data, re.S)
    )
    assert b"/FontFile" in inside and b"WenQuanYi" in inside, "whoever opens it needs no font of their own"


def test_a_list_becomes_a_request_that_is_seen_before_it_is_handed_in(world: World, clerk: FlaskClient) -> None:
    bad = upload(world, clerk, "账号,姓名\nyangli,杨丽\nX,张三\nnew1,\n")
    assert bad.status_code == 422
    for said in ("Row 2", "“yangli” is taken", "Row 3", "Row 4"):
        assert said in bad.text
    assert "Finance" not in bad.text and "czj" not in bad.text
    taken = upload(world, clerk, f"账号,姓名,状态\nnewone,张三,在职\n{PERSON},,离职\n")
    assert taken.status_code == 303 and taken.location.endswith("/check")
    assert "newone" in clerk.get(taken.location, base_url=BASE).text
    assert "newone" not in {row["uid"] for row in world.client.accounts()}


def test_a_list_is_put_right_by_the_next_one_and_replaces_nothing_that_was_begun_by_hand(
    world: World, clerk: FlaskClient
) -> None:
    mine = world.client.acting_as("directory:clerk1").requests

    def asked(reference: str) -> set[str]:
        return {person["uid"] for person in mine.show(reference)["spec"]["people"]} & {"first1", "second1", "hand1"}

    reference = upload(world, clerk, "账号,姓名\nfirst1,王一\n").location.split("/")[-2]
    assert asked(reference) == {"first1"}
    assert upload(world, clerk, "账号,姓名\nsecond1,王二\n").status_code == 303
    assert asked(reference) == {"second1"}
    draft = mine.show(reference)
    people = [*draft["spec"]["people"], {"uid": "hand1", "display_name": "王三", "family_name": "王"}]
    mine.save(draft["id"], spec={**draft["spec"], "people": people})
    listed = upload(world, clerk, "账号,姓名\nfirst1,王一\n")
    grouped = send(clerk, f"{PAGE}/groups", name="leaders", zh="领导")
    for refused in (listed, grouped):
        assert refused.status_code == 422 and "You have begun a change of this service" in refused.text
        assert f'href="/portal/requests/{reference}"' in refused.text
    assert asked(reference) == {"second1", "hand1"}
    mine.withdraw(reference)


def test_who_left_is_locked_at_once(world: World, clerk: FlaskClient) -> None:
    world.directory.add("wangwei13", "fgw")
    browser = world.enter("wangwei13")
    assert send(clerk, PAGE, act="leave", uid="wangwei13", reason="resigned", once="l" * 20).status_code == 303
    assert world.directory.entries["wangwei13"].disabled
    assert browser.get("/console/me", base_url=BASE).status_code == 302
    assert world.client.staff.show("wangwei13")["status"] == "left"


def test_a_directory_that_is_away_loses_no_leaver(world: World, clerk: FlaskClient) -> None:
    uid = next(row["uid"] for row in world.client.accounts("fgw") if row["status"] == "active" and row["uid"] != PERSON)
    world.directory.add(uid, "fgw")
    world.directory.away = TemporaryError(t("away"))
    sent = send(clerk, PAGE, act="leave", uid=uid, reason="resigned", once="a" * 20)
    assert (sent.status_code, "said=later" in sent.location) == (303, True)
    world.directory.away = None
    assert world.client.staff.show(uid)["status"] == "left"
    job = next(row for row in world.client.jobs.list() if row["kind"] == "account_leave" and uid in row["subject"])
    while world.client.jobs.work(("runs",)) is not None:
        pass
    assert world.client.jobs.show(job["id"])["state"] == "done"
    assert world.directory.entries[uid].disabled


def test_a_group_becomes_a_request_with_its_plan(world: World, clerk: FlaskClient) -> None:
    page = clerk.get(f"{PAGE}/groups", base_url=BASE)
    assert "approvers" in page.text and "Make a group" in page.text
    wrong = send(clerk, f"{PAGE}/groups", name="Not A Name", zh="")
    assert wrong.status_code == 422 and "is no short name of a group" in wrong.text
    made = send(clerk, f"{PAGE}/groups", name="leaders", zh="领导")
    assert made.status_code == 303 and made.location.endswith("/check")
    assert "leaders" in clerk.get(made.location, base_url=BASE).text
    assert "leaders" not in {row["name"] for row in world.client.groups.list("fgw")}, "asked for, not done"
    one = clerk.get(f"{PAGE}/groups/approvers", base_url=BASE)
    assert one.status_code == 200
    here = [row for row in world.client.accounts("fgw") if row["status"] == "active"]
    uid = next(row["uid"] for row in here if "site-editors" not in row["groups"])
    unknown = send(clerk, f"{PAGE}/groups/approvers", act="people", put="yangli")
    assert unknown.status_code == 422 and "Nobody of fgw has the account" in unknown.text
    assert send(clerk, f"{PAGE}/groups/site-editors", act="people", put=f" {uid.upper()}, ").status_code == 303
    assert send(clerk, f"{PAGE}/groups/site-editors", act="end").status_code == 303
    assert send(clerk, f"{PAGE}/groups/none", act="end").status_code == 404


def test_a_review_is_decided_on_its_page_and_shown_to_operators(world: World, clerk: FlaskClient) -> None:
    assert "Nothing is to be confirmed now" in clerk.get(f"{PAGE}/review", base_url=BASE).text
    world.store.reviews.begin(world.client.tenant("fgw")["id"], "2026Q4", world.clock())
    world.clock.advance(60)
    assert "Please confirm who of your people" in clerk.get("/portal/", base_url=BASE).text
    operator = world.enter(world.person("operator"))
    assert "1 department has not confirmed" in operator.get("/console/", base_url=BASE).text
    assert "overdue" in operator.get("/console/reviews", base_url=BASE).text
    page = clerk.get(f"{PAGE}/review", base_url=BASE).text
    leaves, moves, *others = [row["uid"] for row in world.client.reviews.show("fgw")["people"]]
    world.directory.add(leaves, "fgw")
    assert all(f'name="what-{uid}"' in page for uid in (leaves, moves, *others))
    said = {f"what-{leaves}": "left", f"what-{moves}": "moved"}
    half = send(clerk, f"{PAGE}/review", once="h" * 20, **said, **{f"more-{moves}": "czj"})
    assert half.status_code == 422 and "it is not said what became of them" in half.text
    lacking = send(clerk, f"{PAGE}/review", once="i" * 20, act="rest", **said)
    assert lacking.status_code == 422 and "moved is not said" in lacking.text
    assert '<option value="left" selected>' in lacking.text, "what was chosen is kept"
    done = send(clerk, f"{PAGE}/review", once="j" * 20, act="rest", **said, **{f"more-{moves}": "czj"})
    assert done.status_code == 303 and done.location.endswith("said=done")
    assert world.directory.entries[leaves].disabled
    while world.client.jobs.work(("runs",)) is not None:
        pass
    assert world.client.plan("tenant:fgw")["changes"] == []
    board = operator.get("/console/reviews", base_url=BASE).text
    assert moves in board and "Move those of fgw" in board
    number = next(row["id"] for row in world.client.reviews.list() if row["moves"])
    assert send(operator, f"/console/reviews/{number}/move", once="k" * 20).status_code == 303
    while world.client.jobs.work(("runs",)) is not None:
        pass
    assert world.client.staff.show(moves)["tenant"] == "czj"
    assert send(clerk, f"{PAGE}/review", once="l" * 20, act="rest").status_code == 303, "once is enough"


def test_roles_of_the_centre_are_not_the_departments_to_end(world: World, clerk: FlaskClient) -> None:
    uid = next(row["uid"] for row in world.client.accounts("fgw") if row["status"] == "active")
    world.store.people.ensure(f"directory:{uid}", "丁", "fgw", f"directory:person/{uid}")
    world.client.people.grant(uid, "finance", reason="test")
    refused = send(clerk, PAGE, act="leave", uid=uid, reason="resigned", once="c" * 20)
    assert refused.status_code == 422 and "Ask an operator of the centre" in refused.text
    assert world.client.staff.show(uid)["status"] == "active"
    assert [held["role"] for held in world.client.people.show(uid)["roles"]] == ["finance"]
