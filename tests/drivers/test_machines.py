"""Baselines of machines: the agent runs here for real, each machine being a folder; services are the lab's business."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers.machine_link import PARALLEL, Link, side_by_side
from control_plane.drivers.machines import MachinesDriver
from control_plane.drivers.ssh import Completed
from control_plane.model.errors import TemporaryError
from control_plane.model.machine import MACHINES_PART, Machine, Ring, baseline_id
from control_plane.model.plan import Memory, Plan, diff
from control_plane.model.ports import Outcome
from control_plane.model.resource import Measured, Resource, content_hash
from control_plane.model.text import t
from control_plane.offerings import discover
from tests.unit.offerings.estates import ENROLLED, estate, subscription, tenant

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SECURITY = discover()["security"]
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nYQ==\n-----END PGP PUBLIC KEY BLOCK-----\n"


class Here:
    """Runs the agent on this machine. `off`: hosts that do not answer; `dying`: lost after the work was done."""

    def __init__(self) -> None:
        self.off: set[str] = set()
        self.dying: set[str] = set()
        self.calls = 0

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.calls += 1
        if host in self.off:
            raise TemporaryError(t("Host {host} cannot be reached: {reason}", host=host, reason="No route to host"))
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, check=False)
        if host in self.dying:
            raise TemporaryError(t("Host {host} cannot be reached: {reason}", host=host, reason="lost"))
        return Completed(done.returncode, done.stdout, done.stderr)

    def lines(self, host: str, argv: Sequence[str], stdin: Sequence[bytes], timeout: float) -> Iterator[bytes]:
        yield from self.run(host, argv, b"".join(stdin), timeout).stdout.splitlines()


class Bench:
    """Machines of two tenants, each a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.here, self.key = folder, Here(), KEY
        self.machines = [self.machine(f"pc{n}", ("fgw", "czj")[n % 2]) for n in range(4)]
        self.leaving: list[Machine] = []
        link = Link(self.here, lambda host: {"root": str(folder / host), "units": False})
        self.driver = MachinesDriver(link, lambda: [*self.machines, *self.leaving], lambda: self.key, lambda: NOW)
        self.applied: dict[str, str] = {}

    def machine(self, name: str, code: str) -> Machine:
        root = self.folder / name
        for part in ("etc/apt/sources.list.d", "etc/apt/apt.conf.d", "etc/apt/keyrings", "etc/clamav", "etc/ssh"):
            (root / part).mkdir(parents=True)
        (root / "var/lib/clamav").mkdir(parents=True)
        (root / "etc/machine-id").write_text(f"{name}-id\n")
        (root / "etc/ssh/ssh_host_ed25519_key.pub").write_text(f"ssh-ed25519 KEY{name} root@x\n")
        (root / "etc/clamav/clamd.conf").write_text("# of the package\n")
        digest = hashlib.sha256(f"KEY{name}".encode()).hexdigest()[:32]
        return Machine(f"m_{name}", name, code, Ring.BROAD, name, True, "enrolled", f"{name}-id {digest}", ENROLLED)

    def wanted(self) -> list[Resource]:
        assert SECURITY.desired
        world = estate([tenant("fgw", 1), tenant("czj", 2)], machines=self.machines)
        views = [subscription(SECURITY, world.tenants[code], {}) for code in world.tenants]
        return [r for view in views for r in SECURITY.desired(view, world)]

    def plan(self, wanted: Sequence[Resource] | None = None, tenants: frozenset[str] | None = None) -> Plan:
        desired = {r.id: r for r in (self.wanted() if wanted is None else wanted)}
        owners = {r.owner.marker: r.owner for r in self.wanted()} | {r.owner.marker: r.owner for r in desired.values()}
        look = self.driver.observe(MACHINES_PART, tenants)
        kinds = {k.name: k for k in self.driver.kinds}
        memory = Memory(self.applied, {}, owners)
        return diff("estate", desired, [look], kinds, memory, lambda *_: True, NOW)

    def carry_out(self, plan: Plan, fence: Callable[[], None] = lambda: None) -> dict[str, Outcome]:
        done = [o for o in self.driver.apply(MACHINES_PART, plan.steps, fence) if isinstance(o, Outcome)]
        for change in plan.steps:
            if any(o.change_id == change.id and o.state in ("applied", "already") for o in done):
                self.applied[change.id] = change.after_hash or ""
        return {o.change_id: o for o in done}

    def tree(self, name: str) -> Mapping[str, str]:
        root = self.folder / name
        return {str(p.relative_to(root)): p.read_text() if p.is_file() else "" for p in sorted(root.rglob("*"))}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def states(outcomes: Mapping[str, Outcome]) -> set[str]:
    return {o.state for o in outcomes.values()}


