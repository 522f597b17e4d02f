"""Freezes: scopes, two people, and that no driver writes under one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from control_plane.model.errors import Invalid, NotFound, Rejected
from control_plane.model.freeze import Frozen, check_scope
from control_plane.model.machine import BASELINE, MACHINES_PART, Ring
from control_plane.model.plan import Change
from control_plane.model.run import RunState
from control_plane.model.scope import parse_scope
from control_plane.workflow import first_passwords
from control_plane.workflow.applying import Order
from control_plane.workflow.freezes import Freezes
from control_plane.workflow.runs import resume
from control_plane.workflow.snapshots import Snapshots, first_publication
from control_plane.workflow.stages import frozen


@pytest.fixture
def freezes(centre) -> Freezes:
    return Freezes(centre.store, lambda: centre.actor)


@pytest.mark.parametrize(
    ("given", "scope"),
    [("estate", "estate"), (" Estate ", "estate"), ("tenant:fgw", "tenant:fgw"), ("ring:1", "ring:pilot"),
     ("ring:SERVERS", "ring:servers"), ("system:dns", "system:dns"), ("system:patches", "system:patches")],
)  # fmt: skip
def test_scopes(given: str, scope: str):
    assert check_scope(given) == scope


@pytest.mark.parametrize(
    "given", ["", "all", "tenant:", "ring:9", "ring:", "system:windows", "tenant:fgw,tenant:czj", "host:web"]
)
def test_what_is_no_scope_is_refused(given: str):
    with pytest.raises(Invalid):
        check_scope(given)


def test_setting_needs_a_reason_and_a_tenant_that_exists(centre, freezes: Freezes):
    with pytest.raises(Invalid):
        freezes.set("estate", reason=" ")
    with pytest.raises(NotFound):
        freezes.set("tenant:nobody", reason="x")


def test_lifting_needs_a_second_person(centre, freezes: Freezes):
    made = freezes.set("estate", reason="storm")
    for second in ("test", "local:test", " TEST ", "directory:Test", "ｔｅｓｔ"):
        with pytest.raises(Rejected, match="second person"):
            freezes.lift(made["id"], second=second, reason="over")
    with pytest.raises(Invalid):
        freezes.lift(made["id"], second=" ", reason="over")
    lifted = freezes.lift(made["id"], second="li", reason="over")
    assert (lifted["second"], lifted["second_verified"]) == ("local:li", False)
    assert freezes.list() == []
    assert [f["id"] for f in freezes.list(lifted=True)] == [made["id"]]
    with pytest.raises(Rejected, match="before"):
        freezes.lift(made["id"], second="li", reason="again")
    with pytest.raises(NotFound):
        freezes.lift(99, second="li", reason="x")


def test_who_sets_it_cannot_be_the_second_of_another(centre, freezes: Freezes):
    """Li sets it; somebody else lifts it and names Li as the second: that is one person too few."""
    freeze = centre.store.freezes.set("estate", "x", centre.store.actors.get("local:li"))
    with pytest.raises(Rejected, match="second person"):
        freezes.lift(freeze.id, second="li", reason="over")


def test_a_frozen_estate_starts_nothing(centre, freezes: Freezes):
    centre.tenant("fgw", names=["a"])
    made = freezes.set("estate", reason="storm")
    with pytest.raises(Frozen, match="storm") as refused:
        centre.applier.apply(Order("estate"), centre.actor)
    assert "gasp freezes lift" in str(refused.value.hint)
    assert centre.store.runs.list() == []
    freezes.lift(made["id"], second="li", reason="over")
    assert centre.store.runs.get(centre.applier.apply(Order("estate"), centre.actor)).state is RunState.DONE


def test_what_a_freeze_covers_is_held_and_the_rest_is_done(centre, freezes: Freezes):
    centre.tenant("fgw", names=["a"])
    centre.tenant("czj", names=["b"])
    made = freezes.set("tenant:fgw", reason="audit")
    run = centre.applier.apply(Order("estate"), centre.actor)
    assert centre.store.runs.get(run).state is RunState.PARTLY
    held = {c.tenant for c in centre.store.runs.changes(run) if c.state == "held"}
    assert held == {"fgw"}
    assert {r.id for r in centre.web.things["web:web"].values()} == {"web.vhost/b"}
    with pytest.raises(Frozen):
        centre.applier.apply(Order("tenant:fgw"), centre.actor)
    freezes.lift(made["id"], second="li", reason="over")
    assert centre.store.runs.get(centre.applier.apply(Order("estate"), centre.actor)).state is RunState.DONE


def test_who_is_refused_leaves_no_wish_behind(centre, freezes: Freezes):
    """Else the next apply of somebody else would carry out what was answered with a refusal."""
    centre.tenant("fgw", names=["a"])
    centre.applier.apply(Order("estate"), centre.actor)
    made = freezes.set("tenant:fgw", reason="audit")
    with pytest.raises(Frozen, match="audit"):
        centre.applier.apply(Order("tenant:fgw", commit=lambda: centre.wish("fgw", names=["b"])), centre.actor)
    assert centre.store.estate.subscription("fgw/toy").spec == {"names": ["a"]}
    freezes.lift(made["id"], second="li", reason="over")
    assert centre.applier.planner.picture(parse_scope("estate")).plan.steps == ()


def test_a_system_may_be_frozen_alone(centre, freezes: Freezes):
    centre.tenant("fgw", people=["p1"], names=["a"])
    freezes.set("system:directory", reason="moving it")
    centre.applier.apply(Order("estate"), centre.actor)
    assert not centre.directory.things["directory:tenants"]
    assert centre.dns.things["dns:qingdao.test"]


def test_a_freeze_in_the_middle_stops_before_the_next_write(centre, freezes: Freezes):
    centre.tenant("fgw", names=[f"n{i}" for i in range(20)])
    frozen = []

    def follow(event) -> None:
        if event.type.value == "part.started" and not frozen:
            frozen.append(freezes.set("estate", reason="storm"))

    run = centre.applier.apply(Order("estate"), centre.actor, follow)
    row = centre.store.runs.get(run)
    assert row.state is RunState.STOPPED
    assert "storm" in str(row.sentence)
    assert sum(d.writes for d in centre.drivers) == 0
    freezes.lift(frozen[0]["id"], second="li", reason="over")
    again = resume(run, centre.store, centre.applier, centre.actor, None)
    assert centre.store.runs.get(again).state is RunState.DONE


def test_a_fence_for_others(centre, freezes: Freezes):
    fence = centre.store.freezes.fence(tenant="fgw", ring=Ring.PILOT, system="patches")
    fence()
    freezes.set("ring:2", reason="x")
    fence()
    freezes.set("ring:pilot", reason="y")
    with pytest.raises(Frozen):
        fence()


def baseline(name: str, before: int | None, after: int | None) -> Change:
    look = [{"ring": ring} if ring is not None else None for ring in (before, after)]
    return Change("update", name, BASELINE, MACHINES_PART, 40, "fgw", "1", "security", "wish", name, *look, "a", "b")


def test_a_frozen_ring_holds_the_baselines_of_its_machines_and_no_others(centre, freezes: Freezes):
    freezes.set("ring:pilot", reason="exam week")
    changes = [
        baseline("new", None, 1),
        baseline("stays", 1, 1),
        baseline("leaves", 1, 2),
        baseline("comes", 2, 1),
        baseline("retired", 1, None),
        baseline("other", 2, 2),
        replace(baseline("name", 1, 1), kind="dns.rrset", part="dns:x"),
    ]
    held = frozen(changes, centre.store.freezes.list())
    assert set(held) == {"new", "stays", "leaves", "comes", "retired"}


class Shelf:
    """A repository host that tells what was done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def look(self, what: str) -> SimpleNamespace:
        return SimpleNamespace(published=dict.fromkeys(Ring), rows=[])

    def sync(self, what: str, tell: object) -> dict[str, str]:
        self.done.append("sync")
        return {"latest": "p1"}

    def take(self, what: str, path: Path, tell: object) -> dict[str, str]:
        self.done.append("take")
        return {}

    def medium_holds(self, path: Path, what: str | None = None) -> list[str]:
        return ["patches"]

    def publish(self, what: str, ring: Ring, snapshot: str) -> bool:
        self.done.append(f"publish {ring.name}")
        return True

    def prune(self, what: str, keep: int, dry_run: bool) -> dict[str, int]:
        self.done.append("look" if dry_run else "prune")
        return {}


