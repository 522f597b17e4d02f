"""Changes of a service that a page or an act computes whole: they never replace what somebody has begun by hand."""

from __future__ import annotations

from typing import Any

from control_plane.model.client_requests import RequestsClient
from control_plane.model.errors import Rejected
from control_plane.model.request import RequestEvent
from control_plane.model.text import t

Json = dict[str, Any]
#: What a saved draft says when its content is as it was before, or the same on top of what is there now.
_KEPT = frozenset({"attached", "removed", "rebased"})


def untouched(client: RequestsClient, tenant: str, offering: str) -> Json:
    """The draft of a change, whose content may be replaced: nothing was begun in it, or what it holds was computed (see
    `RequestsClient.save`). Raises Rejected with the request that has to end first."""
    draft = client.draft(tenant, offering, "change")
    base = draft["base"]
    begun = draft["note"] or draft["spec"] != base["spec"] or draft["tier"] != base["tier"]
    if begun and not _computed(client, draft["id"]):
        raise Rejected(
            t("You have begun a change of this service, {reference}.", reference=draft["reference"]),
            t("Hand it in or take it back first: gasp requests show {reference}", reference=draft["reference"]),
        )
    return draft


def _computed(client: RequestsClient, number: int) -> bool:
    saved = [
        e["data"] for e in client.events(number) if e["type"] == RequestEvent.SAVED and not _KEPT & e["data"].keys()
    ]
    return bool(saved) and bool(saved[-1].get("computed"))
