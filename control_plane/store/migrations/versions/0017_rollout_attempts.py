"""How often a step of a rollout was begun and did not end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("rollouts", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("rollouts", sa.Column("attempted", sa.Text(), nullable=True))
