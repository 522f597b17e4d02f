"""The table of emergencies, on the same metadata as the others. `before` can name people."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text

from control_plane.store.requests_tables import requests
from control_plane.store.tables import Instant, metadata

emergencies = Table(
    "emergencies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", ForeignKey(requests.c.id), nullable=False, index=True),
    Column("state", String(12), nullable=False, index=True),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("before", Text),
    Column("generation", Integer),
    Column("run_id", Integer),
    Column("back_run", Integer),
    Column("why", Text),
    Column("tried_at", Instant),
    Column("reviewed_at", Instant),
    Column("reviewed_by", ForeignKey("actors.key")),
    Column("review", Text),
    Column("for_key", String(32)),
    sqlite_autoincrement=True,
)
