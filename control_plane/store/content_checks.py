"""What the antivirus engine has said of contents, by name; whoever has no row was never asked about."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update

from control_plane.model.attachment import Scan
from control_plane.model.audit import AuditAct, Subject
from control_plane.model.content_check import CheckState, ContentCheck
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.portal_tables import content_checks, site_posts
from control_plane.store.tables import releases, tenants

#: A content that the engine could not look at, though it answers, is tried again after so long.
ODD_AGAIN = timedelta(minutes=5)
_COLUMNS = content_checks.c
_INFECTED = select(_COLUMNS.name).where(_COLUMNS.state == CheckState.INFECTED.value)


class ContentCheckRepository:
    """Keeps them. The audit trail has an entry for each site of a release that waited for its check."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def of(self, names: Collection[str]) -> dict[str, ContentCheck]:
        """Each of these contents; those that nobody looked at wait."""
        found = {name: ContentCheck(name) for name in names}
        if found:
            with self._database.read() as connection:
                rows = connection.execute(select(content_checks).where(_COLUMNS.name.in_(sorted(found))))
                found |= {row.name: check_of(row) for row in rows}
        return found

    def waiting_releases(self, limit: int, *, due: bool = False) -> list[str]:
        """Ids of stored releases that wait, oldest first; those that could not be looked at come last. `due`: without
        those of which that was found less than `ODD_AGAIN` ago."""
        return self._waiting(releases, releases.c.release_id, func.min(releases.c.at), limit, due)

    def waiting_files(self, limit: int, *, due: bool = False) -> list[str]:
        """Hashes of files of notices that wait, in the same order."""
        return self._waiting(site_posts, site_posts.c.file_sha256, func.min(site_posts.c.id), limit, due)

    def found(self) -> set[str]:
        """Names of contents in which something was found."""
        with self._database.read() as connection:
            return set(connection.scalars(_INFECTED))

    def older(self, names: Collection[str], signatures: str, limit: int) -> list[str]:
        """Those of these contents that were clean by other signatures than these, the longest ago first."""
        where = (_COLUMNS.state == CheckState.CLEAN.value, _COLUMNS.signatures.is_distinct_from(signatures))
        query = select(_COLUMNS.name).where(_COLUMNS.name.in_(sorted(names)), *where)
        with self._database.read() as connection:
            return list(connection.scalars(query.order_by(_COLUMNS.checked_at, _COLUMNS.name).limit(limit)))

    def _waiting(self, table: Any, name: Any, first: Any, limit: int, due: bool) -> list[str]:
        where = [name.is_not(None), or_(_COLUMNS.state.is_(None), _COLUMNS.state == CheckState.WAITING.value)]
        if due:
            tried = _COLUMNS.checked_at
            where.append(or_(tried.is_(None), tried <= self._clock() - ODD_AGAIN))
        living = select(tenants.c.id).where(tenants.c.ended_at.is_(None))
        query = (
            select(name)
            .select_from(table.outerjoin(content_checks, _COLUMNS.name == name))
            .where(table.c.tenant_id.in_(living), *where)
            .group_by(name)
            .order_by(func.count(_COLUMNS.error), first)
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def checked(self, name: str, scan: Scan, place: str | None = None, *, recorded: bool = False) -> ContentCheck:
        """What the engine said; `place`: in which file of a release. `recorded`: in the audit trail too."""
        state = CheckState.CLEAN if scan.found is None else CheckState.INFECTED
        self._keep(name, state, found=scan.found, place=place, signatures=scan.signatures, checked_at=self._clock())
        if recorded:
            self._record(name, scan, state, place)
        return ContentCheck(name, state, scan.found, place, scan.signatures)

    def unseen(self, name: str, error: str, *, odd: bool = False) -> None:
        """Say why the engine could not look at one that waits; an odd one is not tried again at once."""
        with self._database.write():
            if self.of([name])[name].state is CheckState.WAITING:
                self._keep(name, CheckState.WAITING, error=error[:400], checked_at=self._clock() if odd else None)

    def again(self, name: str) -> None:
        """Forget what was said of one in which something was found: it was brought in anew."""
        where = (_COLUMNS.name == name, _COLUMNS.state == CheckState.INFECTED.value)
        with self._database.write() as connection:
            connection.execute(delete(content_checks).where(*where))

    def _keep(self, name: str, state: CheckState, **values: Any) -> None:
        values = {"state": state.value, "found": None, "place": None, "signatures": None, "error": None, **values}
        with self._database.write() as connection:
            if not connection.execute(update(content_checks).where(_COLUMNS.name == name).values(values)).rowcount:
                connection.execute(insert(content_checks).values(name=name, **values))

    def _record(self, name: str, scan: Scan, state: CheckState, place: str | None) -> None:
        with self._database.write() as connection:
            rows = connection.execute(select(releases).where(releases.c.release_id == name)).all()
            for row in rows:
                about = [Subject("tenant", row.tenant_id), Subject("site", row.site), Subject("release", name)]
                detail = {"found": scan.found, "place": place, "signatures": scan.signatures}
                self._audit.record(
                    AuditAct.RELEASE_CHECKED, None, about, digest=row.sha256, outcome=state.value, detail=detail
                )


def check_of(row: Any) -> ContentCheck:
    """A row of the table."""
    return ContentCheck(row.name, CheckState(row.state), row.found, row.place, row.signatures, row.error)


def infected(name: Any) -> Any:
    """The condition for a column of names: something was found in that content."""
    return name.in_(_INFECTED)
