"""What `gasp emergencies` and the console ask of changes that were made real ahead of their signatures."""

from __future__ import annotations

import builtins
from typing import Any, Protocol

Json = dict[str, Any]


class EmergenciesClient(Protocol):
    """One operator makes a request real at once; it goes back after 24 hours unless everybody has signed, and a second
    person reviews it. Errors are `ControlPlaneError`s."""

    def list(self, *, everything: bool = False) -> builtins.list[Json]:
        """Those that are not reviewed or not over, newest first; with `everything` all there ever were; of tenants in
        sight: [{id, request, tenant, tenant_name, offering, title, class_title, state, sentence, by, by_name, at,
        reason, expires_at, run, back_run, why, request_state, review_due, overdue, reviewed_at, reviewed_by, review,
        acts: [review]}]."""
        ...

    def apply(self, request: int | str, *, digest: str, reason: str) -> Json:
        """Make a submitted request real now, bound to what was seen; returns once that was tried, as `list`. Given
        again by the same person, it goes on with the same emergency. Raises Rejected (no operator, not submitted,
        deletes data for good, frozen), StalePlan, CouldNotMeasureError, TemporaryError."""
        ...

    def review(self, emergency: int, *, text: str) -> Json:
        """Say, as another person than who did it, what you found. It does not replace any signature."""
        ...
