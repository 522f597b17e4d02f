"""The access record on the real gateway: requests and connections of a workstation, kills, gaps, searches, purge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Centre
from tests.lab.gateway_world import Gateway, rule
from tests.lab.world import address
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
CASE = ("--case", "Q-2026-118", "--reason", "police query")
SPOOL = "/var/lib/gasp/access"


@pytest.fixture(scope="module")
def gateway(centre: Centre) -> Gateway:
    """Two tenants with the proxy, one of them with direct access to the simulated internet as well."""
    made = Gateway(centre)
    outside = address(centre, "citizen")
    web, four, six = {"protocol": "tcp", "ports": "80"}, made.hosts["fgw"]["ipv4"], made.hosts["fgw"]["ipv6"]
    made.network("fgw", direct=[{"source": four, "to": outside, **web}, {"source": six, "to": "::/0", **web}])
    made.proxy("fgw", rule("t-1", "block", ["blocked.test"]))
    made.network("czj")
    made.proxy("czj")
    made.settle()
    wait_until(lambda: made.proxied("czj", f"http://{outside}/") == "200", 30, "the proxy of czj")
    wait_until(lambda: centre.fetch("fgw", f"http://{outside}/") == "200", 30, "direct access of fgw")
    return made


@pytest.fixture(scope="module", autouse=True)
def _undone(centre: Centre, gateway: Gateway) -> Any:
    """The worker collects too, and only one can: it waits until these tests are over."""
    centre.run("worker", "stop")
    yield
    centre.run("worker", "start")
    gateway.as_before()


def collect(centre: Centre) -> Any:
    answer = centre.json("record", "collect")
    assert answer["state"] == "done", answer
    return answer


def log(centre: Centre, *options: str, minutes: float = 10, check: bool | int = True) -> Any:
    now = datetime.now(UTC)
    window = ("--from", (now - timedelta(minutes=minutes)).isoformat(), "--to", now.isoformat())
    return centre.json("internet", "log", *CASE, *window, *options, check=check)


def main_pid(centre: Centre) -> str:
    return centre.shell("gateway", "systemctl show -p MainPID --value gasp-access").strip()


def running(centre: Centre) -> bool:
    script = f"systemctl is-active -q gasp-access && ls {SPOOL}/*.open"
    return bool(centre.shell("gateway", script, check=False).strip())


def test_requests_and_connections_appear_with_their_mapping_for_the_right_tenant(centre: Centre, gateway: Gateway):
    outside = address(centre, "citizen")
    collect(centre)
    centre.fetch("fgw", f"http://{outside}/", "--local-port", "45001")
    six = gateway.hosts["citizen"]["ipv6"]
    assert centre.fetch("fgw", f"http://[{six}]/", "-g", "--local-port", "45003") == "200"
    assert gateway.proxied("czj", f"http://{outside}/seen-by-proxy") in ("200", "404")
    assert gateway.proxied("fgw", "http://blocked.test/") == "403"

    def recorded() -> Any:
        """The lines as soon as the last request is among them: when the proxy's log is turned, that takes seconds."""
        collect(centre)
        found = log(centre, "--address", gateway.hosts["fgw"]["ipv4"])["lines"]
        return found if any(x["host"] == "blocked.test" for x in found) else None

    lines = wait_until(recorded, 30, "the refused request")
    direct = [x for x in lines if x["kind"] == "direct" and x["port"] == 45001]
    assert direct, lines
    nat = address_outside(centre)
    for line in direct:
        assert (line["tenant"], line["server"], line["server_port"]) == ("fgw", outside, 80)
        assert line["nat"] == nat and line["nat_port"]
    over_six = [x for x in log(centre, "--address", gateway.hosts["fgw"]["ipv6"])["lines"] if x["port"] == 45003]
    assert over_six
    assert {(x["kind"], x["tenant"], x["server"], x["server_port"]) for x in over_six} == {("direct", "fgw", six, 80)}
    (refused,) = [x for x in lines if x["host"] == "blocked.test"][-1:]
    assert (refused["verdict"], refused["kind"], refused["tenant"]) == ("refused", "proxy", "fgw")
    assert refused["rule"]
    asked = log(centre, "--nat-address", nat, "--nat-port", str(direct[0]["nat_port"]))["lines"]
    assert {(x["tenant"], x["address"]) for x in asked} == {("fgw", gateway.hosts["fgw"]["ipv4"])}
    found = log(centre, "--tenant", "czj", "--host", outside)["lines"]
    proxied = [x for x in found if x["kind"] == "proxy"]
    assert proxied
    assert all(x["nat"] == nat and x["nat_port"] and x["octets_down"] > 0 for x in proxied[-1:])
    assert centre.json("record", "verify")["ok"]


