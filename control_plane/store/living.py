"""Ids of tenants that have not ended, for repositories that hang a row on one."""

from __future__ import annotations

from sqlalchemy import Connection, select

from control_plane.model.nearest import no_tenant
from control_plane.store.tables import tenants


def living_id(connection: Connection, code: str) -> str:
    """The id of a living tenant. Raises NotFound with the nearest code."""
    living = dict(connection.execute(select(tenants.c.code, tenants.c.id).where(tenants.c.ended_at.is_(None))).all())
    if code not in living:
        raise no_tenant(code, living)
    return str(living[code])
