"""Secrets of people and programs, each unlike any other text, on their way through pages, interface and commands: they
are in no table, file, page, answer, mail or log afterwards. On real hosts: `tests/lab/test_80_secrets.py`."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from control_plane.cli.app import App
from control_plane.cli.main import gasp as commands
from control_plane.model.errors import ControlPlaneError
from control_plane.model.notice import Address
from control_plane.model.token import SCOPES
from control_plane.settings import without_password
from control_plane.store.database import Database
from tests.databases import everything
from tests.hunting import Hunt, files
from tests.unit.web.test_isolation import MATRIX, OWN, address
from tests.web.world import BASE, World, send, token_of

LISTS = (
    *(("users", "list"), ("users", "show", "account:planted"), ("tokens", "list", "--all"), ("audit", "list")),
    *(("mail", "list"), ("runs", "list"), ("status",), ("db", "show"), ("requests", "list"), ("accounts", "list")),
)


def marked(name: str) -> str:
    """Unlike anything else, with letters that URL and JSON forms change."""
    return f'{name}/{uuid.uuid4().hex[:12]}+ä"&='


def pages(world: World, browser: FlaskClient) -> dict[str, bytes]:
    """Every page that is only looked at, as this person sees it."""
    rules = [route.partition(" ")[2] for route in MATRIX if route.startswith("GET ")]
    found = {rule: browser.get(address(world, rule, OWN), base_url=BASE) for rule in rules if "events" not in rule}
    return {f"page {rule}": answer.data + repr(answer.headers).encode() for rule, answer in found.items()}


@pytest.fixture
def hunt() -> Hunt:
    return Hunt()


def plant_directory(world: World, hunt: Hunt) -> None:
    """Somebody of a department: a wrong password, the right one, a new one, one that is refused for its form."""
    world.directory.add("lina", "fgw", hunt.plant("directory's password", marked("given")))
    world.store.people.ensure("directory:lina", "李娜", "fgw", "directory:person/lina")
    world.client.people.grant("lina", "clerk", tenant="fgw", reason="test")
    right, new = world.directory.passwords[world.directory.entries["lina"].dn], hunt.plant("new one", marked("own"))
    assert (
        send(world.browser(), "/sign-in", name="lina", password=hunt.plant("wrong", marked("bad"))).status_code == 422
    )
    browser = world.enter("lina", right)
    address = "/sign-in/password"
    assert send(browser, address, old=right, new=new, again=hunt.plant("other", marked("typo"))).status_code == 422
    assert send(browser, address, old=right, new=new, again=new).status_code == 303
    hunt.plant("session", browser.get_cookie("__Host-gasp", domain="localhost").value)  # type: ignore[union-attr]
    hunt.plant("value of a form", token_of(browser, "/console/me"))


def plant_account(world: World, hunt: Hunt) -> None:
    """An account of the centre: its one-time password, its own, its second factor, a reset, programs' tokens."""
    first = hunt.plant("one-time password", marked("once"))
    world.client.people._password = lambda: first  # type: ignore[attr-defined]
    own = hunt.plant("account's password", marked("mine"))
    assert Path(world.client.people.add("planted")["password_file"]).read_text().strip() == first
    world.client.people.grant("planted", "auditor", reason="test")
    browser = world.browser()
    send(browser, "/sign-in", name="planted", password=first)
    assert send(browser, "/sign-in/password", old=first, new=own, again=own).status_code == 303
    page = browser.get("/sign-in/second-factor", base_url=BASE).text
    world.factors["planted"] = hunt.plant(
        "second factor", page.split('class="secret"><code>')[1].split("<")[0].replace(" ", "")
    )
    assert send(browser, "/sign-in/second-factor", code=world.wrong_code("planted")).status_code == 422
    assert send(browser, "/sign-in/second-factor", code=world.code("planted")).status_code == 303
    for name in ("on the page", "on the command line"):
        token = world.client.tokens.create(person="planted", name=name, scopes=tuple(SCOPES))["token"]
        hunt.plant(f"token {name}", token)
        use_token(world, token)
    world.client.tokens.revoke(1, reason="left")
    use_token(world, token)
    world.client.people.reset("account:planted")


