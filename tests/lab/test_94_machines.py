"""Enrolled machines on real workstations: baseline, measuring, every fault as exactly that, antivirus, and no trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.cgroups import detect
from tests.conftest import Centre
from tests.lab.rolling import Rolling
from tests.lab.upstream import Outside
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}\$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!\$H+H*"
ENROLLED = ("czj", "fgw", "gaj", "jyj", "sjj")
#: Everything that may tell of us: content of all files that are not a log, a cache or the running system.
TREE = (
    "find /etc /opt /root /home /usr/local /var/lib -xdev -type f ! -path '/var/lib/systemd/*' ! -name '*.pyc'"
    " -exec sha256sum {} + | sort -k2"
)
#: Where something of ours would be.
OURS = "find /etc/apt /etc/clamav /etc/systemd/system /var/lib -name '*gasp*'"


def row(centre: Centre, name: str) -> Any:
    return next(r for r in centre.json("hosts", "list")["items"] if r["name"] == name)


def measured(centre: Centre, name: str) -> Any:
    (found,) = centre.json("hosts", "measure", f"host:{name}")["machines"]
    return found


def remedy(centre: Centre, name: str, fault: str) -> str:
    details = centre.json("hosts", "show", name)["fault_details"]
    return str(next(d["remedy"] for d in details if d["fault"] == fault))


def ring_has(centre: Centre, ring: int) -> str:
    rows = centre.json("snapshots", "list", "--kind", "patches")["items"]
    return str(next(r["id"] for r in rows if ring in r["rings"]))


@pytest.fixture(scope="module", autouse=True)
def untouched(centre: Centre) -> Iterator[None]:
    """At the end no machine has a fault, and the one whose department has no such service is what it was. All were
    scanned, so that a clean one may be called so."""
    before = centre.shell("shinan", TREE)
    centre.run("security", "scan", "estate")
    yield
    rows = centre.json("hosts", "measure")["machines"]
    assert {m["name"]: [*m["faults"], *m["notes"]] for m in rows if m["faults"] or m["notes"]} == {}
    assert centre.shell("shinan", TREE) == before
    assert centre.shell("shinan", OURS) == ""
    assert centre.shell("shinan", "systemctl is-active clamav-daemon.service", check=False).strip() == "inactive"
    assert row(centre, "shinan")["patch_state"] == "unmanaged"


def test_enrolled_at_bring_up_measured_and_all_in_their_rings(centre: Centre):
    answer = centre.json("hosts", "measure")
    assert answer["silent"] == 0
    assert answer["seconds"] < 10
    machines = {m["name"]: m for m in answer["machines"]}
    assert tuple(sorted(machines)) == ENROLLED
    assert {n: m["ring"] for n, m in machines.items()} == {"fgw": 1, "czj": 2, "gaj": 2, "jyj": 3, "sjj": 3}
    for found in machines.values():
        assert (found["patch_state"], found["protection"], found["faults"]) == ("patched", "clean", []), found
        assert 0 <= found["signature_age_seconds"] < 48 * 3600
        assert found["last_contact"] == found["measured_at"]
    (tenant,) = centre.json("security", "show", "fgw")["items"]
    assert (tenant["machines"], tenant["clean"], tenant["old_signatures"], tenant["silent"]) == (1, 1, 0, 0)
    assert tenant["sentence"] == "1 of 1 patched, 0 unknown"
    assert centre.plan("system:security")["changes"] == []


def test_a_test_file_is_a_finding_at_the_centre_with_host_path_and_tenant(centre: Centre):
    path = "/home/zhang/报告 final.com"
    centre.shell("gaj", f'mkdir -p /home/zhang; printf %s "{EICAR}" > "{path}"')
    try:
        # nothing is not clean: what is not there is said to be not there
        typo = centre.json("security", "scan", "gaj", "--path", "/hoem", check=1)["machines"][0]
        assert (typo["files"], "/hoem is no folder" in typo["error"], typo["scanned_at"]) == (0, True, None)
        scan = centre.json("security", "scan", "gaj", "--path", "/home", check=1)
        ended = time.monotonic()
        (found,) = centre.json("security", "findings", "--open")["items"]
        assert time.monotonic() - ended < 10
        assert (found["host"], found["path"], found["tenant"]) == ("gaj", path, "gaj")
        assert found["signature"].startswith("Lab.Eicar")
        assert scan["machines"][0]["files"] >= 1
        # the same file again is the same finding, and the machine is not clean
        assert centre.json("security", "scan", "gaj", "--path", "/home", check=1)["findings"] == [found["id"]]
        (tenant,) = centre.json("security", "show", "gaj")["items"]
        assert (tenant["clean"], tenant["with_findings"], tenant["findings"]) == (0, 1, 1)
    finally:
        centre.shell("gaj", "rm -r /home/zhang")
    centre.run("security", "clear", found["id"], "--reason", "test file, deleted", "--yes")
    assert centre.json("security", "findings", "--open")["items"] == []
    assert row(centre, "gaj")["protection"] == "clean"


def killed_for_memory(centre: Centre, host: str) -> int:
    """Give the engine next to no memory and let it work; how often the kernel killed for want of it. A host of the lab
    cannot limit its own units, so the limit lies in the machine's control groups."""
    groups = detect(centre.lab)
    (engine,) = (pid for pid in groups.pids(host) if Path(f"/proc/{pid}/comm").read_text() == "clamd\n")
    group = next(f for f in groups.folders(host) if f.parent.parent.name == "memory") / "engine"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text("65536")
        (group / "cgroup.procs").write_text(str(engine))
        scan = "clamdscan --config-file=/etc/clamav/gasp-clamd.conf --fdpass $(readlink -f /usr/bin/python3)"
        centre.shell(host, scan, check=False)
        wait_until(lambda: not Path(f"/proc/{engine}").exists(), 60)
        told = (group / "memory.oom_control").read_text().split()
        return int(told[told.index("oom_kill") + 1])
    finally:
        group.rmdir()


