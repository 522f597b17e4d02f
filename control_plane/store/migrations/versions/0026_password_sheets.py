"""Sheets of one-time passwords."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "password_sheets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("uids", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("made_by", sa.String(length=20), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=True),
        sa.Column("opened_by", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_password_sheets_tenant_id")),
        sa.ForeignKeyConstraint(["made_by"], ["actors.key"], name=op.f("fk_password_sheets_made_by")),
        sa.ForeignKeyConstraint(["opened_by"], ["actors.key"], name=op.f("fk_password_sheets_opened_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_sheets")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_password_sheets_tenant_id", "password_sheets", ["tenant_id"], unique=False)
