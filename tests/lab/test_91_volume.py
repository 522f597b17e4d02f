"""A month that is used up on the real gateway: told twice, slower and not cut, fast again in the next month. What a
kill in the middle of traffic costs. Hours and days of rules in the real proxy."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.model.errors import TemporaryError
from control_plane.model.volume import ZONE, month_end
from tests.conftest import Centre
from tests.lab.gateway_world import MEGA, made_driver
from tests.lab.test_98_audit_mail import deliver
from tests.lab.world import Mailbox
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
PROXY = "http://gateway.core.qingdao.test:3128"
PROGRAM = "python3 -I /usr/local/lib/gasp/gateway.py"
STATE = "/var/lib/gasp/gateway/usage.json"
LIAISON = "yangxiaochuan@qingdao.test"
SINK = 8097
VIDEO = "http://www.video.test/"
MIB = 2**20
Wish = Callable[..., None]


@pytest.fixture(scope="module")
def outside(centre: Centre) -> Iterator[str]:
    """A site on the simulated internet with a large file, and a door that swallows uploads."""
    code = (
        "import http.server as h\nclass H(h.BaseHTTPRequestHandler):\n def do_PUT(self):\n"
        "  left=int(self.headers['content-length'])\n  while left: left-=len(self.rfile.read(min(left,65536)))\n"
        f"  self.send_response(200)\n  self.end_headers()\nh.ThreadingHTTPServer(('',{SINK}),H).serve_forever()"
    )
    unit = "systemd-run -q --collect --unit=gasp-test-91"
    centre.shell("citizen", f'truncate -s 200M /var/www/html/big; {unit} python3 -c "{code}"')
    wait_until(lambda: centre.shell("citizen", f"ss -Hltn sport = :{SINK}") != "", 60)
    yield str(next(h["ipv4"] for h in centre.json("lab", "status")["hosts"] if h["name"] == "citizen"))
    centre.shell("citizen", "systemctl stop gasp-test-91")


@pytest.fixture
def wish(centre: Centre, tmp_path: Path) -> Iterator[Wish]:
    """`wish("gaj", limits={...})` imports another form of internet access and applies it; undone at the end."""
    before: dict[str, Any] = {}

    def make(code: str, **changes: Any) -> None:
        folder = tmp_path / f"all-{len(list(tmp_path.iterdir()))}"
        centre.run("tenants", "export", str(folder))
        document = yaml.safe_load((folder / f"{code}.yaml").read_text("utf-8"))
        row = next(s for s in document["subscriptions"] if s["offering"] == "internet")
        before.setdefault(code, row["spec"])
        row["spec"] = json.loads(json.dumps({**before[code], **changes}))  # no value stands for another one
        file = tmp_path / f"{code}.yaml"
        file.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
        centre.run("tenants", "import", str(file), "--yes")
        centre.apply(f"subscription:{code}/internet")

    yield make
    for code in list(before):
        make(code)


@pytest.fixture
def by_hand(centre: Centre) -> Iterator[Mailbox]:
    """No worker but when a test says so; an empty mailbox. The gateway's volumes are as they were in the end."""
    centre.run("worker", "stop")
    deliver(centre)
    box = Mailbox(centre)
    box.empty()
    centre.shell("gateway", f"cp {STATE} /root/usage.before")
    yield box
    centre.shell(
        "gateway",
        f"systemctl stop gasp-meter; cp /root/usage.before {STATE}; rm /root/usage.before; systemctl start gasp-meter",
    )
    centre.run("worker", "start")


def volumes(centre: Centre, **environment: str) -> None:
    """The worker's look at the volumes, once."""
    centre.run("worker", "run", "--once", "--chore", "volume", env=environment)


def shown(centre: Centre, code: str = "gaj") -> dict[str, Any]:
    return dict(centre.json("internet", "show", code))


def load(centre: Centre, code: str, outside: str, octets: int) -> None:
    options = f"-s -o /dev/null -w '%{{http_code}}' -r 0-{octets - 1} -x {PROXY}"
    assert centre.shell(code, f"curl {options} http://{outside}/big") == "206"


def rate(centre: Centre, code: str, outside: str, seconds: int) -> float:
    """kbit/s of a download through the proxy."""
    options = f"-s -o /dev/null -m {seconds} -w '%{{speed_download}}' -x {PROXY}"
    return float(centre.shell(code, f"curl {options} http://{outside}/big || true")) * 8 / 1000


