"""What was removed and stays for a while: somebody comes back for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.create_table(
        "retirements",
        sa.Column("resource_id", sa.String(length=400), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("offering", sa.String(length=31), nullable=False),
        sa.Column("look_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_retirements_tenant_id")),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_retirements")),
    )
    op.create_index(op.f("ix_retirements_look_at"), "retirements", ["look_at"])
