"""Internet access on the lab's gateway, driven as an operator does: commands, promises, wishes and what they do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Centre
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
PROXY = "http://gateway.core.qingdao.test:3128"
WHY = "http://why.intra.qingdao.test/"


@pytest.fixture(scope="module")
def hosts(centre: Centre) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in centre.json("lab", "status")["hosts"]}


@pytest.fixture(scope="module")
def outside(hosts: dict[str, dict[str, Any]]) -> str:
    """A site on the simulated internet."""
    return f"http://{hosts['citizen']['ipv4']}/"


@pytest.fixture
def as_before(centre: Centre) -> Iterator[None]:
    """For tests that change wishes: they are as they were afterwards, also when the test failed."""
    yield
    for code in ("fgw", "gaj"):
        shown = centre.json("internet", "show", code)
        own = [host for rule in shown["rules"] if rule["owner"] == "tenant" for host in rule["hosts"]]
        options = [word for host in own for word in ("--remove", host)]
        if options or not shown["enabled"]:
            centre.run("internet", "set", code, "--on", *options, "--yes")


def path(centre: Centre, code: str, url: str, reachable: bool) -> dict[str, Any]:
    answer: dict[str, Any] = centre.json("internet", "test", code, url, check=0 if reachable else 1)
    assert answer["reachable"] is reachable, answer
    return answer


def promises(centre: Centre, code: str) -> dict[str, str]:
    rows = centre.json("probes", "run", f"subscription:{code}/internet", check=False)["items"]
    return {row["id"].rsplit("/", 1)[1]: row["state"] for row in rows}


def test_every_promise_is_kept_and_nothing_is_left_to_do(centre: Centre) -> None:
    centre.apply()
    assert promises(centre, "fgw") == {"why": "passed", "refused": "passed", "open": "passed", "neighbour": "passed"}
    assert centre.plan()["changes"] == []


def test_the_list_says_who_has_access_and_how_much_is_used(centre: Centre, outside: str) -> None:
    rows = {row["tenant"]: row for row in centre.json("internet", "list")["items"]}
    assert {row["state"] for row in rows.values()} <= {"on", "warned", "throttled"}
    before = rows["gaj"]["used_octets"]
    centre.shell("gaj", f"for n in 1 2 3 4 5 6 7 8; do curl -s -o /dev/null -x {PROXY} {outside}; done")

    def counted() -> bool:
        found = {row["tenant"]: row for row in centre.json("internet", "list")["items"]}
        return int(found["gaj"]["used_octets"]) >= before + 8 * 500

    wait_until(counted, 30)


def test_the_real_path_is_asked_and_told(centre: Centre, outside: str) -> None:
    answer = path(centre, "fgw", outside, True)
    assert (answer["way"], answer["status"], answer["verdict"]) == ("proxy", 200, "open")
    answer = path(centre, "fgw", "https://www.casino.test/", False)
    assert (answer["verdict"], answer["rule"], answer["since"]) == ("blocked", "centre-gambling", "2026-11-01")
    assert WHY in answer["sees"]
    answer = path(centre, "fgw", "http://www.casino.test/", False)
    assert (answer["status"], answer["rule"]) == (403, "centre-gambling")
    answer = path(centre, "fgw", "https://fgw.intra.qingdao.test/", True)
    assert (answer["way"], answer["proxy"]) == ("direct", None)
    answer = path(centre, "fgw", "http://gaj.example.test/", False)
    assert answer["verdict"] == "no-answer"
    assert "no such name" in answer["sees"]


@pytest.mark.parametrize(
    "argv",
    [
        ("fgw", "ftp://a.test/"),
        ("fgw", "http://a b.test/"),
        ("fgw", "http://user:secret@a.test/"),
        ("fgw", "http://1.2.3.4.5/"),
        ("fgw", "http://a.test/", "--from", "czj"),
        ("shinan", "http://a.test/"),
        ("nobody", "http://a.test/"),
    ],
)
def test_what_cannot_be_asked_is_refused(centre: Centre, argv: tuple[str, ...]) -> None:
    done = centre.run("internet", "test", *argv, check=4)
    assert b"Next:" in done.stderr


@pytest.mark.usefixtures("as_before")
def test_a_host_is_blocked_and_opened_again(centre: Centre, outside: str, hosts: dict[str, dict[str, Any]]) -> None:
    host = hosts["citizen"]["ipv4"]
    done = centre.json("internet", "set", "fgw", "--block", host, "--block", "游戏.example.test",
                       "--reason", "与工作无关", "--reason-en", "Not for work", "--yes")  # fmt: skip
    assert done["rules"] == 1
    answer = path(centre, "fgw", outside, False)
    assert (answer["rule"], answer["reason_zh"], answer["reason_en"]) == ("fgw-10", "与工作无关", "Not for work")
    assert "gasp internet set fgw --remove" in answer["needs"]
    assert path(centre, "fgw", "http://游戏.example.test/", False)["rule"] == "fgw-10"
    assert path(centre, "gaj", outside, True)["status"] == 200
    # the promise follows the wish: that host is now expected to be refused
    assert promises(centre, "fgw")["shut"] == "passed"
    page = centre.on("fgw", "curl", "-s", "-x", PROXY, outside)
    assert "本单位" in page
    assert "whose-tenant" in page
    centre.run("internet", "set", "fgw", "--remove", host, "--remove", "游戏.example.test", "--yes")
    assert path(centre, "fgw", outside, True)["status"] == 200
    assert centre.plan()["changes"] == []


@pytest.mark.usefixtures("as_before")
def test_off_is_off_at_once_and_on_again(centre: Centre, outside: str) -> None:
    centre.run("internet", "set", "gaj", "--off", "--yes")
    answer = path(centre, "gaj", outside, False)
    assert answer["verdict"] == "off"
    assert "gasp internet set gaj --on" in answer["needs"]
    assert promises(centre, "gaj") == {"why": "passed", "shut": "passed", "neighbour": "passed"}
    assert centre.fetch("gaj", WHY) == "200"
    assert path(centre, "fgw", outside, True)["status"] == 200
    centre.run("internet", "set", "gaj", "--on", "--yes")
    assert path(centre, "gaj", outside, True)["status"] == 200


@pytest.mark.usefixtures("as_before")
def test_more_tenants_than_the_limit_are_not_cut_off_by_a_yes(centre: Centre, outside: str) -> None:
    refused = centre.run("internet", "set", "fgw", "--off", "--yes", check=5, env={"GASP_CUT_LIMIT": "0"})
    assert b"takes network access from 1 tenant (fgw); the limit is 0" in refused.stderr
    assert b"--confirm=" in refused.stderr
    assert path(centre, "fgw", outside, True)["status"] == 200
    assert centre.json("internet", "show", "fgw")["enabled"]
    assert centre.plan()["changes"] == []
    # what the refusal names is what the command takes
    word = next(w for w in refused.stderr.decode().split() if w.startswith("--confirm=")).rstrip(".")
    centre.run("internet", "set", "fgw", "--off", word, env={"GASP_CUT_LIMIT": "0"})
    assert path(centre, "fgw", outside, False)["verdict"] == "off"


@pytest.mark.usefixtures("as_before")
def test_entries_that_overlap_are_folded_and_neither_server_warns(  # open-21, open-22
    centre: Centre, tmp_path: Path
) -> None:
    def warnings() -> list[str]:
        said = (line.partition("| ")[2] for line in centre.shell("gateway", "squid -k parse 2>&1").splitlines())
        return [line for line in said if line.startswith(("WARNING", "ERROR", "FATAL"))]

    usual = warnings()
    names = ["edu.example.test", ".edu.example.test", "lib.edu.example.test"]
    addresses = ["192.0.2.0/24", "192.0.2.7", "192.0.2.7/32", "192.0.2.0-192.0.2.255", "2001:db8::/64", "2001:db8::7"]
    blocked = [f"--block={entry}" for entry in [*names, *addresses]]
    done = centre.json("internet", "set", "fgw", *blocked, "--reason", '统计局 ü "list" # \\', "--yes")
    told = [note["detail"] for note in done["notes"]]
    assert len(told) == 6, told
    assert all(any(entry in text for text in told) for entry in ("lib.edu.example.test", "192.0.2.7/32", "2001:db8::7"))
    assert path(centre, "fgw", "http://lib.edu.example.test/", False)["rule"] == "fgw-10"
    assert path(centre, "fgw", "http://192.0.2.9/", False)["rule"] == "fgw-10"
    # direct access over the same kind of entries: sets of nft refuse what overlaps
    folder = tmp_path / "all"
    centre.run("tenants", "export", str(folder))
    document = yaml.safe_load((folder / "fgw.yaml").read_text("utf-8"))
    spec = next(s for s in document["subscriptions"] if s["offering"] == "internet")["spec"]

    def direct(*rows: dict[str, Any]) -> None:
        spec["direct"] = list(rows)
        (folder / "fgw.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
        centre.run("tenants", "import", str(folder / "fgw.yaml"), "--yes")
        centre.apply("tenant:fgw")

    try:
        direct({"to": addresses, "ports": "8443"}, {"to": addresses[:2], "ports": "8443"})
        assert centre.plan()["changes"] == [], "the servers show the folded form, which is what was wished"
        centre.shell("gateway", "nft -c -f /etc/nftables.conf")
        assert warnings() == usual
    finally:
        direct()
    rows = centre.shell("gateway", "cat /etc/squid/gasp/fgw/*").splitlines()
    assert ".edu.example.test" in rows and "lib.edu.example.test" not in rows and "edu.example.test" not in rows
    # what was folded into an entry goes with it
    (shown,) = [r for r in centre.json("internet", "show", "fgw")["rules"] if r["owner"] == "tenant"]
    assert sorted(shown["hosts"]) == [".edu.example.test", "192.0.2.0/24", "2001:db8::/64"]
    centre.run("internet", "set", "fgw", *[f"--remove={host}" for host in shown["hosts"]], "--yes")
    assert path(centre, "fgw", "http://lib.edu.example.test/", False)["verdict"] != "blocked"
    assert centre.plan()["changes"] == []


def test_bad_entries_are_refused_together_and_change_nothing(centre: Centre) -> None:  # open-21
    before = centre.json("internet", "show", "fgw")
    bad = ["news.example.test\nhttp_access allow all", "a.example.test # weekly", '"b.example.test"', "-n",
           "010.020.005.007"]  # fmt: skip
    options = [f"--block={entry}" for entry in ["good.example.test", *bad]]
    done = centre.run("internet", "set", "fgw", *options, "--reason", "x", "--yes", check=4)
    said = done.stderr.decode()
    for number in range(1, 6):
        assert f"block[{number}]" in said
    assert "block[0]" not in said
    assert centre.json("internet", "show", "fgw")["rules"] == before["rules"]
    assert centre.plan()["changes"] == []


def test_two_tenants_meet_when_both_agreed(
    centre: Centre, hosts: dict[str, dict[str, Any]], tmp_path: Path
) -> None:  # fmt: skip
    folder = tmp_path / "wishes"

    def wish(*peers: tuple[str, str]) -> None:
        centre.run("tenants", "export", str(folder / "all"))
        for code in ("fgw", "gaj"):
            file = folder / "all" / f"{code}.yaml"
            document = yaml.safe_load(file.read_text("utf-8"))
            spec = next(s for s in document["subscriptions"] if s["offering"] == "internet")["spec"]
            spec["peers"] = [other for own, other in peers if own == code]
            file.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
            centre.run("tenants", "import", str(file), "--yes")
            file.unlink()
        shutil.rmtree(folder / "all")
        centre.apply()

    def pings(own: str, other: str) -> list[bool]:
        return [
            centre.reach(own, "ping", "-n", "-c", "1", "-W", "2", hosts[other][family], check=False)
            .returncode == 0
            for family in ("ipv4", "ipv6")
        ]  # fmt: skip

    wish(("fgw", "gaj"))
    assert pings("fgw", "gaj") == [False, False]
    assert centre.json("internet", "show", "fgw")["peers"] == [{"tenant": "gaj", "agreed": False}]
    wish(("fgw", "gaj"), ("gaj", "fgw"))
    assert pings("fgw", "gaj") == [True, True]
    assert pings("gaj", "fgw") == [True, True]
    assert pings("czj", "fgw") == [False, False]
    wish()
    assert pings("fgw", "gaj") == [False, False]


def test_sheet_and_proxy_file_are_made_for_the_tenant(centre: Centre, tmp_path: Path) -> None:
    text = centre.run("internet", "sheet", "fgw").stdout.decode()
    shown = centre.json("internet", "show", "fgw")
    for words in ("市发展和改革委员会", "Development and Reform Commission", shown["v4"], shown["v6"],
                  "gateway.core.qingdao.test:3128", f"{WHY}proxy.pac", "0532-5550-1757"):  # fmt: skip
        assert words in text, words
    file = tmp_path / "fgw.pdf"
    centre.run("internet", "sheet", "fgw", "--format", "pdf", "--output", str(file))
    assert file.read_bytes().startswith(b"%PDF-")
    assert b"<script" not in centre.run("internet", "sheet", "fgw", "--format", "html").stdout
    printed = centre.run("internet", "pac", "fgw").stdout.decode()
    assert centre.on("fgw", "curl", "-s", f"{WHY}proxy.pac").strip() == printed.strip()
    assert centre.on("czj", "curl", "-s", f"{WHY}proxy.pac").strip() != printed.strip()
    # only tenants' networks are answered: the outside and the core are not
    assert centre.fetch("citizen", WHY) == "000"
    gateway = json.loads(centre.run("lab", "status", "-o", "json").stdout)
    address = next(h["ipv4"] for h in gateway["hosts"] if h["name"] == "gateway")
    assert centre.fetch("citizen", f"http://{address}/") == "000"
    assert centre.fetch("web", f"http://{address}/", "--connect-timeout", "3") == "000"
