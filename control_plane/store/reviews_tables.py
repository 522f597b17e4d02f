"""Table of reviews of departments' people: how many stay, and for a quarter who moved where."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

people_reviews = Table(
    "people_reviews",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("quarter", String(6), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("decided_by", ForeignKey("actors.key")),
    Column("counts", Text),
    Column("moves", Text),
    sqlite_autoincrement=True,
)
Index("uq_people_reviews_quarter", people_reviews.c.tenant_id, people_reviews.c.quarter, unique=True)
