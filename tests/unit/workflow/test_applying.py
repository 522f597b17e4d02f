"""The engine on fake systems: order, holds, staleness, stop, resume, undo, retirement, guards."""

from __future__ import annotations

import threading

import pytest

from control_plane.model.errors import CouldNotMeasureError, Rejected, StalePlan, TemporaryError, UnsafePlan
from control_plane.model.plan import Plan
from control_plane.model.resource import Foreign, Observed
from control_plane.model.run import EventType, RunState
from control_plane.model.scope import Scope, parse_scope
from control_plane.model.text import t
from control_plane.store.leases import Holder
from control_plane.workflow.applying import LEASE, Order
from control_plane.workflow.drift import Drift
from control_plane.workflow.process import boot_id, process_alive
from control_plane.workflow.runs import resume, undo_changes, undo_plan
from control_plane.workflow.wishes import wish_order

ESTATE = Scope()


def plan_of(centre, scope: str = "estate") -> Plan:
    return centre.planner.picture(parse_scope(scope)).plan


def apply(centre, scope: str = "estate", **order) -> int:
    return centre.applier.apply(Order(scope, **order), centre.actor, wait=0.5)


def state(centre, run: int) -> RunState:
    return centre.store.runs.get(run).state


def test_apply_makes_real_and_the_next_plan_is_empty(centre):
    centre.tenant("fgw", names=("fgw.qingdao.test",), people=("zhang",))
    run = apply(centre)
    assert state(centre, run) is RunState.DONE
    assert plan_of(centre).empty
    (subscription,) = centre.store.estate.subscriptions()
    assert subscription.observed_generation == subscription.generation == 1
    numbers = [e.number for e in centre.store.runs.events(run)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_events_of_an_apply_come_from_the_list(centre):
    centre.tenant("fgw", names=("fgw.qingdao.test",))
    run = apply(centre)
    seen = {e.type for e in centre.store.runs.events(run)}
    assert seen == set(EventType) - {EventType.CHANGE_FAILED, EventType.HELD, EventType.STOPPED}


def test_digest_is_the_same_whatever_the_order(make_centre):
    first = make_centre()
    first.tenant("aaa", names=("a.qingdao.test",), people=("x", "y"))
    first.tenant("bbb", names=("b.qingdao.test",))
    one = plan_of(first).digest
    first.wish("bbb", names=("b.qingdao.test",))
    first.wish("aaa", people=("y", "x"), names=("a.qingdao.test",))
    assert plan_of(first).digest == one
    assert plan_of(first, "tenant:aaa").digest != one


def test_a_part_that_was_not_seen_gets_no_change_and_others_go_on(centre):
    centre.tenant("fgw", names=("fgw.qingdao.test",), people=("zhang",))
    apply(centre)
    centre.wish("fgw", people=("zhang", "li"))
    centre.dns.blind["dns:qingdao.test"] = t("SERVFAIL")
    plan = plan_of(centre)
    assert [u.part for u in plan.unmeasured] == ["dns:qingdao.test"]
    assert not [c for c in plan.changes if c.system == "dns"]
    run = apply(centre)
    assert state(centre, run) in (RunState.COULD_NOT_MEASURE, RunState.PARTLY)
    assert "directory.person/li" in centre.directory.things["directory:tenants"]
    # the site stays while its name may still lead to it
    assert centre.web.things["web:web"]["web.vhost/fgw.qingdao.test"].retiring_until is None


def test_nothing_seen_at_all_is_an_error_not_an_empty_plan(centre):
    centre.tenant("fgw", people=("zhang",))
    for driver in centre.drivers:
        for part in driver.parts():
            driver.blind[part] = t("no answer")
    with pytest.raises(CouldNotMeasureError):
        apply(centre)
    (run,) = centre.store.runs.list()
    assert run.state is RunState.COULD_NOT_MEASURE


def test_names_are_withdrawn_before_sites_and_published_after_them(centre):
    centre.tenant("fgw", names=("fgw.qingdao.test",))
    centre.web.refuse["web.vhost/fgw.qingdao.test"] = t("[emerg] unknown directive")
    run = apply(centre)
    assert state(centre, run) is RunState.FAILED
    assert not centre.dns.things["dns:qingdao.test"], "a name was published without a site"
    centre.web.refuse.clear()
    assert state(centre, apply(centre)) is RunState.DONE
    centre.wish("fgw")
    centre.dns.refuse["dns.rrset/fgw.qingdao.test"] = t("REFUSED")
    run = apply(centre)
    assert centre.web.things["web:web"]["web.vhost/fgw.qingdao.test"].retiring_until is None
    held = [c for c in centre.store.runs.changes(run) if c.state == "held"]
    assert [c.resource_id for c in held] == ["web.vhost/fgw.qingdao.test"]


def test_a_removed_site_retires_until_its_names_left_the_caches(centre):
    centre.tenant("fgw", names=("fgw.qingdao.test",))
    apply(centre)
    centre.wish("fgw")
    assert state(centre, apply(centre)) is RunState.DONE
    assert plan_of(centre).empty
    assert [i for i, _ in plan_of(centre).retiring] == ["web.vhost/fgw.qingdao.test"]
    centre.clock.advance(61)
    plan = plan_of(centre)
    assert [c.action for c in plan.changes] == ["delete"]
    apply(centre)
    assert not centre.web.things["web:web"]


def test_a_retiring_site_that_is_wanted_again_comes_back(centre):
    centre.tenant("fgw", names=("fgw.qingdao.test",))
    apply(centre)
    centre.wish("fgw")
    apply(centre)
    centre.wish("fgw", names=("fgw.qingdao.test",))
    assert state(centre, apply(centre)) is RunState.DONE
    assert centre.web.things["web:web"]["web.vhost/fgw.qingdao.test"].retiring_until is None


def test_one_broken_tenant_among_82_keeps_what_it_has(centre):
    for n in range(82):
        centre.tenant(f"t{n}", people=(f"p{n}",))
    apply(centre)
    for n in range(82):
        centre.wish(f"t{n}", people=(f"p{n}", f"q{n}"), fail=n == 7)
    run = apply(centre)
    people = centre.directory.things["directory:tenants"]
    assert sum(1 for i in people if "/q" in i) == 81
    assert "directory.person/p7" in people
    assert state(centre, run) is RunState.PARTLY
    assert "t7/toy" in str(centre.store.runs.get(run).sentence)


def test_one_refused_change_stops_no_other(centre):
    for n in range(82):
        centre.tenant(f"t{n}", people=(f"p{n}",))
    centre.directory.refuse["directory.person/p7"] = t("invalid syntax")
    run = apply(centre)
    assert state(centre, run) is RunState.PARTLY
    assert len(centre.directory.things["directory:tenants"]) == 81
    (bad,) = [c for c in centre.store.runs.changes(run) if c.state == "failed"]
    assert (bad.tenant, str(bad.text)) == ("t7", "invalid syntax")


def test_foreign_things_are_reported_and_block_only_their_own(centre):
    centre.dns.foreign["dns:qingdao.test"].append(
        Foreign(
            "dns:news.qingdao.test/A", "dns.rrset", "news.qingdao.test A 192.0.2.9", ("dns.rrset/news.qingdao.test",)
        )
    )
    centre.tenant("hyyyj", names=("news.qingdao.test", "www.qingdao.test"))
    centre.tenant("lvyj", names=("lvyj.qingdao.test",))
    plan = plan_of(centre)
    (conflict,) = [c for c in plan.changes if c.action == "conflict"]
    assert conflict.tenant == "hyyyj"
    assert "192.0.2.9" in (conflict.in_the_way or "")
    run = apply(centre)
    assert state(centre, run) is RunState.DONE_WITH_CONFLICTS
    assert sorted(centre.dns.things["dns:qingdao.test"]) == [
        "dns.rrset/lvyj.qingdao.test",
        "dns.rrset/www.qingdao.test",
    ]


class TestStalePlan:
    """open-17: only the first apply of a plan changes anything; refusals leave no lock."""

    def test_second_apply_is_refused_and_the_next_plan_works(self, centre):
        centre.tenant("daj", names=("daj.qingdao.test",))
        plan = plan_of(centre)
        centre.store.plans.save(plan, centre.actor)
        apply(centre, digest=plan.digest)
        writes = centre.dns.writes
        with pytest.raises(StalePlan):
            apply(centre, digest=plan.digest)
        zone = centre.dns.things["dns:qingdao.test"]
        seen = zone["dns.rrset/daj.qingdao.test"]
        zone[seen.id] = Observed(seen.id, seen.kind, seen.owner_marker, {"name": "daj.qingdao.test", "ttl": 1})
        with pytest.raises(StalePlan) as caught:
            apply(centre, digest=plan.digest)
        assert "dns.rrset/daj.qingdao.test" in str(caught.value)
        assert centre.dns.writes == writes
        again = plan_of(centre)
        centre.store.plans.save(again, centre.actor)
        assert [c.reason for c in again.changes] == ["drift"]
        assert state(centre, apply(centre, digest=again.digest)) is RunState.DONE
        assert [r.state for r in centre.store.runs.list()] == ["done", "stale", "stale", "done"]

    def test_a_dead_holder_is_replaced_and_a_living_one_is_not(self, centre):
        centre.tenant("daj", people=("x",))
        dead = Holder(2**22 - 1, 1, boot_id())
        assert centre.store.leases.acquire(LEASE, dead, process_alive)
        assert state(centre, apply(centre)) is RunState.DONE
        lease = centre.store.leases.acquire(LEASE, dead, lambda h: True)
        assert lease
        centre.applier.planner.clock.advance(1)
        holder = centre.store.leases.acquire(LEASE, dead, lambda h: False)
        assert holder and holder.token > lease.token

    def test_busy(self, centre, monkeypatch):
        centre.tenant("daj", people=("x",))
        monkeypatch.setattr("control_plane.workflow.applying.process_alive", lambda holder: True)
        centre.store.leases.acquire(LEASE, Holder(1, 1, "b"), lambda h: True)
        with pytest.raises(TemporaryError):
            apply(centre)
        assert centre.store.runs.list() == []


class TestGuards:
    """open-08: absolute counts and lost data; the yes is bound to the digest."""

    def test_few_deletes_of_names_need_no_further_yes(self, centre):
        centre.tenant("fgw", names=("a.qingdao.test", "b.qingdao.test", "c.qingdao.test"))
        apply(centre)
        centre.wish("fgw", names=("a.qingdao.test",))
        assert centre.planner.guards(plan_of(centre)) == []

    def test_119_of_12000_are_stopped_by_the_limit(self, make_centre):
        centre = make_centre(touch_limit=50)
        centre.tenant("big", names=tuple(f"n{i}.qingdao.test" for i in range(119)))
        apply(centre)
        centre.wish("big")
        plan = plan_of(centre)
        (guard,) = centre.planner.guards(plan)
        assert guard.code == "touches-many"
        assert "238" in str(guard.text)
        with pytest.raises(UnsafePlan):
            apply(centre, digest=None)
        with pytest.raises(UnsafePlan):
            apply(centre, confirm="00000000")
        assert state(centre, apply(centre, confirm=plan.digest[:8])) is RunState.DONE

    def test_one_is_one(self, make_centre):
        planner = make_centre(touch_limit=0).planner
        kind = next(name for name, known in planner.kinds.items() if known.cuts_off is None)
        change = {"action": "delete", "destroys_data": True, "tenant": "fgw", "label": "zhang", "kind": kind}
        lost, touched = planner.guards_of("0" * 64, [change], unchanged=3)
        assert str(lost.text).startswith("1 deletion destroys data of fgw")
        assert str(touched.text).startswith("The plan touches 1 existing thing (25.0% of 4)")

    def test_data_needs_its_name(self, centre):
        centre.tenant("fgw", people=("zhang",))
        apply(centre)
        centre.wish("fgw")
        with pytest.raises(UnsafePlan) as caught:
            apply(centre)
        assert "zhang" in str(caught.value)
        assert state(centre, apply(centre, confirm="fgw")) is RunState.DONE

    def test_the_yes_to_one_plan_is_none_to_another(self, centre):
        centre.tenant("fgw", people=("zhang",))
        apply(centre)
        centre.wish("fgw")
        word = plan_of(centre).digest[:8]
        centre.tenant("sjj", people=("li",))
        with pytest.raises(UnsafePlan):
            apply(centre, confirm=word)

    def test_cutting_off_more_tenants_than_the_limit_needs_a_word(self, make_centre):
        centre = make_centre(cut_limit=2)
        for code in ("fgw", "sjj", "czj"):
            centre.tenant(code, internet=True)
        apply(centre)
        for code in ("fgw", "sjj"):
            centre.wish(code)
        assert centre.planner.guards(plan_of(centre)) == []
        centre.wish("czj")
        plan = plan_of(centre)
        (guard,) = centre.planner.guards(plan)
        assert (guard.code, guard.confirm) == ("cuts-off", plan.digest[:8])
        assert "czj, fgw, sjj" in str(guard.text)
        with pytest.raises(UnsafePlan):
            apply(centre)
        assert state(centre, apply(centre, confirm=plan.digest[:8])) is RunState.DONE


class TestWaiting:
    """Machines of tenants may be off: nothing is planned for them, and they catch up."""

    ID = "gateway.network/fgw"

    def test_what_waits_is_named_is_no_change_and_keeps_its_subscription_pending(self, centre):
        centre.tenant("fgw", internet=True, names=("a.qingdao.test",))
        centre.gateway.off[self.ID] = t("switched off")
        plan = plan_of(centre)
        assert [i for i, _ in plan.waiting] == [self.ID]
        assert self.ID not in {c.id for c in plan.changes}
        assert plan.as_json()["waiting"] == [{"id": self.ID, "reason": "switched off"}]
        assert state(centre, apply(centre)) is RunState.DONE
        (subscription,) = centre.store.estate.subscriptions()
        assert subscription.observed_generation < subscription.generation

    def test_it_catches_up_when_it_is_back(self, centre):
        centre.tenant("fgw", internet=True)
        centre.gateway.off[self.ID] = t("switched off")
        apply(centre)
        centre.gateway.off.clear()
        assert [c.id for c in plan_of(centre).changes] == [self.ID]
        apply(centre)
        (subscription,) = centre.store.estate.subscriptions()
        assert subscription.observed_generation == subscription.generation
        assert plan_of(centre).empty

    def test_what_is_there_and_silent_is_not_removed(self, centre):
        centre.tenant("fgw", internet=True)
        apply(centre)
        centre.gateway.off[self.ID] = t("switched off")
        centre.wish("fgw")
        plan = plan_of(centre)
        assert plan.changes == ()
        assert [i for i, _ in plan.waiting] == [self.ID]


def test_undo_brings_the_older_wish_back_as_a_plan(centre):
    centre.tenant("fgw", names=("a.qingdao.test",))
    apply(centre)
    centre.wish("fgw", names=("a.qingdao.test", "b.qingdao.test"))
    run = apply(centre)
    changes = undo_changes(run, centre.store)
    plan = undo_plan(changes, centre.planner, centre.actor)
    assert sorted(c.id for c in plan.changes) == ["dns.rrset/b.qingdao.test", "web.vhost/b.qingdao.test"]
    order = wish_order(centre.planner.catalogue, changes, centre.actor, f"undo {run}", "undo")
    assert state(centre, centre.applier.apply(order, centre.actor)) is RunState.DONE
    assert centre.store.estate.subscriptions()[0].spec == {"names": ["a.qingdao.test"]}
    assert plan_of(centre).empty


def test_undo_leaves_alone_what_was_wished_of_others_meanwhile(centre):
    for code in ("fgw", "czj"):
        centre.tenant(code, names=(f"a.{code}.test",))
    apply(centre)
    for code in ("fgw", "czj"):
        centre.wish(code, names=(f"a.{code}.test", f"b.{code}.test"))
    run = apply(centre, "tenant:fgw")
    assert [c.tenant_code for c in undo_changes(run, centre.store)] == ["fgw"]
    assert {s.code: s.generation - s.observed_generation for s in centre.store.estate.subscriptions()} == {
        "fgw": 0,
        "czj": 1,
    }


def test_undo_of_a_run_that_made_nothing_new_says_so(centre):
    centre.tenant("fgw", names=("a.qingdao.test",))
    apply(centre)
    run = apply(centre)
    with pytest.raises(Rejected):
        undo_changes(run, centre.store)


def test_an_act_nobody_saw_a_plan_of_spares_hand_made_changes(centre):
    centre.tenant("fgw", names=("a.qingdao.test",))
    apply(centre)
    zone = centre.dns.things["dns:qingdao.test"]
    seen = zone["dns.rrset/a.qingdao.test"]
    zone[seen.id] = Observed(seen.id, seen.kind, seen.owner_marker, {"name": "a.qingdao.test", "ttl": 7})
    from control_plane.store.estate_rows import SubscriptionChange

    change = SubscriptionChange("fgw", "toy", "S", {"names": ["a.qingdao.test", "b.qingdao.test"]})
    order = wish_order(centre.planner.catalogue, [change], centre.actor, "test", "site")
    centre.applier.apply(order, centre.actor)
    assert zone["dns.rrset/a.qingdao.test"].attributes["ttl"] == 7
    assert "dns.rrset/b.qingdao.test" in zone


def test_stop_and_resume(centre, monkeypatch):
    centre.tenant("fgw", names=tuple(f"n{i}.qingdao.test" for i in range(30)))
    original = centre.store.runs.stop_requested
    monkeypatch.setattr("control_plane.workflow.stages.FLUSH_SECONDS", 0)
    monkeypatch.setattr(centre.store.runs, "stop_requested", lambda run: True)
    run = apply(centre)
    assert state(centre, run) is RunState.STOPPED
    monkeypatch.setattr(centre.store.runs, "stop_requested", original)
    done = len(centre.dns.things["dns:qingdao.test"])
    assert done < 30
    centre.tenant("czj", names=("later.qingdao.test",))
    again = resume(run, centre.store, centre.applier, centre.actor, None)
    assert state(centre, again) is RunState.DONE
    assert plan_of(centre, "tenant:fgw").empty
    real = {s.code: s.generation == s.observed_generation for s in centre.store.estate.subscriptions()}
    assert real == {"fgw": True, "czj": False}
    assert [c.tenant_code for c in undo_changes(again, centre.store)] == ["fgw"]


def test_resume_refuses_when_what_is_left_is_something_else(centre, monkeypatch):
    centre.tenant("fgw", names=("a.qingdao.test",))
    centre.web.refuse["web.vhost/a.qingdao.test"] = t("no")
    run = apply(centre)
    centre.web.refuse.clear()
    centre.wish("fgw", names=("b.qingdao.test",))
    with pytest.raises(StalePlan):
        resume(run, centre.store, centre.applier, centre.actor, None)


def test_two_applies_go_one_after_the_other(centre):
    centre.tenant("fgw", names=tuple(f"n{i}.qingdao.test" for i in range(20)))
    results: list[RunState] = []

    def one() -> None:
        run = centre.applier.apply(Order("estate"), centre.actor, wait=30)
        results.append(state(centre, run))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [RunState.DONE, RunState.DONE]
    applied = [c for r in centre.store.runs.list() for c in centre.store.runs.changes(r.id) if c.state == "applied"]
    assert len(applied) == 40


class TestConsentHasNoWayRound:
    """A refusal for want of the typed word stays one, whichever command comes next."""

    def refused(self, centre) -> int:
        centre.tenant("fgw", people=("zhang",))
        apply(centre)
        centre.wish("fgw")
        with pytest.raises(UnsafePlan):
            apply(centre)
        return centre.store.runs.list(1)[0].id

    def test_resume_of_a_refused_run(self, centre):
        run = self.refused(centre)
        with pytest.raises(Rejected):
            resume(run, centre.store, centre.applier, centre.actor, None)
        assert "directory.person/zhang" in centre.directory.things["directory:tenants"]

    def test_revert_of_something_that_holds_data(self, centre):
        self.refused(centre)
        people = centre.directory.things["directory:tenants"]
        seen = people["directory.person/zhang"]
        people[seen.id] = Observed(seen.id, seen.kind, seen.owner_marker, {"name": "changed"})
        drift = Drift(centre.planner, centre.applier, centre.store)
        with pytest.raises(Rejected):
            drift.revert([seen.id], centre.actor, None)
        assert seen.id in people

    def test_the_history_names_nobody(self, centre):
        run = self.refused(centre)
        assert "zhang" not in str(centre.store.runs.get(run).sentence)


def test_a_name_waits_only_for_the_hosts_its_own_site_is_on(centre):
    centre.tenant("fgw", names=("fgw.qingdao.test",))
    centre.web.blind["web:web"] = t("no answer")
    run = apply(centre)
    assert state(centre, run) is RunState.COULD_NOT_MEASURE
    assert [c.state for c in centre.store.runs.changes(run)] == ["held"]
    centre.web.blind.clear()
    assert state(centre, apply(centre)) is RunState.DONE


def test_bring_up_makes_what_is_missing_again_and_overwrites_nothing(centre):
    centre.tenant("fgw", names=("a.qingdao.test", "b.qingdao.test"))
    apply(centre)
    zone = centre.dns.things["dns:qingdao.test"]
    del zone["dns.rrset/a.qingdao.test"]
    seen = zone["dns.rrset/b.qingdao.test"]
    zone[seen.id] = Observed(seen.id, seen.kind, seen.owner_marker, {"name": "b.qingdao.test", "ttl": 7})
    apply(centre, spare="overwriting")
    assert "dns.rrset/a.qingdao.test" in zone
    assert zone[seen.id].attributes["ttl"] == 7


def test_what_nobody_wants_cannot_be_accepted(centre):
    centre.tenant("fgw", names=("a.qingdao.test",))
    apply(centre)
    centre.wish("fgw")
    zone = centre.dns.things["dns:qingdao.test"]
    seen = zone["dns.rrset/a.qingdao.test"]
    zone[seen.id] = Observed(seen.id, seen.kind, seen.owner_marker, {"name": "a.qingdao.test", "ttl": 7})
    drift = Drift(centre.planner, centre.applier, centre.store)
    with pytest.raises(Rejected):
        drift.accept([seen.id], "because", centre.actor)


class TestResumeDoesWhatWasAgreedOn:
    def killed(self, centre, monkeypatch, **order) -> int:
        """A run that ended right after it was agreed on."""
        with monkeypatch.context() as patch:
            patch.setattr(type(centre.applier), "_carry_out", lambda *a: (_ for _ in ()).throw(RuntimeError("killed")))
            with pytest.raises(RuntimeError):
                apply(centre, **order)
        return centre.store.runs.list(1)[0].id

    def test_a_revert_of_one_thing_stays_one_thing(self, centre, monkeypatch):
        centre.tenant("fgw", names=("a.qingdao.test",), people=("zhang",))
        apply(centre)
        zone = centre.dns.things["dns:qingdao.test"]
        seen = zone["dns.rrset/a.qingdao.test"]
        zone[seen.id] = Observed(seen.id, seen.kind, seen.owner_marker, {"name": "a.qingdao.test", "ttl": 7})
        centre.wish("fgw", names=("a.qingdao.test",))
        run = self.killed(centre, monkeypatch, scope="tenant:fgw", only=frozenset({seen.id}), kind="revert")
        resume(run, centre.store, centre.applier, centre.actor, None)
        assert zone[seen.id].attributes["ttl"] == 300
        assert "directory.person/zhang" in centre.directory.things["directory:tenants"]

    def test_what_was_changed_by_hand_since_is_not_overwritten(self, centre, monkeypatch):
        centre.tenant("fgw", names=("a.qingdao.test",))
        run = self.killed(centre, monkeypatch)
        zone = centre.dns.things["dns:qingdao.test"]
        marker = centre.store.estate.tenants()[0].id + "/toy"
        zone["dns.rrset/a.qingdao.test"] = Observed("dns.rrset/a.qingdao.test", "dns.rrset", marker, {"by": "hand"})
        with pytest.raises(StalePlan):
            resume(run, centre.store, centre.applier, centre.actor, None)
        assert zone["dns.rrset/a.qingdao.test"].attributes == {"by": "hand"}


def test_bring_up_makes_only_its_own_wishes_real(centre):
    centre.tenant("fgw", names=("a.qingdao.test",))
    centre.tenant("czj", names=("b.qingdao.test",))
    apply(centre, spare="overwriting", wishes=frozenset({"fgw/toy"}))
    assert sorted(centre.dns.things["dns:qingdao.test"]) == ["dns.rrset/a.qingdao.test"]
    assert [s.observed_generation for s in centre.store.estate.subscriptions()] == [0, 1]


def test_a_kept_change_can_still_be_reverted(centre):
    centre.tenant("fgw", names=("a.qingdao.test",))
    apply(centre)
    zone = centre.dns.things["dns:qingdao.test"]
    seen = zone["dns.rrset/a.qingdao.test"]
    zone[seen.id] = Observed(seen.id, seen.kind, seen.owner_marker, {"name": "a.qingdao.test", "ttl": 7})
    drift = Drift(centre.planner, centre.applier, centre.store)
    drift.keep([seen.id], "2999-01-01", "because", centre.actor)
    assert plan_of(centre).kept == (seen.id,)
    drift.revert([seen.id], centre.actor, None)
    assert zone[seen.id].attributes["ttl"] == 300


def test_a_retirement_that_ends_during_the_run_is_no_failure(centre, monkeypatch):
    centre.tenant("fgw", names=("fgw.qingdao.test",))
    apply(centre)
    centre.wish("fgw")
    original = centre.web.apply

    def slow(*arguments):
        yield from original(*arguments)
        centre.clock.advance(120)

    monkeypatch.setattr(centre.web, "apply", slow)
    assert state(centre, apply(centre)) is RunState.DONE


def test_what_a_killed_run_wrote_unrecorded_is_known_after_the_next_apply(centre):
    centre.tenant("fgw", names=("a.qingdao.test",))
    zone = centre.dns.things["dns:qingdao.test"]
    marker = centre.store.estate.tenants()[0].id + "/toy"
    written = {"name": "a.qingdao.test", "ttl": 300}
    zone["dns.rrset/a.qingdao.test"] = Observed("dns.rrset/a.qingdao.test", "dns.rrset", marker, written)
    apply(centre)
    zone["dns.rrset/a.qingdao.test"] = Observed("dns.rrset/a.qingdao.test", "dns.rrset", marker, {"by": "hand"})
    assert [(c.reason, c.hand_made) for c in plan_of(centre).changes] == [("drift", True)]
