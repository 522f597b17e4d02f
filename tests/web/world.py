"""A console over a real store with a real estate: offerings are real, the systems behind the drivers are in memory.

People: `first` (local, operator), and directory people with one role each. Time stands still until a test moves it.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from control_plane.app import make_app
from control_plane.drivers.directory_entries import KINDS as DIRECTORY_KINDS
from control_plane.drivers.dns import DnsDriver
from control_plane.drivers.fake import FakeDriver
from control_plane.drivers.file_folder import FileFolder
from control_plane.drivers.gateway import GatewayDriver
from control_plane.drivers.host_files import HostFilesDriver
from control_plane.drivers.machines import MachinesDriver
from control_plane.drivers.record_archive import ParquetArchive
from control_plane.drivers.record_seal import KeySeal
from control_plane.drivers.releases import ReleaseFolder
from control_plane.drivers.secrets import SecretFolder, write_private
from control_plane.drivers.vault import Vault
from control_plane.model.by_itself import ByItself
from control_plane.model.network import plan_for
from control_plane.model.offering import HostView
from control_plane.model.ports import Probe, ProbeResult
from control_plane.model.text import t
from control_plane.model.windows import chinese_calendar
from control_plane.offerings import discover
from control_plane.offerings.internet import described
from control_plane.store.repository import Store
from control_plane.web.services import Services
from control_plane.workflow.access_record import AccessRecord
from control_plane.workflow.accounts_directory import Directory
from control_plane.workflow.applying import Applier
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.internet import Internet
from control_plane.workflow.local import LocalClient
from control_plane.workflow.nightly import Nightly
from control_plane.workflow.people import People
from control_plane.workflow.persons import Persons
from control_plane.workflow.planning import Planner
from control_plane.workflow.request_machines import NamedMachines
from control_plane.workflow.request_tick import RequestTicker
from control_plane.workflow.requests import Requests
from control_plane.workflow.sign_in import SignIn
from control_plane.workflow.site_gate import SiteGate
from control_plane.workflow.snapshots import Snapshots
from control_plane.workflow.staff import Staff, StaffRules
from control_plane.workflow.staff_sheets import Sheets
from control_plane.workflow.status import Status
from control_plane.workflow.trial import Trial
from control_plane.workflow.webhooks import Webhooks
from tests.databases import database_url
from tests.web.rooms import WORKSTATIONS, Hands, Rooms, furnish, workstation

REPO = Path(__file__).parents[2]
SMALL, CITY = REPO / "tests" / "data" / "small", REPO / "tenants" / "qingdao"
PASSWORD = "a long enough sentence"
BASE = "https://localhost"
GATE_SECRET = "what only nginx of the intranet host knows"
HOSTS = (
    HostView("web", "web", "10.94.0.14", "fd94::14", "198.51.100.80", "fd94:0:1:1::80"),
    HostView("intranet", "intranet", "10.94.0.15", "fd94::15"),
    HostView("gateway", "gateway", "10.94.0.10", "fd94::10", "198.51.100.254", "fd94:0:1:1::254"),
    HostView("ns1", "ns-primary", "10.94.0.11", "fd94::11"),
    HostView("repository", "repository", "10.94.0.16", "fd94::16"),
)
#: Role → (uid, tenant of the role).
PEOPLE = {
    "clerk": ("clerk1", "fgw"),
    "approver": ("approver1", "fgw"),
    "operator": ("operator1", None),
    "security_officer": ("security1", None),
    "finance": ("finance1", None),
    "auditor": ("auditor1", None),
    "deputy_director": ("deputy1", None),
}


#: One-time passwords of tests, marked so that they are found wherever they should not be.
ONE_TIME = (f"once-{number:04}-mark-zz" for number in itertools.count(1))


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
        self.steady = 1000.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.steady += seconds


@dataclass
class Entry:
    uid: str
    display: str
    tenant: str | None
    key: str | None = "directory:person/p_1"
    disabled: bool = False
    must_change: bool = False

    @property
    def dn(self) -> str:
        return f"uid={self.uid},ou=people,ou={self.tenant},ou=tenants,dc=qingdao,dc=test"


@dataclass
class FakeDirectory:
    """For unit tests only; the real one is in `tests/drivers`."""

    entries: dict[str, Entry] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    away: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def add(self, uid: str, tenant: str | None, password: str = PASSWORD) -> Entry:
        self.entries[uid] = Entry(uid, f"人员 {uid}", tenant, f"directory:person/{uid}")
        self.passwords[self.entries[uid].dn] = password
        return self.entries[uid]

    def _answer(self, what: str) -> None:
        self.asked.append(what)
        if self.away is not None:
            raise self.away

    def find(self, uid: str) -> Entry | None:
        self._answer(f"find {uid}")
        return self.entries.get(uid.lower())

    def entry(self, uid: str) -> dict[str, list[str]] | None:
        found = self.find(uid)
        return {"dn": [found.dn], "uid": [found.uid], "displayName": [found.display]} if found else None

    def check_bind(self, dn: str, password: str) -> bool:
        self._answer(f"bind {dn}")
        return self.passwords.get(dn) == password

    def member_of(self, dn: str) -> frozenset[str]:
        self._answer(f"groups {dn}")
        return frozenset(self.groups.get(dn, ()))

    def with_password(self) -> frozenset[str]:
        return frozenset(entry.uid for entry in self.entries.values() if entry.dn in self.passwords)

    def issue(self, passwords: Mapping[str, str]) -> None:
        for uid, new in passwords.items():
            entry = self.entries.get(uid) or self.add(uid, None)
            self.set_password(entry.dn, new)
            entry.must_change = True

    def lock(self, uids: Collection[str]) -> frozenset[str]:
        return self._locks(uids, True)

    def unlock(self, uids: Collection[str]) -> frozenset[str]:
        return self._locks(uids, False)

    def locked(self) -> frozenset[str]:
        self._answer("locked")
        return frozenset(entry.uid for entry in self.entries.values() if entry.disabled)

    def _locks(self, uids: Collection[str], disabled: bool) -> frozenset[str]:
        self._answer("lock" if disabled else "unlock")
        for uid in (here := frozenset(uids) & self.entries.keys()):
            self.entries[uid].disabled = disabled
        return here

    def set_password(self, dn: str, new: str) -> None:
        self._answer(f"set {dn}")
        self.passwords[dn] = new
        for entry in self.entries.values():
            entry.must_change = entry.must_change and entry.dn != dn


class Prober:
    """Everything promised is kept, except what a test names."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.bad = clock, set[str]()

    def run(self, probes: Sequence[Probe]) -> list[ProbeResult]:
        at = self.clock()
        return [
            ProbeResult(p, "failed" if p.id in self.bad else "passed", at, 0.1, t("answered {code}", code=200))
            for p in probes
        ]


