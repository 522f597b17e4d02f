"""The audit trail over real runs, and mail in a real mailbox: told once, in one mail, killed anywhere, host away."""

from __future__ import annotations

import base64
import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from tests.conftest import REPO, Centre
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
CODE = "shinan"
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


class Mailbox:
    """The collecting mailbox on the mail host."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre

    def all(self) -> list[EmailMessage]:
        script = "for f in /var/mail/estate/new/*; do [ -f $f ] && base64 -w0 $f && echo; done; true"
        lines = self.centre.shell("mail", script).split()
        return [message_from_bytes(base64.b64decode(line), policy=default) for line in lines]  # type: ignore[misc]

    def to(self, address: str) -> list[EmailMessage]:
        return [m for m in self.all() if m["Delivered-To"] == address]

    def wait(self, address: str, count: int) -> list[EmailMessage]:
        return wait_until(lambda: found if len(found := self.to(address)) >= count else None, 30, f"mail to {address}")

    def empty(self) -> None:
        self.centre.shell("mail", "rm -f /var/mail/estate/new/*")


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


def account(act: Act, number: int) -> Any:
    """A request for one more account: agreed on beforehand, made real at once."""
    draft = act("clerk", "draft", CODE, "directory", "change")
    person = {"uid": f"post{number}", "family_name": "邮", "given_name": "件", "display_name": "邮件"}
    spec = {**draft["spec"], "people": [*draft["spec"]["people"], person]}
    act("clerk", "save", draft["id"], spec=spec, tier=draft["tier"], note="测试")
    return act("clerk", "submit", draft["id"], digest=act("clerk", "preview", draft["id"])["digest"])


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
    request = site(act, f"post.{CODE}.qingdao.test")
    deliver(centre)
    (submitted,) = box.wait(mail_of(people, "clerk"), 1)
    assert request["reference"] in submitted["Subject"]
    assert "已提交" in submitted["Subject"]
    assert submitted["From"].addresses[0].addr_spec == "gasp@qingdao.test"
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
    assert "已办结" in told[1].get_content() + told[0].get_content()
    assert not [m for m in box.all() if m["Delivered-To"].partition("@")[0] in {"dingfanghui", "wangwei13"}]

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
def test_killed_while_a_mail_goes_out_it_comes_once(
    centre: Centre, act: Act, people: dict[str, str], box: Mailbox, event: str
) -> None:
    request = account(act, 1 if event == "mail.sending" else 2)
    killed = deliver(centre, GASP_FAULT=f"kill:{event}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [m["state"] for m in centre.json("mail", "list")["items"]].count("sending") == 1
    for _ in range(2):
        deliver(centre)
    found = box.wait(mail_of(people, "clerk"), 1)
    assert [request["reference"] in m.get_content() for m in found] == [True]
    assert centre.json("mail", "list")["items"][0]["state"] == "sent"


def test_a_mail_host_that_is_away_gets_it_later(centre: Centre, act: Act, people: dict[str, str], box: Mailbox) -> None:
    centre.shell("mail", "systemctl stop postfix")
    try:
        account(act, 3)
        deliver(centre)
        waiting = centre.json("mail", "list", "--state", "waiting")["items"]
        assert waiting[0]["address"] == mail_of(people, "clerk")
        assert waiting[0]["error"]
    finally:
        centre.shell("mail", "systemctl start postfix")
    wait_until(lambda: "ESMTP" in centre.shell("mail", "timeout 5 nc -w 2 127.0.0.1 25 </dev/null || true", False) or
               centre.shell("mail", "systemctl is-active postfix@-", False).strip() == "active", 30)  # fmt: skip
    for row in centre.json("mail", "list", "--state", "waiting")["items"]:
        centre.run("mail", "retry", str(row["id"]), "--yes")
    deliver(centre)
    assert len(box.wait(mail_of(people, "clerk"), 1)) == 1


def test_a_person_whose_address_is_outside_is_named(centre: Centre) -> None:
    script = (
        "from control_plane import wiring; from control_plane.model.notice import *;"
        "mail = wiring.store().mail; mail.notify(Notice('outside', NoticeKind.RUN_FAILED, params={'subject': '1'}));"
        "[mail.addressed(n.id, [Address('somebody@example.test', 'S', 'en')]) for n in mail.unaddressed()]"
    )
    subprocess.run([sys.executable, "-c", script], env=centre.env, cwd=REPO, check=True, timeout=60)
    deliver(centre)
    (row,) = [m for m in centre.json("mail", "list", "--state", "failed")["items"] if "example" in m["address"]]
    assert "554" in row["error"]


def test_real_runs_are_in_the_trail_and_the_export_reads_back(centre: Centre, tmp_path: Any) -> None:
    centre.json("freezes", "set", f"tenant:{CODE}", "--reason", "=HYPERLINK(1)", "--yes", check=False)
    file = tmp_path / "march.csv"
    centre.run("audit", "export", "--tenant", CODE, "--output", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))
    assert {"run.began", "run.ended", "service.changed", "tenant.changed"} <= {row["act"] for row in rows}
    assert all(row["reason"][:1] not in "=+-@" or not row["reason"] for row in rows)
    for row in centre.json("freezes", "list")["items"]:
        centre.run("freezes", "lift", str(row["id"]), "--second", "li", "--reason", "test", "--yes")
    lifted = centre.json("audit", "list", "--act", "freeze.lifted")["items"]
    assert all(not s["verified"] for row in lifted for s in row["signoffs"])
    assert centre.json("audit", "verify")["ok"]
