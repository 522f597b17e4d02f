"""Webhooks: made, rotated, ended and shown by people; events put on their way and sent by the worker.

Level-triggered: what is to be told follows from the audit trail and a number, so the worker may be killed anywhere.
A message may arrive twice then, with the same id; it is never lost within its day.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from control_plane.model.errors import ControlPlaneError, Invalid, Problem, Rejected
from control_plane.model.notice import one_line
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.model.webhook import (
    FAMILIES,
    GIVEN_UP,
    SHARE,
    Delivery,
    Poster,
    Webhook,
    allowed,
    event,
    hears,
    new_secret,
    open_to_readers,
    pause,
    signature,
)
from control_plane.store.repository import Store
from control_plane.workflow.process import myself, process_alive

Json = dict[str, Any]
LEASE = "webhooks"
#: Entries of the trail that are read at once.
CHUNK = 500
READABLE = t("What is sent to an address that begins with http:// can be read and changed on the way.")


class Sealer(Protocol):
    """Makes secrets fit to lie in the database (`drivers/vault.py`)."""

    def seal(self, secret: str) -> str:
        """A form that may lie there."""
        ...

    def unseal(self, sealed: str) -> str:
        """Its inverse."""
        ...


class Webhooks:
    """Implements `model.client_webhooks.WebhooksClient`. `allowed_to`: where to the centre sends at all."""

    def __init__(self, store: Store, vault: Sealer, allowed_to: Sequence[str], actor: Callable[[], Actor]) -> None:
        self.store = store
        self.vault = vault
        self.allowed_to = tuple(allowed_to)
        self.actor = actor

    def families(self) -> builtins.list[Json]:
        """See `WebhooksClient.families`."""
        return [{"family": name, "title": str(title)} for name, title in FAMILIES.items()]

    def targets(self) -> builtins.list[str]:
        """See `WebhooksClient.targets`."""
        return list(self.allowed_to)

    def list(self, *, ended: bool = False) -> builtins.list[Json]:
        """See `WebhooksClient.list`."""
        counts = self.store.webhooks.counts()
        return [self._row(hook, counts) for hook in self.store.webhooks.list(ended=ended)]

    def create(self, *, name: str, url: str, families: Sequence[str], tenant: str | None = None) -> Json:
        """See `WebhooksClient.create`."""
        title = one_line(name)[:100]
        self._check(title, url, families)
        secret, wanted = new_secret(), [one for one in FAMILIES if one in families]
        made = self.store.webhooks.add(title, url, wanted, tenant, self.vault.seal(secret), self.actor())
        return {**self._row(made, {}), "secret": secret}

    def rotate(self, webhook: int) -> Json:
        """See `WebhooksClient.rotate`."""
        hook, secret = self._living(webhook), new_secret()
        made = self.store.webhooks.rotate(hook, self.vault.seal(secret), self.actor())
        return {**self._row(made, self.store.webhooks.counts()), "secret": secret}

    def end(self, webhook: int) -> Json:
        """See `WebhooksClient.end`."""
        ended = self.store.webhooks.end(self._living(webhook), self.actor())
        return self._row(ended, self.store.webhooks.counts())

    def deliveries(
        self, webhook: int | None = None, *, state: str | None = None, limit: int = 200
    ) -> builtins.list[Json]:
        """See `WebhooksClient.deliveries`."""
        names = {hook.id: hook.name for hook in self.store.webhooks.list(ended=True)}
        if webhook is not None:
            self.store.webhooks.get(webhook)
        return [_json(one, names) for one in self.store.webhooks.deliveries(webhook, state, limit)]

    def resend(self, delivery: int) -> Json:
        """See `WebhooksClient.resend`."""
        found = self.store.webhooks.delivery(delivery)
        hook = self._living(found.webhook)
        return _json(self.store.webhooks.again(found, hook, self.actor()), {hook.id: hook.name})

    def _living(self, number: int) -> Webhook:
        hook = self.store.webhooks.get(number)
        if hook.ended_at is not None:
            raise Rejected(t("Webhook {id} has ended.", id=number), t("Make another one: gasp webhooks create"))
        return hook

    def _check(self, name: str, url: str, families: Sequence[str]) -> None:
        """Raises Invalid with every fault."""
        problems = []
        if not name:
            problems.append(_bad("name", t("A name is missing."), t("Say in a few words who is told.")))
        if len(url) > 2000 or not allowed(url, self.allowed_to):
            text = t("Nothing is sent to this address.")
            names = ", ".join(self.allowed_to) or "–"
            problems.append(_bad("url", text, t("GASP_WEBHOOK_TARGETS says where to: {names}.", names=names)))
        elif open_to_readers(url):
            problems.append(_bad("url", READABLE, t("Use an address that begins with https://.")))
        if not families or set(families) - set(FAMILIES):
            text, remedy = t("It is not said of what it is told."), t("Use one of {names}.", names=", ".join(FAMILIES))
            problems.append(_bad("families", text, remedy))
        if problems:
            raise Invalid(problems)

    def _row(self, hook: Webhook, counts: dict[tuple[int, str], int]) -> Json:
        return {
            "id": hook.id,
            "name": hook.name,
            "url": hook.url,
            "tenant": hook.tenant,
            "families": list(hook.families),
            "state": "ended" if hook.ended_at else "active",
            "made_at": hook.made_at.isoformat(),
            "made_by": hook.made_by,
            "ended_at": hook.ended_at.isoformat() if hook.ended_at else None,
            "rotated_until": hook.rotated_until.isoformat() if hook.rotated_until else None,
            "waiting": counts.get((hook.id, "waiting"), 0),
            "failed": counts.get((hook.id, "failed"), 0),
        }


def _json(one: Delivery, names: dict[int, str]) -> Json:
    return {
        "id": one.id,
        "message": one.message,
        "webhook": one.webhook,
        "name": names.get(one.webhook),
        "type": one.type,
        "state": one.state,
        "tries": one.tries,
        "made_at": one.made_at.isoformat(),
        "next_at": one.next_at.isoformat(),
        "sent_at": one.sent_at.isoformat() if one.sent_at else None,
        "status": one.status,
        "error": one.error,
        "body": one.body,
    }


def _bad(field: str, text: Text, remedy: Text) -> Problem:
    return Problem(f"bad-{field}", text, remedy, field=field)


@dataclass(frozen=True)
class WebhookTicker:
    """Puts events on their way and sends what is due; one process at a time."""

    store: Store
    vault: Sealer
    poster: Poster
    targets: Sequence[str]
    clock: Callable[[], datetime]

    def tick(self) -> str | None:
        """One turn; a line for the log, or None."""
        hooks = self.store.webhooks.list()
        if not hooks:
            return None
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            return None
        try:
            self._gather(hooks)
            sent = sum(self._turn(hook) for hook in hooks)
            self.store.webhooks.tidy()
        finally:
            self.store.leases.release(lease)
        return f"{sent} sent" if sent else None

    def _gather(self, hooks: Sequence[Webhook]) -> None:
        first = min(hook.seen for hook in hooks)
        entries = self.store.audit.after(first, CHUNK)
        if not entries:
            return
        codes = {key: code for key, (code, ended) in self.store.audit.codes().items() if not ended}
        last = entries[-1].number
        for hook in hooks:
            heard = [entry for entry in entries if entry.number > hook.seen and hears(hook, entry)]
            if hook.seen < last:
                self.store.webhooks.gather(hook, {e.number: event(hook, e, codes) for e in heard}, last)

    def _turn(self, hook: Webhook) -> int:
        """Send one receiver what is due, each looked up anew: it may have ended meanwhile. How many it took.

        One that is silent or slow holds up nobody else: it is asked again in the next turn.
        """
        sent, end = 0, self.clock() + SHARE
        while (one := self.store.webhooks.due(hook)) is not None:
            answered = self._send(hook, one)
            sent += answered is True
            if answered is None or self.clock() >= end:
                break
        return sent

    def _send(self, hook: Webhook, one: Delivery) -> bool | None:
        """Whether it was taken; None: there was no answer at all."""
        status, error = None, None
        if not allowed(hook.url, self.targets):
            names = ", ".join(self.targets) or "–"
            error = str(t("GASP_WEBHOOK_TARGETS of the worker does not name this address, but {names}.", names=names))
        elif open_to_readers(hook.url):
            error = str(READABLE)
        else:
            try:
                status = self.poster.post(hook.url, self._headers(hook, one), one.body.encode())
            except ControlPlaneError as fault:
                error = str(fault.text)
        if status is not None and 200 <= status < 300:
            self.store.webhooks.settle(one, "sent", status=status)
            return True
        now = self.clock()
        later = now + pause(one.tries + 1)
        over = later > one.made_at + GIVEN_UP
        state = "failed" if over else "waiting"
        self.store.webhooks.settle(one, state, status=status, error=error, next_at=None if over else later)
        return None if status is None else False

    def _headers(self, hook: Webhook, one: Delivery) -> dict[str, str]:
        at = int(self.clock().timestamp())
        return {
            "Content-Type": "application/json",
            "User-Agent": "GASP",
            "webhook-id": one.message,
            "webhook-timestamp": str(at),
            "webhook-signature": signature([self.vault.unseal(s) for s in hook.secrets], one.message, at, one.body),
        }
