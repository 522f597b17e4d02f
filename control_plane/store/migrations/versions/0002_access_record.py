"""The access record: segments, files, gaps, ledger, holds, register."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from control_plane.store.growing import only_grows

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "access_segments",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(length=63), nullable=False),
        sa.Column("chain", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("former", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("collected_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_segments")),
        sa.UniqueConstraint("host", "chain", "sequence", name=op.f("uq_access_segments_host_chain_sequence")),
    )
    op.create_index("ix_access_segments_last_at", "access_segments", ["last_at"])
    op.create_table(
        "access_parts",
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["segment"], ["access_segments.id"], name=op.f("fk_access_parts_segment_access_segments")
        ),
        sa.PrimaryKeyConstraint("segment", "day", name=op.f("pk_access_parts")),
    )
    op.create_index("ix_access_parts_day", "access_parts", ["day"])
    op.create_table(
        "access_files",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_access_files")),
    )
    op.create_index(op.f("ix_access_files_day"), "access_files", ["day"])
    op.create_table(
        "access_gaps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=63), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_gaps")),
    )
    op.create_index(op.f("ix_access_gaps_last_at"), "access_gaps", ["last_at"])
    op.create_table(
        "access_ledger",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("act", sa.String(length=20), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("former", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_access_ledger_actor_key_actors")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_access_ledger")),
    )
    only_grows(("access_ledger",), "the ledger only grows")
    op.create_table(
        "access_holds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_number", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("tenant", sa.String(length=15), nullable=True),
        sa.Column("set_by", sa.String(length=20), nullable=False),
        sa.Column("set_at", sa.DateTime(), nullable=False),
        sa.Column("lifted_by", sa.String(length=20), nullable=True),
        sa.Column("lifted_second", sa.String(length=200), nullable=True),
        sa.Column("lifted_reason", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["lifted_by"], ["actors.key"], name=op.f("fk_access_holds_lifted_by_actors")),
        sa.ForeignKeyConstraint(["set_by"], ["actors.key"], name=op.f("fk_access_holds_set_by_actors")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_holds")),
    )
    op.create_table(
        "access_register",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=15), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("machine", sa.String(length=200), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("actor_key", sa.String(length=20), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["actor_key"], ["actors.key"], name=op.f("fk_access_register_actor_key_actors")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_register")),
        sa.UniqueConstraint(
            "address", "first_at", "machine", "person", name=op.f("uq_access_register_address_first_at_machine_person")
        ),
    )
    op.create_index(op.f("ix_access_register_address"), "access_register", ["address"])
    op.create_index(op.f("ix_access_register_person"), "access_register", ["person"])
