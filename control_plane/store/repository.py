"""The store as the rest of the control plane sees it: one object whose attributes are small repositories.

Must not hold rules; one database, explicit transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import ActorRepository, Clock
from control_plane.store.tables import (
    allocations,
    drift_kept,
    estate,
    releases,
    resource_states,
    revisions,
    subscriptions,
    tenant_revisions,
)

if TYPE_CHECKING:
    from control_plane.model.plan import Memory
    from control_plane.store.access import AccessRepository
    from control_plane.store.allocations import Pools
    from control_plane.store.api_answers import AnswerRepository
    from control_plane.store.at_work import AtWork
    from control_plane.store.attachments import AttachmentRepository
    from control_plane.store.by_itself import ScanRepository, SignatureTurnRepository
    from control_plane.store.chores import ChoreRepository
    from control_plane.store.classes import ClassRepository
    from control_plane.store.content_checks import ContentCheckRepository
    from control_plane.store.contents import ContentRepository
    from control_plane.store.drift import DriftRepository
    from control_plane.store.emergencies import EmergencyRepository
    from control_plane.store.estate import EstateRepository
    from control_plane.store.freezes import FreezeRepository
    from control_plane.store.holdings import CertificateRepository, ReleaseRepository
    from control_plane.store.jobs import JobRepository
    from control_plane.store.leases import LeaseRepository
    from control_plane.store.machines import MachineRepository
    from control_plane.store.mail import MailRepository
    from control_plane.store.people import PeopleRepository
    from control_plane.store.persons import PersonRepository
    from control_plane.store.plans import PlanRepository
    from control_plane.store.policies import PolicyRepository
    from control_plane.store.posts import PostRepository
    from control_plane.store.requests import RequestRepository
    from control_plane.store.retirements import RetirementRepository
    from control_plane.store.reviews import ReviewRepository
    from control_plane.store.rollouts import RolloutRepository
    from control_plane.store.runs import RunRepository
    from control_plane.store.site_sign_in import SiteSessionRepository
    from control_plane.store.staff import LeaverRepository, SheetRepository
    from control_plane.store.substitutes import SubstituteRepository
    from control_plane.store.tokens import TokenRepository
    from control_plane.store.views import ViewRepository
    from control_plane.store.webhooks import WebhookRepository


def utc_now() -> datetime:
    """The time, with zone."""
    return datetime.now(UTC)


class _Undone(Exception):
    """Ends a rehearsal."""


class Store:
    """What the control plane keeps. `url` is SQLAlchemy's, `clock` gives the time, `pools` says what is unique, `wake`
    is told the name of the worker's chore whenever work for it was written down."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock = utc_now,
        pools: Pools | None = None,
        wake: Callable[[str], None] = lambda _chore: None,
    ) -> None:
        self.database = Database(url, wake)
        self._clock, self._pools = clock, pools
        self.actors = ActorRepository(self.database)
        self.audit = AuditRepository(self.database, self.actors, clock, lambda entry: self.mail.heard(entry))

    def upgrade(self) -> None:
        """Bring the database to the newest form; a copy is made before. When it fails, nothing has changed."""
        self.database.upgrade()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in the block is one transaction, alone among writers; an error undoes all of it."""
        with self.database.write():
            yield

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """What is done in the block is judged as ever and then undone; nobody is told."""
        if self.database.inside:
            raise RuntimeError("a transaction is open in this thread: what is done in it would stay")
        with suppress(_Undone), self.database.write():
            yield
            raise _Undone

    @contextmanager
    def look(self) -> Iterator[None]:
        """Everything read in the block is of one moment."""
        with self.database.read():
            yield

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """People, freezes, requests and their files are read once in the block, until this thread writes. For pages
        that only look; whoever judges an act reads anew."""
        with self.database.sharing():
            yield

    def at_work(self) -> list[AtWork]:
        """What goes on just now."""
        from control_plane.store.at_work import at_work

        with self.database.read() as connection:
            return at_work(connection)

    def stamp(self) -> str:
        """Another one whenever tenants, subscriptions, what is verified of them, numbers or releases have changed."""
        return self.database.shared("stamp", self._stamp)

    def _stamp(self) -> str:
        with self.database.read() as connection:
            counted = connection.execute(
                select(
                    select(func.max(estate.c.changed_at)).scalar_subquery(),
                    select(func.count()).select_from(tenant_revisions).scalar_subquery(),
                    select(func.count()).select_from(revisions).scalar_subquery(),
                    select(func.sum(subscriptions.c.observed_generation)).scalar_subquery(),
                    select(func.max(allocations.c.id)).scalar_subquery(),
                    select(func.count()).select_from(releases).scalar_subquery(),
                    select(func.max(releases.c.at)).scalar_subquery(),  # one more, one less: as many as before
                )
            ).one()
        return "/".join(map(str, counted))

    def memory(self, now: datetime) -> Memory:
        """What `diff` needs to know of the past."""
        from control_plane.model.plan import Memory
        from control_plane.store.estate import owners

        kept, state = drift_kept.c, resource_states.c
        columns = (state.resource_id, state.applied_hash, state.tenant_id, state.offering)
        with self.database.read() as connection:
            applied = connection.execute(select(*columns)).all()
            left = connection.execute(select(kept.resource_id, kept.observed_hash).where(kept.until > now)).all()
            known = owners(connection)
        return Memory(
            applied={row.resource_id: row.applied_hash for row in applied},
            markers={row.resource_id: f"{row.tenant_id}/{row.offering}" for row in applied},
            kept=dict(map(tuple, left)),
            owners=known,
        )

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    # repositories, each loaded when it is first asked for ----------------------------------------
    @cached_property
    def mail(self) -> MailRepository:
        """The outbox."""
        from control_plane.store.mail import MailRepository

        return MailRepository(self.database, self._clock)

    @cached_property
    def estate(self) -> EstateRepository:
        """What is desired."""
        from control_plane.store.allocations import Pools
        from control_plane.store.estate import EstateRepository

        return EstateRepository(self.database, self._clock, self._pools or Pools(), self.audit)

    @cached_property
    def plans(self) -> PlanRepository:
        """Plans."""
        from control_plane.store.plans import PlanRepository

        return PlanRepository(self.database, self._clock)

    @cached_property
    def runs(self) -> RunRepository:
        """Runs."""
        from control_plane.store.runs import RunRepository

        return RunRepository(self.database, self._clock, self.audit)

    @cached_property
    def leases(self) -> LeaseRepository:
        """Who is at work."""
        from control_plane.store.leases import LeaseRepository

        return LeaseRepository(self.database, self._clock)

    @cached_property
    def drift(self) -> DriftRepository:
        """Hand-made states: kept, accepted."""
        from control_plane.store.drift import DriftRepository

        return DriftRepository(self.database, self._clock, self.audit)

    @cached_property
    def certificates(self) -> CertificateRepository:
        """Certificates that were issued."""
        from control_plane.store.holdings import CertificateRepository

        return CertificateRepository(self.database, self._clock)

    @cached_property
    def releases(self) -> ReleaseRepository:
        """Releases of sites."""
        from control_plane.store.holdings import ReleaseRepository

        return ReleaseRepository(self.database, self._clock, self.audit)

    @cached_property
    def machines(self) -> MachineRepository:
        """The inventory."""
        from control_plane.store.machines import MachineRepository

        return MachineRepository(self.database, self._clock, self.audit)

    @cached_property
    def rollouts(self) -> RolloutRepository:
        """Rollouts."""
        from control_plane.store.rollouts import RolloutRepository

        return RolloutRepository(self.database, self._clock, self.audit)

    @cached_property
    def freezes(self) -> FreezeRepository:
        """Change freezes."""
        from control_plane.store.freezes import FreezeRepository

        return FreezeRepository(self.database, self._clock, self.audit)

    @cached_property
    def chores(self) -> ChoreRepository:
        """The worker's chores."""
        from control_plane.store.chores import ChoreRepository

        return ChoreRepository(self.database, self._clock)

    @cached_property
    def access(self) -> AccessRepository:
        """The access record's ledger."""
        from control_plane.store.access import AccessRepository

        return AccessRepository(self.database, self._clock, self.audit)

    @cached_property
    def people(self) -> PeopleRepository:
        """People, roles, sessions."""
        from control_plane.store.people import PeopleRepository

        return PeopleRepository(self.database, self.actors, self._clock, self.audit)

    @cached_property
    def site_sessions(self) -> SiteSessionRepository:
        """Who has come in at which intranet site."""
        from control_plane.store.site_sign_in import SiteSessionRepository

        return SiteSessionRepository(self.database, self._clock)

    @cached_property
    def persons(self) -> PersonRepository:
        """Everything that is known of one person."""
        from control_plane.store.persons import PersonRepository

        return PersonRepository(self.database, self.actors, self._clock)

    @cached_property
    def emergencies(self) -> EmergencyRepository:
        """Changes ahead of their signatures."""
        from control_plane.store.emergencies import EmergencyRepository

        return EmergencyRepository(self.database, self._clock)

    @cached_property
    def classes(self) -> ClassRepository:
        """Tables of classes."""
        from control_plane.store.classes import ClassRepository

        return ClassRepository(self.database, self._clock, self.audit)

    @cached_property
    def substitutes(self) -> SubstituteRepository:
        """Substitutes."""
        from control_plane.store.substitutes import SubstituteRepository

        return SubstituteRepository(self.database, self._clock, self.audit)

    @cached_property
    def requests(self) -> RequestRepository:
        """Requests."""
        from control_plane.store.requests import RequestRepository

        return RequestRepository(self.database, self.actors, self._clock, self.audit)

    @cached_property
    def jobs(self) -> JobRepository:
        """What was asked for on pages."""
        from control_plane.store.jobs import JobRepository

        return JobRepository(self.database, self._clock)

    @cached_property
    def posts(self) -> PostRepository:
        """Notices on home pages."""
        from control_plane.store.posts import PostRepository

        return PostRepository(self.database, self._clock, self.audit)

    @cached_property
    def tokens(self) -> TokenRepository:
        """Tokens of programs."""
        from control_plane.store.tokens import TokenRepository

        return TokenRepository(self.database, self._clock, self.audit)

    @cached_property
    def sheets(self) -> SheetRepository:
        """Sheets of one-time passwords."""
        from control_plane.store.staff import SheetRepository

        return SheetRepository(self.database, self._clock, self.audit)

    @cached_property
    def leavers(self) -> LeaverRepository:
        """Whose lock in the directory is ours."""
        from control_plane.store.staff import LeaverRepository

        return LeaverRepository(self.database, self._clock)

    @cached_property
    def retirements(self) -> RetirementRepository:
        """What was removed and stays for a while."""
        from control_plane.store.retirements import RetirementRepository

        return RetirementRepository(self.database)

    @cached_property
    def reviews(self) -> ReviewRepository:
        """Reviews of departments' people."""
        from control_plane.store.reviews import ReviewRepository

        return ReviewRepository(self.database, self._clock, self.audit)

    @cached_property
    def content_checks(self) -> ContentCheckRepository:
        """Whether files and releases were checked for malware."""
        from control_plane.store.content_checks import ContentCheckRepository

        return ContentCheckRepository(self.database, self._clock, self.audit)

    @cached_property
    def policies(self) -> PolicyRepository:
        """Revisions of the centre's rules."""
        from control_plane.store.policies import PolicyRepository

        return PolicyRepository(self.database, self._clock, self.audit)

    @cached_property
    def views(self) -> ViewRepository:
        """Views of lists that people keep."""
        from control_plane.store.views import ViewRepository

        return ViewRepository(self.database, self._clock)

    @cached_property
    def webhooks(self) -> WebhookRepository:
        """Webhooks and what was delivered to them."""
        from control_plane.store.webhooks import WebhookRepository

        return WebhookRepository(self.database, self._clock, self.audit)

    @cached_property
    def answers(self) -> AnswerRepository:
        """Answers that programs may ask for again."""
        from control_plane.store.api_answers import AnswerRepository

        return AnswerRepository(self.database, self._clock)

    @cached_property
    def attachments(self) -> AttachmentRepository:
        """Files that go with requests."""
        from control_plane.store.attachments import AttachmentRepository

        return AttachmentRepository(self.database, self._clock, self.audit)

    @cached_property
    def contents(self) -> ContentRepository:
        """What is kept by content."""
        from control_plane.store.contents import ContentRepository

        return ContentRepository(self.database)

    @cached_property
    def scans(self) -> ScanRepository:
        """Scans that need no command."""
        from control_plane.store.by_itself import ScanRepository

        return ScanRepository(self.database, self._clock)

    @cached_property
    def signature_turns(self) -> SignatureTurnRepository:
        """Signatures that need no command."""
        from control_plane.store.by_itself import SignatureTurnRepository

        return SignatureTurnRepository(self.database, self._clock, self.audit)
