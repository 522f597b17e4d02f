"""Jobs: written down once, carried out once, by whoever lives; asked of people with the role, now and then."""

from __future__ import annotations

import os
import secrets
from datetime import date
from typing import Any

import pytest

from control_plane.model.errors import Invalid, Rejected
from control_plane.model.jobs import KINDS, JobState
from control_plane.model.run import EventType
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.leases import Holder
from control_plane.workflow.access import Forbidden
from control_plane.workflow.job_acts import DOERS
from control_plane.workflow.jobs import ATTEMPTS
from control_plane.workflow.journal import Journal
from control_plane.workflow.local import LocalClient
from control_plane.workflow.process import boot_id, myself, start_time
from tests.web.world import World

DEAD = Holder(1, 1, "another boot")


@pytest.fixture
def world(world: World) -> World:
    for name in ("operator", "security_officer", "auditor"):
        world.person(name)
    return world


def operator(world: World) -> LocalClient:
    return world.client.acting_as("directory:operator1")


def place(client: LocalClient, kind: str, once: str = "", **given: Any) -> dict[str, Any]:
    return client.jobs.place(kind, given, subject="it", once=once or secrets.token_urlsafe(18))


def changed(world: World) -> str:
    """A plan with one change in it."""
    things = world.drivers[0].things["dns:qingdao.test"]
    del things[next(name for name in things if name.startswith("dns:fgw.qingdao.test/A"))]
    return str(world.client.plan("tenant:fgw")["digest"])


def test_every_kind_has_a_doer() -> None:
    assert DOERS.keys() == KINDS.keys()


def test_a_plan_is_carried_out_by_the_worker_for_who_asked(world: World) -> None:
    digest = changed(world)
    job = place(operator(world), "apply", digest=digest, confirm="")
    assert (job["state"], job["run"], job["before"]) == ("waiting", None, 0)
    assert world.client.runs(limit=1)[0]["digest"] != digest, "nothing is done in the request"
    assert world.client.jobs.work(("machines",)) is None, "another lane"
    world.client.jobs.work(("at_once", "runs"))
    job = world.client.jobs.show(job["id"])
    run = world.client.run(job["run"])
    assert (job["state"], run["state"], run["digest"]) == ("done", "done", digest)
    assert run["actor"]["name"] == "directory:operator1"
    assert world.client.jobs.work(("at_once", "runs")) is None


def test_a_form_sent_twice_is_one_act(world: World) -> None:  # open-18
    digest, client = changed(world), operator(world)
    first = place(client, "apply", "o" * 20, digest=digest, confirm="")
    assert place(client, "apply", "o" * 20, digest=digest, confirm="")["id"] == first["id"]
    with pytest.raises(Rejected, match="sent before"):
        place(client, "apply", "o" * 20, digest=digest, confirm="other")
    a = place(client, "freeze", "f" * 20, scope="tenant:fgw", reason="test")
    b = place(client, "freeze", "f" * 20, scope="tenant:fgw", reason="test")
    assert a["id"] == b["id"]
    assert [f["scope"] for f in world.client.freezes.list()].count("tenant:fgw") == 1
    with pytest.raises(Invalid):
        place(client, "freeze", "short", scope="estate", reason="test")


def test_what_a_form_says_is_what_is_kept(world: World) -> None:
    client = operator(world)
    for once in ("d" * 20, "d" * 20):
        job = place(client, "freeze", once, scope="tenant:fgw", reason="until", more=(date(2026, 1, 1), {"a": 1}))
        assert (job["state"], job["given"]["more"]) == ("done", ["2026-01-01", {"a": 1}])
    assert [f["scope"] for f in world.client.freezes.list()].count("tenant:fgw") == 1
    for odd in (b"x", 1 << 70, "\ud800", {1: 2}, object()):
        with pytest.raises(Invalid, match="cannot be kept"):
            place(client, "freeze", scope="tenant:gaj", reason=odd)
    assert {job["state"] for job in world.client.jobs.list()} == {"done"}


