"""Who signs, on real hosts: a substitute, a stamped letter, another table of classes, an emergency without signatures.

The emergency is done on the machine itself while web, worker and directory are down; it goes back on real hosts.
"""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.workflow.background import living
from tests.conftest import Centre
from tests.lab.test_97_requests import Act, act, asked, live, people, sign, wished, worker
from tests.waiting import wait_until

__all__ = ["act", "people", "worker"]
pytestmark = pytest.mark.lab
CODE = "jyj"


def widened(act: Act, alias: str) -> dict[str, Any]:
    """The public site with one more name, and no other of these tests'."""
    spec = wished(act, "public_site")
    site = spec["sites"][0]
    names = [n for n in site["names"].get("aliases", []) if not n.startswith("s97")]
    return {"sites": [{**site, "names": {**site["names"], "aliases": [*names, alias]}}]}


def name(word: str) -> str:
    return f"s97{word}.{CODE}.qingdao.test"


def answers(centre: Centre, alias: str) -> bool:
    return centre.fetch("citizen", f"https://{alias}/") == "200"


def test_a_substitute_and_a_letter_sign_a_real_change(centre: Centre, act: Act, people: dict[str, str]) -> None:
    own = [row["uid"] for row in centre.json("accounts", "list", "--tenant", CODE)["items"]]
    stand_in = next(uid for uid in own if f"directory:{uid}" not in people.values())
    until = (date.today() + timedelta(days=3)).isoformat()
    made = act(
        "approver", "name", stand_in, "approver", tenant=CODE, until=until, reason="on leave", area="substitutes"
    )
    assert made["state"] == "in_force"
    assert made["id"] in {row["id"] for row in centre.json("substitutes", "list")["items"]}
    alias = name("substitute")
    change = asked(act, "public_site", "change", widened(act, alias))
    shown = act(f"directory:{stand_in}", "show", change["id"])
    act(f"directory:{stand_in}", "sign", change["id"], digest=shown["digest"])
    sign(act, change, "security_officer")
    done = live(centre, change)
    assert answers(centre, alias)
    assert [s["for"] for s in done["signoffs"]] == [people["approver"], None]
    centre.run("substitutes", "end", str(made["id"]), "--reason", "back", "--yes")

    back = asked(act, "public_site", "change", widened(act, name("letter")))
    given = ("--number", "教函〔2026〕7号", "--date", date.today().isoformat(), "--brought-by", "王芳", "--yes")
    recorded = centre.json("requests", "letter", back["reference"], *given)
    assert next(n for n in recorded["needs"] if n["role"] == "approver")["letter"].startswith("Stamped letter")
    sign(act, back, *[role for role in ("operator", "security_officer") if role in {n["role"] for n in back["needs"]}])
    live(centre, back)
    assert answers(centre, name("letter"))
    trail = centre.json("audit", "list", "--act", "request.letter")["items"][0]
    assert "王芳" not in str(trail["detail"])


def test_two_people_change_the_table_and_the_next_request_follows_it(centre: Centre, act: Act, tmp_path: Path) -> None:
    table = centre.json("classes", "show")["table"]
    strict = {**table, "lines": {**table["lines"], "public": {**table["lines"]["public"]}}}
    strict["lines"]["public"] = {"class": "wide", "signs": ["approver", "operator", "security_officer"]}
    file = tmp_path / "table.yaml"
    file.write_text(yaml.safe_dump(strict))
    made = centre.json("classes", "propose", str(file), "--reason", "stricter", "--yes")
    refused = centre.run("classes", "sign", str(made["number"]), "--reason", "me again", "--yes", check=4)
    assert b"Another person" in refused.stderr
    act("security_officer", "sign", made["number"], digest=made["digest"], area="classes")
    alias = name("strict")
    change = asked(act, "public_site", "change", widened(act, alias))
    assert [n["role"] for n in change["needs"]] == ["approver", "operator", "security_officer"]
    file.write_text(yaml.safe_dump(table))
    again = centre.json("classes", "propose", str(file), "--reason", "as it was", "--yes")
    sign(act, change, "approver", "operator")
    signed = act("deputy_director", "sign", again["number"], digest=again["digest"], area="classes")
    assert signed["requests"] == 1
    sign(act, change, "security_officer")
    done = live(centre, change)
    assert [(s["role"], s["holds"]) for s in done["signoffs"]] == [
        ("approver", True),
        ("operator", False),
        ("security_officer", True),
    ]


