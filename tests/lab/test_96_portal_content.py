"""What a department brings in and sees, on real hosts: its refusals, a notice that a citizen reads, files of requests
that the centre's ClamAV has looked at."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import Centre
from tests.lab.test_98_portal import LIVE
from tests.waiting import wait_until
from tests.web.serving import Visitor, chromium, visit

pytestmark = pytest.mark.lab
CODE, TAG = "gaj", uuid.uuid4().hex[:6]
SITE, NAME, WORD = f"{CODE}.qingdao.test", f"content-{TAG}", "a sentence of my own"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
PDF = b"%PDF-1.4 " + TAG.encode() + b" %%EOF"


@pytest.fixture(scope="module")
def clerk(centre: Centre) -> Iterator[Visitor]:
    """A clerk of one department, in a real browser."""
    centre.run("web", "--background")
    centre.run("worker", "start")
    made = centre.json("users", "add", NAME, "--yes")
    centre.run("users", "grant", f"account:{NAME}", "clerk", "--tenant", CODE, "--reason", "a test", "--yes")
    with chromium() as browser:
        visitor = visit(browser, centre.json("status")["console_url"].rstrip("/"))
        page, first = visitor.page, Path(made["password_file"]).read_text().strip()
        visitor.go("/sign-in")
        page.fill("#name", NAME)
        page.fill("#password", first)
        page.keyboard.press("Enter")
        page.wait_for_url("**/sign-in/password")
        for field, value in (("old", first), ("new", WORD), ("again", WORD)):
            page.fill(f"#{field}", value)
        page.keyboard.press("Enter")
        page.wait_for_url("**/portal/")
        yield visitor
        assert visitor.faults == []


def test_a_department_sees_what_its_own_network_was_refused(centre: Centre, clerk: Visitor) -> None:
    proxy, closed = "http://gateway.core.qingdao.test:3128", f"{TAG}.test"
    name = f"www-{TAG}.casino.test"
    assert centre.fetch(CODE, f"http://{name}/", "-x", proxy) == "403"
    rows = centre.json("internet", "refused", CODE)["items"]
    assert [(r["rule"], r["opens"]) for r in rows if r["host"] == name] == [("centre-gambling", False)]
    assert not re.search(r"\b10\.\d+\.\d+\.", str(rows)), "who asked is not in it"
    assert not [r for r in centre.json("internet", "refused", "fgw")["items"] if r["host"] == name]
    clerk.go(f"/portal/internet/{CODE}")
    expect(clerk.page.get_by_text(name)).to_be_visible()
    clerk.page.fill("#url", f"http://{name}/{closed}")
    clerk.page.click("button[value=test]")
    clerk.page.wait_for_url("**test=*", timeout=90_000)
    expect(clerk.page.locator("#tested + .note")).to_contain_text("centre-gambling")
    clerk.shot("lab-portal-internet")


def test_a_notice_is_read_by_a_citizen_once_it_is_published(centre: Centre, clerk: Visitor) -> None:
    page, title = clerk.page, f"放假通知 {TAG} <b>"
    clerk.go(f"/portal/sites/{CODE}/{SITE}/notices/new")
    page.fill("#title", title)
    page.fill("#text", "国庆节放假七天。\n\n<script>alert(1)</script>")
    page.set_input_files("#file", {"name": "../安排.exe", "mimeType": "application/x-msdownload", "buffer": PDF})
    page.click("button[value=write]")
    page.wait_for_url("**said=written")
    clerk.shot("lab-portal-notices")
    assert TAG not in centre.on("citizen", "curl", "-s", f"https://{SITE}/notices/"), "nobody sees it yet"
    page.click("button[value=publish]")
    page.wait_for_url("**said=agreed", timeout=60_000)
    expect(page.locator(".tracker .good")).to_have_count(4, timeout=LIVE)
    listed = centre.on("citizen", "curl", "-s", f"https://{SITE}/notices/")
    address = re.findall(rf'href="(/notices/\d+\.html)">放假通知 {TAG} &lt;b&gt;', listed)[0]
    notice = centre.on("citizen", "curl", "-s", f"https://{SITE}{address}")
    assert "国庆节放假七天。" in notice
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in notice
    assert "<script" not in notice
    file = re.findall(r'href="(/files/[\w-]+\.pdf)"', notice)[0]
    head = centre.on("citizen", "curl", "-s", "-D", "-", f"https://{SITE}{file}")
    assert "application/pdf" in head
    assert PDF.decode() in head
    number = re.findall(r"\d+", address)[0]
    centre.run("posts", "withdraw", SITE, number, "--yes")
    release = centre.json("posts", "build", SITE)["release"]
    centre.run("sites", "activate", SITE, release, "--yes")
    assert centre.fetch("citizen", f"https://{SITE}{address}") == "404"
    centre.run("sites", "activate", SITE, "starter", "--yes")


def test_a_file_is_opened_only_after_the_centres_engine_has_passed_it(centre: Centre, clerk: Visitor) -> None:
    page = clerk.page
    clerk.go("/portal/catalogue/public_site")
    page.click("button[value=change]")
    page.wait_for_url("**/form/**")
    reference = re.findall(r"R-\d{4}-\d{4}", page.url)[0]
    clerk.go(f"/portal/requests/{reference}/check")
    for number, (name, content) in enumerate((("会议纪要.pdf", PDF), ("发票.pdf", EICAR)), 1):
        page.set_input_files("#file", {"name": name, "mimeType": "application/pdf", "buffer": content})
        page.click("button[value=add]")
        expect(page.locator(".files > li")).to_have_count(number)

    def checked() -> bool:
        page.reload()
        return page.get_by_text("not checked yet").count() == 0

    wait_until(checked, 60)
    clerk.shot("lab-portal-files")
    expect(page.locator(".files")).to_contain_text("Lab.Eicar")
    assert page.locator(".files a").count() == 1
    with page.expect_download() as got:
        page.click(".files a")
    assert Path(got.value.path()).read_bytes() == PDF
    assert got.value.suggested_filename == "会议纪要.pdf"
    assert "Lab.Eicar" in page.locator("[role=alert]").inner_text(), "it cannot be handed in"
    page.click("button[value^=remove]:has-text('发票')")
    expect(page.locator(".files > li")).to_have_count(1)
    assert centre.on("repository", "sh", "-c", "ls /var/tmp | grep -c gasp-scan || true").strip() == "0"
    page.get_by_text("What will happen").or_(page.get_by_text("nothing would change")).first.wait_for()
    clerk.go(f"/portal/requests/{reference}")
    page.click("summary:has-text('Take this request back')")
    page.click("button[value=withdraw]")
    page.wait_for_url("**said=withdrawn")
