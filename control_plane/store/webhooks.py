"""Webhooks in the database. Events are taken from the audit trail, each once for each receiver; steps are transactions.

Must not hold a secret that is not sealed.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import delete, func, insert, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import NotFound, Rejected
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.model.webhook import ROTATION, SHOWN, Delivery, Webhook, origin
from control_plane.model.windows import moment_words
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.living import living_id
from control_plane.store.tables import actors, tenants
from control_plane.store.webhooks_tables import webhook_deliveries, webhooks


class WebhookRepository:
    """Makes, changes and ends them, and keeps what is on its way. What people do with them is in the audit trail."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    # receivers ----------------------------------------------------------------------------------------
    def add(self, name: str, url: str, families: Sequence[str], tenant: str | None, sealed: str, by: Actor) -> Webhook:
        """A new one; it hears of what comes from now on. Raises NotFound for a department that is not there, Rejected
        for the very one that is there already: a form that was sent twice."""
        with self._database.write() as connection:
            tenant_id = None
            if tenant is not None:
                tenant_id = living_id(connection, tenant)
            for one in self.list():
                if (one.name, one.url, one.tenant_id, {*one.families}) == (name, url, tenant_id, {*families}):
                    raise Rejected(
                        t("Webhook {id} has this name and address, and is told the same.", id=one.id),
                        t("Give it a new secret instead: gasp webhooks rotate {id}", id=one.id),
                    )
            made = connection.execute(
                insert(webhooks).values(
                    name=name, url=url, tenant_id=tenant_id, families=orjson.dumps(list(families)).decode(),
                    secret=sealed, made_at=self._clock(), made_by=by.key, seen=self._audit.last(),
                )
            )  # fmt: skip
            number = int(made.inserted_primary_key[0])  # type: ignore[index]
            self._noted(AuditAct.WEBHOOK_MADE, by, self.get(number), families=list(families))
            return self.get(number)

    def list(self, *, ended: bool = False) -> builtins.list[Webhook]:
        """Newest first. One whose department has ended counts as ended."""
        query = (
            select(webhooks, tenants.c.code, tenants.c.ended_at.label("tenant_ended"), actors.c.name.label("by"))
            .join(actors, actors.c.key == webhooks.c.made_by)
            .join(tenants, tenants.c.id == webhooks.c.tenant_id, isouter=True)
            .order_by(webhooks.c.id.desc())
        )
        with self._database.read() as connection:
            found = [_webhook(row, self._clock()) for row in connection.execute(query)]
        return found if ended else [one for one in found if one.ended_at is None]

    def get(self, number: int) -> Webhook:
        """One. Raises NotFound."""
        found = next((one for one in self.list(ended=True) if one.id == number), None)
        if found is None:
            raise NotFound(t("There is no webhook {id}.", id=number), t("See gasp webhooks list."))
        return found

    def rotate(self, hook: Webhook, sealed: str, by: Actor) -> Webhook:
        """Another secret; the former one signs too for a day. Raises Rejected within that day: the receiver may know
        the former one only, and it would sign no more."""
        values = {"secret": sealed, "former": hook.secrets[0], "rotated_until": self._clock() + ROTATION}
        with self._database.write() as connection:
            until = self.get(hook.id).rotated_until
            if until is not None:
                raise Rejected(
                    t("Webhook {id} got a new secret lately; the one before signs too until {until}.",
                      id=hook.id, until=moment_words(until)),
                    t("Wait until then. If the new one was lost or is known to others, end it and make another."),
                )  # fmt: skip
            connection.execute(update(webhooks).where(webhooks.c.id == hook.id).values(values))
            self._noted(AuditAct.WEBHOOK_ROTATED, by, hook)
            return self.get(hook.id)

    def end(self, hook: Webhook, by: Actor) -> Webhook:
        """Nothing more goes there; its secrets are forgotten, and what waits is given up."""
        now, mine = self._clock(), webhook_deliveries.c.webhook_id == hook.id
        with self._database.write() as connection:
            values = {"ended_at": now, "secret": "", "former": None}
            connection.execute(update(webhooks).where(webhooks.c.id == hook.id).values(values))
            waiting = update(webhook_deliveries).where(mine, webhook_deliveries.c.state == "waiting")
            connection.execute(waiting.values(state="failed"))
            self._noted(AuditAct.WEBHOOK_ENDED, by, hook)
            return self.get(hook.id)

    def _noted(self, act: AuditAct, by: Actor, hook: Webhook, **detail: Any) -> None:
        about = [Subject("webhook", str(hook.id))]
        tenant = [hook.tenant] if hook.tenant else ()
        said = {"origin": origin(hook.url), **detail}  # what comes after it is often a secret of the receiver
        self._audit.record(act, by, about, tenants=tenant, reason=hook.name, detail=said)

    # deliveries ---------------------------------------------------------------------------------------
    def gather(self, hook: Webhook, events: Mapping[int, Mapping[str, Any]], seen: int) -> None:
        """Put events (by number of their entry) on their way, and remember up to where it was told."""
        now = self._clock()
        rows = [
            {
                **{"webhook_id": hook.id, "entry": number, "type": event["type"], "state": "waiting", "tries": 0},
                **{"body": orjson.dumps(event).decode(), "made_at": now, "next_at": now},
            }
            for number, event in events.items()
        ]
        with self._database.write() as connection:
            same = webhooks.c.id == hook.id, webhooks.c.seen == hook.seen, webhooks.c.ended_at.is_(None)
            if connection.execute(update(webhooks).where(*same).values(seen=seen)).rowcount and rows:
                connection.execute(insert(webhook_deliveries), rows)

    def due(self, hook: Webhook) -> Delivery | None:
        """The oldest that is to be sent there now."""
        columns = webhook_deliveries.c
        query = select(webhook_deliveries).where(
            columns.webhook_id == hook.id, columns.state == "waiting", columns.next_at <= self._clock()
        )
        with self._database.read() as connection:
            row = connection.execute(query.order_by(columns.id).limit(1)).one_or_none()
        return _delivery(row) if row is not None else None

    def deliveries(
        self, webhook: int | None = None, state: str | None = None, limit: int = 200
    ) -> builtins.list[Delivery]:
        """Newest first."""
        columns = webhook_deliveries.c
        query = select(webhook_deliveries).order_by(columns.id.desc()).limit(limit)
        if webhook is not None:
            query = query.where(columns.webhook_id == webhook)
        if state is not None:
            query = query.where(columns.state == state)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def delivery(self, number: int) -> Delivery:
        """One. Raises NotFound."""
        with self._database.read() as connection:
            row = connection.execute(select(webhook_deliveries).where(webhook_deliveries.c.id == number)).one_or_none()
        if row is None:
            raise NotFound(t("There is no delivery {id}.", id=number), t("See gasp webhooks deliveries."))
        return _delivery(row)

    def counts(self) -> dict[tuple[int, str], int]:
        """Deliveries by webhook and state."""
        columns = webhook_deliveries.c
        query = select(columns.webhook_id, columns.state, func.count()).group_by(columns.webhook_id, columns.state)
        with self._database.read() as connection:
            return {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}

    def settle(
        self, one: Delivery, state: str, *, status: int | None, error: str | None = None,
        next_at: datetime | None = None,
    ) -> None:  # fmt: skip
        """What came of a try."""
        values: dict[str, Any] = {"state": state, "status": status, "error": error, "tries": one.tries + 1}
        if state == "sent":
            values["sent_at"] = self._clock()
        if next_at is not None:
            values["next_at"] = next_at
        columns = webhook_deliveries.c
        with self._database.write() as connection:
            mine = update(webhook_deliveries).where(columns.id == one.id, columns.state == "waiting")
            connection.execute(mine.values(values))

    def again(self, one: Delivery, hook: Webhook, by: Actor) -> Delivery:
        """Let it be sent at once, with a day of tries before it."""
        now = self._clock()
        values = {"state": "waiting", "tries": 0, "made_at": now, "next_at": now, "error": None}
        with self._database.write() as connection:
            connection.execute(update(webhook_deliveries).where(webhook_deliveries.c.id == one.id).values(values))
            self._noted(AuditAct.WEBHOOK_RESENT, by, hook, delivery=one.id)
            self._database.tell("webhooks")
            return self.delivery(one.id)

    def tidy(self) -> int:
        """Forget what was made long ago: it was delivered, given up, or its department has ended."""
        old = webhook_deliveries.c.made_at < self._clock() - SHOWN
        with self._database.write() as connection:
            return connection.execute(delete(webhook_deliveries).where(old)).rowcount


def _webhook(row: Any, now: datetime) -> Webhook:
    both = row.former is not None and row.rotated_until is not None and row.rotated_until > now
    return Webhook(
        row.id, row.name, row.url, row.code, row.tenant_id, tuple(orjson.loads(row.families)),
        (row.secret, row.former) if both else (row.secret,), row.rotated_until if both else None, row.made_at, row.by,
        row.ended_at or row.tenant_ended, row.seen,
    )  # fmt: skip


def _delivery(row: Any) -> Delivery:
    return Delivery(
        row.id, row.webhook_id, row.entry, row.type, row.body, row.state, row.tries, row.made_at, row.next_at,
        row.sent_at, row.status, row.error,
    )  # fmt: skip