@pytest.mark.parametrize("scope", ["estate", "system:snapshots"])
def test_nothing_changes_the_repository_host_under_a_freeze(centre, freezes: Freezes, scope: str):
    shelf = Shelf()

    def fence(ring: Ring | None) -> None:
        centre.store.freezes.check(None, ring, "snapshots")

    snapshots = Snapshots(lambda: shelf, lambda: 3, fence, centre.store, lambda: centre.actor)  # type: ignore[arg-type,return-value]
    freezes.set(scope, reason="storm")
    for act in (
        lambda: snapshots.sync("patches"),
        lambda: snapshots.take(Path("x")),
        lambda: snapshots.prune("patches"),
        lambda: first_publication(shelf, ["patches"], lambda *_: None, fence),  # type: ignore[arg-type]
    ):
        with pytest.raises(Frozen, match="storm"):
            act()
    snapshots.prune("patches", dry_run=True)
    assert shelf.done == ["look"]


def test_the_first_publication_asks_before_each_ring(centre, freezes: Freezes):
    shelf = Shelf()
    freezes.set("ring:broad", reason="storm")
    with pytest.raises(Frozen):
        first_publication(
            shelf,  # type: ignore[arg-type]
            ["patches"],
            lambda *_: None,
            lambda ring: centre.store.freezes.check(None, ring, "snapshots"),
        )
    assert shelf.done == ["sync", "publish CENTRE", "publish PILOT"]


