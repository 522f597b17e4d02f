"""Programs elsewhere that are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from control_plane.wiring.accounts import vault
from control_plane.wiring.centre import now, settings, store

if TYPE_CHECKING:
    from control_plane.model.run import Actor
    from control_plane.workflow.webhooks import Webhooks, WebhookTicker


def webhook_targets() -> tuple[str, ...]:
    """Where webhooks may go."""
    return tuple(one.strip() for one in settings().webhook_targets.split(",") if one.strip())


def webhooks(who: Callable[[], Actor]) -> Webhooks:
    """Webhooks as people see them."""
    from control_plane.workflow.webhooks import Webhooks

    return Webhooks(store(), vault(), webhook_targets(), who)


def webhook_ticker() -> WebhookTicker:
    """Sends what is to be told."""
    from control_plane.drivers.webhooks import HttpPoster
    from control_plane.workflow.webhooks import WebhookTicker

    return WebhookTicker(store(), vault(), HttpPoster(settings().state / "ca" / "ca.pem"), webhook_targets(), now)