def test_an_engine_killed_for_memory_is_not_green_and_measuring_does_not_wake_it(centre: Centre):
    assert killed_for_memory(centre, "sjj") == 1
    wait_until(lambda: "failed" in centre.shell("sjj", "systemctl is-active clamav-daemon", check=False), 60)
    found = measured(centre, "sjj")
    assert (found["faults"], found["protection"]) == (["engine-dead"], "unprotected")
    assert row(centre, "sjj")["protection"] == "unprotected"
    (numbers,) = centre.json("security", "show", "sjj")["items"]
    assert [numbers[name] for name in ("machines", "clean", "old_signatures", "silent", "unprotected")] == [
        1,
        0,
        0,
        0,
        1,
    ]
    details = centre.json("hosts", "show", "sjj")["fault_details"]
    assert "signal 9" in details[0]["found"]
    assert "gasp hosts mend sjj" in details[0]["remedy"]
    (probe,) = centre.json("probes", "run", "subscription:sjj/security", check=False)["items"]
    assert probe["state"] == "failed"
    centre.run("hosts", "mend", "sjj", "--dry-run")
    assert measured(centre, "sjj")["faults"] == ["engine-dead"], "a rehearsal mends nothing"
    mended = centre.json("hosts", "mend", "sjj", "--yes")
    assert mended["row"]["faults"] == []
    assert mended["row"]["protection"] == "clean"


