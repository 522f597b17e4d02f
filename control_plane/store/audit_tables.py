"""Tables of the audit trail. Triggers forbid to change or delete an entry; `audit_subjects` repeats what the entry's
body says, so that one look finds all that was done to a subject."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from control_plane.store.tables import Instant, metadata

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False, index=True),
    Column("act", String(40), nullable=False, index=True),
    Column("actor_key", String(20), nullable=False, index=True),
    Column("body", Text, nullable=False),
    Column("former", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_subjects = Table(
    "audit_subjects",
    metadata,
    Column("number", ForeignKey("audit_entries.number"), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("value", String(400), primary_key=True),
)
Index("ix_audit_subjects_value", audit_subjects.c.value, audit_subjects.c.kind, audit_subjects.c.number)
