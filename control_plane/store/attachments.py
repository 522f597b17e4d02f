"""Files of requests in the database; their content lies elsewhere, by its hash."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update

from control_plane.model.attachment import HELD, KEPT_DAYS, Attachment, AttachmentState, Scan
from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound
from control_plane.model.request import FINAL, Request, RequestState, reference
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.portal_tables import attachments
from control_plane.store.requests_tables import requests
from control_plane.store.tables import actors, tenants

#: A file that the engine could not look at, though it answers, is tried again after so long.
ODD_AGAIN = timedelta(minutes=5)
#: States of requests that are over; the condition for a file whose content is kept.
_FINAL = [state.value for state in FINAL]
HELD_ROWS = (attachments.c.removed_at.is_(None), attachments.c.state.in_([state.value for state in HELD]))


class AttachmentRepository:
    """Keeps them. The audit trail knows a file by its hash, not by its name."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def of(self, request: int) -> builtins.list[Attachment]:
        """Those of a request, oldest first."""
        found = self._database.shared(("attachments", request), lambda: self._find(attachments.c.request_id == request))
        return [*found]

    def of_tenant(self, tenant_id: str) -> builtins.list[Attachment]:
        """Those of a tenant, oldest first."""
        return self._find(attachments.c.tenant_id == tenant_id)

    def waiting(self, limit: int, *, due: bool = False) -> builtins.list[Attachment]:
        """Those that nobody looked at yet, oldest first; those that could not be looked at come last. `due`: without
        those of which that was found less than `ODD_AGAIN` ago."""
        where = [attachments.c.state == AttachmentState.WAITING.value]
        if due:
            tried = attachments.c.checked_at
            where.append(or_(tried.is_(None), tried <= self._clock() - ODD_AGAIN))
        return self._find(*where, limit=limit, first=attachments.c.error.is_not(None))

    def get(self, request: int, attachment: int) -> Attachment:
        """One of a request. Raises NotFound."""
        found = self._find(attachments.c.request_id == request, attachments.c.id == attachment)
        if not found:
            raise NotFound(t("There is no such file in this request."))
        return found[0]

    def octets(self, tenant: str) -> int:
        """What files of a living tenant's (code) drafts and requests under way need on the disk."""
        query = (
            select(func.sum(attachments.c.bytes))
            .join(tenants, tenants.c.id == attachments.c.tenant_id)
            .join(requests, requests.c.id == attachments.c.request_id)
            .where(
                tenants.c.code == tenant, tenants.c.ended_at.is_(None), requests.c.state.not_in(_FINAL), *HELD_ROWS
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

    def unseen(self, ids: Iterable[int], error: str, *, odd: bool = False) -> None:
        """Say why the engine could not look at some; they wait on, and odd ones are not tried again at once."""
        where = (attachments.c.id.in_(list(ids)), attachments.c.state == AttachmentState.WAITING.value)
        values = {"error": error[:400], "checked_at": self._clock() if odd else None}
        with self._database.write() as connection:
            connection.execute(update(attachments).where(*where).values(values))

    def forget(self, tenant_id: str) -> None:
        """Of an ended tenant: names are erased and files count as removed; hashes stay."""
        values = {"name": "", "removed_at": self._clock()}
        with self._database.write() as connection:
            connection.execute(update(attachments).where(attachments.c.tenant_id == tenant_id).values(values))

    def expire(self) -> int:
        """End what the rule says: files of requests that were taken back, and of those that have been over for
        `KEPT_DAYS`. Their names stay with the request; how many those were."""
        old = requests.c.finished_at < self._clock() - timedelta(days=KEPT_DAYS)
        over = or_(requests.c.state == RequestState.WITHDRAWN.value, and_(requests.c.state.in_(_FINAL), old))
        columns = (attachments.c.id, attachments.c.request_id, requests.c.created_at)
        query = select(*columns).join(requests, requests.c.id == attachments.c.request_id).where(over, *HELD_ROWS)
        with self._database.read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return 0
        with self._database.write() as connection:
            rows = connection.execute(query).all()
            for row in rows:
                one = self.get(row.request_id, row.id)
                where = attachments.c.id == one.id
                connection.execute(update(attachments).where(where).values(state=AttachmentState.EXPIRED.value))
                about = reference(row.request_id, row.created_at)
                self._record(AuditAct.ATTACHMENT_REMOVED, one, about, None, outcome="expired")
            return len(rows)

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
