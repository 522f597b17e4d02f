"""Tables of the interface for programs: tokens (`hash`: all that is kept of a value; `once`: the own word of the form
that made it) and the first answers to keys of idempotence, for a day."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.people_tables import people
from control_plane.store.tables import Instant, metadata

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person_key", ForeignKey(people.c.key), nullable=False, index=True),
    Column("hash", String(64), nullable=False),
    Column("hint", String(8), nullable=False),
    Column("name", String(100), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("tenant_id", ForeignKey("tenants.id")),
    Column("once", String(100)),
    Column("made_at", Instant, nullable=False),
    Column("made_by", ForeignKey("actors.key"), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("used_from", String(60)),
    Column("ended_at", Instant),
    Column("end_reason", Text),
    sqlite_autoincrement=True,
)
Index("uq_api_tokens_hash", api_tokens.c.hash, unique=True)
Index("uq_api_tokens_once", api_tokens.c.person_key, api_tokens.c.once, unique=True)

api_answers = Table(
    "api_answers",
    metadata,
    Column("token_id", ForeignKey("api_tokens.id"), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("asked", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", Text),
    Column("holder_pid", Integer),
    Column("holder_start", BigInteger),
    Column("holder_boot", String(40)),
)
Index("ix_api_answers_at", api_answers.c.at)
