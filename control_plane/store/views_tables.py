"""Table of the views of lists that people keep for themselves."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person_key", ForeignKey("actors.key"), nullable=False),
    Column("page", String(200), nullable=False),
    Column("name", String(60), nullable=False),
    Column("query", Text, nullable=False),
    Column("kept_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)
Index("uq_saved_views_name", saved_views.c.person_key, saved_views.c.page, saved_views.c.name, unique=True)
