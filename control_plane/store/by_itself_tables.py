"""Tables of what antivirus does by itself, as the newest migration leaves them. Must not be created from here."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Text

from control_plane.store.machine_tables import machines
from control_plane.store.rollouts_tables import rollouts
from control_plane.store.tables import Instant, metadata

machine_scans = Table(
    "machine_scans",
    metadata,
    Column("machine_id", ForeignKey(machines.c.id), primary_key=True),
    Column("began_at", Instant),
    Column("cursor", Text),
    Column("files", Integer, nullable=False),
    Column("found", Integer, nullable=False),
    Column("tried_at", Instant),
    Column("scanned_at", Instant),
    Column("ended_at", Instant),
    Column("silent", Boolean, nullable=False),
    Column("error", Text),
)

signature_turns = Table(
    "signature_turns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("state", String(10), nullable=False),
    Column("snapshot", String(40)),
    Column("rollout_id", ForeignKey(rollouts.c.id)),
    Column("given_at", Instant),
    Column("why", Text),
    Column("told", Boolean, nullable=False),
    sqlite_autoincrement=True,
)
