"""What people see when something is closed: real Chromium on a workstation, with the proxy file of its department."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Centre
from tests.lab.browser import visit
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
WHY = "http://why.intra.qingdao.test/"
CLOSED, CLOSED_TLS = "http://www.casino.test/a?<script>alert(1)</script>", "https://secure.casino.test/"


@pytest.fixture(scope="module")
def pictures() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def seen(centre: Centre, pictures: Path) -> dict[str, dict[str, Any]]:
    """All pages, opened by one browser in this order."""
    outside = next(h["ipv4"] for h in centre.json("lab", "status")["hosts"] if h["name"] == "citizen")
    visits = [
        {"url": f"http://{outside}/"},
        {"url": CLOSED, "shot": str(pictures / "refused")},
        {"url": CLOSED_TLS},
        {"url": "https://fgw.intra.qingdao.test/"},
        {"url": WHY, "shot": str(pictures / "why")},
    ]
    found = visit(centre, "fgw", f"{WHY}proxy.pac", visits)
    return dict(zip(("open", "closed", "closed-tls", "own", "why"), found, strict=True))


def test_what_is_allowed_opens_and_what_is_ours_opens_directly(seen: dict[str, dict[str, Any]]) -> None:
    assert (seen["open"]["status"], seen["open"]["error"]) == (200, None)
    assert (seen["own"]["status"], seen["own"]["error"]) == (200, None)


def test_a_closed_page_says_in_both_languages_why_whose_since_when_and_how_to_ask(
    seen: dict[str, dict[str, Any]],
) -> None:
    page = seen["closed"]
    assert page["status"] == 403
    for words in ("此网址不允许访问", "Access to this address is refused", "赌博网站在政务网上一律禁止",
                  "Gambling is not allowed on the government network", "centre-gambling", "计算机中心",
                  "The computer centre", "2026-11-01", "0532-5550-1757", "why.intra.qingdao.test"):  # fmt: skip
        assert words in page["text"], words
    assert "本单位 Your department" not in page["text"]
    assert (page["scripts"], page["dialogs"]) == (0, [])
    assert {url.split("/")[2] for url in page["asked"]} == {"www.casino.test"}


def test_an_encrypted_one_ends_in_the_browsers_own_error(seen: dict[str, dict[str, Any]]) -> None:
    assert "ERR_TUNNEL_CONNECTION_FAILED" in seen["closed-tls"]["error"]


def test_the_page_tells_this_machine_about_both(seen: dict[str, dict[str, Any]]) -> None:
    page = seen["why"]
    assert page["status"] == 200
    for words in ("为什么打不开", "Why does it not open?", "secure.casino.test", "www.casino.test", "centre-gambling",
                  "计算机中心（全网统一）", "The computer centre, for everybody", "2026-11-01", "HTTPS",
                  "市发展和改革委员会", "怎样申请放行", "How to ask for an exception", "0532-5550-1757"):  # fmt: skip
        assert words in page["text"], words
    assert page["text"].index("secure.casino.test") < page["text"].index("www.casino.test")
    assert (page["scripts"], page["dialogs"]) == (0, [])
    assert {url.split("/")[2] for url in page["asked"] if not url.endswith("favicon.ico")} == {"why.intra.qingdao.test"}


def test_pages_fit_a_telephone(seen: dict[str, dict[str, Any]]) -> None:
    assert not any(seen["closed"]["overflow"] + seen["why"]["overflow"])


def test_another_machine_is_told_nothing_of_it(centre: Centre, seen: dict[str, dict[str, Any]]) -> None:
    text = centre.on("czj", "curl", "-s", "-m", "10", WHY)
    assert "为什么打不开" in text
    assert "casino.test" not in text
    assert "市财政局" in text


def test_one_machine_is_one_machine_by_ipv4_and_ipv6(centre: Centre) -> None:
    """A browser may have asked the proxy by the one and asks the page by the other."""
    proxy = "http://gateway.core.qingdao.test:3128"
    centre.fetch("jyj", "http://four.casino.test/", "-4", "-x", proxy)
    centre.fetch("jyj", "http://six.casino.test/", "-6", "-x", proxy)
    for family in ("-4", "-6"):
        told = json.loads(centre.on("jyj", "curl", "-s", "-m", "10", family, f"{WHY}refusals.json"))
        assert [row["host"] for row in told["refusals"][:2]] == ["six.casino.test", "four.casino.test"]


def test_a_program_that_cannot_start_for_a_while_is_tried_for_ever(centre: Centre) -> None:
    """Its addresses may come late when the gateway starts; systemd's usual limit is five starts in ten seconds."""
    for unit in ("gasp-why", "gasp-meter", "gasp-access"):
        assert centre.on("gateway", "systemctl", "show", unit, "-p", "StartLimitIntervalUSec", "--value").strip() == "0"
    for _ in range(6):
        centre.on("gateway", "systemctl", "kill", "-s", "KILL", "gasp-why")
        wait_until(lambda: centre.fetch("fgw", WHY) == "200", 180, "the page is back")
