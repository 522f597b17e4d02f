"""The audit trail and the outbox of mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from control_plane.store.growing import only_grows, only_newer

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("former", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"])
    op.create_index(op.f("ix_audit_entries_act"), "audit_entries", ["act"])
    op.create_index(op.f("ix_audit_entries_actor_key"), "audit_entries", ["actor_key"])
    op.create_table(
        "audit_subjects",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=400), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["audit_entries.number"], name=op.f("fk_audit_subjects_number")),
        sa.PrimaryKeyConstraint("number", "kind", "value", name=op.f("pk_audit_subjects")),
    )
    op.create_index("ix_audit_subjects_value", "audit_subjects", ["value", "kind", "number"])
    only_newer("audit_entries", "number", "the audit trail only grows")
    only_grows(("audit_entries", "audit_subjects"), "the audit trail only grows")
    op.create_table(
        "mails",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sa.UniqueConstraint("message_id", name=op.f("uq_mails_message_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mails_state"), "mails", ["state"])
    op.create_table(
        "mail_notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=True),
        sa.Column("people", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("without", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("addressed_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_mail_notices_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_notices")),
        sa.UniqueConstraint("key", name=op.f("uq_mail_notices_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mail_notices_addressed_at"), "mail_notices", ["addressed_at"])
    op.create_table(
        "mail_lines",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("mail_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["mail_notices.id"], name=op.f("fk_mail_lines_notice_id")),
        sa.ForeignKeyConstraint(["mail_id"], ["mails.id"], name=op.f("fk_mail_lines_mail_id")),
        sa.PrimaryKeyConstraint("notice_id", "address", name=op.f("pk_mail_lines")),
    )
    op.create_index(op.f("ix_mail_lines_mail_id"), "mail_lines", ["mail_id"])
    op.create_index("ix_mail_lines_address", "mail_lines", ["address", "mail_id"])
