"""What reviewers marked as looked at in the plans of requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "request_marks",
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("block", sa.String(length=400), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_request_marks_request_id")),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_request_marks_actor_key")),
        sa.PrimaryKeyConstraint("request_id", "actor_key", "block", name=op.f("pk_request_marks")),
    )
