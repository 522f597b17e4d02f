"""Called by Alembic: runs migrations inside the transaction that `Database.upgrade` has opened."""

from __future__ import annotations

from alembic import context

from control_plane.store.every_table import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
