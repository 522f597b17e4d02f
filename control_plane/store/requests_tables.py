"""Tables of requests: content, signoffs, and everything that happened to them. Specs can name people."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from control_plane.store.tables import Instant, metadata

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("offering", String(31), nullable=False),
    Column("action", String(10), nullable=False),
    Column("tier", String(1), nullable=False),
    Column("spec", Text),
    Column("note", Text, nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("asker_key", ForeignKey("actors.key"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("base_generation", Integer, nullable=False),
    Column("base", Text),
    Column("submitted_at", Instant),
    Column("finished_at", Instant),
    Column("change_class", String(20)),
    Column("reasons", Text, nullable=False),
    Column("needs", Text, nullable=False),
    Column("lead_days", Integer, nullable=False),
    Column("clock_from", Instant),
    Column("clock_days", Integer, nullable=False),
    Column("digest", String(64)),
    Column("plan_digest", String(64)),
    Column("agreed", Text, nullable=False),
    Column("why", Text),
    Column("run_id", Integer),
    Column("applied_at", Instant),
    Column("tried_at", Instant),
    Column("events", Integer, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_requests_tenant_id_offering", requests.c.tenant_id, requests.c.offering)
_OPEN = text("state IN ('submitted', 'review', 'returned', 'approved', 'applying', 'failed')")
#: Of one service only one request is under way.
Index(
    "uq_requests_open",
    requests.c.tenant_id,
    requests.c.offering,
    unique=True,
    sqlite_where=_OPEN,
)
_DRAFT = text("state = 'draft'")
#: A form that is sent twice makes one draft.
Index(
    "uq_requests_draft",
    requests.c.tenant_id,
    requests.c.offering,
    requests.c.action,
    requests.c.asker_key,
    unique=True,
    sqlite_where=_DRAFT,
)

request_signoffs = Table(
    "request_signoffs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False),
    Column("role", String(30), nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("note", Text, nullable=False),
    Column("stands_for", Text),
    Column("for_key", String(32)),
    Column("letter", Text),
    Column("void_at", Instant),
    Column("void_reason", Text),
    sqlite_autoincrement=True,
)
_HOLDS = text("void_at IS NULL")
#: One person, one signoff; one role, one signoff.
for _name, _column in (("actor", request_signoffs.c.actor_key), ("role", request_signoffs.c.role)):
    Index(
        f"uq_request_signoffs_{_name}",
        request_signoffs.c.request_id,
        _column,
        unique=True,
        sqlite_where=_HOLDS,
    )

#: What somebody marked as looked at: one block of a plan, with the hash of what it said then.
request_marks = Table(
    "request_marks",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("actor_key", ForeignKey("actors.key"), primary_key=True),
    Column("block", String(400), primary_key=True),
    Column("content", String(64), nullable=False),
    Column("at", Instant, nullable=False),
)

request_events = Table(
    "request_events",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("type", String(30), nullable=False),
    Column("actor_key", ForeignKey("actors.key")),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("uq_request_events_number", request_events.c.request_id, request_events.c.number, unique=True)
