"""The way in: first sign-in, second factor, lock-out, leavers, sessions; and what a browser may and may not do."""

from __future__ import annotations

import time
from statistics import median

import pytest
from werkzeug.test import TestResponse

from control_plane.model.errors import TemporaryError
from control_plane.model.text import t
from tests.databases import everything
from tests.web.world import BASE, PASSWORD, World, send, token_of

NEW = "another long sentence"
REFUSED = "Name or password is not right."


def attempts(world: World) -> list[tuple[str, str]]:
    return [(row["typed"], row["outcome"]) for row in world.client.people.sign_ins()]


def sign_in(world: World, name: str, password: str = PASSWORD) -> TestResponse:
    return send(world.browser(), "/sign-in", name=name, password=password)


def test_the_first_operator_from_one_time_password_to_overview(fresh: World) -> None:
    people = fresh.client.people
    file = people.first()  # type: ignore[attr-defined]
    assert file.stat().st_mode & 0o777 == 0o600
    assert people.first() == file  # type: ignore[attr-defined]
    browser = fresh.browser()
    answer = send(browser, "/sign-in", name="first", password=file.read_text().strip())
    assert answer.location == "/sign-in/password"
    for page in ("/console/", "/console/tenants", "/sign-in/second-factor"):
        assert browser.get(page, base_url=BASE).location == "/sign-in/password"
    bad = send(browser, "/sign-in/password", old="wrong", new="short", again="other")
    assert bad.status_code == 422
    assert "too short" in bad.text
    assert "differ" in bad.text
    answer = send(browser, "/sign-in/password", old=PASSWORD, new=NEW, again=NEW)
    assert answer.location == "/sign-in/second-factor"
    assert browser.get("/console/", base_url=BASE).location == "/sign-in/second-factor"
    page = browser.get("/sign-in/second-factor", base_url=BASE).text
    fresh.factors["first"] = page.split('class="secret"><code>')[1].split("<")[0].replace(" ", "")
    assert "otpauth://totp/" in page
    assert send(browser, "/sign-in/second-factor", code="000000").status_code == 422
    answer = send(browser, "/sign-in/second-factor", code=fresh.code("first"))
    assert answer.location == "/console/"
    assert browser.get("/console/", base_url=BASE).status_code == 200
    assert people.first() is None  # type: ignore[attr-defined]
    assert attempts(fresh)[0] == ("first", "signed_in")
    stored = everything(fresh.store.database)
    for secret in (NEW, PASSWORD, fresh.factors["first"]):
        assert secret not in stored


def test_a_code_works_once(world: World) -> None:
    login = world.person("deputy_director")
    world.enter(login)
    code = world.code(login)
    first, second = world.browser(), world.browser()
    for browser in (first, second):
        assert send(browser, "/sign-in", name=login, password=PASSWORD).location == "/sign-in/code"
    assert send(first, "/sign-in/code", code=code).location == "/console/"
    again = send(second, "/sign-in/code", code=code)
    assert again.status_code == 422
    assert "used before" in again.text
    assert second.get("/console/", base_url=BASE).location == "/sign-in/code"
    wrong = world.wrong_code(login)
    assert send(second, "/sign-in/code", code=f" {wrong[:3]} {wrong[3:]} ").status_code == 422
    assert send(second, "/sign-in/code", code=" ".join(world.code(login))).location == "/console/"


@pytest.mark.parametrize("name", ["*)(uid=*", "t01)(|(objectClass=*)", "t0*", "t01\\00", "<script>alert(1)</script>"])
def test_open_12_hostile_names_are_unknown_names(world: World, name: str) -> None:
    answer = sign_in(world, name)
    assert answer.status_code == 422
    assert REFUSED in answer.text
    assert "<script>alert" not in answer.text
    assert attempts(world)[0] == (name, "refused")
    watcher = world.enter(world.person("auditor"))
    page = watcher.get("/console/sign-ins", base_url=BASE).text
    assert "<script>alert" not in page
    assert name.replace("<", "&lt;").replace(">", "&gt;") in page


