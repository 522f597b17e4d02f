"""Rollouts, freezes and the worker on real machines; the package is real: 1.0, 1.1, and a 1.2 that fails to install."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from control_plane.drivers.pyinfra import PyinfraInstaller, Reach
from control_plane.model.machine import Installed, Machine, Proceed, Ring
from control_plane.model.rollout import RolloutEvent
from control_plane.workflow.rollout_tick import ATTEMPTS
from tests.conftest import Centre
from tests.lab.rolling import AT_ONCE, Rolling
from tests.lab.upstream import Outside
from tests.lab.world import Directory
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

#: The estate of the tests: one pilot, two machines in each of the next rings; shinan has no such service.
PILOTS, BROAD, REST = ["fgw"], ["czj", "gaj"], ["jyj", "sjj"]
ENROLLED = [*PILOTS, *BROAD, *REST]


#: A package that the centre does not offer.
OWN_PACKAGE = (
    "mkdir -p /tmp/own/DEBIAN; cd /tmp; printf 'Package: own-tool\\nVersion: 0.9\\nArchitecture: all\\n"
    "Maintainer: x <x@x.test>\\nDescription: x\\n' > own/DEBIAN/control; dpkg-deb -b own own.deb >/dev/null;"
    " dpkg -i own.deb >/dev/null; rm -r own own.deb"
)
#: Prints whether a package is installed or held, and its version.
STATE = "dpkg-query -W -f '${db:Status-Abbrev}${Version}'"


@pytest.fixture(scope="module")
def rolling(centre: Centre) -> Rolling:
    return Rolling(centre)


@pytest.fixture
def worker(centre: Centre) -> Iterator[None]:
    """The worker in the background."""
    centre.run("worker", "start")
    yield
    centre.run("worker", "start")


@pytest.fixture
def by_hand(centre: Centre) -> Iterator[None]:
    """No worker, so that a test decides when a step is done."""
    centre.run("worker", "stop")
    yield
    centre.run("worker", "start")


def test_one_arrives_everywhere_in_rings_and_one_that_was_off_catches_up(
    centre: Centre, rolling: Rolling, worker: None
):
    rolling.begin_with("1.0")
    stranger = centre.shell("shinan", "cat /var/log/dpkg.log 2>/dev/null | wc -l")
    centre.shell("czj", OWN_PACKAGE)
    centre.run("lab", "stop", "sjj")
    rollout = rolling.start("1.1")
    late = rolling.wait(rollout, "catching_up", "stopped", "waiting")
    assert late["state"] == "catching_up", rolling.told(late)
    assert rolling.states(rollout) == {**dict.fromkeys(ENROLLED, "ok"), "sjj": "off"}
    assert set(rolling.versions(ENROLLED[:-1]).values()) == {"1.1"}
    touched = [e["data"]["name"] for e in rolling.events(rollout, "item.touching")]
    assert touched[:1] == PILOTS
    assert set(touched[1:3]) == set(BROAD)
    assert touched[3:] == ["jyj"], "no host is touched twice, and none that is off"
    centre.run("lab", "start", "sjj")
    assert rolling.wait(rollout, "done")["finished_at"]
    assert rolling.versions(["sjj"]) == {"sjj": "1.1"}
    assert centre.shell("shinan", "cat /var/log/dpkg.log 2>/dev/null | wc -l") == stranger
    assert centre.shell("czj", f"{STATE} own-tool; dpkg -P own-tool >/dev/null") == "ii 0.9", "it is not the centre's"
    assert centre.run("rollouts", "follow", str(rollout)).returncode == 0


def test_one_whose_post_install_fails_stops_with_the_pilots_who_go_back(centre: Centre, rolling: Rolling, worker: None):
    rolling.begin_with("1.1")
    before, published = rolling.had(ENROLLED), rolling.published()
    rollout = rolling.start("1.2")
    stopped = rolling.wait(rollout, "stopped", "waiting", "done")
    assert stopped["state"] == "stopped", rolling.told(stopped)
    pilot = next(i for i in stopped["items"] if i["name"] == "fgw")
    assert (pilot["state"], pilot["fault"]) == ("failed", "dpkg-interrupted")
    assert "gasp-demo" in pilot["sentence"]
    assert rolling.had(PILOTS)["fgw"].state != "ii"
    now = rolling.published()
    assert {r: s for r, s in now.items() if r != 1} == {r: s for r, s in published.items() if r != 1}
    centre.run("rollouts", "follow", str(rollout), check=1)
    centre.run("rollouts", "rollback", str(rollout), "--reason", "it fails", "--yes")
    back = rolling.wait(rollout, "rolled_back", "waiting")
    assert back["state"] == "rolled_back", rolling.told(back)
    assert rolling.published() == published
    after = rolling.had(ENROLLED)
    assert (after["fgw"].state, after["fgw"].version) == ("ii", "1.1")
    others = [name for name in ENROLLED if name not in PILOTS]
    assert {n: after[n] for n in others} == {n: before[n] for n in others}, "nobody else was touched"


def test_a_held_package_stays_and_is_no_success(centre: Centre, rolling: Rolling, worker: None):
    rolling.begin_with("1.0")
    centre.shell("fgw", "apt-mark hold gasp-demo")
    try:
        rollout = rolling.start("1.1")
        stopped = rolling.wait(rollout, "stopped", "waiting", "done")
        assert centre.shell("fgw", f"{STATE} gasp-demo") == "hi 1.0"
        assert stopped["state"] == "stopped", rolling.told(stopped)
        pilot = next(i for i in stopped["items"] if i["name"] == "fgw")
        assert pilot["state"] == "failed"
        assert "gasp-demo: held there" in pilot["sentence"]
        centre.run("rollouts", "rollback", str(rollout), "--reason", "it is held", "--yes")
        assert rolling.wait(rollout, "rolled_back", "waiting")["state"] == "rolled_back"
        assert centre.shell("fgw", f"{STATE} gasp-demo") == "hi 1.0"
    finally:
        centre.shell("fgw", "apt-mark unhold gasp-demo")


KILLS = [RolloutEvent.PUBLISHED, RolloutEvent.TOUCHING, RolloutEvent.ITEM, RolloutEvent.FINISHED]


def test_killed_again_and_again_nothing_is_doubled_or_lost(  # open-16
    centre: Centre, rolling: Rolling, by_hand: None
):
    rolling.begin_with("1.0")
    rollout = rolling.start("1.1", "--reached", "60 %")
    poison = {"GASP_FAULT": f"kill:{RolloutEvent.TOUCHING.value}"}
    died = sum(1 for _ in iter(lambda: rolling.step(poison), 0))
    assert died in (ATTEMPTS, ATTEMPTS + 1), "the first step came further than those after it"
    given_up = rolling.show(rollout)
    assert given_up["state"] == "waiting" and f"killed {ATTEMPTS} times at this very step" in given_up["sentence"]
    assert (rolling.step(), set(rolling.versions(ENROLLED).values())) == (0, {"1.0"}), "a person decides"
    centre.run("rollouts", "release", str(rollout), "--reason", "mended", "--yes")
    for event in KILLS:
        assert rolling.step({"GASP_FAULT": f"kill:{event.value}"}) == -9, event
        if event is RolloutEvent.ITEM:
            finished = rolling.had(PILOTS)
    centre.run("lab", "stop", "sjj")
    try:
        assert rolling.step() == 0
        few = rolling.show(rollout)
        assert few["state"] == "waiting", rolling.told(few)
        assert "Only 1 of 2 machines answered; at least 60 % must" in few["sentence"]
    finally:
        centre.run("lab", "start", "sjj")
    centre.run("rollouts", "release", str(rollout), "--reason", "it is on again", "--yes")
    assert rolling.step() == 0
    assert rolling.show(rollout)["state"] == "done", rolling.told(rolling.show(rollout))
    assert set(rolling.versions(ENROLLED).values()) == {"1.1"}
    assert rolling.had(PILOTS) == finished, "what was done is only looked at afterwards"
    numbers = [e["number"] for e in rolling.events(rollout)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_freeze_stops_a_working_worker_before_its_next_machine(centre: Centre, rolling: Rolling, worker: None):
    rolling.begin_with("1.0")
    before = rolling.had(ENROLLED)
    rollout = rolling.start("1.1")
    wait_until(lambda: rolling.events(rollout, "item.touching"), 60, "the first machine")
    frozen = centre.json("freezes", "set", "--reason", "flood warning")
    wait_until(lambda: "flood warning" in rolling.show(rollout)["sentence"], 60, "the sentence")
    touching = rolling.events(rollout, "item.touching")
    assert [e["data"]["name"] for e in touching if e["at"] > frozen["at"]] == []
    others = [name for name in ENROLLED if name not in {e["data"]["name"] for e in touching}]
    assert len(others) >= len(REST), "it was frozen in the middle"
    after = rolling.had(ENROLLED)
    assert {n: after[n] for n in others} == {n: before[n] for n in others}
    assert rolling.events(rollout, "item.touching") == touching
    centre.run("freezes", "lift", str(frozen["id"]), "--second", "li", "--reason", "over", "--yes")
    done = rolling.wait(rollout, "done", "stopped", "waiting")
    assert done["state"] == "done", rolling.told(done)
    assert set(rolling.versions(ENROLLED).values()) == {"1.1"}


def test_a_freeze_in_the_middle_touches_no_further_host_and_stops_everything(
    centre: Centre, rolling: Rolling, by_hand: None
):
    rolling.begin_with("1.0")
    rollout = rolling.start("1.1")
    assert rolling.step({"GASP_FAULT": f"kill:{RolloutEvent.FINISHED.value}"}) == -9
    frozen = centre.json("freezes", "set", "--reason", "storm warning")
    before = rolling.had(ENROLLED)
    assert rolling.step() == 0
    assert rolling.had(ENROLLED) == before
    standing = rolling.show(rollout)
    assert "storm warning" in standing["sentence"]
    assert "(on the machine itself)" in standing["sentence"]
    snapshot = rolling.snapshot("1.1")
    for refused in (
        ("apply", "tenant:fgw", "--yes"),
        ("hosts", "mend", "fgw", "--yes"),
        ("snapshots", "publish", snapshot, "--ring", "4", "--yes"),
    ):
        done = centre.run(*refused, check=4)
        assert b"storm warning" in done.stderr
        assert b"gasp freezes lift" in done.stderr
    alone = centre.run("freezes", "lift", str(frozen["id"]), "--second", "root", "--reason", "over", "--yes", check=4)
    assert b"second person" in alone.stderr
    centre.run("freezes", "lift", str(frozen["id"]), "--second", "li", "--reason", "over", "--yes")
    assert rolling.step() == 0
    assert rolling.show(rollout)["state"] == "done"


def test_the_installer_asks_before_each_host_and_knows_its_hosts(centre: Centre, rolling: Rolling, tmp_path: Path):
    """The contract of `model.machine.Installer`, by pyinfra in its child; hosts that are off, strange or refused."""
    folder = centre.state / "lab" / centre.lab
    addresses = {h["name"]: (h["mgmt"], 22) for h in centre.json("lab", "status")["hosts"]}
    addresses["gone"] = (addresses["fgw"][0], 1)

    def run(names: list[str], known_hosts: Path, proceed: Proceed) -> dict[str, Installed]:
        machines = [
            Machine(n, n, n, Ring.PILOT, n, True, "test", None, datetime(2026, 11, 1, tzinfo=UTC)) for n in names
        ]
        reach = Reach(lambda: addresses, lambda: folder / "id_ed25519", lambda: known_hosts)
        installer = PyinfraInstaller(reach, lambda chosen: iter(()))
        return {r.machine: r for r in installer.install(machines, "patches", proceed)}

    rolling.begin_with("1.1")
    before = rolling.had(["fgw", "czj"])
    asked: list[str] = []

    def only_fgw(name: str) -> bool:
        asked.append(name)
        return name == "fgw"

    found = run(["fgw", "czj", "gone", "nobody"], folder / "known_hosts", only_fgw)
    states = {name: result.state for name, result in found.items()}
    assert states == {"fgw": "already", "czj": "untouched", "gone": "unreachable", "nobody": "unreachable"}
    assert sorted(asked) == ["czj", "fgw"], "nobody is asked about a host that does not answer"
    assert rolling.had(["fgw", "czj"]) == before
    strange = tmp_path / "known_hosts"
    strange.write_text("")
    assert run(["fgw"], strange, lambda name: True)["fgw"].state == "unreachable", "an unknown host key is no host"
    centre.shell("fgw", "mv /etc/apt/sources.list.d/gasp.sources /root/kept")
    try:
        missing = run(["fgw"], folder / "known_hosts", lambda name: True)["fgw"]
    finally:
        centre.shell("fgw", "mv /root/kept /etc/apt/sources.list.d/gasp.sources")
    assert (missing.state, missing.fault) == ("failed", "source-missing")


def signatures_go_out(centre: Centre) -> tuple[str, int]:
    """A new set is fetched and a rollout of it begun; both ids."""
    outside = Outside(centre)
    outside.offer_signatures(f"wave-{secrets.token_hex(4)}")
    try:
        (synced,) = centre.json("snapshots", "sync", "--kind", "signatures", "--yes")["items"]
    finally:
        outside.begin_again()
    made = centre.json("rollouts", "create", "--kind", "signatures", "--snapshot", synced["snapshot"], *AT_ONCE)
    return str(synced["snapshot"]), int(made["id"])


def sets(centre: Centre) -> dict[str, str]:
    """Signature set and protection of each machine; whether it was scanned is not the question here."""
    rows = [row for row in centre.json("hosts", "list")["items"] if row["name"] in ENROLLED]
    words = {row["name"]: row["protection"].replace("unscanned", "clean") for row in rows}
    return {row["name"]: f"{row['signature_set']} {words[row['name']]}" for row in rows}


def test_a_signature_set_goes_out_in_rings(centre: Centre, rolling: Rolling, worker: None):
    wanted, rollout = signatures_go_out(centre)
    done = rolling.wait(rollout, "done", "stopped", "waiting")
    assert done["state"] == "done", rolling.told(done)
    assert [sorted(w["names"]) for w in done["waves"]] == [PILOTS, BROAD, REST]
    assert sets(centre) == dict.fromkeys(ENROLLED, f"{wanted} clean")


def test_a_signature_set_stops_with_a_pilot_whose_engine_cannot_start(centre: Centre, rolling: Rolling, worker: None):
    centre.run("hosts", "measure")
    before = sets(centre)
    centre.shell("fgw", "echo Nonsense yes >> /etc/clamav/gasp-clamd.conf; systemctl kill -s KILL clamav-daemon")
    try:
        _, rollout = signatures_go_out(centre)
        stopped = rolling.wait(rollout, "stopped", "waiting", "done")
        assert stopped["state"] == "stopped", rolling.told(stopped)
        assert {i["name"]: i["state"] for i in stopped["items"]}["fgw"] == "failed"
        assert [e["data"]["name"] for e in rolling.events(rollout, "item.touching")] == PILOTS
        centre.run("hosts", "measure")
        assert {n: s for n, s in sets(centre).items() if n not in PILOTS} == {
            n: s for n, s in before.items() if n not in PILOTS
        }
    finally:
        centre.apply("tenant:fgw")
    centre.run("rollouts", "rollback", str(rollout), "--reason", "its engine was dead", "--yes")
    back = rolling.wait(rollout, "rolled_back", "waiting")
    assert back["state"] == "rolled_back", rolling.told(back)
    assert sets(centre) == before


def kiosks(centre: Centre) -> set[str]:
    """Tenants that have the account `kiosk` in the directory."""
    found = (dn.partition(",")[0] for dn in Directory(centre).everything())
    return {name[len("uid=") : -len("-kiosk")] for name in found if name.endswith("-kiosk")}


def test_a_configuration_goes_out_in_groups_and_comes_back(
    centre: Centre, rolling: Rolling, worker: None, tmp_path: Path
):
    kept = [
        {"name": "scanner", "title": {"zh": "扫描仪", "en": "Scanner"}},
        {"name": "backup", "title": {"zh": "备份", "en": "Backup"}},
        {"name": "kiosk", "title": {"zh": "自助终端", "en": "Kiosk"}},
    ]
    patch = tmp_path / "patch.yaml"
    patch.write_text(yaml.safe_dump({"services": kept}, allow_unicode=True))
    order = ("--kind", "configuration", "--offering", "directory", "--patch", str(patch), "--soak", "0")
    groups = ("--group", "fgw", "--group", "czj,gaj")
    made = centre.json("rollouts", "create", *order, *groups, "--reason", "a kiosk for three", "--start", "--yes")
    done = rolling.wait(made["id"], "done", "stopped", "waiting")
    assert done["state"] == "done", done
    assert [w["names"] for w in done["waves"]] == [["fgw/directory"], ["czj/directory", "gaj/directory"]]
    assert kiosks(centre) == {"fgw", "czj", "gaj"}
    assert centre.plan()["changes"] == []
    runs = [w["run"] for w in done["waves"]]
    assert runs[0] < runs[1]
    centre.run("rollouts", "rollback", str(made["id"]), "--reason", "no kiosk", "--yes")
    assert rolling.wait(made["id"], "rolled_back", "waiting")["state"] == "rolled_back"
    assert kiosks(centre) == set()
    assert centre.plan()["changes"] == []


def test_the_worker_is_one_and_comes_back_when_it_is_killed(centre: Centre, worker: None):
    first = centre.json("worker", "status")
    assert first["running"]
    centre.run("worker", "start")
    assert centre.json("worker", "status")["pid"] == first["pid"], "never a second one"
    children = Path(f"/proc/{first['pid']}/task/{first['pid']}/children")
    (pid,) = children.read_text().split()
    os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: children.read_text().split() not in ([], [pid]), 30, "a new worker")
    assert centre.json("doctor")["items"][0]["check"] == "state"
    centre.run("worker", "stop")
    assert not centre.json("worker", "status")["running"]
    wait_until(lambda: not works(first["pid"]), 30, "the end of the worker's keeper")


def works(pid: int) -> bool:
    """Whether a process is there and is more than what nobody has fetched yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
