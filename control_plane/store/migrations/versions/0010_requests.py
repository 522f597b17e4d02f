"""Requests of departments: content, signoffs, events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0005"

OPEN = sa.text("state IN ('submitted', 'review', 'returned', 'approved', 'applying', 'failed')")
DRAFT = sa.text("state = 'draft'")
HOLDS = sa.text("void_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("offering", sa.String(length=31), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("tier", sa.String(length=1), nullable=False),
        sa.Column("spec", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("asker_key", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("base_generation", sa.Integer(), nullable=False),
        sa.Column("base", sa.Text(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("change_class", sa.String(length=20), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("lead_days", sa.Integer(), nullable=False),
        sa.Column("clock_from", sa.DateTime(), nullable=True),
        sa.Column("clock_days", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("plan_digest", sa.String(length=64), nullable=True),
        sa.Column("agreed", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("applied_at", sa.DateTime(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_requests_tenant_id")),
        sa.ForeignKeyConstraint(["asker_key"], ["actors.key"], name=op.f("fk_requests_asker_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_requests_state"), "requests", ["state"])
    op.create_index("ix_requests_tenant_id_offering", "requests", ["tenant_id", "offering"])
    op.create_index(
        "uq_requests_open", "requests", ["tenant_id", "offering"], unique=True,
        sqlite_where=OPEN, postgresql_where=OPEN,
    )  # fmt: skip
    op.create_index(
        "uq_requests_draft", "requests", ["tenant_id", "offering", "action", "asker_key"], unique=True,
        sqlite_where=DRAFT, postgresql_where=DRAFT,
    )  # fmt: skip
    op.create_table(
        "request_signoffs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=30), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("stands_for", sa.Text(), nullable=True),
        sa.Column("void_at", sa.DateTime(), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_request_signoffs_request_id")),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_request_signoffs_actor_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_signoffs")),
        sqlite_autoincrement=True,
    )
    for name, column in (("actor", "actor_key"), ("role", "role")):
        op.create_index(
            f"uq_request_signoffs_{name}", "request_signoffs", ["request_id", column], unique=True,
            sqlite_where=HOLDS, postgresql_where=HOLDS,
        )  # fmt: skip
    op.create_table(
        "request_events",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("type", sa.String(length=30), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_request_events_request_id")),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_request_events_actor_key")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_request_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_request_events_number", "request_events", ["request_id", "number"], unique=True)
