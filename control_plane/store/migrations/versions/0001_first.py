"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "actors",
        sa.Column("key", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_actors")),
        sa.UniqueConstraint("name", name=op.f("uq_actors_name")),
    )
    op.create_table(
        "certificates",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column("key_type", sa.String(length=40), nullable=False),
        sa.Column("not_before", sa.DateTime(), nullable=False),
        sa.Column("not_after", sa.DateTime(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_certificates")),
    )
    op.create_index(op.f("ix_certificates_names"), "certificates", ["names"], unique=False)
    op.create_table(
        "estate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_estate")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("boot_id", sa.String(length=40), nullable=False),
        sa.Column("acquired_at", sa.DateTime(), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        sa.UniqueConstraint("token", name=op.f("uq_leases_token")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=15), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("network_index", sa.Integer(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
    )
    op.create_index(
        "uq_tenants_code",
        "tenants",
        ["code"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_tenants_network_index",
        "tenants",
        ["network_index"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "allocations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pool", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=260), nullable=False),
        sa.Column("value", sa.String(length=260), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("offering", sa.String(length=31), nullable=False),
        sa.Column("allocated_at", sa.DateTime(), nullable=False),
        sa.Column("released_at", sa.DateTime(), nullable=True),
        sa.Column("free_from", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_allocations_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocations")),
    )
    op.create_index("ix_allocations_subject", "allocations", ["pool", "subject"], unique=False)
    op.create_index("ix_allocations_tenant_id", "allocations", ["tenant_id"], unique=False)
    op.create_index(
        "uq_allocations_held",
        "allocations",
        ["pool", "subject"],
        unique=True,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        "uq_allocations_number",
        "allocations",
        ["pool", "number"],
        unique=True,
        sqlite_where=sa.text("number IS NOT NULL"),
        postgresql_where=sa.text("number IS NOT NULL"),
    )
    op.create_table(
        "drift_kept",
        sa.Column("resource_id", sa.String(length=400), nullable=False),
        sa.Column("observed_hash", sa.String(length=64), nullable=True),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_drift_kept_actor_key")),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_drift_kept")),
    )
    op.create_table(
        "drift_overrides",
        sa.Column("resource_id", sa.String(length=400), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("base_hash", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_drift_overrides_actor_key")),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_drift_overrides")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_imports_actor_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "plans",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("undo_of", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_plans_actor_key")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_plans")),
    )
    op.create_table(
        "releases",
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("site", sa.String(length=260), nullable=False),
        sa.Column("release_id", sa.String(length=80), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_releases_actor_key")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_releases_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "site", "release_id", name=op.f("pk_releases")),
    )
    op.create_table(
        "revisions",
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("offering", sa.String(length=31), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("tier", sa.String(length=1), nullable=False),
        sa.Column("spec", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_revisions_actor_key")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_revisions_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "offering", "generation", name=op.f("pk_revisions")),
    )
    op.create_index("ix_revisions_cause", "revisions", ["cause"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("holder_pid", sa.Integer(), nullable=False),
        sa.Column("holder_start", sa.BigInteger(), nullable=False),
        sa.Column("holder_boot", sa.String(length=40), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_runs_actor_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_runs_digest"), "runs", ["digest"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("offering", sa.String(length=31), nullable=False),
        sa.Column("tier", sa.String(length=1), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("observed_generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_subscriptions_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "offering", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "tenant_revisions",
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_tenant_revisions_actor_key")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_revisions_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "generation", name=op.f("pk_tenant_revisions")),
    )
    op.create_table(
        "change_payloads",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.String(length=400), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["digest"], ["plans.digest"], name=op.f("fk_change_payloads_digest"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", "position", name=op.f("pk_change_payloads")),
    )
    op.create_index(op.f("ix_change_payloads_resource_id"), "change_payloads", ["resource_id"], unique=False)
    op.create_table(
        "resource_states",
        sa.Column("resource_id", sa.String(length=400), nullable=False),
        sa.Column("applied_hash", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("offering", sa.String(length=31), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("applied_at", sa.DateTime(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_resource_states_run_id")),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_resource_states")),
    )
    op.create_table(
        "run_changes",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("part", sa.String(length=300), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("tenant_id", sa.String(length=20), nullable=False),
        sa.Column("tenant", sa.String(length=15), nullable=False),
        sa.Column("offering", sa.String(length=31), nullable=False),
        sa.Column("before_hash", sa.String(length=64), nullable=True),
        sa.Column("after_hash", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_changes_run_id")),
        sa.PrimaryKeyConstraint("run_id", "resource_id", name=op.f("pk_run_changes")),
    )
    op.create_index(op.f("ix_run_changes_resource_id"), "run_changes", ["resource_id"], unique=False)
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("type", sa.String(length=30), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_events_run_id")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_run_events")),
    )
