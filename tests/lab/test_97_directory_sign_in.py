"""A department's person signs in at the console with their account of the real directory, in a real Chromium: what the
directory's own password policy says is what happens, in both languages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import ldap3
import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Centre
from tests.lab.world import Directory
from tests.web.serving import Visitor, visit

pytestmark = pytest.mark.lab
CODE = "shinan"
#: The directory takes no password that was used before, and the test may run again in the same lab.
TAG = uuid.uuid4().hex[:8]
FIRST, OWN = f"given by somebody else {TAG}", f"a sentence of my own {TAG}"
ENGLISH, CHINESE = "en-light-1440", "zh-dark-390"
WRONG = {ENGLISH: "Name or password is not right.", CHINESE: "用户名或口令不正确"}
#: Wrong passwords that the directory's policy lets pass before it locks.
MOST_WRONG = 5


@pytest.fixture(scope="module")
def person(centre: Centre) -> Iterator[str]:
    """Login name of a clerk of the department; the password is set as an administrator does."""
    centre.run("web", "--background")
    uid = str(centre.json("accounts", "list", "--tenant", CODE)["items"][0]["uid"])
    centre.run("users", "grant", uid, "clerk", "--tenant", CODE, "--reason", "test", "--yes", check=False)
    yield uid
    change(centre, uid, pwdReset=None, pwdAccountLockedTime=None)
    centre.run("users", "revoke", uid, "clerk", "--tenant", CODE, "--reason", "test", "--yes")


def entry(centre: Centre, uid: str) -> str:
    with Directory(centre).admin() as connection:
        connection.search("ou=tenants,dc=qingdao,dc=test", f"(uid={uid})", attributes=["pwdAccountLockedTime"])
        return str(connection.response[0]["dn"])


def change(centre: Centre, uid: str, password: str | None = None, **attributes: str | None) -> None:
    """Past every policy; None takes an attribute away."""
    dn = entry(centre, uid)
    with Directory(centre).admin() as connection:
        if password is not None:
            connection.extend.standard.modify_password(user=dn, new_password=password)
        for name, value in attributes.items():
            wanted = [(ldap3.MODIFY_REPLACE, [value] if value else [])]
            connection.modify(dn, {name: wanted}, controls=[("1.3.6.1.4.1.4203.666.5.12", True, None)])
            assert connection.result["description"] == "success", connection.result


def tried(centre: Centre, browser: Browser, uid: str, password: str, variant: str = ENGLISH) -> Visitor:
    """A fresh window in which somebody sends name and password."""
    visitor = visit(browser, centre.console(), variant)
    visitor.expected = (422,)
    visitor.go("/sign-in")
    visitor.page.fill("#name", uid)
    visitor.page.fill("#password", password)
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_load_state()
    return visitor


def refused(centre: Centre, browser: Browser, uid: str, password: str, variant: str) -> None:
    """The same words for all that is wrong, so that nobody learns what it was."""
    visitor = tried(centre, browser, uid, password, variant)
    expect(visitor.page.get_by_role("alert")).to_contain_text(WRONG[variant])
    assert visitor.page.input_value("#password") == ""
    assert visitor.wide() <= 0
    assert visitor.faults == []
    visitor.context.close()


def test_a_password_that_was_given_is_changed_first(centre: Centre, browser: Browser, person: str) -> None:
    change(centre, person, FIRST, pwdReset="TRUE")
    visitor = tried(centre, browser, person, FIRST)
    page = visitor.page
    page.wait_for_url("**/sign-in/password")
    visitor.go("/portal/")
    page.wait_for_url("**/sign-in/password")
    for field, value in (("old", FIRST), ("new", OWN), ("again", OWN)):
        page.fill(f"#{field}", value)
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/")
    expect(page.locator("h1")).to_be_visible()
    assert visitor.faults == []
    visitor.context.close()
    again = tried(centre, browser, person, OWN, CHINESE)
    again.page.wait_for_url(re.compile("/portal/$"))
    assert again.page.locator("html").get_attribute("lang") == "zh-CN"
    again.context.close()


def test_a_wrong_password_a_lock_and_a_disabled_account(centre: Centre, browser: Browser, person: str) -> None:
    change(centre, person, OWN, pwdReset=None)
    refused(centre, browser, person, "not the password", ENGLISH)
    refused(centre, browser, person, "not the password", CHINESE)
    known = tried(centre, browser, person, OWN)  # what the console counts of one name begins anew
    known.page.wait_for_url(re.compile("/portal/$"))
    known.context.close()
    directory, dn = Directory(centre), entry(centre, person)
    for _ in range(MOST_WRONG):
        with pytest.raises(ldap3.core.exceptions.LDAPBindError), directory.bind(dn, "wrong"):
            pass
    refused(centre, browser, person, OWN, CHINESE)
    change(centre, person, OWN, pwdReset=None, pwdAccountLockedTime=None)
    back = tried(centre, browser, person, OWN)
    back.page.wait_for_url(re.compile("/portal/$"))
    back.context.close()
    change(centre, person, pwdAccountLockedTime="000001010000Z")  # what is open ends within a minute: unit tests
    refused(centre, browser, person, OWN, ENGLISH)
