"""A small centre in memory: real store on SQLite, fake drivers, one toy offering."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.drivers.fake import FakeDriver
from control_plane.model.change_class import ChangeRules
from control_plane.model.network import plan_for
from control_plane.model.offering import Claim, EstateView, Offering, SubscriptionView
from control_plane.model.ports import Probe
from control_plane.model.resource import Kind, Resource
from control_plane.model.run import Actor
from control_plane.model.tenant import Document, EstateDocument, TenantDocument
from control_plane.model.text import in_language, t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.planning import Planner
from tests.databases import database_url
from tests.web.world import World, make_world

KINDS = (
    Kind("dns.rrset", "dns", 50),
    Kind("directory.person", "directory", 12, destroys_data=True),
    Kind("web.vhost", "web", 30, retires=True),
    Kind("gateway.network", "gateway", 30, cuts_off=lambda before, after: before is not None and after is None),
)
PARTS = {
    "gateway.network": "gateway:gateway",
    "dns.rrset": "dns:qingdao.test",
    "directory.person": "directory:tenants",
    "web.vhost": "web:web",
}


class ToySpec(Document):
    names: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    internet: bool = False
    fail: bool = False


def toy_desired(view: SubscriptionView, estate: EstateView) -> list[Resource]:
    if view.spec.fail:
        raise ValueError("this form cannot be computed")

    def make(kind: str, name: str, retire: int = 0) -> Resource:
        attributes = {"name": name, "ttl": estate.ttl}
        return Resource(f"{kind}/{name}", kind, PARTS[kind], view.owner, attributes, label=name, retire_seconds=retire)

    found = []
    for name in view.spec.names:
        found += [make("dns.rrset", name), make("web.vhost", name, retire=60)]
    if view.spec.internet:
        found.append(make("gateway.network", view.tenant.code))
    return found + [make("directory.person", name) for name in view.spec.people]


def toy_claims(view: SubscriptionView, estate: EstateView) -> list[Claim]:
    return [Claim("dns_name", name, f"names[{i}]") for i, name in enumerate(view.spec.names)]


def toy_probes(view: SubscriptionView, estate: EstateView) -> list[Probe]:
    return [Probe(f"{view.id}/{n}", "http", "citizen", view.tenant.code, "toy", t("Site"), {}) for n in view.spec.names]


#: Further people are agreed on beforehand; what is called `open-…` is for everybody.
TOY_RULES = ChangeRules(
    {"new": 5, "change": 2, "end": 2},
    lambda old, new: t("Few people.") if old and new and old.names == new.names and old.people < new.people else None,
    lambda old, new: t("Public.") if new and any(name.startswith("open") for name in new.names) else None,
)
TOY = Offering(
    "toy", "operated", t("Toy"), Path(), systems=("dns", "directory", "web", "gateway"),
    spec=ToySpec, tiers={"S": {}, "M": {}}, check=lambda v, e: [],
    claims=toy_claims, desired=toy_desired, probes=toy_probes, example={}, asking=TOY_RULES,
)  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Centre:
    store: Store
    clock: Clock
    drivers: Sequence[FakeDriver]
    planner: Planner
    applier: Applier
    actor: Actor
    url: str
    codes: list[str] = field(default_factory=list)

    @property
    def dns(self) -> FakeDriver:
        return self.drivers[0]

    @property
    def directory(self) -> FakeDriver:
        return self.drivers[1]

    @property
    def web(self) -> FakeDriver:
        return self.drivers[2]

    @property
    def gateway(self) -> FakeDriver:
        return self.drivers[3]

    def document(self, code: str) -> TenantDocument:
        return TenantDocument(code=code, names={"zh": f"单位{code}", "en": code}, kind="government_department")

    def tenant(self, code: str, **spec: object) -> None:
        document = self.document(code)
        self.store.estate.put_tenants(self.actor, "import 1", [document])
        self.wish(code, **spec)

    def wish(self, code: str, **spec: object) -> None:
        change = SubscriptionChange(code, "toy", "S", spec)
        self.store.estate.change(self.actor, "import 1", [change], {(code, "toy"): []})


@pytest.fixture
def make_centre(tmp_path: Path) -> Iterator[Callable[..., Centre]]:
    stores = []

    def make(
        fault: str | None = None,
        touch_limit: int = 50,
        cut_limit: int = 5,
        ttl: int = 300,
        folder: Path = tmp_path,
        url: str | None = None,
    ) -> Centre:
        url = url or database_url(folder)
        clock = Clock()
        store = Store(url, clock=clock)
        store.upgrade()
        stores.append(store)
        if store.estate.document() is None:
            store.estate.set_document(
                EstateDocument(
                    name="toy",
                    title={"zh": "玩具市", "en": "Toy"},
                    domain="qingdao.test",
                    base_dn="dc=qingdao,dc=test",
                    region_code="370200",
                )
            )
        drivers = [FakeDriver([kind], [PARTS[kind.name]], clock) for kind in KINDS]
        catalogue = Catalogue(store, lambda: {"toy": TOY}, plan_for("labt"), lambda: [], ttl, lambda estate: [])
        planner = Planner(catalogue, drivers, clock, touch_limit, cut_limit)
        return Centre(
            store, clock, drivers, planner, Applier(planner, store, clock, fault), store.actors.get("local:test"), url
        )

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def centre(make_centre: Callable[..., Centre]) -> Centre:
    return make_centre()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The small estate, all of it real, with everything that pages and the interface work with."""
    with in_language("en"):
        made = make_world(tmp_path)
        yield made
        made.close()
