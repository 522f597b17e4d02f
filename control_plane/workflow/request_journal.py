"""The one place where something happens to a request: it moves and the event is recorded in one transaction.

Mail and audit follow the recorded events (`store.requests.records`); nobody is called from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from control_plane.model.request import Request, RequestEvent, Signoff
from control_plane.model.run import Actor
from control_plane.model.text import Text
from control_plane.store.repository import Store
from control_plane.workflow.fault import reached


@dataclass
class RequestJournal:
    """`fault` ends the process after an event, for tests."""

    store: Store
    fault: str | None = None
    _seen: Counter[str] = field(default_factory=Counter)

    def step(
        self,
        request: Request,
        event: RequestEvent,
        actor: Actor | None,
        data: Mapping[str, Any] | None = None,
        *,
        signoff: Signoff | None = None,
        void: Text | None = None,
        void_of: frozenset[str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Request:
        """See `RequestRepository.step`; afterwards is where fault tests kill the process."""
        moved = self.store.requests.step(
            request, event, actor, data or {}, signoff=signoff, void=void, void_of=void_of, values=values
        )
        reached(event, self.fault, self._seen)
        return moved
