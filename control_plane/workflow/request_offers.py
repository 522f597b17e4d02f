"""What a department may ask for, and what a preview says: the two answers before something is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from control_plane.model.change_class import ChangeClass
from control_plane.model.errors import Problem
from control_plane.model.offering import Offering
from control_plane.model.request import OPEN
from control_plane.model.text import t
from control_plane.store.repository import Store
from control_plane.workflow.request_plans import OWN, Preview, sentences

Json = dict[str, Any]


def offered(store: Store, offerings: Mapping[str, Offering], tenant: str) -> list[Json]:
    """See `RequestsClient.catalogue`."""
    rows = {s.offering: s for s in store.estate.subscriptions(tenant=tenant)}
    going = {r.content.offering: r for r in store.requests.list(tenants_=frozenset({tenant}), states=OPEN)}
    found = []
    for offering in offerings.values():
        if offering.asking is None or offering.spec is None:
            continue
        row, open_ = rows.get(offering.id), going.get(offering.id)
        found.append(
            {
                "offering": offering.id,
                "title": str(offering.title),
                "subscribed": row is not None,
                "tier": row.tier if row else None,
                "tiers": {tier: dict(limits) for tier, limits in (offering.tiers or {}).items()},
                "actions": ["change", "end"] if row else ["new"],
                "lead": dict(offering.asking.lead),
                "open": open_.reference if open_ else None,
                "example": offering.example,
                "schema": offering.spec.model_json_schema(),
            }
        )
    return sorted(found, key=lambda item: item["offering"])


def by_hand(made: Preview) -> list[Problem]:
    """What somebody changed on the systems by hand and this would overwrite: it is not made real before that has an
    answer."""
    names = [c.label or c.id for c in made.plan.changes if c.hand_made and c.reason in OWN]
    if not names:
        return []
    text = t("Changed by hand since it was last written: {names}.", names=", ".join(names[:5]))
    remedy = t("An operator has to keep, accept or revert that first: gasp drift list")
    return [Problem("changed-by-hand", text, remedy, severity="warning")]


def previewed(made: Preview, warnings: Sequence[Problem], kind: ChangeClass) -> Json:
    """What `RequestsClient.preview` says of the plan and its class."""
    return {
        "plan": {**made.plan.as_json(), "guards": []},
        "words": [str(text) for text in sentences(made.agreed.words)],
        "summary": dict(made.agreed.summary),
        "affected": list(made.agreed.affected),
        "lost": list(made.agreed.lost),
        "digest": made.digest,
        "class": kind.name,
        "class_title": str(kind.title),
        "class_sentence": str(kind.sentence),
        "reasons": [str(text) for text in made.classified.reasons],
        "warnings": [problem.as_json() for problem in warnings],
    }
