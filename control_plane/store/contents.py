"""Which contents that lie elsewhere by their hash have a row that names them. One question for each kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import select, union

from control_plane.store.attachments import HELD_ROWS
from control_plane.store.content_checks import infected
from control_plane.store.database import Database
from control_plane.store.holdings import QUERY_VALUES
from control_plane.store.portal_tables import attachments, site_posts
from control_plane.store.tables import releases, tenants


class ContentRepository:
    """Looks only. To be asked in the transaction in which something follows from the answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def files(self, among: Collection[str]) -> set[str]:
        """Those of these hashes that a file of a request or a notice of a living tenant has; not what malware is in."""
        found: set[str] = set()
        with self._database.read() as connection:
            for part in _parts(among):
                attached, posted = attachments.c.sha256, site_posts.c.file_sha256
                query = union(
                    select(attached).where(attached.in_(part), *HELD_ROWS, _living(attachments)),
                    select(posted).where(posted.in_(part), ~infected(posted), _living(site_posts)),
                )
                found |= set(connection.scalars(query))
        return found

    def releases(self, among: Collection[str]) -> set[str]:
        """Those of these ids that a site of a living tenant has; not what malware is in."""
        found: set[str] = set()
        with self._database.read() as connection:
            for part in _parts(among):
                stored = releases.c.release_id
                query = select(stored).where(stored.in_(part), ~infected(stored), _living(releases))
                found |= set(connection.scalars(query))
        return found

    def ended_tenants(self) -> list[str]:
        """Ids of tenants that are gone, of which notices or names of files are still here."""
        ended = select(tenants.c.id).where(tenants.c.ended_at.is_not(None))
        attached, posted = attachments.c.tenant_id, site_posts.c.tenant_id
        query = union(
            select(attached).where(attached.in_(ended), attachments.c.removed_at.is_(None)),
            select(posted).where(posted.in_(ended)),
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))


def _living(table: Any) -> Any:
    return table.c.tenant_id.in_(select(tenants.c.id).where(tenants.c.ended_at.is_(None)))


def _parts(among: Collection[str]) -> Iterator[list[str]]:
    wanted = sorted(among)
    return (wanted[at : at + QUERY_VALUES] for at in range(0, len(wanted), QUERY_VALUES))
