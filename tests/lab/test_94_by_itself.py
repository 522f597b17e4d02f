"""Antivirus without a command, on real machines: scans, new signatures. And clones, a lost machine, a transfer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Centre
from tests.lab.rolling import DEMO, Rolling
from tests.lab.test_94_machines import EICAR, ENROLLED, measured, row
from tests.lab.upstream import Outside
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
#: The chores with their settings as a centre would have them that is in a hurry.
SCANS = {"GASP_SCAN_HOURS": "1", "GASP_SCAN_ALWAYS": "1"}
SIGNATURES = {"GASP_SIGNATURE_HOURS": "1", "GASP_SIGNATURE_AT_ONCE": "1", "GASP_SIGNATURE_SOAK": "0"}


def going(centre: Centre, name: str, env: dict[str, str]) -> Any:
    """How a chore stands."""
    said = centre.run("security", "status", "-o", "json", env=env).stdout
    return next(one for one in json.loads(said)["items"] if one["name"] == name)


def all_rows(centre: Centre) -> dict[str, Any]:
    """Row of each enrolled machine."""
    return {r["name"]: r for r in centre.json("hosts", "list")["items"] if r["name"] in ENROLLED}


def turn(centre: Centre, chore: str, env: dict[str, str], check: bool | int = True) -> None:
    """One turn of a chore in the foreground."""
    centre.run("worker", "run", "--once", "--chore", chore, env=env, check=check)


def age(centre: Centre, table: str, column: str, days: float) -> None:
    """Something was longer ago: nobody waits for days in a test."""
    with closing(sqlite3.connect(centre.state / "gasp.db", timeout=30)) as connection, connection:
        rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
        for number, text in rows:
            before = datetime.fromisoformat(text) - timedelta(days=days)
            said = before.isoformat(" ", timespec="microseconds")
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (said, number))


@pytest.fixture(scope="module", autouse=True)
def by_hand(centre: Centre) -> Iterator[None]:
    """The worker has the settings of each test; afterwards those of all."""
    centre.run("worker", "stop")
    yield
    centre.run("worker", "stop")
    centre.run("worker", "start")


@pytest.fixture(scope="module")
def outside(centre: Centre) -> Iterator[Outside]:
    made = Outside(centre)
    yield made
    made.begin_again()


def test_scans_begin_by_themselves_and_only_then_a_machine_is_clean(centre: Centre) -> None:
    centre.run("hosts", "measure")
    age(centre, "machine_scans", "scanned_at", 30)
    age(centre, "machine_scans", "ended_at", 30)
    assert {r["protection"] for r in all_rows(centre).values()} == {"unscanned"}
    (tenant,) = centre.json("security", "show", "fgw")["items"]
    assert (tenant["clean"], tenant["not_scanned"]) == (0, 1)
    remedy = centre.json("hosts", "show", "fgw")["scan"]["remedy"]
    assert "gasp security scan fgw" in remedy
    path = "/home/li/a/b/invoice.com"
    centre.shell(
        "gaj",
        f'mkdir -p /home/li/a/b /home/li/many; printf %s "{EICAR}" > {path};'
        " cd /home/li/many; seq 450 | xargs -n1 sh -c 'echo $0 > $0'",
    )
    began = datetime.now(UTC)
    try:
        turn(centre, "scans", {**SCANS, "GASP_FAULT": "kill:scan.came_to"}, check=-9)
        scan = centre.json("hosts", "show", "gaj")["scan"]
        assert (scan["under_way"], scan["counts"]) == (True, False)
        turn(centre, "scans", SCANS)
        rows = all_rows(centre)
        assert {name: r["protection"] for name, r in rows.items() if name != "gaj"} == dict.fromkeys(
            [name for name in ENROLLED if name != "gaj"], "clean"
        )
        for found in rows.values():
            assert began - timedelta(seconds=5) < datetime.fromisoformat(found["scanned_at"]) < datetime.now(UTC)
        assert rows["gaj"]["protection"] == "found"
        (finding,) = centre.json("security", "findings", "--open")["items"]
        assert (finding["host"], finding["path"]) == ("gaj", path)
        assert centre.json("hosts", "show", "gaj")["scan"]["files"] > 450
        said = going(centre, "scans", SCANS)
        assert (said["state"], said["counts"]["later"]) == ("idle", len(ENROLLED))
        checks = {one["check"]: one for one in centre.json("doctor", check=False)["items"]}
        assert checks["scans"]["state"] == "passed", checks["scans"]
    finally:
        centre.shell("gaj", "rm -r /home/li")
    centre.run("security", "clear", finding["id"], "--reason", "test file, deleted", "--yes")


def test_a_scan_that_breaks_off_or_sees_a_part_says_nothing(centre: Centre) -> None:
    age(centre, "machine_scans", "scanned_at", 30)
    age(centre, "machine_scans", "ended_at", 30)
    centre.run("security", "scan", "sjj", "--path", "/home")
    assert row(centre, "sjj")["protection"] == "unscanned"
    centre.run("lab", "stop", "jyj")
    centre.shell("sjj", "systemctl stop clamav-daemon.socket clamav-daemon.service")
    try:
        turn(centre, "scans", SCANS)
        assert row(centre, "fgw")["protection"] == "clean"
        said = going(centre, "scans", SCANS)
        assert (said["state"], said["counts"]["again"]) == ("again", 2), said
        assert "engine" in centre.json("hosts", "show", "sjj")["scan"]["error"]
    finally:
        centre.run("lab", "start", "jyj")
        centre.run("hosts", "mend", "sjj", "--yes")
    age(centre, "machine_scans", "tried_at", 1)
    wait_until(lambda: measured(centre, "jyj")["silent_because"] is None, 60, "jyj is back")
    turn(centre, "scans", SCANS)
    assert {r["protection"] for r in all_rows(centre).values()} == {"clean"}


def test_a_new_set_comes_to_machines_of_all_rings_without_a_command(centre: Centre, outside: Outside) -> None:
    rolling = Rolling(centre)
    age(centre, "signature_turns", "at", 2)
    outside.offer_signatures(f"alone-{datetime.now(UTC):%H%M%S%f}")
    before = {r["signature_set"] for r in all_rows(centre).values()}
    centre.run("worker", "start", env=SIGNATURES)
    try:
        wait_until(lambda: going(centre, "signatures", SIGNATURES)["set"] not in {None, *before}, 60, "a new set")
        wanted = going(centre, "signatures", SIGNATURES)["set"]
        wait_until(lambda: {r["signature_set"] for r in all_rows(centre).values()} == {wanted}, 300, "at all machines")
        rings = [0, 1, 2, 3, 4]

        def given() -> bool:
            rows = centre.json("snapshots", "list", "--kind", "signatures")["items"]
            return bool(next(r for r in rows if r["id"] == wanted)["rings"] == rings)

        wait_until(given, 60, "in all rings, also those without a machine")
    finally:
        centre.run("worker", "stop")
    (made, *_) = [r for r in centre.json("rollouts", "list")["items"] if r["snapshot"] == wanted]
    shown = rolling.show(made["id"])
    assert (shown["state"], shown["reason"]) == ("done", "by itself: new signatures"), rolling.told(shown)
    assert [wave["ring"] for wave in shown["waves"]] == ["pilot", "broad", "all"]
    assert going(centre, "signatures", SIGNATURES)["state"] == "idle"
    checks = {one["check"]: one for one in centre.json("doctor", check=False)["items"]}
    assert checks["signatures"]["state"] == "passed", checks["signatures"]


def test_what_does_not_move_by_itself_is_said_and_told(centre: Centre, outside: Outside) -> None:
    age(centre, "signature_turns", "at", 2)
    outside.offer_signatures("expired", valid_seconds=-3600)
    before = {r["signature_set"] for r in all_rows(centre).values()}
    centre.run("freezes", "set", "--scope", "system:snapshots", "--reason", "a vote")
    turn(centre, "signatures", SIGNATURES)
    assert going(centre, "signatures", SIGNATURES)["state"] == "frozen"
    (freeze,) = centre.json("freezes", "list")["items"]
    centre.run("freezes", "lift", str(freeze["id"]), "--second", "li", "--reason", "over", "--yes")
    turn(centre, "signatures", SIGNATURES)
    said = going(centre, "signatures", SIGNATURES)
    assert said["state"] == "failed", said
    checks = centre.run("doctor", "-o", "json", env=SIGNATURES, check=False).stdout.decode()
    assert '"signatures-by-itself"' in checks
    assert said["sentence"].split(":")[-1].strip()[:20] in checks
    entries = centre.json("audit", "list", "--act", "snapshot.stuck")["items"]
    assert entries[0]["outcome"] == "failed"
    assert {r["signature_set"] for r in all_rows(centre).values()} == before
    outside.begin_again()
    age(centre, "signature_turns", "at", 1)
    turn(centre, "signatures", {**SIGNATURES, "GASP_SIGNATURE_AT_ONCE": "0"})
    assert going(centre, "signatures", SIGNATURES)["state"] != "failed"
    for made in centre.json("rollouts", "list")["items"]:
        if made["state"] == "scheduled":  # for the next working day
            centre.run("rollouts", "abort", str(made["id"]), "--reason", "the test is over", "--yes")


def test_two_machines_with_one_machine_id_are_clones(centre: Centre) -> None:
    centre.shell("czj", "cp /etc/machine-id /root/kept")
    theirs = centre.shell("gaj", "cat /etc/machine-id").strip()
    try:
        centre.shell("czj", f"chmod u+w /etc/machine-id; echo {theirs} > /etc/machine-id")
        centre.run("hosts", "measure")
        assert sorted(row(centre, "czj")["notes"]) == ["clone", "exchanged"]
        assert row(centre, "gaj")["notes"] == ["clone"], "which of both is the copy nobody knows"
        assert row(centre, "czj")["protection"] == "silent", "what it says is not of the one that is enrolled"
        scan = centre.json("security", "scan", "czj", check=1)["machines"][0]
        assert "not the one that was enrolled" in scan["error"]
        assert scan["scanned_at"] is None
        refused = centre.run("hosts", "enrol", "czj", "--tenant", "czj", "--ring", "2", "--yes", check=4)
        assert b"clone" in refused.stderr
    finally:
        centre.shell("czj", "cat /root/kept > /etc/machine-id; chmod 444 /etc/machine-id; rm /root/kept")
    centre.run("hosts", "measure")
    assert (row(centre, "czj")["notes"], row(centre, "gaj")["notes"]) == ([], [])


def test_a_lost_machine_is_shown_given_up_and_comes_back(centre: Centre) -> None:
    centre.run("lab", "stop", "sjj")
    try:
        age(centre, "machine_looks", "last_contact", 8)
        measured_ = centre.json("hosts", "measure", "tenant:sjj", check=6)["machines"][0]
        assert (measured_["notes"], measured_["protection"]) == (["lost"], "silent")
        lost = centre.json("hosts", "retire", "sjj", "--lost", "--reason", "stolen", "--yes")
        assert lost["left"] == [f"machine:{measured_['machine']}/baseline"]
        assert centre.json("security", "show", "sjj")["items"][0]["machines"] == 0
        plan = centre.plan("tenant:sjj")
        assert (plan["changes"], plan["waiting"]) == ([], []), "nobody waits for it"
    finally:
        centre.run("lab", "start", "sjj")
    wait_until(lambda: centre.reach("sjj", "true", check=False).returncode == 0, 60, "sjj is back")
    centre.run("hosts", "enrol", "sjj", "--tenant", "sjj", "--ring", "3", "--yes")
    centre.apply("tenant:sjj")
    assert centre.plan("tenant:sjj")["changes"] == []
    centre.run("security", "refresh", "tenant:sjj", "--yes")
    found = row(centre, "sjj")
    assert (found["notes"], found["protection"], found["scanned_at"]) == ([], "unscanned", None), "it is another one"
    centre.run("security", "scan", "sjj")
    assert row(centre, "sjj")["protection"] == "clean"


def test_a_transfer_takes_the_machine_and_what_is_known_of_it(centre: Centre) -> None:
    def owner() -> str:
        return str(json.loads(centre.shell("gaj", "cat /var/lib/gasp/machine.json"))["owner"])

    before, owned_by = row(centre, "gaj"), owner()
    centre.run("hosts", "transfer", "gaj", "--tenant", "czj", "--yes")
    try:
        (theirs,) = centre.json("security", "show", "czj")["items"]
        (left,) = centre.json("security", "show", "gaj")["items"]
        assert (theirs["machines"], left["machines"]) == (2, 0)
        centre.apply("tenant:czj")
        assert centre.plan("system:security")["changes"] == []
        found = measured(centre, "gaj")
        same = ("machine", "ring", "signature_set", "scanned_at", "protection", "faults", "patch_state")
        assert {k: found[k] for k in same} == {k: before[k] for k in same}
        assert found["tenant"] == "czj"
        assert centre.json("hosts", "show", "gaj")["history"][-1]["what"] == "transferred"
        assert owner() != owned_by, "what is on it says whose it is"
    finally:
        centre.run("hosts", "transfer", "gaj", "--tenant", "gaj", "--yes")
        centre.apply("tenant:gaj")
    assert centre.plan("system:security")["changes"] == []
    assert (row(centre, "gaj")["tenant"], owner()) == ("gaj", owned_by)


def test_how_a_package_is_held_is_said_as_far_as_it_is_known(centre: Centre) -> None:
    rolling = Rolling(centre)
    published, wanted = rolling.published(), rolling.snapshot("1.1")
    pin = "/etc/apt/preferences.d/own"
    centre.shell("fgw", f"dpkg -P {DEMO} >/dev/null 2>&1 || true")
    try:
        centre.run("snapshots", "publish", rolling.snapshot("1.0"), "--ring", "1", "--yes")
        centre.shell("fgw", f"apt-get -q update >/dev/null; apt-get -qy install {DEMO}=1.0 >/dev/null")
        centre.shell("fgw", f"printf 'Package: {DEMO}\\nPin: version 1.0\\nPin-Priority: 1001\\n' > {pin}")
        centre.run("snapshots", "publish", wanted, "--ring", "1", "--yes")
        found = measured(centre, "fgw")
        assert (found["patch_state"], found["held"]) == ("held", 1), "a pinned package is not patched"
        (item,) = centre.json("hosts", "show", "fgw")["missing"]
        assert item["held_by"] == f"a pin in {pin} on the machine, not by the centre"
        centre.shell("fgw", f"rm {pin}; apt-mark hold {DEMO}")
        assert measured(centre, "fgw")["held"] == 1
        (item,) = centre.json("hosts", "show", "fgw")["missing"]
        assert item["held_by"].startswith("apt-mark hold on the machine, not by the centre")
    finally:
        centre.shell("fgw", f"rm -f {pin}; apt-mark unhold {DEMO} >/dev/null || true; dpkg -P {DEMO}")
        Outside(centre).begin_again()
        if rolling.published()[1] != published[1]:
            centre.run("snapshots", "publish", published[1], "--ring", "1", "--yes")
    assert measured(centre, "fgw")["patch_state"] == "patched"
