"""Files of requests in the database; their content lies elsewhere, by its hash."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, insert, select, update

from control_plane.model.attachment import Attachment, AttachmentState, Scan
from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound
from control_plane.model.request import Request
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.portal_tables import attachments, site_posts
from control_plane.store.tables import actors, tenants


class AttachmentRepository:
    """Keeps them. The audit trail knows a file by its hash, not by its name."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def of(self, request: int) -> builtins.list[Attachment]:
        """Those of a request, oldest first."""
        return self._find(attachments.c.request_id == request)

    def of_tenant(self, tenant_id: str) -> builtins.list[Attachment]:
        """Those of a tenant, oldest first."""
        return self._find(attachments.c.tenant_id == tenant_id)

    def waiting(self, limit: int) -> builtins.list[Attachment]:
        """Those that nobody looked at yet, oldest first; those that could not be looked at come last."""
        return self._find(
            attachments.c.state == AttachmentState.WAITING.value, limit=limit, first=attachments.c.error.is_not(None)
        )

    def get(self, request: int, attachment: int) -> Attachment:
        """One of a request. Raises NotFound."""
        found = self._find(attachments.c.request_id == request, attachments.c.id == attachment)
        if not found:
            raise NotFound(t("There is no such file in this request."))
        return found[0]

    def octets(self, tenant: str) -> int:
        """What files of a living tenant (code) need on the disk."""
        query = (
            select(func.sum(attachments.c.bytes))
            .join(tenants, tenants.c.id == attachments.c.tenant_id)
            .where(
                tenants.c.code == tenant, tenants.c.ended_at.is_(None), attachments.c.removed_at.is_(None),
                attachments.c.state != AttachmentState.INFECTED.value,
            )
        )  # fmt: skip
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def add(self, request: Request, name: str, kind: str, octets: int, sha256: str, actor: Actor) -> Attachment:
        """A new one, that waits for the engine; the same content again is the one that is there."""
        with self._database.write() as connection:
            known = next((a for a in self.of(request.id) if a.sha256 == sha256), None)
            if known is not None:
                return known
            tenant_id = connection.scalar(
                select(tenants.c.id).where(tenants.c.code == request.content.tenant, tenants.c.ended_at.is_(None))
            )
            values = {
                "request_id": request.id, "tenant_id": tenant_id, "name": name, "kind": kind, "bytes": octets,
                "sha256": sha256, "state": AttachmentState.WAITING.value, "actor_key": actor.key, "at": self._clock(),
            }  # fmt: skip
            made = connection.execute(insert(attachments).values(values))
            found = self.get(request.id, int(made.inserted_primary_key[0]))  # type: ignore[index]
            self._record(AuditAct.ATTACHMENT_ADDED, found, request.reference, actor)
            return found

    def remove(self, attachment: Attachment, reference: str, actor: Actor) -> None:
        """Take one away; removed twice it is removed once."""
        where = (attachments.c.id == attachment.id, attachments.c.removed_at.is_(None))
        with self._database.write() as connection:
            if connection.execute(update(attachments).where(*where).values(removed_at=self._clock())).rowcount:
                self._record(AuditAct.ATTACHMENT_REMOVED, attachment, reference, actor)

    def checked(self, attachment: Attachment, reference: str, scan: Scan) -> None:
        """What the engine said of one that waits."""
        state = AttachmentState.CLEAN if scan.found is None else AttachmentState.INFECTED
        values = {
            "state": state.value, "found": scan.found, "signatures": scan.signatures, "error": None,
            "checked_at": self._clock(),
        }  # fmt: skip
        where = (attachments.c.id == attachment.id, attachments.c.state == AttachmentState.WAITING.value)
        with self._database.write() as connection:
            if connection.execute(update(attachments).where(*where).values(values)).rowcount:
                detail = {"found": scan.found, "signatures": scan.signatures}
                self._record(AuditAct.ATTACHMENT_CHECKED, attachment, reference, None, outcome=state.value, **detail)

    def unseen(self, ids: Iterable[int], error: str) -> None:
        """Say why the engine could not look at some; they wait on."""
        where = (attachments.c.id.in_(list(ids)), attachments.c.state == AttachmentState.WAITING.value)
        with self._database.write() as connection:
            connection.execute(update(attachments).where(*where).values(error=error[:400]))

    def forget(self, tenant_id: str) -> None:
        """Of an ended tenant: names are erased and files count as removed; hashes stay."""
        values = {"name": "", "removed_at": self._clock()}
        with self._database.write() as connection:
            connection.execute(update(attachments).where(attachments.c.tenant_id == tenant_id).values(values))

    def in_use(self, sha256: str) -> bool:
        """Whether a file of a request or a notice has this content."""
        there = attachments.c.sha256 == sha256, attachments.c.removed_at.is_(None), attachments.c.state != "infected"
        living = select(tenants.c.id).where(tenants.c.ended_at.is_(None))
        posted = site_posts.c.file_sha256 == sha256, site_posts.c.tenant_id.in_(living)
        with self._database.read() as connection:
            return any(
                connection.execute(select(column).where(*where).limit(1)).first() is not None
                for column, where in ((attachments.c.id, there), (site_posts.c.id, posted))
            )

    def _find(self, *where: Any, limit: int | None = None, first: Any = None) -> builtins.list[Attachment]:
        query = (
            select(attachments, actors.c.name.label("actor_name"))
            .join(actors, actors.c.key == attachments.c.actor_key)
            .where(attachments.c.removed_at.is_(None), *where)
            .order_by(*([] if first is None else [first]), attachments.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [
                Attachment(
                    row.id, row.request_id, row.tenant_id, row.name, row.kind, row.bytes, row.sha256,
                    AttachmentState(row.state), Actor(row.actor_key, row.actor_name), row.at, row.found, row.signatures,
                    row.error, row.checked_at,
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def _record(
        self, act: AuditAct, attachment: Attachment, reference: str, actor: Actor | None, outcome: str = "done",
        **detail: Any,
    ) -> None:  # fmt: skip
        about = [Subject("tenant", attachment.tenant_id), Subject("request", reference)]
        detail |= {"file": attachment.id, "kind": attachment.kind, "octets": attachment.octets}
        self._audit.record(act, actor, about, digest=attachment.sha256, outcome=outcome, detail=detail)
