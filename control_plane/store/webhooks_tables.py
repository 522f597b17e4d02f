"""Tables of webhooks: receivers with their sealed secrets, and what is on its way to each."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("url", String(2000), nullable=False),
    Column("tenant_id", ForeignKey("tenants.id")),
    Column("families", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("former", Text),
    Column("rotated_until", Instant),
    Column("made_at", Instant, nullable=False),
    Column("made_by", ForeignKey("actors.key"), nullable=False),
    Column("ended_at", Instant),
    Column("seen", Integer, nullable=False),
    sqlite_autoincrement=True,
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("webhook_id", ForeignKey("webhooks.id"), nullable=False),
    Column("entry", Integer, nullable=False),
    Column("type", String(60), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("status", Integer),
    Column("error", Text),
    sqlite_autoincrement=True,
)
Index("uq_webhook_deliveries_entry", webhook_deliveries.c.webhook_id, webhook_deliveries.c.entry, unique=True)
Index("ix_webhook_deliveries_state", webhook_deliveries.c.state, webhook_deliveries.c.next_at)
