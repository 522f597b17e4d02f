"""Tables of the inventory of machines, as the newest migration leaves them. Must not be created from here."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from control_plane.store.tables import Instant, metadata

machines = Table(
    "machines",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("ring", Integer, nullable=False),
    Column("host", String(200)),
    Column("managed", Boolean, nullable=False),
    Column("source", String(200), nullable=False),
    Column("fingerprint", String(200), index=True),
    Column("facts", Text, nullable=False),
    Column("enrolled_at", Instant, nullable=False),
    Column("retired_at", Instant),
)
_LIVING = text("retired_at IS NULL")
Index("uq_machines_name", machines.c.name, unique=True, sqlite_where=_LIVING)

machine_history = Table(
    "machine_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("machine_id", ForeignKey("machines.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("what", String(20), nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)

machine_looks = Table(
    "machine_looks",
    metadata,
    Column("machine_id", ForeignKey("machines.id"), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("last_contact", Instant),
    Column("state", Text),
    Column("reason", Text),
)

machine_seen = Table(
    "machine_seen",
    metadata,
    Column("machine_id", ForeignKey("machines.id"), primary_key=True),
    Column("what", String(300), primary_key=True),
    Column("first_seen", Instant, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("machine_id", ForeignKey("machines.id"), nullable=False, index=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("host", String(200), nullable=False),
    Column("path", Text, nullable=False),
    Column("signature", String(300), nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("reported_at", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("state", String(10), nullable=False),
    Column("cleared_at", Instant),
    Column("cleared_by", ForeignKey("actors.key")),
    Column("reason", Text),
)
