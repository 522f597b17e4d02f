"""Several worker processes: which of them is at a chore."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("chores", sa.Column("holder_start", sa.BigInteger(), nullable=True))
    op.add_column("chores", sa.Column("holder_boot", sa.String(length=40), nullable=True))
