"""Tables of the outbox: notices as events made them, whom each is for, and the mails they went out in."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

mails = Table(
    "mails",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", String(200), nullable=False, unique=True),
    Column("address", String(254), nullable=False),
    Column("name", String(200), nullable=False),
    Column("language", String(10), nullable=False),
    Column("state", String(10), nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("error", Text),
    sqlite_autoincrement=True,
)

mail_notices = Table(
    "mail_notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(30), nullable=False),
    Column("tenant_id", ForeignKey("tenants.id")),
    Column("people", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("without", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("addressed_at", Instant, index=True),
    sqlite_autoincrement=True,
)

mail_lines = Table(
    "mail_lines",
    metadata,
    Column("notice_id", ForeignKey("mail_notices.id"), primary_key=True),
    Column("address", String(254), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("language", String(10), nullable=False),
    Column("mail_id", ForeignKey("mails.id"), index=True),
)
Index("ix_mail_lines_address", mail_lines.c.address, mail_lines.c.mail_id)
