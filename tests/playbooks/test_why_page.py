"""The page that explains refusals: the gateway's own program, on loopback, with a log and rules of our making."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.internet import PROXY_LOG_COLUMNS
from tests.ports import free_port
from tests.waiting import wait_until

PROGRAM = Path(__file__).parents[2] / "playbooks/roles/gateway/files/why.py"
HOURS = {"days": "MTWHF", "begin": "08:00", "end": "18:00"}


def rule(id_: str, owner: str, category: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": id_, "action": "block", "hosts": [], "category": category, "hours": None, "owner": owner,
            "since": "2026-11-20", "reason_zh": "与工作无关 <b>", "reason_en": "Not for work", **more}  # fmt: skip


POLICY = {
    "tenant": "fgw",
    "name_zh": "市发展和改革委员会",
    "name_en": "Development and Reform Commission",
    "contact": {"name": "信息科", "phone": "8123", "email": ""},
    "pac": "function FindProxyForURL(url, host) { return 'DIRECT'; }",
    "v4": "127.0.0.0/9",
    "v6": "::1/128",
    "rules": [rule("fgw-10", "tenant"), rule("centre-video", "centre", "video", hours=HOURS)],
}
STRANGER = POLICY | {"tenant": "gaj", "v4": "127.128.0.0/9", "v6": "fd00::/64", "pac": "another"}


def line(client: str, url: str, rule_id: str, method: str = "GET", result: str = "TCP_DENIED", at: float = 1.0) -> str:
    row = dict.fromkeys(PROXY_LOG_COLUMNS, "-") | {
        "time": f"{1795000000 + at:.3f}", "client": client, "client_port": "4711", "method": method, "url": url,
        "status": "403", "result": result, "octets_up": "1", "octets_down": "2", "rule": rule_id,
    }  # fmt: skip
    return "\t".join(row[column] for column in PROXY_LOG_COLUMNS) + "\n"


class Page:
    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.log, self.rules = port, folder / "gasp.log", folder / "rules"

    def get(self, path: str = "/", source: str = "127.0.0.1", method: str = "GET") -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10, source_address=(source, 0))
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.headers)
        finally:
            connection.close()

    def refused(self, source: str = "127.0.0.1") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.get("/refusals.json", source)[1])["refusals"]
        return found


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    port = free_port()
    made = Page(port, tmp_path)
    for policy in (POLICY, STRANGER):
        (made.rules / str(policy["tenant"])).mkdir(parents=True)
        (made.rules / str(policy["tenant"]) / "why.json").write_text(json.dumps(policy), "utf-8")
    argv = [sys.executable, "-I", str(PROGRAM), "--log", str(made.log), "--rules", str(made.rules)]
    process = subprocess.Popen([*argv, "--port", str(port), "127.0.0.1"], stderr=subprocess.PIPE)

    def answers() -> bool:
        try:
            return made.get()[0] == 200
        except OSError:
            return False

    try:
        wait_until(answers, 60)
        yield made
    finally:
        process.kill()
        process.communicate()


def test_a_machine_sees_its_own_refusals_newest_first(page: Page) -> None:
    page.log.write_text(
        line("127.0.0.1", "http://www.games.test/x", "fgw-10", at=1)
        + line("127.0.0.2", "http://secret.test/", "fgw-10", at=2)
        + line("127.0.0.1", "http://open.test/", "fgw-10", result="TCP_MISS", at=3)
        + line("127.0.0.1", "video.test:443", "centre-video", "CONNECT", at=4)
        + "half a line",
        "utf-8",
    )
    assert [(r["host"], r["rule"]) for r in page.refused()] == [
        ("video.test", "centre-video"),
        ("www.games.test", "fgw-10"),
    ]
    status, text, headers = page.get()
    assert status == 200
    for word in ("video.test", "centre-video", "周一至周五 08:00–18:00", "Mon–Fri 08:00–18:00",
                 "计算机中心（全网统一）", "市发展和改革委员会",
                 "fgw-10", "2026-11-20", "信息科 · 8123", "Not for work", "HTTPS"):  # fmt: skip
        assert word in text, word
    assert "secret.test" not in text
    assert "与工作无关 &lt;b&gt;" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert [r["host"] for r in page.refused("127.0.0.2")] == ["secret.test"]


def test_the_centre_is_told_of_a_whole_department_and_not_who_asked(page: Page) -> None:
    argv = [sys.executable, "-I", str(PROGRAM), "--log", str(page.log), "--rules", str(page.rules), "--tenant"]
    assert subprocess.run([*argv, "fgw"], capture_output=True).returncode == 1, "no log is not an empty one"
    page.log.write_text(
        line("127.0.0.1", "http://www.games.test/x", "fgw-10", at=1)
        + line("127.3.0.2", "http://www.games.test/y", "fgw-10", at=2)
        + line("127.200.0.2", "http://of.another.test/", "gaj-10", at=3),
        "utf-8",
    )
    told = json.loads(subprocess.run([*argv, "fgw"], capture_output=True, check=True).stdout)
    assert [(r["host"], r["count"], r["rule"]) for r in told["refusals"]] == [("www.games.test", 2, "fgw-10")]
    assert "127." not in json.dumps(told)
    assert subprocess.run([*argv, "zzz"], capture_output=True).returncode == 1


def test_a_chinese_name_is_shown_as_it_is_typed(page: Page) -> None:
    page.log.write_text(line("127.0.0.1", "http://xn--unup4y.example.test/", "fgw-10"), "utf-8")
    assert "游戏.example.test (xn--unup4y.example.test)" in page.get()[1]


def test_the_same_again_and_again_is_told_once(page: Page) -> None:
    rows = [line("127.0.0.1", f"http://ads.test/{n}", "fgw-10", at=n) for n in range(30)]
    page.log.write_text(line("127.0.0.1", "http://first.test/", "fgw-10") + "".join(rows), "utf-8")
    assert [(r["host"], r["count"]) for r in page.refused()] == [("ads.test", 30), ("first.test", 1)]
    text = page.get()[1]
    assert text.count("<article>") == 2
    assert "30 次" in text
    page.log.write_text("".join(line("127.0.0.1", f"http://h{n}.test/", "fgw-10") for n in range(40)), "utf-8")
    assert [r["host"] for r in page.refused()] == [f"h{n}.test" for n in range(39, 19, -1)]


@pytest.mark.parametrize(
    "url",
    ["http://a.test/<script>alert(1)</script>", "http://<script>alert(1)</script>/", "http://[::1", "%3Cscript%3E",
     'http://a.test" onload="x/', "javascript:alert(1)"],
)  # fmt: skip
def test_what_was_asked_for_cannot_become_markup(page: Page, url: str) -> None:
    page.log.write_text(line("127.0.0.1", url, "fgw-10") + line("127.0.0.1", url, "<img src=x>"), "utf-8")
    status, text, _ = page.get()
    assert status == 200
    for markup in ("<script", "<img", 'onload="', 'href="javascript'):
        assert markup not in text


@pytest.mark.parametrize(
    ("rule_id", "word"),
    [
        ("otherwise", "Your department opens only the sites"),
        ("centre/inside", "Addresses inside are not opened by the proxy"),
        ("centre%2Fports", "ports of web pages only"),
        ("fgw-99", "has been changed or removed since"),
    ],
)
def test_what_no_rule_of_a_list_decided_is_explained_too(page: Page, rule_id: str, word: str) -> None:
    page.log.write_text(line("127.0.0.1", "http://a.test/", rule_id), "utf-8")
    assert word in page.get()[1]


def test_who_is_switched_off_is_told_so(page: Page) -> None:
    """Nothing of it is in the proxy's log, and the site is not to blame."""
    page.log.write_text("")
    assert "已关闭" not in page.get()[1]
    (page.rules / "fgw" / "why.json").write_text(json.dumps(POLICY | {"enabled": False}), "utf-8")
    wait_until(lambda: "已关闭" in page.get()[1], 60)
    text = page.get()[1]
    assert "Internet access of your department is switched off" in text
    assert "Nothing was refused" not in text
    assert json.loads(page.get("/refusals.json")[1])["enabled"] is False


