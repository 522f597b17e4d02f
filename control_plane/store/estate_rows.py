"""Rows of the desired state as the rest of the product knows them, and how they are read from the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

import orjson

from control_plane.model.tenant import TenantDocument, TenantNames, TenantStatus, Tier


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant: opaque id, its document (without subscriptions), how often it changed, when it ended."""

    id: str
    document: TenantDocument
    generation: int
    created_at: datetime
    ended_at: datetime | None

    @property
    def code(self) -> str:
        """Its code."""
        return self.document.code

    @property
    def names(self) -> TenantNames:
        """Its names."""
        return self.document.names

    @property
    def status(self) -> TenantStatus:
        """How much the centre does for it."""
        return self.document.status

    @property
    def network_index(self) -> int | None:
        """Its place in the address plan."""
        return self.document.network.index if self.document.network else None


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A tenant's instance of an offering. `observed_generation` is the last one verified on real systems, `text` its
    spec as it is stored, `policy` the revision of the centre's policy that it has (0: the shipped one, or none)."""

    tenant_id: str
    code: str
    offering: str
    tier: Tier
    text: str
    generation: int
    observed_generation: int
    state: Literal["active", "ended"]
    policy: int = 0

    @property
    def id(self) -> str:
        """`fgw/public_site`."""
        return f"{self.code}/{self.offering}"

    @property
    def spec(self) -> dict[str, Any]:
        """The spec, read from its text each time: most who read the rows of all tenants never ask for it."""
        found: dict[str, Any] = orjson.loads(self.text)
        return found


@dataclass(frozen=True, slots=True)
class Revision:
    """One generation of a subscription; spec None means that it ended."""

    generation: int
    tier: Tier
    spec: dict[str, Any] | None
    at: datetime
    actor_key: str
    actor_name: str
    cause: str
    policy: int = 0


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """A wish: spec None ends the subscription; `expected_generation` guards against a change in between
    (0: there is none yet). `policy`: another revision of the centre's policy (None: it stays; a new subscription gets
    the one that was rolled out last)."""

    tenant_code: str
    offering: str
    tier: Tier
    spec: Mapping[str, Any] | None
    expected_generation: int | None = None
    policy: int | None = None


@lru_cache(maxsize=4096)
def read_document(text: str) -> TenantDocument:
    """A tenant's document; the same text is the same document, and documents do not change."""
    return TenantDocument.model_validate_json(text)


def read_tenant(row: Any) -> TenantRow:
    """A row of `tenants`."""
    return TenantRow(row.id, read_document(row.document), row.generation, row.created_at, row.ended_at)


def read_subscription(row: Any) -> SubscriptionRow:
    """A row of `subscriptions` with its tenant's code."""
    return SubscriptionRow(
        row.tenant_id,
        row.code,
        row.offering,
        row.tier,
        row.spec,
        row.generation,
        row.observed_generation,
        row.state,
        row.policy,
    )


def read_revision(row: Any) -> Revision:
    """A row of `revisions` with its actor's name."""
    spec = orjson.loads(row.spec) if row.spec is not None else None
    return Revision(row.generation, row.tier, spec, row.at, row.actor_key, row.name, row.cause, row.policy)
