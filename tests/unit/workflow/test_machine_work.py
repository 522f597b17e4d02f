"""The inventory at work with hands that are data: clones, lost machines, three numbers, since when, mending, scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.errors import CouldNotMeasureError, Invalid, NotFound, Rejected
from control_plane.model.freeze import Frozen
from control_plane.model.machine import (
    Fault,
    Fingerprint,
    Found,
    Installed,
    Machine,
    MachineLook,
    MachineState,
    Mended,
    Pending,
    Proceed,
    Ring,
    Scanned,
    Seen,
)
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import t
from control_plane.store import machines as machine_rows
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.machines import state_from, state_json
from control_plane.workflow.machines import Machines
from tests.unit.workflow.conftest import Centre


@dataclass
class FakeHands:
    """Answers from tables; a host that is not among `who` is silent."""

    clock: Any
    who: dict[str, Fingerprint] = field(default_factory=dict)
    pending: dict[str, Sequence[Pending]] = field(default_factory=dict)
    faults: dict[str, dict[Fault, str]] = field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    news: Sequence[Found | Seen | Scanned] = ()
    asked: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    after_refresh: Callable[[str], object] = lambda name: None

    def fingerprints(self, hosts: Sequence[str]) -> Mapping[str, Fingerprint | CouldNotMeasure]:
        self.asked += hosts
        return {h: self.who.get(h) or CouldNotMeasure(h, self.clock(), t("No route to host")) for h in hosts}

    def measure(self, machines: Sequence[Machine]) -> Mapping[str, MachineLook]:
        return {m.id: self._look(m) for m in machines}

    def _look(self, machine: Machine) -> MachineLook:
        self.asked.append(machine.name)
        now, who = self.clock(), self.who.get(machine.name)
        if who is None:
            return CouldNotMeasure(machine.id, now, t("No route to host"))
        state = MachineState(
            machine.id, now, {"gasp-demo": "1.0"}, self.pending.get(machine.name, ()), now, False, "s1", now, True,
            self.faults.get(machine.name, {}), {"fingerprint": asdict(who)},
        )  # fmt: skip
        return replace(state, **self.changes.get(machine.name, {}))

    def refresh_signatures(self, machines: Sequence[Machine], proceed: Proceed = lambda _: True) -> Iterator[Installed]:
        for machine in machines:
            if not proceed(machine.id):
                yield Installed(machine.id, "untouched")
                continue
            self.refreshed.append(machine.name)
            yield Installed(machine.id, "changed", "s1")
            self.after_refresh(machine.name)

    def mend(self, machine: Machine, faults: Sequence[Fault]) -> Sequence[Mended]:
        self.faults[machine.name] = {f: w for f, w in self.faults[machine.name].items() if f not in faults}
        return [Mended(fault, True, t("done")) for fault in faults]

    def scan(
        self, machine: Machine, paths: Sequence[str], after: str | None = None, seconds: float | None = None
    ) -> Iterator[Found | Seen | Scanned]:
        yield from self.news
        found = [n for n in self.news if isinstance(n, Found)]
        yield Scanned(machine.id, 2, found, at=self.clock())


@dataclass
class World:
    centre: Centre
    hands: FakeHands
    machines: Machines

    def row(self, name: str) -> Any:
        return next(r for r in self.machines.rows() if r["name"] == name)


OUTSIDE = {"name": "citizen", "role": "citizen", "zone": "internet", "tenant": None, "state": "running"}
HOSTS = [
    {"name": n, "role": "workstation", "zone": "tenant", "tenant": n, "ipv4": "x", "ipv6": "y", "state": "running"}
    for n in ("fgw", "czj", "gaj")
] + [{"name": "web", "role": "web", "zone": "core", "tenant": None, "ipv4": "x", "ipv6": "y", "state": "running"}]


@pytest.fixture
def world(centre: Centre) -> World:
    store, actor = centre.store, centre.actor
    for code in ("czj", "fgw", "gaj"):
        centre.tenant(code)
    have = {row.code for row in store.estate.tenants()}
    codes = sorted(have)[:2]
    changes = [SubscriptionChange(code, "security", "S", {}) for code in codes]
    store.estate.change(actor, "test", changes, {})
    hosts = [{**h, "name": c, "tenant": c} for h, c in zip(HOSTS, sorted(have), strict=False)] + [HOSTS[-1], OUTSIDE]
    hands = FakeHands(centre.clock, {c: Fingerprint(f"id-{c}", f"key-{c}") for c in have})
    return World(centre, hands, Machines(store, hands, centre.applier, lambda: hosts, lambda: actor, centre.clock))


@pytest.fixture
def codes(world: World) -> list[str]:
    return sorted(world.machines.subscribed())


def test_only_subscribed_tenants_are_enrolled_and_nobody_unseen(world: World, codes: list[str]) -> None:
    del world.hands.who[codes[1]]
    count, complaints = world.machines.enrol_wanted(lambda code: code)
    assert count == 1
    assert "No route" in complaints[0]
    assert world.hands.asked == codes, "the others were not even asked"
    assert world.row(codes[0])["ring"] == Ring.ALL
    assert world.row("web")["patch_state"] == "unmanaged"
    with pytest.raises(CouldNotMeasureError):
        world.machines.enrol(codes[1], codes[1], 2)


def test_of_machines_that_a_form_names_all_are_met_or_none_is_enrolled(world: World, codes: list[str]) -> None:
    one = codes[0]
    form = {"machines": [{"name": name} for name in (one, f"{one}-2", f"{one}-3")]}
    world.hands.who[f"{one}-2"] = Fingerprint("id-2", "key-2")
    with pytest.raises(CouldNotMeasureError, match=f"{one}-3 could not be asked"):
        world.machines.enrol_named(one, form)
    world.hands.who[f"{one}-3"] = Fingerprint("id-2", "key-3")
    with pytest.raises(Rejected, match="a clone"):
        world.machines.enrol_named(one, form)
    assert not [row for row in world.machines.rows() if row["managed"]]
    world.hands.who[f"{one}-3"] = Fingerprint("id-3", "key-3")
    world.machines.enrol_named(one, form)
    assert [row["name"] for row in world.machines.rows() if row["managed"]] == [one, f"{one}-2", f"{one}-3"]
    assert world.hands.asked == [one, f"{one}-2", f"{one}-3"] * 3, "in one go, each time"


def test_a_clone_is_refused_and_one_that_appears_later_is_shown(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    world.hands.who["two"] = world.hands.who[codes[0]]
    with pytest.raises(Rejected, match="clone"):
        world.machines.enrol("two", codes[0], 2)
    world.hands.who[codes[1]] = world.hands.who[codes[0]]
    world.machines.measure()
    assert [world.row(c)["notes"] for c in codes] == [["clone"], ["clone"]]


def test_an_identity_of_its_own_ends_a_clone(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    one, two = codes
    world.hands.who[two] = world.hands.who[one]
    world.machines.measure()
    assert world.row(two)["notes"] == ["clone"]
    world.hands.who[two] = Fingerprint("id-new", "key-new")
    world.machines.measure()
    assert (world.row(one)["notes"], world.row(two)["notes"]) == ([], [])


def test_another_machine_under_the_name_is_exchanged_and_nothing_good_is_said_of_it(
    world: World, codes: list[str]
) -> None:
    world.machines.enrol_wanted(lambda code: code)
    one, two = codes
    world.machines.measure()
    assert world.row(one)["patch_state"] == "patched"
    world.hands.who[one] = Fingerprint("id-other", "key-other")
    world.hands.faults[one] = {"not-enrolled-here": "id-other key-other"}
    answer = world.machines.measure()
    row = world.row(one)
    assert (row["notes"], row["patch_state"], row["protection"]) == (["exchanged"], "unknown", "silent")
    assert answer["patches"] == "1 of 2 patched, 1 unknown"
    assert [(r["clean"], r["silent"], r["not_scanned"]) for r in world.machines.security()] == [(0, 1, 0), (0, 0, 1)]
    (detail,) = world.machines.show(one)["fault_details"]
    assert f"gasp hosts enrol {one} --tenant {one}" in detail["remedy"]
    assert world.row(two)["notes"] == []


def test_what_cannot_be_enrolled_has_all_its_reasons(world: World, codes: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        world.machines.enrol("x", "nobody", 9)
    assert {p.code for p in caught.value.problems} == {"no-tenant", "no-ring"}


def test_ring_0_is_the_centres_and_leaves_the_document_as_it_was(world: World, codes: list[str]) -> None:
    before = world.centre.store.estate.subscription(f"{codes[0]}/security")
    with pytest.raises(Invalid) as caught:
        world.machines.enrol(codes[0], codes[0], 0)
    assert [p.code for p in caught.value.problems] == ["no-ring"]
    assert world.centre.store.estate.subscription(f"{codes[0]}/security") == before


@pytest.mark.parametrize("path", ["home", "", "~/x", "./home", "/home\0x"])
def test_a_scan_of_what_is_no_whole_path_is_refused(world: World, codes: list[str], path: str) -> None:
    with pytest.raises(Invalid) as caught:
        world.machines.scan(codes[0], ["/home", path])
    assert [p.field for p in caught.value.problems] == ["paths[1]"]


def test_a_list_for_a_department_that_there_is_not_is_refused_by_its_dry_run(world: World, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("name\npc-1\n")
    with pytest.raises(NotFound):
        world.machines.preview_import(tmp_path / "list.csv", {}, "nobody")


def test_a_long_list_is_taken_over_at_a_steady_pace(
    world: World, codes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Counted, not timed: a line reads its own machine, not all that came before it."""
    path, plain, read = tmp_path / "list.csv", machine_rows._machine, list[str]()
    monkeypatch.setattr(machine_rows, "_machine", lambda row: read.append(row.name) or plain(row))
    path.write_text("name,tenant\n" + "".join(f"pc-{n},{codes[0]}\n" for n in range(200)))
    for _ in range(2):
        world.machines.import_machines(path, {}, None)
    assert len(read) < 10 * 200
    assert len(world.machines.rows()) >= 200


