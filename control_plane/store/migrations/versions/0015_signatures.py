"""Who signs: substitutes of role holders, stamped letters of departments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("grants", sa.Column("for_grant", sa.Integer(), nullable=True))
    op.create_index("ix_grants_for_grant", "grants", ["for_grant"])
    op.add_column("request_signoffs", sa.Column("letter", sa.Text(), nullable=True))
    op.add_column("request_signoffs", sa.Column("for_key", sa.String(32), nullable=True))