@dataclass
class World:
    folder: Path
    store: Store
    clock: Clock
    drivers: list[FakeDriver]
    client: LocalClient
    directory: Any
    services: Services
    app: Flask
    rooms: Rooms
    factors: dict[str, str] = field(default_factory=dict)

    def browser(self) -> FlaskClient:
        made = self.app.test_client()
        made.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
        return made

    def person(self, role: str) -> str:
        """Somebody who holds just this role: login name."""
        uid, tenant = PEOPLE[role]
        if uid not in self.directory.entries:
            self.directory.add(uid, tenant or "gaj")
            self.store.people.ensure(f"directory:{uid}", f"人员 {uid}", tenant, f"directory:person/{uid}")
            self.client.people.grant(uid, role, tenant=tenant, reason="test")
        return uid

    def second(self, role: str) -> str:
        """Another one who holds a role of the centre, so that the first may lose it: the name of a local account."""
        name = f"account:second-{role.replace('_', '-')}"
        if self.store.people.find(name) is None:
            self.client.people.add(name.partition(":")[2])
            self.client.people.grant(name, role, reason="test")
        return name

    def enter(self, login: str, password: str = PASSWORD, *, until: str = "open") -> FlaskClient:
        """A browser in which somebody is signed in, second factor included."""
        browser = self.browser()
        answer = send(browser, "/sign-in", name=login, password=password)
        assert answer.status_code == 303, answer.text
        if answer.location.endswith("/second-factor") and until == "open":
            page = browser.get(answer.location, base_url=BASE)
            secret = page.text.split('class="secret"><code>')[1].split("<")[0].replace(" ", "")
            self.factors[login] = secret
            answer = send(browser, answer.location, code=self.code(login))
        elif answer.location.endswith("/code") and until == "open":
            answer = send(browser, answer.location, code=self.code(login))
        if until == "open":
            assert answer.status_code == 303, answer.text
        return browser

    def code(self, login: str) -> str:
        """A code that was not used yet: time moves on by a step."""
        self.clock.advance(30)
        return pyotp.TOTP(self.factors[login]).at(self.clock.now)

    def wrong_code(self, login: str) -> str:
        """A code that is none of those that are good around now."""
        clock, factor = self.clock.now, pyotp.TOTP(self.factors[login])
        good = {factor.at(clock + timedelta(seconds=30 * step)) for step in (-1, 0, 1)}
        return next(code for code in map("{:06}".format, range(len(good) + 1)) if code not in good)

    def ask(self, login: str, tenant: str, alias: str, *, submit: bool = True, note: str = "for the citizens") -> str:
        """Somebody asks for one more name of their department's public website: the reference."""
        client = self.client.acting_as(f"directory:{login}").requests
        row = client.draft(tenant, "public_site", "change")
        spec = copy.deepcopy(row["spec"])
        names = spec["sites"][0]["names"]
        names["aliases"] = [*names.get("aliases", ()), f"{alias}.{tenant}.qingdao.test"]
        client.save(row["id"], spec=spec, note=note)
        return str(client.submit(row["id"])["reference"] if submit else row["reference"])

    def work(self) -> list[str]:
        """One turn of the worker over approved requests."""
        client = self.client
        named = NamedMachines(self.store, client.machines.enrol_named)
        return RequestTicker(client.requests, client.applier, client.prober, named).tick()

    def close(self) -> None:
        self.store.close()


