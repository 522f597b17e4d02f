"""What may be asked about antivirus that goes on by itself: the part `by_itself` of `Client`."""

from __future__ import annotations

from typing import Any, Protocol

Json = dict[str, Any]


class ByItselfClient(Protocol):
    """Scans and signatures that need no command."""

    def status(self) -> list[Json]:
        """Rows `scans` and `signatures`: {name, title, on, state, sentence, every_seconds, last_at, next_at}; scans
        also {counts: {now, window, frozen, again, later}, under_way: [{machine, tenant, files, found, since, error}]},
        signatures also {set, rollout}. State: off, idle, running, waiting, again, frozen, stuck, failed."""
        ...

    def failed(self) -> list[Json]:
        """Those rows of `status` that failed. Scans are gone on with, so they never do."""
        ...
