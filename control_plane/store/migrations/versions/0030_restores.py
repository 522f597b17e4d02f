"""Plans that bring a tenant back to a former day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("plans", sa.Column("restore", sa.Text(), nullable=True))
