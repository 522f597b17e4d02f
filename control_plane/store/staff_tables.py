"""Sheets of one-time passwords: `sealed` is encrypted with a key among the secrets, and gone once it was opened.
`leaver_locks`: whose lock in the directory is ours; one that was set by hand stays."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

password_sheets = Table(
    "password_sheets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("state", String(12), nullable=False),
    Column("uids", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sealed", Text),
    Column("made_at", Instant, nullable=False),
    Column("made_by", ForeignKey("actors.key"), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("opened_at", Instant),
    Column("opened_by", ForeignKey("actors.key")),
    sqlite_autoincrement=True,
)
Index("ix_password_sheets_tenant_id", password_sheets.c.tenant_id)

leaver_locks = Table(
    "leaver_locks",
    metadata,
    Column("uid", String(32), primary_key=True),
    Column("at", Instant, nullable=False),
)
