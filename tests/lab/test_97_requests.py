"""Requests on real hosts: asked for by a clerk, signed by two people, made real by the worker, measured, undone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from control_plane.model.request import RequestEvent
from tests.conftest import REPO, Centre
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
CODE, SITE = "jyj", "https://jyj.qingdao.test/"
#: What a browser session does: the same control plane with somebody else as who acts.
ACT = """
import json, sys
from control_plane import wiring
who, method, args, more = json.load(sys.stdin)
client = wiring.local_client().acting_as(who).requests
print(json.dumps(getattr(client, method)(*args, **more), default=str))
"""
Act = Callable[..., Any]


@pytest.fixture(scope="module")
def people(centre: Centre) -> dict[str, str]:
    """Role → actor; clerk and approver of the tenant, the others of the centre."""
    own = [row["uid"] for row in centre.json("accounts", "list", "--tenant", CODE)["items"]]
    others = [row["uid"] for row in centre.json("accounts", "list", "--tenant", "fgw")["items"]]
    roles = ("operator", "security_officer", "deputy_director")
    given = {"clerk": own[0], "approver": own[1], **dict(zip(roles, others, strict=False))}
    held = {r["role"]: u["person"] for u in centre.json("users", "list")["items"] for r in u["roles"]}
    for role, uid in given.items():
        where = ("--tenant", CODE) if role in ("clerk", "approver") else ()
        if f"directory:{uid}" != held.get(role):
            centre.run("users", "grant", uid, role, *where, "--reason", "test", "--yes", check=False)
    return {role: f"directory:{uid}" for role, uid in given.items()}


@pytest.fixture(scope="module")
def act(centre: Centre, people: dict[str, str]) -> Act:
    """`act("clerk", "submit", 12)` as that person."""

    def do(who: str, method: str, *args: Any, **more: Any) -> Any:
        said = json.dumps([people.get(who, who), method, args, more])
        done = subprocess.run(
            [sys.executable, "-c", ACT], input=said.encode(), capture_output=True, env=centre.env, cwd=REPO, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        return json.loads(done.stdout)

    return do


@pytest.fixture(scope="module", autouse=True)
def worker(centre: Centre) -> None:
    """The worker makes real what is signed."""
    centre.run("worker", "start")


def sign(act: Act, request: Any, *roles: str) -> float:
    """Sign in turn; returns when the last one had signed (monotonic seconds)."""
    for role in roles:
        shown = act(role, "show", request["id"])
        act(role, "sign", request["id"], digest=shown["digest"])
    return time.monotonic()


def live(centre: Centre, request: Any) -> Any:
    """Wait until it is over; it must be live."""

    def over() -> Any:
        row = centre.json("requests", "show", request["reference"])
        return row if row["state"] in ("live", "failed", "returned", "refused") else None

    row = wait_until(over, 90, request["reference"])
    assert row["state"] == "live", row["why"]
    return row


def asked(act: Act, offering: str, action: str, spec: Any = None) -> Any:
    """A clerk's request, handed in as it was previewed."""
    draft = act("clerk", "draft", CODE, offering, action)
    if spec is not None:
        act("clerk", "save", draft["id"], spec=spec, note="测试 test")
    seen = act("clerk", "preview", draft["id"])
    return act("clerk", "submit", draft["id"], digest=seen["digest"])


