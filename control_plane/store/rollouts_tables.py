"""Tables of rollouts, freezes and the worker's chores, on the same metadata as the others."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("title", String(200), nullable=False),
    Column("snapshot", String(100)),
    Column("state", String(20), nullable=False),
    Column("wave", Integer, nullable=False),
    Column("thresholds", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ignore_windows", Text),
    Column("not_before", Instant),
    Column("why", Text),
    Column("until", Instant),
    Column("paused_from", String(20)),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("caught_up_at", Instant),
    Column("events", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("attempted", Text),
    sqlite_autoincrement=True,
)

rollout_waves = Table(
    "rollout_waves",
    metadata,
    Column("rollout_id", ForeignKey("rollouts.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("ring", Integer),
    Column("before", String(100)),
    Column("started_at", Instant),
    Column("published_at", Instant),
    Column("settled_at", Instant),
    Column("finished_at", Instant),
    Column("run_id", Integer),
    Column("confirm", String(80)),
    Column("pardoned", Boolean, nullable=False),
)

rollout_items = Table(
    "rollout_items",
    metadata,
    Column("rollout_id", ForeignKey("rollouts.id"), primary_key=True),
    Column("item", String(100), primary_key=True),
    Column("wave", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("tenant", String(15), nullable=False),
    Column("ring", Integer),
    Column("state", String(20), nullable=False),
    Column("text", Text),
    Column("fault", String(30)),
    Column("touched", Boolean, nullable=False),
    Column("at", Instant),
    Column("wish", Text),
    Column("before", Text),
)
Index("ix_rollout_items_wave", rollout_items.c.rollout_id, rollout_items.c.wave)

rollout_events = Table(
    "rollout_events",
    metadata,
    Column("rollout_id", ForeignKey("rollouts.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("type", String(30), nullable=False),
    Column("data", Text, nullable=False),
    Column("actor_key", ForeignKey("actors.key")),
)

freezes = Table(
    "freezes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", String(120), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("lifted_at", Instant, index=True),
    Column("lifted_by", ForeignKey("actors.key")),
    Column("second", ForeignKey("actors.key")),
    Column("second_verified", Boolean),
    Column("lift_reason", Text),
    sqlite_autoincrement=True,
)

chores = Table(
    "chores",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("every", Integer, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("succeeded_at", Instant),
    Column("error", Text),
    Column("failures", Integer, nullable=False),
    Column("pid", Integer),
    Column("holder_start", BigInteger),
    Column("holder_boot", String(40)),
)