def test_open_13_an_empty_password_is_never_sent(world: World) -> None:
    world.directory.add("t13", "fgw", "   ")
    world.directory.asked.clear()
    for name, password in (("t13", ""), ("t13", "\0"), ("", "x"), ("t13\0", "x")):
        answer = sign_in(world, name, password)
        assert answer.status_code == 422
        assert REFUSED in answer.text
    assert not world.directory.asked
    assert sign_in(world, "t13", "   ").status_code == 303, "three blanks that are really the password"


def test_unknown_and_known_names_take_about_the_same_time(fresh: World) -> None:
    def took(name: str) -> float:
        start = time.process_time()
        assert sign_in(fresh, name, "wrong wrong wrong").status_code == 422
        fresh.clock.advance(3600)
        return time.process_time() - start

    fresh.client.people.add("night")
    took("night"), took("nobody")
    known, unknown = (median(took(name) for _ in range(5)) for name in ("night", "nobody-here"))
    assert 0.5 < known / unknown < 2


def test_lock_out_with_back_off_for_any_name(fresh: World) -> None:
    fresh.directory.add("u1", "fgw")
    for name in ("u1", "never-was"):
        for _ in range(5):
            assert sign_in(fresh, name, "wrong").status_code == 422
        answer = sign_in(fresh, name.upper() if name == "u1" else name)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) <= 16
        assert "Too many attempts" in answer.text
    fresh.clock.advance(16)
    assert sign_in(fresh, "u1", "wrong").status_code == 422
    assert sign_in(fresh, "u1").status_code == 429, "the pause has doubled"
    fresh.clock.advance(31)
    assert sign_in(fresh, "u1").status_code == 303
    assert sign_in(fresh, "u1", "wrong").status_code == 422, "a success begins anew"


def test_who_only_asks_whether_a_page_is_there_has_not_tried_to_sign_in(fresh: World) -> None:
    """`HEAD`, as a link checker or another website sends it, without any token: it is answered as `GET` is."""
    browser = fresh.browser()
    for _ in range(40):
        assert browser.head("/sign-in", base_url=BASE).status_code == 200
    login = fresh.person("deputy_director")
    fresh.enter(login)
    before = attempts(fresh)
    assert all(outcome == "signed_in" for _, outcome in before)
    half = fresh.browser()
    assert send(half, "/sign-in", name=login, password=PASSWORD).location == "/sign-in/code"
    for page in ("/sign-in/code", "/sign-in/password", "/sign-in/second-factor"):
        half.head(page, base_url=BASE)
    assert half.head("/sign-in/code", base_url=BASE).status_code == 200
    whole = fresh.enter(login)
    assert whole.head("/sign-in/password", base_url=BASE).status_code == 200
    assert [outcome for _, outcome in attempts(fresh)] == ["signed_in"] * (len(before) + 1)


def test_a_leaver_is_cut_within_a_minute(world: World) -> None:
    world.directory.add("leaver1", "fgw")
    for gone in ("entry", "disabled", "another"):
        entry = world.directory.add("leaver1", "fgw")
        browser = world.enter("leaver1")
        assert browser.get("/console/", base_url=BASE).status_code == 200
        if gone == "entry":
            del world.directory.entries["leaver1"]
        elif gone == "disabled":
            entry.disabled = True
        else:
            entry.key = "directory:person/somebody-else"
        world.clock.advance(61)
        assert browser.get("/console/", base_url=BASE).status_code == 302
        if gone != "entry":
            assert sign_in(world, "leaver1").status_code == 422
    entry.key = "directory:person/leaver1"


def test_whoever_leaves_while_they_sign_in_is_out_a_second_later(world: World) -> None:
    entry = world.directory.add("leaver2", "fgw")
    browser = world.enter("leaver2")
    entry.disabled = True  # after the look of the sign-in, before its session
    world.clock.advance(1)
    assert browser.get("/console/", base_url=BASE).status_code == 302


