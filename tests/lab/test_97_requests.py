"""Requests on real hosts by commands: signed by two people, made real by the worker, measured, undone. In browsers they
are walked by test_98_portal.py."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from control_plane.model.request import RequestEvent
from tests.conftest import REPO, Centre
from tests.lab.world import BASE, Directory
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
CODE, SITE = "jyj", "https://jyj.qingdao.test/"
#: A district with a directory and nothing else; its clerk and its approver are known elsewhere.
DISTRICT = "shinan"
#: What a browser session does: the same control plane with somebody else as who acts.
ACT = """
import json, sys
from control_plane import wiring
for line in sys.stdin:
    who, area, method, args, more = json.loads(line)
    client = wiring.local_client().acting_as(who)
    answer = getattr(getattr(client, area) if area else client, method)(*args, **more)
    print(json.dumps(answer, default=str), flush=True)
"""
Act = Callable[..., Any]


@pytest.fixture(scope="module")
def people(centre: Centre) -> dict[str, str]:
    """See `people_of`."""
    return people_of(centre)


def people_of(centre: Centre) -> dict[str, str]:
    """Role → actor; clerk and approver of the tenant and of the district, the others of the centre."""
    own = [row["uid"] for row in centre.json("accounts", "list", "--tenant", CODE)["items"]]
    others = [row["uid"] for row in centre.json("accounts", "list", "--tenant", "fgw")["items"]]
    roles = ("operator", "security_officer", "deputy_director")
    given = {"clerk": own[0], "approver": own[1], **dict(zip(roles, others, strict=False))}
    held = {r["role"]: u["person"] for u in centre.json("users", "list")["items"] for r in u["roles"]}
    for role, uid in given.items():
        where = ("--tenant", CODE) if role in ("clerk", "approver") else ()
        if f"directory:{uid}" != held.get(role):
            centre.run("users", "grant", uid, role, *where, "--reason", "test", "--yes", check=False)
    for role, uid in zip(("clerk", "approver"), others[3:], strict=False):
        given[f"{DISTRICT} {role}"] = uid
        centre.run("users", "grant", uid, role, "--tenant", DISTRICT, "--reason", "test", "--yes", check=False)
    return {role: f"directory:{uid}" for role, uid in given.items()}


@pytest.fixture(scope="module")
def act(centre: Centre, people: dict[str, str]) -> Iterator[Act]:
    """See `acting`."""
    with acting(centre, people) as do:
        yield do


@contextmanager
def acting(centre: Centre, people: dict[str, str]) -> Iterator[Act]:
    """`act("clerk", "submit", 12)` as that person, in one process as the web server is one."""
    with subprocess.Popen(
        [sys.executable, "-c", ACT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=centre.env, cwd=REPO, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def do(who: str, method: str, *args: Any, area: str = "requests", **more: Any) -> Any:
            said = json.dumps([people.get(who, who), area, method, args, more])
            print(said, file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield do
        process.stdin.close()


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


def asked(act: Act, offering: str, action: str, spec: Any = None, *, code: str = CODE, clerk: str = "clerk") -> Any:
    """A clerk's request, handed in as it was previewed."""
    draft = act(clerk, "draft", code, offering, action)
    if spec is not None:
        act(clerk, "save", draft["id"], spec=spec, note="测试 test")
    seen = act(clerk, "preview", draft["id"])
    return act(clerk, "submit", draft["id"], digest=seen["digest"])


def wished(act: Act, offering: str, *, code: str = CODE, clerk: str = "clerk") -> Any:
    """What is desired now."""
    return act(clerk, "subscription", f"{code}/{offering}", area="")["spec"]


def test_a_public_site_ends_and_is_asked_for_again(centre: Centre, act: Act) -> None:
    spec = wished(act, "public_site")
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
    spec = wished(act, "public_site")
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


def test_an_account_is_added_and_taken_away(centre: Centre, act: Act) -> None:
    people = wished(act, "directory")
    person = {"uid": "qingqiu", "family_name": "请", "given_name": "求", "display_name": "请求"}
    quick = asked(act, "directory", "change", {**people, "people": [*people["people"], person]})
    assert (quick["class"], quick["state"]) == ("standard", "approved")
    live(centre, quick)
    assert "qingqiu" in {row["uid"] for row in centre.json("accounts", "list", "--tenant", CODE)["items"]}
    back = asked(act, "directory", "change", people)
    assert [n["role"] for n in back["needs"]] == ["approver", "operator", "deputy_director"]
    sign(act, back, *[n["role"] for n in back["needs"]])
    live(centre, back)
    assert centre.plan(f"tenant:{CODE}")["changes"] == []


def test_a_directory_ends_and_is_asked_for_again(centre: Centre, act: Act) -> None:
    """Of a district: nobody of it is in the directory any more; then all are again, each with the number of before."""
    district = {"code": DISTRICT, "clerk": f"{DISTRICT} clerk"}
    spec, base = wished(act, "directory", **district), f"ou={DISTRICT},ou=tenants,{BASE}"

    def people() -> dict[str, Any]:
        rows = centre.json("accounts", "list", "--tenant", DISTRICT)["items"]
        return {row["uid"]: row["uid_number"] for row in rows}

    def entries() -> set[str]:
        return {dn for dn in Directory(centre).everything() if dn.endswith(base) and dn.startswith("uid=")}

    def sign_it(request: Any) -> None:
        roles = [need["role"] for need in request["needs"]]
        assert "approver" in roles
        sign(act, request, *(f"{DISTRICT} approver" if role == "approver" else role for role in roles))
        live(centre, request)

    before, there = people(), entries()
    assert len(before) >= 9
    assert {dn.split(",")[0].removeprefix("uid=") for dn in there} >= {*before}
    sign_it(asked(act, "directory", "end", **district))
    assert (people(), entries()) == ({}, set())
    sign_it(asked(act, "directory", "new", spec, **district))
    assert (people(), entries()) == (before, there)
    assert centre.plan(f"tenant:{DISTRICT}")["changes"] == []


def test_protection_is_changed_by_a_request(centre: Centre, act: Act) -> None:
    """The machine, which nobody knows any more, is enrolled by the request that names it; the next one gives it another
    ring. Both are real on the machine and in the inventory."""
    spec = wished(act, "security")
    (machine,) = spec["machines"]

    def moved(ring: int) -> Any:
        change = asked(act, "security", "change", {**spec, "machines": [{**machine, "ring": ring}]})
        sign(act, change, *(need["role"] for need in change["needs"]))
        live(centre, change)
        assert centre.plan(f"subscription:{CODE}/security")["changes"] == []
        sources = centre.shell(CODE, "cat /etc/apt/sources.list.d/*gasp*")
        return centre.json("hosts", "show", machine["name"])["ring"], f"ring{ring}" in sources

    centre.run("hosts", "retire", machine["name"], "--yes")
    assert centre.json("hosts", "show", machine["name"])["managed"] is False
    assert moved(1) == (1, True)
    assert moved(machine["ring"]) == (machine["ring"], True)
    row = centre.json("hosts", "mend", machine["name"], "--yes")["row"]  # its signatures, where they did not come yet
    assert (row["managed"], row["faults"]) == (True, [])


@pytest.mark.parametrize("event", [RequestEvent.STARTED, "part.done", RequestEvent.APPLIED])
def test_the_worker_is_killed_on_the_way(centre: Centre, act: Act, event: str) -> None:
    spec = wished(act, "public_site")
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