def test_only_who_may_and_only_people(world: World) -> None:
    digest = changed(world)
    for name in ("directory:security1", "directory:auditor1", "local:test", "directory:none"):
        with pytest.raises(Forbidden):
            place(world.client.acting_as(name), "apply", digest=digest, confirm="")
    assert (
        place(world.client.acting_as("directory:security1"), "freeze", scope="estate", reason="test")["state"] == "done"
    )
    assert world.client.jobs.list()[0]["actor"] == "directory:security1"


def test_a_role_taken_away_before_its_turn_stops_the_job(world: World) -> None:
    job = place(operator(world), "apply", digest=changed(world), confirm="")
    world.second("operator")
    world.client.people.revoke("operator1", "operator", reason="test")
    world.client.jobs.work(("runs",))
    job = world.client.jobs.show(job["id"])
    assert (job["state"], job["run"]) == ("refused", None)
    assert "roles do not allow" in job["error"]["text"]


def test_what_destroys_data_wants_its_word(world: World) -> None:
    row = next(s for s in world.store.estate.subscriptions() if s.id == "fgw/directory")
    gone = SubscriptionChange("fgw", "directory", row.tier, None, row.generation)
    world.store.estate.change(world.client.actor, "test", [gone], {("fgw", "directory"): []})
    plan = world.client.plan("subscription:fgw/directory")
    assert {guard["confirm"] for guard in plan["guards"] if guard["code"] == "destroys-data"} == {"fgw"}
    for typed in ("", "gaj", plan["digest"][:7]):
        with pytest.raises(Invalid) as refused:
            place(operator(world), "apply", digest=plan["digest"], confirm=typed)
        assert refused.value.problems[0].field == "confirm"
    job = place(operator(world), "apply", digest=plan["digest"], confirm=plan["digest"][:8])
    world.client.jobs.work(("runs",))
    assert world.client.run(world.client.jobs.show(job["id"])["run"])["state"] == "done"


def test_nothing_to_carry_out_is_refused(world: World) -> None:
    with pytest.raises(Rejected, match="nothing in this plan"):
        place(operator(world), "apply", digest=world.client.plan("tenant:gaj")["digest"], confirm="")


def test_a_world_that_moved_is_said_and_changes_nothing(world: World) -> None:
    digest = changed(world)
    job = place(operator(world), "apply", digest=digest, confirm="")
    changed(world)
    world.client.jobs.work(("runs",))
    job = world.client.jobs.show(job["id"])
    assert job["state"] == "refused"
    assert "The world moved" in job["error"]["text"]
    assert world.client.run(job["run"])["state"] == "stale"


@pytest.mark.parametrize("lane", ["runs", "at_once"])
def test_who_was_killed_before_anything_was_done_is_replaced(world: World, lane: str) -> None:
    client = operator(world)
    given: dict[str, Any] = (
        {"digest": changed(world), "confirm": ""} if lane == "runs" else {"scope": "tenant:fgw", "reason": "x"}
    )
    kind = KINDS["apply" if lane == "runs" else "freeze"]
    job, new = world.store.jobs.place(kind, "it", given, client.actor, "k" * 20, DEAD)
    assert new and job.state is JobState.RUNNING
    done = world.client.jobs.work(("at_once", "runs"))
    assert done is not None and (done.id, done.state, done.attempts) == (job.id, JobState.DONE, 2)
    assert world.client.jobs.work(("at_once", "runs")) is None


def test_a_living_process_keeps_its_job(world: World) -> None:  # open-16
    parent = Holder(os.getppid(), start_time(os.getppid()) or 0, boot_id())
    world.store.jobs.place(KINDS["freeze"], "it", {}, operator(world).actor, "k" * 20, myself())
    world.store.jobs.place(KINDS["measure"], "it", {"scope": "estate"}, operator(world).actor, "m" * 20, parent)
    assert world.client.jobs.work(("at_once", "machines")) is None


