"""The end of a tenant: names first, 410 while caches hold them, then nothing of it and nothing of others changed."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from control_plane.model.network import plan_for
from tests.conftest import TEST_LAB, Centre
from tests.lab.upstream import Outside
from tests.lab.world import Directory, Names

pytestmark = pytest.mark.lab
CODE, INDEX = "czj", 2


def test_offboarding_leaves_nothing_and_touches_nobody(centre: Centre, tmp_path: Path):
    tenant = centre.json("tenants", "show", CODE)["id"]
    preview = centre.json("tenants", "offboard", CODE, "--dry-run")
    assert preview["people"] >= 9
    assert preview["sites"] == 2
    archive = tmp_path / "czj.tar.gz"
    refused = centre.run("tenants", "offboard", CODE, "--archive", str(archive), "--yes", check=5)
    assert CODE.encode() in refused.stderr
    assert centre.fetch("citizen", f"https://{CODE}.qingdao.test/") == "200"

    receipt = centre.json("tenants", "offboard", CODE, "--archive", str(archive), f"--confirm={CODE}", "--yes")
    assert receipt["remaining"] == []
    assert receipt["others_changed"] == []
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert f"{CODE}/people/{CODE}.csv" in names
    assert f"{CODE}/{CODE}.yaml" in names

    for zone in ("qingdao.test", "intra.qingdao.test"):
        rows = Names(centre).transfer(zone)
        assert not [k for k, v in rows.items() if CODE in k[0] or tenant in str(v)]
    assert not [dn for dn, a in Directory(centre).everything().items() if tenant in str(a.get("gaspOwner", ""))]
    for host in ("web", "intranet"):
        left = centre.shell(
            host, f"grep -rl {tenant} /etc/nginx /var/lib/gasp 2>/dev/null; ls /srv/sites | grep {tenant}", check=False
        )
        assert left == ""
    assert preview["shared_by_others"] == ["fgw/intranet"]
    sites = [s for s in centre.json("explain", "fgw.intra.qingdao.test")["matches"] if s["type"] == "web.vhost"]
    assert sites[0]["state"] == "in_sync"
    network = str(plan_for(TEST_LAB).tenant(INDEX).v4)
    shared = centre.shell("intranet", "cat /etc/nginx/sites-enabled/fgw.intra.qingdao.test.conf")
    assert network not in shared
    rules = centre.shell("gateway", "nft list ruleset")
    assert "t/fgw/" in rules
    assert f"t/{CODE}/" not in rules
    online = centre.shell("gateway", "nft list set inet gw online")
    assert '"fgw"' in online
    assert f'"{CODE}"' not in online
    named = f"find /etc/squid/gasp /etc/gasp/gateway/tenants -name '*{CODE}*'; grep -rlw {CODE} /etc/squid/gasp || true"
    assert centre.shell("gateway", named) == ""
    assert CODE not in {row["name"] for row in centre.json("hosts", "list")["items"]}
    # the machine is no longer known here; it is asked past the control plane
    places = "/etc/apt /etc/clamav /etc/systemd/system /var/lib"
    assert Outside(centre).at(CODE, f"find {places} -name '*gasp*' -not -path '/var/lib/dpkg/*'") == ""
    assert centre.plan()["changes"] == []
    assert CODE not in {t["code"] for t in centre.json("tenants", "list")["items"]}


def test_the_same_code_later_is_somebody_else(centre: Centre, tmp_path: Path):
    """open-29: the new office finds nothing of the old one, and numbers are not given out again."""
    old = {a["uid_number"] for a in centre.json("accounts", "list")["items"]}
    folder = tmp_path / "again"
    centre.run("tenants", "export", str(folder))
    (folder / "czj.yaml").write_text(
        "code: czj\nnames: {zh: 市财源建设办公室, en: Office of Revenue}\nkind: government_department\n"
        "status: served\nnetwork: {index: 2}\nsubscriptions:\n- {offering: directory, tier: S}\n",
        "utf-8",
    )
    (folder / "people" / "czj.csv").write_text(
        "uid,family_name,given_name,display_name,pinyin,employee_number,mail,title,phone,groups\n"
        "caiyuan01,财,源,财源,caiyuan,,,,,\n",
        "utf-8",
    )
    centre.run("tenants", "import", str(folder), "--yes")
    centre.apply()
    new = centre.json("accounts", "list", "--tenant", "czj")["items"]
    assert [a["uid"] for a in new] == ["caiyuan01"]
    assert new[0]["uid_number"] not in old
    assert centre.json("sites", "list", "--filter", "tenant=czj")["items"] == []
    assert centre.plan()["changes"] == []