def token_of(browser: FlaskClient, address: str = "/sign-in") -> str:
    page = browser.get(address, base_url=BASE, follow_redirects=True)
    return page.text.split('name="token" value="')[1].split('"')[0]


def send(browser: FlaskClient, address: str, /, **form: str) -> TestResponse:
    """Send a form as the page's own would be sent."""
    return browser.post(address, base_url=BASE, data={"token": token_of(browser), **form})


def make_world(
    folder: Path, estate: Path = SMALL, *, directory: Directory | None = None, applied: bool = True, clock: Any = None,
    tree: Any = None,
) -> World:  # fmt: skip
    """`applied`: the imported estate is real in the systems in memory. `tree`: another driver of the directory."""
    clock = clock or Clock()
    store = Store(database_url(folder), clock=clock)
    store.upgrade()
    drivers = [
        FakeDriver(DnsDriver.kinds, ["dns:qingdao.test", "dns:intra.qingdao.test"], clock),
        tree or FakeDriver(DIRECTORY_KINDS, ["directory:tenants"], clock),
        FakeDriver(HostFilesDriver.kinds, ["web:web", "web:intranet"], clock),
        FakeDriver(GatewayDriver.kinds, ["gateway:gateway"], clock),
        FakeDriver(MachinesDriver.kinds, ["security:machines"], clock),
    ]
    catalogue = Catalogue(store, discover, plan_for("labt"), lambda: HOSTS, 300, lambda estate: [])
    planner = Planner(catalogue, drivers, clock, 50, 5)
    vault = Vault(SecretFolder(folder / "secrets"))
    hosts = [
        {
            **{
                "name": name,
                "role": name,
                "zone": "core",
                "tenant": None,
                "ipv4": f"10.94.0.{n}",
                "ipv6": f"fd94::{n}",
            },
            **{"mgmt": f"10.95.0.{n}", "state": "running" if n != 14 else "cut", "restarts": 0},
        }
        for n, name in enumerate(("gateway", "ns1", "ns2", "directory", "web", "intranet"), 10)
    ]
    hosts += [workstation(n, code) for n, code in enumerate(WORKSTATIONS, 1)]
    rooms = Rooms(Hands(clock))
    used: Any = directory or FakeDirectory()
    status = Status(catalogue, drivers, store, lambda: hosts, {}, "0.0", clock)
    made_prober = Prober(clock)
    applier = Applier(planner, store, clock)
    client = LocalClient(
        lambda: planner,
        lambda: applier,
        store,
        clock,
        lambda: ReleaseFolder(folder / "releases"),
        lambda: made_prober,
        lambda: status,
        "local:test",
        dict,
        snapshots=lambda who: Snapshots(
            lambda: rooms.repository, lambda: 3, lambda ring: None, store, who, folder / "media"
        ),
        hands=lambda: rooms.hands,
        record=lambda who: AccessRecord(
            *(store, list, ParquetArchive(folder / "access"), KeySeal(folder / "secrets"), plan_for("labt"), 200),
            *(clock, who),
        ),
        internet=lambda who: Internet(
            *(catalogue, applier, store, described, rooms.gateway, rooms.gateway.refused, rooms.tester),
            *(lambda: hosts, clock, who),
        ),
        repository=lambda: rooms.repository,
        state=folder,
        people=lambda who: People(
            *(store, vault, clock, lambda: status.accounts(None), who),
            *(folder / "secrets", write_private, lambda: PASSWORD),
        ),
        requests=lambda who, forms: Requests(store, planner, chinese_calendar, who, None, forms),
        files=lambda: FileFolder(folder / "files"),
        scanner=lambda: rooms.scanner,
        file_quota=40 << 20,
        site_space=(64 << 20, 3),
        staff=lambda who: Staff(store, applier, lambda: used, StaffRules(timedelta(days=30), 50), who),
        webhooks=lambda who: Webhooks(store, vault, ("https://hooks.example.test",), who),
        persons=lambda who, staff, record: Persons(
            *(store, staff, record, lambda: used, write_private, folder, timedelta(days=200), clock, who),
        ),
        sheets=lambda who: Sheets(
            *(store, catalogue, lambda: used, lambda: vault, lambda: next(ONE_TIME)),
            *(timedelta(days=14), clock, who),
        ),
        rules=ByItself,
        upstream=lambda: True,
    )
    client.import_tenants(estate)
    if applied:
        furnish(client, rooms)
        client.apply("estate")
    sign_in = SignIn(store, lambda: used, vault, clock, getattr(clock, "monotonic", lambda: 0.0))
    offered = discover()
    titles = {name: offering.title for name, offering in offered.items()}
    trial = Trial(store, folder / "secrets")
    monotonic = getattr(clock, "monotonic", lambda: 0.0)
    gate = SiteGate(store, lambda: used, catalogue.entrances, GATE_SECRET, clock, monotonic)
    services = Services(client.acting_as, sign_in, clock, "0.0", titles, offered, trial, store.sharing, gate,
                        nightly=Nightly(folder, clock))  # fmt: skip
    app = make_app(services, ["localhost", "127.0.0.1"])
    return World(folder, store, clock, drivers, client, used, services, app, rooms)
