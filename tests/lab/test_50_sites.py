"""Content as releases: checked, previewed, switched, rolled back; bad archives refused whole."""

from __future__ import annotations

import io
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import Centre
from tests.lab.changing import grown

pytestmark = pytest.mark.lab
SITE = "jyj.qingdao.test"


def make_zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


def page(centre: Centre, url: str = f"https://{SITE}/", host: str = "citizen") -> str:
    return centre.on(host, "curl", "-s", url, check=False)


def test_the_life_of_a_release(centre: Centre, tmp_path: Path):
    starter = page(centre)
    first = make_zip(tmp_path / "one.zip", {"index.html": "<!doctype html><title>第一版</title>", "css/a.css": "a{}"})
    published = centre.json("sites", "publish", SITE, str(first), "--note", "first")
    release = published["release"]
    assert page(centre) == starter, "published is not live"

    preview = centre.json("sites", "preview", SITE, release[:8], "--yes")
    assert "第一版" in page(centre, preview["url"], "jyj")
    assert centre.fetch("gaj", preview["url"]) == "403"
    assert centre.fetch("citizen", preview["url"]) == "000"
    assert page(centre) == starter

    centre.run("sites", "activate", SITE, release[:8], "--yes")
    assert "第一版" in page(centre)
    second = make_zip(tmp_path / "two.zip", {"site/index.html": "<!doctype html><title>第二版</title>"})
    newer = centre.json("sites", "publish", SITE, str(second))["release"]
    centre.run("sites", "activate", SITE, newer, "--yes")
    assert "第二版" in page(centre)
    centre.run("sites", "rollback", SITE, "--yes")
    assert "第一版" in page(centre)
    assert centre.plan()["changes"] == []
    centre.run("sites", "activate", SITE, "starter", "--yes")
    assert page(centre) == starter


def test_maintenance_answers_503_and_back(centre: Centre):
    centre.run("sites", "maintenance", SITE, "on", "--yes")
    assert centre.fetch("citizen", f"https://{SITE}/") == "503"
    centre.run("sites", "maintenance", SITE, "off", "--yes")
    assert centre.fetch("citizen", f"https://{SITE}/") == "200"
    assert centre.plan()["changes"] == []


def test_undo_of_a_run_is_a_plan(centre: Centre):
    centre.run("sites", "maintenance", SITE, "on", "--yes")
    run = centre.json("runs", "list", "--limit", "1")["items"][0]["id"]
    centre.run("runs", "undo", str(run), "--yes")
    assert centre.fetch("citizen", f"https://{SITE}/") == "200"
    assert centre.plan()["changes"] == []


def test_a_department_goes_back_to_a_former_hour_and_no_other_does(centre: Centre, tmp_path: Path):
    def show(name: str) -> None:
        archive = make_zip(tmp_path / f"{name}.zip", {"index.html": f"<!doctype html><title>{name}</title>"})
        centre.run("sites", "activate", SITE, centre.json("sites", "publish", SITE, str(archive))["release"], "--yes")

    show("昨天")
    moment = datetime.now(UTC).isoformat()
    show("今天")
    centre.run("tenants", "import", str(grown(tmp_path, centre, "later", ("jyj", "gaj"))), "--yes")
    centre.apply()
    people = {row["uid"] for row in centre.json("accounts", "list")["items"]}
    assert {"later.jyj", "later.gaj"} <= people
    assert centre.fetch("citizen", "https://later.jyj.qingdao.test/") == "200"

    plan = centre.json("tenants", "restore", "jyj", "--to", moment)
    assert {change["tenant"] for change in plan["changes"]} == {"jyj"}
    assert "今天" in page(centre), "a plan changes nothing"
    centre.run("tenants", "restore", "jyj", "--to", moment, f"--confirm={plan['guards'][-1]['confirm']}")
    assert "昨天" in page(centre)
    assert centre.fetch("citizen", "https://later.jyj.qingdao.test/") == "000"
    assert people - {row["uid"] for row in centre.json("accounts", "list")["items"]} == {"later.jyj"}
    assert centre.fetch("citizen", "https://later.gaj.qingdao.test/") == "200"
    assert centre.plan()["changes"] == []
    centre.run("tenants", "restore", "jyj", "--to", moment, check=4)
    centre.run("sites", "activate", SITE, "starter", "--yes")


def test_an_archive_that_reaches_out_is_refused_whole(centre: Centre, tmp_path: Path):
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:

        def add(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            content = b"x" if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        bad = ["../../gaj/index.html", "/etc/cron.d/x", "C:\\temp\\x.html", "a/./b/../../../x"]
        for name in ["index.html", *bad, "INDEX.HTML"]:
            add(name)
        add("img/logo.png", tarfile.SYMTYPE, "/etc/shadow")
        add("data", tarfile.SYMTYPE, "../../")
        add("data/gaj/index.html")
    done = centre.run("sites", "publish", SITE, str(path), check=4)
    text = done.stderr.decode()
    for name in [*bad, "img/logo.png", "data"]:
        assert name.replace("\\", "") in text.replace("\\", ""), (name, text)
    assert "INDEX.HTML" in text
    assert centre.fetch("citizen", f"https://{SITE}/") == "200"
