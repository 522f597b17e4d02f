"""Who signs: substitutes of role holders, stamped letters of departments; versions of the table of classes;
emergencies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("grants", sa.Column("for_grant", sa.Integer(), nullable=True))
    op.create_index("ix_grants_for_grant", "grants", ["for_grant"])
    op.add_column("request_signoffs", sa.Column("letter", sa.Text(), nullable=True))
    op.add_column("request_signoffs", sa.Column("for_key", sa.String(32), nullable=True))
    op.create_table(
        "class_tables",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("former", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("by_key", sa.String(length=20), nullable=False),
        sa.Column("signed_at", sa.DateTime(), nullable=True),
        sa.Column("signed_by", sa.String(length=20), nullable=True),
        sa.Column("stands_for", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=20), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["by_key"], ["actors.key"], name=op.f("fk_class_tables_by_key")),
        sa.ForeignKeyConstraint(["signed_by"], ["actors.key"], name=op.f("fk_class_tables_signed_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["actors.key"], name=op.f("fk_class_tables_ended_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_class_tables")),
        sqlite_autoincrement=True,
    )
    for state in ("proposed", "in_force"):
        where = sa.text(f"state = '{state}'")
        op.create_index(
            f"uq_class_tables_{state}", "class_tables", ["state"], unique=True, sqlite_where=where,
            postgresql_where=where,
        )  # fmt: skip
    op.create_table(
        "emergencies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("back_run", sa.Integer(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("tried_at", sa.DateTime(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(), nullable=True),
        sa.Column("reviewed_by", sa.String(length=20), nullable=True),
        sa.Column("review", sa.Text(), nullable=True),
        sa.Column("for_key", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_emergencies_request_id")),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_emergencies_actor_key")),
        sa.ForeignKeyConstraint(["reviewed_by"], ["actors.key"], name=op.f("fk_emergencies_reviewed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergencies")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_emergencies_request_id", "emergencies", ["request_id"])
    op.create_index("ix_emergencies_state", "emergencies", ["state"])
