"""Tables of the access record: what was collected, what was not, who looked, who had an address.

`access_ledger` is append-only (the database refuses anything else) and each entry holds the hash of the one before. It
and `access_register` and `access_holds` name people: that is their purpose.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from control_plane.store.tables import Instant, metadata

access_segments = Table(
    "access_segments",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("host", String(63), nullable=False),
    Column("chain", String(16), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("former", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("collected_at", Instant, nullable=False),
    UniqueConstraint("host", "chain", "sequence"),
)
Index("ix_access_segments_last_at", access_segments.c.last_at)

access_parts = Table(
    "access_parts",
    metadata,
    Column("segment", ForeignKey("access_segments.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("lines", Integer, nullable=False),
)
Index("ix_access_parts_day", access_parts.c.day)

access_files = Table(
    "access_files",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("day", Date, nullable=False, index=True),
    Column("level", Integer, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("state", String(10), nullable=False),
    Column("made_at", Instant, nullable=False),
)

access_gaps = Table(
    "access_gaps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("host", String(63), nullable=False),
    Column("source", String(10), nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False, index=True),
    Column("reason", String(20), nullable=False),
    Column("detail", Text, nullable=False),
)

access_ledger = Table(
    "access_ledger",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("act", String(20), nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("body", Text, nullable=False),
    Column("former", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("signature", Text, nullable=False),
)

access_holds = Table(
    "access_holds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_number", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("tenant", String(15)),
    Column("set_by", ForeignKey("actors.key"), nullable=False),
    Column("set_at", Instant, nullable=False),
    Column("lifted_by", ForeignKey("actors.key")),
    Column("lifted_second", String(200)),
    Column("lifted_reason", Text),
    Column("lifted_at", Instant),
)

access_register = Table(
    "access_register",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", String(15), nullable=False),
    Column("address", String(45), nullable=False, index=True),
    Column("machine", String(200), nullable=False),
    Column("person", String(200), nullable=False, index=True),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant),
    Column("source", String(200), nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("address", "first_at", "machine", "person"),
)
