"""The end of a tenant without a lab: its machines, one that is lost, and others that named its code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers.fake import FakeDriver
from control_plane.drivers.file_folder import FileFolder
from control_plane.drivers.machines import MachinesDriver
from control_plane.drivers.releases import ReleaseFolder
from control_plane.model.errors import CouldNotMeasureError, Invalid, NotFound, Rejected, TemporaryError
from control_plane.model.internet import NETWORK, PROXY
from control_plane.model.machine import Fingerprint, Ring, baseline_id
from control_plane.model.network import plan_for
from control_plane.model.offering import HostView
from control_plane.model.resource import CouldNotMeasure, Kind
from control_plane.model.scope import Scope
from control_plane.model.tenant import TenantDocument
from control_plane.model.text import t
from control_plane.offerings import discover
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.brought import Brought
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.contents import Contents
from control_plane.workflow.explain import Explainer
from control_plane.workflow.machines import Machines
from control_plane.workflow.offboard import Offboarding
from control_plane.workflow.planning import Planner
from tests.unit.workflow.conftest import Centre

HOST = HostView("gateway", "gateway", "10.94.0.254", "fd94::254")


class Machinery:
    """Machines by host: what of ours is on each. Those in `off` do not answer. Plays link and hands."""

    def __init__(self) -> None:
        self.on: dict[str, dict[str, Any] | None] = {}
        self.off: set[str] = set()
        self.asked: list[str] = []
        self.ids: dict[str, str] = {}

    def ask(self, host: str, agent: object, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        self.asked.append(host)
        if host in self.off:
            raise CouldNotMeasureError(t("No route to host"))
        have = self.on.get(host)
        if request["verb"] == "put":
            kept = {key: request[key] for key in ("owner", "label", "attributes")}
            self.on[host] = {**kept, "id": baseline_id(self.ids[host]), "token": "1"}
            return {"is": "done", "state": "applied"}
        if request["verb"] == "remove":
            self.on[host] = None
            return {"is": "done", "state": "applied"}
        who = {"machine_id": f"id-{host}", "host_key": f"key-{host}"}
        return {"is": "look", "fingerprint": who, "foreign": [], **(have or {})}

    def fingerprints(self, hosts: list[str]) -> dict[str, Fingerprint | CouldNotMeasure]:
        silent = CouldNotMeasure("x", None, t("No route to host"))  # type: ignore[arg-type]
        return {h: silent if h in self.off else Fingerprint(f"id-{h}", f"key-{h}") for h in hosts}


class City:
    """Two tenants connected with each other, each with an enrolled machine; `fgw` is the one that ends."""

    def __init__(self, centre: Centre, folder: Path) -> None:
        self.store, self.actor, self.clock = centre.store, centre.actor, centre.clock
        for index, (code, other) in enumerate((("fgw", "czj"), ("czj", "fgw"))):
            self._tenant(code, other, index + 1)
        self.machinery = Machinery()
        self.gateway = FakeDriver(
            [Kind(NETWORK, "gateway", 40), Kind(PROXY, "gateway", 40)], ["gateway:gateway"], self.clock
        )
        link: Any = self.machinery
        drivers = [MachinesDriver(link, self.store.machines.touched, lambda: "key", self.clock), self.gateway]
        offerings = {name: o for name, o in discover().items() if name in ("internet", "security")}
        catalogue = Catalogue(self.store, lambda: offerings, plan_for("labt"), lambda: [HOST], 300, lambda estate: [])
        self.planner = Planner(catalogue, drivers, self.clock, 50, 5)
        self.applier = Applier(self.planner, self.store, self.clock)
        rows = [{"name": c, "role": "workstation", "zone": "tenant", "tenant": c} for c in ("fgw", "czj")]
        hands: Any = self.machinery
        self.machines = Machines(self.store, hands, self.applier, lambda: rows, lambda: self.actor, self.clock)
        self.machines.enrol("fgw", "fgw", Ring.ALL)
        self.machines.enrol("czj", "czj", Ring.ALL)
        self.machinery.ids = {m.name: m.id for m in self.store.machines.all()}
        self.archive = folder / "fgw.tar.gz"
        self.offboarding = Offboarding(
            *(self.planner, self.applier, self.store, lambda folder, codes: {}, self.machines.retire_all),
            Brought(self.store, Contents(self.store, FileFolder(folder / "files"), ReleaseFolder(folder / "releases"))),
        )
        self.applier.apply(Order("estate"), self.actor)

    def _tenant(self, code: str, peer: str, index: int) -> None:
        document = TenantDocument(
            code=code, names={"zh": f"单位{code}", "en": code}, kind="government_department", network={"index": index}
        )
        self.store.estate.put_tenants(self.actor, "import 1", [document])
        wishes = [
            SubscriptionChange(code, "internet", "S", {"peers": [peer]}),
            SubscriptionChange(code, "security", "S", {}),
        ]
        self.store.estate.change(self.actor, "import 1", wishes, {})

    def end(self) -> dict[str, Any]:
        return self.offboarding.offboard("fgw", "fgw", self.archive, self.actor, None)

    def spec(self, subscription: str) -> Mapping[str, Any]:
        return next(s.spec for s in self.store.estate.subscriptions() if s.id == subscription)


@pytest.fixture
def city(centre: Centre, tmp_path: Path) -> City:
    return City(centre, tmp_path)


def test_a_tenant_with_an_enrolled_machine_ends(city: City) -> None:
    assert city.machinery.on["fgw"] and city.machinery.on["czj"]
    receipt = city.end()
    assert (receipt["remaining"], receipt["left_on_lost"], receipt["others_changed"]) == ([], [], [])
    assert city.machinery.on["fgw"] is None and city.machinery.on["czj"]
    assert [m.name for m in city.store.machines.all()] == ["czj"]
    assert [row.code for row in city.store.estate.tenants()] == ["czj"]


def test_no_other_tenant_keeps_the_code_as_a_peer(city: City) -> None:
    assert city.gateway.things["gateway:gateway"]["gateway:czj/network"].attributes["peers"]
    preview = city.offboarding.preview("fgw")
    assert preview["shared_by_others"] == ["czj/internet"]
    assert city.end()["others_changed"] == []
    assert city.spec("czj/internet")["peers"] == []
    plan = city.planner.picture(Scope()).plan
    assert (plan.changes, plan.broken) == ((), ())


def test_a_machine_given_up_as_lost_is_not_asked_and_the_receipt_names_what_is_on_it(city: City) -> None:
    city.machinery.off = {"fgw"}
    with pytest.raises(TemporaryError, match="fgw") as caught:
        city.end()
    assert "--lost" in str(caught.value.hint)
    baseline = baseline_id(city.machinery.ids["fgw"])
    assert city.machines.give_up("fgw", "stolen")["left"] == [baseline]
    city.machinery.asked.clear()
    receipt = city.end()
    assert receipt["left_on_lost"] == [{"id": baseline, "machine": "fgw", "reason": "stolen"}]
    assert receipt["remaining"] == []
    assert "fgw" not in city.machinery.asked
    assert [row.code for row in city.store.estate.tenants()] == ["czj"]


def test_one_that_was_retired_and_is_waited_for_is_given_up_too(city: City) -> None:
    city.machinery.off = {"fgw"}
    assert city.machines.retire("fgw")["waiting"] is True
    assert city.machines.give_up("fgw", "stolen")["left"] == [baseline_id(city.machinery.ids["fgw"])]
    assert [m.name for m in city.store.machines.touched()] == ["czj"]
    with pytest.raises(NotFound):
        city.machines.give_up("fgw", "stolen")


def test_a_lost_machine_that_came_back_and_is_enrolled_again_is_asked_again(city: City) -> None:
    city.machinery.off = {"fgw"}
    city.machines.give_up("fgw", "stolen")
    city.machinery.off = set()
    city.machines.enrol("fgw", "fgw", Ring.ALL)
    assert len([m for m in city.store.machines.touched() if m.name == "fgw"]) == 2
    assert city.store.machines.lost() == []


def test_a_machine_that_answers_is_not_lost_and_a_reason_is_wanted(city: City) -> None:
    with pytest.raises(Rejected, match="not lost"):
        city.machines.give_up("fgw", "stolen")
    with pytest.raises(Invalid):
        city.machines.give_up("fgw", " ")
    assert len(city.store.machines.all()) == 2


def test_a_baseline_on_a_machine_that_is_off_waits_and_is_found_by_its_machine(city: City) -> None:
    explainer = Explainer(city.planner, city.store)
    found = {m["type"]: m for m in explainer.explain("fgw")["matches"]}
    assert found["machine.baseline"]["state"] == "in_sync"
    city.machinery.off = {"fgw"}
    found = {m["type"]: m for m in explainer.explain("fgw")["matches"]}
    assert found["machine.baseline"]["state"] == "waiting"
    assert "No route" in found["machine.baseline"]["observed"]["reason"]
