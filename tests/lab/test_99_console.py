"""The console at work on the real centre: an operator in a real Chromium plans, carries out, watches and undoes a real
change; web server and worker are killed in the middle, and nothing is lost or done twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from control_plane.store.database import Database
from control_plane.workflow.background import living
from tests.conftest import REPO, Centre
from tests.lab.changing import grown
from tests.lab.faces import hired
from tests.waiting import wait_until
from tests.web.serving import Visitor, visit

pytestmark = pytest.mark.lab
TAG = f"c{uuid.uuid4().hex[:6]}"


def somebody(centre: Centre, browser: Browser, role: str) -> Visitor:
    """A new local account with one role, signed in by hand."""
    return hired(centre, visit(browser, centre.console()), f"{TAG}-{role[:3]}", role)


@pytest.fixture(scope="module")
def operator(centre: Centre, browser: Browser) -> Iterator[Visitor]:
    centre.run("web", "--background")
    centre.run("worker", "start")
    visitor = somebody(centre, browser, "operator")
    yield visitor
    visitor.context.close()


def plan(visitor: Visitor, scope: str) -> str:
    """Plan a scope by the form; the address of the plan."""
    visitor.go(f"/console/plans?scope={scope}")
    visitor.page.click("main form button")
    visitor.page.wait_for_url(re.compile("/plans/[0-9a-f]{64}$"), timeout=60_000)
    return visitor.page.url


def carry_out(page: Page) -> None:
    word = page.locator("#confirm")
    if word.count():
        word.fill(page.url[-64:][:8])
    page.click(".consent button")
    page.wait_for_url(re.compile(r"/(runs|jobs)/\d+"))


def ended(page: Page) -> int:
    """The number of the run that a page shows, once it has ended."""
    page.wait_for_url(re.compile(r"/runs/\d+"), timeout=60_000)
    expect(page.locator("[data-live]")).to_have_count(0, timeout=120_000)
    return int(re.search(r"/runs/(\d+)", page.url)[1])  # type: ignore[index]


def jobs(centre: Centre) -> list[Any]:
    """State and run of every act, from the database itself, opened as the control plane opens it."""
    with closing(Database(f"sqlite:///{centre.state / 'gasp.db'}")) as database, database.read() as connection:
        return list(connection.execute(text("SELECT state, run_id, first_run, attempts FROM jobs ORDER BY id")))


def answers(centre: Centre, tag: str) -> str:
    return centre.fetch("citizen", f"https://{tag}.fgw.qingdao.test/")


def test_a_change_is_planned_carried_out_watched_and_undone(centre: Centre, operator: Visitor, tmp_path: Path) -> None:
    page = operator.page
    centre.run("tenants", "import", str(grown(tmp_path, centre, TAG, ["fgw"])), "--yes")
    plan(operator, "tenant:fgw")
    expect(page.locator(".changes")).to_contain_text(f"{TAG}.fgw.qingdao.test")
    operator.shot("lab-plan")
    carry_out(page)
    number = ended(page)
    operator.shot("lab-run")
    run = centre.json("runs", "show", str(number))
    assert (run["state"], run["verified"], run["actor"]["name"]) == ("done", True, f"account:{TAG}-ope")
    lines = page.locator("[data-lines] li")
    assert lines.count() == len(centre.run("runs", "follow", str(number), "-o", "json").stdout.splitlines())
    assert answers(centre, TAG) == "200"
    page.click("form[action$='/undo'] button")
    page.wait_for_url(re.compile("/plans/[0-9a-f]{64}$"), timeout=60_000)
    expect(page.get_by_text("What would be wanted again")).to_be_visible()
    operator.shot("lab-undo")
    carry_out(page)
    undone = centre.json("runs", "show", str(ended(page)))
    assert undone["state"] == "done"
    assert answers(centre, TAG) == "000"
    assert centre.plan("tenant:fgw")["changes"] == []
    assert operator.faults == []


def test_web_and_worker_are_killed_and_the_run_is_done_once(centre: Centre, operator: Visitor, tmp_path: Path) -> None:
    page, tag = operator.page, f"{TAG}k"
    centre.run("tenants", "import", str(grown(tmp_path, centre, tag, ["fgw"])), "--yes")
    plan(operator, "tenant:fgw")
    centre.run("worker", "stop")
    before = len(jobs(centre))
    carry_out(page)
    expect(page.get_by_text("The worker does not run")).to_be_visible()
    web = living(centre.state, "web")
    assert web is not None
    os.killpg(web.pid, signal.SIGKILL)
    # the worker takes it up, and dies while the servers are being changed
    fault = {"GASP_FAULT": "kill:part.started"}
    dead = centre.run("worker", "run", "--once", "--chore", "jobs", check=False, env=fault)
    assert dead.returncode == -signal.SIGKILL
    centre.run("worker", "start")
    wait_until(lambda: centre.json("runs", "list", "--limit", "1")["items"][0]["state"] == "done", 60)
    wait_until(lambda: jobs(centre)[-1][0] == "done", 60)
    state, run, first, attempts = jobs(centre)[-1]
    assert (len(jobs(centre)), state, attempts) == (before + 1, "done", 2)
    assert run != first
    assert centre.json("runs", "show", str(first))["state"] == "interrupted"
    assert centre.json("runs", "show", str(run))["state"] == "done"
    assert answers(centre, tag) == "200"
    assert centre.plan("tenant:fgw")["changes"] == []
    centre.run("web", "--background")
    page.wait_for_url(re.compile(f"/runs/{run}"), timeout=60_000)  # the page that lost its server finds its run
    operator.go(f"/console/runs/{first}")
    expect(page.get_by_text(f"run {run} goes on with it.")).to_be_visible()
    operator.faults.clear()  # the page looked for a server that was not there


def test_a_hand_made_change_is_reverted_and_a_freeze_takes_two_people(
    centre: Centre, operator: Visitor, browser: Browser
) -> None:
    page = operator.page
    centre.shell("web", "echo '# added by hand' >> /etc/nginx/sites-enabled/fgw.qingdao.test.conf")
    operator.go("/console/drift")
    page.click("form[action$='/drift'] button")
    expect(page.locator("#ids li")).to_have_count(1, timeout=60_000)
    operator.shot("lab-drift")
    page.check("#ids [name=id]")
    operator.go("/console/freezes")
    page.fill("#scope", "tenant:fgw")
    page.fill("#reason", "a storm")
    page.click("button:has-text('Freeze now')")
    expect(page.get_by_role("status")).to_contain_text("department fgw is frozen.")
    expect(page.locator("form[action$='/lift']")).to_have_count(0)

    def revert() -> None:
        operator.go("/console/drift")
        page.check("#ids [name=id]")
        page.click("button[value=revert]")
        page.wait_for_url(re.compile(r"/(runs|jobs)/\d+"))

    revert()
    expect(page.get_by_text("fgw is frozen by").nth(1)).to_be_visible(timeout=60_000)
    officer = somebody(centre, browser, "security_officer")
    officer.go("/console/freezes")
    officer.page.fill("[name=lift_reason]", "it is over")
    officer.page.click("button:has-text('Lift freeze')")
    expect(officer.page.get_by_role("status")).to_contain_text("is lifted.")
    row = next(f for f in centre.json("freezes", "list", "--all")["items"] if f["scope"] == "tenant:fgw")
    assert (row["by"], row["second"], row["second_verified"]) == (f"account:{TAG}-ope", f"account:{TAG}-sec", True)
    revert()
    assert centre.json("runs", "show", str(ended(page)))["state"] == "done"
    assert centre.json("drift", "list", "tenant:fgw")["items"] == []
    officer.context.close()


def test_a_policy_test_and_a_measurement(centre: Centre, operator: Visitor) -> None:
    page = operator.page
    operator.go("/console/internet/fgw")
    page.fill("#url", "https://sjj.qingdao.test/")
    page.click("form[action$='/internet'] button")
    page.wait_for_url(re.compile(r"/jobs/\d+"), timeout=60_000)
    expect(page.get_by_text("Asked from")).to_be_visible()
    operator.shot("lab-policy-test")
    operator.go("/console/hosts/fgw")
    page.click("button[value=measure]")
    page.wait_for_url(re.compile(r"/jobs/\d+"))
    expect(page.locator("[data-live]")).to_have_count(0, timeout=90_000)
    expect(page.get_by_text("fgw: measured.")).to_be_visible()
    operator.shot("lab-measured")


def test_the_nightly_check_by_its_own_command(centre: Centre, operator: Visitor) -> None:
    """A few operations of this very centre over its own address; what it found is on the page and in the trail."""
    some = ("tenants", "hosts", "requests", "change_request", "set_freeze")
    done = subprocess.run(
        [sys.executable, "-m", "nightly", "--examples", "1", "--only", *some],
        capture_output=True, text=True, timeout=300, cwd=REPO, env=centre.env,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split(" operations")[0]) == (0, str(len(some))), done.stdout + done.stderr
    operator.go("/console/nightly")
    expect(operator.page.locator("main")).to_contain_text("change_request")
    operator.shot("lab-nightly")
    assert not centre.json("freezes", "list")["items"]
    checks = {one["check"]: one for one in centre.json("doctor", check=False)["items"]}
    assert checks["nightly"]["state"] == "passed", checks["nightly"]
