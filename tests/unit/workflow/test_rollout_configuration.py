"""A change of many subscriptions in waves: through the engine, stopped by a failure, never over others' wishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from control_plane.model.errors import Invalid
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.ports import Probe, ProbeResult, ProbeState
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.workflow.applying import Order
from control_plane.workflow.freezes import Freezes
from control_plane.workflow.rollout_configuration import ConfigurationCarrier
from control_plane.workflow.rollout_making import RolloutMaker
from control_plane.workflow.rollout_promises import Promises
from control_plane.workflow.rollout_tick import Ticker
from control_plane.workflow.rollouts import Rollouts

CODES = ("fgw", "czj", "gaj", "jyj")


class Citizens:
    """They find what `states` says of a tenant; all else is as promised."""

    def __init__(self) -> None:
        self.states: dict[str, ProbeState] = {}
        self.asked: list[str] = []

    def run(self, probes: Sequence[Probe]) -> list[ProbeResult]:
        self.asked += [p.id for p in probes]
        now = datetime(2026, 11, 24, tzinfo=UTC)
        return [ProbeResult(p, self.states.get(p.tenant, "passed"), now, 0.1, t("HTTP 500")) for p in probes]


def promise(view: SubscriptionView, estate: EstateView) -> list[Probe]:
    code = view.tenant.code
    return [Probe(f"{code}/toy", "http", "citizen", code, "toy", t("The toy answers"), {})]


class Desk:
    def __init__(self, centre: Any) -> None:
        self.centre = centre
        for code in CODES:
            centre.tenant(code, names=[code])
        centre.applier.apply(Order("estate"), centre.actor)
        catalogue = centre.planner.catalogue
        self.citizens = Citizens()
        self.promise(promise)
        carrier = ConfigurationCarrier(catalogue, centre.applier, centre.store, Promises(catalogue, self.citizens))
        self.ticker = Ticker(centre.store, {"configuration": carrier}, chinese_calendar(), centre.clock)
        maker = RolloutMaker(centre.store, catalogue, lambda: [], lambda: None, centre.clock)  # type: ignore[arg-type,return-value]
        self.rollouts = Rollouts(centre.store, lambda: maker, lambda: centre.actor, centre.clock)

    def promise(self, rule: Callable[[SubscriptionView, EstateView], list[Probe]] | None) -> None:
        catalogue = self.centre.planner.catalogue
        catalogue.offerings = {"toy": replace(catalogue.offerings["toy"], probes=rule)}

    def begin(self, **more: Any) -> int:
        order = {"kind": "configuration", "reason": "x", "offering": "toy", "patch": {"people": ["p"]}, **more}
        order.setdefault("groups", [["fgw"], ["czj", "gaj"], ["jyj"]])
        order.setdefault("thresholds", {"soak": "0"})
        return int(self.rollouts.release(self.rollouts.create(**order)["id"])["id"])

    def run(self, rollout: int) -> dict[str, Any]:
        for _ in range(4):
            self.ticker.tick()
        return self.rollouts.show(rollout)

    def states(self, rollout: int) -> dict[str, str]:
        return {i["tenant"]: i["state"] for i in self.rollouts.show(rollout)["items"]}

    def people(self) -> dict[str, list[str]]:
        return {s.code: s.spec.get("people", []) for s in self.centre.store.estate.subscriptions()}


@pytest.fixture
def desk(centre) -> Desk:
    return Desk(centre)


def test_waves_go_out_and_come_back(desk: Desk):
    rollout = desk.begin(
        patch={"ttl": None, "names": ["same"]}, replace_lists=True, tenants=["fgw"], groups=[], ignore_windows="x"
    )
    done = desk.run(rollout)
    assert done["state"] == "done", done["sentence"]
    assert set(desk.centre.web.things["web:web"]) >= {"web.vhost/same"}
    desk.rollouts.rollback(rollout, reason="no")
    assert desk.run(rollout)["state"] == "rolled_back"
    assert next(s for s in desk.centre.store.estate.subscriptions() if s.code == "fgw").spec == {"names": ["fgw"]}


def test_a_department_that_is_named_twice_is_in_it_once(desk: Desk):
    rollout = desk.begin(tenants=["fgw", "fgw"], groups=[])
    assert [i["tenant"] for i in desk.rollouts.show(rollout)["items"]] == ["fgw"]


def test_one_that_fails_stops_before_the_next_wave(desk: Desk):
    desk.centre.directory.refuse["directory.person/p"] = t("no room")
    rollout = desk.begin()
    stopped = desk.run(rollout)
    assert stopped["state"] == "stopped", stopped["sentence"]
    assert desk.states(rollout) == {"fgw": "failed", "czj": "untouched", "gaj": "untouched", "jyj": "untouched"}
    assert "no room" in next(i["sentence"] for i in stopped["items"] if i["tenant"] == "fgw")
    assert desk.people() == {"fgw": ["p"], "czj": [], "gaj": [], "jyj": []}
    desk.centre.directory.refuse.clear()
    desk.rollouts.rollback(rollout, reason="no room")
    assert desk.run(rollout)["state"] == "rolled_back"
    assert desk.people()["fgw"] == []


def test_a_configuration_counts_departments_and_names_an_offering_that_is_missing(desk: Desk):
    rollout = desk.begin(thresholds={"soak": "1h"})
    assert "1 department is good" in desk.run(rollout)["sentence"]
    with pytest.raises(Invalid) as refused:
        desk.rollouts.preview(kind="configuration", reason="x", patch={"people": ["p"]})
    (problem,) = refused.value.problems
    assert (problem.field, problem.remedy is not None) == ("offering", True)
    assert "–" not in str(problem.text)


def test_wishes_of_others_are_never_overwritten(desk: Desk):
    rollout = desk.begin(groups=[["fgw"], ["czj"]])
    desk.centre.wish("czj", names=["czj", "new"])
    stopped = desk.run(rollout)
    assert stopped["state"] == "stopped"
    assert desk.states(rollout) == {"fgw": "ok", "czj": "failed"}
    assert next(s for s in desk.centre.store.estate.subscriptions() if s.code == "czj").spec == {
        "names": ["czj", "new"]
    }


def test_a_frozen_tenant_waits_and_the_others_do_not_pass_it(desk: Desk):
    freezes = Freezes(desk.centre.store, lambda: desk.centre.actor)
    made = freezes.set("tenant:gaj", reason="audit")
    rollout = desk.begin(patch={"names+": ["x"]}, groups=[["gaj"], ["fgw"]])
    standing = desk.run(rollout)
    assert standing["state"] == "running"
    assert "audit" in standing["sentence"]
    assert desk.states(rollout) == {"gaj": "untouched", "fgw": "untouched"}
    freezes.lift(made["id"], second="li", reason="over")


def test_a_frozen_system_holds_what_needs_it_and_it_goes_on_by_itself(desk: Desk):
    freezes = Freezes(desk.centre.store, lambda: desk.centre.actor)
    made = freezes.set("system:dns", reason="moving it")
    rollout = desk.begin(patch={"names+": ["x"]}, groups=[["fgw"], ["czj"]])
    writes = [driver.writes for driver in desk.centre.drivers]
    standing = desk.run(rollout)
    assert (standing["state"], "moving it" in standing["sentence"]) == ("running", True), standing["sentence"]
    assert desk.states(rollout) == {"fgw": "untouched", "czj": "untouched"}
    assert [driver.writes for driver in desk.centre.drivers] == writes
    assert desk.centre.store.estate.subscription("fgw/toy").spec == {"names": ["fgw"]}
    freezes.lift(made["id"], second="li", reason="over")
    freezes.set("system:security", reason="not theirs")
    stopped = desk.run(rollout)
    assert desk.states(rollout)["fgw"] == "ok", stopped["sentence"]


def test_a_way_back_waits_for_the_end_of_a_systems_freeze(desk: Desk):
    freezes = Freezes(desk.centre.store, lambda: desk.centre.actor)
    rollout = desk.begin(patch={"names+": ["x"]}, groups=[["fgw"]])
    assert desk.run(rollout)["state"] == "done"
    made = freezes.set("system:web", reason="moving it")
    desk.rollouts.rollback(rollout, reason="no")
    writes = [driver.writes for driver in desk.centre.drivers]
    standing = desk.run(rollout)
    assert (standing["state"], "moving it" in standing["sentence"]) == ("rolling_back", True), standing["sentence"]
    assert [driver.writes for driver in desk.centre.drivers] == writes, "nothing goes back by half"
    freezes.lift(made["id"], second="li", reason="over")
    assert desk.run(rollout)["state"] == "rolled_back"


@pytest.mark.parametrize("broken", [False, True])
def test_a_freeze_that_comes_in_between_is_no_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch, broken: bool):
    freezes = Freezes(desk.centre.store, lambda: desk.centre.actor)
    apply, made = desk.centre.applier.apply, []
    if broken:
        desk.centre.directory.refuse["directory.person/p"] = t("no room")

    def late(*order: Any) -> int:
        if not made:
            made.append(freezes.set("system:dns", reason="moving it"))
        return int(apply(*order))

    monkeypatch.setattr(desk.centre.applier, "apply", late)
    rollout = desk.begin(patch={"names+": ["x"], "people": ["p"]}, groups=[["fgw"], ["czj"]])
    standing = desk.run(rollout)
    assert "web.vhost/x" in desk.centre.web.things["web:web"]
    if broken:
        assert (standing["state"], desk.states(rollout)["fgw"]) == ("stopped", "failed"), "what failed besides is told"
        return
    assert (standing["state"], "moving it" in standing["sentence"]) == ("running", True), standing["sentence"]
    assert desk.states(rollout) == {"fgw": "touching", "czj": "untouched"}
    freezes.lift(made[0]["id"], second="li", reason="over")
    desk.run(rollout)
    assert desk.states(rollout)["fgw"] == "ok"
    assert "dns.rrset/x" in desk.centre.dns.things["dns:qingdao.test"]


@pytest.mark.parametrize(
    ("state", "ends", "item"), [("failed", "stopped", "failed"), ("unmeasured", "waiting", "unmeasured")]
)
def test_a_promise_that_is_not_kept_or_not_measured_lets_no_wave_pass(
    desk: Desk, state: ProbeState, ends: str, item: str
):
    desk.citizens.states["fgw"] = state
    rollout = desk.begin()
    stands = desk.run(rollout)
    assert stands["state"] == ends, stands["sentence"]
    assert desk.states(rollout) == {"fgw": item, "czj": "untouched", "gaj": "untouched", "jyj": "untouched"}
    assert "The toy answers" in next(i["sentence"] for i in stands["items"] if i["tenant"] == "fgw")
    assert set(desk.citizens.asked) == {"fgw/toy"}


def test_a_subscription_without_measured_promises_is_no_success_unless_it_has_none_by_nature(desk: Desk):
    desk.promise(lambda view, estate: [])
    rollout = desk.begin(groups=[["fgw"], ["czj"]])
    assert desk.run(rollout)["state"] == "waiting"
    assert desk.states(rollout) == {"fgw": "unmeasured", "czj": "untouched"}
    desk.promise(None)
    again = desk.begin(groups=[["gaj"], ["jyj"]])
    done = desk.run(again)
    assert done["state"] == "done", done["sentence"]
    assert all("promises nothing" in item["sentence"] for item in done["items"])


def test_a_wave_over_the_limit_waits_for_its_word_and_takes_it(desk: Desk):
    desk.centre.planner.touch_limit = 0
    rollout = desk.begin(patch={"names": ["x"]}, replace_lists=True, groups=[["fgw"]])
    waiting = desk.run(rollout)
    assert waiting["state"] == "waiting"
    assert f"gasp rollouts release {rollout} --confirm " in waiting["sentence"]
    word = waiting["sentence"].partition("--confirm ")[2].split()[0]
    desk.rollouts.release(rollout, reason="read", confirm="00000000")
    assert desk.run(rollout)["state"] == "waiting", "another word is none"
    assert desk.states(rollout) == {"fgw": "touching"}
    desk.rollouts.release(rollout, reason="read", confirm=word)
    done = desk.run(rollout)
    assert done["state"] == "done", done["sentence"]


def test_wrong_orders(desk: Desk):
    with pytest.raises(Invalid) as refused:
        desk.begin(offering="nothing", patch=None, tenants=["nobody"], groups=[])
    assert {p.field for p in refused.value.problems} == {"offering", "patch", "tenants"}
    with pytest.raises(Invalid) as none:
        desk.begin(tenants=["nobody"], groups=[])
    assert "nobody has no subscription of Toy." in [str(p.text) for p in none.value.problems]
    with pytest.raises(Invalid) as twice:
        desk.begin(groups=[["fgw"], ["fgw"]])
    assert "two groups" in str(twice.value.problems[0].text)
    with pytest.raises(Invalid):
        desk.begin(patch={"people": "not a list", "unknown": 1})
    with pytest.raises(Invalid) as additions:
        desk.begin(patch={"names+": "a", "people": [], "people+": ["p"]})
    assert [p.field for p in additions.value.problems] == ["patch", "patch"]


def test_what_departments_would_lose_is_shown_and_wants_a_yes(desk: Desk):
    order = {"kind": "configuration", "reason": "x", "offering": "toy", "groups": [["fgw"], ["czj"]]}
    shown = desk.rollouts.preview(**order, patch={"names": ["fgw", "new"]})
    assert shown["replaced"] == [{"tenant": "czj", "field": "names", "items": ["czj"]}], "what stays is no loss"
    with pytest.raises(Invalid) as refused:
        desk.rollouts.create(**order, patch={"names": ["fgw", "new"]})
    (problem,) = refused.value.problems
    assert "czj would lose 1 of its own in names: czj." in str(problem.text)
    assert "names+" in str(problem.remedy) and "--replace-lists" in str(problem.remedy)
    assert desk.rollouts.list() == []
    made = desk.rollouts.create(**order, patch={"names": ["fgw", "new"]}, replace_lists=True)
    assert desk.rollouts.show(made["id"])["replaced"] == shown["replaced"], "it stays to be seen"


def test_lists_are_added_to_and_come_back(desk: Desk):
    def names() -> dict[str, list[str]]:
        return {s.code: s.spec["names"] for s in desk.centre.store.estate.subscriptions() if s.code in ("fgw", "czj")}

    before = names()
    rollout = desk.begin(patch={"names+": ["more", "fgw"]}, groups=[["fgw"]])
    done = desk.run(rollout)
    assert (done["state"], done["replaced"]) == ("done", []), done["sentence"]
    assert names() == {**before, "fgw": ["fgw", "more"]}, "what is there is not doubled"
    desk.rollouts.rollback(rollout, reason="no")
    assert desk.run(rollout)["state"] == "rolled_back"
    assert names() == before
