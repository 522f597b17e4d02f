"""Tables of people: who they are, what they may do (`for_grant`: the grant for which a substitute holds it), where they
are signed in. No password and no code is in them:
`verifier` is an argon2 hash, `second_factor` is sealed with a key that lies among the secrets."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

people = Table(
    "people",
    metadata,
    Column("key", ForeignKey("actors.key"), primary_key=True),
    Column("display", String(200), nullable=False),
    Column("directory_key", String(100)),
    Column("tenant_id", ForeignKey("tenants.id")),
    Column("language", String(10)),
    Column("theme", String(10), nullable=False),
    Column("second_factor", Text),
    Column("enrolled", Boolean, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("verifier", Text),
    Column("must_change", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person_key", ForeignKey("people.key"), nullable=False, index=True),
    Column("role", String(30), nullable=False),
    Column("tenant_id", ForeignKey("tenants.id")),
    Column("since", Instant, nullable=False),
    Column("until", Instant),
    Column("by_key", ForeignKey("actors.key"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_by", ForeignKey("actors.key")),
    Column("revoked_reason", Text),
    Column("for_grant", Integer, index=True),
    sqlite_autoincrement=True,
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("person_key", ForeignKey("people.key"), nullable=False, index=True),
    Column("stage", String(10), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("address", String(60), nullable=False),
    Column("agent", String(200), nullable=False),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("typed", String(200), nullable=False),
    Column("person_key", ForeignKey("people.key")),
    Column("address", String(60), nullable=False),
    Column("outcome", String(20), nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_sign_in_attempts_at", sign_in_attempts.c.at)
