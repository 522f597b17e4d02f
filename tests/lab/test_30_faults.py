"""One tenant's fault stops no other; what was not seen is not planned against; a rerun finishes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.conftest import Centre
from tests.lab.changing import edit, grown
from tests.lab.world import Names
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


def test_servfail_is_could_not_measure_and_nothing_is_deleted(centre: Centre):
    before = Names(centre).transfer("qingdao.test")
    centre.on("ns1", "systemctl", "stop", "named")
    try:
        plan = centre.json("plan", check=6)
        assert {u["part"] for u in plan["unmeasured"]} == {"dns:qingdao.test", "dns:intra.qingdao.test"}
        assert plan["changes"] == []
        run = centre.run("apply", "estate", "--yes", check=6)
        assert b"name server" in run.stderr.lower() or b"could not measure" in run.stderr.lower()
    finally:
        centre.on("ns1", "systemctl", "start", "named")
    wait_until(lambda: centre.plan()["unmeasured"] == [], 60, "named answers again")
    assert Names(centre).transfer("qingdao.test") == before
    assert centre.plan()["changes"] == []


def test_a_host_that_does_not_answer_holds_up_nobody_else(centre: Centre, tmp_path: Path):
    centre.run("lab", "stop", "intranet")
    try:
        centre.run("tenants", "import", str(grown(tmp_path, centre, "down")), "--yes")
        run = centre.apply(check=6)
        assert run["state"] == "could_not_measure"
        assert [u["part"] for u in run["unmeasured"]] == ["web:intranet"]
        assert run["counts"]["failed"] == 0
        assert centre.on("citizen", "dig", "+short", "down.fgw.qingdao.test").strip()
        assert centre.fetch("citizen", "https://down.fgw.qingdao.test/") == "200"
    finally:
        centre.run("lab", "start", "intranet")
    assert centre.apply()["state"] == "done"
    assert centre.plan()["changes"] == []


def test_a_change_that_nginx_refuses_leaves_everyone_else_applied(centre: Centre, tmp_path: Path):
    """The check fails on one tenant's file because of something by hand in a file that it includes."""
    before = centre.shell("web", "nginx -T 2>/dev/null | sha256sum; cat /run/nginx.pid")
    centre.shell("web", "mkdir -p /etc/nginx/broken && cat /etc/nginx/nginx.conf > /etc/nginx/broken/copy")
    centre.run("tenants", "import", str(grown(tmp_path, centre, "refused")), "--yes")
    # zones of shared memory have one size in the whole configuration: a foreign file takes czj's name with another one
    zone = centre.shell("web", "grep -ho 'zone=[a-z0-9_.-]*' /etc/nginx/sites-enabled/czj.qingdao.test.conf | head -1")
    name = zone.strip().removeprefix("zone=")
    centre.shell(
        "web",
        f"printf 'limit_req_zone $binary_remote_addr zone={name}:2m rate=1r/s;\\n'"
        " > /etc/nginx/sites-enabled/zz-stranger.conf",
    )
    try:
        run = centre.apply(check=1)
        failed = {f["tenant"] for f in run["failures"]}
        assert failed
        assert all(f["text"] for f in run["failures"])
        for code in ("fgw", "czj", "gaj", "jyj", "sjj"):
            assert centre.fetch("citizen", f"https://{code}.qingdao.test/") == "200", code
        assert before.splitlines()[1] == centre.shell("web", "cat /run/nginx.pid").strip(), "nginx was restarted"
    finally:
        centre.shell("web", "rm -f /etc/nginx/sites-enabled/zz-stranger.conf; rm -rf /etc/nginx/broken")
    assert centre.apply()["state"] == "done"
    assert centre.plan()["changes"] == []


def test_full_disk_on_the_web_host_breaks_nothing_and_a_rerun_finishes(centre: Centre, tmp_path: Path):
    archive = tmp_path / "big.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("index.html", "<!doctype html><title>big</title>")
        out.writestr("big.bin", bytes(range(256)) * 8192)
    release = centre.json("sites", "publish", "sjj.qingdao.test", str(archive))["release"]
    centre.shell(
        "web",
        "cp -a /srv/sites /run/sites-copy && mount -t tmpfs -o size=$(( $(du -sk /srv/sites | cut -f1) + 900 ))k tmpfs"
        " /srv/sites && cp -a /run/sites-copy/. /srv/sites/",
    )
    try:
        done = centre.run("sites", "activate", "sjj.qingdao.test", release, "--yes", check=1)
        assert b"space" in done.stderr + done.stdout
        assert centre.fetch("citizen", "https://sjj.qingdao.test/") == "200"
        assert "big" not in centre.on("citizen", "curl", "-s", "https://sjj.qingdao.test/")
    finally:
        centre.shell("web", "umount /srv/sites && rm -rf /run/sites-copy")
    assert centre.apply("tenant:sjj")["state"] == "done"
    assert "<title>big" in centre.on("citizen", "curl", "-s", "https://sjj.qingdao.test/")
    centre.run("sites", "rollback", "sjj.qingdao.test", "--yes")


def test_bad_tenant_files_are_refused_whole_with_every_problem(centre: Centre, tmp_path: Path):
    folder = grown(tmp_path, centre, "bad", codes=())
    edit(folder / "fgw.yaml", lambda d: d["names"].pop("zh"))
    edit(folder / "czj.yaml", lambda d: d.update(kidn="x"))
    (folder / "gaj.yaml").write_bytes("code: gaj\nnames: {zh: 公安".encode("utf-16"))
    with (folder / "people" / "jyj.csv").open("a") as people:
        people.write("T06,ou=admins,王,五,王五,,,,,,all\n")
    plan = centre.plan()["digest"]
    for language, word in (("en", b"names.zh"), ("zh", "请".encode())):
        done = centre.run("tenants", "import", str(folder), "--yes", check=4, env={"GASP_LANG": language})
        text = done.stderr + done.stdout
        for place in (b"fgw.yaml", b"czj.yaml", b"gaj.yaml", b"jyj.csv", b"kidn"):
            assert place in text, (language, place)
        assert word in text or language == "zh"
    assert centre.plan()["digest"] == plan
