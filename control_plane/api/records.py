"""The audit trail."""

from __future__ import annotations

from typing import Any

from control_plane.api import listing
from control_plane.api.operation import Call, Page, Query, operation
from control_plane.model.people import Act

FILTERS = (
    Query("tenant", "Code of a tenant, or its opaque id."),
    Query("subject", "Such as `run:12`, `freeze:3`, `request:R-2026-0147`, `person:wang`, `fgw/internet`."),
    Query("actor", "A name or key."),
    Query("act", "Such as `freeze.set`, or all of `freeze`."),
    Query("begin", "From this day or time on."),
    Query("end", "Until this day or time."),
)
LIMITS = tuple(query for query in listing.PARTS if query.name in ("limit", "cursor"))


@operation("GET", "/audit", form="audit", scope="audit:read", act=Act.SEE_AUDIT, estate=True, query=(*FILTERS, *LIMITS))
def audit(call: Call) -> Any:
    """Who did what to what, by whose signoff; newest first. `total` is null: it is not counted."""
    limit = call.query.get("limit", listing.USUAL)
    known = listing.place(call.query.get("cursor"))
    asked = {query.name: call.query.get(query.name) for query in FILTERS}
    rows = call.client.audit.list(asked, limit=limit + 1, before=known["place"] if known else None)
    items = rows[:limit]
    following = listing.cursor({"place": items[-1]["number"]}) if len(rows) > limit else None
    return Page(items, following, None)
