"""Hand-made changes on real servers: named exactly, answered by keep, accept or revert."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.conftest import Centre
from tests.lab.world import BASE, Directory, Names

pytestmark = pytest.mark.lab


def by_hand_record(centre: Centre) -> None:
    Names(centre).update("qingdao.test", ("replace", "fgw", 60, "A", "192.0.2.66"))


def by_hand_missing_record(centre: Centre) -> None:
    Names(centre).update("qingdao.test", ("delete", "fgw", "AAAA"))


def by_hand_entry(centre: Centre) -> None:
    directory = Directory(centre)
    with directory.admin() as connection:
        connection.search(f"ou=people,ou=czj,ou=tenants,{BASE}", "(title=*)", attributes=["title"])
        dn = connection.response[0]["dn"]
        assert connection.modify(dn, {"title": [("MODIFY_REPLACE", ["changed by hand"])]})


def by_hand_vhost(centre: Centre) -> None:
    centre.shell("web", "echo '# added by hand' >> /etc/nginx/sites-enabled/gaj.qingdao.test.conf")


def by_hand_certificate(centre: Centre) -> None:
    centre.shell("web", "cp /etc/nginx/host/host.crt /etc/nginx/tls/jyj.qingdao.test.crt")


def by_hand_link(centre: Centre) -> None:
    centre.shell(
        "web",
        "cd /srv/sites/*/sjj.qingdao.test && mkdir -p releases/other && echo hacked > releases/other/index.html"
        " && ln -sfn releases/other current",
    )


CASES: dict[str, tuple[Callable[[Centre], None], str, str]] = {
    "record": (by_hand_record, r"dns:fgw\.qingdao\.test/A", "fgw"),
    "missing record": (by_hand_missing_record, r"dns:fgw\.qingdao\.test/AAAA", "fgw"),
    "entry": (by_hand_entry, r"directory:person/p_\w+", "czj"),
    "vhost": (by_hand_vhost, r"web:web/vhost/gaj\.qingdao\.test", "gaj"),
    "certificate": (by_hand_certificate, r"web:web/certificate/jyj\.qingdao\.test", "jyj"),
    "release link": (by_hand_link, r"web:web/release/sjj\.qingdao\.test", "sjj"),
}


@pytest.mark.parametrize("case", CASES)
def test_exactly_the_hand_made_change_is_named_with_its_owner_and_reverted(centre: Centre, case: str):
    change, pattern, tenant = CASES[case]
    change(centre)
    plan = centre.plan()
    (found,) = plan["changes"]
    assert re.fullmatch(pattern, found["id"]), found
    assert (found["tenant"], found["reason"]) == (tenant, "drift")
    assert found["before"] != found["after"]
    (row,) = centre.json("drift", "list")["items"]
    assert row["id"] == found["id"]
    run = centre.json("drift", "revert", found["id"], "--yes")
    assert run["state"] == "done" and run["verified"]
    assert centre.plan()["changes"] == []


def test_kept_until_a_date_then_named_again(centre: Centre):
    by_hand_record(centre)
    identity = "dns:fgw.qingdao.test/A"
    centre.run("drift", "keep", identity, "--until", "2999-01-01", "--reason", "测试：上级要求", "--yes")
    plan = centre.plan()
    assert plan["changes"] == [] and plan["kept"] == [identity]
    (row,) = centre.json("drift", "list")["items"]
    assert row["kept_until"].startswith("2999-01-01")
    # a further change by hand is another state, and is named
    Names(centre).update("qingdao.test", ("replace", "fgw", 60, "A", "192.0.2.67"))
    assert [c["id"] for c in centre.plan()["changes"]] == [identity]
    centre.run("drift", "revert", identity, "--yes")
    assert centre.plan()["changes"] == []


def test_accepted_becomes_desired(centre: Centre):
    identity = "dns:www.fgw.qingdao.test/A"
    (before,) = Names(centre).transfer("qingdao.test")["www.fgw", "A"]
    ttl, address = before.split()
    Names(centre).update("qingdao.test", ("replace", "www.fgw", 60, "A", "192.0.2.68"))
    centre.run("drift", "accept", identity, "--reason", "moved by agreement", "--yes")
    assert centre.plan()["changes"] == []
    Names(centre).update("qingdao.test", ("replace", "www.fgw", 60, "A", "192.0.2.69"))
    (found,) = centre.plan()["changes"]
    assert found["after"]["values"] == ["192.0.2.68"]
    centre.apply("tenant:fgw")
    assert "192.0.2.68" in centre.on("citizen", "dig", "+short", "www.fgw.qingdao.test")
    Names(centre).update("qingdao.test", ("replace", "www.fgw", int(ttl), "A", address))
    centre.run("drift", "accept", identity, "--reason", "moved back", "--yes")
    assert centre.plan()["changes"] == []
    promises = centre.json("probes", "run", "tenant:fgw")["items"]
    assert [p for p in promises if p["state"] not in ("passed", "warning")] == [], "others build on what is left here"


def test_publishing_never_overwrites_a_hand_made_change_in_passing(centre: Centre):
    by_hand_vhost(centre)
    refused = centre.run("sites", "maintenance", "gaj.qingdao.test", "on", "--yes", check=4)
    assert b"by hand" in refused.stderr
    assert "added by hand" in centre.shell("web", "cat /etc/nginx/sites-enabled/gaj.qingdao.test.conf")
    centre.run("drift", "revert", "web:web/vhost/gaj.qingdao.test", "--yes")
    assert centre.plan()["changes"] == []
