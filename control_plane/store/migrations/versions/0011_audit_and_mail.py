"""The audit trail and the outbox of mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

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
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_entries_only_newer BEFORE INSERT ON audit_entries "
            "WHEN NEW.number <= (SELECT MAX(number) FROM audit_entries) "
            "BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END"
        )
        for table in ("audit_entries", "audit_subjects"):
            for act in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                    "BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END"
                )
