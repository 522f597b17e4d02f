"""The table of classes, each version with who proposed and who signed it. No row: the one that was shipped."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from control_plane.store.tables import Instant, metadata

class_tables = Table(
    "class_tables",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("state", String(10), nullable=False),
    Column("body", Text, nullable=False),
    Column("former", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by_key", ForeignKey("actors.key"), nullable=False),
    Column("signed_at", Instant),
    Column("signed_by", ForeignKey("actors.key")),
    Column("stands_for", Text),
    Column("ended_at", Instant),
    Column("ended_by", ForeignKey("actors.key")),
    Column("ended_reason", Text),
    sqlite_autoincrement=True,
)
#: One proposal waits at a time, and one table is in force.
for _state in ("proposed", "in_force"):
    _where = text(f"state = '{_state}'")
    Index(f"uq_class_tables_{_state}", class_tables.c.state, unique=True, sqlite_where=_where)