def test_one_command_each_then_nothing_to_do_then_no_trace(bench: Bench) -> None:
    before = {m.name: bench.tree(m.name) for m in bench.machines}
    plan = bench.plan()
    assert plan.summary()["create"] == 4
    calls = bench.here.calls
    assert states(bench.carry_out(plan)) == {"applied"}
    assert bench.here.calls == calls + 4
    assert bench.plan().empty
    tree = bench.tree("pc0")
    assert "Signed-By: /etc/apt/keyrings/gasp-archive.asc" in tree["etc/apt/sources.list.d/gasp.sources"]
    assert tree["etc/apt/sources.list.d/gasp.sources"].startswith("# managed by gasp: owner=t_fgw/security")
    assert tree["etc/apt/keyrings/gasp-archive.asc"] == KEY
    assert (bench.folder / "pc0/var/lib/gasp/machine.json").stat().st_mode & 0o777 == 0o600
    gone = bench.plan([])
    assert {c.action for c in gone.steps} == {"delete"}
    assert states(bench.carry_out(gone)) == {"applied"}
    assert {m.name: bench.tree(m.name) for m in bench.machines} == before


def test_machines_that_are_off_wait_and_nothing_is_planned_for_them(bench: Bench) -> None:
    bench.here.off = {"pc1"}
    plan = bench.plan()
    assert plan.summary()["create"] == 3
    assert [i for i, _ in plan.waiting] == [baseline_id("m_pc1")]
    bench.carry_out(plan)
    assert bench.plan().empty
    bench.here.off = set()
    later = bench.plan()
    assert [c.id for c in later.steps] == [baseline_id("m_pc1")]
    bench.carry_out(later)
    assert bench.plan().empty


def test_on_a_machine_that_is_enrolled_anew_the_old_baseline_goes_before_the_new_one_comes(bench: Bench) -> None:
    bench.carry_out(bench.plan())
    (old,) = [m for m in bench.machines if m.name == "pc0"]
    bench.leaving = [old]
    bench.machines = [replace(m, id="m_anew") if m is old else m for m in bench.machines]
    plan = bench.plan()
    assert {(c.action, c.id) for c in plan.steps} == {
        ("delete", baseline_id(old.id)),
        ("create", baseline_id("m_anew")),
    }
    assert states(bench.carry_out(plan)) == {"applied"}
    bench.leaving = []
    assert bench.plan().empty


def test_a_hint_of_tenants_asks_only_theirs(bench: Bench) -> None:
    calls = bench.here.calls
    look = bench.driver.observe(MACHINES_PART, frozenset({"czj"}))
    assert isinstance(look, Measured)
    assert bench.here.calls == calls + 2


def test_another_machine_under_the_name_is_never_touched(bench: Bench) -> None:
    (bench.folder / "pc2/etc/machine-id").write_text("exchanged\n")
    before = bench.tree("pc2")
    plan = bench.plan()
    assert [i for i, _ in plan.waiting] == [baseline_id("m_pc2")]
    bench.carry_out(plan)
    assert bench.tree("pc2") == before


@pytest.mark.parametrize("how", ["changed", "missing", "mode"])
def test_a_hand_made_change_is_drift_of_exactly_that_machine(bench: Bench, how: str) -> None:
    bench.carry_out(bench.plan())
    path = bench.folder / "pc3/etc/clamav/gasp-clamd.conf"
    text = path.read_text()
    match how:
        case "changed":
            path.write_text(text + "User root\n")
        case "missing":
            path.unlink()
        case _:
            path.chmod(0o666)
    (change,) = bench.plan().steps
    assert (change.id, change.reason, change.hand_made) == (baseline_id("m_pc3"), "drift", True)
    assert change.before and list(change.before["hand_made"]) == ["/etc/clamav/gasp-clamd.conf"]
    assert states(bench.carry_out(bench.plan())) == {"applied"}
    assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o644
    assert bench.plan().empty


def test_what_moved_since_the_plan_is_refused(bench: Bench) -> None:
    bench.carry_out(bench.plan())
    bench.machines = [replace(m, ring=Ring.ALL) for m in bench.machines]
    plan = bench.plan()
    assert plan.summary()["update"] == 4
    (bench.folder / "pc0/etc/apt/apt.conf.d/50gasp").write_text("// mine\n")
    outcomes = bench.carry_out(plan)
    assert outcomes[baseline_id("m_pc0")].state == "refused"
    assert [o.state for i, o in outcomes.items() if i != baseline_id("m_pc0")] == ["applied"] * 3
    assert (bench.folder / "pc0/etc/apt/apt.conf.d/50gasp").read_text() == "// mine\n"


