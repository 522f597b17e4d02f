"""The store as the rest of the control plane sees it: one object whose attributes are small repositories.

Must not hold rules; one database, explicit transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import func, select

from control_plane.model.plan import Memory
from control_plane.store.access import AccessRepository
from control_plane.store.allocations import Pools
from control_plane.store.audit import AuditRepository
from control_plane.store.chores import ChoreRepository
from control_plane.store.database import Database
from control_plane.store.drift import DriftRepository, Kept, Override
from control_plane.store.estate import (
    EstateRepository,
    Revision,
    SubscriptionChange,
    SubscriptionRow,
    TenantRow,
    owners,
)
from control_plane.store.freezes import FreezeRepository
from control_plane.store.holdings import CertificateRepository, CertificateRow, ReleaseRepository, ReleaseRow
from control_plane.store.identity import ActorRepository, Clock
from control_plane.store.jobs import JobRepository
from control_plane.store.leases import Holder, Lease, LeaseLost, LeaseRepository
from control_plane.store.machines import Contact, Finding, MachineRepository
from control_plane.store.mail import MailRepository
from control_plane.store.people import PeopleRepository
from control_plane.store.plans import PlanRepository, StoredPlan
from control_plane.store.requests import RequestRepository
from control_plane.store.rollouts import RolloutRepository
from control_plane.store.runs import LastChange, RunChange, RunRepository, RunRow
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

__all__ = [
    "CertificateRow",
    "Contact",
    "Finding",
    "Holder",
    "Kept",
    "LastChange",
    "Lease",
    "LeaseLost",
    "Override",
    "Pools",
    "ReleaseRow",
    "Revision",
    "RunChange",
    "RunRow",
    "Store",
    "StoredPlan",
    "SubscriptionChange",
    "SubscriptionRow",
    "TenantRow",
]


def utc_now() -> datetime:
    """The time, with zone."""
    return datetime.now(UTC)


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
        self.actors = ActorRepository(self.database)
        self.mail = MailRepository(self.database, clock)
        self.audit = AuditRepository(self.database, self.actors, clock, self.mail.heard)
        self.estate = EstateRepository(self.database, clock, pools or Pools(), self.audit)
        self.plans = PlanRepository(self.database, clock)
        self.runs = RunRepository(self.database, clock, self.audit)
        self.leases = LeaseRepository(self.database, clock)
        self.drift = DriftRepository(self.database, clock, self.audit)
        self.certificates = CertificateRepository(self.database, clock)
        self.releases = ReleaseRepository(self.database, clock, self.audit)
        self.machines = MachineRepository(self.database, clock, self.audit)
        self.rollouts = RolloutRepository(self.database, clock, self.audit)
        self.freezes = FreezeRepository(self.database, clock, self.audit)
        self.chores = ChoreRepository(self.database, clock)
        self.access = AccessRepository(self.database, clock, self.audit)
        self.people = PeopleRepository(self.database, self.actors, clock, self.audit)
        self.requests = RequestRepository(self.database, self.actors, clock, self.audit)
        self.jobs = JobRepository(self.database, clock)

    def upgrade(self) -> None:
        """Bring the database to the newest form; a copy is made before. When it fails, nothing has changed."""
        self.database.upgrade()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in the block is one transaction, alone among writers; an error undoes all of it."""
        with self.database.write():
            yield

    @contextmanager
    def look(self) -> Iterator[None]:
        """Everything read in the block is of one moment."""
        with self.database.read():
            yield

    def stamp(self) -> str:
        """Another one whenever tenants, subscriptions, what is verified of them, numbers or releases have changed."""
        with self.database.read() as connection:
            counted = connection.execute(
                select(
                    select(func.max(estate.c.changed_at)).scalar_subquery(),
                    select(func.count()).select_from(tenant_revisions).scalar_subquery(),
                    select(func.count()).select_from(revisions).scalar_subquery(),
                    select(func.sum(subscriptions.c.observed_generation)).scalar_subquery(),
                    select(func.max(allocations.c.id)).scalar_subquery(),
                    select(func.count()).select_from(releases).scalar_subquery(),
                )
            ).one()
        return "/".join(map(str, counted))

    def memory(self, now: datetime) -> Memory:
        """What `diff` needs to know of the past."""
        kept = drift_kept.c
        with self.database.read() as connection:
            applied = connection.execute(select(resource_states)).all()
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