def test_what_a_lane_dropped_it_takes_up_again(world: World) -> None:
    world.store.jobs.place(KINDS["measure"], "it", {"scope": "estate"}, operator(world).actor, "m" * 20, myself())
    world.client.jobs.work(("machines",))
    assert world.client.jobs.list()[0]["state"] == "done"


class Killed(BaseException):
    """As if the process had died here."""


def test_wherever_it_is_killed_the_run_is_done_once(  # open-16
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every boundary of an apply: what was begun is finished by whoever comes next, and nothing is done twice."""
    usual = Journal.event
    reached = []
    for boundary in EventType:

        def event(self: Journal, type_: EventType, at: EventType = boundary, **data: Any) -> None:
            usual(self, type_, **data)
            if type_ is at:
                raise Killed

        job = place(operator(world), "apply", digest=changed(world), confirm="")
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "event", event)
            try:
                world.client.jobs.work(("runs",))
            except Killed:
                reached.append(boundary)
                first = world.client.jobs.show(job["id"])
                assert first["state"] == "running"
                bury(world, first["id"], first["run"])
        world.client.jobs.work(("runs",))
        last = world.client.jobs.show(job["id"])
        assert (last["state"], last["error"]) == ("done", None), boundary
        assert world.client.run(last["run"])["state"] == "done", boundary
        assert world.client.plan("tenant:fgw")["changes"] == [], boundary
        if boundary in (EventType.CONFIRMED, EventType.PART_STARTED, EventType.PART_DONE, EventType.VERIFYING):
            assert last["run"] != last["first_run"] and world.client.run(last["run"])["kind"] == "resume"
            assert world.client.jobs.of_run(last["first_run"])["run"] == last["run"]  # type: ignore[index]
    assert {EventType.CREATED, EventType.OBSERVED, EventType.CONFIRMED, EventType.PART_STARTED} < {*reached}
    assert {EventType.VERIFIED, EventType.FINISHED} < {*reached}
    assert len(world.client.jobs.list()) == len(EventType)


def test_killed_while_it_makes_a_rollout_it_makes_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draft and the note that it is made are one; what is looked at outside is looked at before."""
    there = len(world.client.rollouts.list())
    order = {"kind": "patches", "snapshot": "p20261124-020000", "ignore_windows": "test", "reason": "test"}
    job, _ = world.store.jobs.place(
        KINDS["rollout_create"], "it", {"order": order}, operator(world).actor, "r" * 20, DEAD
    )

    def finish(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(world.store.jobs), "finish", finish)
        with pytest.raises(Killed):
            world.client.jobs.work(("at_once",))
    assert len(world.client.rollouts.list()) == there
    bury(world, job.id, 0)
    world.client.jobs.work(("at_once",))
    assert world.client.jobs.show(job.id)["state"] == "done"
    assert len(world.client.rollouts.list()) == there + 1


def test_a_job_that_kills_its_process_is_not_begun_for_ever(world: World) -> None:  # open-16
    world.store.jobs.place(KINDS["measure"], "it", {"scope": "estate"}, operator(world).actor, "k" * 20, DEAD)
    taken = 0
    while world.store.jobs.take(("machines",), DEAD, lambda holder: False).attempts < ATTEMPTS:  # type: ignore[union-attr]
        taken += 1
    world.client.jobs.work(("machines",))
    assert taken == ATTEMPTS - 2
    assert world.client.jobs.list()[0]["state"] == "failed"


def bury(world: World, job: int, run: int) -> None:
    """As if the process of a job and its run had died."""
    from sqlalchemy import update

    from control_plane.store.jobs_tables import jobs
    from control_plane.store.tables import leases, runs

    gone = {"holder_pid": DEAD.pid, "holder_start": DEAD.start_time, "holder_boot": DEAD.boot_id}
    with world.store.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job).values(gone))
        connection.execute(update(runs).where(runs.c.id == run).values(gone))
        connection.execute(update(leases).values(released=True))
