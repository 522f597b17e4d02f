"""“Try it as”: in the lab only; its passwords are nobody else's to see."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from control_plane.app import make_app
from control_plane.model.network import plan_for
from control_plane.model.offering import HostView
from control_plane.model.people import ROLES
from control_plane.workflow.trial import is_lab
from lab.topology import load_topology
from tests.databases import everything
from tests.hunting import Hunt, files
from tests.web.world import BASE, World, send

LAB = tuple(
    HostView(host.name, host.role, str(host.ipv4), str(host.ipv6))
    for host in load_topology(plan_for("lab"), [("fgw", 1)]).hosts
)


def test_only_a_lab_has_one() -> None:
    plan = plan_for("lab")
    assert {host.name for host in LAB} >= {"web", "citizen", "fgw"}
    assert is_lab(LAB, plan, "qingdao.test")
    assert not is_lab(LAB, plan, "qingdao.gov.cn")
    assert not is_lab(LAB, plan, "qingdao.contest")
    assert not is_lab([*LAB, replace(LAB[0], ipv4="192.0.2.7")], plan, "qingdao.test")
    assert not is_lab([*LAB, replace(LAB[0], ipv6="2001:db8::7")], plan, "qingdao.test")
    assert not is_lab(LAB, plan_for("labt"), "qingdao.test")


def test_a_real_inventory_has_no_such_page_and_no_link(world: World) -> None:
    real = replace(world, app=make_app(replace(world.services, trial=None), ["localhost"]))
    operator, visitor = real.enter(real.person("operator")), real.browser()
    for answer in (
        operator.get("/console/try", base_url=BASE),
        send(operator, "/console/try"),
        operator.get("/console/tried", base_url=BASE),
    ):
        assert answer.status_code == 404
    for page in ("/console/", "/console/me", "/console/people", "/portal/"):
        assert "/console/try" not in operator.get(page, base_url=BASE).text
    assert "/console/try" not in visitor.get("/sign-in", base_url=BASE).text


def test_one_account_a_role_comes_in_with_the_password_on_the_page(world: World) -> None:
    operator = world.enter(world.person("operator"))
    send(operator, "/language", language="en")
    assert "Make the accounts" in operator.get("/console/try", base_url=BASE).text
    assert send(operator, "/console/try").status_code == 303
    page = operator.get("/console/try", base_url=BASE).text
    assert "Make the accounts" not in page
    assert page.count("Begin here") == 5
    trial = world.services.trial
    assert trial is not None
    accounts = trial.accounts()
    assert [one.role.name for one in accounts] == list(ROLES)
    for one in accounts:
        assert one.made
        assert one.password is not None
        assert f"<code>{one.password}</code>" in page
        browser = world.enter(one.login, one.password)
        found = browser.get("/console/me", base_url=BASE)
        assert found.status_code == 200
        if one.role.name != "operator":
            assert browser.get("/console/try", base_url=BASE).status_code == 403
    before = [one.password for one in accounts]
    send(operator, "/console/try")
    assert [one.password for one in trial.accounts()] == before
    grants = [person for person in world.client.people.list() if person["person"].startswith("account:try-")]
    assert {len(person["roles"]) for person in grants} == {1}
    told = [entry["act"] for entry in world.client.audit.list(limit=200)]
    assert told.count("account.added") >= len(ROLES)


def test_every_task_begins_at_a_page_that_its_role_may_see(world: World) -> None:
    page = world.enter(world.person("operator")).get("/console/try", base_url=BASE).text
    addresses = [part.split('"')[0] for part in page.split('btn-outline-primary" href="')[1:]]
    roles = ("clerk", "security_officer", "operator", "deputy_director", "auditor")
    for address, role in zip(addresses, roles, strict=True):
        assert world.enter(world.person(role)).get(address, base_url=BASE).status_code == 200, (address, role)


def test_their_passwords_are_in_their_files_and_on_the_page_alone(
    fresh: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    operator, auditor = (fresh.enter(fresh.person(role)) for role in ("operator", "auditor"))
    hunt, trial = Hunt(), fresh.services.trial
    assert trial is not None
    password = hunt.plant("password", f"tried-{uuid.uuid4().hex}")
    monkeypatch.setattr("tests.web.world.PASSWORD", password)
    send(operator, "/console/try")
    assert {one.password for one in trial.accounts()} == {password}
    for one in trial.accounts():
        fresh.enter(one.login, password)
    places = {"database": everything(fresh.store.database).encode(), **files(fresh.folder, "secrets")}
    places["log"] = "\n".join(record.getMessage() for record in caplog.records).encode()
    for page in ("", "me", "people", "people/account:try-clerk", "audit", "audit/export.csv", "sign-ins", "jobs"):
        for name, browser in (("operator", operator), ("auditor", auditor)):
            places[f"{page} of {name}"] = browser.get(f"/console/{page}", base_url=BASE).data
    assert hunt.leaks(places) == []
    page = operator.get("/console/try", base_url=BASE)
    assert hunt.leaks({"page": page.data}) == [("page", "password")]
    assert page.headers["Cache-Control"] == "no-store"
    kept = [path for path in (fresh.folder / "secrets").iterdir() if path.name.startswith("sign-in-try")]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


@pytest.mark.parametrize(
    ("ours", "domain"), [(True, "qingdao.test"), (False, "qingdao.test"), (True, "qingdao.gov.cn")]
)
def test_an_inventory_that_is_not_the_labs_own_gives_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: bool, domain: str
) -> None:
    from control_plane.wiring import accounts

    hosts = LAB if ours else (*LAB, replace(LAB[0], ipv4="192.0.2.7"))
    store = SimpleNamespace(estate=SimpleNamespace(document=lambda: SimpleNamespace(domain=domain)))
    for name, given in (
        ("hosts_of_centre", lambda: hosts),
        ("address_plan", lambda: plan_for("lab")),
        ("store", lambda: store),
        ("settings", lambda: SimpleNamespace(secrets=tmp_path)),
    ):
        monkeypatch.setattr(accounts, name, given)
    assert (accounts.trial() is not None) == (ours and domain == "qingdao.test")