def address_outside(centre: Centre) -> str:
    plan = centre.shell("gateway", "ip -4 -o addr show dev inet0 scope global")
    return next(words[3].split("/")[0] for words in map(str.split, plan.splitlines()) if words[3].endswith("/24"))


def test_a_killed_spool_is_a_marked_gap_and_no_request_of_the_proxy_is_lost_or_double(centre: Centre, gateway: Gateway):
    outside, began = address(centre, "citizen"), datetime.now(UTC)
    for number in range(3):
        gateway.proxied("czj", f"http://{outside}/kill-{number}")
    before = main_pid(centre)
    centre.shell("gateway", f"kill -9 {before}")
    for number in range(3, 6):
        gateway.proxied("czj", f"http://{outside}/kill-{number}")
    wait_until(lambda: main_pid(centre) not in (before, "0") and running(centre), 30, "a new spool")
    answer = collect(centre)
    gaps = [g for g in answer["hosts"][0]["gaps"] if g["reason"] == "killed"]
    assert len(gaps) == 1 and gaps[0]["source"] == "direct" and 0 < gaps[0]["seconds"] < 30

    def mine() -> Any:
        found = [x for x in proxied_lines(centre) if datetime.fromisoformat(x[0]) >= began]
        return found if len(found) >= 6 else None

    found = wait_until(mine, 30, "all six requests")
    assert len(found) == len(set(found)) == 6
    assert any(g["reason"] == "killed" for g in log(centre)["unrecorded"])
    assert centre.json("record", "verify")["ok"]


def test_a_connection_that_lasts_over_a_kill_is_found_again(centre: Centre, gateway: Gateway):
    outside = address(centre, "citizen")
    python = (
        f"import socket,time; s=socket.socket(); s.bind(('0.0.0.0',45002)); s.connect(('{outside}',80)); time.sleep(90)"
    )
    before = main_pid(centre)
    centre.shell("fgw", f'nohup python3 -c "{python}" >/dev/null 2>&1 &')
    seen = "conntrack -L -p tcp --orig-port-src 45002 2>/dev/null | grep -c ESTABLISHED"
    wait_until(lambda: centre.shell("gateway", seen, check=False).strip() == "1", 60, "the connection")
    centre.shell("gateway", f"kill -9 {before}")
    wait_until(lambda: main_pid(centre) not in (before, "0") and running(centre), 30, "a new spool")
    collect(centre)
    events = [x["event"] for x in log(centre, "--tenant", "fgw")["lines"] if x["port"] == 45002]
    assert "open" in events, events


def test_without_a_case_nothing_is_shown_and_with_one_it_is_recorded(centre: Centre):
    before = len(centre.json("record", "searches")["items"])
    centre.run("internet", "log", "--reason", "x", "--from", "2026-11-24", "--to", "2026-11-25", check=2)
    refused = centre.run(
        "internet", "log", "--case", " ", "--reason", "x", "--from", "2026-11-24", "--to", "2026-11-25", check=4
    )
    assert b"case number" in refused.stderr
    assert len(centre.json("record", "searches")["items"]) == before
    shown = log(centre, "--tenant", "fgw")
    newest = centre.json("record", "searches")["items"][0]
    assert (newest["number"], newest["case"], newest["reason"]) == (shown["number"], "Q-2026-118", "police query")
    assert newest["lines"] == len(shown["lines"]) and newest["asked"] == {"tenant": "fgw"}


def test_machine_and_person_come_from_the_register(centre: Centre, gateway: Gateway):
    four = gateway.hosts["fgw"]["ipv4"]
    text = f"address,machine,person,from,to,source\n{four},PC-17,王伟,2026-01-01,,交接单\n"
    file = centre.state / "handover.csv"
    file.write_text(text, "utf-8")
    assert centre.json("record", "register", "import", str(file), "--yes")["new"] in (0, 1)
    lines = log(centre, "--person", "王伟")["lines"]
    assert lines and {(x["address"], x["machine"], x["person"]) for x in lines} == {(four, "PC-17", "王伟")}