def test_old_signatures_under_a_running_engine_are_not_green(centre: Centre):
    # the disk gets a newer set, and the engine does not load it
    centre.shell(
        "sjj",
        "cd /var/lib/gasp; cp signatures.json /root/kept.json; cp /var/lib/clamav/gasp-set.hdb /root/kept.hdb;"
        " python3 -c \"import json; p='signatures.json'; d=json.load(open(p)); d['known']['newer']=d['known'][d['id']];"
        " d['id']='newer'; json.dump(d,open(p,'w'))\"",
    )
    found = measured(centre, "sjj")
    assert (found["faults"], found["protection"]) == (["signatures-not-loaded"], "old")
    assert "gasp hosts mend sjj" in remedy(centre, "sjj", "signatures-not-loaded")
    centre.shell("sjj", "cp /root/kept.json /var/lib/gasp/signatures.json")
    # three days old and loaded: old by age
    centre.shell(
        "sjj",
        "cd /var/lib/gasp; python3 -c \"import json,time; p='signatures.json'; d=json.load(open(p));"
        " d['known'][d['id']]=time.strftime('%Y-%m-%dT%H:%M:%SZ',time.gmtime(time.time()-73*3600));"
        " json.dump(d,open(p,'w'))\"",
    )
    found = measured(centre, "sjj")
    assert (found["faults"], found["protection"]) == ([], "old")
    (tenant,) = centre.json("security", "show", "sjj")["items"]
    assert (tenant["clean"], tenant["old_signatures"]) == (0, 1)
    # a file of the set is gone
    centre.shell("sjj", "mv /root/kept.json /var/lib/gasp/signatures.json; rm /var/lib/clamav/city.ndb /root/kept.hdb")
    assert measured(centre, "sjj")["faults"] == ["signatures-missing"]
    assert "gasp hosts mend sjj" in remedy(centre, "sjj", "signatures-missing")
    assert centre.json("hosts", "mend", "sjj", "--yes")["row"]["protection"] == "clean"


def test_an_interrupted_installation_is_named_and_finished(centre: Centre):
    centre.shell(
        "gaj",
        "mkdir -p /tmp/p/DEBIAN; cd /tmp; touch /tmp/halt;"
        " printf 'Package: halting\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x.test>\\nDescription: x\\n'"
        " > p/DEBIAN/control; printf '#!/bin/sh\\n[ ! -e /tmp/halt ] || kill -9 $PPID\\n' > p/DEBIAN/postinst;"
        " chmod 755 p/DEBIAN/postinst; dpkg-deb -b p halting.deb >/dev/null;"
        " dpkg -i halting.deb >/dev/null 2>&1 || true",
    )
    found = measured(centre, "gaj")
    assert found["faults"] == ["dpkg-interrupted"]
    assert found["patch_state"] == "unknown"
    assert found["pending"] is None, "no number without knowledge"
    assert "gasp hosts mend gaj" in remedy(centre, "gaj", "dpkg-interrupted")
    centre.shell("gaj", "rm /tmp/halt")
    mended = centre.json("hosts", "mend", "gaj", "--yes")
    assert [(a["fault"], a["done"]) for a in mended["acts"]] == [("dpkg-interrupted", True)]
    assert mended["row"]["patch_state"] == "patched"
    centre.shell("gaj", "dpkg -P halting >/dev/null; rm -r /tmp/p /tmp/halting.deb")


def test_a_held_lock_names_its_holder_and_nobody_is_killed(centre: Centre):
    centre.shell(
        "gaj",
        "nohup python3 -c \"import fcntl,time; f=open('/var/lib/dpkg/lock-frontend','w'); fcntl.lockf(f,fcntl.LOCK_EX);"
        " open('/tmp/locked','w').close(); time.sleep(300)\" >/dev/null 2>&1 & echo $! > /tmp/locker;"
        " until [ -e /tmp/locked ]; do :; done",
    )
    try:
        assert measured(centre, "gaj")["faults"] == ["dpkg-locked"]
        (detail,) = centre.json("hosts", "show", "gaj")["fault_details"]
        assert centre.shell("gaj", "cat /tmp/locker").strip() in detail["found"]
        assert detail["mends"] is None
        assert "never killed" in detail["remedy"]
        assert centre.json("hosts", "mend", "gaj", "--yes")["acts"] == []
        centre.shell("gaj", "kill -0 $(cat /tmp/locker)")
    finally:
        centre.shell("gaj", "kill $(cat /tmp/locker); rm -f /tmp/locker /tmp/locked")


