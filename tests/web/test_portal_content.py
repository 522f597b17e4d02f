"""Pages of what departments bring in, in a real Chromium: axe finds nothing, nothing is wider than a telephone, and a
notice is written without scripts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser

from control_plane.model.attachment import Scan
from control_plane.model.text import in_language
from tests.web.serving import LOOKED_AT, enter, visit
from tests.web.world import PEOPLE, World, make_world

SITE = "fgw.qingdao.test"
BOARD = f"/portal/sites/fgw/{SITE}/notices"
PDF = b"%PDF-1.4 a paper %%EOF"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("content"))
        for role in PEOPLE:
            made.person(role)
        furnish(made)
        yield made
        made.close()


def furnish(world: World) -> None:
    """Notices, files and releases in every state, a draft for many rows."""
    clerk = world.client.acting_as("directory:clerk1")
    paper = world.folder / "paper.pdf"
    paper.write_bytes(PDF)
    for title, column in (
        ("关于2026年国庆节放假安排的通知", "notices/"),
        ("市发展改革委召开季度经济运行分析会", "news/"),
    ):
        given = {"column": column, "title": title, "day": "2026-11-23", "text": "各科室:\n\n现将有关事项通知如下。"}
        clerk.posts.save(SITE, **given, file=paper, file_name="放假安排.pdf")
    for name, said in (("clean", None), ("found", Scan("Test.Evil", "s20261124-020000")), ("waits", None)):
        archive = world.folder / f"{name}.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("index.html", name)
        world.rooms.scanner.away = name == "waits"
        release = clerk.publish_release(SITE, archive, note=f"秋季改版 {name}")["release"]
        if said is not None:
            world.store.content_checks.checked(release, said, "下载/软件.exe")
    late = {"column": "notices/", "title": "附件待查的通知", "day": "2026-11-24", "text": "见附件。"}
    paper.write_bytes(PDF + b"later%%EOF")
    clerk.posts.save(SITE, **late, file=paper, file_name="名单.pdf")
    world.rooms.scanner.away = False
    reference = world.ask("clerk1", "fgw", "papers", submit=False)
    for name, content in (("会议纪要.pdf", PDF), ("发票.pdf", PDF + b"EVIL%%EOF"), ("说明.txt", "待查".encode())):
        paper.write_bytes(content)
        clerk.attachments.add(reference, paper, name=name)
        if name != "说明.txt":
            world.client.attachments.scan()
    clerk.requests.draft("fgw", "directory", "change")
    first = clerk.sheets.issue("fgw", uids=["dingfanghui", "wangwei13"], reason="新同事的初始密码")
    clerk.sheets.open(first["id"])
    clerk.sheets.issue("fgw", uids=["wangwei13"], reason="忘记密码")
    world.store.reviews.begin(world.client.tenant("fgw")["id"], "2026Q4", world.clock() + timedelta(days=21))


def pages(world: World) -> dict[str, str]:
    """Name → address."""
    rows = {row["offering"]: row["reference"] for row in world.client.acting_as("directory:clerk1").requests.list()}
    return {
        "portal-internet": "/portal/internet/fgw",
        "portal-people": "/portal/people/fgw",
        "portal-groups": "/portal/people/fgw/groups",
        "portal-group": "/portal/people/fgw/groups/approvers",
        "portal-review": "/portal/people/fgw/review",
        "portal-asked": "/portal/",
        "interface": "/api/v1/docs",
        "portal-notices": BOARD,
        "portal-notice": f"{BOARD}/1",
        "portal-notice-new": f"{BOARD}/new",
        "portal-site-room": f"/portal/sites/fgw/{SITE}",
        "portal-files": f"/portal/requests/{rows['public_site']}/check",
        "portal-many": f"/portal/requests/{rows['directory']}/many/people",
    }


@pytest.mark.parametrize("variant", LOOKED_AT)
def test_axe_finds_nothing_and_nothing_is_too_wide(world: World, origin: str, browser: Browser, variant: str) -> None:
    clerk = visit(browser, origin, variant)
    enter(world, clerk, "clerk1")
    for name, address in pages(world).items():
        clerk.go(address)
        assert clerk.axe() == [], name
        assert clerk.wide() <= 0, name
        assert clerk.page.locator("h1").count() == 1, name
        clerk.shot(f"{name}-{variant}")
    assert clerk.faults == []


def test_a_notice_is_written_without_scripts(world: World, origin: str, browser: Browser) -> None:
    clerk = visit(browser, origin, scripts=False)
    enter(world, clerk, "clerk1")
    page = clerk.page
    clerk.go(BOARD)
    page.click(".headline .btn-primary")
    page.fill("#title", "没有脚本")
    page.fill("#text", "也可以。")
    page.set_input_files("#file", {"name": "a.exe", "mimeType": "application/pdf", "buffer": b"MZ\x90\x00"})
    page.click("button[value=write]")
    assert "This kind of file is not taken" in page.inner_text("[role=alert]")
    assert page.input_value("#title") == "没有脚本"
    page.set_input_files("#file", {"name": "a.exe", "mimeType": "application/pdf", "buffer": PDF})
    page.click("button[value=write]")
    page.wait_for_url("**said=written")
    assert "没有脚本" in page.inner_text(".posts")
    assert clerk.faults == []
