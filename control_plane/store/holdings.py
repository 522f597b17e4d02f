"""Issued certificates (never their keys) and releases of sites (never their content)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import delete, insert, select

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.content_check import CheckState, ContentCheck
from control_plane.model.errors import NotFound
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.portal_tables import content_checks
from control_plane.store.tables import certificates, releases, tenants

#: Values in one query; SQLite takes 32,766.
QUERY_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One certificate with its chain in PEM; `names` sorted; `fingerprint` is SHA-256 in hex."""

    fingerprint: str
    names: tuple[str, ...]
    issuer: str
    key_type: str
    not_before: datetime
    not_after: datetime
    pem: str


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One release of a site, named by the site's main name."""

    tenant_id: str
    site: str
    id: str
    sha256: str
    bytes: int
    files: int
    note: str
    actor_key: str
    at: datetime
    check: ContentCheck


class CertificateRepository:
    """Keeps certificates."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(
        self,
        names: Sequence[str],
        issuer: str,
        key_type: str,
        fingerprint: str,
        not_before: datetime,
        not_after: datetime,
        pem: str,
    ) -> None:
        """Store a certificate (again: no effect)."""
        with self._database.write() as connection:
            columns = certificates.c
            if connection.scalar(select(columns.names).where(columns.fingerprint == fingerprint)) is None:
                connection.execute(
                    insert(certificates).values(
                        fingerprint=fingerprint,
                        names=_names(names),
                        issuer=issuer,
                        key_type=key_type,
                        not_before=not_before,
                        not_after=not_after,
                        pem=pem,
                        recorded_at=self._clock(),
                    )
                )

    def current(self, names: Sequence[str]) -> CertificateRow | None:
        """The newest certificate for exactly these names."""
        columns = certificates.c
        query = select(certificates).where(columns.names == _names(names))
        query = query.order_by(columns.recorded_at.desc(), columns.not_after.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _certificate(row) if row else None

    def by_fingerprint(self, fingerprints: Collection[str]) -> dict[str, CertificateRow]:
        """Those of these certificates that are known, by fingerprint."""
        column, wanted = certificates.c.fingerprint, sorted(fingerprints)
        with self._database.read() as connection:
            rows = [
                row
                for at in range(0, len(wanted), QUERY_VALUES)
                for row in connection.execute(select(certificates).where(column.in_(wanted[at : at + QUERY_VALUES])))
            ]
        return {row.fingerprint: _certificate(row) for row in rows}

    def together(self) -> AbstractContextManager[Any]:
        """What this thread records inside is committed at the end, in one transaction."""
        return self._database.write()


def _certificate(row: Any) -> CertificateRow:
    names = tuple(orjson.loads(row.names))
    return CertificateRow(row.fingerprint, names, row.issuer, row.key_type, row.not_before, row.not_after, row.pem)


class ReleaseRepository:
    """Keeps releases. A new tenant under a former name never sees the former tenant's."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def add(
        self,
        release_id: str,
        site: str,
        tenant_id: str,
        sha256: str,
        bytes: int,
        files: int,
        note: str,
        actor: Actor,
        at: datetime | None = None,
    ) -> None:
        """Store a release (the same content again: no effect)."""
        with self._database.write() as connection:
            key = (releases.c.tenant_id == tenant_id) & (releases.c.site == site)
            query = select(releases.c.sha256).where(key, releases.c.release_id == release_id)
            if connection.scalar(query) is None:
                connection.execute(
                    insert(releases).values(
                        tenant_id=tenant_id,
                        site=site,
                        release_id=release_id,
                        sha256=sha256,
                        bytes=bytes,
                        files=files,
                        note=note,
                        actor_key=actor.key,
                        at=at or self._clock(),
                    )
                )
                about = [Subject("tenant", tenant_id), Subject("site", site), Subject("release", release_id)]
                self._audit.record(AuditAct.RELEASE_ADDED, actor, about, digest=sha256, reason=note)

    def delete(self, release: ReleaseRow, actor: Actor, reason: str) -> None:
        """Forget a release (one that is gone: no effect)."""
        columns = releases.c
        where = (
            columns.tenant_id == release.tenant_id, columns.site == release.site, columns.release_id == release.id
        )  # fmt: skip
        with self._database.write() as connection:
            if connection.execute(delete(releases).where(*where)).rowcount:
                about = [Subject("tenant", release.tenant_id), Subject("site", release.site)]
                about.append(Subject("release", release.id))
                self._audit.record(AuditAct.RELEASE_DELETED, actor, about, digest=release.sha256, reason=reason)

    def list(self, site: str | None = None, tenant_id: str | None = None) -> list[ReleaseRow]:
        """Releases of living tenants (or of `tenant_id`, living or not), newest first."""
        said = content_checks.c
        looked = (said.state, said.found, said.place, said.signatures, said.error)
        query = (
            select(releases, *looked)
            .join(tenants)
            .outerjoin(content_checks, said.name == releases.c.release_id)
            .order_by(releases.c.at.desc(), releases.c.release_id)
        )
        living = tenants.c.ended_at.is_(None) if tenant_id is None else releases.c.tenant_id == tenant_id
        query = query.where(living)
        if site is not None:
            query = query.where(releases.c.site == site)
        with self._database.read() as connection:
            return [
                ReleaseRow(
                    row.tenant_id,
                    row.site,
                    row.release_id,
                    row.sha256,
                    row.bytes,
                    row.files,
                    row.note,
                    row.actor_key,
                    row.at,
                    ContentCheck(
                        row.release_id,
                        CheckState(row.state or "waiting"),
                        row.found,
                        row.place,
                        row.signatures,
                        row.error,
                    ),
                )
                for row in connection.execute(query)
            ]

    def get(self, prefix: str, site: str) -> ReleaseRow:
        """The release of a site whose id begins with `prefix`. Raises NotFound, also when several do."""
        found = [row for row in self.list(site) if row.id.startswith(prefix)] if prefix else []
        exact = [row for row in found if row.id == prefix]
        if len(exact or found) != 1:
            raise NotFound(
                t("{count} releases of {site} begin with “{prefix}”.", count=len(found), site=site, prefix=prefix),
                t("“gasp sites list” shows the sites and their releases."),
            )
        return (exact or found)[0]


def _names(names: Sequence[str]) -> str:
    return orjson.dumps(sorted(set(names))).decode()
