"""Secrets live in one place: no other holds one, of the centre's own or of those that people type. State folder with
its logs, copies and archives, pages, answers, processes, logs and mail of the hosts are searched."""

from __future__ import annotations

import csv
import json
import ssl
import uuid
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, Request, build_opener

import pyotp
import pytest

from tests.conftest import Centre
from tests.hunting import Hunt, watched_processes
from tests.lab.secrets import kept_here, on_hosts

pytestmark = pytest.mark.lab


class Browser:
    """Enough of one to fill in forms of the console."""

    def __init__(self, centre: Centre) -> None:
        self.origin = centre.console()
        trust = ssl._create_unverified_context()  # what the certificate is worth is tested elsewhere
        self._opener = build_opener(HTTPSHandler(context=trust), HTTPCookieProcessor(CookieJar()))
        self.seen: list[bytes] = []

    def get(self, path: str, token: str | None = None) -> str:
        """A page, kept for the search."""
        headers = {"Accept-Language": "en"} | ({"Authorization": f"Bearer {token}"} if token else {})
        return self._open(Request(self.origin + path, headers=headers))[1]

    def send(self, path: str, **form: str) -> str:
        """Fill in a form; the address that it leads to."""
        token = self.get(path).split('name="token" value="')[1].split('"')[0]
        sent = urlencode({"token": token, **form}).encode()
        return self._open(Request(self.origin + path, data=sent, headers={"Referer": self.origin + path}))[0]

    def _open(self, request: Request) -> tuple[str, str]:
        try:
            with self._opener.open(request, timeout=60) as answer:
                body = answer.read()
                where: str = answer.url
        except HTTPError as error:
            where, body = request.full_url, error.read()
        self.seen.append(body)
        return where.removeprefix(self.origin), body.decode()


def plant_an_account(centre: Centre, hunt: Hunt) -> list[bytes]:
    """Somebody new comes in with passwords and codes, wrong ones too, makes a token and uses it; what they saw but once
    is left out of what is searched."""
    name, tag = f"hunt{uuid.uuid4().hex[:6]}", uuid.uuid4().hex
    file = centre.json("users", "add", name, "--yes")["password_file"]
    first = hunt.plant("one-time password", Path(file).read_text().strip())
    own = hunt.plant("own password", f"own {tag} +/&=")
    centre.run("users", "grant", f"account:{name}", "security_officer", "--reason", "a test", "--yes")
    browser = Browser(centre)
    assert browser.send("/sign-in", name=name, password=hunt.plant("wrong password", f"bad {tag}")) == "/sign-in"
    assert browser.send("/sign-in", name=name, password=first) == "/sign-in/password"
    assert browser.send("/sign-in/password", old=first, new=own, again=own) == "/sign-in/second-factor"
    page = browser.get("/sign-in/second-factor")
    factor = hunt.plant("second factor", page.split('class="secret"><code>')[1].split("<")[0].replace(" ", ""))
    assert browser.send("/sign-in/second-factor", code=pyotp.TOTP(factor).now()) == "/console/"
    browser.seen.clear()  # the page of the second factor was shown to its owner
    made = centre.json("tokens", "create", f"account:{name}", "--name", "hunt", "--scope", "tenants:read", "--yes")
    token = hunt.plant("token", made["token"])
    assert "fgw" in browser.get("/api/v1/tenants", token)
    browser.get(f"/api/v1/tenants?token={token}", token)
    for path in ("", "me", "me/tokens", "people", "sign-ins", "audit", "runs", "jobs", "accounts"):
        browser.get(f"/console/{path}")
    return browser.seen


def plant_a_webhook(centre: Centre, hunt: Hunt) -> None:
    """Its secret and the one after that are printed once each."""
    allowed = {"GASP_WEBHOOK_TARGETS": "https://127.0.0.1"}
    made = ("webhooks", "create", "hunt", "https://127.0.0.1/in", "--about", "run", "--yes", "-o", "json")
    hook = json.loads(centre.run(*made, env=allowed).stdout)
    hunt.plant("webhook's secret", hook["secret"])
    hunt.plant("webhook's new secret", centre.json("webhooks", "rotate", str(hook["id"]), "--yes")["secret"])
    centre.run("webhooks", "end", str(hook["id"]), "--yes")


def plant_a_sheet(centre: Centre, hunt: Hunt, folder: Path) -> None:
    """A one-time password is set in the real directory, sealed, and opened into files elsewhere."""
    uid = centre.json("accounts", "list", "--tenant", "gaj")["items"][-1]["uid"]
    sheet = centre.json("accounts", "issue", "gaj", "--person", uid, "--reason", "a test", "--yes")
    opened = centre.json("accounts", "open", str(sheet["id"]), "--to", str(folder), "--yes")
    (table,) = (Path(file) for file in opened["files"] if file.endswith(".csv"))
    with table.open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            hunt.plant("password on a sheet", row["password"])


def plant_somebody_of_a_department(centre: Centre, hunt: Hunt) -> list[bytes]:
    """A wrong password and the right one go to the real directory."""
    row = next(row for row in centre.first_passwords() if row["tenant"] == "sjj")
    browser = Browser(centre)
    wrong = hunt.plant("wrong password for the directory", f"nope {uuid.uuid4().hex}")
    assert browser.send("/sign-in", name=row["uid"], password=wrong) == "/sign-in"
    browser.send("/sign-in", name=row["uid"], password=row["password"])
    return browser.seen


def test_secrets_are_private_files(centre: Centre) -> None:
    for path in [centre.state, *(centre.state / "secrets").rglob("*"), *(centre.state / "ca").rglob("*.key")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_secret_is_anywhere_else(centre: Centre, hunt: Hunt, tmp_path: Path) -> None:
    """What is planted here is looked for once more when all tests of this lab are over."""
    places = dict[str, bytes]()
    centre.run("web", "--background")
    with watched_processes() as seen:
        answers: list[Any] = plant_an_account(centre, hunt) + plant_somebody_of_a_department(centre, hunt)
        plant_a_webhook(centre, hunt)
        plant_a_sheet(centre, hunt, tmp_path)
        for argv in (
            ["runs", "list"],
            ["config"],
            ["status"],
            ["users", "list"],
            ["tokens", "list"],
            ["audit", "list"],
            ["webhooks", "list", "--ended"],
            ["accounts", "sheets"],
            ["mail", "list"],
        ):
            places[" ".join(argv)] = centre.run(*argv, "-o", "json").stdout
        for run in centre.json("runs", "list", "--limit", "5")["items"]:
            places[f"run {run['id']}"] = centre.run("runs", "show", str(run["id"]), "-o", "json").stdout
    places |= {f"page {number}": page for number, page in enumerate(answers)}
    places["command lines"] = b"\n".join(seen)
    places |= kept_here(centre)
    assert any(name.endswith("gasp.db") for name in places)
    assert len(seen) > 20
    assert hunt.leaks(places) == []
    assert set(on_hosts(centre, hunt).values()) == {b""}
    assert not list(Path("/tmp").glob("ansible-*")), "a run's folder was left behind"
