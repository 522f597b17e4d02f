"""What may be asked of bringing one tenant back to a former day. Every answer is JSON-able."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Json = dict[str, Any]


class RestoresClient(Protocol):
    """`gasp tenants restore`."""

    def plan(self, tenant: str, *, to: str, what: Sequence[str] = ()) -> Json:
        """Make and store the plan that brings back what was desired of a tenant at the end of the day `to`, or at that
        time: as `Client.plan`, with `restores: [{subscription, from_generation, to_generation}]` and `left:
        [{subscription, sentence}]`, what stays as it is and why. `what`: some of `site`, `records`, `accounts` and
        `settings`; none means all. Applying the plan makes the older wishes desired again; of other tenants nothing
        is changed.

        Raises NotFound, Invalid with every problem (no such time, or content that was deleted since), Rejected when
        the tenant was not there yet or everything stands as it did."""
        ...