def use_token(world: World, token: str) -> None:
    """As it should be, and in all the wrong places."""
    browser = world.app.test_client(use_cookies=False)
    for path, header in (("", f"Bearer {token}"), (f"?token={token}", ""), (f"/{token}", ""), ("", f"Basic {token}")):
        browser.get(f"/api/v1/tenants{path}", base_url=BASE, headers={"Authorization": header})
    browser.post("/api/v1/freezes", base_url=BASE, headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "1"})


def plant_commands(world: World, hunt: Hunt) -> dict[str, bytes]:
    """What commands say when the address of a database has a password in it, and what lists of them print."""
    secret = hunt.plant("database's password", f"pw-{uuid.uuid4().hex}")
    shown: dict[str, bytes] = {}
    url = f"postgresql+psycopg://gasp:{secret}@127.0.0.1:1/gasp"
    signals = f"redis://:{secret}@127.0.0.1:1/0"
    shown["settings"] = f"{without_password(url)} {without_password(signals)}".encode()
    database = Database(url)
    with pytest.raises(ControlPlaneError) as told, database.read():
        pass
    shown["database that is away"] = f"{told.value} {told.value.hint}".encode()
    database.close()
    for argv in LISTS:
        app = App(lambda: world.client, lambda: None, lambda: None, interactive=False)  # type: ignore[arg-type, return-value]
        for more in ((), ("-o", "json")):
            answer = CliRunner().invoke(commands, [*argv, *more], obj=app)
            shown[f"gasp {' '.join([*argv, *more])}"] = answer.output.encode()
    return shown


def send_mails(world: World) -> dict[str, bytes]:
    """Everybody is told of everything that there is to tell."""
    for notice in world.store.mail.unaddressed():
        world.store.mail.addressed(notice.id, [Address("li@fgw.qingdao.test", "李娜", "en")])
    numbers = world.store.mail.gather(world.clock.now, "qingdao.test")
    return {"mails": repr([world.client.mail.list(), numbers]).encode()}


def test_what_was_planted_is_found_nowhere(
    fresh: World, hunt: Hunt, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    fresh.client.plan("tenant:fgw")
    plant_directory(fresh, hunt)
    plant_account(fresh, hunt)
    places = plant_commands(fresh, hunt)
    places |= send_mails(fresh)
    for role in ("operator", "auditor"):
        browser = fresh.enter(fresh.person(role))
        places |= {f"{role}: {where}": content for where, content in pages(fresh, browser).items()}
    for form in ("csv", "json"):
        places[f"audit.{form}"] = fresh.client.audit.export(form).encode()
    token = fresh.client.tokens.create(person="operator1", name="hunt", scopes=tuple(SCOPES))["token"]
    for rule in {rule.rule for rule in fresh.app.extensions["gasp-api"].url_map.iter_rules() if "<" not in rule.rule}:
        answer = fresh.app.test_client().get(f"/api{rule}", base_url=BASE, headers={"Authorization": f"Bearer {token}"})
        places[f"GET /api{rule}"] = answer.data
    assert b"fgw" in places["GET /api/v1/tenants"]
    places["database"] = everything(fresh.store.database).encode()
    places["log"] = "\n".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records).encode()
    places["streams"] = "".join(capfd.readouterr()).encode()
    places |= files(fresh.folder, "secrets")
    assert len(places) > 100
    assert hunt.leaks(places) == []


@pytest.mark.parametrize("wrap", ["plain", "basic", "url", "json", "hex"])
def test_the_hunt_finds_what_is_hidden(hunt: Hunt, wrap: str) -> None:
    import base64
    import json
    from urllib.parse import quote

    secret = hunt.plant("it", marked("hidden"))
    hidden = {
        "plain": f"a {secret} b",
        "basic": base64.b64encode(f"someone:{secret}:x".encode()).decode(),
        "url": f"?q={quote(secret, safe='')}",
        "json": json.dumps({"a": secret}),
        "hex": secret.encode().hex(),
    }
    assert hunt.leaks({"here": hidden[wrap].encode(), "there": b"nothing"}) == [("here", "it")]
