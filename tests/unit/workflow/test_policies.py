"""Revisions of the centre's policy: made, brought ring by ring, taken back; what departments do in between stays."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.client_internet import Wish
from control_plane.model.errors import Invalid, NotFound, Rejected
from control_plane.model.ports import Probe, ProbeResult
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.rollout_configuration import ConfigurationCarrier
from control_plane.workflow.rollout_promises import Promises
from control_plane.workflow.rollout_tick import Ticker
from tests.web.world import World, make_world


class Content:
    """Every promise is kept."""

    def run(self, probes: Sequence[Probe]) -> list[ProbeResult]:
        return [ProbeResult(p, "passed", datetime(2026, 11, 24, tzinfo=UTC), 0.1, t("kept")) for p in probes]


class Office:
    def __init__(self, world: World) -> None:
        self.client, self.store, self.clock = world.client, world.store, world.clock
        applier = self.client.applier
        catalogue = applier.planner.catalogue
        self.carrier = ConfigurationCarrier(catalogue, applier, self.store, Promises(catalogue, Content()))
        self.ticker = Ticker(self.store, {"configuration": self.carrier}, chinese_calendar(), applier.planner.clock)

    def revision(self, *names: str) -> int:
        """Another revision with these betting sites; its number."""
        body = copy.deepcopy(self.client.policies.show()["policy"])
        body["categories"]["gambling"] = [".casino.test", *names]
        return int(self.client.policies.add(body, reason="betting")["number"])

    def begin(self, policy: int, **more: Any) -> int:
        order = {"kind": "configuration", "offering": "internet", "policy": policy, "reason": "betting", **more}
        order = {"ignore_windows": "a test", "thresholds": {"soak": "0"}, **order}
        return int(self.client.rollouts.release(self.client.rollouts.create(**order)["id"])["id"])

    def subscribe(self, code: str) -> None:
        """A department wishes internet access; it is not made real by that."""
        actor = self.store.actors.get("local:test")
        self.store.estate.change(actor, "import 9", [SubscriptionChange(code, "internet", "S", {})], {})

    def had(self) -> dict[str, int]:
        return {row.code: row.policy for row in self.store.estate.subscriptions(offering="internet")}

    def states(self) -> dict[int, str]:
        return {row["number"]: row["state"] for row in self.client.policies.list()}

    def empty(self) -> bool:
        return self.client.plan("system:gateway")["changes"] == []


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(make_world(tmp_path))


def test_a_change_of_configuration_brings_no_snapshot(office: Office):
    with pytest.raises(Invalid) as refused:
        office.begin(0, snapshot="p20261124-020000")
    assert [(problem.code, problem.field) for problem in refused.value.problems] == [("foreign", "snapshot")]


def test_a_new_revision_touches_nobody_until_a_rollout_brings_it(office: Office):
    preview = office.client.policies.preview(office.client.policies.show()["policy"] | {"last": []})
    assert preview["based_on"] == 0
    assert [one["field"] for one in preview["changes"]] == ["last.video"]
    number = office.revision(".betting.test")
    assert number == 1
    assert set(office.had().values()) == {0}
    assert office.empty()
    assert office.states() == {1: "new", 0: "shipped"}
    with pytest.raises(Rejected, match="says that already"):
        office.revision(".betting.test")
    with pytest.raises(Invalid) as wrong:
        office.client.policies.add({"first": [{"name": "X"}], "categories": {}}, reason="x")
    fields = {p.field for p in wrong.value.problems}
    assert {"first[0].name", "categories.malware", "categories.video"} <= fields, fields
    with pytest.raises(NotFound):
        office.client.policies.show(9)


def test_it_goes_out_in_waves_and_comes_back_without_what_departments_did_meanwhile(office: Office):
    codes = sorted(office.had())
    number = office.revision(".betting.test")
    rollout = office.begin(number, groups=[codes[:1], codes[1:]], thresholds={"soak": "1h"})
    office.ticker.tick()
    assert office.had() == {code: int(code == codes[0]) for code in codes}
    assert office.states()[number] == "going_out"
    assert office.empty(), "what was brought is real"
    assert office.client.internet.show(codes[0])["policy"] == 1
    assert office.client.internet.show(codes[1])["policy"] == 0
    with pytest.raises(Rejected, match="of the same kind"):
        office.begin(office.revision(".more-betting.test"))
    office.client.internet.change(codes[0], Wish(block=("own.test",), reason_zh="x"))
    office.client.rollouts.rollback(rollout, reason="calls")
    office.ticker.tick()
    assert office.client.rollouts.show(rollout)["state"] == "rolled_back"
    assert set(office.had().values()) == {0}
    spec = next(r for r in office.store.estate.subscriptions(offering="internet") if r.code == codes[0]).spec
    assert any("own.test" in r["hosts"] for r in spec["rules"])
    assert office.states() == {2: "new", 1: "former", 0: "shipped"}
    assert office.empty()


def test_a_department_that_changes_its_rules_before_its_wave_stops_nothing(office: Office):
    codes = sorted(office.had())
    rollout = office.begin(office.revision(".betting.test"), groups=[codes[:1], codes[1:]])
    office.client.internet.change(codes[1], Wish(block=("own.test",), reason_zh="x"))
    for _ in range(3):
        office.ticker.tick()
    assert office.client.rollouts.show(rollout)["state"] == "done"
    assert set(office.had().values()) == {1}
    assert office.states()[1] == "partly", "only groups were asked for, so nobody new gets it"


def test_who_begins_after_a_rollout_to_all_gets_that_revision(office: Office):
    rollout = office.begin(office.revision(".betting.test"))
    for _ in range(6):
        office.ticker.tick()
    assert office.client.rollouts.show(rollout)["state"] == "done"
    assert office.states() == {1: "finished", 0: "shipped"}
    code, actor = sorted(office.had())[0], office.store.actors.get("local:test")
    row = next(r for r in office.store.estate.subscriptions(offering="internet") if r.code == code)
    for spec in (None, row.spec):
        change = SubscriptionChange(code, "internet", row.tier, spec)
        office.store.estate.change(actor, "import 9", [change], {})
    assert office.had()[code] == 1
    office.client.rollouts.rollback(rollout, reason="calls")
    for _ in range(3):
        office.ticker.tick()
    assert office.store.policies.finished() == 0


def test_who_begins_during_a_rollout_is_not_left_behind(office: Office):
    rollout = office.begin(office.revision(".betting.test"), thresholds={"soak": "1h"})
    office.ticker.tick()
    before = {i["id"] for i in office.client.rollouts.show(rollout)["items"]}
    office.subscribe("shinan")
    assert ("shinan/internet" in before, office.had()["shinan"]) == (False, 0)
    for _ in range(8):
        office.clock.advance(3601)
        office.ticker.tick()
    stands = office.client.rollouts.show(rollout)
    mine = next(i for i in stands["items"] if i["tenant"] == "shinan")
    assert (stands["state"], mine["state"], office.had()["shinan"]) == ("catching_up", "off", 0)
    assert "not made real yet" in mine["sentence"]
    office.client.apply("tenant:shinan")
    office.clock.advance(31)
    office.ticker.tick()
    done = office.client.rollouts.show(rollout)
    assert (done["state"], set(office.had().values())) == ("done", {1}), done["sentence"]
    assert office.empty()
    office.client.rollouts.rollback(rollout, reason="calls")
    for _ in range(3):
        office.ticker.tick()
    assert office.client.rollouts.show(rollout)["state"] == "rolled_back"
    assert set(office.had().values()) == {0}


def test_who_begins_at_the_last_moment_is_waited_for(office: Office, monkeypatch: pytest.MonkeyPatch):
    rollout = office.begin(office.revision(".betting.test"))
    measure = office.carrier.measure

    def meanwhile(*given: Any) -> Any:
        if "shinan" not in office.had():
            office.subscribe("shinan")
        return measure(*given)

    monkeypatch.setattr(office.carrier, "measure", meanwhile)
    office.ticker.tick()
    stands = office.client.rollouts.show(rollout)
    assert (stands["state"], stands["counts"]["off"]) == ("catching_up", 1), stands["sentence"]
    office.client.apply("tenant:shinan")
    office.clock.advance(31)
    office.ticker.tick()
    assert office.client.rollouts.show(rollout)["state"] == "done"
    assert set(office.had().values()) == {1}


def test_who_begins_after_the_end_goes_back_with_the_others(office: Office):
    rollout = office.begin(office.revision(".betting.test"))
    for _ in range(6):
        office.ticker.tick()
    assert office.client.rollouts.show(rollout)["state"] == "done"
    office.subscribe("shinan")
    office.client.apply("tenant:shinan")
    assert office.had()["shinan"] == 1
    office.client.rollouts.rollback(rollout, reason="calls")
    for _ in range(3):
        office.ticker.tick()
    assert office.client.rollouts.show(rollout)["state"] == "rolled_back"
    assert set(office.had().values()) == {0}
    assert office.empty()


def test_of_two_revisions_the_later_one_goes_back_first(office: Office):
    codes = sorted(office.had())
    first = office.begin(office.revision(".betting.test"))
    for _ in range(6):
        office.ticker.tick()
    second = office.begin(office.revision(".more-betting.test"), groups=[codes[:1], codes[1:]],
                          thresholds={"soak": "1h"})  # fmt: skip
    office.ticker.tick()
    had = office.had()
    assert set(had.values()) == {1, 2}
    with pytest.raises(Rejected, match="moves the same things now"):
        office.client.rollouts.rollback(first, reason="calls")
    office.client.rollouts.abort(second, reason="enough")
    with pytest.raises(Rejected, match="went out after"):
        office.client.rollouts.rollback(first, reason="calls")
    assert office.had() == had
    for rollout, number in ((second, 1), (first, 0)):
        office.client.rollouts.rollback(rollout, reason="calls")
        for _ in range(3):
            office.ticker.tick()
        assert office.client.rollouts.show(rollout)["state"] == "rolled_back"
        assert set(office.had().values()) == {number}


def test_revisions_of_different_departments_are_in_nobodys_way(office: Office):
    codes = sorted(office.had())
    first = office.begin(office.revision(".betting.test"), tenants=codes[:1])
    for _ in range(3):
        office.ticker.tick()
    office.begin(office.revision(".more-betting.test"), groups=[codes[1:]], thresholds={"soak": "1h"})
    office.ticker.tick()
    office.client.rollouts.rollback(first, reason="calls")
    office.ticker.tick()
    assert office.had() == {codes[0]: 0, **dict.fromkeys(codes[1:], 2)}


def test_undo_of_a_wave_gives_back_the_revision(office: Office):
    codes = sorted(office.had())
    rollout = office.begin(office.revision(".betting.test"), tenants=codes[:1], groups=[])
    office.ticker.tick()
    run = office.client.rollouts.show(rollout)["waves"][0]["run"]
    plan = office.client.undo_run(run)
    assert [(c["tenant"], c["kind"]) for c in plan["changes"]] == [(codes[0], "gateway.proxy")]
    office.client.apply(plan["digest"])
    assert set(office.had().values()) == {0}
    assert office.empty()


def test_a_rollout_of_forms_goes_on_when_the_policy_moves_and_takes_nothing_of_it_back(office: Office):
    code = sorted(office.had())[0]
    order = {"kind": "configuration", "offering": "internet", "patch": {"otherwise": "block"}, "tenants": [code]}
    forms = office.client.rollouts.create(**order, reason="x", ignore_windows="a test", thresholds={"soak": "0"})["id"]
    office.begin(office.revision(".betting.test"), tenants=[code])
    office.ticker.tick()
    assert office.had()[code] == 1
    office.client.rollouts.release(forms)
    for _ in range(3):
        office.ticker.tick()
    assert office.client.rollouts.show(forms)["state"] == "done"
    office.client.rollouts.rollback(forms, reason="calls")
    for _ in range(3):
        office.ticker.tick()
    assert office.client.rollouts.show(forms)["state"] == "rolled_back"
    assert office.had()[code] == 1


@pytest.mark.parametrize(
    ("order", "code"), [({"policy": 7}, "no-policy"), ({"policy": 0, "tier": "M"}, "policy-alone")]
)
def test_wrong_orders(office: Office, order: dict[str, Any], code: str):
    with pytest.raises(Invalid) as wrong:
        office.client.rollouts.create(kind="configuration", offering="internet", reason="x", **order)
    assert code in {p.code for p in wrong.value.problems}
