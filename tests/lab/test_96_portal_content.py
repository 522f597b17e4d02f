"""What a department brings in and sees, on real hosts: its refusals, a notice that a citizen reads, files of requests
that the centre's ClamAV has looked at."""

from __future__ import annotations

import re
import subprocess
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import GASP, Centre
from tests.lab.faces import LIVE, hired
from tests.waiting import wait_until
from tests.web.serving import Visitor, visit

pytestmark = pytest.mark.lab
CODE, TAG = "gaj", uuid.uuid4().hex[:6]
SITE, NAME = f"{CODE}.qingdao.test", f"content-{TAG}"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
PDF = b"%PDF-1.4 " + TAG.encode() + b" %%EOF"


@pytest.fixture(scope="module")
def clerk(centre: Centre, browser: Browser) -> Iterator[Visitor]:
    """A clerk of one department, in a real browser."""
    centre.run("web", "--background")
    centre.run("worker", "start")
    visitor = hired(centre, visit(browser, centre.console()), NAME, "clerk", CODE)
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
    page.set_input_files("#file", {"name": "发票.pdf", "mimeType": "application/pdf", "buffer": EICAR})
    page.click("button[value=write]")
    expect(page.locator("[role=alert]").first).to_contain_text("Lab.Eicar")
    expect(page.locator("#title")).to_have_value(title)
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


def test_content_of_a_website_is_published_only_after_the_engine_has_passed_it(
    centre: Centre, clerk: Visitor, tmp_path: Path
) -> None:
    page, home = clerk.page, f"<h1>{TAG}</h1>".encode()

    def upload(**files: bytes) -> None:
        with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
            for name, content in {"index.html": home, **files}.items():
                archive.writestr(name, content)
        clerk.go(f"/portal/sites/{CODE}/{SITE}")
        page.set_input_files("#archive", str(tmp_path / "site.zip"))
        page.click("button[value=upload]")

    upload(**{"下载/软件.exe": EICAR})
    expect(page.locator("[role=alert]").first).to_contain_text("下载/软件.exe")
    expect(page.locator("[role=alert]").first).to_contain_text("Lab.Eicar")
    signatures = "/srv/repository/signatures/ring0"
    centre.on("repository", "mv", signatures, f"{signatures}.away")
    try:
        upload(**{"a.html": home})
        page.wait_for_url("**release=*")
        release = re.findall(r"release=(\w{32})", page.url)[0]
        expect(page.locator(".releases")).to_contain_text("not checked for malware yet")
        clerk.shot("lab-portal-site-unchecked")
        page.click(f"button[value='publish:{release}']")
        page.wait_for_url("**said=agreed", timeout=60_000)
        expect(page.locator("main")).to_contain_text("not checked for malware yet", timeout=LIVE)
        centre.run("sites", "activate", SITE, release, "--yes", check=6)
        assert TAG not in centre.on("citizen", "curl", "-s", f"https://{SITE}/"), "never published unscanned"
    finally:
        centre.on("repository", "mv", f"{signatures}.away", signatures)
    expect(page.locator(".tracker .good")).to_have_count(4, timeout=LIVE)
    assert TAG in centre.on("citizen", "curl", "-s", f"https://{SITE}/a.html")
    centre.run("sites", "activate", SITE, "starter", "--yes")


def test_a_file_is_opened_only_after_the_centres_engine_has_passed_it(centre: Centre, clerk: Visitor) -> None:
    page = clerk.page
    clerk.go("/portal/catalogue/public_site")
    page.click("button[value=change]")
    page.wait_for_url("**/form/**")
    reference = clerk.reference()
    clerk.go(f"/portal/requests/{reference}/check")
    for number, (name, content) in enumerate((("会议纪要.pdf", PDF), ("发票.pdf", EICAR)), 1):
        page.set_input_files("#file", {"name": name, "mimeType": "application/pdf", "buffer": content})
        page.click("button[value=add]")
        expect(page.locator(".files > li")).to_have_count(number)

    def checked() -> bool:
        """Everything was looked at, and the page says why it cannot be handed in."""
        page.reload()
        alert = page.locator("[role=alert]")
        said = alert.first.inner_text() if alert.count() else ""
        return page.get_by_text("not checked yet").count() == 0 and "Lab.Eicar" in said

    wait_until(checked, 60)
    clerk.shot("lab-portal-files")
    expect(page.locator(".files")).to_contain_text("Lab.Eicar")
    assert page.locator(".files a").count() == 1
    with page.expect_download() as got:
        page.click(".files a")
    assert Path(got.value.path()).read_bytes() == PDF
    assert got.value.suggested_filename == "会议纪要.pdf"
    page.click("button[value^=remove]:has-text('发票')")
    expect(page.locator(".files > li")).to_have_count(1)
    assert centre.on("repository", "sh", "-c", "ls /var/tmp | grep -c gasp-scan || true").strip() == "0"
    page.get_by_text("What will happen").or_(page.get_by_text("nothing would change")).first.wait_for()
    clerk.go(f"/portal/requests/{reference}")
    page.click("summary:has-text('Take this request back')")
    page.click("button[value=withdraw]")
    page.wait_for_url("**said=withdrawn")


def test_a_scan_that_is_killed_leaves_nothing_and_a_full_department_is_told(centre: Centre, tmp_path: Path) -> None:
    request = str(centre.json("requests", "new", "fgw", "public_site", "--action", "change", "--yes")["id"])
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(b"%PDF-1.4 " + uuid.uuid4().bytes + b"x" * (2 << 20) + b" %%EOF")
    said = centre.run("attachments", "add", request, str(paper), "--yes", check=False, env={"GASP_ATTACHMENT_MIB": "1"})
    assert said.returncode != 0
    assert b"2 MiB of files; 1 MiB are the most" in said.stdout + said.stderr
    assert centre.json("attachments", "list", request)["items"] == []
    centre.run("worker", "stop")
    centre.run("attachments", "add", request, str(paper), "--yes")
    folders = ("sh", "-c", "ls /var/tmp | grep -c gasp-scan || true")
    with subprocess.Popen([str(GASP), "attachments", "scan", "--yes"], env=centre.env, stdout=subprocess.PIPE) as scan:
        wait_until(lambda: centre.on("repository", *folders).strip() != "0" or scan.poll() is not None, 30)
        scan.kill()
    wait_until(lambda: centre.on("repository", *folders).strip() == "0", 30)
    centre.run("worker", "start")

    def clean() -> bool:
        return [f["state"] for f in centre.json("attachments", "list", request)["items"]] == ["clean"]

    wait_until(clean, 30)
    centre.run("requests", "withdraw", request, "--yes")