def test_with_the_directory_away_local_accounts_work_and_others_are_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    browser = world.enter(world.person("finance"))
    world.client.people.add("night2")
    world.directory.away = TemporaryError(t("No connection to 10.94.0.13: Errno 111."), t("Look at slapd."), delay=20)
    try:
        assert browser.get("/console/", base_url=BASE).status_code == 200, "seen a moment ago"
        world.clock.advance(61)
        answer = browser.get("/console/", base_url=BASE)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "21")
        told = [answer, sign_in(world, "finance1")]
        assert told[1].status_code == 503
        assert all("nobody can be recognised just now" in one.text for one in told)
        assert not any(word in one.text for one in told for word in ("10.94.0.13", "Errno", "slapd"))
        assert [record.getMessage().count("10.94.0.13") for record in caplog.records if record.name == "gasp.web"] == [
            1,
            1,
        ]
        assert sign_in(world, "night2").location == "/sign-in/password"
    finally:
        world.directory.away = None
    assert browser.get("/console/", base_url=BASE).status_code == 200


def test_sessions_end_when_told_and_by_themselves(world: World) -> None:
    world.directory.add("many1", "fgw")
    here, there = world.enter("many1"), world.enter("many1")
    assert send(here, "/sign-out").location == "/sign-in"
    assert here.get("/console/", base_url=BASE).status_code == 302
    assert there.get("/console/", base_url=BASE).status_code == 200
    third = world.enter("many1")
    assert send(there, "/sign-out", everywhere="1").status_code == 303
    assert third.get("/console/", base_url=BASE).status_code == 302
    idle = world.enter("many1")
    world.clock.advance(29 * 60)
    assert idle.get("/console/", base_url=BASE).status_code == 200
    world.clock.advance(29 * 60)
    assert idle.get("/console/", base_url=BASE).status_code == 200, "in use"
    world.clock.advance(31 * 60)
    assert idle.get("/console/", base_url=BASE).status_code == 302


def test_a_form_of_a_session_that_ended_says_so(world: World) -> None:
    world.directory.add("late1", "fgw")
    browser = world.enter("late1")
    token = token_of(browser, "/console/me")
    world.clock.advance(31 * 60)
    late = browser.post(
        "/console/me", data={"token": token, "language": "en"}, base_url=BASE, headers={"Referer": f"{BASE}/console/me"}
    )
    assert "/sign-in?next=/console/me" in late.text
    assert late.status_code == 400
    assert "Your session has ended" in late.text
    assert "Your session has ended" not in browser.post("/sign-in", data={"token": "x"}, base_url=BASE).text


def test_a_changed_password_ends_all_other_sessions(world: World) -> None:
    world.directory.add("pw1", "fgw")
    here, there = world.enter("pw1"), world.enter("pw1")
    assert send(here, "/sign-in/password", old="wrong", new=NEW, again=NEW).status_code == 422
    assert send(here, "/sign-in/password", old=PASSWORD, new=NEW, again=NEW).location == "/console/me?said=password"
    assert here.get("/console/me", base_url=BASE).status_code == 200
    assert there.get("/console/me", base_url=BASE).status_code == 302
    assert 'action="/sign-out"' in here.get("/sign-in/password", base_url=BASE).text, "the way out is there too"
    assert sign_in(world, "pw1", NEW).status_code == 303


def test_a_role_that_wants_more_asks_for_it_at_once(world: World) -> None:
    world.directory.add("rise1", "fgw")
    browser = world.enter("rise1")
    world.client.people.grant("rise1", "operator", reason="test")
    assert browser.get("/console/", base_url=BASE).location == "/sign-in/second-factor"


def test_a_centre_may_ask_a_code_of_all_who_sign_or_of_everybody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.directory.add("reader1", "fgw")
    seats = {name: world.enter(name) for name in (world.person("approver"), world.person("clerk"), "reader1")}

    def asked(of: str) -> list[str]:
        monkeypatch.setattr(world.services.sign_in, "_factor_of", of)
        answers = {name: browser.get("/console/me", base_url=BASE) for name, browser in seats.items()}
        return [name for name, answer in answers.items() if answer.location == "/sign-in/second-factor"]

    assert asked("centre") == []
    assert asked("signers") == ["approver1"]
    assert asked("everybody") == ["approver1", "clerk1"], "who only reads websites has a password alone"


def test_a_session_in_use_ends_after_twelve_hours(world: World) -> None:
    world.directory.add("long1", "fgw")
    browser = world.enter("long1")
    for _ in range(35):
        world.clock.advance(20 * 60)
        assert browser.get("/console/", base_url=BASE).status_code == 200
    world.clock.advance(20 * 60)
    assert browser.get("/console/", base_url=BASE).status_code == 302


