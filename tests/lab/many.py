"""One request of each of many departments, all approved before the worker turns to any of them; one breaks on the host.

Each asks for one address on its own list of what is allowed. By hand lies on the gateway, where no department's rules
are, what makes Squid refuse the line that this address becomes for one of them, and for nobody else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conftest import REPO, Centre
from tests.waiting import wait_until

ADDRESS = "203.0.113.77"
BY_HAND = "/etc/squid/gasp/00-by-hand.conf"
#: Seconds until all are over.
OVER = 240
#: What the desk of the centre does for departments that send a letter, and who signs it, in one process.
ASK = """
import json, sys
from datetime import date
from control_plane import wiring
codes, address = json.load(sys.stdin)
client = wiring.local_client()
desk, chief = (client.acting_as(f"local:{name}").requests for name in ("desk", "chief"))
rule = {"action": "allow", "hosts": [address], "since": "2026-11-20", "reason": {"zh": "普查", "en": "Census"}}
asked = {}
for code in codes:
    draft = desk.draft(code, "internet", "change")
    rules = draft["spec"].get("rules", [])
    number = max((one["number"] for one in rules), default=0) + 10
    desk.save(draft["id"], spec={**draft["spec"], "rules": [*rules, {**rule, "number": number}]}, note="census")
    request = desk.submit(draft["id"])
    for need in request["needs"]:
        request = chief.sign(request["id"], digest=request["digest"], role=need["role"], reason="a letter")
    asked[code] = request["reference"], request["state"]
print(json.dumps(asked))
"""


def approved(centre: Centre, codes: Sequence[str], processes: int = 3) -> dict[str, str]:
    """A request of each of these departments, approved while the worker is stopped: code → reference."""
    centre.run("worker", "stop")

    def ask(mine: Sequence[str]) -> Any:
        given = json.dumps([mine, ADDRESS]).encode()
        done = subprocess.run([sys.executable, "-c", ASK], input=given, capture_output=True, env=centre.env, cwd=REPO)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return json.loads(done.stdout)

    with ThreadPoolExecutor(processes) as pool:
        parts = list(pool.map(ask, [codes[first::processes] for first in range(processes)]))
    asked = {code: said for part in parts for code, said in part.items()}
    assert {state for _, state in asked.values()} == {"approved"}
    return {code: reference for code, (reference, _) in asked.items()}


def one_of_many_breaks(centre: Centre, codes: Sequence[str], guilty: str) -> None:
    """All but one are live after a few applies; that one is named with file and line, and live once it is cleared."""
    asked = approved(centre, codes)
    now = centre.on("gateway", "cat", f"/etc/squid/gasp/{guilty}.conf")
    free = [name for name in (f"t_{guilty}_{place}_addresses" for place in range(40)) if f"acl {name} " not in now]
    centre.on("gateway", "tee", BY_HAND, stdin="".join(f"acl {name} src all\n" for name in free).encode())
    try:
        centre.run("worker", "start")
        rows = wait_until(lambda: over(centre, asked), OVER, "all are over")
        assert {code for code, row in rows.items() if row["state"] != "live"} == {guilty}
        assert rows[guilty]["state"] == "failed"
        assert f"gateway:{guilty}/proxy (/etc/squid/gasp/{guilty}.conf:" in rows[guilty]["why"]
        assert rows[guilty]["has_it"]["text"], "somebody is named"
        assert len({row["run"] for row in rows.values()}) <= 3, "few applies"
        found = centre.shell("gateway", f"grep -lx {ADDRESS}/32 /etc/squid/gasp/*/*.addresses").split()
        assert {path.split("/")[4] for path in found} == {*codes} - {guilty}
    finally:
        centre.on("gateway", "rm", "-f", BY_HAND)
    centre.run("requests", "retry", asked[guilty], "--yes")
    wait_until(lambda: over(centre, {guilty: asked[guilty]}, "live"), 90, "the last one")
    assert centre.plan("system:gateway")["changes"] == []


def over(centre: Centre, asked: dict[str, str], *states: str) -> dict[str, Any]:
    """The requests by department, once all of them have come to an end (`states`: one of these)."""
    listed = {row["reference"]: row for row in centre.json("requests", "list")["items"]}
    rows = {code: listed[reference] for code, reference in asked.items()}
    ends = states or ("live", "failed", "returned", "refused")
    return rows if all(row["state"] in ends for row in rows.values()) else {}
