"""The gate of intranet sites: who is let in, when they are out again, and where nobody is ever sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import Client as HttpClient
from werkzeug.test import TestResponse

from control_plane.model.errors import TemporaryError
from control_plane.model.site_sign_in import CACHE_SECONDS, COOKIE, LOOK_SECONDS
from control_plane.model.text import in_language, t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.web.gate import Gate
from control_plane.workflow.site_gate import SiteGate
from tests.databases import everything
from tests.web.world import BASE, GATE_SECRET, PASSWORD, World, make_world, send

SITE, OTHER, STATE = "fgw.intra.qingdao.test", "czj.intra.qingdao.test", "a1" * 16


def ask_for_sign_in(world: World, code: str, **rule: Any) -> None:
    """The stored wish of one department, as an import would write it."""
    row = world.store.estate.subscription(f"{code}/intranet")
    assert row is not None
    spec = {**row.spec, "sites": [{**row.spec["sites"][0], **rule}]}
    change = SubscriptionChange(code, "intranet", row.tier, spec, row.generation)
    world.store.estate.change(world.client.actor, "test", [change], {})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path, applied=False)
        ask_for_sign_in(made, "fgw", sign_in="department")
        ask_for_sign_in(made, "czj", sign_in="groups", groups=["all"])
        yield made
        made.close()


def gate_of(world: World) -> SiteGate:
    assert world.services.gate is not None
    return world.services.gate


def nginx(world: World, path: str, **headers: str) -> TestResponse:
    """What nginx of the intranet host asks."""
    sent = {"X-Gasp-Secret": GATE_SECRET, "X-Gasp-Name": SITE, "X-Gasp-Departments": "fgw,czj"}
    named = {f"X-Gasp-{name.title()}": value for name, value in headers.items()}
    return HttpClient(world.app).get(f"/gate/{path}", headers={**sent, **named}, base_url=BASE)


def signed_in(world: World, uid: str = "w1", tenant: str = "fgw") -> FlaskClient:
    world.directory.add(uid, tenant)
    return world.enter(uid)


def door_of(browser: FlaskClient, site: str = SITE, back: str = "/a?x=1&y=2", state: str = STATE) -> str:
    """Where the console sends this browser."""
    page = browser.get(f"/sign-in/site?site={site}&state={state}&back={back}", base_url=BASE)
    assert page.status_code == 200, page.text
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    assert found is not None
    return found[1].replace("&amp;", "&")


def cookie_of(world: World, browser: FlaskClient, site: str = SITE) -> str:
    address = door_of(browser, site)
    answer = nginx(world, f"exchange?{address.partition('?')[2]}", state=STATE, name=site)
    assert answer.status_code == 303, answer.status
    return str(answer.headers["Set-Cookie"]).partition("=")[2].partition(";")[0]


def said(world: World, cookie: str, **headers: str) -> int:
    answer = nginx(world, "verify", cookie=cookie, **headers)
    assert answer.data == b""
    assert "Set-Cookie" not in answer.headers
    return answer.status_code


def test_from_the_site_to_the_sign_in_and_back(world: World) -> None:
    world.directory.add("w1", "fgw")
    browser = world.browser()
    wanted = f"/sign-in/site?site={SITE}&state={STATE}&back=/a?x=1&y=2"
    answer = browser.get(wanted, base_url=BASE)
    assert answer.status_code == 302
    back = parse_qs(urlsplit(answer.location).query)["next"][0]
    assert f'name="next" value="{back}"' in browser.get(answer.location, base_url=BASE).text.replace("&amp;", "&")
    answer = send(browser, "/sign-in", name="w1", password=PASSWORD, next=back)
    assert answer.location == wanted
    address = door_of(browser)
    assert re.fullmatch(rf"https://{SITE}/\.gasp/sign-in\?code=[\w-]{{43}}&back=/a\?x=1&y=2", address)
    answer = nginx(world, f"exchange?{address.partition('?')[2]}", state=STATE)
    assert answer.status_code == 303
    assert answer.location == f"https://{SITE}/a?x=1&y=2"
    held = answer.headers["Set-Cookie"]
    assert re.fullmatch(rf"{COOKIE}=[\w-]{{43}}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=43200", held)
    console = {cookie.value for cookie in browser._cookies.values()}
    assert held.partition("=")[2].partition(";")[0] not in console
    assert said(world, held.partition("=")[2].partition(";")[0]) == 204


def test_who_has_a_second_factor_comes_back_too(world: World) -> None:
    login = world.person("operator")
    world.enter(login)
    browser = world.browser()
    wanted = f"/sign-in/site?site={SITE}&state={STATE}&back=/"
    answer = send(browser, "/sign-in", name=login, password=PASSWORD, next=wanted)
    assert answer.location == "/sign-in/code"
    assert send(browser, "/sign-in/code", code=world.code(login)).location == wanted


def test_a_code_is_good_once_for_a_minute_for_one_site_and_one_browser(world: World) -> None:
    browser = signed_in(world)
    query = door_of(browser).partition("?")[2]
    for wrong in ({"name": OTHER}, {"state": "b2" * 16}, {"state": ""}, {"secret": "guess"}):
        status = nginx(world, f"exchange?{query}", **{"state": STATE, **wrong}).status_code
        assert status in (403, 404), wrong
    assert nginx(world, f"exchange?{query}", state=STATE).status_code == 303
    assert nginx(world, f"exchange?{query}", state=STATE).status_code == 403
    query = door_of(browser).partition("?")[2]
    world.clock.advance(61)
    assert nginx(world, f"exchange?{query}", state=STATE).status_code == 403


def test_a_cookie_is_of_one_site_and_is_no_session_of_the_console(world: World) -> None:
    browser = signed_in(world)
    cookie = cookie_of(world, browser)
    assert said(world, cookie) == 204
    assert said(world, cookie, name=OTHER) == 401
    other = world.browser()
    other.set_cookie("__Host-gasp", cookie, domain="localhost", secure=True)
    assert other.get("/console/", base_url=BASE).status_code == 302
    console = next(c.value for c in browser._cookies.values() if c.key == "__Host-gasp")
    assert said(world, console) == 401, "a session of the console opens no site"
    code = re.findall(r"code=([\w-]{43})", door_of(browser))[0]
    assert said(world, code) == 401, "a code that waits is no cookie"
    stored = everything(world.store.database)
    for value in (cookie, code, STATE, GATE_SECRET):
        assert value not in stored


@pytest.mark.parametrize("wrong", ["", "x", "g" * 42, "g" * 43, "g" * 44, "' or 1=1 --", "../../etc/passwd"])
def test_a_made_up_cookie_is_nobody(world: World, wrong: str) -> None:
    assert said(world, wrong) == 401


def test_departments_and_groups_are_the_directorys(world: World) -> None:
    own, other = cookie_of(world, signed_in(world)), cookie_of(world, signed_in(world, "g1", "gaj"))
    assert (said(world, own), said(world, other)) == (204, 403)
    assert said(world, other, departments="*") == 204
    assert said(world, own, departments="") == 403
    assert said(world, own, groups="leaders") == 403
    world.directory.groups[world.directory.entries["w1"].dn] = {"all", "leaders"}
    assert said(world, own, groups="leaders") == 403, "a look counts for half a minute"
    world.clock.advance(LOOK_SECONDS)
    assert said(world, own, groups="leaders") == 204
    world.directory.groups.clear()
    world.clock.advance(LOOK_SECONDS)
    assert said(world, own, groups="leaders") == 403
    world.directory.entries["w1"].tenant = "gaj"
    world.clock.advance(LOOK_SECONDS)
    assert said(world, own) == 403, "who moved belongs to the other department"


def test_an_account_of_the_centre_is_of_no_department(world: World) -> None:
    file = world.client.people.add("night", display="Night")["password_file"]
    browser = world.enter("night", Path(file).read_text().strip(), until="password")
    answer = send(browser, "/sign-in/password", old=PASSWORD, new="quite another one", again="quite another one")
    assert answer.status_code == 303
    assert said(world, cookie_of(world, browser), departments="*") == 403


def test_who_is_cut_is_out_within_a_minute(world: World) -> None:
    assert CACHE_SECONDS + LOOK_SECONDS < 60
    cookie = cookie_of(world, signed_in(world))
    assert said(world, cookie) == 204
    world.directory.entries["w1"].disabled = True
    world.clock.advance(LOOK_SECONDS)
    assert said(world, cookie) == 401
    world.directory.entries["w1"].disabled = False
    world.directory.entries["w1"].key = "directory:person/another"
    world.clock.advance(LOOK_SECONDS)
    assert said(world, cookie) == 401, "the name is somebody else's now"


def test_the_end_of_a_session_is_the_end_of_its_cookies_at_once(world: World) -> None:
    browser = signed_in(world)
    cookie = cookie_of(world, browser)
    assert said(world, cookie) == 204
    send(browser, "/sign-out")
    assert said(world, cookie) == 401
    cookie = cookie_of(world, world.enter("w1"))
    world.client.people.reset("w1")
    assert said(world, cookie) == 401


def test_sessions_end_by_themselves_and_reading_a_site_is_use(world: World) -> None:
    cookie = cookie_of(world, signed_in(world))
    for _ in range(3):
        world.clock.advance(29 * 60)
        assert said(world, cookie) == 204
    world.clock.advance(31 * 60)
    assert said(world, cookie) == 401
    cookie = cookie_of(world, world.enter("w1"))
    for _ in range(24):
        world.clock.advance(29 * 60)
        assert said(world, cookie) == 204
    world.clock.advance(29 * 60)
    assert said(world, cookie) == 401, "twelve hours are the end"


def test_without_the_directory_nobody_is_let_in(world: World) -> None:
    cookie = cookie_of(world, signed_in(world))
    world.directory.away = TemporaryError(t("The directory is away."))
    assert said(world, cookie) == 503
    world.directory.away = None
    assert said(world, cookie) == 204


def test_only_nginx_may_ask_and_not_too_often(world: World) -> None:
    cookie = cookie_of(world, signed_in(world))
    for secret in ("", "guess", GATE_SECRET + "x", "密"):
        assert nginx(world, "verify", cookie=cookie, secret=secret.encode().decode("latin-1")).status_code == 404
    for path in ("", "verify/", "other", "../sign-in"):
        assert nginx(world, path, cookie=cookie).status_code in (401, 404)
    answer = HttpClient(world.app).post("/gate/verify", headers={"X-Gasp-Secret": GATE_SECRET}, base_url=BASE)
    assert answer.status_code == 404
    few = Gate(gate_of(world), most=2, monotonic=lambda: 5.0)
    sent = {"X-Gasp-Secret": GATE_SECRET, "X-Gasp-Name": SITE}
    found = [HttpClient(few).get("/verify", headers=sent, base_url=BASE).status_code for _ in range(4)]
    assert found == [401, 401, 429, 429]


def test_a_failure_of_ours_is_no_yes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = cookie_of(world, signed_in(world))

    def fails(*_: Any) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(world.store.site_sessions, "session_id", fails)
    assert said(world, cookie) == 500


@pytest.mark.parametrize(
    "site",
    ["evil.test", f"{SITE}.evil.test", f"evil.test/{SITE}", "jyj.intra.qingdao.test", "", "console.core.qingdao.test"],
)
def test_the_sign_in_sends_nobody_elsewhere(world: World, site: str) -> None:
    browser = signed_in(world)
    answer = browser.get(f"/sign-in/site?site={site}&state={STATE}&back=/", base_url=BASE)
    assert answer.status_code == 404
    assert "refresh" not in answer.text


@pytest.mark.parametrize("back", ["//evil.test", "/\\evil.test", "https://evil.test", "", "@evil", "/" + "x" * 3000])
def test_the_way_back_is_a_path_of_the_site(world: World, back: str) -> None:
    browser = signed_in(world)
    address = door_of(browser, back=back)
    assert re.fullmatch(rf"https://{SITE}/\.gasp/sign-in\?code=[\w-]{{43}}&back=/", address)
    query = address.partition("?")[2].partition("&back=")[0] + f"&back={back}"
    answer = nginx(world, f"exchange?{query}", state=STATE)
    assert answer.location == f"https://{SITE}/"


def test_a_state_that_nginx_did_not_make_is_refused(world: World) -> None:
    browser = signed_in(world)
    for state in ("", "short", "z" * 32):
        assert browser.get(f"/sign-in/site?site={SITE}&state={state}&back=/", base_url=BASE).status_code == 422


def test_names_follow_what_is_wished(world: World) -> None:
    names = gate_of(world).names
    assert set(names()) == {SITE, OTHER}
    ask_for_sign_in(world, "fgw", sign_in="none")
    assert set(names()) == {OTHER}


def test_old_codes_are_swept(world: World) -> None:
    browser = signed_in(world)
    for _ in range(3):
        door_of(browser)
    world.clock.advance(120)
    door_of(browser)
    assert everything(world.store.database).count(SITE) >= 1
    with world.store.database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from site_sessions").scalar() == 1