def test_first_passwords_stop_between_two_portions(
    centre, freezes: Freezes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(first_passwords, "CHUNK", 1)
    centre.tenant("fgw")
    owner, file = SimpleNamespace(tenant="fgw"), tmp_path / "first.csv"
    people = [
        SimpleNamespace(kind="directory.person", owner=owner, attributes={"uid": [f"p{n}"], "dn": f"uid=p{n}"})
        for n in range(3)
    ]
    world = SimpleNamespace(desired={p.attributes["dn"]: p for p in people})
    catalogue = SimpleNamespace(world=lambda: world, store=centre.store)
    given: list[str] = []

    class Accounts:
        def with_password(self) -> frozenset[str]:
            return frozenset()

        def issue(self, passwords: Mapping[str, str]) -> None:
            given.extend(passwords)
            freezes.set("tenant:fgw", reason="audit")

    def issue() -> None:
        first_passwords.issue_first_passwords(
            catalogue,  # type: ignore[arg-type]
            Accounts(),
            file,
            lambda: "x",
            lambda path, content: path.write_bytes(content) and None,  # type: ignore[func-returns-value]
            lambda *_: None,
            lambda tenant: centre.store.freezes.check(tenant, system="directory"),
            centre.actor,
            centre.clock() + timedelta(days=14),
        )

    with pytest.raises(Frozen, match="audit"):
        issue()
    file.unlink()
    with pytest.raises(Frozen):
        issue()
    assert given == ["p0"]
    assert [(sheet.state, sheet.uids) for sheet in centre.store.sheets.list()] == [("opened", ("p0",))]
    assert not file.exists(), "no password is written that nobody may set"
