"""Revisions of the centre's policy for internet access, and which one each subscription has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "internet_policies",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("by_key", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["by_key"], ["actors.key"], name=op.f("fk_internet_policies_by_key")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_internet_policies")),
        sqlite_autoincrement=True,
    )
    for table in ("subscriptions", "revisions"):
        op.add_column(table, sa.Column("policy", sa.Integer(), server_default="0", nullable=False))
