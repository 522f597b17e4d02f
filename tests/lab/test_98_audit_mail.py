"""The audit trail over real runs, and mail in a real mailbox: told once, in one mail, killed anywhere, host away."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from tests.conftest import REPO, Centre
from tests.lab.world import Mailbox
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
CODE = "gaj"
NOW = {"GASP_MAIL_GATHER": "0"}
#: What a browser session does: the same control plane with somebody else as who acts.
ACT = """
import json, sys
from control_plane import wiring
who, method, args, more = json.load(sys.stdin)
client = wiring.local_client().acting_as(who).requests
print(json.dumps(getattr(client, method)(*args, **more), default=str))
"""
Act = Callable[..., Any]


@pytest.fixture(scope="module", autouse=True)
def by_hand(centre: Centre) -> Iterator[None]:
    """The worker does nothing by itself here; what earlier tests left to be told is told first."""
    centre.run("worker", "stop")
    deliver(centre)
    yield
    centre.run("worker", "start")


@pytest.fixture
def box(centre: Centre) -> Mailbox:
    deliver(centre)
    made = Mailbox(centre)
    made.empty()
    return made


@pytest.fixture(scope="module")
def people(centre: Centre) -> dict[str, str]:
    """Role → actor: of the tenant, and an operator of another one."""
    own = [row["uid"] for row in centre.json("accounts", "list", "--tenant", CODE)["items"]]
    other = [row["uid"] for row in centre.json("accounts", "list", "--tenant", "sjj")["items"]]
    given = {"clerk": own[0], "approver": own[1], "operator": other[0], "security_officer": other[1]}
    for role, uid in given.items():
        where = ("--tenant", CODE) if role in ("clerk", "approver") else ()
        centre.run("users", "grant", uid, role, *where, "--reason", "test", "--yes", check=False)
    return {role: f"directory:{uid}" for role, uid in given.items()}


@pytest.fixture(scope="module")
def act(centre: Centre, people: dict[str, str]) -> Act:
    """`act("clerk", "submit", 12)` as that person."""

    def do(who: str, method: str, *args: Any, **more: Any) -> Any:
        said = json.dumps([people[who], method, args, more])
        done = subprocess.run(
            [sys.executable, "-c", ACT], input=said.encode(), capture_output=True, env=centre.env, cwd=REPO, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        return json.loads(done.stdout)

    return do


def deliver(centre: Centre, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return centre.run("worker", "run", "--once", "--chore", "mail", env={**NOW, **environment}, check=False)


def tell(centre: Centre, address: str) -> str:
    """Something to be told to an address: what its text has in it."""
    key = token_hex(8)
    script = (
        "import sys; from control_plane import wiring; from control_plane.model.notice import *;"
        "key, address = sys.argv[1:]; mail = wiring.store().mail;"
        "mail.notify(Notice(key, NoticeKind.RUN_FAILED, params={'subject': key}));"
        "[mail.addressed(n.id, [Address(address, 'S', 'en')]) for n in mail.unaddressed() if n.notice.key == key]"
    )
    subprocess.run([sys.executable, "-c", script, key, address], env=centre.env, cwd=REPO, check=True, timeout=60)
    return key


def site(act: Act, alias: str) -> Any:
    """A request for one more name of the public site: others sign."""
    draft = act("clerk", "draft", CODE, "public_site", "change")
    (first, *rest) = draft["spec"]["sites"]
    names = {**first["names"], "aliases": [*first["names"].get("aliases", []), alias]}
    act("clerk", "save", draft["id"], spec={"sites": [{**first, "names": names}, *rest]}, note="测试")
    return act("clerk", "submit", draft["id"], digest=act("clerk", "preview", draft["id"])["digest"])


def mail_of(people: dict[str, str], role: str) -> str:
    return people[role].partition(":")[2] + "@qingdao.test"


def test_a_request_is_told_from_submission_to_live_and_stands_in_the_trail(
    centre: Centre, act: Act, people: dict[str, str], box: Mailbox
) -> None:
    request = site(act, f"{token_hex(4)}.{CODE}.qingdao.test")
    deliver(centre)
    (submitted,) = box.wait(mail_of(people, "clerk"), 1)
    assert request["reference"] in submitted["Subject"]
    assert "已提交" in submitted["Subject"]
    assert submitted["From"].addresses[0].addr_spec == "gasp@qingdao.test"
    centre.run("web", "--background")
    (address,) = re.findall(r"https://\S+", submitted.get_content())
    assert address.endswith(f"/portal/requests/{request['reference']}")
    assert centre.fetch(CODE, address, "-L") == "200", "what the mail names is reached from the department's desk"
    (to_sign,) = box.wait(mail_of(people, "approver"), 1)
    assert "签批" in to_sign["Subject"]
    for need in request["needs"]:
        shown = act(need["role"], "show", request["id"])
        act(need["role"], "sign", request["id"], digest=shown["digest"])
    centre.run("worker", "run", "--once", "--chore", "requests")
    assert act("clerk", "show", request["id"])["state"] == "live"
    deliver(centre)
    told = box.wait(mail_of(people, "clerk"), 2)
    assert len(told) == 2, "approved and live came in one mail"
    assert "已批准" in told[1].get_content() + told[0].get_content()
    assert "已开通" in told[1].get_content() + told[0].get_content()
    others = {row["uid"] for row in centre.json("accounts", "list", "--tenant", "czj")["items"]}
    assert not [m for m in box.all() if m["Delivered-To"].partition("@")[0] in others]

    rows = centre.json("audit", "list", "--subject", f"request:{request['reference']}")["items"]
    acts = {row["act"]: row for row in rows}
    assert {"request.submitted", "request.signed", "request.approved", "run.began", "run.ended"} <= set(acts)
    assert acts["request.submitted"]["actor"]["name"] == people["clerk"]
    signed = {s["name"]: s["role"] for s in acts["run.ended"]["signoffs"]}
    assert signed == {people[need["role"]]: need["role"] for need in request["needs"]}
    assert acts["run.ended"]["tenants"] == [CODE]
    assert acts["run.ended"]["digest"]
    assert centre.json("audit", "verify")["ok"]


@pytest.mark.parametrize("event", ["mail.sending", "mail.handed_over"])
def test_killed_while_a_mail_goes_out_it_comes_once(centre: Centre, box: Mailbox, event: str) -> None:
    told = tell(centre, "killed@qingdao.test")
    killed = deliver(centre, GASP_FAULT=f"kill:{event}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [m["state"] for m in centre.json("mail", "list")["items"]].count("sending") == 1
    for _ in range(2):
        deliver(centre)
    (mail,) = box.wait("killed@qingdao.test", 1)
    assert told in mail.get_content()
    row = centre.json("mail", "list")["items"][0]
    assert (row["state"], row["message_id"]) == ("sent", mail["Message-ID"])


def test_a_mail_host_that_is_away_gets_it_later(centre: Centre, box: Mailbox) -> None:
    centre.shell("mail", "systemctl stop postfix")
    try:
        tell(centre, "away@qingdao.test")
        deliver(centre)
        (row,) = centre.json("mail", "list", "--state", "waiting")["items"]
        assert (row["address"], row["tries"]) == ("away@qingdao.test", 1)
        assert "cannot be reached" in row["error"]
    finally:
        centre.shell("mail", "systemctl start postfix")
    centre.run("mail", "retry", str(row["id"]), "--yes")

    def handed_over() -> bool:
        deliver(centre)
        return bool(centre.json("mail", "list")["items"][0]["state"] == "sent")

    wait_until(handed_over, 60, "the mail host to take it")
    assert len(box.wait("away@qingdao.test", 1)) == 1


def test_an_address_outside_is_refused_and_named(centre: Centre, box: Mailbox) -> None:
    tell(centre, "somebody@example.test")
    deliver(centre)
    row = centre.json("mail", "list")["items"][0]
    assert (row["address"], row["state"]) == ("somebody@example.test", "failed")
    assert "554" in row["error"]


def test_real_runs_are_in_the_trail_and_the_export_reads_back(centre: Centre, tmp_path: Any) -> None:
    centre.json("freezes", "set", "--scope", f"tenant:{CODE}", "--reason", "=HYPERLINK(1)", "--yes")
    file = tmp_path / "march.csv"
    centre.run("audit", "export", "--tenant", CODE, "--output", str(file))
    for row in centre.json("freezes", "list")["items"]:
        centre.run("freezes", "lift", str(row["id"]), "--second", "li", "--reason", "test", "--yes")
    assert file.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))
    assert {"freeze.set", "run.began", "run.ended", "service.changed"} <= {row["act"] for row in rows}
    assert "'=HYPERLINK(1)" in {row["reason"] for row in rows}
    (lifted, *_) = centre.json("audit", "list", "--act", "freeze.lifted", "--tenant", CODE)["items"]
    assert [(s["name"], s["verified"]) for s in lifted["signoffs"]] == [("local:li", False)]
    assert centre.json("audit", "verify")["ok"]


def test_a_person_is_given_out_and_erased_and_the_trail_verifies(centre: Centre, tmp_path: Path) -> None:
    uid, archive = f"forget{token_hex(3)}", tmp_path / "all.zip"
    centre.run("accounts", "add", uid, "周忘", "--tenant", "sjj", "--yes")
    centre.run("people", "export", uid, "--reason", "asked for it", "--to", str(archive))
    with zipfile.ZipFile(archive) as packed:
        given = json.loads(packed.read("person.json"))
        assert uid in packed.read("person.txt").decode()
    assert given["directory"]["uid"] == [uid] and "allocations" in given["tables"]
    centre.run("accounts", "leave", uid, "--reason", "gone", "--yes")
    seen = centre.json("people", "find", uid)
    centre.run("people", "erase", uid, "--reason", "as the law asks", "--yes", check=5)
    done = centre.json("people", "erase", uid, "--reason", "as the law asks", "--confirm", seen["confirm"])
    assert done["left"]["confirm"] is None
    assert centre.json("audit", "verify")["ok"]
    assert uid not in {row["uid"] for row in centre.json("accounts", "list")["items"]}
    again = centre.json("people", "erase", uid, "--reason", "once more", "--confirm", "x")
    assert "left to erase" in again["sentence"]