def test_the_session_changes_its_value_at_each_step(world: World) -> None:
    login = world.person("security_officer")
    world.enter(login)
    browser = world.browser()

    def value() -> str | None:
        cookie = browser.get_cookie("__Host-gasp", domain="localhost")
        return cookie.value if cookie else None

    send(browser, "/sign-in", name=login, password=PASSWORD)
    before = value()
    send(browser, "/sign-in/code", code=world.code(login))
    assert before
    assert value() not in (None, before)


def test_cookies_and_headers(world: World) -> None:
    browser = world.browser()
    answer = send(browser, "/sign-in", name=world.person("clerk"), password=PASSWORD)
    (cookie,) = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith("__Host-gasp=")]
    for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert flag in cookie
    assert "Domain" not in cookie
    page = browser.get("/console/", base_url=BASE)
    assert page.content_type == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert f'<script nonce="{nonce}"' in page.text
    assert page.text.count("<script") == 1
    assert " style=" not in page.text
    assert " onclick" not in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert browser.get("/console/", base_url=BASE).headers["Content-Security-Policy"] != policy


def test_a_form_needs_its_token_and_its_own_site(world: World) -> None:
    browser = world.enter(world.person("operator"))
    for token in ("", "0" * 64, token_of(world.browser())):
        answer = browser.post("/console/plans", base_url=BASE, data={"token": token, "scope": "estate"})
        assert answer.status_code == 400
    good = {"token": token_of(browser), "scope": "tenant:fgw"}
    answer = browser.post("/console/plans", base_url=BASE, data=good, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert browser.post("/console/plans", base_url=BASE, data=good).status_code == 303
    assert world.browser().post("/sign-in", base_url=BASE, data={"name": "x", "password": "y"}).status_code == 400


def test_other_names_of_this_server_are_refused(world: World) -> None:
    for host in ("https://evil.test", "https://localhost.evil.test"):
        assert world.browser().get("/sign-in", base_url=host).status_code == 400


@pytest.mark.parametrize(
    "target", ["//evil.test/", "https://evil.test/", "/\\evil.test", "/console/\r\nX: y", "/portal/\nX: y", "x"]
)
def test_nobody_is_sent_elsewhere_after_the_sign_in(world: World, target: str) -> None:
    answer = send(world.browser(), "/sign-in", name=world.person("clerk"), password=PASSWORD, next=target)
    assert answer.location == "/portal/"


def test_somebody_goes_on_where_they_wanted(world: World) -> None:
    wanted = "/console/tenants/fgw"
    browser = world.browser()
    answer = browser.get(wanted, base_url=BASE)
    assert answer.location.startswith("/sign-in?next=")
    back = browser.get(answer.location, base_url=BASE).text.split('name="next" value="')[-1].split('"')[0]
    assert back == wanted
    answer = send(browser, "/sign-in", name=world.person("clerk"), password=PASSWORD, next=wanted)
    assert answer.location == wanted


def test_too_much_is_refused(world: World) -> None:
    browser = world.browser()
    data = {"token": token_of(browser), "name": "x" * (2 << 20), "password": "y"}
    assert browser.post("/sign-in", base_url=BASE, data=data).status_code == 413


def test_a_password_that_somebody_else_set_is_good_for_taking_ones_own(world: World) -> None:
    world.directory.add("reset1", "fgw").must_change = True
    world.store.people.ensure("directory:reset1", "重", "fgw", "directory:person/reset1")
    world.client.people.grant("reset1", "clerk", tenant="fgw", reason="test")
    browser = world.browser()
    answer = send(browser, "/sign-in", name="reset1", password=PASSWORD)
    assert answer.location.endswith("/sign-in/password")
    assert browser.get("/portal/", base_url=BASE).location.endswith("/sign-in/password")
    new = "another long sentence"
    answer = send(browser, "/sign-in/password", old=PASSWORD, new=new, again=new)
    assert answer.location.endswith("/portal/")
    assert browser.get("/portal/", base_url=BASE).status_code == 200
    again = world.browser()
    assert send(again, "/sign-in", name="reset1", password=new).location.endswith("/portal/")