def test_the_proxy_file_is_that_of_the_asking_network(page: Page) -> None:
    status, text, headers = page.get("/proxy.pac")
    assert (status, text) == (200, POLICY["pac"])
    assert headers["Content-Type"] == "application/x-ns-proxy-autoconfig"
    assert page.get("/proxy.pac", "127.200.0.1")[1] == "another"
    (page.rules / "gaj" / "why.json").unlink()
    wait_until(lambda: page.get("/proxy.pac", "127.200.0.1")[0] == 403, 60)
    assert page.get("/", "127.200.0.1")[0] == 200


def test_new_rules_are_seen_and_broken_ones_harm_nobody(page: Page) -> None:
    (page.rules / "gaj" / "why.json").write_text("{half", "utf-8")
    changed = POLICY | {"pac": "changed"}
    (page.rules / "fgw" / "why.json").write_text(json.dumps(changed), "utf-8")
    wait_until(lambda: page.get("/proxy.pac")[1] == "changed", 60)


def test_a_long_and_a_rotated_log_are_read_from_their_end(page: Page) -> None:
    filler = line("127.0.0.9", "http://other.test/" + "x" * 200, "fgw-10")
    page.log.with_name("gasp.log.1").write_text(line("127.0.0.1", "http://before.test/", "fgw-10"), "utf-8")
    page.log.write_text(line("127.0.0.1", "http://first.test/", "fgw-10") + filler * 20000, "utf-8")
    with page.log.open("a", encoding="utf-8") as log:
        log.write(line("127.0.0.1", "http://last.test/", "fgw-10"))
    assert [r["host"] for r in page.refused()] == ["last.test", "first.test", "before.test"]
    page.log.unlink()
    assert [r["host"] for r in page.refused()] == ["before.test"]


def test_only_what_is_there_can_be_asked(page: Page) -> None:
    assert page.get("/../etc/passwd")[0] == 404
    assert page.get("/", method="POST")[0] == 501
    status, text, headers = page.get("/", method="HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 1000
