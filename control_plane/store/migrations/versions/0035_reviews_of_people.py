"""Reviews of departments' people; whose lock is ours. Sealed secrets of departments that ended go."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.create_table(
        "people_reviews",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("quarter", sa.String(length=6), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=20), nullable=True),
        sa.Column("counts", sa.Text(), nullable=True),
        sa.Column("moves", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_people_reviews_tenant_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["actors.key"], name=op.f("fk_people_reviews_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people_reviews")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_people_reviews_quarter", "people_reviews", ["tenant_id", "quarter"], unique=True)
    locks = op.create_table(
        "leaver_locks",
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_leaver_locks")),
    )
    op.execute(
        "UPDATE password_sheets SET sealed = NULL, state = 'expired' WHERE sealed IS NOT NULL AND tenant_id IN"
        " (SELECT id FROM tenants WHERE ended_at IS NOT NULL)"
    )
    op.execute(
        "UPDATE webhooks SET secret = '', former = NULL WHERE tenant_id IN"
        " (SELECT id FROM tenants WHERE ended_at IS NOT NULL)"
    )
    rows = op.get_bind().execute(sa.text("SELECT spec FROM subscriptions WHERE spec LIKE '%left_on%'"))
    people = (person for (spec,) in rows for person in json.loads(spec).get("people", ()))
    left = {str(person["uid"]) for person in people if person.get("left_on")}
    if left:
        op.bulk_insert(locks, [{"uid": uid, "at": datetime.now(UTC).replace(tzinfo=None)} for uid in sorted(left)])
