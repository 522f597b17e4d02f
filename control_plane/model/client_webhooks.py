"""What may be asked of webhooks. Every answer is JSON-able; a secret is in one answer only."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Protocol

Json = dict[str, Any]


class WebhooksClient(Protocol):
    """`gasp webhooks`."""

    def list(self, *, ended: bool = False) -> builtins.list[Json]:
        """Newest first: [{id, name, url, tenant, families: [run|rollout|freeze|request], state: active|ended, made_at,
        made_by, ended_at, rotated_until, waiting, failed}]; `waiting` and `failed` count deliveries."""
        ...

    def create(self, *, name: str, url: str, families: Sequence[str], tenant: str | None = None) -> Json:
        """A new one, with its `secret`, which nobody can show again. Raises Invalid with every problem, NotFound,
        Rejected for the very one that is there already."""
        ...

    def rotate(self, webhook: int) -> Json:
        """Give it a new secret, with `secret`; the former one signs too for a day. Raises NotFound, Rejected
        within that day."""
        ...

    def end(self, webhook: int) -> Json:
        """Nothing more is sent to it. Raises NotFound."""
        ...

    def deliveries(
        self, webhook: int | None = None, *, state: str | None = None, limit: int = 200
    ) -> builtins.list[Json]:
        """Newest first: [{id, message, webhook, name, type, state: waiting|sent|failed, tries, made_at, next_at,
        sent_at, status, error, body}]; `message` is its `webhook-id`, `body` what is sent."""
        ...

    def resend(self, delivery: int) -> Json:
        """Send one again at once, as the same message. Raises NotFound, Rejected (the webhook has ended)."""
        ...

    def families(self) -> builtins.list[Json]:
        """What may be told: [{family, title}]."""
        ...

    def targets(self) -> builtins.list[str]:
        """Where to the centre sends at all."""
        ...