def test_a_full_disk_is_named_and_downloads_go(centre: Centre):
    centre.shell(
        "gaj",
        "mount -t tmpfs -o size=48m none /var/cache/apt; mkdir -p /var/cache/apt/archives/partial;"
        " head -c 47m /dev/zero > /var/cache/apt/archives/big_1_all.deb",
    )
    try:
        found = measured(centre, "gaj")
        assert found["faults"] == ["disk-full"]
        assert "gasp hosts mend gaj" in remedy(centre, "gaj", "disk-full")
        mended = centre.json("hosts", "mend", "gaj", "--yes")
        assert mended["row"]["faults"] == []
    finally:
        centre.shell("gaj", "umount /var/cache/apt")


def test_a_wrong_clock_is_named_and_makes_patches_unknown(centre: Centre):
    # a host's clock cannot be set here: the measuring program itself runs with another time
    centre.shell(
        "gaj",
        "printf '%s\\n' '#!/usr/bin/python3' 'import sys, time' 'real = time.time' 'time.time = lambda: real() - 7200'"
        " 'exec(sys.argv[-1])' > /usr/local/bin/python3; chmod 755 /usr/local/bin/python3",
    )
    try:
        found = measured(centre, "gaj")
        assert "clock-wrong" in found["faults"]
        assert found["patch_state"] == "unknown"
        (detail,) = [d for d in centre.json("hosts", "show", "gaj")["fault_details"] if d["fault"] == "clock-wrong"]
        assert detail["found"] == "-7200 s"
        assert "time server" in detail["remedy"]
    finally:
        centre.shell("gaj", "rm /usr/local/bin/python3")


def test_an_expired_release_file_is_named_and_fetched_again(centre: Centre):
    dists = "/srv/repository/aptly/public/dists/ring2"
    centre.shell(
        "repository",
        f"cd {dists}; cp -p InRelease /root/kept; export GNUPGHOME=/var/lib/gasp/repository/gnupg;"
        " sed '/^Date:/a Valid-Until: Thu, 26 Nov 2026 00:00:00 UTC' Release | sed 's/^Date:.*/Date: Wed, 25 Nov 2026"
        " 00:00:00 UTC/' > /root/release; rm InRelease; gpg --batch -q --clear-sign --output InRelease /root/release",
    )
    try:
        centre.shell("gaj", "rm -f /var/lib/gasp/lists.json /var/lib/apt/lists/*InRelease")
        found = measured(centre, "gaj")
        assert found["faults"] == ["release-expired"]
        assert "Publish a newer snapshot" in remedy(centre, "gaj", "release-expired")
        assert found["patch_state"] == "unknown"
        assert centre.json("hosts", "mend", "gaj", "--yes")["acts"][0]["done"] is False
    finally:
        centre.shell("repository", f"cp -p /root/kept {dists}/InRelease; rm /root/kept /root/release")
    assert centre.json("hosts", "mend", "gaj", "--yes")["row"]["patch_state"] == "patched"


def test_stale_lists_say_nothing_and_are_fetched_when_they_can_be(centre: Centre):
    centre.shell("repository", "systemctl stop nginx")
    try:
        centre.shell(
            "gaj", 'echo \'{"at": \'$(( $(date +%s) - 19 * 86400 ))\', "suite": "ring2"}\' > /var/lib/gasp/lists.json'
        )
        found = measured(centre, "gaj")
        assert found["faults"] == ["lists-stale"]
        assert "gasp hosts mend gaj" in remedy(centre, "gaj", "lists-stale")
        assert (found["patch_state"], found["pending"]) == ("unknown", None)
    finally:
        centre.shell("repository", "systemctl start nginx")
    found = measured(centre, "gaj")  # a day old is fetched in passing
    assert found["patch_state"] == "patched"


