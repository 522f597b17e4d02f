"""When a request that waits was tried again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("requests", sa.Column("tried_at", sa.DateTime(), nullable=True))
