"""The areas of the control plane in this process. Each is put together when it is first asked for: a command loads
what it needs and nothing else. Must not hold rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from control_plane.workflow.process import process_alive

if TYPE_CHECKING:
    from datetime import datetime

    from control_plane.model.attachment import FileScanner
    from control_plane.model.by_itself import ByItself
    from control_plane.model.client import Client
    from control_plane.model.client_people import PeopleClient
    from control_plane.model.client_snapshots import SnapshotsClient
    from control_plane.model.machine import Hands, Repository
    from control_plane.model.ports import FileStore, Prober, ReleaseStore
    from control_plane.model.run import Actor
    from control_plane.store.repository import Store
    from control_plane.workflow.access_record import AccessRecord
    from control_plane.workflow.applying import Applier
    from control_plane.workflow.attachments import Attachments
    from control_plane.workflow.audit import Audit
    from control_plane.workflow.by_itself import ByItselfStatus
    from control_plane.workflow.classes import Classes
    from control_plane.workflow.content_checks import ContentChecks
    from control_plane.workflow.contents import Contents
    from control_plane.workflow.drift import Drift
    from control_plane.workflow.emergencies import Emergencies
    from control_plane.workflow.explain import Explainer
    from control_plane.workflow.first_signatures import FirstSignatures
    from control_plane.workflow.freezes import Freezes
    from control_plane.workflow.groups import Groups
    from control_plane.workflow.import_tenants import Importer
    from control_plane.workflow.internet import Internet
    from control_plane.workflow.jobs import Jobs
    from control_plane.workflow.machines import Machines
    from control_plane.workflow.mail import Mails
    from control_plane.workflow.new_signatures import NewSignatures
    from control_plane.workflow.offboard import Offboarding
    from control_plane.workflow.persons import Persons
    from control_plane.workflow.planning import Planner
    from control_plane.workflow.policies import Policies
    from control_plane.workflow.posts import Posts
    from control_plane.workflow.request_forms import RequestForms
    from control_plane.workflow.requests import Requests
    from control_plane.workflow.restores import Restores
    from control_plane.workflow.retirements import Retirements
    from control_plane.workflow.reviews import Reviews
    from control_plane.workflow.rollouts import Rollouts
    from control_plane.workflow.scans import Scans
    from control_plane.workflow.sites import Sites
    from control_plane.workflow.staff import Staff
    from control_plane.workflow.staff_sheets import Sheets
    from control_plane.workflow.status import Status
    from control_plane.workflow.substitutes import Substitutes
    from control_plane.workflow.tokens import Tokens
    from control_plane.workflow.views import Views
    from control_plane.workflow.webhooks import Webhooks
    from control_plane.workflow.worker import WorkerStatus

    shared = cached_property
    Who = Callable[[], Actor]
else:

    class shared(cached_property):
        """An area that is one and the same whoever acts; a plain `cached_property` is somebody's own."""

        def __get__(self, instance, owner=None):
            """As of the control plane that was there first."""
            return super().__get__(instance and instance.first, owner)


