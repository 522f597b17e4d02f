"""What departments bring in on their pages: posts of sites, files of requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "site_posts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("site", sa.String(length=260), nullable=False),
        sa.Column("once", sa.String(length=100), nullable=True),
        sa.Column("area", sa.String(length=40), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("file_kind", sa.String(length=10), nullable=True),
        sa.Column("file_bytes", sa.Integer(), nullable=True),
        sa.Column("file_sha256", sa.String(length=64), nullable=True),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_site_posts_tenant_id")),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_site_posts_actor_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_posts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_site_posts_site", "site_posts", ["tenant_id", "site"], unique=False)
    op.create_index("uq_site_posts_once", "site_posts", ["tenant_id", "once"], unique=True)
    op.create_table(
        "site_post_releases",
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("site", sa.String(length=260), nullable=False),
        sa.Column("release_id", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_site_post_releases_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "site", "release_id", name=op.f("pk_site_post_releases")),
    )
    op.create_table(
        "attachments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("found", sa.Text(), nullable=True),
        sa.Column("signatures", sa.String(length=80), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("checked_at", sa.DateTime(), nullable=True),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("removed_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_attachments_request_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_attachments_tenant_id")),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_attachments_actor_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_attachments_tenant_id"), "attachments", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_attachments_sha256"), "attachments", ["sha256"], unique=False)
    there = sa.text("removed_at IS NULL")
    op.create_index(
        "uq_attachments_content",
        "attachments",
        ["request_id", "sha256"],
        unique=True,
        sqlite_where=there,
        postgresql_where=there,
    )
