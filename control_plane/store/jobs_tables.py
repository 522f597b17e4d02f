"""The table of jobs, on the same metadata as the others."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("once", String(100), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("lane", String(10), nullable=False),
    Column("subject", String(400), nullable=False),
    Column("given", Text, nullable=False),
    Column("language", String(10), nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("holder_pid", Integer),
    Column("holder_start", BigInteger),
    Column("holder_boot", String(40)),
    Column("run_id", ForeignKey("runs.id"), index=True),
    Column("first_run", ForeignKey("runs.id"), index=True),
    Column("answer", Text),
    Column("refusal", Text),
    Column("finished_at", Instant),
    sqlite_autoincrement=True,
)
Index("uq_jobs_once", jobs.c.actor_key, jobs.c.once, unique=True)
Index("ix_jobs_state", jobs.c.state)
