"""Runs, leases, plans: numbers without gaps, fencing, interruption, content that can be erased."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event

from control_plane.model.errors import NotFound
from control_plane.model.plan import Change, Plan, digest_of
from control_plane.model.ports import Outcome
from control_plane.model.resource import content_hash
from control_plane.model.run import EventType, RunState
from control_plane.model.text import t
from control_plane.store.leases import Holder, LeaseLost
from control_plane.store.plans import UNUSED_PLANS
from tests.unit.store.conftest import ALIVE, DEAD, alive, tenant

PERSON = "directory.person"


def make_change(id_="dns:a/A", action="create", kind="dns.rrset", label="a", **content):
    before = None if action == "create" else {"value": "old", **content}
    after = None if action == "delete" else {"value": "new", **content}
    return Change(
        action=action,
        id=id_,
        kind=kind,
        part="dns:qingdao.test",
        phase=50,
        tenant="fgw",
        tenant_id="t_1",
        offering="site",
        reason="new",
        label=label,
        before=before,
        after=after,
        before_hash=content_hash(before) if before else None,
        after_hash=content_hash(after) if after else None,
    )


def make_plan(*changes, scope="estate", now=None):
    return Plan(scope, now, digest_of(scope, changes), tuple(changes), 0, (), (), (), 0, (), ())


def test_events_have_no_gaps_under_sixteen_writers(store, actor):
    run = store.runs.create("apply", "estate", None, actor, ALIVE)
    lease = store.leases.acquire("writer", ALIVE, alive)

    def write(number):
        return store.runs.append(run, [(EventType.PROGRESS, {"n": number}), (EventType.NOTICE, {})], lease.token)

    with ThreadPoolExecutor(16) as pool:
        pairs = list(pool.map(write, range(64)))
    assert [e.number for e in store.runs.events(run)] == list(range(1, 129))
    assert all(second.number == first.number + 1 for first, second in pairs)
    assert [e.number for e in store.runs.events(run, after=126)] == [127, 128]


def test_a_late_holder_is_refused_everywhere(store, actor, clock):
    run = store.runs.create("apply", "estate", None, actor, ALIVE)
    late = store.leases.acquire("writer", DEAD, alive)
    assert store.leases.holder("writer") == DEAD
    newer = store.leases.acquire("writer", ALIVE, alive)
    assert newer.token > late.token
    for act in (
        lambda: store.leases.check(late),
        lambda: store.runs.append(run, [(EventType.PROGRESS, {})], late.token),
        lambda: store.runs.set_state(run, RunState.DONE, fence_token=late.token),
        lambda: store.runs.outcomes(run, [(make_change(), Outcome("dns:a/A", "applied"))], clock(), late.token),
    ):
        with pytest.raises(LeaseLost):
            act()
    store.leases.release(late)
    store.leases.check(newer)
    assert store.runs.events(run) == []
    assert store.memory(clock()).applied == {}


def test_a_lease_is_had_by_one_living_process_and_freed(store):
    lease = store.leases.acquire("writer", ALIVE, alive)
    assert store.leases.acquire("writer", Holder(101, 5, "boot"), alive) is None
    other = store.leases.acquire("maintenance", ALIVE, alive)
    assert other.token > lease.token
    store.leases.release(lease)
    with pytest.raises(LeaseLost):
        store.leases.check(lease)
    assert store.leases.acquire("writer", Holder(101, 5, "boot"), alive).token > other.token


def test_runs_of_dead_processes_are_interrupted_once(store, actor, clock):
    living = store.runs.create("apply", "estate", None, actor, ALIVE)
    dead = store.runs.create("apply", "estate", None, actor, DEAD)
    store.runs.set_state(dead, RunState.RUNNING, t("Running."))
    finished = store.runs.create("apply", "estate", None, actor, DEAD)
    store.runs.set_state(finished, RunState.DONE, t("Done."), clock())
    assert store.runs.mark_interrupted(alive) == [dead]
    assert store.runs.mark_interrupted(alive) == []
    assert [store.runs.get(r).state for r in (living, dead, finished)] == [
        RunState.WAITING,
        RunState.INTERRUPTED,
        RunState.DONE,
    ]
    (last,) = store.runs.events(dead)
    assert (last.type, last.data) == (EventType.FINISHED, {"state": "interrupted"})
    store.runs.take_over(dead, ALIVE)
    assert store.runs.mark_interrupted(alive) == []


def test_outcomes_are_what_is_known_to_be_real(store, actor, clock):
    run = store.runs.create("apply", "estate", "d" * 64, actor, ALIVE, total=5)
    changes = [make_change(f"dns:{n}/A") for n in "abcd"]
    states = ("applied", "already", "failed", "refused")
    text = t("Zone {zone} was refused.", zone="x")
    outcomes = [(c, Outcome(c.id, s, text, "f", 3)) for c, s in zip(changes, states, strict=True)]
    store.runs.outcomes(run, outcomes, clock())
    assert set(store.memory(clock()).applied) == {"dns:a/A", "dns:b/A"}
    assert store.runs.get(run).counts == {
        "applied": 1, "already": 1, "refused": 1, "failed": 1, "held": 0, "unknown": 0, "total": 5
    }  # fmt: skip
    row = next(r for r in store.runs.changes(run) if r.state == "failed")
    assert (row.resource_id, str(row.text), row.file, row.line) == ("dns:c/A", "Zone x was refused.", "f", 3)

    clock.advance(seconds=5)
    second = store.runs.create("undo", "estate", None, actor, ALIVE)
    gone = make_change("dns:a/A", "delete")
    store.runs.outcomes(second, [(gone, Outcome(gone.id, "applied"))], clock())
    assert set(store.memory(clock()).applied) == {"dns:b/A"}
    last = store.runs.last_change("dns:a/A")
    assert (last.run, last.action, last.actor_name, last.at) == (second, "delete", "local:test", clock())
    assert store.runs.last_change("dns:c/A") is None
    assert [r.id for r in store.runs.list(1)] == [second]


def test_stop_is_asked_for(store, actor):
    run = store.runs.create("apply", "estate", None, actor, ALIVE)
    assert not store.runs.stop_requested(run)
    store.runs.request_stop(run, actor)
    assert store.runs.stop_requested(run)
    with pytest.raises(NotFound):
        store.runs.request_stop(run + 1, actor)
    with pytest.raises(NotFound):
        store.runs.append(run + 1, [(EventType.CREATED, {})])


def test_personal_content_can_be_erased_and_the_digest_still_verifies(store, actor, clock, tmp_path):
    plan = make_plan(
        make_change("directory:person/p_1", kind=PERSON, label="张三 (zhangsan)", cn="张三"),
        make_change("dns:a/A"),
        now=clock(),
    )
    store.plans.save(plan, actor, personal={PERSON})
    stored = store.plans.load(plan.digest[:8])
    assert stored.body["changes"] == plan.as_json()["changes"]
    assert stored.verifies()
    assert store.plans.erase("directory:person/p_1") == 1
    erased = store.plans.load(plan.digest)
    assert "张三" not in str(erased.body)
    assert erased.body["changes"][0]["after_hash"] == plan.changes[0].after_hash
    assert erased.body["changes"][1]["after"] == {"value": "new"}
    assert erased.verifies()
    erased.body["changes"][0]["after_hash"] = "0" * 64
    assert not erased.verifies()


def test_all_content_is_erasable_unless_kinds_are_named(store, actor, clock):
    plan = make_plan(make_change("dns:a/A"), now=clock())
    store.plans.save(plan, actor)
    store.plans.erase("dns:a/A")
    assert store.plans.load(plan.digest).body["changes"][0]["after"] is None


@pytest.mark.parametrize("prefix", ["", "abc", "zzzzzzz", "%%%%%%", "0" * 64])
def test_no_such_plan(store, prefix):
    with pytest.raises(NotFound):
        store.plans.load(prefix)


def test_plans_that_no_run_used_are_few(store, actor, clock):
    used = make_plan(make_change("dns:used/A"), now=clock())
    store.plans.save(used, actor, undo_of=None)
    store.runs.create("apply", "estate", used.digest, actor, ALIVE)
    digests = []
    for number in range(UNUSED_PLANS + 5):
        clock.advance(seconds=1)
        plan = make_plan(make_change(f"dns:{number}/A"), now=clock())
        store.plans.save(plan, actor)
        digests.append(plan.digest)
    assert store.plans.load(used.digest).scope == "estate"
    with pytest.raises(NotFound):
        store.plans.load(digests[0])
    assert store.plans.load(digests[5]).digest == digests[5]
    assert store.plans.newest().digest == digests[-1]


def test_kept_and_accepted(store, actor, clock):
    until = clock() + timedelta(days=1)
    store.drift.keep("dns:a/A", "1" * 64, until, "a visit", actor)
    store.drift.keep("dns:a/A", None, until, "a longer visit", actor)
    store.drift.accept("dns:b/A", {"value": "found"}, "2" * 64, "better", actor)
    store.drift.accept("dns:c/A", None, "3" * 64, "gone", actor)
    assert store.memory(clock()).kept == {"dns:a/A": None}
    assert [k.reason for k in store.drift.kept(clock())] == ["a longer visit"]
    overrides = store.drift.overrides()
    assert overrides["dns:b/A"].attributes == {"value": "found"}
    assert overrides["dns:c/A"].attributes is None
    store.drift.forget("dns:c/A")
    assert set(store.drift.overrides()) == {"dns:b/A"}
    clock.advance(days=2)
    assert store.memory(clock()).kept == {}
    store.drift.unkeep("dns:a/A")


def test_certificates_and_releases(store, actor, clock):
    year = timedelta(days=365)
    for number, fingerprint in enumerate(("a" * 64, "b" * 64)):
        clock.advance(days=number)
        store.certificates.record(
            ["b.test", "a.test"], "lab", "EC P-256", fingerprint, clock(), clock() + year, f"PEM {number}"
        )
    current = store.certificates.current(["a.test", "b.test"])
    assert (current.fingerprint, current.names, current.not_after) == ("b" * 64, ("a.test", "b.test"), clock() + year)
    assert store.certificates.current(["a.test"]) is None
    assert store.certificates.by_fingerprint(["a" * 64])["a" * 64].pem == "PEM 0"

    owner = store.estate.put_tenants(actor, "import 1", [tenant("fgw", 1)])["fgw"]
    for release in ("abc1", "abd2", "abc1"):
        store.releases.add(release, "fgw.qingdao.test", owner, "0" * 64, 10, 1, "note", actor, clock())
        clock.advance(seconds=1)
    assert [r.id for r in store.releases.list("fgw.qingdao.test")] == ["abd2", "abc1"]
    assert store.releases.get("abc", "fgw.qingdao.test").id == "abc1"
    for prefix in ("ab", "x", ""):
        with pytest.raises(NotFound):
            store.releases.get(prefix, "fgw.qingdao.test")


def test_twelve_thousand_outcomes_are_bulk(store, actor, clock):
    """Counted, not timed: a few statements whatever the number."""
    run = store.runs.create("apply", "estate", None, actor, ALIVE)
    outcomes = [(c, Outcome(c.id, "applied")) for c in (make_change(f"dns:{n}/A") for n in range(12_000))]
    statements = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    store.runs.outcomes(run, outcomes, clock())
    assert len(statements) <= 4
    assert len(store.memory(clock()).applied) == 12_000