def wished(centre: Centre, offering: str) -> Any:
    """What is desired now."""
    script = (
        "import json; from control_plane import wiring;"
        f"print(json.dumps(wiring.local_client().subscription('{CODE}/{offering}')['spec']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=centre.env, cwd=REPO, check=True)
    return json.loads(done.stdout)


def test_a_public_site_ends_and_is_asked_for_again(centre: Centre, act: Act) -> None:
    spec = wished(centre, "public_site")
    assert centre.fetch("citizen", SITE) == "200"

    end = asked(act, "public_site", "end")
    assert [n["role"] for n in end["needs"]] == ["approver", "operator"]
    sign(act, end, "approver", "operator")
    live(centre, end)
    assert centre.fetch("citizen", SITE) != "200"

    new = asked(act, "public_site", "new", spec)
    assert [n["role"] for n in new["needs"]] == ["approver", "security_officer"]
    assert new["due"].endswith("17:00:00+08:00")
    refused = act("clerk", "show", new["id"])
    assert "sign" not in refused["acts"]
    sign(act, new, "approver", "security_officer")
    done = live(centre, new)
    assert centre.fetch("citizen", SITE) == "200"
    assert done["run"] is not None
    listed = centre.json("requests", "list", "--tenant", CODE, "--filter", "state=live")["items"]
    assert new["reference"] in {row["reference"] for row in listed}
    assert centre.plan(f"subscription:{CODE}/public_site")["changes"] == []


def test_a_change_answers_on_the_wire_within_seconds(centre: Centre, act: Act) -> None:
    spec = wished(centre, "public_site")
    names = spec["sites"][0]["names"]
    alias = f"census.{CODE}.qingdao.test"
    wide = {**spec["sites"][0], "names": {**names, "aliases": [*names.get("aliases", []), alias]}}
    change = asked(act, "public_site", "change", {"sites": [wide]})
    assert change["words"]
    signed = sign(act, change, "approver", "security_officer")
    wait_until(lambda: centre.fetch("citizen", f"https://{alias}/") == "200", 60)
    assert time.monotonic() - signed < 30
    live(centre, change)
    back = asked(act, "public_site", "change", spec)
    assert [n["role"] for n in back["needs"]] == ["approver", "operator"]
    sign(act, back, "approver", "operator")
    live(centre, back)


def test_internet_rules_and_accounts(centre: Centre, act: Act) -> None:
    internet = wished(centre, "internet")
    rule = {
        **{"number": 77, "action": "block", "hosts": ["games.example.test"], "since": "2026-11-20"},
        "reason": {"zh": "与工作无关", "en": "Not needed for work"},
    }
    change = asked(act, "internet", "change", {**internet, "rules": [*internet.get("rules", []), rule]})
    sign(act, change, "approver", "security_officer")
    live(centre, change)
    assert "games.example.test" in centre.shell("gateway", f"cat /etc/squid/*{CODE}* /etc/squid/*/*{CODE}* || true")

    people = wished(centre, "directory")
    person = {"uid": "qingqiu", "family_name": "请", "given_name": "求", "display_name": "请求"}
    quick = asked(act, "directory", "change", {**people, "people": [*people["people"], person]})
    assert (quick["class"], quick["state"]) == ("standard", "approved")
    live(centre, quick)
    assert "qingqiu" in {row["uid"] for row in centre.json("accounts", "list", "--tenant", CODE)["items"]}

    for offering, before in (("internet", internet), ("directory", people)):
        back = asked(act, offering, "change", before)
        sign(act, back, *[n["role"] for n in back["needs"]])
        live(centre, back)
    assert centre.plan(f"tenant:{CODE}")["changes"] == []


@pytest.mark.parametrize("event", [RequestEvent.STARTED, "plan.confirmed", "part.done", RequestEvent.APPLIED])
def test_the_worker_is_killed_on_the_way(centre: Centre, act: Act, event: str) -> None:
    spec = wished(centre, "public_site")
    alias = f"k{event.split('.')[1]}.{CODE}.qingdao.test"
    names = spec["sites"][0]["names"]
    aliases = [n for n in names.get("aliases", []) if not n.startswith("k")]
    site = {**spec["sites"][0], "names": {**names, "aliases": [*aliases, alias]}}
    centre.run("worker", "stop")
    change = asked(act, "public_site", "change", {"sites": [site]})
    sign(act, change, "approver", "security_officer", *(["operator"] if len(change["needs"]) > 2 else []))
    killed = centre.run(
        "worker", "run", "--once", "--chore", "requests", env={"GASP_FAULT": f"kill:{event}"}, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    centre.run("worker", "start")
    live(centre, change)
    assert centre.fetch("citizen", f"https://{alias}/") == "200"
    done = [e["type"] for e in act("clerk", "events", change["id"])]
    assert done.count("request.live") == 1