def test_an_emergency_with_web_worker_and_directory_down(centre: Centre, act: Act, tmp_path: Path) -> None:
    alias = name("night")
    form = tmp_path / "form.yaml"
    form.write_text(yaml.safe_dump(widened(act, alias)))
    centre.run("worker", "stop")
    centre.run("web", "--background")
    centre.run("web", "--stop")
    centre.run("lab", "stop", "directory")
    try:
        draft = centre.json("requests", "new", CODE, "public_site", "--action", "change", "--file", str(form))
        row = centre.json("emergencies", "apply", draft["reference"], "--reason", "the line is cut", "--yes")
        assert (row["state"], row["by"].partition(":")[0]) == ("stands", "local"), row
        assert answers(centre, alias), "real at once, with nobody's signature"
        assert [living(centre.state, name) for name in ("web", "worker")] == [None, None]
        assert centre.json("requests", "show", draft["reference"])["state"] == "submitted"
        own = centre.run("emergencies", "review", str(row["id"]), "--text", "I was right", "--yes", check=4)
        assert b"Another person" in own.stderr
    finally:
        centre.run("lab", "up")
    reviewed = act("security_officer", "review", row["id"], text="seen", area="emergencies")
    assert reviewed["reviewed_by"].startswith("directory:")
    centre.run("web", "--background")
    centre.run("worker", "start")
    with closing(sqlite3.connect(centre.state / "gasp.db", timeout=30)) as database, database:  # a day is too long
        database.execute("UPDATE emergencies SET expires_at = '2020-01-01 00:00:00' WHERE id = ?", (row["id"],))

    def gone() -> Any:
        found = next(e for e in centre.json("emergencies", "list", "--all")["items"] if e["id"] == row["id"])
        return found if found["state"] == "gone_back" else None

    found = wait_until(gone, 60, "it goes back")
    assert found["back_run"] != found["run"]
    assert not answers(centre, alias)
    assert centre.plan(f"subscription:{CODE}/public_site")["changes"] == []
    centre.run("requests", "withdraw", draft["reference"], "--yes")
    acts = [e["act"] for e in centre.json("audit", "list", "--tenant", CODE, "--act", "request")["items"]]
    assert {"request.emergency", "request.reviewed", "request.goes_back", "request.went_back"} <= {*acts}


@pytest.mark.parametrize("event", ["plan.confirmed", "part.done"])
def test_the_command_is_killed_on_the_way(centre: Centre, act: Act, event: str, tmp_path: Path) -> None:
    alias = name(event.partition(".")[0])
    form = tmp_path / "form.yaml"
    form.write_text(yaml.safe_dump(widened(act, alias)))
    centre.run("worker", "stop")
    draft = centre.json("requests", "new", CODE, "public_site", "--action", "change", "--file", str(form))
    given = ("emergencies", "apply", draft["reference"], "--reason", "the line is cut", "--yes")
    killed = centre.run(*given, env={"GASP_FAULT": f"kill:{event}"}, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    centre.run("worker", "start")
    wait_until(lambda: answers(centre, alias), 60, "the worker finishes it")
    rows = [e for e in centre.json("emergencies", "list")["items"] if e["request"] == draft["reference"]]
    assert len(rows) == 1
    centre.run("requests", "withdraw", draft["reference"], "--yes")
    wait_until(lambda: not answers(centre, alias), 60, "withdrawn, so it goes back")
    act("security_officer", "review", rows[0]["id"], text="seen", area="emergencies")
