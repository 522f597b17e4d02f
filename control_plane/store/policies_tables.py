"""Revisions of the centre's policy for internet access. A row never changes; revision 0 is shipped and has none."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

internet_policies = Table(
    "internet_policies",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("body", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by_key", ForeignKey("actors.key"), nullable=False),
    sqlite_autoincrement=True,
)
