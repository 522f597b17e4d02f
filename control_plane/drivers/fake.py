"""A driver that keeps everything in memory. For unit tests only; passes the same contract as the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from control_plane.model.plan import Change
from control_plane.model.ports import Fence, Notice, Outcome
from control_plane.model.resource import CouldNotMeasure, Foreign, Kind, Look, Measured, Observed, content_hash
from control_plane.model.text import Text, t


class FakeDriver:
    """Parts are created on demand. `blind` (part → reason) makes looks fail; `refuse` (id → reason) makes
    changes fail; `off` (id → reason) plays a machine that is off;
    `things` and `foreign` may be edited by a test to play a hand-made change."""

    stages: Sequence[str] = ("archive.sent",)

    def __init__(
        self, kinds: Sequence[Kind], parts: Sequence[str], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.kinds = kinds
        self._parts = list(parts)
        self._clock = clock
        self.things: dict[str, dict[str, Observed]] = {part: {} for part in parts}
        self.foreign: dict[str, list[Foreign]] = {part: [] for part in parts}
        self.blind: dict[str, Text] = {}
        self.refuse: dict[str, Text] = {}
        self.off: dict[str, Text] = {}
        self.writes = 0

    def parts(self) -> Sequence[str]:
        """The parts given at construction."""
        return self._parts

    def observe(self, part: str, tenants: frozenset[str] | None = None) -> Look:
        """Everything in the part, or why it could not be seen."""
        if part in self.blind:
            return CouldNotMeasure(part, self._clock(), self.blind[part])
        seen = {i: thing for i, thing in self.things[part].items() if i not in self.off}
        return Measured(part, self._clock(), seen, tuple(self.foreign[part]), waiting=dict(self.off))

    def apply(self, part: str, changes: Sequence[Change], fence: Fence) -> Iterator[Outcome | Notice]:
        """Carry out changes one by one, each under its precondition."""
        fence()
        yield Notice("archive.sent")
        for change in sorted(changes, key=lambda c: c.phase, reverse=changes[0].action == "delete"):
            fence()
            yield self._one(part, change)

    def _one(self, part: str, change: Change) -> Outcome:
        things = self.things[part]
        seen = things.get(change.id)
        if change.id in self.refuse:
            return Outcome(change.id, "failed", self.refuse[change.id])
        if (
            seen is not None
            and change.after is not None
            and content_hash(seen.attributes) == change.after_hash
            and seen.owner_marker == f"{change.tenant_id}/{change.offering}"
            and seen.retiring_until is None
        ):
            return Outcome(change.id, "already")
        if (content_hash(seen.attributes) if seen else None) != change.before_hash:
            return Outcome(change.id, "refused", t("It changed since the plan was made."))
        self.writes += 1
        if change.resource is not None:
            marker = change.resource.owner.marker
            things[change.id] = Observed(
                change.id,
                change.kind,
                marker,
                change.resource.attributes,
                change.label,
                token=str(change.retire_seconds),
            )
        elif seen is not None and seen.retiring_until is None and int(seen.token or 0):
            things[change.id] = replace(seen, retiring_until=self._clock() + timedelta(seconds=int(seen.token or 0)))
        else:
            things.pop(change.id, None)
        return Outcome(change.id, "applied")