def upload(centre: Centre, code: str, outside: str, octets: int) -> float:
    """kbit/s of an upload through the proxy, until the server outside has all of it."""
    options = f"-s -o /dev/null -H Expect: -T /tmp/sent -w '%{{speed_upload}}' -x {PROXY}"
    script = f"head -c {octets} /dev/zero > /tmp/sent; curl {options} http://{outside}:{SINK}/"
    return float(centre.shell(code, script)) * 8 / 1000


def told(status: str) -> str:
    """What a status says of the rules: a name without address gets 502 or 503 once it is let through."""
    assert status in ("200", "403", "502", "503")
    return "refused" if status == "403" else "open"


def subjects(box: Mailbox, address: str) -> list[str]:
    return [str(mail["Subject"]) for mail in box.to(address)]


def test_a_month_is_warned_of_used_up_slower_and_fast_again(
    centre: Centre, outside: str, wish: Wish, by_hand: Mailbox
) -> None:
    used = int(shown(centre)["used_octets"])
    month = used // MIB + 20
    wish("gaj", limits={"month_mib": month, "down_kbit": 20_000, "up_kbit": 20_000})
    assert shown(centre)["state"] == "on" or used * 100 >= month * MIB * 80
    load(centre, "gaj", outside, int(month * MIB * 0.86) - used)
    wait_until(lambda: shown(centre)["state"] == "warned", 60)
    # the worker is killed while the mail goes out, and looks again and again
    volumes(centre)
    assert deliver(centre, GASP_FAULT="kill:mail.handed_over").returncode == -signal.SIGKILL
    for _ in range(2):
        volumes(centre)
        deliver(centre)
    (warned,) = by_hand.wait(LIAISON, 1)
    assert "80 %" in warned["Subject"] and "市公安局" in warned["Subject"]
    row = shown(centre)
    until = month_end(f"{datetime.now(ZONE):%Y-%m}")
    assert datetime.fromisoformat(row["until"]) == until
    for words in (f"{month} MiB", "1 Mbit/s", f"{until:%Y-%m-%d %H:%M}", "不断网", "变更此服务"):
        assert words in warned.get_content(), words
    assert "80 %" in subjects(by_hand, "operators@qingdao.test")[0]

    # nobody looks while the rest is used; the gateway throttles by itself
    load(centre, "gaj", outside, int(month * MIB * 0.18))
    early = shown(centre)  # counted just now; the gateway itself looks every five seconds
    slowed = "elements" in centre.shell("gateway", "nft list set inet gw throttled")
    assert early["throttled_at"] and (early["state"] == "warned" or slowed), "never told before it is so"
    wait_until(lambda: shown(centre)["state"] == "throttled", 60)
    assert "elements" in centre.shell("gateway", "nft list set inet gw throttled")
    assert rate(centre, "gaj", outside, 6) == pytest.approx(1000, rel=0.25), "slower, and not cut"
    assert upload(centre, "gaj", outside, MEGA // 2) == pytest.approx(1000, rel=0.25)
    said = centre.run("internet", "show", "gaj", env={"GASP_LANGUAGE": "en"}).stdout.decode()
    assert "slowed to 1 Mbit/s, never cut, until" in said
    for _ in range(2):
        volumes(centre)
        deliver(centre)
    warned, used_up = by_hand.wait(LIAISON, 2)
    assert sorted("已用完" in m["Subject"] for m in (warned, used_up)) == [False, True]
    assert {s for s in subjects(by_hand, "operators@qingdao.test") if "已用完" in s}

    # the clock of the gateway is an input: the next month begins
    centre.shell("gateway", f"GASP_GATEWAY_NOW={(until + timedelta(seconds=5)).isoformat()} {PROGRAM} save")
    wait_until(lambda: shown(centre)["state"] == "on", 60)
    assert "elements" not in centre.shell("gateway", "nft list set inet gw throttled")
    assert rate(centre, "gaj", outside, 4) == pytest.approx(20_000, rel=0.25)
    volumes(centre)
    deliver(centre)
    assert len(by_hand.to(LIAISON)) == 2, "each mark once; none is told again when its month has ended"


def test_a_kill_in_the_middle_of_traffic_loses_ten_seconds_at_most(centre: Centre, outside: str, wish: Wish) -> None:
    driver, runner = made_driver(centre)

    def counted() -> int:
        return int(driver.usage("gateway")["czj"]["down"])  # type: ignore[attr-defined]

    wish("czj", limits={"down_kbit": 8000})
    start, kbyte = counted(), 1000
    centre.shell("czj", "rm -f /tmp/got")
    fetch = ["sh", "-c", f"curl -s -o /tmp/got -m 60 -x {PROXY} http://{outside}/big; stat -c %s /tmp/got"]
    with contextlib.ExitStack() as stack:
        child = stack.enter_context(
            subprocess.Popen(
                ["gasp", "lab", "run", "czj", "--", *fetch],
                env=centre.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )
        size = "stat -c %s /tmp/got 2>/dev/null || echo 0"
        wait_until(lambda: int(runner.run("czj", ["sh", "-c", size], b"", 60).stdout) > 14 * MEGA, 40)
        with contextlib.suppress(TemporaryError):
            kill = "systemctl kill -s KILL gasp-meter squid; nft delete table inet gw; systemctl reboot -ff"
            runner.run("gateway", ["sh", "-c", kill], b"", 20)

        def back() -> bool:
            with contextlib.suppress(TemporaryError):
                said = runner.run("gateway", ["systemctl", "is-active", "gasp-meter", "squid", "nftables"], b"", 20)
                return bool(said.stdout.split() == [b"active"] * 3)
            return False

        wait_until(back, 60)
        runner.run("czj", ["pkill", "-x", "curl"], b"", 20)
        assert child.stdout is not None
        got = int(child.stdout.read().split()[-1])
    assert got > 14 * MEGA
    assert got - 10 * 1000 * kbyte <= counted() - start <= got * 1.06, "8 Mbit/s are 1,000 kB a second"


def test_hours_and_days_of_rules_are_those_of_the_centre(centre: Centre, outside: str, wish: Wish) -> None:
    """A category and a host that are open in certain hours only: now, now on other days, at other hours today."""
    now = datetime.now(ZONE)
    days, today = "MTWHFAS", "MTWHFAS"[now.weekday()]
    first, last = now.replace(hour=0, minute=0), now.replace(hour=23, minute=59)
    around = {"begin": f"{max(now - timedelta(hours=1), first):%H:%M}",
              "end": f"{min(now + timedelta(hours=1), last):%H:%M}"}  # fmt: skip
    elsewhere = {"begin": "00:00", "end": "09:00"} if now.hour >= 12 else {"begin": "14:00", "end": "23:59"}

    def rules(hours: dict[str, str]) -> list[dict[str, Any]]:
        common = {"since": "2026-11-20", "reason": {"zh": "测量", "en": "Measured"}}
        return [
            {"number": 10, "action": "allow", "category": "video", "hours": hours, **common},
            {"number": 20, "action": "allow", "hosts": [outside], "hours": hours, **common},
            {"number": 30, "action": "block", "category": "video", **common},
            {"number": 40, "action": "block", "hosts": [outside], **common},
        ]

    def seen() -> list[str]:
        """What is said to the site outside, and to one of the category, which has no address."""
        ask = f"curl -s -o /dev/null -w '%{{http_code}} ' -m 20 -x {PROXY}"
        return [told(status) for status in centre.shell("fgw", f"{ask} http://{outside}/; {ask} {VIDEO}").split()]

    wish("fgw", rules=rules({"days": today, **around}))
    assert seen() == ["open", "open"]
    assert centre.plan("subscription:fgw/internet")["changes"] == []
    wish("fgw", rules=rules({"days": days.replace(today, ""), **around}))
    assert seen() == ["refused", "refused"], "the same hours of the other days"
    path = centre.json("internet", "test", "fgw", f"http://{outside}/", check=1)
    assert (path["verdict"], path["rule"]) == ("blocked", "fgw-40")
    wish("fgw", rules=rules({"days": days, **elsewhere}))
    assert seen() == ["refused", "refused"], "other hours of every day"


def test_office_hours_of_the_centre_are_working_days(centre: Centre) -> None:
    """The rule that nobody chose: video is closed Monday to Friday from 08:00 to 18:00, by the proxy's own clock."""
    before = datetime.now(ZONE)
    status = centre.fetch("jyj", VIDEO, "-x", PROXY)
    if f"{datetime.now(ZONE):%H:%M}" == f"{before:%H:%M}":
        office = before.weekday() < 5 and "08:00" <= f"{before:%H:%M}" <= "18:00"
        assert told(status) == ("refused" if office else "open")
    policy = json.loads(centre.shell("gateway", "cat /etc/squid/gasp/jyj/why.json"))
    assert policy["rules"][-1]["hours"] == {"days": "MTWHF", "begin": "08:00", "end": "18:00"}
