"""What the centre does to departments' people in the console: one, lists, movers, leavers, groups, passwords."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from control_plane.model.text import in_language
from tests.web.world import BASE, World, make_world, send, token_of

LISTS, PEOPLE = "/console/accounts/import", "/console/tenants/fgw/people"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("accounts"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def operator(world: World) -> FlaskClient:
    return world.enter(world.person("operator"))


def upload(world: World, browser: FlaskClient, text: str, **more: str) -> TestResponse:
    path = world.folder / "list.csv"
    path.write_text(text, "utf-8")
    with path.open("rb") as file:
        data = {"token": token_of(browser), "act": "check", "file": (file, "list.csv"), **more}
        return browser.post(LISTS, base_url=BASE, data=data)


def hidden(page: str) -> dict[str, str]:
    """What the form of a preview carries."""
    form = page.split('class="panel wide consent')[1].split("</form>")[0]
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    return {name: value for name, value in found.items() if name != "token"}


def work(world: World) -> None:
    while world.client.jobs.work(("at_once", "runs", "machines")) is not None:
        pass


def active(world: World, code: str) -> list[str]:
    return [row["uid"] for row in world.client.accounts(code) if row["status"] == "active"]


def test_a_list_of_several_departments_is_seen_whole_before_it_is_taken(world: World, operator: FlaskClient) -> None:
    bad = upload(world, operator, "单位,账号,姓名\nfgw,X,张三\nnowhere,new1,李四\n,new2,王五\ngaj,new3,\n")
    assert bad.status_code == 422
    for row in ("Row 2", "Row 3", "Row 4", "Row 5"):
        assert row in bad.text, "every fault of every row at once"
    mover = active(world, "fgw")[0]
    seen = upload(world, operator, f"单位,账号,姓名\nfgw,newone,张三\ngaj,newtwo,李四\ngaj,{mover},\n")
    assert seen.status_code == 200, seen.text
    assert "2 join, 1 move" in seen.text and "fgw → gaj" in seen.text
    assert "newone" not in active(world, "fgw"), "seen, not done"
    rows = send(operator, LISTS, **{**hidden(seen.text), "act": "csv"})
    assert rows.mimetype == "text/csv" and "newtwo" in rows.text
    other = send(operator, LISTS, **{**hidden(seen.text), "act": "take", "digest": "0" * 64})
    assert other.status_code == 422 and "Something changed meanwhile" in other.text
    taken = send(operator, LISTS, **hidden(seen.text), act="take")
    assert taken.status_code == 303 and "/console/jobs/" in taken.location
    work(world)
    assert "newone" in active(world, "fgw") and {"newtwo", mover} <= {*active(world, "gaj")}
    again = upload(world, operator, f"单位,账号,姓名\nfgw,newone,张三\ngaj,{mover},\n")
    assert again.status_code == 200 and "nothing would change" in again.text
    assert "newone" not in str(world.client.jobs.list(50)), "a list is forgotten once it is taken over"


def test_a_list_that_touches_many_wants_its_word(world: World, operator: FlaskClient) -> None:
    everybody = [row["uid"] for row in world.client.accounts() if row["status"] == "active"]
    many = everybody[: world.client.staff.rules.touch_limit + 1]
    assert len(many) > world.client.staff.rules.touch_limit
    where = {row["uid"]: row["tenant"] for row in world.client.accounts()}
    seen = upload(world, operator, "单位,账号,职务\n" + "".join(f"{where[uid]},{uid},巡视员\n" for uid in many))
    word = hidden(seen.text)["digest"][:8]
    assert f"Type {word}" in seen.text
    refused = send(operator, LISTS, **hidden(seen.text), act="take", confirm="yes")
    assert refused.status_code == 422 and "“yes” is not the word asked for" in refused.text
    assert send(operator, LISTS, **hidden(refused.text), act="take", confirm=word).status_code == 303
    work(world)
    assert {world.client.staff.show(uid)["title"] for uid in many} == {"巡视员"}


def test_a_list_as_large_as_a_file_may_be_comes_again_with_the_yes(world: World, operator: FlaskClient) -> None:
    text = "单位,账号,姓名\nfgw,newlarge,赵六\n" + "," * 3 + " " * (1 << 20)
    content = base64.urlsafe_b64encode(text.encode()).decode()
    seen = send(operator, LISTS, act="check", content=content)
    assert seen.status_code in (200, 422), "what is more than a usual form may hold is read of who may send it"


def test_somebody_is_added_with_what_is_wrong_beside_the_form(world: World, operator: FlaskClient) -> None:
    new = "/console/accounts/new"
    assert '<option value="fgw" selected>' in operator.get(f"{new}?tenant=fgw", base_url=BASE).text
    assert "No department is chosen" in send(operator, new, uid="sunqi", display_name="孙七").text
    taken = send(operator, new, tenant="fgw", uid=active(world, "gaj")[0], display_name="孙七")
    assert taken.status_code == 422 and "is taken" in taken.text
    wrong = send(operator, new, tenant="fgw", uid="Sun Qi", display_name="孙七", groups="nobody-knows", mail="x")
    assert wrong.status_code == 422
    assert {*re.findall(r'id="(\w+)-problem"', wrong.text)} >= {"uid"}
    given = {"tenant": "fgw", "uid": "sunqi", "display_name": "孙七", "groups": "site-editors"}
    assert send(operator, new, **given, once="n" * 20).status_code == 303
    work(world)
    assert (found := world.client.staff.show("sunqi"))["tenant"] == "fgw" and found["groups"] == ["site-editors"]


def test_one_person_is_moved_leaves_and_comes_back(world: World, operator: FlaskClient) -> None:
    uid = active(world, "fgw")[1]
    page = operator.get(f"/console/tenants/fgw/accounts/{uid}", base_url=BASE)
    assert page.status_code == 200 and "Move to another department" in page.text
    assert operator.get(f"/console/tenants/gaj/accounts/{uid}", base_url=BASE).status_code == 404
    seen = send(operator, LISTS, act="move", uid=uid, to="gaj")
    assert "fgw → gaj" in seen.text
    assert send(operator, LISTS, **hidden(seen.text), act="take").status_code == 303
    work(world)
    assert world.client.staff.show(uid)["tenant"] == "gaj"
    theirs = "/console/tenants/gaj/people"
    world.directory.add(uid, "gaj")
    assert "A reason is needed" in send(operator, theirs, act="leave", uid=uid, once="m" * 20).text
    left = send(operator, theirs, act="leave", uid=uid, reason="resigned", once="l" * 20)
    assert left.status_code == 303 and left.location.startswith(theirs)
    assert world.directory.entries[uid].disabled
    work(world)
    assert "Back at work" in operator.get(f"/console/tenants/gaj/accounts/{uid}", base_url=BASE).text
    seen = send(operator, LISTS, act="move", uid=uid, to="gaj")
    assert "1 come back" in seen.text
    send(operator, LISTS, **hidden(seen.text), act="take")
    work(world)
    assert world.client.staff.show(uid)["status"] == "active" and not world.directory.entries[uid].disabled


def test_the_centre_issues_a_password_and_the_department_opens_its_sheet(world: World, operator: FlaskClient) -> None:
    uid = active(world, "fgw")[0]
    assert send(operator, PEOPLE, act="reset", uid=uid, reason="forgot it", once="p" * 20).status_code == 303
    number = world.client.sheets.list("fgw")[0]["id"]
    page = operator.get(PEOPLE, base_url=BASE).text
    assert f"Sheet {number}" in page and "Open as PDF" not in page
    assert "whoever opens a sheet could sign in as those who are on it" in page
    assert send(operator, f"/portal/people/fgw/sheets/{number}", form="csv").status_code == 403
    clerk = world.enter(world.person("clerk"))
    assert send(clerk, f"/portal/people/fgw/sheets/{number}", form="csv").status_code == 200


def test_a_group_is_changed_from_its_plan(world: World, operator: FlaskClient) -> None:
    groups = f"{PEOPLE}/groups"
    assert "is no short name of a group" in send(operator, groups, name="Not A Name", zh="").text
    seen = send(operator, groups, name="leaders", zh="领导")
    assert seen.status_code == 200 and "gets the group leaders" in seen.text
    assert "leaders" not in {row["name"] for row in world.client.groups.list("fgw")}, "seen, not done"
    moved = send(operator, groups, **{**hidden(seen.text), "digest": "0" * 64})
    assert moved.status_code == 200 and "Something changed meanwhile" in moved.text
    assert send(operator, groups, **hidden(seen.text)).status_code == 303
    work(world)
    uid = active(world, "fgw")[0]
    seen = send(operator, f"{groups}/leaders", act="people", put=uid)
    assert send(operator, f"{groups}/leaders", **hidden(seen.text)).status_code == 303
    work(world)
    assert world.client.groups.show("fgw", "leaders")["people"] == [uid]
    assert uid in operator.get(f"{groups}/leaders", base_url=BASE).text
    assert send(operator, f"{groups}/none", act="end").status_code == 404


def test_a_review_is_the_departments_to_decide(world: World, operator: FlaskClient) -> None:
    page = f"{PEOPLE}/review"
    assert "Once a quarter the department is asked" in operator.get(page, base_url=BASE).text
    world.store.reviews.begin(world.client.tenant("fgw")["id"], "2026Q4", world.clock())
    seen = operator.get(page, base_url=BASE).text
    assert "only its own people know who is still there" in seen and "Everybody else stays" not in seen
    assert send(operator, "/portal/people/fgw/review", act="rest").status_code == 403


def test_lists_lead_to_people(world: World, operator: FlaskClient) -> None:
    person = f"/console/tenants/fgw/accounts/{(uid := active(world, 'fgw')[0])}"
    board = operator.get("/console/accounts?f.tenant=fgw", base_url=BASE).text
    assert person in board and LISTS in board and "/console/accounts/new" in board
    assert PEOPLE in operator.get("/console/tenants/fgw", base_url=BASE).text
    assert person in operator.get(f"/console/search?q={uid}", base_url=BASE).text
