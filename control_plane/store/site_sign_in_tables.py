"""Who came in at which intranet site: first a code that waits to be exchanged, then what the browser's cookie means.
`id` is the hash of either; `session_id` is the session of the console that it belongs to and ends with."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from control_plane.store.tables import Instant, metadata

site_sessions = Table(
    "site_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("state", String(64)),
    Column("name", String(253), nullable=False),
    Column("session_id", String(64), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
Index("ix_site_sessions_expires_at", site_sessions.c.expires_at)