def test_the_same_again_is_already_and_a_lost_answer_is_unknown(bench: Bench) -> None:
    plan = bench.plan()
    bench.here.dying = {"pc1"}
    outcomes = bench.carry_out(plan)
    assert outcomes[baseline_id("m_pc1")].state == "unknown"
    bench.here.dying = set()
    again = bench.carry_out(plan)
    assert states(again) == {"already"}
    assert bench.plan().empty


def test_a_file_of_the_department_in_our_place_is_not_overwritten(bench: Bench) -> None:
    path = bench.folder / "pc2/etc/apt/sources.list.d/gasp.sources"
    path.write_text("Types: deb\n")
    outcomes = bench.carry_out(bench.plan())
    assert outcomes[baseline_id("m_pc2")].state == "failed"
    assert outcomes[baseline_id("m_pc2")].file == "/etc/apt/sources.list.d/gasp.sources"
    assert path.read_text() == "Types: deb\n"
    look = bench.driver.observe(MACHINES_PART)
    assert isinstance(look, Measured)
    assert [f.label for f in look.foreign] == ["pc2 /etc/apt/sources.list.d/gasp.sources"]


def test_what_an_interrupted_change_left_is_shown_and_finished(bench: Bench) -> None:
    bench.carry_out(bench.plan())
    manifest = bench.folder / "pc0/var/lib/gasp/machine.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "unfinished": True}))
    (bench.folder / "pc0/etc/clamav/gasp-clamd.conf").unlink()
    (change,) = bench.plan().steps
    assert change.before and change.before["unfinished"] is True
    assert states(bench.carry_out(bench.plan())) == {"applied"}
    assert bench.plan().empty


def test_a_garbled_list_of_ours_is_not_nothing(bench: Bench) -> None:
    bench.carry_out(bench.plan())
    (bench.folder / "pc0/var/lib/gasp/machine.json").write_text("{")
    plan = bench.plan()
    assert plan.steps == ()
    assert [i for i, _ in plan.waiting] == [baseline_id("m_pc0")]


def test_a_new_key_is_a_renewal_and_a_transfer_changes_the_owner(bench: Bench) -> None:
    bench.carry_out(bench.plan())
    bench.key = KEY.replace("YQ==", "Yg==")
    assert {c.reason for c in bench.plan().steps} == {"renew"}
    bench.carry_out(bench.plan())
    assert bench.plan().empty
    bench.machines = [replace(m, tenant="czj") for m in bench.machines]
    moved = bench.plan()
    assert {(c.id, c.tenant) for c in moved.steps} == {(baseline_id(f"m_pc{n}"), "czj") for n in (0, 2)}
    assert states(bench.carry_out(moved)) == {"applied"}
    assert bench.plan().empty


def test_a_retired_machine_is_cleaned_and_files_of_others_stay(bench: Bench) -> None:
    own = bench.folder / "pc0/var/lib/clamav/own.hdb"
    bench.carry_out(bench.plan())
    own.write_text("mine\n")
    bench.leaving, bench.machines = bench.machines[:1], bench.machines[1:]
    (change,) = bench.plan().steps
    assert change.action == "delete"
    bench.carry_out(bench.plan())
    assert own.read_text() == "mine\n"
    assert [p.name for p in (bench.folder / "pc0/var/lib/clamav").iterdir()] == ["own.hdb"]


def test_without_a_key_nothing_is_written(bench: Bench) -> None:
    def missing() -> str:
        raise TemporaryError(t("Run make up."))

    bench.driver._key = missing
    assert states(bench.carry_out(bench.plan())) == {"failed"}
    assert not (bench.folder / "pc0/etc/apt/sources.list.d/gasp.sources").exists()


def test_a_fence_that_falls_lets_what_has_begun_end_and_begins_no_more() -> None:
    class Fallen(Exception):
        pass

    begun: list[int] = []
    done: list[int] = []

    def fence(item: int) -> bool:
        if len(begun) == PARALLEL + 3:
            raise Fallen
        begun.append(item)
        return True

    with pytest.raises(Fallen):
        done.extend(item for item, _ in side_by_side(list(range(200)), lambda n: n, fence))
    assert sorted(done) == sorted(begun)
    answers: list[tuple[int, Any]] = list(side_by_side([1, 2, 3], lambda n: n, lambda n: n < 2))
    assert answers == [(1, 1), (2, None), (3, None)]


def test_attributes_are_what_is_compared(bench: Bench) -> None:
    first = bench.wanted()[0]
    assert content_hash(first.attributes) == content_hash(bench.wanted()[0].attributes)
    assert {"ring", "uri", "suite", "signatures", "settings", "key", "machine", "tenant"} == set(first.attributes)