def test_the_gateway_that_dies_leaves_a_marked_gap_and_no_line_double(centre: Centre, gateway: Gateway):
    outside = address(centre, "citizen")
    assert gateway.proxied("czj", f"http://{outside}/before-the-end") in ("200", "404")
    before = proxied_lines(centre)
    started = "cut -d' ' -f22 /proc/1/stat"
    boot = centre.shell("gateway", started)
    centre.shell("gateway", "systemctl kill -s KILL gasp-access; systemctl reboot -ff", check=False)
    wait_until(lambda: centre.shell("gateway", started, check=False) not in ("", boot), 60, "the gateway")
    wait_until(lambda: running(centre), 60, "the spool after the gateway's start")
    wait_until(lambda: gateway.proxied("czj", f"http://{outside}/after") in ("200", "404"), 60, "the proxy")
    answer = collect(centre)
    (gap,) = [g for g in answer["hosts"][0]["gaps"] if g["source"] == "direct"]
    assert gap["reason"] == "host-restarted" and gap["seconds"] > 1

    def more() -> Any:
        found = proxied_lines(centre)
        return found if len(found) > len(before) else None

    after = wait_until(more, 30, "the request after the start")
    assert len(after) == len(set(after)) and set(before) < set(after)
    assert centre.json("record", "verify")["ok"]


def test_a_silent_gateway_is_said_to_be_silent(centre: Centre):
    centre.run("lab", "stop", "gateway")
    silent = centre.json("record", "collect", check=6)
    assert silent["hosts"][0]["state"] == "unmeasured"
    status = centre.json("record", "status", check=6)
    assert status["hosts"][0]["state"] == "unmeasured" and status["silent_seconds"] > 0
    centre.run("lab", "start", "gateway")
    wait_until(lambda: running(centre), 60, "the spool after the gateway's start")


def proxied_lines(centre: Centre) -> list[tuple[str, int, str]]:
    collect(centre)
    lines = log(centre, "--tenant", "czj", minutes=600)["lines"]
    return [(x["time"], x["port"], x["host"]) for x in lines if x["kind"] == "proxy"]


def test_old_days_are_purged_held_ones_stay_and_the_rest_is_whole(centre: Centre, gateway: Gateway):
    """Lines of two days ago are written into the proxy's log, as if the proxy had logged them then."""
    four = gateway.hosts["czj"]["ipv4"]
    old = datetime.now(UTC) - timedelta(days=3)
    request = ("GET", "http://old.test/", "200", "TCP_MISS", "1", "2", "-", "1")
    row = "\t".join((f"{old.timestamp():.3f}", four, "1", "-", "-", "-", "-", *request))
    centre.on("gateway", "tee", "-a", "/var/log/squid/gasp.log", stdin=f"{row}\n".encode())
    wait_until(lambda: collect(centre)["hosts"][0]["lines"] > 0 or old_lines(centre, old), 30, "the old line")
    day = ("--from", (old - timedelta(hours=1)).isoformat(), "--to", (old + timedelta(hours=1)).isoformat())
    hold = centre.json("record", "hold", "set", *CASE, *day, "--tenant", "czj", "--yes")
    none = {"GASP_RECORD_DAYS": "0"}
    assert centre.run("record", "purge", "--dry-run", "-o", "json", env=none).returncode == 0
    centre.run("record", "purge", "--yes", env=none)
    assert old_lines(centre, old)
    centre.run("record", "hold", "lift", str(hold["number"]), "--second", "Wang Wei", "--reason", "closed", "--yes")
    purged = centre.run("record", "purge", "--yes", "-o", "json", env=none)
    assert b'"number": ' in purged.stdout and b'"number": null' not in purged.stdout
    centre.run("internet", "log", *CASE, *day, check=6)
    assert centre.json("record", "verify")["ok"]


def old_lines(centre: Centre, old: datetime) -> Any:
    day = ("--from", (old - timedelta(hours=1)).isoformat(), "--to", (old + timedelta(hours=1)).isoformat())
    done = centre.run("internet", "log", *CASE, *day, "--host", "old.test", "-o", "name", check=False)
    return done.returncode == 0 and done.stdout.strip()
