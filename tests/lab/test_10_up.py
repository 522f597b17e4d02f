"""After bring-up: what citizens, workstations and people get, asked with their own clients."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import Centre
from tests.lab.world import BASE, Directory, Names

pytestmark = pytest.mark.lab

PUBLIC = ["fgw", "czj", "gaj", "jyj", "sjj"]


def test_status_lists_hosts_in_the_documented_form(centre: Centre):
    hosts = centre.json("lab", "status")["hosts"]
    assert {h["zone"] for h in hosts} == {"core", "tenant", "internet"}
    assert {h["state"] for h in hosts} == {"running"}
    assert {"name", "role", "zone", "tenant", "ipv4", "ipv6", "state"} <= hosts[0].keys()
    assert sum(h["role"] == "workstation" for h in hosts) == 6


@pytest.mark.parametrize("option", ["-4", "-6"])
def test_public_sites_answer_the_citizen_with_a_verified_certificate(centre: Centre, option: str):
    for code in PUBLIC:
        assert centre.fetch("citizen", f"https://{code}.qingdao.test/", option) == "200", code
    page = centre.on("citizen", "curl", "-s", option, "https://fgw.qingdao.test/")
    assert 'lang="zh-CN"' in page and "鲁ICP备" in page
    assert centre.fetch("citizen", "http://fgw.qingdao.test/", option) == "301"


def test_idn_alias_answers(centre: Centre):
    assert centre.fetch("citizen", "https://xn--ooru3l93k.fgw.qingdao.test/") == "200"


def test_no_intranet_site_answers_the_citizen_by_name_host_header_or_address(centre: Centre):
    hosts = {h["name"]: h for h in centre.json("lab", "status")["hosts"]}
    public = centre.on("citizen", "dig", "+short", "fgw.qingdao.test", "A").strip()
    assert "status: NXDOMAIN" in centre.on("citizen", "dig", "fgw.intra.qingdao.test")
    assert centre.fetch("citizen", "https://fgw.intra.qingdao.test/") == "000"
    for address in (hosts["intranet"]["ipv4"], f"[{hosts['intranet']['ipv6']}]"):
        assert centre.fetch("citizen", f"https://{address}/", "-k", "--connect-timeout", "2") == "000"
    for scheme, port in (("https", 443), ("http", 80)):
        seen = centre.fetch(
            "citizen",
            f"{scheme}://fgw.intra.qingdao.test/",
            "-k",
            "--resolve",
            f"fgw.intra.qingdao.test:{port}:{public}",
        )
        assert seen in ("404", "421"), (scheme, seen)


def test_an_intranet_site_answers_its_own_workstation_and_those_it_is_shared_with_only(centre: Centre):
    url = "https://fgw.intra.qingdao.test/"
    for option in ("-4", "-6"):
        assert centre.fetch("fgw", url, option) == "200"
        assert centre.fetch("czj", url, option) == "200", "shared with czj"
        assert centre.fetch("gaj", url, option) == "403"


def test_tenants_do_not_reach_each_other(centre: Centre):
    hosts = {h["name"]: h for h in centre.json("lab", "status")["hosts"]}
    for address in (hosts["czj"]["ipv4"], hosts["czj"]["ipv6"]):
        done = centre.reach("fgw", "ping", "-c1", "-W1", address, check=False)
        assert done.returncode != 0


def test_both_name_servers_give_the_same_answers(centre: Centre):
    names = Names(centre)
    hosts = {h["name"]: h for h in centre.json("lab", "status")["hosts"]}
    for zone in ("qingdao.test", "intra.qingdao.test"):
        first = names.transfer(zone)
        assert first == names.transfer(zone, hosts["ns2"]["ipv4"])
        assert len(first) > 10
    for server in (hosts["ns1"]["ipv4"], hosts["ns2"]["ipv4"]):
        assert centre.on("fgw", "dig", "+short", f"@{server}", "fgw.intra.qingdao.test").strip()


def test_names_cannot_be_changed_or_copied_without_the_key(centre: Centre):
    answer = centre.on("citizen", "dig", "+noall", "+answer", "+comments", "AXFR", "qingdao.test", check=False)
    assert "Transfer failed" in answer
    hosts = {h["name"]: h for h in centre.json("lab", "status")["hosts"]}
    script = f"server {hosts['ns1']['ipv4']}\nzone qingdao.test\nupdate add evil.qingdao.test 60 A 192.0.2.1\nsend\n"
    done = centre.reach("fgw", "nsupdate", stdin=script.encode(), check=False)
    assert b"REFUSED" in done.stderr + done.stdout


def first_password(centre: Centre, tenant: str) -> dict[str, str]:
    return next(row for row in centre.first_passwords() if row["tenant"] == tenant)


def test_a_person_binds_and_sees_the_own_unit_only(centre: Centre):
    """With a password of their own: the first one is good for taking that only."""
    person = first_password(centre, "fgw")
    script = (
        f"ldapsearch -x -LLL -H ldaps://directory.core.qingdao.test -D '{person['dn']}' -y /dev/stdin "
        f"-b 'ou=%s,ou=tenants,{BASE}' '(objectClass=inetOrgPerson)' uid"
    )

    def read(code: str, password: str) -> bytes:
        return centre.reach("fgw", "sh", "-c", script % code, stdin=password.encode(), check=False).stdout

    assert b"uid: " not in read("fgw", person["password"])
    own = Directory(centre).own_passwords("fgw")[person["uid"]]
    assert read("fgw", own).count(b"uid: ") >= 9
    assert b"uid: " not in read("czj", own)


def test_the_server_enforces_the_password_policy(centre: Centre):
    person = first_password(centre, "czj")
    directory = Directory(centre)
    with directory.bind(person["dn"], person["password"]) as connection:
        for short in ("short", "Kx7-pq2Z9"):
            assert not connection.extend.standard.modify_password(person["dn"], person["password"], short)
    with directory.admin() as connection:
        connection.search(person["dn"], "(objectClass=*)", attributes=["userPassword"])
        stored = connection.response[0]["raw_attributes"]["userPassword"][0]
    assert stored.startswith(b"{ARGON2}")


@pytest.mark.parametrize("scope", ["estate", *(f"tenant:{c}" for c in [*PUBLIC, "shinan"])])
def test_the_plan_after_apply_is_empty(centre: Centre, scope: str):
    plan = centre.plan(scope)
    assert plan["changes"] == [] and plan["unmeasured"] == [], json.dumps(plan)[:800]
    assert plan["summary"]["unchanged"] > 0
    assert re.fullmatch(r"[0-9a-f]{64}", plan["digest"])
    assert plan["digest"] == centre.plan(scope)["digest"]


def test_explain_takes_every_kind_of_name(centre: Centre):
    person = first_password(centre, "fgw")
    hosts = {h["name"]: h for h in centre.json("lab", "status")["hosts"]}
    subjects = [
        "fgw", "web", hosts["web"]["ipv4"], hosts["fgw"]["ipv4"], person["dn"], person["uid"],
        "https://fgw.qingdao.test/about", "发改委.fgw.qingdao.test",
    ]  # fmt: skip
    for subject in subjects:
        answer = centre.json("explain", subject)
        assert answer["matches"], subject
        states = {m["state"] for m in answer["matches"]}
        assert not states & {"missing", "drift", "could_not_measure"}, (subject, answer)


def test_export_and_import_again_is_a_no_op(centre: Centre, tmp_path):
    folder = tmp_path / "out"
    centre.run("tenants", "export", str(folder))
    preview = centre.json("tenants", "import", str(folder), "--dry-run")
    assert preview["create"] == [] and preview["update"] == []
    assert centre.plan()["changes"] == []


def test_lab_run_passes_everything_through(centre: Centre):
    awkward = ["a b", "'", '"', "$(id)", "\\", "*", "青岛", "", "--", "-n"]
    done = centre.run("lab", "run", "web", "--", "printf", "%s\n", *awkward)
    assert done.stdout.decode().split("\n")[:-1] == awkward
    blob = bytes(range(256)) * 50
    assert centre.run("lab", "run", "web", "--", "cat", stdin=blob).stdout == blob
    assert centre.run("lab", "run", "web", "--", "sh", "-c", "echo err >&2; exit 42", check=42).stderr == b"err\n"


def test_bring_up_again_is_quick_and_changes_nothing(centre: Centre):
    before = centre.json("runs", "list")["items"][0]["id"]
    centre.run("bringup")
    after = centre.json("runs", "list")["items"]
    assert after[0]["id"] >= before
    assert after[0]["counts"].get("applied", 0) == 0


def test_there_is_no_way_round_tls(centre: Centre):
    refused = centre.run(
        "lab",
        "run",
        "fgw",
        "--",
        "ldapsearch",
        "-x",
        "-H",
        "ldap://directory.core.qingdao.test",
        "-b",
        BASE,
        check=False,
    )
    assert refused.returncode != 0
    assert b"Can't contact LDAP server" in refused.stderr
    person = first_password(centre, "czj")
    with Directory(centre).bind(person["dn"], person["password"]) as connection:
        assert connection.bound