@pytest.mark.parametrize("name", ["web", "citizen"])
def test_a_host_that_is_no_tenants_is_never_enrolled(world: World, codes: list[str], name: str) -> None:
    world.hands.who[name] = Fingerprint(f"id-{name}", f"key-{name}")
    with pytest.raises(Invalid) as caught:
        world.machines.enrol(name, codes[0], 2)
    assert [p.code for p in caught.value.problems] == ["machine-of-centre"]
    spec = {"machines": [{"name": name, "ring": 2}]}
    world.centre.store.estate.change(
        world.centre.actor, "test", [SubscriptionChange(codes[0], "security", "S", spec)], {}
    )
    count, (complaint,) = world.machines.enrol_wanted(lambda code: code)
    assert count == 1 and name in complaint
    assert name not in world.hands.asked


def test_ring_0_is_the_centres_own_and_nobody_elses(world: World, codes: list[str]) -> None:
    assert (world.row("web")["ring"], world.row("citizen")["ring"]) == (Ring.CENTRE, None)


def test_enrolled_again_changes_the_ring_and_retired_stays_retired(world: World, codes: list[str]) -> None:
    first = world.machines.enrol(codes[0], codes[0], 1)
    world.machines.measure()
    again = world.machines.enrol(codes[0], codes[0], 2)
    assert (again["machine"], again["ring"]) == (first["machine"], 2)
    assert [e["what"] for e in again["history"]] == ["enrolled", "ring"]
    world.centre.store.machines.retire(world.centre.actor, [world.centre.store.machines.get(codes[0])])
    world.machines.enrol_wanted(lambda code: code)
    assert world.row(codes[0])["machine"] is None
    assert world.machines.enrol(codes[0], codes[0], 2)["machine"] != first["machine"]
    world.machines.measure()
    assert world.row(codes[0])["notes"] == [], "its own past is no clone"