class Areas:
    """What is given is made when it is first wanted; what takes `Who` is somebody's own and records who acts."""

    def __init__(
        self,
        planner: Callable[[], Planner],
        applier: Callable[[], Applier],
        store: Store,
        clock: Callable[[], datetime],
        releases: Callable[[], ReleaseStore],
        prober: Callable[[], Prober],
        status: Callable[[], Status],
        actor_name: str,
        config: Callable[[], Mapping[str, Any]],
        snapshots: Callable[[Who], SnapshotsClient],
        hands: Callable[[], Hands],
        record: Callable[[Who], AccessRecord],
        internet: Callable[[Who], Internet],
        repository: Callable[[], Repository],
        state: Path,
        people: Callable[[Who], PeopleClient],
        requests: Callable[[Who, RequestForms], Requests],
        files: Callable[[], FileStore],
        scanner: Callable[[], FileScanner],
        file_quota: int,
        site_space: tuple[int, int],
        staff: Callable[[Who], Staff],
        sheets: Callable[[Who], Sheets],
        persons: Callable[[Who, Callable[[], Staff], Callable[[], AccessRecord]], Persons],
        webhooks: Callable[[Who], Webhooks],
        rules: Callable[[], ByItself],
        upstream: Callable[[], bool] = lambda: False,
        fault: str | None = None,
    ) -> None:
        self.first = self
        self.store = store
        self.clock = clock
        self.actor_name = actor_name
        self._actor: Actor | None = None  # found once where the actor stays the same
        self._planner, self._applier, self._prober, self._status = planner, applier, prober, status
        self._releases, self._files, self._scanner, self._repository = releases, files, scanner, repository
        self._hands, self._rules, self._config, self._state = hands, rules, config, state
        self._snapshots, self._record, self._internet, self._people = snapshots, record, internet, people
        self._requests, self._file_quota, self._site_space = requests, file_quota, site_space
        self._staff, self._sheets, self._persons, self._webhooks = staff, sheets, persons, webhooks
        self._upstream, self._fault = upstream, fault
        store.runs.mark_interrupted(process_alive)

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return self._actor or self.store.actors.get(self.actor_name)

    def who(self) -> Actor:
        """The same for areas, which ask at every act."""
        return self.actor

    def acting_as(self, name: str) -> Self:
        """The same control plane with somebody else as the actor: the console works for many people."""
        made = copy(self)
        made.actor_name, made._actor = name, self.store.actors.get(name)
        for area in _OWN:
            made.__dict__.pop(area, None)
        return made

    # everybody's ------------------------------------------------------------------------------------
    @shared
    def planner(self) -> Planner:
        """Makes plans."""
        return self._planner()

    @shared
    def applier(self) -> Applier:
        """Carries out plans."""
        return self._applier()

    @shared
    def prober(self) -> Prober:
        """Measures promises."""
        return self._prober()

    @shared
    def status_(self) -> Status:
        """How everything stands."""
        return self._status()

    @shared
    def importer(self) -> Importer:
        """Reads tenants' documents."""
        from control_plane.workflow.import_tenants import Importer

        catalogue = self.planner.catalogue
        return Importer(self.store, catalogue.offerings, catalogue.estate)

    @shared
    def contents(self) -> Contents:
        """Files and releases, and when they go."""
        from control_plane.workflow.contents import Contents

        return Contents(self.store, self._files(), self._releases())

    @shared
    def checks(self) -> ContentChecks:
        """Checks of content for malware, before anybody is shown it."""
        from control_plane.workflow.content_checks import ContentChecks

        return ContentChecks(self.store, self.contents, self._scanner)

    @shared
    def sites_(self) -> Sites:
        """Websites and their releases."""
        from control_plane.workflow.site_space import SiteSpace
        from control_plane.workflow.sites import Sites

        space = SiteSpace(self.store, self.contents, *self._site_space)
        return Sites(self.planner.catalogue, self.applier, self.store, space, self.checks)

    @shared
    def drift_(self) -> Drift:
        """Hand-made changes."""
        from control_plane.workflow.drift import Drift

        return Drift(self.planner, self.applier, self.store)

    @shared
    def forms(self) -> RequestForms:
        """Contents of requests, and what is known of drafts."""
        from control_plane.workflow.request_forms import RequestForms

        return RequestForms(self.store, self.planner.catalogue)

    @shared
    def explainer(self) -> Explainer:
        """Explains one thing."""
        from control_plane.workflow.explain import Explainer

        return Explainer(self.planner, self.store)

    @shared
    def worker(self) -> WorkerStatus:
        """The background worker's chores."""
        from control_plane.workflow.worker import WorkerStatus

        return WorkerStatus(self.store, self._state, self.clock, self._status().checks.get("signals"))

    @shared
    def scans(self) -> Scans:
        """Scans that need no command."""
        from control_plane.model.windows import chinese_calendar
        from control_plane.workflow.scans import Scans

        return Scans(self.store, self._hands(), self._rules(), chinese_calendar, self.clock, self._fault)

    @shared
    def new_signatures(self) -> NewSignatures:
        """Signatures that need no command."""
        from control_plane.model.windows import chinese_calendar
        from control_plane.workflow.new_signatures import NewSignatures

        return NewSignatures(
            self.store, self.snapshots, self._repository, self.rollouts, self._rules(), self._upstream,
            chinese_calendar, self.clock, self.who,
        )  # fmt: skip

    @shared
    def first_signatures(self) -> FirstSignatures:
        """Signatures of machines whose protection begins."""
        from control_plane.workflow.first_signatures import FirstSignatures

        return FirstSignatures(
            self.store, self._hands(), self.machines.look, lambda: self._repository().published("signatures"),
            self.clock,
        )  # fmt: skip

    @shared
    def by_itself(self) -> ByItselfStatus:
        """Both of them, as people see them."""
        from control_plane.workflow.by_itself import ByItselfStatus

        return ByItselfStatus(self.store, self.scans, self.new_signatures, self._rules(), self.clock)

    @shared
    def audit(self) -> Audit:
        """The audit trail."""
        from control_plane.workflow.audit import Audit

        return Audit(self.store)

    # somebody's own ---------------------------------------------------------------------------------
    @cached_property
    def snapshots(self) -> SnapshotsClient:
        """Snapshots of the repository."""
        return self._snapshots(self.who)

    @cached_property
    def record(self) -> AccessRecord:
        """The access record."""
        return self._record(self.who)

    @cached_property
    def internet(self) -> Internet:
        """Internet access of tenants."""
        return self._internet(self.who)

    @cached_property
    def policies(self) -> Policies:
        """The centre's own rules of internet access."""
        from control_plane.workflow.policies import Policies

        return Policies(self.store, self.internet.rules, self.who)

    @cached_property
    def people(self) -> PeopleClient:
        """Who may sign in, with which role."""
        return self._people(self.who)

    @cached_property
    def staff(self) -> Staff:
        """People of departments."""
        return self._staff(self.who)

    @cached_property
    def groups(self) -> Groups:
        """Groups of people of departments."""
        from control_plane.workflow.groups import Groups

        return Groups(self.store, self.applier, self.who)

    @cached_property
    def retirements(self) -> Retirements:
        """What was removed and stays for a while."""
        from control_plane.workflow.retirements import Retirements

        return Retirements(self.store, self.applier, self.clock, self.who)

    @cached_property
    def reviews(self) -> Reviews:
        """Whether everybody is still there."""
        from control_plane.workflow.reviews import Reviews

        return Reviews(self.store, self.staff, lambda: self.requests, self.clock, self.who)

    @cached_property
    def sheets(self) -> Sheets:
        """Sheets of their one-time passwords."""
        return self._sheets(self.who)

    @cached_property
    def persons(self) -> Persons:
        """Everything that is known of one person."""
        return self._persons(self.who, lambda: self.staff, lambda: self.record)

    @cached_property
    def requests(self) -> Requests:
        """Requests of departments."""
        return self._requests(self.who, self.forms)

    @cached_property
    def rollouts(self) -> Rollouts:
        """Changes that go out in waves."""
        from control_plane.workflow.rollout_making import RolloutMaker
        from control_plane.workflow.rollouts import Rollouts

        def maker() -> RolloutMaker:
            return RolloutMaker(
                self.store, self.planner.catalogue, self.store.machines.all, self._repository, self.clock
            )

        return Rollouts(self.store, maker, self.who, self.clock)

    @cached_property
    def freezes(self) -> Freezes:
        """Change freezes."""
        from control_plane.workflow.freezes import Freezes

        return Freezes(self.store, self.who)

    @cached_property
    def machines(self) -> Machines:
        """Machines of tenants."""
        from control_plane.workflow.machines import Machines

        return Machines(
            self.store, self._hands(), self.applier, lambda: self.status_.hosts(), self.who, self.clock, self._rules()
        )

    @cached_property
    def offboarding(self) -> Offboarding:
        """Ends tenants."""
        from control_plane.workflow.brought import Brought
        from control_plane.workflow.export_tenants import export_tenants
        from control_plane.workflow.offboard import Offboarding

        return Offboarding(
            self.planner, self.applier, self.store, lambda folder, codes: export_tenants(self.store, folder, codes),
            self.machines.retire_all, Brought(self.store, self.contents),
        )  # fmt: skip

    @cached_property
    def posts(self) -> Posts:
        """Notices on first home pages."""
        from control_plane.workflow.posts import Posts

        return Posts(self.store, self.planner.catalogue, self.sites_, self.contents, self.clock, self.who)

    @cached_property
    def mail(self) -> Mails:
        """Mail that the centre sends."""
        from control_plane.workflow.mail import Mails

        return Mails(self.store, self.who, self.clock)

    @cached_property
    def attachments(self) -> Attachments:
        """Files that go with requests."""
        from control_plane.workflow.attachments import Attachments

        return Attachments(self.store, self.requests, self.contents, self._scanner, self._file_quota, self.who)

    @cached_property
    def classes(self) -> Classes:
        """The table of classes."""
        from control_plane.workflow.classes import Classes

        return Classes(self.store, self.requests, self.who)

    @cached_property
    def emergencies(self) -> Emergencies:
        """Changes made real ahead of their signatures."""
        from control_plane.workflow.emergencies import Emergencies

        return Emergencies(self.store, self.requests, self.applier, self.clock, self.who)

    @cached_property
    def substitutes(self) -> Substitutes:
        """Substitutes of people who hold a role."""
        from control_plane.workflow.substitutes import Substitutes

        return Substitutes(self.store, self.clock, lambda: self.status_.accounts(None), self.who)

    @cached_property
    def tokens(self) -> Tokens:
        """Tokens of programs."""
        from control_plane.workflow.tokens import Tokens

        return Tokens(self.store, self.clock, self.who)

    @cached_property
    def restores(self) -> Restores:
        """One tenant back to a former day."""
        from control_plane.workflow.restores import Restores

        return Restores(self.planner, self.store, self.who)

    @cached_property
    def views(self) -> Views:
        """Views of lists that one keeps."""
        from control_plane.workflow.views import Views

        return Views(self.store, self.who)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Programs elsewhere that are told."""
        return self._webhooks(self.who)

    @cached_property
    def jobs(self) -> Jobs:
        """What was asked for on pages."""
        from control_plane.workflow.jobs import Jobs

        return Jobs(self.store, cast("Callable[[str], Client]", self.acting_as), self.who, self.clock)


#: Names of the areas that are somebody's own.
_OWN = tuple(name for name, area in vars(Areas).items() if type(area) is cached_property)
