"""The one contract of all offerings: whatever is found in the catalogue must keep it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_plane.drivers.directory_entries import KINDS as DIRECTORY_KINDS
from control_plane.drivers.dns import DnsDriver
from control_plane.drivers.fake import FakeDriver
from control_plane.drivers.gateway import GatewayDriver
from control_plane.drivers.host_files import HostFilesDriver
from control_plane.drivers.machines import MachinesDriver
from control_plane.model.offering import EstateView, Offering, SubscriptionView
from control_plane.model.plan import Memory, Plan, diff
from control_plane.model.ports import Outcome
from control_plane.model.resource import Resource, content_hash
from control_plane.offerings import discover
from control_plane.offerings.costs import load_costs
from tests.unit.offerings.estates import allocate, estate, subscription, tenant

NOW = datetime(2026, 11, 25, tzinfo=UTC)
DRIVERS = (DnsDriver, HostFilesDriver, GatewayDriver, MachinesDriver)
KINDS = {kind.name: kind for kind in (*DIRECTORY_KINDS, *(k for driver in DRIVERS for k in driver.kinds))}
#: A kind of resource is covered when a probe of one of these kinds is promised beside it.
COVERED_BY = {
    "directory": {"directory"},
    "web": {"http"},
    "dns": {"dns"},
    "gateway": {"http_refused"},
    "security": {"engine"},
}
PAYLOAD = {
    "gateway.proxy": {"lists"},
    "machine.baseline": {"files"},
    "web.vhost": {"main", "text", "gone_text", "site_dir"},
    "web.release": {"main", "site_dir", "source"},
    "web.certificate": {"main", "names"},
}
OFFERINGS = discover()
OPERATED = [o for o in OFFERINGS.values() if o.status == "operated"]
EXAMPLE_TENANT = tenant("example", 7)
NEIGHBOUR = tenant("gaj", 8)


def world_for(offering: Offering, spec: Mapping[str, Any] | None = None) -> tuple[SubscriptionView, EstateView]:
    world = estate([EXAMPLE_TENANT, NEIGHBOUR])
    view = subscription(offering, EXAMPLE_TENANT, spec)
    return view, replace(world, allocations=allocate(offering, [view], world))


def desired(offering: Offering, view: SubscriptionView, world: EstateView) -> list[Resource]:
    assert offering.desired is not None
    return offering.desired(view, world)


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, list | tuple):
        items = [shuffled(item, chance) for item in value]
        chance.shuffle(items)
        return items
    if isinstance(value, Mapping):
        return {key: shuffled(item, chance) for key, item in value.items()}
    return value


def plan(driver: FakeDriver, wanted: Sequence[Resource], applied: Mapping[str, str], now: datetime) -> Plan:
    owners = {r.owner.marker: r.owner for r in wanted}
    looks = [driver.observe(part) for part in driver.parts()]
    return diff("estate", {r.id: r for r in wanted}, looks, KINDS, Memory(applied, {}, owners), lambda *_: True, now)


def apply(driver: FakeDriver, made: Plan) -> None:
    for part in driver.parts():
        changes = [c for c in made.changes if c.part == part]
        if changes:
            outcomes = [o for o in driver.apply(part, changes, lambda: None) if isinstance(o, Outcome)]
            assert {o.state for o in outcomes} == {"applied"}
            assert len(outcomes) == len(changes)


def test_the_catalogue_holds_the_offerings_of_this_stage() -> None:
    assert [o.id for o in OPERATED] == ["directory", "internet", "intranet", "public_site", "security"]
    assert sorted(o.id for o in OFFERINGS.values() if o.status == "declared") == [
        "approval",
        "disclosure",
        "mailbox",
    ]


@pytest.mark.parametrize("offering", OFFERINGS.values(), ids=lambda o: o.id)
def test_costs_and_help_are_there(offering: Offering) -> None:
    sheet = load_costs(offering.folder / "costs.yml", offering.id)
    assert {line.side for line in sheet.lines} >= {"standalone", "shared"}
    for line in sheet.lines:
        assert line.unit
        assert line.source
        assert line.grade
        assert line.id.startswith(f"{offering.id}.")
    text = (offering.folder / "README.md").read_text("utf-8")
    assert "## 中文" in text
    assert "## English" in text
    assert str(offering.title)


@pytest.mark.parametrize("offering", OPERATED, ids=lambda o: o.id)
def test_it_names_every_system_that_its_resources_are_in(offering: Offering) -> None:
    assert offering.systems
    assert {r.system for r in desired(offering, *world_for(offering))} <= set(offering.systems)


@pytest.mark.parametrize("offering", OPERATED, ids=lambda o: o.id)
def test_the_folder_has_the_usual_files(offering: Offering) -> None:
    assert {p.name for p in offering.folder.iterdir()} >= {
        "form.py",
        "resources.py",
        "probes.py",
        "costs.yml",
        "README.md",
    }


@pytest.mark.parametrize("offering", OPERATED, ids=lambda o: o.id)
class TestOperated:
    def test_the_example_is_sound(self, offering: Offering) -> None:
        view, world = world_for(offering)
        assert offering.check is not None
        assert offering.check(view, world) == []
        assert offering.spec is not None
        again = offering.spec.model_validate(view.spec.model_dump(mode="json", exclude_unset=True))
        assert again == view.spec
        assert offering.spec.model_json_schema()

    def test_resources_are_what_a_driver_can_build(self, offering: Offering) -> None:
        view, world = world_for(offering)
        resources = desired(offering, view, world)
        ids = [r.id for r in resources]
        assert len(set(ids)) == len(ids)
        assert ids == sorted(ids)
        for resource in resources:
            kind = KINDS[resource.kind]
            assert resource.system == kind.system
            assert resource.owner == view.owner
            assert content_hash(resource.attributes)
            assert resource.label
            assert set(resource.payload or {}) == PAYLOAD.get(resource.kind, set())

    def test_what_is_wanted_depends_on_content_only(self, offering: Offering) -> None:
        view, world = world_for(offering)
        first = desired(offering, view, world)
        for seed in range(5):
            chance = random.Random(seed)
            spec = shuffled(view.spec.model_dump(mode="json"), chance)
            tenants = list(world.tenants.values())
            chance.shuffle(tenants)
            other_view = subscription(offering, EXAMPLE_TENANT, spec)
            other = replace(estate(tenants), allocations=dict(reversed(world.allocations.items())))
            again = desired(offering, other_view, other)
            assert [(r.id, content_hash(r.attributes)) for r in again] == [
                (r.id, content_hash(r.attributes)) for r in first
            ]

    def test_everything_has_a_probe(self, offering: Offering) -> None:
        view, world = world_for(offering)
        assert offering.probes is not None
        probes = offering.probes(view, world)
        assert len({p.id for p in probes}) == len(probes)
        kinds = {p.kind for p in probes}
        for resource in desired(offering, view, world):
            assert kinds & COVERED_BY[resource.system], resource.kind
        assert all((p.tenant, p.offering) == (view.tenant.code, offering.id) for p in probes)

    def test_apply_then_nothing_to_do_then_removal_leaves_nothing(self, offering: Offering) -> None:
        view, world = world_for(offering)
        wanted = desired(offering, view, world)
        clock = [NOW]
        driver = FakeDriver(list(KINDS.values()), sorted({r.part for r in wanted}), lambda: clock[0])
        made = plan(driver, wanted, {}, NOW)
        assert made.summary()["create"] == len(wanted)
        apply(driver, made)
        applied = {r.id: content_hash(r.attributes) for r in wanted}
        assert plan(driver, wanted, applied, NOW).empty

        apply(driver, plan(driver, [], applied, NOW))
        clock[0] = NOW + timedelta(seconds=world.ttl + 1)
        later = plan(driver, [], applied, clock[0])
        assert {c.id.split(":")[0] for c in later.changes} <= {"web"}
        apply(driver, later)
        assert all(not things for things in driver.things.values())

    def test_claims_say_where_the_wish_stands(self, offering: Offering) -> None:
        view, world = world_for(offering)
        assert offering.claims is not None
        claims = offering.claims(view, world)
        assert len({(c.pool, c.subject) for c in claims}) == len(claims)
        assert {c.pool for c in claims} <= {"dns_name", "uid", "uid_number", "gid_number", "person_key"}