@pytest.mark.parametrize("scope", ["tenant:{code}", "ring:pilot", "system:security", "estate"])
def test_a_freeze_keeps_a_machine_in_the_inventory(world: World, codes: list[str], scope: str) -> None:
    """What is refused is not half done."""
    world.machines.enrol(codes[0], codes[0], 1)
    world.centre.store.freezes.set(scope.format(code=codes[0]), "storm", world.centre.actor)
    with pytest.raises(Frozen, match="storm"):
        world.machines.retire(codes[0])
    assert world.row(codes[0])["managed"]


def test_three_numbers_and_a_lost_machine(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    assert [r["silent"] for r in world.machines.security()] == [1, 1], "never measured is silent"
    world.hands.changes[codes[0]] = {"signature_at": world.centre.clock() - timedelta(hours=80)}
    world.machines.measure()
    old, clean = world.machines.security()
    assert (old["clean"], old["old_signatures"], old["silent"]) == (0, 1, 0)
    assert (clean["clean"], clean["old_signatures"], clean["silent"], clean["not_scanned"]) == (0, 0, 0, 1)
    world.machines.scan(codes[1], ["/home"])
    assert world.machines.security(codes[1])[0]["not_scanned"] == 1, "one folder says nothing of the others"
    assert "never scanned whole" in world.machines.show(codes[1])["scan"]["sentence"]
    world.machines.scan(codes[1], ())
    (scanned,) = world.machines.security(codes[1])
    assert (scanned["clean"], scanned["not_scanned"]) == (1, 0)
    assert world.row(codes[1])["scanned_at"] == world.centre.clock().isoformat()
    world.hands.who.clear()
    world.centre.clock.advance(8 * 86400)
    answer = world.machines.measure()
    assert (answer["silent"], answer["patches"]) == (2, "0 of 2 patched, 2 unknown")
    row = world.row(codes[0])
    assert (row["patch_state"], row["pending"], row["notes"]) == ("unknown", None, ["lost"])
    assert row["last_contact"] is not None and "No route" in row["silent_because"]
    assert f"gasp hosts measure host:{codes[0]}" in world.machines.show(codes[0])["silent_remedy"]


def test_since_when_is_what_the_centre_first_saw(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    lacks = Pending("gasp-demo", "1.0", "1.1", severity="high", security=True, held=True)
    world.hands.pending[codes[0]] = [lacks]
    begun = world.centre.clock()
    world.machines.measure()
    world.centre.clock.advance(3600)
    world.machines.measure()
    (item,) = world.machines.show(codes[0])["missing"]
    assert (item["since"], item["held_since"]) == (begun.isoformat(), begun.isoformat())
    assert world.row(codes[0])["patch_state"] == "held"
    world.hands.pending[codes[0]] = [replace(lacks, candidate="1.2", held=False)]
    world.centre.clock.advance(3600)
    world.machines.measure()
    (item,) = world.machines.show(codes[0])["missing"]
    assert item["since"] == world.centre.clock().isoformat()
    assert item["held_since"] is None


def test_held_counts_what_is_on_hold_and_kept_back_is_a_number_of_its_own(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    name = codes[0]
    lacks = Pending("gasp-demo", "1.0", "1.1")
    world.hands.pending[name] = [
        replace(lacks, held=True),
        replace(lacks, package="one", kept_back=True),
        replace(lacks, package="two", kept_back=True, phased=True),
    ]
    world.hands.changes[name] = {"facts": {"fingerprint": asdict(world.hands.who[name]), "held": ["bash", "gasp-demo"]}}
    world.machines.measure(name)
    row = world.row(name)
    assert (row["held"], row["kept_back"], row["waiting"]) == (2, 1, 1)
    world.hands.changes[name] = {}  # looks of before the list was measured
    world.machines.measure(name)
    assert world.row(name)["held"] == 1


def test_mending_does_what_is_safe_and_names_the_rest(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    world.hands.faults[codes[0]] = {"engine-dead": "killed by signal 9", "dpkg-locked": "12 apt"}
    plan = world.machines.preview_mend(codes[0])
    assert [a["fault"] for a in plan["acts"]] == ["engine-dead"]
    assert [a["fault"] for a in plan["left"]] == ["dpkg-locked"]
    done = world.machines.mend(codes[0])
    assert (done["acts"][0]["done"], done["row"]["faults"]) == (True, ["dpkg-locked"])
    world.hands.who.clear()
    with pytest.raises(CouldNotMeasureError):
        world.machines.mend(codes[0])


def test_a_finding_is_kept_as_it_comes_and_the_same_again_is_the_same(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    world.machines.measure()
    world.hands.news = [Seen(1, "a"), Found("/home/x.com", "Eicar"), Seen(2, "b")]
    heard: list[Any] = []
    answer = world.machines.scan(codes[0], (), heard.append)
    assert [h["files"] for h in heard] == [1, 1, 2]
    assert world.machines.scan(codes[0], ())["findings"] == answer["findings"]
    (row,) = world.machines.findings(codes[0], only_open=True)
    assert (row["path"], row["tenant"], row["host"]) == ("/home/x.com", codes[0], codes[0])
    (counts,) = world.machines.security(codes[0])
    assert (counts["clean"], counts["with_findings"]) == (0, 1)
    with pytest.raises(Invalid):
        world.machines.clear_findings(answer["findings"], " ")
    with pytest.raises(NotFound):
        world.machines.clear_findings([*answer["findings"], "f_none"], "deleted")
    assert len(world.machines.findings(only_open=True)) == 1
    assert [f["state"] for f in world.machines.clear_findings(answer["findings"], "deleted")] == ["cleared"]


def test_an_observed_machine_is_shown_and_never_asked(world: World, codes: list[str], tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"name,tenant,os\nwin-7,{codes[0]},Windows 7\n")
    assert world.machines.import_machines(path, {}, None)["create"] == 1
    assert world.machines.preview_import(path, {}, None)["update"] == 1
    row = world.machines.show("win-7")
    assert (row["patch_state"], row["managed"], row["facts"]) == ("observed", False, {"os": "Windows 7"})
    assert (row["ring"], row["findings"]) == (None, None), "nothing of ours goes there, and nobody looked"
    world.hands.asked.clear()
    world.machines.measure()
    assert "win-7" not in world.hands.asked
    with pytest.raises(Rejected):
        world.machines.mend("win-7")
    path.write_text(f"name,tenant\n{codes[0]},{codes[0]}\nwin-7,{codes[1]}\n")
    with pytest.raises(Invalid) as caught:
        world.machines.preview_import(path, {}, None)
    assert [(p.line, p.code) for p in caught.value.problems] == [(2, "known-better"), (3, "other-tenant")]


def test_a_scope_that_names_nobody_is_refused(world: World, codes: list[str]) -> None:
    for target in ("host:nobody", "nobody"):
        with pytest.raises(NotFound):
            world.machines.chosen(target)


def test_one_grammar_says_which_machines_are_meant(world: World, codes: list[str]) -> None:
    one, two = codes
    world.machines.enrol_wanted(lambda code: code)
    for name, ring in ((one, 1), (two, 2)):
        world.machines.enrol(name, name, ring)
    every = {m.name for m in world.machines.chosen("estate")}
    meant = {
        one: {one},
        f"host:{one}": {one},
        f"{one}, tenant:{two}": {one, two},
        "ring:pilot": {one},
        "ring:1,ring:2": {one, two},
        f"subscription:{one}/security": {one},
        "system:security": every,
    }
    for target, names in meant.items():
        assert {m.name for m in world.machines.chosen(target)} == names, target
    at_work = world.machines
    for act in (at_work.measure, at_work.refresh_signatures, lambda target: at_work.scan(target, ())):
        act(f"{one},ring:broad")
        for target, codes_of in {"system:dns,ring:9": ["bad-target"] * 2, "tenant:": ["bad-target"]}.items():
            with pytest.raises(Invalid) as caught:
                act(target)
            assert [p.code for p in caught.value.problems] == codes_of
            assert all(p.remedy is not None for p in caught.value.problems)
        with pytest.raises(Rejected, match="is enrolled"):
            act("ring:servers")


def test_a_host_of_the_centre_is_not_sought_among_enrolled_machines(world: World, codes: list[str]) -> None:
    with pytest.raises(Rejected, match="only enrolled machines") as caught:
        world.machines.preview_mend("web")
    assert "gasp hosts show web" in str(caught.value.hint)


def test_a_tenant_that_is_not_there_is_said_and_never_counted_as_nothing(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    near = f"{codes[0]}x"
    for ask in (
        lambda: world.machines.findings(near),
        lambda: world.machines.measure(f"tenant:{near}"),
        lambda: world.machines.measure(f"subscription:{near}/security"),
        lambda: world.machines.refresh_signatures(f"tenant:{near}"),
        lambda: world.machines.scan(f"tenant:{near}", ()),
        lambda: world.machines.security(near),
        lambda: world.machines.transfer(codes[0], near),
    ):
        with pytest.raises(NotFound, match="no tenant") as caught:
            ask()
        assert codes[0] in str(caught.value.hint)


@pytest.mark.parametrize("scope", ["system:signatures", "system:security"])
def test_a_freeze_of_signatures_stops_that_part_of_mending(world: World, codes: list[str], scope: str) -> None:
    world.machines.enrol_wanted(lambda code: code)
    freezes, actor = world.centre.store.freezes, world.centre.actor
    freezes.set(scope, "storm", actor)
    world.hands.faults[codes[0]] = {"signatures-missing": "none", "dpkg-interrupted": "half"}
    plan = world.machines.preview_mend(codes[0])
    assert [a["fault"] for a in plan["acts"]] == ["dpkg-interrupted"]
    assert [(a["fault"], "storm" in a["text"]) for a in plan["left"]] == [("signatures-missing", True)]
    done = world.machines.mend(codes[0])
    assert [a["fault"] for a in done["acts"]] == ["dpkg-interrupted"]
    assert done["row"]["faults"] == ["signatures-missing"]
    for ask in (world.machines.preview_mend, world.machines.mend):
        with pytest.raises(Frozen):
            ask(codes[0])


def test_a_freeze_of_patches_leaves_the_engine_to_be_mended(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    world.centre.store.freezes.set("system:patches", "storm", world.centre.actor)
    world.hands.faults[codes[0]] = {"engine-dead": "killed", "disk-full": "0 left"}
    assert [a["fault"] for a in world.machines.mend(codes[0])["acts"]] == ["engine-dead"]
    with pytest.raises(Frozen):
        world.machines.mend(codes[0])


def test_a_rehearsed_enrolment_refuses_what_the_real_one_would_and_enters_nobody(
    world: World, codes: list[str]
) -> None:
    first, second = codes
    world.machines.preview_enrol(first, first, 2)
    assert world.centre.store.machines.all() == []
    with pytest.raises(Invalid):
        world.machines.preview_enrol(first, "nobody", 2)
    world.machines.enrol(first, first, 2)
    world.hands.who[second] = world.hands.who[first]
    with pytest.raises(Rejected, match="clone"):
        world.machines.preview_enrol(second, second, 2)
    del world.hands.who[second]
    with pytest.raises(CouldNotMeasureError):
        world.machines.preview_enrol(second, second, 2)
    assert [m.name for m in world.centre.store.machines.all()] == [first]


def test_rehearsed_leaving_refuses_what_the_real_one_would_and_moves_nobody(world: World, codes: list[str]) -> None:
    first, second = codes
    store, actor, machines = world.centre.store, world.centre.actor, world.machines
    ways: list[tuple[Callable[..., object], tuple[str, ...]]] = [
        (machines.retire, ()), (machines.preview_retire, ()),
        (machines.give_up, ("stolen",)), (machines.preview_give_up, ("stolen",)),
        (machines.transfer, (second,)), (machines.preview_transfer, (second,)),
    ]  # fmt: skip
    machines.enrol(first, first, 2)
    for way, more in ways:
        with pytest.raises(NotFound, match="in the inventory") as unknown:
            way(f"{first}x", *more)
        assert str(unknown.value.hint) == f"Did you mean {first}?"
    for give_up in (machines.give_up, machines.preview_give_up):
        with pytest.raises(Rejected, match="it is not lost"):
            give_up(first, "stolen")
    bare = next(row.code for row in store.estate.tenants() if row.code not in machines.subscribed())
    for transfer in (machines.transfer, machines.preview_transfer):
        with pytest.raises(NotFound, match="no tenant"):
            transfer(first, f"{second}x")
        with pytest.raises(Rejected, match="does not subscribe"):
            transfer(first, bare)
        with pytest.raises(Rejected, match="already"):  # nothing happens to it, so its history says nothing
            transfer(first, first)
    machines.preview_retire(first)
    machines.preview_transfer(first, second)
    del world.hands.who[first]
    machines.preview_give_up(first, "stolen")
    freeze = store.freezes.set("estate", "storm", actor)
    for retire in (machines.retire, machines.preview_retire):
        with pytest.raises(Frozen, match="storm"):
            retire(first)
    assert freeze and [(m.name, m.tenant) for m in store.machines.all()] == [(first, first)]


def test_signatures_are_refreshed_where_no_freeze_stands(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    freezes, actor = world.centre.store.freezes, world.centre.actor
    freezes.set(f"tenant:{codes[0]}", "audit", actor)
    answer = world.machines.refresh_signatures()
    assert [(m["machine"], m["state"]) for m in answer["machines"]] == [(codes[0], "untouched"), (codes[1], "changed")]
    assert "audit" in answer["machines"][0]["text"]
    assert (answer["changed"], answer["untouched"]) == (1, 1)
    freezes.set("ring:all", "storm", actor)
    with pytest.raises(Frozen):
        world.machines.refresh_signatures()
    assert world.hands.refreshed == [codes[1]]


def test_a_freeze_during_a_refresh_begins_no_further_machine(world: World, codes: list[str]) -> None:
    world.machines.enrol_wanted(lambda code: code)
    world.hands.after_refresh = lambda name: world.centre.store.freezes.set("estate", "storm", world.centre.actor)
    answer = world.machines.refresh_signatures()
    assert (answer["changed"], answer["untouched"]) == (1, 1)
    assert len(world.hands.refreshed) == 1
    assert any("storm" in m["text"] for m in answer["machines"])


def test_a_look_survives_being_kept(world: World, codes: list[str]) -> None:
    now = world.centre.clock()
    pending = [Pending("a", "1", "2", "high", True, now, now, held_since=now)]
    facts = {"kernel": "6"}
    state = MachineState("m", now, {"a": "1"}, pending, now, True, "s", now, True, {"dpkg-locked": "1 apt"}, facts)
    assert state_from(state_json(state)) == state
