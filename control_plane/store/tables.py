"""The tables, as the newest migration leaves them. Must not be created from here: migrations do that.

Names of people live in `actors`, `change_payloads` and specs only; everything else refers to opaque keys.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)


class Instant(TypeDecorator[datetime]):
    """A point in time: aware in Python, UTC without zone in the database. Naive values are refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a point in time needs a zone")
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return value.replace(tzinfo=UTC) if value is not None else None


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

actors = Table(
    "actors",
    metadata,
    Column("key", String(20), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
)

estate = Table(
    "estate",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("code", String(15), nullable=False),
    Column("document", Text, nullable=False),
    Column("network_index", Integer),
    Column("generation", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
_LIVING = text("ended_at IS NULL")
Index("uq_tenants_code", tenants.c.code, unique=True, sqlite_where=_LIVING)
Index("uq_tenants_network_index", tenants.c.network_index, unique=True, sqlite_where=_LIVING)

tenant_revisions = Table(
    "tenant_revisions",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("document", Text),
    Column("at", Instant, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("cause", String(200), nullable=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("offering", String(31), primary_key=True),
    Column("tier", String(1), nullable=False),
    Column("spec", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("observed_generation", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("policy", Integer, nullable=False, server_default="0"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("offering", String(31), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("tier", String(1), nullable=False),
    Column("spec", Text),
    Column("at", Instant, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("cause", String(200), nullable=False),
    Column("policy", Integer, nullable=False, server_default="0"),
)
Index("ix_revisions_cause", revisions.c.cause)

imports = Table(
    "imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("summary", Text, nullable=False),
    sqlite_autoincrement=True,
)

allocations = Table(
    "allocations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pool", String(20), nullable=False),
    Column("subject", String(260), nullable=False),
    Column("value", String(260), nullable=False),
    Column("number", BigInteger),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("offering", String(31), nullable=False),
    Column("allocated_at", Instant, nullable=False),
    Column("released_at", Instant),
    Column("free_from", Instant),
)
_HELD = text("released_at IS NULL")
_NUMBERED = text("number IS NOT NULL")
Index("ix_allocations_subject", allocations.c.pool, allocations.c.subject)
Index("ix_allocations_tenant_id", allocations.c.tenant_id)
Index(
    "uq_allocations_held",
    allocations.c.pool,
    allocations.c.subject,
    unique=True,
    sqlite_where=_HELD,
)
Index(
    "uq_allocations_number",
    allocations.c.pool,
    allocations.c.number,
    unique=True,
    sqlite_where=_NUMBERED,
)

plans = Table(
    "plans",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Column("undo_of", Integer),
    Column("restore", Text),
)

change_payloads = Table(
    "change_payloads",
    metadata,
    Column("digest", ForeignKey("plans.digest", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("resource_id", String(400), nullable=False, index=True),
    Column("label", Text),
    Column("before", Text),
    Column("after", Text),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("scope", Text, nullable=False),
    Column("digest", String(64), index=True),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("state", String(20), nullable=False),
    Column("sentence", Text),
    Column("total", Integer, nullable=False),
    Column("holder_pid", Integer, nullable=False),
    Column("holder_start", BigInteger, nullable=False),
    Column("holder_boot", String(40), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("stop_requested", Boolean, nullable=False),
    Column("events", Integer, nullable=False),
    sqlite_autoincrement=True,
)

run_events = Table(
    "run_events",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("type", String(30), nullable=False),
    Column("data", Text, nullable=False),
)

run_changes = Table(
    "run_changes",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("resource_id", String(400), primary_key=True, index=True),
    Column("kind", String(40), nullable=False),
    Column("part", String(300), nullable=False),
    Column("action", String(10), nullable=False),
    Column("tenant_id", String(20), nullable=False),
    Column("tenant", String(15), nullable=False),
    Column("offering", String(31), nullable=False),
    Column("before_hash", String(64)),
    Column("after_hash", String(64)),
    Column("state", String(10), nullable=False),
    Column("text", Text),
    Column("file", Text),
    Column("line", Integer),
    Column("at", Instant, nullable=False),
)

resource_states = Table(
    "resource_states",
    metadata,
    Column("resource_id", String(400), primary_key=True),
    Column("applied_hash", String(64), nullable=False),
    Column("tenant_id", String(20), nullable=False),
    Column("offering", String(31), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("applied_at", Instant, nullable=False),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
)

retirements = Table(
    "retirements",
    metadata,
    Column("resource_id", String(400), primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("offering", String(31), nullable=False),
    Column("look_at", Instant, nullable=False, index=True),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("token", Integer, nullable=False, unique=True),
    Column("pid", Integer, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("boot_id", String(40), nullable=False),
    Column("acquired_at", Instant, nullable=False),
    Column("released", Boolean, nullable=False),
)

drift_kept = Table(
    "drift_kept",
    metadata,
    Column("resource_id", String(400), primary_key=True),
    Column("observed_hash", String(64)),
    Column("until", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("at", Instant, nullable=False),
)

drift_overrides = Table(
    "drift_overrides",
    metadata,
    Column("resource_id", String(400), primary_key=True),
    Column("attributes", Text),
    Column("base_hash", String(64)),
    Column("reason", Text, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("at", Instant, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("names", Text, nullable=False, index=True),
    Column("issuer", String(200), nullable=False),
    Column("key_type", String(40), nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("pem", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("site", String(260), primary_key=True),
    Column("release_id", String(80), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("files", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("at", Instant, nullable=False),
)