def test_a_machine_that_is_off_waits_and_catches_up(centre: Centre):
    centre.run("lab", "stop", "jyj")
    try:
        answer = centre.json("hosts", "measure", "tenant:jyj", check=6)
        assert (answer["silent"], answer["patches"]) == (1, "0 of 1 patched, 1 unknown")
        assert answer["machines"][0]["protection"] == "silent"
        assert answer["machines"][0]["last_contact"] is not None
        assert "Switch the machine on" in centre.json("hosts", "show", "jyj")["silent_remedy"]
        centre.run("hosts", "enrol", "jyj", "--tenant", "jyj", "--ring", "2", "--yes", check=6)
        plan = centre.plan("tenant:jyj")
        assert (plan["changes"], plan["unmeasured"]) == ([], [])
        assert [w["id"].split(":")[0] for w in plan["waiting"]] == ["machine"]
        centre.apply("tenant:jyj")
    finally:
        centre.run("lab", "start", "jyj")
    wait_until(lambda: measured(centre, "jyj")["patch_state"] == "patched", 60)
    centre.run("hosts", "enrol", "jyj", "--tenant", "jyj", "--ring", "2", "--yes")
    assert [c["action"] for c in centre.plan("tenant:jyj")["changes"]] == ["update"]
    centre.apply("tenant:jyj")
    centre.run("hosts", "enrol", "jyj", "--tenant", "jyj", "--ring", "3", "--yes")
    centre.apply("tenant:jyj")
    centre.run("security", "refresh", "tenant:jyj", "--yes")


def test_a_hand_made_change_is_drift_of_exactly_that_machine_and_foreign_sources_stay(centre: Centre):
    own = "/etc/apt/sources.list.d/own.list"
    centre.shell("czj", f"echo 'deb [trusted=yes] file:/srv/none ./' > {own}")
    centre.shell("czj", "echo '# by hand' >> /etc/clamav/gasp-clamd.conf")
    plan = centre.plan("system:security")
    (change,) = plan["changes"]
    assert (change["label"], change["tenant"], change["reason"]) == ("czj", "czj", "drift")
    assert any(f["label"] == f"czj {own}" for f in plan["foreign"])
    centre.run("drift", "revert", change["id"], "--yes")
    assert centre.plan("system:security")["changes"] == []
    assert centre.shell("czj", f"cat {own}").startswith("deb [trusted=yes]")
    centre.shell("czj", f"rm {own}")
    centre.shell("czj", "sed -i s/ring2/ring1/ /etc/apt/sources.list.d/gasp.sources")
    assert measured(centre, "czj")["faults"] == ["source-missing"]
    assert "gasp plan tenant:czj" in remedy(centre, "czj", "source-missing")
    centre.apply("tenant:czj")


