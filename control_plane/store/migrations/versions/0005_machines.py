"""Inventory of machines, the last look at each, findings of their antivirus engines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "machines",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("ring", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=True),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=200), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(), nullable=False),
        sa.Column("retired_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_machines_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machines")),
    )
    living = sa.text("retired_at IS NULL")
    op.create_index("uq_machines_name", "machines", ["name"], unique=True, sqlite_where=living, postgresql_where=living)
    op.create_index(op.f("ix_machines_fingerprint"), "machines", ["fingerprint"], unique=False)
    op.create_table(
        "machine_history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("machine_id", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_machine_history_machine_id")),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_machine_history_actor_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machine_history")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_machine_history_machine_id"), "machine_history", ["machine_id"], unique=False)
    op.create_table(
        "machine_looks",
        sa.Column("machine_id", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("last_contact", sa.DateTime(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_machine_looks_machine_id")),
        sa.PrimaryKeyConstraint("machine_id", name=op.f("pk_machine_looks")),
    )
    op.create_table(
        "machine_seen",
        sa.Column("machine_id", sa.String(length=20), nullable=False),
        sa.Column("what", sa.String(length=300), nullable=False),
        sa.Column("first_seen", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_machine_seen_machine_id")),
        sa.PrimaryKeyConstraint("machine_id", "what", name=op.f("pk_machine_seen")),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("machine_id", sa.String(length=20), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=300), nullable=False),
        sa.Column("found_at", sa.DateTime(), nullable=False),
        sa.Column("reported_at", sa.DateTime(), nullable=False),
        sa.Column("last_seen", sa.DateTime(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("cleared_at", sa.DateTime(), nullable=True),
        sa.Column("cleared_by", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_findings_machine_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_findings_tenant_id")),
        sa.ForeignKeyConstraint(["cleared_by"], ["actors.key"], name=op.f("fk_findings_cleared_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    op.create_index(op.f("ix_findings_machine_id"), "findings", ["machine_id"], unique=False)