def test_what_a_machine_lacks_has_severity_and_deadline_and_a_hold_its_date(centre: Centre):
    rolling = Rolling(centre)
    found_there, before = ring_has(centre, 1), rolling.snapshot("1.0")
    newest = rolling.snapshot("1.1")
    if found_there != before:
        centre.run("snapshots", "publish", before, "--ring", "1", "--yes")
    fresh = "dpkg -P gasp-demo gasp-tool >/dev/null 2>&1 || true; apt-get -q update"
    centre.shell("fgw", f"{fresh} && apt-get -qy install gasp-demo=1.0 gasp-tool")
    try:
        centre.run("snapshots", "publish", newest, "--ring", "1", "--yes")
        row_ = measured(centre, "fgw")
        assert (row_["patch_state"], row_["pending"], row_["overdue"]) == ("pending", 1, 0)
        (item,) = centre.json("hosts", "show", "fgw")["missing"]
        assert (item["package"], item["installed"], item["candidate"]) == ("gasp-demo", "1.0", "1.1")
        assert (item["severity"], item["security"], item["deadline"][:10]) == ("critical", True, "2026-12-04")
        assert centre.json("hosts", "show", "fgw")["packages"] == {"gasp-demo": "1.0", "gasp-tool": "2.3-1"}
        centre.shell("fgw", "apt-mark hold gasp-demo; touch /run/reboot-required")
        row_ = measured(centre, "fgw")
        assert (row_["patch_state"], row_["pending"], row_["held"]) == ("held", 0, 1)
        (item,) = centre.json("hosts", "show", "fgw")["missing"]
        assert item["held_by"] and item["held_since"] and item["since"] <= item["held_since"]
        centre.shell("fgw", "apt-mark unhold gasp-demo; apt-get -qy install gasp-demo=1.1")
        row_ = measured(centre, "fgw")
        assert (row_["patch_state"], row_["reboot_required"]) == ("restart", True)
        # the ring goes back: a version that it does not have any more is not patched
        centre.run("snapshots", "publish", before, "--ring", "1", "--yes")
        centre.shell("fgw", "rm /run/reboot-required")
        row_ = measured(centre, "fgw")
        assert row_["patch_state"] == "pending"
        (item,) = centre.json("hosts", "show", "fgw")["missing"]
        assert (item["installed"], item["candidate"]) == ("1.1", "1.0")
    finally:
        Outside(centre).begin_again()
        centre.shell("fgw", "dpkg -P gasp-demo gasp-tool; rm -f /run/reboot-required")
    if ring_has(centre, 1) != found_there:
        centre.run("snapshots", "publish", found_there, "--ring", "1", "--yes")
    assert measured(centre, "fgw")["patch_state"] == "patched"


def test_retired_leaves_nothing_and_enrolled_again_is_another(centre: Centre):
    before = row(centre, "sjj")["machine"]
    answer = centre.json("hosts", "retire", "sjj", "--yes")
    assert answer["waiting"] is False
    names = f"{OURS}; ls /var/lib/clamav /etc/systemd/system"
    assert centre.shell("sjj", names) == centre.shell("shinan", names)
    ours = "find /etc /var/lib/clamav /var/lib/apt/lists -type f ! -name lock | sort"
    assert centre.shell("sjj", ours) == centre.shell("shinan", ours)
    assert centre.shell("sjj", "systemctl is-active clamav-daemon.service", check=False).strip() == "inactive"
    assert row(centre, "sjj")["patch_state"] == "unmanaged"
    assert centre.plan("tenant:sjj")["changes"] == []
    centre.run("hosts", "enrol", "sjj", "--tenant", "sjj", "--yes")
    assert row(centre, "sjj")["machine"] != before
    centre.apply("tenant:sjj")
    centre.run("security", "refresh", "tenant:sjj", "--yes")
    assert row(centre, "sjj")["protection"] == "unscanned", "what is known of the former one does not count"


def test_what_cannot_be_enrolled_is_refused_with_every_reason(centre: Centre):
    refused = centre.run("hosts", "enrol", "gaj", "--tenant", "shinan", "--yes", check=4).stderr.decode()
    assert "does not subscribe" in refused
    assert "stands in the network of gaj" in refused


def test_another_consoles_list_is_observed_and_never_touched(centre: Centre, tmp_path: Any):
    path = tmp_path / "console.csv"
    path.write_bytes("计算机名,部门,操作系统\nKY-001,市财政局,银河麒麟 V10\nWIN-7,czj,Windows 7\n".encode("gb18030"))
    tenants = {t["code"]: t["name_zh"] for t in centre.json("tenants", "list")["items"]}
    path.write_bytes(path.read_bytes().replace("市财政局".encode("gb18030"), tenants["czj"].encode("gb18030")))
    answer = centre.json("hosts", "import", str(path), "--yes")
    assert (answer["encoding"], answer["create"]) == ("gb18030", 2)
    found = row(centre, "win-7")
    assert (found["managed"], found["patch_state"], found["notes"]) == (False, "observed", ["observed"])
    assert centre.plan("system:security")["changes"] == []
    centre.run("hosts", "mend", "win-7", "--yes", check=4)
    for name in ("win-7", "ky-001"):
        centre.run("hosts", "retire", name, "--yes")
